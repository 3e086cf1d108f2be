//! Joins decoded chunks into one continuous track: throws each chunk's lead-in away, fades its head in over the tail of
//! the chunk before, keeps exactly the frames that the chunk covers. Chunks of one continuous stream are joined by what the
//! decoder gave beyond the end of the chunk before.

use media_protocol::{ChunkIndex, Rendition};

/// See the module. Frames are interleaved `f32`.
pub(super) struct Splicer {
    channels: usize,
    lead_in: usize,
    crossfade: usize,
    continuous: bool,
    /// Frames of the present chunk to throw away before it begins.
    to_drop: usize,
    /// Frames that the present chunk still owes.
    owed: usize,
    /// What followed the end of the chunk before, at most `crossfade` frames.
    fading: Fading,
    /// What follows the end of the present chunk.
    next_tail: Vec<f32>,
    present: Option<ChunkIndex>,
    /// Whether the last chunk came to its end with all of its frames.
    whole: bool,
}

impl Splicer {
    /// A splicer for one track, from any chunk on.
    pub(super) fn new(rendition: &Rendition) -> Self {
        let channels = usize::from(rendition.id.channels);
        let crossfade = rendition.crossfade as usize;
        Self {
            channels,
            lead_in: rendition.lead_in as usize,
            crossfade,
            continuous: rendition.continuous,
            to_drop: 0,
            owed: 0,
            fading: Fading::default(),
            next_tail: Vec::with_capacity(crossfade * channels),
            present: None,
            whole: false,
        }
    }

    /// Whether chunk `index` goes on in the stream of the chunk before, so that its decoder must not be reset.
    pub(super) fn goes_on_with(&self, index: ChunkIndex) -> bool {
        self.continuous && self.whole && self.present.and_then(ChunkIndex::next) == Some(index)
    }

    /// Begins chunk `index`, which covers `frames` frames. Where it goes on in the stream of the chunk before, what is known
    /// of its head is appended to `out`. Returns how many frames of the chunk, lead-in included, were decoded before and
    /// need not be again.
    pub(super) fn start(&mut self, index: ChunkIndex, frames: u64, out: &mut Vec<f32>) -> usize {
        let (tail, goes_on) = (self.take_tail(), self.goes_on_with(index));
        let follows = self.present.and_then(ChunkIndex::next) == Some(index);
        self.present = Some(index);
        self.whole = false;
        self.owed = usize::try_from(frames).unwrap_or(usize::MAX);
        self.fading = Fading::default();
        if goes_on {
            self.to_drop = 0;
            self.push(&tail, out);
            return self.lead_in + tail.len() / self.channels;
        }
        if follows {
            self.fading = Fading::new(tail, self.channels);
        }
        self.to_drop = self.lead_in;
        0
    }

    /// Frames that the present chunk still owes.
    pub(super) fn owed(&self) -> u64 {
        self.owed as u64
    }

    /// Takes decoded audio, appends what is to be heard to `out`.
    pub(super) fn push(&mut self, pcm: &[f32], out: &mut Vec<f32>) {
        let dropped = self.to_drop.min(pcm.len() / self.channels);
        self.to_drop -= dropped;
        let pcm = &pcm[dropped * self.channels..];
        let kept = self.owed.min(pcm.len() / self.channels);
        let (kept, rest) = pcm.split_at(kept * self.channels);
        let first = out.len();
        out.extend_from_slice(kept);
        self.fading.apply(&mut out[first..]);
        self.owed -= kept.len() / self.channels;
        let room = (self.crossfade * self.channels).saturating_sub(self.next_tail.len());
        self.next_tail.extend_from_slice(&rest[..rest.len().min(room)]);
    }

    /// Ends the chunk; a decoder that gave too little is made up for with silence, so that nothing shifts. Returns how
    /// many frames were missing.
    pub(super) fn end(&mut self, out: &mut Vec<f32>) -> usize {
        let missing = self.owed;
        out.resize(out.len() + missing * self.channels, 0.0);
        self.owed = 0;
        self.whole = missing == 0;
        missing
    }

    /// Takes what followed the end of the last chunk, to fade from it elsewhere.
    pub(super) fn take_tail(&mut self) -> Vec<f32> {
        std::mem::take(&mut self.next_tail)
    }
}

/// What is left of one signal, fading into another that comes piece by piece. Linear: where both are the same music, their
/// gains must add up to one.
#[derive(Default)]
pub(super) struct Fading {
    tail: Vec<f32>,
    channels: usize,
    /// Frames faded so far.
    done: usize,
}

impl Fading {
    /// Fades from `tail`, interleaved.
    pub(super) fn new(tail: Vec<f32>, channels: usize) -> Self {
        Self { tail, channels, done: 0 }
    }

    /// Fades into the next piece of the other signal.
    pub(super) fn apply(&mut self, piece: &mut [f32]) {
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
    use super::{super::testing, *};

    /// Decodes as if the codec were perfect: lead-in, chunk, tail of the ramp 0, 1, 2, ….
    fn decoded(rendition: &Rendition, index: u32) -> Vec<f32> {
        let first = i64::from(index) * rendition.frames_per_chunk as i64;
        let end = first + rendition.frames_in(ChunkIndex(index)) as i64 + i64::from(rendition.crossfade);
        (first - i64::from(rendition.lead_in)..end).flat_map(|n| [n as f32, -(n as f32)]).collect()
    }

    fn splice(rendition: &Rendition, chunks: &[u32], piece: usize) -> Vec<f32> {
        let mut splicer = Splicer::new(rendition);
        let mut out = Vec::new();
        for &index in chunks {
            splicer.start(ChunkIndex(index), rendition.frames_in(ChunkIndex(index)), &mut out);
            for pcm in decoded(rendition, index).chunks(piece * 2) {
                splicer.push(pcm, &mut out);
            }
            assert_eq!(splicer.end(&mut out), 0);
        }
        out
    }

    #[test]
    fn joins_without_losing_or_repeating_a_frame() {
        let rendition = testing::info(8_000, 2, 60_001).rendition;
        let expected: Vec<f32> = (0..60_001).flat_map(|n| [n as f32, -(n as f32)]).collect();
        for piece in [1, 160, 997, 100_000] {
            let out = splice(&rendition, &[0, 1, 2], piece);
            assert_eq!(out.len(), expected.len());
            assert!(out.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 0.01));
        }
    }

    #[test]
    fn fades_only_between_neighbours() {
        let rendition = testing::info(8_000, 2, 60_001).rendition;
        let mut splicer = Splicer::new(&rendition);
        let mut out = Vec::new();
        let silence = vec![0.0; decoded(&rendition, 0).len()];
        for (index, pcm) in [(0, silence), (1, vec![1.0; 2 * 100_000])] {
            splicer.start(ChunkIndex(index), rendition.frames_in(ChunkIndex(index)), &mut out);
            splicer.push(&pcm, &mut out);
        }
        let border = rendition.frames_per_chunk as usize * 2;
        assert_eq!(out[border - 1], 0.0);
        assert!(out[border] > 0.0 && out[border] < 0.01);
        assert_eq!(out[border + 2 * rendition.crossfade as usize], 1.0);
        splicer.start(ChunkIndex(0), 10, &mut out);
        out.clear();
        splicer.push(&vec![0.5; 2 * 100_000], &mut out);
        assert!(out.iter().all(|&it| it == 0.5), "a seek has no tail to fade from");
    }

    #[test]
    fn goes_on_in_a_continuous_stream_where_it_had_come_to() {
        let rendition = testing::info(8_000, 2, 60_001).rendition;
        let rendition = Rendition { continuous: true, ..rendition };
        let expected: Vec<f32> = (0..60_001).flat_map(|n| [n as f32, -(n as f32)]).collect();
        let mut splicer = Splicer::new(&rendition);
        let mut out = Vec::new();
        for index in 0..3 {
            let mut pcm = &*decoded(&rendition, index);
            let had = splicer.start(ChunkIndex(index), rendition.frames_in(ChunkIndex(index)), &mut out);
            let known = (rendition.lead_in + rendition.crossfade) as usize;
            assert_eq!(had, if index > 0 { known } else { 0 });
            pcm = &pcm[2 * had..];
            splicer.push(pcm, &mut out);
            splicer.end(&mut out);
        }
        assert!(out == expected, "no frame lost, repeated or faded");

        let again = splicer.start(ChunkIndex(1), 10, &mut out);
        assert_eq!(again, 0, "after a seek it begins anew");
        splicer.end(&mut out);
        let next = splicer.start(ChunkIndex(2), 10, &mut out);
        assert_eq!(next, 0, "a chunk that lacks something has no end");
    }

    #[test]
    fn makes_up_for_a_decoder_that_gave_too_little() {
        let rendition = testing::info(8_000, 2, 60_001).rendition;
        let mut splicer = Splicer::new(&rendition);
        let mut out = Vec::new();
        splicer.start(ChunkIndex(0), 100, &mut out);
        splicer.push(&vec![1.0; 2 * (rendition.lead_in as usize + 60)], &mut out);
        assert_eq!(splicer.end(&mut out), 40);
        assert_eq!(out.len(), 200);
    }
}
