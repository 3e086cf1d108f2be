//! An opened file: its links, one after the other.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use media_plugin_sdk::{AudioFormat, SampleType};
use symphonia::core::formats::well_known::FORMAT_ID_OGG;

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
    /// `None` for a link that cannot be opened. Silence takes its place.
    pub(super) link: Option<Arc<Link>>,
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
    /// Opens the file at `path` and measures its length. The first link that can be opened determines the track's rate and
    /// channels. Fails if none can.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let (mut file, stamp) = open_file(path)?;
        let io = |error| SourceError::io(path, error);
        let layout = Layout::find(&mut file).map_err(io)?;
        let layout = layout.ok_or_else(|| SourceError::unsupported(path, "an unknown kind of file"))?;
        let support =
            layout.format.support.ok_or_else(|| SourceError::unsupported(path, layout.format.name))?;
        let mut opened = Vec::new();
        let mut first_error = None;
        for place in chain::links(&mut file, &layout).map_err(io)? {
            let link = match Link::open(path, stamp, support, &place) {
                Ok(link) => Some(Arc::new(link)),
                Err(error @ SourceError::TooManyOpenFiles { .. }) => return Err(error),
                Err(error) => {
                    first_error.get_or_insert(error);
                    None
                }
            };
            // The walk through an MP3 can take junk for a link.
            if link.is_some() || support.id == FORMAT_ID_OGG {
                opened.push((place.range.end.saturating_sub(place.range.start), link));
            }
        }
        let Some(first) = opened.iter().find_map(|(_, link)| link.clone()) else {
            return Err(first_error.unwrap_or_else(|| SourceError::Empty { path: path.into() }));
        };
        let links = place_links(opened, first.format.rate);
        let info = info(&links, &first, stamp);
        Ok(Self { path: path.to_owned(), info, links, stamp })
    }

    /// The only link of the file; `None` if there are several.
    pub(super) fn only_link(&self) -> Option<&Arc<Link>> {
        match self.links.as_slice() {
            [only] => only.link.as_ref(),
            _ => None,
        }
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

/// Places links, each with its bytes, one after another in a track of `rate` Hz. A link that could not be opened is as long as
/// its bytes are on average in the others.
fn place_links(opened: Vec<(u64, Option<Arc<Link>>)>, rate: u32) -> Vec<PlacedLink> {
    let frames_of = |link: &Arc<Link>| converted_frames(link.frames, link.format.rate, rate);
    let (mut all_bytes, mut all_frames) = (0u64, 0u64);
    for (bytes, link) in &opened {
        if let Some(link) = link {
            all_bytes = all_bytes.saturating_add(*bytes);
            all_frames = all_frames.saturating_add(frames_of(link));
        }
    }
    let mut links: Vec<PlacedLink> = Vec::with_capacity(opened.len());
    for (bytes, link) in opened {
        let start = links.last().map_or(0, PlacedLink::end);
        let estimate = || u128::from(bytes) * u128::from(all_frames) / u128::from(all_bytes.max(1));
        let frames = match &link {
            Some(link) => frames_of(link),
            None => u64::try_from(estimate()).unwrap_or(u64::MAX),
        };
        links.push(PlacedLink { link, start, frames });
    }
    links
}

fn info(links: &[PlacedLink], first: &Link, stamp: FileStamp) -> SourceInfo {
    let format: AudioFormat = first.format;
    let opened = || links.iter().filter_map(|placed| placed.link.as_ref());
    let is_converted = opened().any(|link| link.format != format);
    let same_sample = opened().all(|link| link.sample == first.sample);
    let frames = links.last().map_or(0, PlacedLink::end);
    let bits = u128::from(stamp.bytes) * 8 * u128::from(format.rate);
    SourceInfo {
        format,
        sample: if same_sample && !is_converted { first.sample } else { SampleType::F32 },
        frames,
        codec: first.codec.name.into(),
        container: first.container.into(),
        bitrate: u32::try_from(bits / u128::from(frames.max(1))).ok(),
        lossy: opened().any(|link| link.codec.is_lossy),
    }
}
