//! Input side of the jitter buffer.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use super::{
    jitter_buffer::{Entry, JitterBuffer, Overfull},
    start_level::StartLevel,
    supply::Supply,
    target_level::{LevelChange, TargetLevel},
};
use crate::client::stats::UnderrunCause;

/// Input side of the jitter buffer: fills it, and adapts its target level and its start level.
pub(crate) struct BufferInput {
    pub(crate) buffer: Arc<JitterBuffer>,
    pub(crate) target: TargetLevel,
    pub(crate) start: StartLevel,
    /// Evidence for the cause of an empty buffer.
    pub(crate) supply: Arc<Supply>,
    /// True if the output plays in real time. A file takes frames as fast as they arrive, so its buffer is always low.
    pub(crate) paced: Arc<AtomicBool>,
}

impl BufferInput {
    /// Changes the target level if that is due. `stalls` counts abandoned requests and replaced connections so far.
    pub(crate) fn adapt_target(&mut self, now: Duration, stalls: u64, paused: bool) -> Option<LevelChange> {
        let idle = paused || !self.paced.load(Ordering::Relaxed);
        let mut change = self.target.observe(now, self.buffer.shortages() + stalls, idle)?;
        let is_raised = self.buffer.set_target(change.target) < change.target;
        if is_raised && self.supply.cause(Instant::now()) == UnderrunCause::Node {
            change.reason = "the node is slow";
        }
        Some(change)
    }

    /// Appends an entry.
    pub(crate) fn push(&mut self, now: Duration, entry: Entry) -> Result<(), Overfull> {
        if let Entry::ChunkStart { rendition, .. } = &entry {
            self.start.set_bitrate(rendition.bitrate);
        }
        let length = self.buffer.push(entry)?;
        if !length.is_zero() {
            self.start.on_audio(now, length);
            self.buffer.set_start(self.start.level());
        }
        Ok(())
    }

    /// Empties the buffer, as [`JitterBuffer::restart`] does.
    pub(crate) fn restart(&mut self, first: Entry) {
        self.start.on_discontinuity();
        self.buffer.restart(first);
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use media_protocol::{ChunkIndex, FrameIndex, session::client::PlayId};

    use super::*;
    use crate::client::test_support;

    const MILLI: Duration = Duration::from_millis(1);

    #[test]
    fn sound_begins_with_more_on_a_path_that_lags() {
        let (target, start) = (3000 * MILLI, 200 * MILLI);
        let buffer = Arc::new(JitterBuffer::new(target, start, 1 << 20));
        let mut input = BufferInput {
            buffer: Arc::clone(&buffer),
            target: TargetLevel::new(target, target),
            start: StartLevel::new(start, target),
            supply: Arc::default(),
            paced: Arc::default(),
        };
        let info = Arc::new(test_support::info(48_000, 2, 48_000 * 100));
        let rendition = Arc::new(info.rendition.clone());
        let from = FrameIndex(0);
        let mut now = Duration::ZERO;
        input.start.set_request_pending(now, true);
        input.push(now, Entry::Begin { play: PlayId(0), info, from }).unwrap();
        for index in (0..3).map(ChunkIndex) {
            let rendition = Arc::clone(&rendition);
            input.push(now, Entry::ChunkStart { index, from, rendition, reason: "".into() }).unwrap();
            for packet in 0..152 {
                now += if packet == 100 { 600 * MILLI } else { MILLI };
                input.push(now, Entry::Packet(Bytes::from_static(&[0; 100]))).unwrap();
            }
        }
        assert_eq!(buffer.start(), 600 * MILLI);
        input.restart(Entry::Clear { play: PlayId(1) });
        assert_eq!(buffer.start(), 600 * MILLI, "it is the same path");
    }
}
