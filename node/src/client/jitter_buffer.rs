//! Packets that arrived and are not yet played, with their length in time.
//!
//! Filled by the session, emptied by the playback thread. It holds what the session asked for: at most the target and one
//! chunk more, so its length is the session's to keep; its bytes have a bound of their own.

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use media_protocol::{ChunkIndex, FrameIndex, Info, Position, Rendition, session::client::PlayId};
use tokio::sync::Notify;

/// What the buffer holds, in order.
#[derive(Debug, Clone)]
pub(super) enum Entry {
    /// What was handed out before is void: fall silent, forget the decoder.
    Clear,
    /// A track begins, to be heard from this frame on.
    Begin { play: PlayId, info: Arc<Info>, from: FrameIndex },
    /// What comes next goes on where the decoder failed.
    Rewind,
    /// A chunk begins.
    ChunkStart { index: ChunkIndex, from: FrameIndex, rendition: Arc<Rendition> },
    /// A packet of the chunk.
    Packet(Bytes),
    /// The chunk is complete.
    ChunkEnd,
    /// The track is complete.
    TrackEnd,
}

/// The buffer is over its bound in bytes.
#[derive(Debug, thiserror::Error)]
#[error("the node sends more than a chunk can hold")]
pub(super) struct Overfull;

#[derive(Default)]
struct Inner {
    entries: VecDeque<(Entry, Duration)>,
    held: Duration,
    peak: Duration,
    bytes: usize,
    /// How many of `entries` end a track.
    ends: usize,
    /// Where the track that is being filled in is heard from.
    from: Position,
    filling: Option<Filling>,
}

/// Where the filling side stands, in frames of the present chunk.
struct Filling {
    /// Frames of the chunk that are passed over.
    unheard: u64,
    rendition: Arc<Rendition>,
    index: ChunkIndex,
    packets: u64,
}

/// See the module.
pub(super) struct JitterBuffer {
    inner: Mutex<Inner>,
    filled: Condvar,
    target: Duration,
    max_bytes: usize,
    /// Told when the level falls below the target.
    pub(super) wanting: Notify,
}

impl JitterBuffer {
    /// The most bytes that a chunk can have: one may come when the buffer is all but full.
    const LONGEST_CHUNK: usize = 64 * 1024 * 1024;

    /// Asks for more below `target` and `max_bytes`.
    pub(super) fn new(target: Duration, max_bytes: usize) -> Self {
        Self { inner: Mutex::default(), filled: Condvar::new(), target, max_bytes, wanting: Notify::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the session goes by: how much audio it holds, or its target where the bytes are all that it may hold.
    pub(super) fn fullness(&self) -> Duration {
        let inner = self.lock();
        if inner.bytes >= self.max_bytes { inner.held.max(self.target) } else { inner.held }
    }

    /// How much audio it holds.
    pub(super) fn level(&self) -> Duration {
        self.lock().held
    }

    /// The most that it ever held.
    pub(super) fn peak(&self) -> Duration {
        self.lock().peak
    }

    /// Whether playing can begin: it holds `start`, or the rest of a track.
    pub(super) fn is_ready(&self, start: Duration) -> bool {
        self.lock().is_ready(start)
    }

    /// Waits for [`JitterBuffer::is_ready`], or for what makes no sound, for `wait` at most.
    pub(super) fn wait_ready(&self, start: Duration, wait: Duration) {
        let inner = self.lock();
        let waiting = |inner: &mut Inner| inner.starts_with_packet() && !inner.is_ready(start);
        drop(self.filled.wait_timeout_while(inner, wait, waiting));
    }

    /// Whether the next entry is audio.
    pub(super) fn starts_with_packet(&self) -> bool {
        self.lock().starts_with_packet()
    }

    /// Whether what was handed out is void.
    pub(super) fn is_cleared(&self) -> bool {
        matches!(self.lock().entries.front(), Some((Entry::Clear, _)))
    }

    /// Empties it; the playback thread gets `first` next, an [`Entry::Clear`] or an [`Entry::Rewind`].
    pub(super) fn restart(&self, first: Entry) {
        let mut inner = self.lock();
        *inner = Inner { peak: inner.peak, ..Inner::default() };
        inner.entries.push_back((first, Duration::ZERO));
        drop(inner);
        self.filled.notify_one();
    }

    /// Adds an entry at the end.
    pub(super) fn push(&self, entry: Entry) -> Result<(), Overfull> {
        let mut inner = self.lock();
        let held = inner.count(&entry);
        inner.held += held;
        inner.peak = inner.peak.max(inner.held);
        inner.entries.push_back((entry, held));
        let full = inner.bytes > self.max_bytes.saturating_add(Self::LONGEST_CHUNK);
        drop(inner);
        self.filled.notify_one();
        if full { Err(Overfull) } else { Ok(()) }
    }

    /// Takes the first entry, waiting for one for `wait` at most.
    pub(super) fn take(&self, wait: Duration) -> Option<Entry> {
        self.take_timed(wait).map(|(entry, _)| entry)
    }

    /// As [`JitterBuffer::take`], with how much audible time the entry has.
    pub(super) fn take_timed(&self, wait: Duration) -> Option<(Entry, Duration)> {
        let inner = self.lock();
        let waited = self.filled.wait_timeout_while(inner, wait, |inner| inner.entries.is_empty());
        let mut inner = waited.unwrap_or_else(PoisonError::into_inner).0;
        let (before, bytes_before) = (inner.held, inner.bytes);
        let (entry, held) = inner.entries.pop_front()?;
        inner.held = before.saturating_sub(held);
        match &entry {
            Entry::Packet(packet) => inner.bytes -= packet.len(),
            Entry::TrackEnd => inner.ends -= 1,
            _ => {}
        }
        let wanting = inner.held < self.target && inner.bytes < self.max_bytes;
        if wanting && (before >= self.target || bytes_before >= self.max_bytes) {
            self.wanting.notify_one();
        }
        Some((entry, held))
    }
}

impl Inner {
    fn is_ready(&self, start: Duration) -> bool {
        self.held >= start || self.ends > 0
    }

    fn starts_with_packet(&self) -> bool {
        matches!(self.entries.front(), Some((Entry::Packet(_), _)))
    }

    /// How much audible time `entry` adds.
    fn count(&mut self, entry: &Entry) -> Duration {
        match entry {
            Entry::Begin { info, from, .. } => {
                self.from = Position::of_frame(*from, info.rendition.id.rate);
                self.filling = None;
            }
            Entry::ChunkStart { index, from, rendition } => {
                let rate = rendition.id.rate;
                let from = self.from.frame(rate).max(*from).0.saturating_sub(index.first_frame(rate).0);
                let (index, rendition) = (*index, Arc::clone(rendition));
                self.filling = Some(Filling { unheard: from, rendition, index, packets: 0 });
            }
            Entry::Packet(packet) => {
                self.bytes += packet.len();
                if let Some(filling) = &mut self.filling {
                    let before = filling.audible();
                    filling.packets += 1;
                    let rate = f64::from(filling.rendition.id.rate);
                    return Duration::from_secs_f64((filling.audible() - before) as f64 / rate);
                }
            }
            Entry::TrackEnd => self.ends += 1,
            Entry::Clear | Entry::Rewind | Entry::ChunkEnd => {}
        }
        Duration::ZERO
    }
}

impl Filling {
    /// Frames to be heard among the packets of this chunk so far.
    fn audible(&self) -> u64 {
        let rendition = &self.rendition;
        let decoded = self.packets.saturating_mul(u64::from(rendition.packet_frames));
        let kept = decoded.saturating_sub(u64::from(rendition.lead_in)).min(rendition.frames_in(self.index));
        kept.saturating_sub(self.unheard)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::testing, *};

    const SECOND: Duration = Duration::from_secs(1);
    const NOW: Duration = Duration::ZERO;

    fn filled(from: u64, packets: usize) -> JitterBuffer {
        let buffer = JitterBuffer::new(SECOND, 1 << 20);
        let info = Arc::new(testing::info(48_000, 2, 48_000 * 10));
        let rendition = Arc::new(info.rendition.clone());
        buffer.push(Entry::Begin { play: PlayId(0), info, from: FrameIndex(from) }).unwrap();
        buffer.push(Entry::ChunkStart { index: ChunkIndex(0), from: FrameIndex(0), rendition }).unwrap();
        for _ in 0..packets {
            buffer.push(Entry::Packet(Bytes::from_static(&[0; 100]))).unwrap();
        }
        buffer
    }

    #[test]
    fn level_counts_what_will_be_heard() {
        // 20 ms packets, of which the first 1,272 frames are lead-in.
        let buffer = filled(0, 10);
        assert_eq!(buffer.level().as_micros(), (9_600 - 1_272) * 1_000_000 / 48_000);
        let buffer = filled(4_000, 10);
        assert_eq!(buffer.level().as_micros(), (9_600 - 1_272 - 4_000) * 1_000_000 / 48_000);
        assert_eq!(filled(0, 152).level(), 3 * SECOND, "the tail is not counted");
    }

    #[test]
    fn level_returns_to_zero_and_asks_for_more_on_the_way() {
        let buffer = filled(0, 152);
        let mut taken = 0;
        while let Some(entry) = buffer.take(NOW) {
            taken += usize::from(matches!(entry, Entry::Packet(_)));
        }
        assert_eq!((taken, buffer.level(), buffer.peak()), (152, Duration::ZERO, 3 * SECOND));
        let wanting = std::pin::pin!(buffer.wanting.notified());
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(Future::poll(wanting, &mut context).is_ready());
    }

    #[test]
    fn clear_comes_first_and_leaves_nothing() {
        let buffer = filled(0, 152);
        buffer.restart(Entry::Clear);
        assert!(matches!(buffer.take(NOW), Some(Entry::Clear)));
        assert!(buffer.take(NOW).is_none());
        assert_eq!(buffer.level(), Duration::ZERO);
    }

    #[test]
    fn is_ready_at_the_start_level_or_at_the_end_of_a_track() {
        let buffer = filled(0, 5);
        assert!(!buffer.is_ready(SECOND / 5));
        buffer.push(Entry::TrackEnd).unwrap();
        assert!(buffer.is_ready(SECOND / 5));
        assert!(filled(0, 12).is_ready(SECOND / 5));
    }
}
