use media_plugin_sdk::{AudioFormat, PluginError, Result};

use crate::PACKET_FRAMES;

/// Bits of a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Depth {
    S16,
    S24,
}

impl Depth {
    /// As it stands in the parameters. Other bytes for the same audio, as from a new encoder, need another name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::S16 => "s16",
            Self::S24 => "s24",
        }
    }

    pub(crate) fn named(name: &str) -> Result<Self> {
        match name {
            "s16" => Ok(Self::S16),
            "s24" => Ok(Self::S24),
            _ => Err(PluginError::BadArgument(format!(
                "FLAC has no parameters {name:?} here, only s16 and s24"
            ))),
        }
    }

    pub(crate) fn bits(self) -> u8 {
        match self {
            Self::S16 => 16,
            Self::S24 => 24,
        }
    }

    /// The nearest integer, clipped; 0 for what is not a number.
    pub(crate) fn integer(self, sample: f32) -> i32 {
        let scale = self.scale();
        (sample * scale).round_ties_even().clamp(-scale, scale - 1.0) as i32
    }

    /// The integer of full scale, a power of two: whatever fits into the depth survives the way through `f32`.
    pub(crate) fn scale(self) -> f32 {
        (1_u32 << (self.bits() - 1)) as f32
    }
}

/// What a stream holds, all of which a frame's header can say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) format: AudioFormat,
    pub(crate) depth: Depth,
}

impl Shape {
    /// # Errors
    /// `Unsupported` for more than 8 channels, and for a rate that no frame's header can name.
    pub(crate) fn new(format: AudioFormat, depth: Depth) -> Result<Self> {
        let AudioFormat { rate, channels } = format;
        // 16 bits of Hz or of 10 Hz (section 9.1.2), the highest number left out by the encoder.
        let is_rate =
            (1..65_535).contains(&rate) || (rate.is_multiple_of(10) && (1..655_350).contains(&rate));
        if (1..=8).contains(&channels) && is_rate {
            return Ok(Self { format, depth });
        }
        Err(PluginError::Unsupported(format!(
            "FLAC takes 1 to 8 channels at up to 65,534 Hz, or up to 655,340 Hz in steps of 10, not {format}"
        )))
    }

    /// Nominal: two thirds of PCM's, which most music stays below. Nothing bounds it but noise, at a little over PCM's.
    pub(crate) fn bitrate(self) -> u32 {
        let bits =
            u64::from(self.format.rate) * u64::from(self.format.channels) * u64::from(self.depth.bits());
        u32::try_from(bits * 2 / 3).unwrap_or(u32::MAX)
    }

    /// A byte per sample more than PCM, and the headers.
    pub(crate) fn max_packet_bytes(self) -> u32 {
        let sample = u32::from(self.depth.bits()) / 8 + 1;
        256 + u32::from(PACKET_FRAMES) * u32::from(self.format.channels) * sample
    }

    /// The metadata block STREAMINFO (section 8.2), with what depends on the audio left unknown.
    pub(crate) fn streaminfo(self) -> [u8; 34] {
        let mut block = [0; 34];
        let rate = u64::from(self.format.rate) << 44;
        let channels = u64::from(self.format.channels - 1) << 41;
        let bits = u64::from(self.depth.bits() - 1) << 36;
        block[..2].copy_from_slice(&PACKET_FRAMES.to_be_bytes());
        block[2..4].copy_from_slice(&PACKET_FRAMES.to_be_bytes());
        block[10..18].copy_from_slice(&(rate | channels | bits).to_be_bytes());
        block
    }

    /// # Errors
    /// `BadArgument` for what [`Shape::streaminfo`] does not write.
    pub(crate) fn of_streaminfo(block: &[u8]) -> Result<Self> {
        let parse = || {
            let fields = u64::from_be_bytes(block.get(10..18)?.try_into().ok()?);
            let format = AudioFormat { rate: (fields >> 44) as u32, channels: (fields >> 41 & 7) as u16 + 1 };
            let depth = match (fields >> 36 & 31) + 1 {
                16 => Depth::S16,
                24 => Depth::S24,
                _ => return None,
            };
            Self::new(format, depth).ok().filter(|shape| shape.streaminfo() == block)
        };
        parse().ok_or_else(|| {
            let bytes = block.len();
            PluginError::BadArgument(format!("{bytes} bytes that are no STREAMINFO of this FLAC"))
        })
    }
}
