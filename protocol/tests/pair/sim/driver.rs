use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use media_protocol::session::client::{Delivery, RateChoice, Situation, Switch};

/// What a client's driver adds to the session.
pub(crate) struct Driver {
    pub(crate) choice: Box<dyn RateChoice>,
    pub(crate) fill: Box<dyn Fill>,
}

/// How much is held, and with how much of it sound begins.
pub(crate) trait Fill {
    /// A person wants so much to be held; what is held from now on.
    fn asked(&mut self, target: Duration) -> Duration {
        target
    }

    /// So many `troubles` there have been by `now`; the new target, if it changes.
    fn fit(&mut self, _now: Duration, _troubles: u64, _idle: bool) -> Option<Duration> {
        None
    }

    /// With how much sound begins.
    fn start(&self) -> Duration {
        Duration::ZERO
    }

    /// The path's round trip is this from now on.
    fn path(&mut self, _rtt: Duration) {}

    /// What comes from now on, in bit/s.
    fn carries(&mut self, _bitrate: u32) {}

    /// What comes from now on has nothing to do with what came.
    fn jump(&mut self) {}

    /// Whether the node owes something from `now` on.
    fn owed(&mut self, _now: Duration, _owed: bool) {}

    /// Audio came that `lasts` so long.
    fn arrived(&mut self, _now: Duration, _lasts: Duration) {}
}

/// Holds what was asked for, and begins with the first packet.
pub(crate) struct Plain;

impl Fill for Plain {}

/// Checks what a choice says, and adds up the bytes that it is told of.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) choice: Box<dyn RateChoice>,
    pub(super) told: Arc<AtomicU64>,
    /// What had come of the chunk that is coming.
    pub(super) so_far: u64,
}

impl Watched {
    fn tell(&mut self, bytes: u64) {
        assert!(bytes > 0 && bytes >= std::mem::take(&mut self.so_far));
        self.told.fetch_add(bytes, Ordering::Relaxed);
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
        assert!(so_far.bytes >= self.so_far, "{so_far:?} after {} bytes", self.so_far);
        self.so_far = so_far.bytes;
        checked(situation, self.choice.reconsider(situation, so_far))
    }

    fn delivered(&mut self, delivery: Delivery) {
        self.tell(delivery.bytes);
        self.choice.delivered(delivery);
    }

    fn abandoned(&mut self, bytes: u64) {
        self.tell(bytes);
        self.choice.abandoned(bytes);
    }
}
