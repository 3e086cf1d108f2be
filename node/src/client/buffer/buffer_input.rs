//! What is filled, how far, and with how much in it sound begins.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use super::{
    jitter_buffer::{Entry, JitterBuffer, Overfull},
    start::Start,
    target::{Fit, Target},
};

/// The filling side of the jitter buffer.
pub(super) struct Fill {
    pub(super) buffer: Arc<JitterBuffer>,
    pub(super) target: Target,
    pub(super) start: Start,
    /// Whether the output plays in real time; another takes whatever comes as soon as it comes.
    pub(super) paced: Arc<AtomicBool>,
}

impl Fill {
    /// Changes the buffer's target where that is due: so often nothing came for long so far, be it that a request was given up
    /// or a connection.
    pub(super) fn fit(&mut self, now: Duration, silences: u64, paused: bool) -> Option<Fit> {
        let idle = paused || !self.paced.load(Ordering::Relaxed);
        let fit = self.target.observe(now, self.buffer.dips() + silences, idle)?;
        self.buffer.set_target(fit.target);
        Some(fit)
    }

    /// Adds an entry at the end.
    pub(super) fn push(&mut self, now: Duration, entry: Entry) -> Result<(), Overfull> {
        if let Entry::ChunkStart { rendition, .. } = &entry {
            self.start.carries(rendition.bitrate);
        }
        let lasts = self.buffer.push(entry)?;
        if !lasts.is_zero() {
            self.start.arrived(now, lasts);
            self.buffer.set_start(self.start.level());
        }
        Ok(())
    }

    /// As [`JitterBuffer::restart`].
    pub(super) fn restart(&mut self, first: Entry) {
        self.start.jump();
        self.buffer.restart(first);
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use media_protocol::{ChunkIndex, FrameIndex, session::client::PlayId};

    use super::{super::testing, *};

    const MILLI: Duration = Duration::from_millis(1);

    #[test]
    fn sound_begins_with_more_on_a_path_that_lags() {
        let (target, start) = (3000 * MILLI, 200 * MILLI);
        let buffer = Arc::new(JitterBuffer::new(target, start, 1 << 20));
        let mut fill = Fill {
            buffer: Arc::clone(&buffer),
            target: Target::new(target, target),
            start: Start::new(start, target),
            paced: Arc::default(),
        };
        let info = Arc::new(testing::info(48_000, 2, 48_000 * 100));
        let rendition = Arc::new(info.rendition.clone());
        let from = FrameIndex(0);
        let mut now = Duration::ZERO;
        fill.start.owed(now, true);
        fill.push(now, Entry::Begin { play: PlayId(0), info, from }).unwrap();
        for index in (0..3).map(ChunkIndex) {
            let rendition = Arc::clone(&rendition);
            fill.push(now, Entry::ChunkStart { index, from, rendition, reason: "".into() }).unwrap();
            for packet in 0..152 {
                now += if packet == 100 { 600 * MILLI } else { MILLI };
                fill.push(now, Entry::Packet(Bytes::from_static(&[0; 100]))).unwrap();
            }
        }
        assert_eq!(buffer.start(), 600 * MILLI);
        fill.restart(Entry::Clear);
        assert_eq!(buffer.start(), 600 * MILLI, "it is the same path");
    }
}
