//! Joins decoded chunks into one continuous track: throws each chunk's lead-in away, fades its head in over the tail of
//! the chunk before, keeps exactly the frames that the chunk covers.

use media_protocol::{ChunkIndex, Rendition};

/// See the module. Frames are interleaved `f32`.
pub(super) struct Splicer {
    channels: usize,
    lead_in: usize,
    crossfade: usize,
    /// Frames of the present chunk to throw away before it begins.
    to_drop: usize,
    /// Frames that the present chunk still owes.
    owed: usize,
    /// Frames of the present chunk handed out so far.
    done: usize,
    /// What followed the end of the chunk before, at most `crossfade` frames.
    tail: Vec<f32>,
    /// What follows the end of the present chunk.
    next_tail: Vec<f32>,
    present: Option<ChunkIndex>,
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
            to_drop: 0,
            owed: 0,
            done: 0,
            tail: Vec::with_capacity(crossfade * channels),
            next_tail: Vec::with_capacity(crossfade * channels),
            present: None,
        }
    }

    /// Begins chunk `index`, which covers `frames` frames.
    pub(super) fn start(&mut self, index: ChunkIndex, frames: u64) {
        std::mem::swap(&mut self.tail, &mut self.next_tail);
        self.next_tail.clear();
        if self.present.and_then(ChunkIndex::next) != Some(index) {
            self.tail.clear();
        }
        self.present = Some(index);
        self.to_drop = self.lead_in;
        self.owed = usize::try_from(frames).unwrap_or(usize::MAX);
        self.done = 0;
    }

    /// Takes decoded audio, appends what is to be heard to `out`.
    pub(super) fn push(&mut self, pcm: &[f32], out: &mut Vec<f32>) {
        let dropped = self.to_drop.min(pcm.len() / self.channels);
        self.to_drop -= dropped;
        let pcm = &pcm[dropped * self.channels..];
        let kept = self.owed.min(pcm.len() / self.channels);
        let (kept, rest) = pcm.split_at(kept * self.channels);
        self.keep(kept, out);
        let room = (self.crossfade * self.channels).saturating_sub(self.next_tail.len());
        self.next_tail.extend_from_slice(&rest[..rest.len().min(room)]);
    }

    /// Ends the chunk; a decoder that gave too little is made up for with silence, so that nothing shifts. Returns how
    /// many frames were missing.
    pub(super) fn end(&mut self, out: &mut Vec<f32>) -> usize {
        let missing = self.owed;
        out.resize(out.len() + missing * self.channels, 0.0);
        self.owed = 0;
        missing
    }

    /// Linear: both sides are the same signal, so their gains add up to one.
    fn keep(&mut self, kept: &[f32], out: &mut Vec<f32>) {
        let tail_frames = self.tail.len() / self.channels;
        for frame in kept.chunks_exact(self.channels) {
            match self.tail.get(self.done * self.channels..(self.done + 1) * self.channels) {
                Some(tail) => {
                    let gain = (self.done as f32 + 0.5) / tail_frames as f32;
                    out.extend(frame.iter().zip(tail).map(|(new, old)| old + (new - old) * gain));
                }
                None => out.extend_from_slice(frame),
            }
            self.done += 1;
            self.owed -= 1;
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
            splicer.start(ChunkIndex(index), rendition.frames_in(ChunkIndex(index)));
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
            splicer.start(ChunkIndex(index), rendition.frames_in(ChunkIndex(index)));
            splicer.push(&pcm, &mut out);
        }
        let border = rendition.frames_per_chunk as usize * 2;
        assert_eq!(out[border - 1], 0.0);
        assert!(out[border] > 0.0 && out[border] < 0.01);
        assert_eq!(out[border + 2 * rendition.crossfade as usize], 1.0);
        splicer.start(ChunkIndex(0), 10);
        out.clear();
        splicer.push(&vec![0.5; 2 * 100_000], &mut out);
        assert!(out.iter().all(|&it| it == 0.5), "a seek has no tail to fade from");
    }

    #[test]
    fn makes_up_for_a_decoder_that_gave_too_little() {
        let rendition = testing::info(8_000, 2, 60_001).rendition;
        let mut splicer = Splicer::new(&rendition);
        let mut out = Vec::new();
        splicer.start(ChunkIndex(0), 100);
        splicer.push(&vec![1.0; 2 * (rendition.lead_in as usize + 60)], &mut out);
        assert_eq!(splicer.end(&mut out), 40);
        assert_eq!(out.len(), 200);
    }
}
