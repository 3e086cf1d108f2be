use media_plugin_sdk::{AudioFormat, PluginError, Result};

/// Frames in a packet: the most common block size of FLAC files, 85 ms at 48 kHz.
pub(crate) const PACKET_FRAMES: u16 = 4096;

/// Sample size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Depth {
    S16,
    S24,
}

impl Depth {
    /// Name in the parameters. An encoder that writes other bytes for the same audio needs other names. Tested by
    /// `its_bytes_are_what_they_were`.
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
                "codec flac has no parameters {name:?}; it has s16 and s24"
            ))),
        }
    }

    pub(crate) fn bits(self) -> u8 {
        match self {
            Self::S16 => 16,
            Self::S24 => 24,
        }
    }

    /// Rounds to the nearest integer and clips; NaN becomes 0.
    pub(crate) fn integer(self, sample: f32) -> i32 {
        let scale = self.scale();
        (sample * scale).round_ties_even().clamp(-scale, scale - 1.0) as i32
    }

    /// Integer of full scale. It is a power of two, so integers of this size survive the conversion to `f32` and back.
    pub(crate) fn scale(self) -> f32 {
        (1_u32 << (self.bits() - 1)) as f32
    }
}

/// Format of a stream, as STREAMINFO and the frame headers state it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StreamInfo {
    pub(crate) format: AudioFormat,
    pub(crate) depth: Depth,
}

impl StreamInfo {
    /// Stream info for a format.
    ///
    /// # Errors
    /// `Unsupported` for more than 8 channels, and for a rate that a frame header cannot state.
    pub(crate) fn new(format: AudioFormat, depth: Depth) -> Result<Self> {
        let AudioFormat { rate, channels } = format;
        // 16 bits of Hz or of 10 Hz (RFC 9639, section 9.1.2). The encoder does not use the highest number.
        let is_rate =
            (1..65_535).contains(&rate) || (rate.is_multiple_of(10) && (1..655_350).contains(&rate));
        if (1..=8).contains(&channels) && is_rate {
            return Ok(Self { format, depth });
        }
        Err(PluginError::Unsupported(format!(
            "FLAC takes 1 to 8 channels at up to 65,534 Hz, or up to 655,340 Hz in steps of 10, not {format}"
        )))
    }

    /// Nominal bitrate: two thirds of PCM's. Most music stays below it; noise needs a little more than PCM.
    pub(crate) fn bitrate(self) -> u32 {
        let bits =
            u64::from(self.format.rate) * u64::from(self.format.channels) * u64::from(self.depth.bits());
        u32::try_from(bits * 2 / 3).unwrap_or(u32::MAX)
    }

    /// Longest packet: one byte per sample more than PCM, and 256 bytes for headers.
    pub(crate) fn max_packet_bytes(self) -> u32 {
        let sample = u32::from(self.depth.bits()) / 8 + 1;
        256 + u32::from(PACKET_FRAMES) * u32::from(self.format.channels) * sample
    }

    /// The metadata block STREAMINFO (section 8.2). Frame sizes, length and MD5 are 0, which means unknown.
    pub(crate) fn to_block(self) -> [u8; 34] {
        let mut block = [0; 34];
        let rate = u64::from(self.format.rate) << 44;
        let channels = u64::from(self.format.channels - 1) << 41;
        let bits = u64::from(self.depth.bits() - 1) << 36;
        block[..2].copy_from_slice(&PACKET_FRAMES.to_be_bytes());
        block[2..4].copy_from_slice(&PACKET_FRAMES.to_be_bytes());
        block[10..18].copy_from_slice(&(rate | channels | bits).to_be_bytes());
        block
    }

    /// Parses a block from a peer.
    ///
    /// # Errors
    /// `BadArgument` for any block that [`StreamInfo::to_block`] does not write.
    pub(crate) fn from_block(block: &[u8]) -> Result<Self> {
        let parse = || {
            let fields = u64::from_be_bytes(block.get(10..18)?.try_into().ok()?);
            let format = AudioFormat { rate: (fields >> 44) as u32, channels: (fields >> 41 & 7) as u16 + 1 };
            let depth = match (fields >> 36 & 31) + 1 {
                16 => Depth::S16,
                24 => Depth::S24,
                _ => return None,
            };
            Self::new(format, depth).ok().filter(|info| info.to_block() == block)
        };
        parse().ok_or_else(|| {
            let bytes = block.len();
            PluginError::BadArgument(format!("malformed or unsupported FLAC configuration of {bytes} bytes"))
        })
    }
}
