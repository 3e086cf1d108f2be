//! Frames of a source.

use std::{ops::Range, sync::Arc};

use media_plugin_sdk::AudioFormat;

use super::{
    Result, SourceInfo,
    conversion::{Conversion, FrameReader, converted_frames},
    error::SourceError,
    link_reader::LinkReader,
    source_file::{PlacedLink, SourceFile},
};

/// Reads the frames of one source from any position and decodes on demand.
///
/// The frames that [`Reader::read`] returns after [`Reader::seek`] depend on the file and the position alone. Damaged or
/// missing data becomes silence of the same length, so that later frames keep their positions. Links of a chained file
/// follow each other without a gap, converted to the rate and channels of the first.
///
/// For one user at a time, on a thread that may block on the disk. Holds the frames of one packet, and one block and a
/// resampler while it converts a link.
pub struct Reader {
    file: Arc<SourceFile>,
    /// Index of the current link.
    index: usize,
    /// Reader of the current link; `None` if the link cannot be opened.
    current: Option<LinkReader>,
    /// Conversion of the current link, from the position on, to the track's format. `None` if the formats are equal.
    conversion: Option<Conversion>,
    /// The next frame to return.
    position: u64,
    /// Damaged packets of links that the reader has left.
    damaged_before: u64,
    /// Frames whose silence counts, see [`Reader::watch_silence`].
    watched: Range<u64>,
    /// Silent frames of links that the reader has left, at the track's rate.
    silenced_before: u64,
}

impl Reader {
    pub(super) fn new(file: Arc<SourceFile>) -> Result<Self> {
        let first = file.links.first().ok_or_else(|| SourceError::Empty { path: file.path.clone() })?;
        let current = open_link(first)?;
        let damaged_before = u64::from(current.is_none());
        let watched = 0..file.info.frames;
        let mut reader = Self {
            file,
            index: 0,
            current,
            conversion: None,
            position: 0,
            damaged_before,
            watched,
            silenced_before: 0,
        };
        reader.watch_current();
        Ok(reader)
    }

    /// The next frame that [`Reader::read`] returns.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Facts about the source.
    #[must_use]
    pub fn info(&self) -> &SourceInfo {
        &self.file.info
    }

    /// The source's file.
    #[must_use]
    pub fn path(&self) -> &std::path::Path {
        &self.file.path
    }

    /// Number of packets that became silence because they cannot be decoded. A gap, and the missing end of a file that
    /// was cut, count as one packet, and so does a link that cannot be opened. A packet that is read twice counts twice.
    #[must_use]
    pub fn damaged(&self) -> u64 {
        self.damaged_before + self.current.as_ref().map_or(0, LinkReader::damaged)
    }

    /// Counts the silence within the frames `range` from now on.
    pub fn watch_silence(&mut self, range: Range<u64>) {
        self.watched = range;
        self.silenced_before = 0;
        self.watch_current();
    }

    /// Number of frames within the watched ones that were silence in place of damaged or missing data, since the last
    /// [`Reader::watch_silence`]. A frame that is read twice counts twice.
    #[must_use]
    pub fn silenced(&self) -> u64 {
        self.silenced_before + self.silenced_in_current()
    }

    /// Silent frames of the current link, at the track's rate.
    fn silenced_in_current(&self) -> u64 {
        let Some(current) = &self.current else { return 0 };
        converted_frames(current.silenced(), current.format().rate, self.file.info.format.rate)
    }

    /// Lets the current link count the silence within its part of the watched frames.
    fn watch_current(&mut self) {
        let (start, rate) = (self.placed().start, self.file.info.format.rate);
        let Some(current) = &mut self.current else { return };
        let own = current.format().rate;
        let local = |frame: u64| converted_frames(frame.saturating_sub(start), rate, own);
        current.watch_silence(local(self.watched.start)..local(self.watched.end));
    }

    /// Counts `count` frames of silence from the position on.
    fn count_silence(&mut self, count: u64) {
        let end = self.position.saturating_add(count).min(self.watched.end);
        self.silenced_before += end.saturating_sub(self.position.max(self.watched.start));
    }

    /// Moves to `frame`, or to the end if that comes first. A seek to the current position costs nothing, except with
    /// a codec that does not converge (AAC, Opus): its decoder restarts.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn seek(&mut self, frame: u64) -> Result<()> {
        let frame = frame.min(self.file.info.frames);
        let links = &self.file.links;
        let index = links.partition_point(|placed| placed.end() <= frame).min(links.len() - 1);
        self.enter(index, frame)
    }

    /// Fills `out` with interleaved samples. Returns the number of frames: fewer than fit only at the end of the track,
    /// 0 only behind it.
    ///
    /// # Errors
    /// If the file cannot be read. The position is then behind the frames that were written to `out`.
    pub fn read(&mut self, out: &mut [f32]) -> Result<usize> {
        let channels = usize::from(self.file.info.format.channels);
        let left = self.file.info.frames - self.position;
        let wanted = (out.len() / channels).min(usize::try_from(left).unwrap_or(usize::MAX));
        let mut done = 0;
        while done < wanted {
            let end = self.placed().end();
            if self.position >= end {
                self.enter(self.index + 1, self.position)?;
                continue;
            }
            let count = (wanted - done).min(usize::try_from(end - self.position).unwrap_or(usize::MAX));
            let part = &mut out[done * channels..(done + count) * channels];
            let frames = match (&mut self.current, &mut self.conversion) {
                (Some(current), Some(conversion)) => conversion.read(current, part)?,
                (Some(current), None) => current.read(part)?,
                (None, _) => {
                    self.count_silence(count as u64);
                    0
                }
            };
            // A link always returns as many frames as were measured. If it did not, silence keeps this loop finite.
            part[frames * channels..].fill(0.0);
            done += count;
            self.position += count as u64;
        }
        Ok(wanted)
    }

    fn placed(&self) -> &PlacedLink {
        &self.file.links[self.index]
    }

    /// Moves to frame `frame` of the track, which must lie in link `index` or at its end.
    fn enter(&mut self, index: usize, frame: u64) -> Result<()> {
        let placed = self.file.links[index].clone();
        let format = self.file.info.format;
        let local = frame.saturating_sub(placed.start);
        if index != self.index {
            let next = open_link(&placed)?;
            self.damaged_before = self.damaged() + u64::from(next.is_none());
            self.silenced_before += self.silenced_in_current();
            self.current = next;
            self.index = index;
            self.watch_current();
        }
        self.position = frame;
        self.conversion = None;
        let Some(current) = &mut self.current else { return Ok(()) };
        let own = current.format();
        if own == format {
            return current.seek(local);
        }
        let range = signed(local)..signed(placed.frames);
        let conversion = Conversion::new(own, format, range);
        let cause = |cause| SourceError::Convert { path: self.file.path.clone(), cause };
        self.conversion = Some(conversion.map_err(cause)?);
        Ok(())
    }
}

impl FrameReader for Reader {
    fn format(&self) -> AudioFormat {
        self.file.info.format
    }

    fn seek(&mut self, frame: u64) -> Result<()> {
        Self::seek(self, frame)
    }

    fn read(&mut self, out: &mut [f32]) -> Result<usize> {
        Self::read(self, out)
    }

    /// True if only silence is left of the track because the file was cut.
    fn is_cut_short(&self) -> bool {
        self.index + 1 == self.file.links.len() && self.current.as_ref().is_some_and(LinkReader::is_cut_short)
    }
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader")
            .field("path", &self.file.path)
            .field("position", &self.position)
            .field("damaged", &self.damaged())
            .finish_non_exhaustive()
    }
}

/// A reader of a link; `None` if the link cannot be opened.
fn open_link(placed: &PlacedLink) -> Result<Option<LinkReader>> {
    placed.link.as_ref().map(|link| LinkReader::new(Arc::clone(link))).transpose()
}

fn signed(frames: u64) -> i64 {
    i64::try_from(frames).unwrap_or(i64::MAX)
}
