//! Files to frames: probe, read, seek. Only the server imports this.
//!
//! A [`Source`] is a file that was opened once: what it holds and how long it is, to the frame, without the delay and
//! padding that an encoder added. All its listeners share it. Each reads through a [`Reader`] of its own, or through a
//! [`Window`], which also converts to another rate and channel count. [`scan`] reads tags for a catalog, cheaply.
//!
//! # Damage
//! A packet that cannot be decoded is silence of its length. Where the data ends before the length that the headers
//! give, silence follows up to that length (plain PCM: the track ends with the data). So a position always means the
//! same instant. Only a beginning that cannot be understood, or a file that cannot be read, is an error.

mod codecs;
mod demux;
mod error;
mod frame_stream;
mod mp3_header_walk;
mod mp4;
mod source_file;
mod opus_packets;
mod reader;
mod tags;
mod window;

use std::{path::Path, sync::Arc, time::SystemTime};

use media_plugin_sdk::{AudioFormat, SampleType, SourceFormat};

pub use error::{Result, SourceError};
pub use opus_packets::{OpusPackets, OpusStream};
pub use reader::Reader;
pub use tags::{Scanned, Tags, scan, tags};
pub use window::Window;

use open::Inner;

/// What a source holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceInfo {
    /// Rate and channels, in the WAVE order.
    pub format: AudioFormat,
    /// What its samples fit into exactly; `F32` for a lossy codec.
    pub sample: SampleType,
    /// Its exact length in frames, without encoder delay and padding; at least 1.
    pub frames: u64,
    /// The codec: `flac`, `mp3`, `vorbis`, `opus`, `aac`, `alac`, `pcm`, `alaw`, `mulaw`.
    pub codec: String,
    /// The container, in Symphonia's short names: `wave`, `ogg`, `isomp4`, `flac`, `mp3`, …
    pub container: String,
    /// The mean bitrate over the whole file, in bit/s.
    pub bitrate: Option<u32>,
    /// Whether the codec loses anything.
    pub lossy: bool,
}

impl SourceInfo {
    /// What the choice of an encoding depends on.
    #[must_use]
    pub fn source_format(&self) -> SourceFormat {
        SourceFormat { format: self.format, sample: self.sample }
    }
}

/// A file that was opened and understood. Cheap to clone, shared by all its listeners, from any thread.
#[derive(Clone)]
pub struct Source {
    inner: Arc<Inner>,
}

impl Source {
    /// Opens a file: finds out what it holds and, where the headers do not say it, walks through it once to learn its
    /// exact length. Blocks on the disk; decodes nothing.
    ///
    /// # Errors
    /// A [`SourceError`], one line that names the file.
    pub fn open(path: &Path) -> Result<Self> {
        Ok(Self { inner: Arc::new(Inner::open(path)?) })
    }

    /// What it holds.
    #[must_use]
    pub fn info(&self) -> &SourceInfo {
        &self.inner.info
    }

    /// Whether the file is still the one that was opened, by size and time of change.
    #[must_use]
    pub fn is_current(&self) -> bool {
        self.inner.is_current()
    }

    /// The file's size in bytes and when it was last written to, as they were when it was opened; `None` where the system
    /// does not say.
    #[must_use]
    pub fn stamp(&self) -> Option<(u64, SystemTime)> {
        self.inner.stamp()
    }

    /// The Opus packets in it, where they can be handed on as they are. Reads through the whole file.
    #[must_use]
    pub fn opus_stream(&self) -> Option<OpusStream> {
        OpusStream::find(&self.inner)
    }

    /// The packets of `stream`, which [`Source::opus_stream`] found, from the one numbered `first` on.
    ///
    /// # Errors
    /// `Io` when the file is gone or cannot be read, `Changed` or `Damaged` when it is not what it was.
    pub fn opus_packets(&self, stream: OpusStream, first: u64) -> Result<OpusPackets> {
        OpusPackets::new(Arc::clone(&self.inner), stream, first)
    }

    /// Finds where a seek to any place begins, so that no seek has to: reads through an MP3 once, where [`Source::open`] did
    /// not. Returns at once for containers that say it themselves. Readers are not held up.
    ///
    /// # Errors
    /// `Io` when the file is gone or cannot be read, `Changed` when another one stands in its place.
    pub fn find_places(&self) -> Result<()> {
        let found = self.inner.demux()?.find_places();
        found.map_err(|error| SourceError::symphonia(&self.inner.path, error))
    }

    /// A reader at the first frame. It opens the file again, so it may fail where [`Source::open`] did not.
    ///
    /// # Errors
    /// `Io` when the file is gone, `Changed` when another one stands in its place.
    pub fn reader(&self) -> Result<Reader> {
        Reader::new(Arc::clone(&self.inner))
    }
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Source").field("path", &self.inner.path).field("info", &self.inner.info).finish()
    }
}
