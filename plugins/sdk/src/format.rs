use serde::{Deserialize, Serialize};

/// The shape of interleaved audio. A frame is one sample for every channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct AudioFormat {
    /// Frames per second, 1 to 768,000.
    pub rate: u32,
    /// Samples per frame, 1 to 32, in the WAVE order (left, right, centre, LFE, …).
    pub channels: u16,
}

impl AudioFormat {
    /// The highest rate that a node handles, in frames per second.
    pub const MAX_RATE: u32 = 768_000;
    /// The most channels that a node handles.
    pub const MAX_CHANNELS: u16 = 32;

    /// Whether rate and channels are within what a node handles.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        (1..=Self::MAX_RATE).contains(&self.rate) && (1..=Self::MAX_CHANNELS).contains(&self.channels)
    }

    /// How many samples `frames` frames hold.
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

/// How a sample is stored. All but [`SampleType::S32`] survive the way through `f32` exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SampleType {
    /// 16-bit signed integers; 8-bit sources too.
    S16,
    /// 24-bit signed integers, and whatever lies between 17 and 24 bits.
    S24,
    /// 32-bit signed integers; the last 8 bits are lost in `f32`.
    S32,
    /// 32-bit floating point, nominal ±1.
    F32,
}

/// What a source holds, as far as the choice of an encoding depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceFormat {
    /// Rate and channels of the source.
    pub format: AudioFormat,
    /// What its samples fit into exactly. A lossy source decodes to [`SampleType::F32`].
    pub sample: SampleType,
}

impl SampleType {
    // In the order of the C header.
    const ALL: [Self; 4] = [Self::S16, Self::S24, Self::S32, Self::F32];

    /// Its number in the C header.
    #[doc(hidden)]
    #[must_use]
    pub fn to_abi(self) -> u32 {
        self as u32
    }

    /// The sample type with that number in the C header.
    #[doc(hidden)]
    #[must_use]
    pub fn from_abi(number: u32) -> Option<Self> {
        Self::ALL.get(number as usize).copied()
    }
}
