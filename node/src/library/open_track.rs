use std::{ops::Range, sync::Arc, time::SystemTime};

use media_plugin_sdk::AudioFormat;
use media_protocol::{CHUNK_SECONDS, ChunkIndex, ErrorCode, Track, TrackSource, WireError};

use super::{error::unreadable, open_file::OpenFile, source_facts::SourceFacts, track_file::nanos};
use crate::source::{OpusPackets, OpusStream, Reader, SourceError, SourceInfo, Window};

/// A track with its open file. Peers read its error messages, so these name the title and never a path.
#[derive(Debug)]
pub(crate) struct OpenTrack {
    track: Track,
    pub(super) file: Arc<OpenFile>,
}

impl OpenTrack {
    pub(super) fn new(track: &Track, file: Arc<OpenFile>) -> Self {
        Self { track: with_exact_length(track, file.source.info()), file }
    }

    /// The track's title.
    pub(crate) fn title(&self) -> &str {
        &self.track.title
    }

    /// The track with its exact duration.
    pub(crate) fn track(&self) -> &Track {
        &self.track
    }

    /// The facts that the choice of a rendition depends on.
    pub(crate) fn facts(&self) -> SourceFacts {
        let info = self.file.source.info();
        SourceFacts { source: info.source_format(), frames: info.frames, opus: self.file.opus }
    }

    /// The file's size in bytes and time of change when it was opened; `None` if the system does not tell.
    pub(crate) fn stamp(&self) -> Option<(u64, SystemTime)> {
        self.file.source.stamp()
    }

    /// Time of change of the file when it was opened, in the unit of [`super::Catalog::modified`].
    pub(crate) fn modified(&self) -> u64 {
        nanos(self.stamp().map(|(_, modified)| modified))
    }

    /// True if the file is unchanged since it was opened. Accesses the disk.
    pub(crate) fn is_current(&self) -> bool {
        self.file.source.is_current()
    }

    /// A reader for the frames from `first` on, counted at `rate`, for exclusive use. It may stand at any position,
    /// so the caller must seek.
    ///
    /// # Errors
    /// `Unreadable`.
    pub(crate) fn reader(&self, first: i64, rate: u32) -> Result<Reader, WireError> {
        let first = u64::try_from(first).unwrap_or(0);
        let frame = Window::frames(first, rate, self.file.source.info().format.rate);
        match self.file.idle.take(&self.file, frame) {
            Some(reader) => Ok(reader),
            None => match self.file.source.reader() {
                Err(SourceError::TooManyOpenFiles { .. }) if self.file.idle.close() => {
                    self.file.source.reader()
                }
                reader => reader,
            }
            .map_err(|error| self.unreadable(&error)),
        }
    }

    /// Takes a reader back, for the next user of this file.
    pub(crate) fn keep(&self, reader: Reader) {
        self.file.idle.put(&self.file, reader);
    }

    /// The Opus packets of `stream`, which belongs to this track, from packet `first` on.
    ///
    /// # Errors
    /// `Unreadable`.
    pub(crate) fn opus_packets(&self, stream: OpusStream, first: u64) -> Result<OpusPackets, WireError> {
        self.file.source.opus_packets(stream, first).map_err(|error| self.unreadable(&error))
    }

    /// The frames `range` at the rate of `format`; silence outside of the track.
    ///
    /// # Errors
    /// `Unreadable`.
    pub(crate) fn window<'a>(
        &self,
        reader: &'a mut Reader,
        format: AudioFormat,
        range: Range<i64>,
    ) -> Result<Window<'a>, WireError> {
        Window::new(reader, format, range).map_err(|error| self.unreadable(&error))
    }

    /// The frames of the file that the frames `range` at `rate` are made of.
    pub(crate) fn source_frames(&self, range: Range<u64>, rate: u32) -> Range<u64> {
        let own = self.file.source.info().format.rate;
        Window::frames(range.start, rate, own)..Window::frames(range.end, rate, own)
    }

    /// Number of frames at `rate` that `frames` frames of the file make, at least 1 unless there are none.
    pub(crate) fn frames_at(&self, frames: u64, rate: u32) -> u64 {
        let own = self.file.source.info().format.rate;
        Window::frames(frames, own, rate).max(frames.min(1))
    }

    /// The refusal for a file that ends before chunk `index` begins.
    pub(crate) fn cut_short(&self, index: ChunkIndex) -> WireError {
        let seconds = u64::from(index.0) * u64::from(CHUNK_SECONDS);
        let message = format!(
            "the file of {:?} is cut short: nothing is left after {}:{:02}",
            self.title(),
            seconds / 60,
            seconds % 60
        );
        WireError::new(ErrorCode::Unreadable, message)
    }

    /// The refusal for a file that cannot be read. Frees file descriptors for the next try if they have run out.
    pub(crate) fn unreadable(&self, error: &SourceError) -> WireError {
        if matches!(error, SourceError::TooManyOpenFiles { .. }) {
            self.file.idle.close();
        }
        unreadable(&self.track.title, error)
    }
}

/// Replaces the length and the format that the headers claim by those that opening the file has found.
fn with_exact_length(track: &Track, info: &SourceInfo) -> Track {
    let rate = u128::from(info.format.rate).max(1);
    let millis = (u128::from(info.frames) * 1000 + rate / 2) / rate;
    let source = TrackSource {
        codec: info.codec.clone(),
        rate: info.format.rate,
        channels: info.format.channels,
        bits: track.source.bits.filter(|_| !info.lossy),
    };
    // 0 stands for an unknown length.
    Track { duration_ms: u64::try_from(millis).unwrap_or(u64::MAX).max(1), source, ..track.clone() }
}
