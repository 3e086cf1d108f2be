use cpal::{SampleFormat, SupportedBufferSize, SupportedStreamConfigRange};
use media_plugin_sdk::{AudioFormat, PluginError, Result};

/// What a device will be opened with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Chosen {
    pub(crate) format: AudioFormat,
    pub(crate) sample: SampleFormat,
    pub(crate) buffer: SupportedBufferSize,
}

/// Rates that a range is asked for when the wish itself does not fit.
pub(crate) const COMMON_RATES: [u32; 15] = [
    8_000, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000, 88_200, 96_000, 176_400, 192_000, 352_800,
    384_000, 705_600, 768_000,
];

/// The nearest to the wish of what a device takes. Channels count most, for a wrong count is heard most; then the rate;
/// then a sample type that keeps 24 bits.
///
/// # Errors
/// `Failed` when the device takes no sample type that is known here.
pub(crate) fn choose(ranges: &[SupportedStreamConfigRange], wish: AudioFormat) -> Result<Chosen> {
    let rated = ranges.iter().filter_map(|range| {
        let sample = range.sample_format();
        let rank = sample_rank(sample)?;
        let rate = nearest_rate(range.min_sample_rate(), range.max_sample_rate(), wish.rate)?;
        let format = AudioFormat { rate, channels: range.channels() };
        let chosen = Chosen { format, sample, buffer: *range.buffer_size() };
        format.is_valid().then_some((
            (channel_rank(format.channels, wish.channels), rate_rank(rate, wish.rate), rank),
            chosen,
        ))
    });
    rated.min_by_key(|&(rank, _)| rank).map(|(_, chosen)| chosen).ok_or_else(|| {
        PluginError::Failed(format!("the sound device takes no format near {wish} with 16, 24 or 32 bits"))
    })
}

/// Sample types that are written, the best first.
fn sample_rank(sample: SampleFormat) -> Option<usize> {
    [SampleFormat::F32, SampleFormat::I32, SampleFormat::I24, SampleFormat::I16]
        .iter()
        .position(|&known| known == sample)
}

/// The same, else stereo, else more before fewer.
fn channel_rank(channels: u16, wish: u16) -> (u8, u16) {
    match channels {
        _ if channels == wish => (0, 0),
        2 => (1, 0),
        _ if channels > wish => (2, channels - wish),
        _ => (3, wish - channels),
    }
}

/// The same, else a whole multiple, else 48 kHz, else the nearest.
fn rate_rank(rate: u32, wish: u32) -> (u8, u32) {
    match rate {
        _ if rate == wish => (0, 0),
        _ if rate.is_multiple_of(wish) => (1, rate / wish),
        48_000 => (2, 0),
        _ => (3, rate.abs_diff(wish)),
    }
}

/// The best rate within a range of the device's.
fn nearest_rate(min: u32, max: u32, wish: u32) -> Option<u32> {
    let multiple = wish.checked_mul(min.div_ceil(wish.max(1)).max(1));
    [Some(wish), multiple, Some(48_000), Some(min), Some(max)]
        .into_iter()
        .flatten()
        .chain(COMMON_RATES)
        .filter(|rate| (min..=max).contains(rate) && (1..=AudioFormat::MAX_RATE).contains(rate))
        .min_by_key(|&rate| rate_rank(rate, wish))
}

#[cfg(test)]
mod tests {
    use SampleFormat::{F32, I16, I24, I32, U8};

    use super::*;

    /// A device from (channels, lowest rate, highest rate, sample type).
    fn device(ranges: &[(u16, u32, u32, SampleFormat)]) -> Vec<SupportedStreamConfigRange> {
        let range = |&(channels, min, max, sample)| {
            SupportedStreamConfigRange::new(channels, min, max, SupportedBufferSize::Unknown, sample)
        };
        ranges.iter().map(range).collect()
    }

    fn chosen(
        ranges: &[(u16, u32, u32, SampleFormat)],
        rate: u32,
        channels: u16,
    ) -> (u32, u16, SampleFormat) {
        let chosen = choose(&device(ranges), AudioFormat { rate, channels }).unwrap();
        (chosen.format.rate, chosen.format.channels, chosen.sample)
    }

    #[test]
    fn what_is_asked_for_is_taken_when_it_can_be() {
        let any = [(1, 1, 384_000, I16), (2, 1, 384_000, I16), (2, 1, 384_000, F32), (6, 1, 384_000, F32)];
        assert_eq!(chosen(&any, 44_100, 2), (44_100, 2, F32));
        assert_eq!(chosen(&any, 96_000, 6), (96_000, 6, F32));
        assert_eq!(chosen(&any, 44_100, 1), (44_100, 1, I16));
    }

    #[test]
    fn the_sample_type_keeps_24_bits_if_one_does() {
        let (u8, i16, i24, i32) = (
            (2, 48_000, 48_000, U8),
            (2, 48_000, 48_000, I16),
            (2, 48_000, 48_000, I24),
            (2, 48_000, 48_000, I32),
        );
        assert_eq!(chosen(&[u8, i16, i24, i32], 48_000, 2).2, I32);
        assert_eq!(chosen(&[u8, i16, i24], 48_000, 2).2, I24);
        assert_eq!(chosen(&[u8, i16], 48_000, 2).2, I16);
        assert!(choose(&device(&[u8]), AudioFormat { rate: 48_000, channels: 2 }).is_err());
        assert!(choose(&[], AudioFormat { rate: 48_000, channels: 2 }).is_err());
    }

    #[test]
    fn another_rate_is_a_multiple_or_48_khz_or_the_nearest() {
        let fixed = |rates: &[u32]| rates.iter().map(|&rate| (2, rate, rate, F32)).collect::<Vec<_>>();
        assert_eq!(chosen(&fixed(&[48_000, 88_200, 96_000]), 44_100, 2).0, 88_200);
        assert_eq!(chosen(&fixed(&[32_000, 48_000, 96_000]), 44_100, 2).0, 48_000);
        assert_eq!(chosen(&fixed(&[32_000, 96_000]), 44_100, 2).0, 32_000);
        assert_eq!(chosen(&[(2, 80_000, 192_000, F32)], 22_050, 2).0, 88_200);
        assert_eq!(chosen(&[(2, 8_000, 96_000, F32)], 192_000, 2).0, 48_000);
    }

    #[test]
    fn channels_count_more_than_the_rate() {
        assert_eq!(
            chosen(&[(1, 44_100, 44_100, F32), (2, 48_000, 48_000, I16)], 44_100, 2),
            (48_000, 2, I16)
        );
        assert_eq!(chosen(&[(2, 1, 48_000, F32), (8, 1, 48_000, F32)], 48_000, 6).1, 2);
        assert_eq!(chosen(&[(4, 1, 48_000, F32), (8, 1, 48_000, F32)], 48_000, 6).1, 8);
        assert_eq!(chosen(&[(1, 1, 48_000, F32)], 48_000, 6).1, 1);
    }
}
