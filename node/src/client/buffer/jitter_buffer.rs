//! Received packets that are not played yet, with their duration.
//!
//! The session fills the buffer, the playback thread empties it. The session bounds its duration: at most the target level and
//! one chunk. Its bytes have a bound of their own. The target level and the start level may change at any time.

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use media_protocol::{ChunkIndex, FrameIndex, Info, Position, Rendition, session::client::PlayId};
use tokio::sync::Notify;

/// Entry of the jitter buffer.
#[derive(Debug, Clone)]
pub(crate) enum Entry {
    /// All audio of plays before this one is void: playback falls silent and drops its decoder.
    Clear { play: PlayId },
    /// A track begins. It is audible from this frame on.
    Begin { play: PlayId, info: Arc<Info>, from: FrameIndex },
    /// The next entries continue at the frame where the decoder failed.
    Rewind,
    /// A chunk begins. `reason` explains its rendition.
    ChunkStart { index: ChunkIndex, from: FrameIndex, rendition: Arc<Rendition>, reason: Arc<str> },
    /// A packet of the chunk.
    Packet(Bytes),
    /// The chunk is complete. The node reports that many of its frames as silence in place of damaged audio.
    ChunkEnd { silenced: u32 },
    /// The track is complete.
    TrackEnd,
}

/// The buffer exceeds its bound in bytes.
#[derive(Debug, thiserror::Error)]
#[error("the node sent more than a chunk can hold")]
pub(crate) struct Overfull;

#[derive(Default)]
struct State {
    entries: VecDeque<(Entry, Duration)>,
    level: Duration,
    peak: Duration,
    target: Duration,
    start: Duration,
    /// True if the target was reached since the last restart or shortage.
    was_full: bool,
    /// Number of underruns, and of times that the buffer was nearly empty after it had been full.
    shortages: u64,
    bytes: usize,
    /// Number of [`Entry::TrackEnd`] among the entries.
    track_ends: usize,
    /// First audible position of the track being filled in.
    audible_from: Position,
    chunk: Option<ChunkCursor>,
}

/// Position of the input side within its present chunk.
struct ChunkCursor {
    /// Frames at the chunk's start that are not played.
    skipped: u64,
    rendition: Arc<Rendition>,
    index: ChunkIndex,
    packets: u64,
}

/// Queue of entries from the session to the playback thread.
pub(crate) struct JitterBuffer {
    state: Mutex<State>,
    filled: Condvar,
    max_bytes: usize,
    /// Notified when the level falls below the target, and at each shortage.
    pub(crate) has_room: Notify,
}

impl JitterBuffer {
    /// Largest chunk, in bytes. The buffer may exceed its bound by this much, since a chunk may arrive while it is nearly full.
    const LONGEST_CHUNK: usize = 64 * 1024 * 1024;
    /// A level below this, and below a sixth of the target, is nearly empty.
    /// Tested by `a_level_below_half_a_second_or_a_sixth_of_the_target_is_a_shortage`.
    const LOW: Duration = Duration::from_millis(500);

    /// Creates an empty buffer with a target level, a start level and a bound in bytes.
    pub(crate) fn new(target: Duration, start: Duration, max_bytes: usize) -> Self {
        let state = Mutex::new(State { target, start, ..State::default() });
        Self { state, filled: Condvar::new(), max_bytes, has_room: Notify::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Level by which the session decides whether to request more: at least the target level if the bytes are at their bound.
    pub(crate) fn fullness(&self) -> Duration {
        let state = self.lock();
        if state.bytes >= self.max_bytes { state.level.max(state.target) } else { state.level }
    }

    /// Sets the target level. Returns the previous one.
    pub(crate) fn set_target(&self, target: Duration) -> Duration {
        std::mem::replace(&mut self.lock().target, target)
    }

    /// Sets the start level.
    pub(crate) fn set_start(&self, start: Duration) {
        self.lock().start = start;
    }

    /// The start level.
    pub(crate) fn start(&self) -> Duration {
        self.lock().start
    }

    /// Counts an underrun of the output as a shortage.
    pub(crate) fn note_underrun(&self) {
        self.lock().shortages += 1;
        self.has_room.notify_one();
    }

    /// Number of underruns, and of times that the buffer was nearly empty in the middle of a track after it had been full.
    pub(crate) fn shortages(&self) -> u64 {
        self.lock().shortages
    }

    /// Audio in the buffer.
    pub(crate) fn level(&self) -> Duration {
        self.lock().level
    }

    /// Highest level so far.
    pub(crate) fn peak(&self) -> Duration {
        self.lock().peak
    }

    /// True if sound can start: the buffer holds its start level, the rest of a track, or its bound in bytes.
    pub(crate) fn is_ready(&self) -> bool {
        self.lock().is_ready(self.max_bytes)
    }

    /// Waits up to `wait` until the buffer is [ready](Self::is_ready) or its next entry is not a packet. Returns true if there
    /// is a next entry that is not a packet.
    pub(crate) fn wait_for_marker(&self, wait: Duration) -> bool {
        let waiting = |state: &mut State| {
            !state.is_ready(self.max_bytes) && (state.entries.is_empty() || state.starts_with_packet())
        };
        let waited = self.filled.wait_timeout_while(self.lock(), wait, waiting);
        let state = waited.unwrap_or_else(PoisonError::into_inner).0;
        !state.entries.is_empty() && !state.starts_with_packet()
    }

    /// True if there is no entry.
    pub(crate) fn is_empty(&self) -> bool {
        self.lock().entries.is_empty()
    }

    /// True if the next entry is a packet.
    pub(crate) fn starts_with_packet(&self) -> bool {
        self.lock().starts_with_packet()
    }

    /// Play of the next entry if that is an [`Entry::Clear`]; `None` otherwise.
    pub(crate) fn cleared_for(&self) -> Option<PlayId> {
        match self.lock().entries.front() {
            Some((Entry::Clear { play }, _)) => Some(*play),
            _ => None,
        }
    }

    /// Empties the buffer. The playback thread gets `first` next, an [`Entry::Clear`] or an [`Entry::Rewind`].
    pub(crate) fn restart(&self, first: Entry) {
        let mut state = self.lock();
        let State { peak, target, start, shortages, .. } = *state;
        *state = State { peak, target, start, shortages, ..State::default() };
        state.entries.push_back((first, Duration::ZERO));
        drop(state);
        self.filled.notify_one();
    }

    /// Appends an entry. Returns its audible duration.
    pub(crate) fn push(&self, entry: Entry) -> Result<Duration, Overfull> {
        let mut state = self.lock();
        let length = state.count(&entry);
        state.level += length;
        state.peak = state.peak.max(state.level);
        state.was_full |= state.level >= state.target;
        state.entries.push_back((entry, length));
        let is_overfull = state.bytes > self.max_bytes.saturating_add(Self::LONGEST_CHUNK);
        drop(state);
        self.filled.notify_one();
        if is_overfull { Err(Overfull) } else { Ok(length) }
    }

    /// Takes the first entry. Waits for one up to `wait`.
    pub(crate) fn take(&self, wait: Duration) -> Option<Entry> {
        self.take_timed(wait).map(|(entry, _)| entry)
    }

    /// As [`JitterBuffer::take`], with the audible duration of the entry.
    pub(crate) fn take_timed(&self, wait: Duration) -> Option<(Entry, Duration)> {
        let state = self.lock();
        let waited = self.filled.wait_timeout_while(state, wait, |state| state.entries.is_empty());
        let mut state = waited.unwrap_or_else(PoisonError::into_inner).0;
        let level_before = state.level;
        let bytes_before = state.bytes;
        let (entry, length) = state.entries.pop_front()?;
        state.level = level_before.saturating_sub(length);
        match &entry {
            Entry::Packet(packet) => state.bytes -= packet.len(),
            Entry::TrackEnd => state.track_ends -= 1,
            _ => {}
        }
        let has_room = state.level < state.target && state.bytes < self.max_bytes;
        let had_room = level_before < state.target && bytes_before < self.max_bytes;
        let is_low = state.track_ends == 0 && state.level < Self::LOW.min(state.target / 6);
        let is_shortage = is_low && state.was_full && matches!(entry, Entry::Packet(_));
        if is_shortage {
            state.was_full = false;
            state.shortages += 1;
        }
        if is_shortage || (has_room && !had_room) {
            self.has_room.notify_one();
        }
        Some((entry, length))
    }
}

impl State {
    fn is_ready(&self, max_bytes: usize) -> bool {
        self.level >= self.start || self.track_ends > 0 || self.bytes >= max_bytes
    }

    fn starts_with_packet(&self) -> bool {
        matches!(self.entries.front(), Some((Entry::Packet(_), _)))
    }

    /// Counts `entry`, which is about to be appended. Returns its audible duration.
    fn count(&mut self, entry: &Entry) -> Duration {
        match entry {
            Entry::Begin { info, from, .. } => {
                self.audible_from = Position::of_frame(*from, info.rendition.id.rate);
                self.chunk = None;
            }
            Entry::ChunkStart { index, from, rendition, .. } => {
                let rate = rendition.id.rate;
                let first = self.audible_from.frame(rate).max(*from).0;
                self.chunk = Some(ChunkCursor {
                    skipped: first.saturating_sub(index.first_frame(rate).0),
                    rendition: Arc::clone(rendition),
                    index: *index,
                    packets: 0,
                });
            }
            Entry::Packet(packet) => {
                self.bytes += packet.len();
                if let Some(chunk) = &mut self.chunk {
                    let before = chunk.audible();
                    chunk.packets += 1;
                    let rate = f64::from(chunk.rendition.id.rate);
                    return Duration::from_secs_f64((chunk.audible() - before) as f64 / rate);
                }
            }
            Entry::TrackEnd => self.track_ends += 1,
            Entry::Clear { .. } | Entry::Rewind | Entry::ChunkEnd { .. } => {}
        }
        Duration::ZERO
    }
}

impl ChunkCursor {
    /// Audible frames among the packets of this chunk so far.
    fn audible(&self) -> u64 {
        let rendition = &self.rendition;
        let decoded = self.packets.saturating_mul(u64::from(rendition.packet_frames));
        let kept = decoded.saturating_sub(u64::from(rendition.lead_in)).min(rendition.frames_in(self.index));
        kept.saturating_sub(self.skipped)
    }
}

#[cfg(test)]
mod tests;
