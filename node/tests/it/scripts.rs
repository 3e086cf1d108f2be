//! The random scripts of `protocol/tests/pair/` with the decisions of a real player: rate choice, target
//! level and start level.

#[path = "../../../protocol/tests/pair/sim/mod.rs"]
mod sim;

use std::{
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use media_node::client::{Adaptive, Budget, Policy, Start, Target};
use sim::{
    driver::{Driver, Fill},
    random::Random,
    scripts,
};

const SCRIPTS: u64 = 10_000;

/// As much as the node's own two say.
struct Player {
    target: Target,
    present: Duration,
    start: Start,
}

impl Fill for Player {
    fn asked(&mut self, _: Duration) -> Duration {
        self.present
    }

    fn fit(&mut self, now: Duration, troubles: u64, idle: bool) -> Option<Duration> {
        self.present = self.target.observe(now, troubles, idle)?.target;
        Some(self.present)
    }

    fn start(&self) -> Duration {
        self.start.level()
    }

    fn path(&mut self, rtt: Duration) {
        self.start.path(rtt);
    }

    fn carries(&mut self, bitrate: u32) {
        self.start.carries(bitrate);
    }

    fn jump(&mut self) {
        self.start.jump();
    }

    fn owed(&mut self, now: Duration, owed: bool) {
        self.start.owed(now, owed);
    }

    fn arrived(&mut self, now: Duration, lasts: Duration) {
        self.start.arrived(now, lasts);
    }
}

/// A player's settings, at random.
fn player(seed: u64) -> Driver {
    let mut random = Random(seed ^ 0x5eed);
    // An hour's bytes, of which a script's tracks take up to some 50,000.
    let budget = random.pick(&[Budget::NONE, Budget(20_000), Budget(2_000)]);
    let policy = if random.chance(70) { Policy::auto(budget) } else { Policy::data_saver(budget) };
    let paced = Arc::new(AtomicBool::new(random.chance(90)));
    // The least start is no more than the target, as the configuration demands.
    let start = Duration::from_millis(20) + random.millis(2000);
    let asked = start + random.millis(6000);
    let most = asked + random.millis(12_000);
    let fill = Player { target: Target::new(asked, most), present: asked, start: Start::new(start, asked) };
    Driver { choice: Box::new(Adaptive::new(policy, paced)), fill: Box::new(fill) }
}

#[test]
fn every_frame_arrives_once_and_in_order_whatever_a_player_decides() {
    let happened = scripts::play(SCRIPTS, player);
    assert!(happened.dips > SCRIPTS / 4 && happened.raised > SCRIPTS / 2, "{happened:?}");
}
