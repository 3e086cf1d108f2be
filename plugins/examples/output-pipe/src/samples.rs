use media_plugin_sdk::SampleType;

/// Little-endian format of a written sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SampleFormat {
    S16,
    S24,
    F32,
}

impl SampleFormat {
    /// Format that stores frames of a source with `sample` without loss. 32-bit integers are written as `f32`, their form in
    /// the node, which keeps more of their bits than 24-bit integers would.
    pub(crate) fn matching(sample: SampleType) -> Self {
        match sample {
            SampleType::S16 => Self::S16,
            SampleType::S24 => Self::S24,
            SampleType::S32 | SampleType::F32 => Self::F32,
        }
    }

    /// Name of the format in ffmpeg.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::S16 => "s16le",
            Self::S24 => "s24le",
            Self::F32 => "f32le",
        }
    }

    /// Bytes of a sample.
    pub(crate) fn bytes(self) -> u16 {
        match self {
            Self::S16 => 2,
            Self::S24 => 3,
            Self::F32 => 4,
        }
    }

    /// Appends samples. Values that the format cannot hold are rounded and clipped.
    pub(crate) fn encode(self, samples: &[f32], bytes: &mut Vec<u8>) {
        match self {
            Self::S16 => samples.iter().for_each(|&x| bytes.extend(&quantise(x, 15).to_le_bytes()[..2])),
            Self::S24 => samples.iter().for_each(|&x| bytes.extend(&quantise(x, 23).to_le_bytes()[..3])),
            Self::F32 => samples.iter().for_each(|x| bytes.extend(x.to_le_bytes())),
        }
    }
}

/// Nearest integer to `x * 2^bits` in `[-2^bits, 2^bits)`; 0 for NaN. `bits` is at most 23.
fn quantise(x: f32, bits: u32) -> i32 {
    let scale = (1_i32 << bits) as f32;
    ((x * scale).round_ties_even() as i32).clamp(-(1 << bits), (1 << bits) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_exact_and_the_rest_is_clipped() {
        let mut bytes = Vec::new();
        for value in i16::MIN..=i16::MAX {
            bytes.clear();
            SampleFormat::S16.encode(&[f32::from(value) / 32_768.0], &mut bytes);
            assert_eq!(bytes, value.to_le_bytes());
        }
        for value in (-8_388_608_i32..8_388_608).step_by(4_099) {
            bytes.clear();
            SampleFormat::S24.encode(&[value as f32 / 8_388_608.0], &mut bytes);
            assert_eq!(bytes, value.to_le_bytes()[..3]);
        }
        bytes.clear();
        SampleFormat::S16.encode(&[1.0, -7.0, f32::INFINITY, f32::NAN], &mut bytes);
        assert_eq!(bytes, [0xff, 0x7f, 0, 0x80, 0xff, 0x7f, 0, 0]);
    }
}
