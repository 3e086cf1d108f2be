//! Conversion of a stream's rate and channels.

use media_plugin_sdk::AudioFormat;

use super::{ConvertError, Remix, Resampler};

/// Converts the rate and channels of a stream of interleaved frames. Samples pass unchanged if the formats are equal.
#[derive(Debug)]
pub struct Converter {
    /// Channels of the input.
    from: usize,
    /// Channels of the output.
    to: usize,
    remix: Remix,
    resampler: Option<Resampler>,
    mixed: Vec<f32>,
}

impl Converter {
    /// A converter for one stream, from one format to another.
    ///
    /// # Errors
    /// If a rate or a channel count is out of range.
    pub fn new(from: AudioFormat, to: AudioFormat) -> Result<Self, ConvertError> {
        let resampler = match from.rate == to.rate {
            true => None,
            false => Some(Resampler::new(from.rate, to.rate, to.channels)?),
        };
        Ok(Self {
            from: usize::from(from.channels),
            to: usize::from(to.channels),
            remix: Remix::new(from.channels, to.channels)?,
            resampler,
            mixed: Vec::new(),
        })
    }

    /// Converts `frames` and appends the finished ones to `out`.
    pub fn push(&mut self, frames: &[f32], out: &mut Vec<f32>) {
        let mixed = if self.remix.is_identity() {
            frames
        } else {
            self.mixed.resize(frames.len() / self.from * self.to, 0.0);
            self.remix.process(frames, &mut self.mixed);
            &self.mixed
        };
        match &mut self.resampler {
            Some(resampler) => resampler.process(mixed, out),
            None => out.extend_from_slice(mixed),
        }
    }

    /// Appends the frames that the resampler still holds. To be called at the end of the stream.
    pub fn flush(&mut self, out: &mut Vec<f32>) {
        if let Some(resampler) = &mut self.resampler {
            resampler.flush(out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn convert(from: AudioFormat, to: AudioFormat, frames: &[f32]) -> Vec<f32> {
        let mut converter = Converter::new(from, to).unwrap();
        let mut out = Vec::new();
        for piece in frames.chunks(777 * usize::from(from.channels)) {
            converter.push(piece, &mut out);
        }
        converter.flush(&mut out);
        out
    }

    #[test]
    fn passes_an_equal_format_untouched() {
        let format = AudioFormat { rate: 44_100, channels: 2 };
        let frames: Vec<f32> = (0..10_000).map(|n| n as f32 / 10_000.0).collect();
        assert_eq!(convert(format, format, &frames), frames);
    }

    #[test]
    fn changes_rate_and_channels_at_once() {
        let (from, to) =
            (AudioFormat { rate: 44_100, channels: 1 }, AudioFormat { rate: 48_000, channels: 2 });
        let sine = |rate: f32| move |n: usize| (n as f32 * 997.0 * std::f32::consts::TAU / rate).sin() * 0.5;
        let out = convert(from, to, &(0..44_100).map(sine(44_100.0)).collect::<Vec<_>>());
        assert_eq!(out.len(), 2 * 48_000);
        for (n, frame) in out.chunks(2).enumerate().skip(4_800).take(38_400) {
            assert_eq!(frame[0], frame[1]);
            assert!((frame[0] - sine(48_000.0)(n)).abs() < 1e-3, "frame {n}");
        }
    }
}
