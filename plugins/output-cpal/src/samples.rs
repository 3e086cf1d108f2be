use cpal::{I24, Sample, SizedSample};

/// Sample type of a device. `f32` and the wider integers hold 16- and 24-bit values exactly; other values are rounded and
/// clipped. Real-time safe, for the sound callback.
pub(crate) trait DeviceSample: SizedSample {
    /// Converts a sample of nominal ±1.
    fn from_float(x: f32) -> Self;
}

impl DeviceSample for f32 {
    fn from_float(x: f32) -> Self {
        x
    }
}

impl DeviceSample for i32 {
    fn from_float(x: f32) -> Self {
        // The cast saturates.
        (x * 2_147_483_648.0).round_ties_even() as Self
    }
}

impl DeviceSample for I24 {
    fn from_float(x: f32) -> Self {
        let value = (x * 8_388_608.0).round_ties_even() as i32;
        Self::new(value.clamp(-8_388_608, 8_388_607)).unwrap_or(Self::EQUILIBRIUM)
    }
}

impl DeviceSample for i16 {
    fn from_float(x: f32) -> Self {
        (x * 32_768.0).round_ties_even() as Self
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_16_bit_value_is_exact_in_every_type() {
        for value in i16::MIN..=i16::MAX {
            let x = f32::from(value) / 32_768.0;
            assert_eq!(i16::from_float(x), value);
            assert_eq!(I24::from_float(x).inner(), i32::from(value) << 8);
            assert_eq!(i32::from_float(x), i32::from(value) << 16);
        }
    }

    #[test]
    fn what_does_not_fit_is_clipped_and_no_number_is_silence() {
        assert_eq!((i16::from_float(1.0), i16::from_float(-9.0)), (i16::MAX, i16::MIN));
        assert_eq!((i32::from_float(1.0), i32::from_float(f32::NEG_INFINITY)), (i32::MAX, i32::MIN));
        assert_eq!((I24::from_float(3.0).inner(), I24::from_float(-3.0).inner()), (8_388_607, -8_388_608));
        assert_eq!((i16::from_float(f32::NAN), I24::from_float(f32::NAN).inner()), (0, 0));
    }

    proptest! {
        #[test]
        fn any_24_bit_value_is_exact_in_24_and_32_bits(value in -8_388_608_i32..8_388_608) {
            let x = value as f32 / 8_388_608.0;
            prop_assert_eq!(I24::from_float(x).inner(), value);
            prop_assert_eq!(i32::from_float(x), value << 8);
        }
    }
}
