use serde::{Deserialize, Serialize};

/// Format of interleaved audio. A frame holds one sample per channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct AudioFormat {
    /// Frames per second, 1 to 768,000.
    pub rate: u32,
    /// Samples per frame, 1 to 32, in the order of WAVE files: left, right, centre, LFE, …
    pub channels: u16,
}

impl AudioFormat {
    /// Highest rate that a node supports, in frames per second.
    pub const MAX_RATE: u32 = 768_000;
    /// Highest number of channels that a node supports.
    pub const MAX_CHANNELS: u16 = 32;

    /// Returns true if the node supports rate and channels.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        (1..=Self::MAX_RATE).contains(&self.rate) && (1..=Self::MAX_CHANNELS).contains(&self.channels)
    }

    /// Returns the number of samples in `frames` frames.
    #[must_use]
    pub fn samples(&self, frames: usize) -> usize {
        frames * usize::from(self.channels)
    }
}

impl std::fmt::Display for AudioFormat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} Hz, {} channel{}", self.rate, self.channels, if self.channels == 1 { "" } else { "s" })
    }
}

/// Stored form of a sample. `f32` holds the values of all but [`SampleType::S32`] exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SampleType {
    /// 16-bit signed integers. Also stands for 8-bit sources.
    S16,
    /// Signed integers of 17 to 24 bits.
    S24,
    /// 32-bit signed integers, whose last 8 bits `f32` cannot hold.
    S32,
    /// 32-bit floating point, nominal range ±1.
    F32,
}

/// Format of a source, which the choice of an encoding depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceFormat {
    /// Rate and channels of the source.
    pub format: AudioFormat,
    /// Smallest type that holds its samples exactly. A lossy source decodes to [`SampleType::F32`].
    pub sample: SampleType,
}

impl SampleType {
    // In the order of their numbers in the C header.
    const ALL: [Self; 4] = [Self::S16, Self::S24, Self::S32, Self::F32];

    /// Returns the number of the sample type in the C header.
    #[doc(hidden)]
    #[must_use]
    pub fn to_abi(self) -> u32 {
        self as u32
    }

    /// Returns the sample type with a number of the C header.
    #[doc(hidden)]
    #[must_use]
    pub fn from_abi(number: u32) -> Option<Self> {
        Self::ALL.get(number as usize).copied()
    }
}
