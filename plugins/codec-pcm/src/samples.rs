use media_plugin_sdk::{PluginError, Result};

/// Little-endian format of a sample in a packet.
///
/// Integers are scaled by a power of two, so every 16- and 24-bit value survives the conversion to `f32` and back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SampleFormat {
    S16,
    S24,
    F32,
}

/// Value of full scale in 16 bits.
const SCALE_16: f32 = 32_768.0;
/// Value of full scale in 24 bits.
const SCALE_24: f32 = 8_388_608.0;

/// Rounds `x * scale` to the nearest integer in `[-scale, scale)`, ties to even.
///
/// A float of 2^23 or more has no fraction, so adding 2^23 rounds. `round_ties_even` gives the same result, as
/// `halves_go_to_the_even_integer` tests, but takes 1.5 times as long, because it is a function call where the target's
/// baseline has no instruction for it.
fn integer(x: f32, scale: f32) -> i32 {
    let value = (x * scale).clamp(-scale, scale - 1.0);
    let shift = 8_388_608.0_f32.copysign(value);
    ((value + shift) - shift) as i32
}

impl SampleFormat {
    const ALL: [Self; 3] = [Self::S16, Self::S24, Self::F32];

    /// Name in the parameters and in the decoder's configuration.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::S16 => "s16",
            Self::S24 => "s24",
            Self::F32 => "f32",
        }
    }

    pub(crate) fn named(name: &[u8]) -> Result<Self> {
        Self::ALL.into_iter().find(|format| format.name().as_bytes() == name).ok_or_else(|| {
            let name = String::from_utf8_lossy(name.get(..32).unwrap_or(name));
            PluginError::BadArgument(format!(
                "codec pcm has no sample format {name:?}; it has s16, s24 and f32"
            ))
        })
    }

    /// Bytes of a sample.
    pub(crate) fn bytes(self) -> usize {
        match self {
            Self::S16 => 2,
            Self::S24 => 3,
            Self::F32 => 4,
        }
    }

    /// Encodes samples; `bytes` must have exactly the required length. Integer formats clip values beyond ±1 and store NaN
    /// as 0.
    pub(crate) fn write(self, pcm: &[f32], bytes: &mut [u8]) {
        match self {
            Self::S16 => {
                for (x, b) in pcm.iter().zip(bytes.as_chunks_mut().0) {
                    *b = (integer(*x, SCALE_16) as i16).to_le_bytes();
                }
            }
            Self::S24 => {
                for (x, b) in pcm.iter().zip(bytes.as_chunks_mut().0) {
                    let [low, middle, high, _] = integer(*x, SCALE_24).to_le_bytes();
                    *b = [low, middle, high];
                }
            }
            Self::F32 => {
                for (x, b) in pcm.iter().zip(bytes.as_chunks_mut().0) {
                    *b = x.to_le_bytes();
                }
            }
        }
    }

    /// Decodes samples; `pcm` must have exactly the required length. NaN and infinity become 0.
    pub(crate) fn read(self, bytes: &[u8], pcm: &mut [f32]) {
        match self {
            Self::S16 => {
                for (b, x) in bytes.as_chunks().0.iter().zip(pcm) {
                    *x = f32::from(i16::from_le_bytes(*b)) / SCALE_16;
                }
            }
            Self::S24 => {
                for (&[low, middle, high], x) in bytes.as_chunks().0.iter().zip(pcm) {
                    // The shift right extends the sign.
                    *x = (i32::from_le_bytes([0, low, middle, high]) >> 8) as f32 / SCALE_24;
                }
            }
            Self::F32 => {
                for (b, x) in bytes.as_chunks().0.iter().zip(pcm) {
                    let value = f32::from_le_bytes(*b);
                    *x = if value.is_finite() { value } else { 0.0 };
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(format: SampleFormat, value: f32) -> f32 {
        let (mut bytes, mut pcm) = (vec![0; format.bytes()], [0.0]);
        format.write(&[value], &mut bytes);
        format.read(&bytes, &mut pcm);
        pcm[0]
    }

    #[test]
    fn every_integer_is_exact() {
        for value in i16::MIN..=i16::MAX {
            let x = f32::from(value) / SCALE_16;
            assert_eq!(round_trip(SampleFormat::S16, x), x);
        }
        for value in (-8_388_608..=8_388_607).step_by(251).chain([8_388_607]) {
            let x = value as f32 / SCALE_24;
            assert_eq!(round_trip(SampleFormat::S24, x), x);
        }
    }

    #[test]
    fn values_between_round_and_values_beyond_clip() {
        for (format, scale) in [(SampleFormat::S16, SCALE_16), (SampleFormat::S24, SCALE_24)] {
            let top = (scale - 1.0) / scale;
            assert_eq!(round_trip(format, 1.0), top);
            assert_eq!(round_trip(format, 7.0), top);
            assert_eq!(round_trip(format, -1.0), -1.0);
            assert_eq!(round_trip(format, f32::NEG_INFINITY), -1.0);
            assert_eq!(round_trip(format, f32::NAN), 0.0);
        }
        assert_eq!(round_trip(SampleFormat::S16, 1.6 / SCALE_16), 2.0 / SCALE_16);
        assert_eq!(round_trip(SampleFormat::S16, -1.4 / SCALE_16), -1.0 / SCALE_16);
        assert_eq!(round_trip(SampleFormat::F32, 1.25), 1.25);
        assert_eq!(round_trip(SampleFormat::F32, f32::NAN), 0.0);
    }

    #[test]
    fn halves_go_to_the_even_integer() {
        // Floats over the whole range, and those next to each half.
        let halves = (-70_000..70_000).map(|i| i as f32 / 2.0);
        let all = (0..=u32::MAX).step_by(4_999).map(f32::from_bits);
        for value in halves.flat_map(|x| [x.next_down(), x, x.next_up()]).chain(all) {
            for scale in [SCALE_16, SCALE_24] {
                let expected = value.round_ties_even().clamp(-scale, scale - 1.0) as i32;
                assert_eq!(integer(value / scale, scale), expected, "{value} at {scale}");
            }
        }
    }

    #[test]
    fn bytes_are_little_endian() {
        let mut bytes = [0; 3];
        SampleFormat::S24.write(&[-2.0 / SCALE_24], &mut bytes);
        assert_eq!(bytes, [0xfe, 0xff, 0xff]);
        SampleFormat::S16.write(&[0.5], &mut bytes[..2]);
        assert_eq!(bytes[..2], [0x00, 0x40]);
    }
}
