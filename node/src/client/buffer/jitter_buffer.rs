//! Packets that arrived and are not yet played, with their length in time.
//!
//! Filled by the session, emptied by the playback thread. It holds what the session asked for: at most the target and one
//! chunk more, so its length is the session's to keep; its bytes have a bound of their own. Both levels may change:
//! below which more is asked for, and with which sound begins.

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
    /// A chunk begins; the reason says why it comes in that.
    ChunkStart { index: ChunkIndex, from: FrameIndex, rendition: Arc<Rendition>, reason: Arc<str> },
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
    target: Duration,
    start: Duration,
    /// Whether the target was reached since the last restart or dip.
    was_full: bool,
    /// How often it all but ran dry after that, or the output did.
    dips: u64,
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
    max_bytes: usize,
    /// Told when the level falls below the target, and when it all but runs dry.
    pub(super) wanting: Notify,
}

impl JitterBuffer {
    /// The most bytes that a chunk can have: one may come when the buffer is all but full.
    const LONGEST_CHUNK: usize = 64 * 1024 * 1024;
    /// Less than this, and than a sixth of the target, is all but dry.
    const LOW: Duration = Duration::from_millis(500);

    /// Asks for more below `target` and `max_bytes`; sound begins with `start`.
    pub(super) fn new(target: Duration, start: Duration, max_bytes: usize) -> Self {
        let inner = Mutex::new(Inner { target, start, ..Inner::default() });
        Self { inner, filled: Condvar::new(), max_bytes, wanting: Notify::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the session goes by: how much audio it holds, or its target where the bytes are all that it may hold.
    pub(super) fn fullness(&self) -> Duration {
        let inner = self.lock();
        if inner.bytes >= self.max_bytes { inner.held.max(inner.target) } else { inner.held }
    }

    /// Asks for more below `target` from now on.
    pub(super) fn set_target(&self, target: Duration) {
        self.lock().target = target;
    }

    /// Sound begins with so much from now on.
    pub(super) fn set_start(&self, start: Duration) {
        self.lock().start = start;
    }

    /// With how much sound begins.
    pub(super) fn start(&self) -> Duration {
        self.lock().start
    }

    /// The output ran dry.
    pub(super) fn note_underrun(&self) {
        self.lock().dips += 1;
        self.wanting.notify_one();
    }

    /// How often the output ran dry, or this all but did in the middle of a track after it had been full.
    pub(super) fn dips(&self) -> u64 {
        self.lock().dips
    }

    /// How much audio it holds.
    pub(super) fn level(&self) -> Duration {
        self.lock().held
    }

    /// The most that it ever held.
    pub(super) fn peak(&self) -> Duration {
        self.lock().peak
    }

    /// Whether playing can begin: it holds enough for that, or the rest of a track, or as many bytes as it may.
    pub(super) fn is_ready(&self) -> bool {
        self.lock().is_ready(self.max_bytes)
    }

    /// Waits until it is [ready](Self::is_ready) or what comes next makes no sound, for `wait` at most; returns whether the
    /// next entry is there and makes no sound.
    pub(super) fn wait_soundless(&self, wait: Duration) -> bool {
        let waiting = |inner: &mut Inner| {
            !inner.is_ready(self.max_bytes) && (inner.entries.is_empty() || inner.starts_with_packet())
        };
        let waited = self.filled.wait_timeout_while(self.lock(), wait, waiting);
        let inner = waited.unwrap_or_else(PoisonError::into_inner).0;
        !inner.entries.is_empty() && !inner.starts_with_packet()
    }

    /// Whether nothing is there to be taken.
    pub(super) fn is_empty(&self) -> bool {
        self.lock().entries.is_empty()
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
        let Inner { peak, target, start, dips, .. } = *inner;
        *inner = Inner { peak, target, start, dips, ..Inner::default() };
        inner.entries.push_back((first, Duration::ZERO));
        drop(inner);
        self.filled.notify_one();
    }

    /// Adds an entry at the end. Returns how much audible time it has.
    pub(super) fn push(&self, entry: Entry) -> Result<Duration, Overfull> {
        let mut inner = self.lock();
        let held = inner.count(&entry);
        inner.held += held;
        inner.peak = inner.peak.max(inner.held);
        inner.was_full |= inner.held >= inner.target;
        inner.entries.push_back((entry, held));
        let full = inner.bytes > self.max_bytes.saturating_add(Self::LONGEST_CHUNK);
        drop(inner);
        self.filled.notify_one();
        if full { Err(Overfull) } else { Ok(held) }
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
        let wanting = inner.held < inner.target && inner.bytes < self.max_bytes;
        let wanted = before < inner.target && bytes_before < self.max_bytes;
        let low = inner.ends == 0 && inner.held < Self::LOW.min(inner.target / 6);
        let dips = low && inner.was_full && matches!(entry, Entry::Packet(_));
        if dips {
            inner.was_full = false;
            inner.dips += 1;
        }
        if dips || (wanting && !wanted) {
            self.wanting.notify_one();
        }
        Some((entry, held))
    }
}

impl Inner {
    fn is_ready(&self, max_bytes: usize) -> bool {
        self.held >= self.start || self.ends > 0 || self.bytes >= max_bytes
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
            Entry::ChunkStart { index, from, rendition, .. } => {
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
mod tests;
