use cpal::{SampleFormat, SupportedBufferSize, SupportedStreamConfigRange};
use media_plugin_sdk::{AudioFormat, PluginError, Result};

/// Format of a device's stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StreamFormat {
    pub(crate) format: AudioFormat,
    pub(crate) sample: SampleFormat,
    /// Buffer sizes that the device supports in this format.
    pub(crate) buffer: SupportedBufferSize,
}

/// Common rates, in frames per second. They are listed for a device, and tried if the wanted rate is outside its ranges.
pub(crate) const COMMON_RATES: [u32; 15] = [
    8_000, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000, 88_200, 96_000, 176_400, 192_000, 352_800,
    384_000, 705_600, 768_000,
];

impl StreamFormat {
    /// Chooses the device's format that is nearest to the wanted one. The channel count matters most, because a wrong one is
    /// the most audible; then the rate; then a sample type that holds 24 bits.
    ///
    /// # Errors
    /// `Failed` if the device has no sample type that this output can write.
    pub(crate) fn nearest(ranges: &[SupportedStreamConfigRange], wanted: AudioFormat) -> Result<Self> {
        let ranked = ranges.iter().filter_map(|range| {
            let sample = range.sample_format();
            let sample_rank = sample_rank(sample)?;
            let rate = nearest_rate(range.min_sample_rate(), range.max_sample_rate(), wanted.rate)?;
            let format = AudioFormat { rate, channels: range.channels() };
            let rank =
                (channel_rank(format.channels, wanted.channels), rate_rank(rate, wanted.rate), sample_rank);
            format.is_valid().then_some((rank, Self { format, sample, buffer: *range.buffer_size() }))
        });
        ranked.min_by_key(|&(rank, _)| rank).map(|(_, nearest)| nearest).ok_or_else(|| {
            PluginError::Failed(format!(
                "the sound device has no format near {wanted} with 16, 24 or 32 bits"
            ))
        })
    }
}

/// Rank of a sample type, lowest for the best. `None` if this output cannot write it.
fn sample_rank(sample: SampleFormat) -> Option<usize> {
    [SampleFormat::F32, SampleFormat::I32, SampleFormat::I24, SampleFormat::I16]
        .iter()
        .position(|&known| known == sample)
}

/// Rank of a channel count: the wanted one, then stereo, then more channels, then fewer.
fn channel_rank(channels: u16, wanted: u16) -> (u8, u16) {
    match channels {
        _ if channels == wanted => (0, 0),
        2 => (1, 0),
        _ if channels > wanted => (2, channels - wanted),
        _ => (3, wanted - channels),
    }
}

/// Rank of a rate: the wanted one, then its multiples, then 48 kHz, then the nearest.
fn rate_rank(rate: u32, wanted: u32) -> (u8, u32) {
    match rate {
        _ if rate == wanted => (0, 0),
        _ if rate.is_multiple_of(wanted) => (1, rate / wanted),
        48_000 => (2, 0),
        _ => (3, rate.abs_diff(wanted)),
    }
}

/// Best rate from `min` to `max`, by [`rate_rank`].
fn nearest_rate(min: u32, max: u32, wanted: u32) -> Option<u32> {
    let multiple = wanted.checked_mul(min.div_ceil(wanted.max(1)).max(1));
    [Some(wanted), multiple, Some(48_000), Some(min), Some(max)]
        .into_iter()
        .flatten()
        .chain(COMMON_RATES)
        .filter(|rate| (min..=max).contains(rate) && (1..=AudioFormat::MAX_RATE).contains(rate))
        .min_by_key(|&rate| rate_rank(rate, wanted))
}

#[cfg(test)]
mod tests {
    use SampleFormat::{F32, I16, I24, I32, U8};

    use super::*;

    /// Ranges of a device from (channels, lowest rate, highest rate, sample type).
    fn device(ranges: &[(u16, u32, u32, SampleFormat)]) -> Vec<SupportedStreamConfigRange> {
        let range = |&(channels, min, max, sample)| {
            SupportedStreamConfigRange::new(channels, min, max, SupportedBufferSize::Unknown, sample)
        };
        ranges.iter().map(range).collect()
    }

    fn nearest(
        ranges: &[(u16, u32, u32, SampleFormat)],
        rate: u32,
        channels: u16,
    ) -> (u32, u16, SampleFormat) {
        let nearest = StreamFormat::nearest(&device(ranges), AudioFormat { rate, channels }).unwrap();
        (nearest.format.rate, nearest.format.channels, nearest.sample)
    }

    #[test]
    fn what_is_asked_for_is_taken_when_it_can_be() {
        let any = [(1, 1, 384_000, I16), (2, 1, 384_000, I16), (2, 1, 384_000, F32), (6, 1, 384_000, F32)];
        assert_eq!(nearest(&any, 44_100, 2), (44_100, 2, F32));
        assert_eq!(nearest(&any, 96_000, 6), (96_000, 6, F32));
        assert_eq!(nearest(&any, 44_100, 1), (44_100, 1, I16));
    }

    #[test]
    fn the_sample_type_keeps_24_bits_if_one_does() {
        let (u8, i16, i24, i32) = (
            (2, 48_000, 48_000, U8),
            (2, 48_000, 48_000, I16),
            (2, 48_000, 48_000, I24),
            (2, 48_000, 48_000, I32),
        );
        assert_eq!(nearest(&[u8, i16, i24, i32], 48_000, 2).2, I32);
        assert_eq!(nearest(&[u8, i16, i24], 48_000, 2).2, I24);
        assert_eq!(nearest(&[u8, i16], 48_000, 2).2, I16);
        assert!(StreamFormat::nearest(&device(&[u8]), AudioFormat { rate: 48_000, channels: 2 }).is_err());
        assert!(StreamFormat::nearest(&[], AudioFormat { rate: 48_000, channels: 2 }).is_err());
    }

    #[test]
    fn another_rate_is_a_multiple_or_48_khz_or_the_nearest() {
        let fixed = |rates: &[u32]| rates.iter().map(|&rate| (2, rate, rate, F32)).collect::<Vec<_>>();
        assert_eq!(nearest(&fixed(&[48_000, 88_200, 96_000]), 44_100, 2).0, 88_200);
        assert_eq!(nearest(&fixed(&[32_000, 48_000, 96_000]), 44_100, 2).0, 48_000);
        assert_eq!(nearest(&fixed(&[32_000, 96_000]), 44_100, 2).0, 32_000);
        assert_eq!(nearest(&[(2, 80_000, 192_000, F32)], 22_050, 2).0, 88_200);
        assert_eq!(nearest(&[(2, 8_000, 96_000, F32)], 192_000, 2).0, 48_000);
    }

    #[test]
    fn channels_count_more_than_the_rate() {
        assert_eq!(
            nearest(&[(1, 44_100, 44_100, F32), (2, 48_000, 48_000, I16)], 44_100, 2),
            (48_000, 2, I16)
        );
        assert_eq!(nearest(&[(2, 1, 48_000, F32), (8, 1, 48_000, F32)], 48_000, 6).1, 2);
        assert_eq!(nearest(&[(4, 1, 48_000, F32), (8, 1, 48_000, F32)], 48_000, 6).1, 8);
        assert_eq!(nearest(&[(1, 1, 48_000, F32)], 48_000, 6).1, 1);
    }
}
