//! What people do on bad networks, at random.

use std::time::Duration;

use media_protocol::{Position, TrackId};

use super::world::{Act, World};

/// Says which seed it was, if this one fails.
pub(crate) struct Seed(pub(crate) u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("failing seed: {}", self.0);
        }
    }
}

fn track(world: &mut World) -> TrackId {
    ["a", "b", "c"][world.random.below(3) as usize].parse().unwrap()
}

/// What a restless person on a bad network does within a minute.
fn restless(world: &mut World) {
    let mut at = Duration::ZERO;
    let first = track(world);
    world.act(at, Act::Play(first, Position::START));
    for _ in 0..world.random.below(12) {
        at += world.random.millis(10_000);
        let act = match world.random.below(7) {
            // Up to 40 s into a track, which may be past its end.
            0 | 1 => Act::Play(track(world), world.random.millis(40_000).into()),
            2 => Act::Follow(world.random.chance(80).then(|| track(world))),
            3 => Act::Pause,
            4 => Act::Resume,
            5 => Act::Target(world.random.millis(12_000)),
            _ => Act::Outage(world.random.millis(30_000)),
        };
        world.act(at, act);
    }
    at += world.random.millis(300_000);
    world.act(at, Act::Resume);
}

/// So many random scripts are played.
pub(crate) const SCRIPTS: u64 = 10_000;
/// What is remembered at the end of one, written out, comes to 19 kB at most.
const MEMORY: usize = 32 << 10;

/// Plays these scripts; how much happened in them.
pub(crate) fn play(seeds: impl Iterator<Item = u64>) -> Happened {
    let mut all = Happened::default();
    for seed in seeds {
        let _seed = Seed(seed);
        let mut world = World::new(seed);
        restless(&mut world);
        world.run();
        assert!(world.memory() < MEMORY, "{} are remembered", world.memory());
        all.add(&world);
    }
    all
}

#[derive(Debug, Default)]
pub(crate) struct Happened {
    requests: u64,
    failures: u64,
    ended: u64,
    switches: u64,
    rewinds: u64,
    given_up: u64,
}

impl Happened {
    fn add(&mut self, world: &World) {
        let heard = &world.listener;
        self.requests += world.requests;
        self.failures += world.failures;
        self.ended += u64::from(heard.ended);
        self.switches += u64::from(heard.switches);
        self.rewinds += u64::from(heard.rewinds);
        self.given_up += u64::from(heard.given_up);
    }

    /// The simulation is worth something only as long as much of it happens.
    pub(crate) fn assert_enough(&self, scripts: u64) {
        println!("{scripts} scripts: {self:?}");
        assert!(self.requests > 10 * scripts && self.failures > scripts && self.ended > scripts);
        assert!(self.switches > scripts && self.rewinds > scripts / 4 && self.given_up > scripts / 10);
    }
}
