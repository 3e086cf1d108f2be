//! Facts about an opened source.

use std::time::Duration;

use media_plugin_sdk::{AudioFormat, SampleType, SourceFormat};

/// Facts about a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceInfo {
    /// Rate and channels. Channels are in WAVE order.
    pub format: AudioFormat,
    /// The smallest sample type that holds the samples exactly; `F32` for a lossy codec.
    pub sample: SampleType,
    /// Exact length in frames, without encoder delay and padding; at least 1.
    pub frames: u64,
    /// Codec of the (first) link: `flac`, `mp3`, `mp2`, `mp1`, `vorbis`, `opus`, `aac`, `alac`, `pcm`, `alaw`, `mulaw` or
    /// `adpcm`.
    pub codec: String,
    /// The container, in Symphonia's short names: `wave`, `ogg`, `isomp4`, `flac`, `mp3`, ...
    pub container: String,
    /// Mean bitrate of the whole file, in bit/s.
    pub bitrate: Option<u32>,
    /// True if the codec is lossy.
    pub lossy: bool,
}

impl SourceInfo {
    /// The exact length.
    #[must_use]
    pub fn duration(&self) -> Duration {
        Duration::from_secs_f64(self.frames as f64 / f64::from(self.format.rate.max(1)))
    }

    /// The facts on which the choice of an encoding depends.
    #[must_use]
    pub fn source_format(&self) -> SourceFormat {
        SourceFormat { format: self.format, sample: self.sample }
    }
}
