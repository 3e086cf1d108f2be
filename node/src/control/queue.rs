use std::collections::VecDeque;

use media_protocol::{Position, Track, session::client::PlayId};

use super::play_order::{PlayOrder, Repeat};

/// One track as it passes through the player, from the request to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pass {
    /// Id of this pass in orders to the player and in the player's events.
    pub(super) play: PlayId,
    /// Index of the track in the queue.
    pub(super) index: usize,
    /// Position in the track at which the pass begins.
    pub(super) start: Position,
    /// True once the player has begun to fetch it.
    pub(super) fetching: bool,
    /// True once it has become audible.
    pub(super) heard: bool,
    /// True once it has failed, at its start or later.
    pub(super) failed: bool,
    /// True once a later pass has taken its place, after a change of the order. The player may have begun to fetch it by then.
    pub(super) replaced: bool,
}

impl Pass {
    /// True if the player has been told to make this pass and has not begun it.
    fn is_pending(&self) -> bool {
        !self.fetching && !self.failed && !self.replaced
    }
}

/// The tracks to play, and the passes that the player was told to make.
///
/// All passes since a jump are a series: one track after another. The next jump drops them and starts a new series. Events of
/// an older series name passes that the queue no longer has, so they change nothing.
#[derive(Debug)]
pub(super) struct Queue {
    tracks: Vec<Track>,
    order: PlayOrder,
    /// Passes of the current series that have not ended, the oldest first. At most one that is not replaced follows the pass
    /// that the player fetches.
    passes: VecDeque<Pass>,
    /// Id of the first pass of the current series.
    series: PlayId,
    /// Id of the next pass.
    next: PlayId,
    /// Id of the pass that is shown: the audible one, or the first to become audible.
    shown: Option<PlayId>,
}

/// The consequence of a change of the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reordered {
    /// The pass that the player began to fetch last, or that failed last.
    pub(super) after: PlayId,
    /// The pass that now follows it; `None` if none does.
    pub(super) next: Option<Pass>,
}

/// The consequence of a failed pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FailedPass {
    pub(super) pass: Pass,
    /// The pass that comes in its place; `None` after the last track.
    pub(super) next: Option<Pass>,
}

impl Queue {
    /// A queue in the order of its tracks. `seed` determines all random orders.
    pub(super) fn new(tracks: Vec<Track>, seed: u64) -> Self {
        let order = PlayOrder::new(tracks.len(), seed);
        Self { tracks, order, passes: VecDeque::new(), series: PlayId(0), next: PlayId(0), shown: None }
    }

    pub(super) fn order(&self) -> &PlayOrder {
        &self.order
    }

    /// Takes a random order that begins with the shown track, or the order of the tracks. See [`Queue::reordered`].
    pub(super) fn shuffle(&mut self, is_shuffled: bool) -> Option<Reordered> {
        let first = self.shown().map(|pass| pass.index);
        self.order.shuffle(is_shuffled, first);
        self.reordered()
    }

    /// Sets the tracks to repeat. See [`Queue::reordered`].
    pub(super) fn repeat(&mut self, repeat: Repeat) -> Option<Reordered> {
        self.order.repeat = repeat;
        self.reordered()
    }

    /// Gives the pass that the player began last another successor, if the order asks for one and the pass has not failed.
    ///
    /// The player may have begun to fetch the former successor meanwhile. It then ignores the new one, and
    /// [`Queue::fetching`] is called with the former.
    fn reordered(&mut self) -> Option<Reordered> {
        let last = self.passes.iter().rfind(|pass| pass.fetching || pass.failed).copied()?;
        if last.failed {
            // The player waits for the successor that it was told of. The order counts from that one on.
            return None;
        }
        let pending = self.passes.iter().find(|pass| pass.is_pending()).copied();
        let next = self.order.after(last.index);
        if next == pending.map(|pass| pass.index) {
            return None;
        }
        for pass in self.passes.iter_mut().filter(|pass| pass.is_pending()) {
            pass.replaced = true;
        }
        let next = next.map(|index| self.append(index, Position::START));
        Some(Reordered { after: last.play, next })
    }

    pub(super) fn tracks(&self) -> &[Track] {
        &self.tracks
    }

    pub(super) fn track(&self, index: usize) -> Option<&Track> {
        self.tracks.get(index)
    }

    /// Id of the first pass of the current series. It stands for the series in [`crate::client::Player::drain`].
    pub(super) fn series(&self) -> PlayId {
        self.series
    }

    /// The pass that is shown. `None` before the first jump.
    pub(super) fn shown(&self) -> Option<Pass> {
        self.shown.and_then(|play| self.pass(play))
    }

    pub(super) fn pass(&self, play: PlayId) -> Option<Pass> {
        self.passes.iter().find(|pass| pass.play == play).copied()
    }

    /// Starts a new series at a track. Returns its first pass, or `None` if there is no such track.
    pub(super) fn jump(&mut self, index: usize, start: Position) -> Option<Pass> {
        if index >= self.tracks.len() {
            return None;
        }
        self.passes.clear();
        let pass = self.append(index, start);
        self.series = pass.play;
        self.shown = Some(pass.play);
        Some(pass)
    }

    fn append(&mut self, index: usize, start: Position) -> Pass {
        let pass = Pass {
            play: self.next,
            index,
            start,
            fetching: false,
            heard: false,
            failed: false,
            replaced: false,
        };
        self.next.0 += 1;
        self.passes.push_back(pass);
        pass
    }

    /// Notes that the player has begun to fetch a pass. Returns the pass that is to follow it, if that is new.
    pub(super) fn fetching(&mut self, play: PlayId) -> Option<Pass> {
        let place = self.place(play)?;
        if self.passes[place].replaced {
            // The player began this pass before it learned of the one that was to take its place.
            self.passes.truncate(place + 1);
        }
        let is_last = place + 1 == self.passes.len();
        let pass = &mut self.passes[place];
        pass.replaced = false;
        let is_new = !std::mem::replace(&mut pass.fetching, true);
        let next = self.order.after(self.passes[place].index).filter(|_| is_new && is_last)?;
        Some(self.append(next, Position::START))
    }

    /// Notes that a pass has become audible. Returns the pass as it was before; `None` if it is unknown.
    pub(super) fn heard(&mut self, play: PlayId) -> Option<Pass> {
        let place = self.place(play)?;
        self.passes.drain(..place);
        let before = self.passes[0];
        self.passes[0].heard = true;
        self.shown = Some(play);
        Some(before)
    }

    /// True if a pass belongs to the current series and has ended.
    pub(super) fn has_passed(&self, play: PlayId) -> bool {
        self.series.0 <= play.0 && self.passes.front().is_some_and(|first| play.0 < first.play.0)
    }

    /// True if no pass follows this one.
    pub(super) fn is_last(&self, play: PlayId) -> bool {
        let follows = |pass: &Pass| pass.fetching || !pass.replaced;
        self.place(play).is_some_and(|place| !self.passes.iter().skip(place + 1).any(follows))
    }

    /// Marks a pass as failed. The player has dropped all later passes and waits for a new order. Returns the failed pass and
    /// the pass to play instead; `None` if the failed pass is unknown.
    ///
    /// If the player had begun to fetch the next pass, that one gets a new id. Otherwise it keeps its id, since the player may
    /// have begun to fetch it meanwhile.
    pub(super) fn failed(&mut self, play: PlayId) -> Option<FailedPass> {
        let place = self.place(play)?;
        self.passes[place].failed = true;
        let pass = self.passes[place];
        self.order.failed(pass.index);
        let is_next = |pass: &Pass| !pass.failed && !pass.replaced;
        let after = (place + 1..self.passes.len()).find(|after| is_next(&self.passes[*after]));
        let next = match after.map(|after| (after, self.passes[after])) {
            Some((after, pending)) if !pending.fetching => {
                self.passes.truncate(after + 1);
                Some(pending)
            }
            Some((after, dropped)) => {
                self.passes.truncate(after);
                Some(self.append(dropped.index, Position::START))
            }
            None => {
                let last =
                    self.passes.iter().rfind(|pass| !pass.replaced).map_or(pass.index, |last| last.index);
                self.order.after(last).map(|index| self.append(index, Position::START))
            }
        };
        if let Some(next) = next
            && self.shown == Some(play)
            && !pass.fetching
        {
            self.shown = Some(next.play);
        }
        Some(FailedPass { pass, next })
    }

    fn place(&self, play: PlayId) -> Option<usize> {
        self.passes.iter().position(|pass| pass.play == play)
    }
}
