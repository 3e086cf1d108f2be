//! Random scripts of people on bad networks.

use std::time::Duration;

use media_protocol::{Position, TrackId};

use super::{
    driver::Driver,
    world::{Act, World},
};

/// Prints the seed if its script fails.
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

/// Schedules the acts of a restless person on a bad network, about a minute of them.
fn restless(world: &mut World) {
    let mut at = Duration::ZERO;
    let first = track(world);
    world.act(at, Act::Play(first, Position::START));
    for _ in 0..world.random.below(12) {
        at += world.random.millis(10_000);
        let act = match world.random.below(7) {
            // Up to 40 s into a track, which can be past its end.
            0 | 1 => Act::Play(track(world), world.random.millis(40_000).into()),
            2 => Act::Follow(world.random.chance(80).then(|| track(world))),
            3 => Act::Pause,
            4 => Act::Resume,
            // With a target of zero, the client would never send a request.
            5 => Act::Target(Duration::from_millis(1) + world.random.millis(12_000)),
            _ => Act::Outage(world.random.millis(30_000)),
        };
        world.act(at, act);
    }
    at += world.random.millis(300_000);
    world.act(at, Act::Resume);
}

/// Bound for [`World::memory`] at the end of a script; the greatest value measured was 22 kB.
const MEMORY: usize = 32 << 10;

/// Plays this number of scripts on all processors. Returns the sum of the events.
pub(crate) fn play(scripts: u64, driver: impl Fn(u64) -> Driver + Sync) -> Happened {
    let workers = std::thread::available_parallelism().map_or(1, |it| it.get() as u64);
    let (each, driver) = (scripts / workers, &driver);
    std::thread::scope(|scope| {
        let work = |worker| {
            // The last worker takes the remainder.
            let end = if worker + 1 == workers { scripts } else { (worker + 1) * each };
            scope.spawn(move || {
                let happened = play_these(worker * each..end, driver);
                happened.assert_enough(each);
                happened
            })
        };
        let workers: Vec<_> = (0..workers).map(work).collect();
        let mut all = Happened::default();
        workers.into_iter().for_each(|it| all.add(&it.join().expect("a script failed")));
        all
    })
}

fn play_these(seeds: impl Iterator<Item = u64>, driver: impl Fn(u64) -> Driver) -> Happened {
    let mut all = Happened::default();
    for seed in seeds {
        let _seed = Seed(seed);
        let mut world = World::new(seed, driver(seed));
        restless(&mut world);
        world.run();
        assert!(world.memory() < MEMORY, "{} are remembered", world.memory());
        all.add(&Happened::of(&world));
    }
    all
}

/// Counts of events. A test of the simulation itself: without many of each, it proves little.
#[derive(Debug, Default)]
pub(crate) struct Happened {
    requests: u64,
    failures: u64,
    ended: u64,
    switches: u64,
    rewinds: u64,
    given_up: u64,
    /// Reports of a partial packet.
    parts: u64,
    /// Partial packets that never became whole.
    abandoned: u64,
    pub(crate) dips: u64,
    /// Rises of the target.
    pub(crate) raised: u64,
}

impl Happened {
    fn of(world: &World) -> Self {
        let heard = &world.listener;
        Self {
            requests: world.requests,
            failures: world.failures,
            ended: heard.ended.into(),
            switches: heard.switches.into(),
            rewinds: heard.rewinds.into(),
            given_up: heard.given_up.into(),
            parts: world.parts,
            abandoned: world.abandoned,
            dips: heard.dips,
            raised: world.raised,
        }
    }

    fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.failures += other.failures;
        self.ended += other.ended;
        self.switches += other.switches;
        self.rewinds += other.rewinds;
        self.given_up += other.given_up;
        self.parts += other.parts;
        self.abandoned += other.abandoned;
        self.dips += other.dips;
        self.raised += other.raised;
    }

    fn assert_enough(&self, scripts: u64) {
        println!("{scripts} scripts: {self:?}");
        assert!(self.requests > 10 * scripts && self.failures > scripts && self.ended > scripts);
        assert!(self.switches > scripts && self.rewinds > scripts / 4 && self.given_up > scripts / 10);
        assert!(self.parts > 10 * scripts && self.abandoned > scripts / 4);
    }
}
