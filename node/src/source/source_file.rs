//! An opened file: its links, one after the other.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use media_plugin_sdk::{AudioFormat, SampleType};

use super::{
    Result, SourceError, SourceInfo, chain,
    conversion::converted_frames,
    file_stamp::{FileStamp, open_file},
    layout::Layout,
    link::Link,
};

/// An opened file. Holds no file descriptor: each reader opens the file again.
pub(super) struct SourceFile {
    pub(super) path: PathBuf,
    pub(super) info: SourceInfo,
    /// Links in the order of the track; at least one.
    pub(super) links: Vec<PlacedLink>,
    stamp: FileStamp,
}

/// A link with its place in the track.
#[derive(Clone)]
pub(super) struct PlacedLink {
    pub(super) link: Arc<Link>,
    /// The link's first frame in the track.
    pub(super) start: u64,
    /// The link's length at the track's rate.
    pub(super) frames: u64,
}

impl PlacedLink {
    /// Number of the track's frame that follows the link.
    pub(super) fn end(&self) -> u64 {
        self.start.saturating_add(self.frames)
    }
}

impl SourceFile {
    /// Opens the file at `path` and measures its length. The first link determines the track's rate and channels. Leaves out
    /// links that cannot be opened. Fails if none can.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let (mut file, stamp) = open_file(path)?;
        let io = |error| SourceError::io(path, error);
        let layout = Layout::find(&mut file).map_err(io)?;
        let layout = layout.ok_or_else(|| SourceError::unsupported(path, "an unknown kind of file"))?;
        let support =
            layout.format.support.ok_or_else(|| SourceError::unsupported(path, layout.format.name))?;
        let mut links: Vec<PlacedLink> = Vec::new();
        let mut first_error = None;
        for place in chain::links(&mut file, &layout).map_err(io)? {
            match Link::open(path, stamp, support, &place) {
                Ok(link) => place_link(&mut links, link),
                Err(error) => {
                    first_error.get_or_insert(error);
                }
            }
        }
        let (Some(first), Some(last)) = (links.first(), links.last()) else {
            return Err(first_error.unwrap_or_else(|| SourceError::Empty { path: path.into() }));
        };
        let info = info(&links, &first.link, last.end(), stamp);
        Ok(Self { path: path.to_owned(), info, links, stamp })
    }

    /// True if the file is unchanged since it was opened.
    pub(super) fn is_current(&self) -> bool {
        std::fs::metadata(&self.path).is_ok_and(|metadata| FileStamp::of(&metadata) == self.stamp)
    }

    /// Size in bytes and time of modification.
    pub(super) fn stamp(&self) -> Option<(u64, SystemTime)> {
        Some((self.stamp.bytes, self.stamp.modified?))
    }
}

/// Appends a link at the end of the track.
fn place_link(links: &mut Vec<PlacedLink>, link: Link) {
    let rate = links.first().map_or(link.format.rate, |first| first.link.format.rate);
    let start = links.last().map_or(0, PlacedLink::end);
    let frames = converted_frames(link.frames, link.format.rate, rate);
    links.push(PlacedLink { link: Arc::new(link), start, frames });
}

fn info(links: &[PlacedLink], first: &Link, frames: u64, stamp: FileStamp) -> SourceInfo {
    let format: AudioFormat = first.format;
    let is_converted = links.iter().any(|placed| placed.link.format != format);
    let same_sample = links.iter().all(|placed| placed.link.sample == first.sample);
    let bits = u128::from(stamp.bytes) * 8 * u128::from(format.rate);
    SourceInfo {
        format,
        sample: if same_sample && !is_converted { first.sample } else { SampleType::F32 },
        frames,
        codec: first.codec.name.into(),
        container: first.container.into(),
        bitrate: u32::try_from(bits / u128::from(frames.max(1))).ok(),
        lossy: links.iter().any(|placed| placed.link.codec.is_lossy),
    }
}
