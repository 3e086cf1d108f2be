use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use media_protocol::session::client::{Delivery, RateChoice, Situation, Switch};

/// The parts of a client's driver that the session does not have.
pub(crate) struct Driver {
    pub(crate) choice: Box<dyn RateChoice>,
    pub(crate) fill: Box<dyn Fill>,
}

/// Policy for the levels of the buffer: its target, and the level at which sound starts.
pub(crate) trait Fill {
    /// A person sets the target. Returns the target to use.
    fn asked(&mut self, target: Duration) -> Duration {
        target
    }

    /// Notes the number of `troubles` until `now`. Returns the new target if it changes.
    fn fit(&mut self, _now: Duration, _troubles: u64, _idle: bool) -> Option<Duration> {
        None
    }

    /// Returns the level at which sound starts.
    fn start(&self) -> Duration {
        Duration::ZERO
    }

    /// Notes the round trip of a new path.
    fn path(&mut self, _rtt: Duration) {}

    /// Notes the bitrate of the next chunk, in bit/s.
    fn carries(&mut self, _bitrate: u32) {}

    /// Notes that the audio jumps, as after a seek.
    fn jump(&mut self) {}

    /// Notes if a request is pending from `now` on.
    fn owed(&mut self, _now: Duration, _owed: bool) {}

    /// Notes that audio of this length arrived.
    fn arrived(&mut self, _now: Duration, _lasts: Duration) {}
}

/// Uses the target that a person sets, and starts with the first packet.
pub(crate) struct Plain;

impl Fill for Plain {}

/// Wraps a rate choice: checks its switches and the deliveries it gets, and counts their bytes.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) choice: Box<dyn RateChoice>,
    /// Sum of the bytes of all finished deliveries.
    pub(super) counted: Arc<AtomicU64>,
    /// Bytes of the last delivery of the chunk in flight.
    pub(super) last_bytes: u64,
}

impl Watched {
    fn count(&mut self, bytes: u64) {
        assert!(bytes > 0 && bytes >= std::mem::take(&mut self.last_bytes));
        self.counted.fetch_add(bytes, Ordering::Relaxed);
    }
}

fn checked(situation: &Situation<'_>, switch: Option<Switch>) -> Option<Switch> {
    let place = switch.as_ref().map_or(0, |it| it.to);
    assert!(place < situation.all.len(), "{switch:?} of {} renditions", situation.all.len());
    switch
}

impl RateChoice for Watched {
    fn choose(&mut self, situation: &Situation<'_>) -> Option<Switch> {
        checked(situation, self.choice.choose(situation))
    }

    fn reconsider(&mut self, situation: &Situation<'_>, so_far: Delivery) -> Option<Switch> {
        assert!(so_far.bytes >= self.last_bytes, "{so_far:?} after {} bytes", self.last_bytes);
        self.last_bytes = so_far.bytes;
        checked(situation, self.choice.reconsider(situation, so_far))
    }

    fn delivered(&mut self, delivery: Delivery) {
        self.count(delivery.bytes);
        self.choice.delivered(delivery);
    }

    fn abandoned(&mut self, bytes: u64) {
        self.count(bytes);
        self.choice.abandoned(bytes);
    }
}
