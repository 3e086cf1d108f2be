//! Conversion between numbers of channels.

use media_plugin_sdk::AudioFormat;

use super::ConvertError;

/// Factor of -3 dB with which centre and surround are added to a side (ITU-R BS.775-4, table 2).
const HALF_POWER: f32 = std::f32::consts::FRAC_1_SQRT_2;

/// Factors with which the channels 3 to 8 are added to left and right. In WAVE order: centre, LFE (left out, as the
/// recommendation says), then surround pairs.
const FOLD: [[f32; 2]; 6] = [
    [HALF_POWER, HALF_POWER],
    [0.0, 0.0],
    [HALF_POWER, 0.0],
    [0.0, HALF_POWER],
    [HALF_POWER, 0.0],
    [0.0, HALF_POWER],
];

/// Factors for channels 3 and 4 of quadraphonic sound, which has no centre: they are its rear pair.
const FOLD_QUAD: [[f32; 2]; 2] = [[HALF_POWER, 0.0], [0.0, HALF_POWER]];

/// Changes the number of channels of interleaved frames in WAVE order.
///
/// | from | to | how |
/// |---|---|---|
/// | mono | 2 or more | left and right are copies, the others are silent |
/// | stereo | mono | the mean of both |
/// | 3 to 8 | stereo | ITU-R BS.775: front + 0.707 centre + 0.707 surround, LFE left out |
/// | 3 to 8 | mono | the mean of that stereo |
/// | any other | | the first channels; missing ones are silent |
///
/// Levels are kept, so folded surround may exceed ±1. It is not clipped.
#[derive(Debug, Clone)]
pub struct Remix {
    from: usize,
    to: usize,
    /// `to` rows of `from` factors; empty if the numbers are equal.
    matrix: Vec<f32>,
}

impl Remix {
    /// A remix of `from` channels to `to` channels.
    ///
    /// # Errors
    /// If a count is 0 or over [`AudioFormat::MAX_CHANNELS`].
    pub fn new(from: u16, to: u16) -> Result<Self, ConvertError> {
        if ![from, to].into_iter().all(|count| (1..=AudioFormat::MAX_CHANNELS).contains(&count)) {
            return Err(ConvertError { from: format!("{from} channels"), to: format!("{to} channels") });
        }
        let from = usize::from(from);
        let to = usize::from(to);
        let matrix =
            if from == to { Vec::new() } else { (0..to).flat_map(|row| factors(from, to, row)).collect() };
        Ok(Self { from, to, matrix })
    }

    /// True if the numbers are equal, so that frames pass unchanged.
    #[must_use]
    pub fn is_identity(&self) -> bool {
        self.matrix.is_empty()
    }

    /// Mixes as many whole frames of `input` into `output` as fit in both. Returns their number.
    pub fn process(&self, input: &[f32], output: &mut [f32]) -> usize {
        let frames = (input.len() / self.from).min(output.len() / self.to);
        if self.is_identity() {
            output[..frames * self.to].copy_from_slice(&input[..frames * self.from]);
            return frames;
        }
        for (input, output) in input.chunks_exact(self.from).zip(output.chunks_exact_mut(self.to)) {
            for (sample, row) in output.iter_mut().zip(self.matrix.chunks_exact(self.from)) {
                *sample = input.iter().zip(row).map(|(sample, factor)| sample * factor).sum();
            }
        }
        frames
    }
}

/// Factor of each input channel for output channel `row`.
fn factors(from: usize, to: usize, row: usize) -> Vec<f32> {
    let stereo = |side: usize| (0..from).map(move |channel| fold(from, channel)[side]);
    match (from, to) {
        (1, 2..) => vec![if row < 2 { 1.0 } else { 0.0 }],
        (2..=8, 1) => stereo(0).zip(stereo(1)).map(|(left, right)| (left + right) / 2.0).collect(),
        (3..=8, 2) => stereo(row).collect(),
        _ => (0..from).map(|channel| if channel == row { 1.0 } else { 0.0 }).collect(),
    }
}

/// Factors with which a channel is added to left and right.
fn fold(channels: usize, channel: usize) -> [f32; 2] {
    match (channels, channel) {
        (_, 0) => [1.0, 0.0],
        (_, 1) => [0.0, 1.0],
        (4, _) => FOLD_QUAD[channel - 2],
        // Without LFE, the surround pair follows the centre.
        (5, 3..) => FOLD[channel - 1],
        // 6.1 has one rear centre before the side pair.
        (7, 4) => [HALF_POWER * HALF_POWER; 2],
        (7, 5..) => FOLD[channel - 3],
        _ => FOLD[channel - 2],
    }
}
