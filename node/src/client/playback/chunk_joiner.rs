//! Joins decoded chunks into one continuous track. Drops each chunk's lead-in, crossfades from the tail of the chunk before,
//! and keeps exactly the frames that the chunk covers.
//!
//! A decoder that plays on needs no crossfade. Chunks of one continuous stream overlap: the frames that the decoder gave
//! beyond the end of a chunk are the start of the next one. Joinable chunks follow each other: the decoder gives the last
//! frames of a chunk, its `lead_in`, with the first packet of the next one.

use media_protocol::{ChunkIndex, Rendition};

/// Joins the chunks of one track. Frames are interleaved `f32`.
pub(crate) struct ChunkJoiner {
    channels: usize,
    lead_in: usize,
    crossfade: usize,
    continuous: bool,
    joinable: bool,
    /// Frames of the present chunk to drop before it begins.
    to_drop: usize,
    /// Frames that are still missing up to the end of the present chunk. Includes those of the joinable chunk before.
    missing: usize,
    /// Crossfade from the tail of the chunk before, at most `crossfade` frames.
    fade: Crossfade,
    /// Frames that follow the end of the present chunk.
    next_tail: Vec<f32>,
    present: Option<ChunkIndex>,
    /// True if the last chunk ended with all of its frames.
    is_complete: bool,
}

impl ChunkJoiner {
    /// Creates a joiner for one track, from any chunk on.
    pub(crate) fn new(rendition: &Rendition) -> Self {
        let channels = usize::from(rendition.id.channels);
        let crossfade = rendition.crossfade as usize;
        Self {
            channels,
            lead_in: rendition.lead_in as usize,
            crossfade,
            continuous: rendition.continuous,
            joinable: rendition.joinable,
            to_drop: 0,
            missing: 0,
            fade: Crossfade::default(),
            next_tail: Vec::with_capacity(crossfade * channels),
            present: None,
            is_complete: false,
        }
    }

    /// True if the decoder can play on with chunk `index`. It must then not be reset.
    pub(crate) fn continues_with(&self, index: ChunkIndex) -> bool {
        (self.continuous || self.joinable) && self.is_complete && self.is_next(index)
    }

    /// True if chunk `index` follows the present one.
    pub(crate) fn is_next(&self, index: ChunkIndex) -> bool {
        self.present.and_then(ChunkIndex::next) == Some(index)
    }

    /// Begins chunk `index` of `frames` frames. If the chunk continues the stream of the one before, appends its first frames,
    /// which are decoded already, to `out`. Returns the number of frames, lead-in included, that are not to be decoded again.
    pub(crate) fn start(&mut self, index: ChunkIndex, frames: u64, out: &mut Vec<f32>) -> usize {
        let tail = self.take_tail();
        let continues = self.continues_with(index);
        let follows = self.is_next(index);
        let pending = self.missing;
        self.present = Some(index);
        self.is_complete = false;
        self.missing = usize::try_from(frames).unwrap_or(usize::MAX);
        self.fade = Crossfade::default();
        if continues && self.joinable {
            self.missing = self.missing.saturating_add(pending);
            self.to_drop = 0;
            return 0;
        }
        if continues {
            self.to_drop = 0;
            self.push(&tail, out);
            return self.lead_in + tail.len() / self.channels;
        }
        if follows {
            self.fade = Crossfade::new(tail, self.channels);
        }
        self.to_drop = self.lead_in;
        0
    }

    /// Frames that are still missing up to the end of the present chunk.
    pub(crate) fn missing(&self) -> u64 {
        self.missing as u64
    }

    /// Takes decoded frames and appends the audible ones to `out`.
    pub(crate) fn push(&mut self, pcm: &[f32], out: &mut Vec<f32>) {
        let dropped = self.to_drop.min(pcm.len() / self.channels);
        self.to_drop -= dropped;
        let pcm = &pcm[dropped * self.channels..];
        let kept = self.missing.min(pcm.len() / self.channels);
        let (kept, rest) = pcm.split_at(kept * self.channels);
        let first = out.len();
        out.extend_from_slice(kept);
        self.fade.apply(&mut out[first..]);
        self.missing -= kept.len() / self.channels;
        let room = (self.crossfade * self.channels).saturating_sub(self.next_tail.len());
        self.next_tail.extend_from_slice(&rest[..rest.len().min(room)]);
    }

    /// Ends a joinable chunk behind its own packets. Its last frames come with the next chunk or with its tail. Returns false
    /// if other frames are missing too, so that no decoder can play on.
    pub(crate) fn end_before_tail(&mut self) -> bool {
        self.is_complete = self.missing == self.lead_in;
        self.is_complete
    }

    /// Ends the chunk. Missing frames become silence, so that no frame shifts. Returns their number.
    pub(crate) fn end(&mut self, out: &mut Vec<f32>) -> usize {
        let missing = self.missing;
        out.resize(out.len() + missing * self.channels, 0.0);
        self.missing = 0;
        self.is_complete = missing == 0;
        missing
    }

    /// Takes the frames that followed the end of the last chunk.
    pub(crate) fn take_tail(&mut self) -> Vec<f32> {
        std::mem::take(&mut self.next_tail)
    }
}

/// Crossfade from the tail of one signal into another. Linear: the two gains add up to one, as two copies of the same music
/// require.
#[derive(Default)]
pub(crate) struct Crossfade {
    tail: Vec<f32>,
    channels: usize,
    /// Frames faded so far.
    done: usize,
}

impl Crossfade {
    /// Creates a crossfade from `tail`, interleaved.
    pub(crate) fn new(tail: Vec<f32>, channels: usize) -> Self {
        Self { tail, channels, done: 0 }
    }

    /// Applies the crossfade to the next piece of the other signal.
    pub(crate) fn apply(&mut self, piece: &mut [f32]) {
        if self.done * self.channels >= self.tail.len() {
            return;
        }
        let frames = (self.tail.len() / self.channels) as f32;
        let tail = self.tail[self.done * self.channels..].chunks_exact(self.channels);
        for (new, old) in piece.chunks_exact_mut(self.channels).zip(tail) {
            let gain = (self.done as f32 + 0.5) / frames;
            new.iter_mut().zip(old).for_each(|(new, old)| *new = old + (*new - old) * gain);
            self.done += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::test_support;

    /// Decodes as if the codec were perfect: lead-in, chunk, tail of the ramp 0, 1, 2, ….
    fn decoded(rendition: &Rendition, index: u32) -> Vec<f32> {
        let first = i64::from(index) * rendition.frames_per_chunk as i64;
        let end = first + rendition.frames_in(ChunkIndex(index)) as i64 + i64::from(rendition.crossfade);
        (first - i64::from(rendition.lead_in)..end).flat_map(|n| [n as f32, -(n as f32)]).collect()
    }

    fn join(rendition: &Rendition, chunks: &[u32], piece: usize) -> Vec<f32> {
        let mut joiner = ChunkJoiner::new(rendition);
        let mut out = Vec::new();
        for &index in chunks {
            joiner.start(ChunkIndex(index), rendition.frames_in(ChunkIndex(index)), &mut out);
            for pcm in decoded(rendition, index).chunks(piece * 2) {
                joiner.push(pcm, &mut out);
            }
            assert_eq!(joiner.end(&mut out), 0);
        }
        out
    }

    #[test]
    fn joins_without_losing_or_repeating_a_frame() {
        let rendition = test_support::info(8_000, 2, 60_001).rendition;
        let expected: Vec<f32> = (0..60_001).flat_map(|n| [n as f32, -(n as f32)]).collect();
        for piece in [1, 160, 997, 100_000] {
            let out = join(&rendition, &[0, 1, 2], piece);
            assert_eq!(out.len(), expected.len());
            assert!(out.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 0.01));
        }
    }

    #[test]
    fn fades_only_between_neighbours() {
        let rendition = test_support::info(8_000, 2, 60_001).rendition;
        let mut joiner = ChunkJoiner::new(&rendition);
        let mut out = Vec::new();
        let silence = vec![0.0; decoded(&rendition, 0).len()];
        for (index, pcm) in [(0, silence), (1, vec![1.0; 2 * 100_000])] {
            joiner.start(ChunkIndex(index), rendition.frames_in(ChunkIndex(index)), &mut out);
            joiner.push(&pcm, &mut out);
        }
        let border = rendition.frames_per_chunk as usize * 2;
        assert_eq!(out[border - 1], 0.0);
        assert!(out[border] > 0.0 && out[border] < 0.01);
        assert_eq!(out[border + 2 * rendition.crossfade as usize], 1.0);
        joiner.start(ChunkIndex(0), 10, &mut out);
        out.clear();
        joiner.push(&vec![0.5; 2 * 100_000], &mut out);
        assert!(out.iter().all(|&it| it == 0.5), "a seek has no tail to fade from");
    }

    #[test]
    fn goes_on_in_a_continuous_stream_where_it_had_come_to() {
        let rendition = test_support::info(8_000, 2, 60_001).rendition;
        let rendition = Rendition { continuous: true, ..rendition };
        let expected: Vec<f32> = (0..60_001).flat_map(|n| [n as f32, -(n as f32)]).collect();
        let mut joiner = ChunkJoiner::new(&rendition);
        let mut out = Vec::new();
        for index in 0..3 {
            let mut pcm = &*decoded(&rendition, index);
            let had = joiner.start(ChunkIndex(index), rendition.frames_in(ChunkIndex(index)), &mut out);
            let known = (rendition.lead_in + rendition.crossfade) as usize;
            assert_eq!(had, if index > 0 { known } else { 0 });
            pcm = &pcm[2 * had..];
            joiner.push(pcm, &mut out);
            joiner.end(&mut out);
        }
        assert!(out == expected, "no frame lost, repeated or faded");

        let again = joiner.start(ChunkIndex(1), 10, &mut out);
        assert_eq!(again, 0, "after a seek it begins anew");
        joiner.end(&mut out);
        let next = joiner.start(ChunkIndex(2), 10, &mut out);
        assert_eq!(next, 0, "a chunk that lacks something has no end");
    }

    #[test]
    fn makes_up_for_a_decoder_that_gave_too_little() {
        let rendition = test_support::info(8_000, 2, 60_001).rendition;
        let mut joiner = ChunkJoiner::new(&rendition);
        let mut out = Vec::new();
        joiner.start(ChunkIndex(0), 100, &mut out);
        joiner.push(&vec![1.0; 2 * (rendition.lead_in as usize + 60)], &mut out);
        assert_eq!(joiner.end(&mut out), 40);
        assert_eq!(out.len(), 200);
    }
}
