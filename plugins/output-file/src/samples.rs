use media_plugin_sdk::SampleType;
use serde::Deserialize;

/// Little-endian format of a stored sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum SampleFormat {
    S16,
    S24,
    F32,
}

impl SampleFormat {
    /// Format that stores frames of a source with `sample` without loss. 32-bit integers are stored as `f32`, their form in
    /// the node, which keeps more of their bits than 24-bit integers would.
    pub(crate) fn matching(sample: SampleType) -> Self {
        match sample {
            SampleType::S16 => Self::S16,
            SampleType::S24 => Self::S24,
            SampleType::S32 | SampleType::F32 => Self::F32,
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
            Self::S16 => samples.iter().for_each(|&x| bytes.extend((quantise(x, 15) as i16).to_le_bytes())),
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
    use proptest::prelude::*;

    use super::*;

    fn encoded(stored: SampleFormat, x: f32) -> Vec<u8> {
        let mut bytes = Vec::new();
        stored.encode(&[x], &mut bytes);
        bytes
    }

    #[test]
    fn every_16_bit_value_is_exact() {
        for value in i16::MIN..=i16::MAX {
            assert_eq!(encoded(SampleFormat::S16, f32::from(value) / 32_768.0), value.to_le_bytes());
        }
    }

    #[test]
    fn what_does_not_fit_is_clipped() {
        for (x, bytes) in
            [(1.0, [0xff, 0x7f]), (-7.0, [0, 0x80]), (f32::INFINITY, [0xff, 0x7f]), (f32::NAN, [0, 0])]
        {
            assert_eq!(encoded(SampleFormat::S16, x), bytes);
        }
        assert_eq!(encoded(SampleFormat::S24, 1.5), [0xff, 0xff, 0x7f]);
        assert_eq!(encoded(SampleFormat::F32, 1.5), 1.5_f32.to_le_bytes());
    }

    proptest! {
        #[test]
        fn any_24_bit_value_is_exact(value in -8_388_608_i32..8_388_608) {
            prop_assert_eq!(encoded(SampleFormat::S24, value as f32 / 8_388_608.0), &value.to_le_bytes()[..3]);
        }

        #[test]
        fn any_value_is_off_by_half_a_step_at_most(x in -1.0_f32..0.999) {
            let bytes = encoded(SampleFormat::S16, x);
            let value = f32::from(i16::from_le_bytes([bytes[0], bytes[1]]));
            prop_assert!((value - x * 32_768.0).abs() <= 0.5);
        }
    }
}
