//! Rate for an output that does not take the source's rate.

use media_plugin_sdk::SourceFormat;

use super::plan::{RATES, USUAL_RATE};

/// Returns the format that the node should give to a codec, for an output that takes these `rates`. An empty list
/// sets no limit.
///
/// The rate is the source's own if the output takes it. Otherwise it is the output's lowest rate between the
/// source's and [`USUAL_RATE`], since a higher one would add bytes without audio. If there is none, it is the
/// output's highest rate below the source's. A source with an uncommon rate keeps it if the output lists a lower
/// and a higher rate: an output lists only common rates, and takes those between them too.
pub(super) fn for_output(source: SourceFormat, rates: &[u32]) -> SourceFormat {
    let own = source.format.rate;
    let usable = || rates.iter().copied().filter(|rate| RATES.contains(rate));
    let is_between = rates.iter().any(|rate| *rate < own) && rates.iter().any(|rate| *rate > own);
    if rates.contains(&own) || (!RATES.contains(&own) && is_between) {
        return source;
    }
    let above = usable().filter(|rate| (own..=own.max(USUAL_RATE)).contains(rate)).min();
    let rate = above.or_else(|| usable().filter(|rate| *rate < own).max()).unwrap_or(own);
    let mut converted = source;
    converted.format.rate = rate;
    converted
}

#[cfg(test)]
mod tests {
    use media_plugin_sdk::{AudioFormat, SampleType};

    use super::*;

    #[test]
    fn the_nearest_rate_of_the_output_is_taken() {
        for (own, rates, expected) in [
            (44_100, &[][..], 44_100),
            (44_100, &[44_100, 48_000], 44_100),
            (44_100, &[48_000], 48_000),
            (44_100, &[32_000, 48_000, 96_000], 48_000),
            (96_000, &[44_100, 48_000], 48_000),
            (192_000, &[48_000, 96_000], 96_000),
            (44_100, &[96_000], 44_100),
            (44_100, &[22_050, 96_000], 22_050),
            (37_800, &[32_000, 48_000], 37_800),
            (37_800, &[48_000], 48_000),
            (44_100, &[47_999], 44_100),
        ] {
            let source =
                SourceFormat { format: AudioFormat { rate: own, channels: 2 }, sample: SampleType::S16 };
            let converted = for_output(source, rates);
            assert_eq!(converted.format.rate, expected, "{own} on {rates:?}");
            assert_eq!((converted.format.channels, converted.sample), (2, SampleType::S16));
        }
    }
}
