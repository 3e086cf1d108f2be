use media_plugin_sdk::{PluginError, Result};

/// How a sample lies in a packet, always little-endian.
///
/// Integers are scaled by a power of two, so every 16- and 24-bit value survives the way through `f32` exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sample {
    S16,
    S24,
    F32,
}

const SCALE_16: f32 = 32_768.0;
const SCALE_24: f32 = 8_388_608.0;

/// The nearest integer of those that `scale` has room for, the even one of two.
///
/// At 2^23 and above a float has no fraction left, so adding that much rounds. `round_ties_even` does the same by a call for
/// each sample, because not every x86-64 has an instruction for it, and takes half as long again.
fn integer(x: f32, scale: f32) -> i32 {
    let value = (x * scale).clamp(-scale, scale - 1.0);
    let shift = 8_388_608.0_f32.copysign(value);
    ((value + shift) - shift) as i32
}

impl Sample {
    const ALL: [Self; 3] = [Self::S16, Self::S24, Self::F32];

    /// As it stands in the parameters and in the decoder's configuration.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::S16 => "s16",
            Self::S24 => "s24",
            Self::F32 => "f32",
        }
    }

    pub(crate) fn named(name: &[u8]) -> Result<Self> {
        Self::ALL.into_iter().find(|sample| sample.name().as_bytes() == name).ok_or_else(|| {
            let name = String::from_utf8_lossy(name.get(..32).unwrap_or(name));
            PluginError::BadArgument(format!("PCM knows no sample type {name:?}, only s16, s24 and f32"))
        })
    }

    pub(crate) fn bytes(self) -> usize {
        match self {
            Self::S16 => 2,
            Self::S24 => 3,
            Self::F32 => 4,
        }
    }

    /// `bytes` is exactly as long as `pcm` needs. Values beyond ±1 clip in integers; NaN becomes 0 there.
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

    /// `pcm` is exactly as long as `bytes` needs. What is no number becomes silence.
    pub(crate) fn read(self, bytes: &[u8], pcm: &mut [f32]) {
        match self {
            Self::S16 => {
                for (b, x) in bytes.as_chunks().0.iter().zip(pcm) {
                    *x = f32::from(i16::from_le_bytes(*b)) / SCALE_16;
                }
            }
            Self::S24 => {
                for (&[low, middle, high], x) in bytes.as_chunks().0.iter().zip(pcm) {
                    // Into the upper three bytes and down again, so that the sign comes along.
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

    fn through(sample: Sample, value: f32) -> f32 {
        let (mut bytes, mut pcm) = (vec![0; sample.bytes()], [0.0]);
        sample.write(&[value], &mut bytes);
        sample.read(&bytes, &mut pcm);
        pcm[0]
    }

    #[test]
    fn every_integer_is_exact() {
        for value in i16::MIN..=i16::MAX {
            let x = f32::from(value) / SCALE_16;
            assert_eq!(through(Sample::S16, x), x);
        }
        for value in (-8_388_608..=8_388_607).step_by(251).chain([8_388_607]) {
            let x = value as f32 / SCALE_24;
            assert_eq!(through(Sample::S24, x), x);
        }
    }

    #[test]
    fn values_between_round_and_values_beyond_clip() {
        for (sample, scale) in [(Sample::S16, SCALE_16), (Sample::S24, SCALE_24)] {
            let top = (scale - 1.0) / scale;
            assert_eq!(through(sample, 1.0), top);
            assert_eq!(through(sample, 7.0), top);
            assert_eq!(through(sample, -1.0), -1.0);
            assert_eq!(through(sample, f32::NEG_INFINITY), -1.0);
            assert_eq!(through(sample, f32::NAN), 0.0);
        }
        assert_eq!(through(Sample::S16, 1.6 / SCALE_16), 2.0 / SCALE_16);
        assert_eq!(through(Sample::S16, -1.4 / SCALE_16), -1.0 / SCALE_16);
        assert_eq!(through(Sample::F32, 1.25), 1.25);
        assert_eq!(through(Sample::F32, f32::NAN), 0.0);
    }

    #[test]
    fn halves_go_to_the_even_integer() {
        // Floats from all over, and those around each half.
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
        Sample::S24.write(&[-2.0 / SCALE_24], &mut bytes);
        assert_eq!(bytes, [0xfe, 0xff, 0xff]);
        Sample::S16.write(&[0.5], &mut bytes[..2]);
        assert_eq!(bytes[..2], [0x00, 0x40]);
    }
}
