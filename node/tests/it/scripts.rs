//! The random scripts of `protocol/tests/pair/` with the decisions of a real player: rate choice, target
//! level and start level.

#[path = "../../../protocol/tests/pair/sim/mod.rs"]
mod sim;

use std::{
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use media_node::client::{Adaptive, Budget, Policy, StartLevel, TargetLevel};
use sim::{
    driver::{Driver, Fill},
    random::Random,
    scripts,
};

/// Number of random scripts: those of the README's table, and those with `MEDIA_NODE_TESTS=all`.
const SCRIPTS: u64 = 10_000;
const ALL_SCRIPTS: u64 = 100_000;

/// The buffer levels of a real player.
struct Player {
    target: TargetLevel,
    present: Duration,
    start: StartLevel,
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
        self.start.set_rtt(rtt);
    }

    fn carries(&mut self, bitrate: u32) {
        self.start.set_bitrate(bitrate);
    }

    fn jump(&mut self) {
        self.start.on_discontinuity();
    }

    fn owed(&mut self, now: Duration, owed: bool) {
        self.start.set_request_pending(now, owed);
    }

    fn arrived(&mut self, now: Duration, lasts: Duration) {
        self.start.on_audio(now, lasts);
    }
}

/// Random settings of a player.
fn player(seed: u64) -> Driver {
    let mut random = Random(seed ^ 0x5eed);
    // Bytes per hour. The tracks of a script take up to 50,000 bytes.
    let budget = random.pick(&[Budget::NONE, Budget(20_000), Budget(2_000)]);
    let policy = if random.chance(70) { Policy::auto(budget) } else { Policy::data_saver(budget) };
    let paced = Arc::new(AtomicBool::new(random.chance(90)));
    // The start level is at most the target, as the configuration demands.
    let start = Duration::from_millis(20) + random.millis(2000);
    let asked = start + random.millis(6000);
    let most = asked + random.millis(12_000);
    let fill = Player {
        target: TargetLevel::new(asked, most),
        present: asked,
        start: StartLevel::new(start, asked),
    };
    Driver { choice: Box::new(Adaptive::new(policy, paced)), fill: Box::new(fill) }
}

#[test]
fn every_frame_arrives_once_and_in_order_whatever_a_player_decides() {
    let scripts = if std::env::var_os("MEDIA_NODE_TESTS").is_some() { ALL_SCRIPTS } else { SCRIPTS };
    let happened = scripts::play(scripts, player);
    assert!(happened.dips > SCRIPTS / 4 && happened.raised > SCRIPTS / 2, "{happened:?}");
}
