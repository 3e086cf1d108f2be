//! Networks, events, and the expected result. Each row is played as a fast test, and by `benches/networks/`
//! in real time.

#![allow(dead_code, unreachable_pub, reason = "each user takes a part of this")]

use std::time::Duration;

use super::stage::Listen;
use crate::net::{Change, Link};

pub const RATE: u32 = 44_100;
pub const QUIET: Change = Change::Silence(true, true);
pub const LOUD: Change = Change::Silence(false, false);
pub const OPUS: Listen = Listen { codec: "opus", bitrate: 96_000, realtime: true };
pub const PCM: Listen = Listen { codec: "pcm", bitrate: 0, realtime: true };
const AUTO: Listen = Listen { codec: "auto", bitrate: 160_000, realtime: true };
/// Duration of a low rate.
const LOW: Duration = Duration::from_secs(20);

/// A change of the network, which starts at the row's moment.
#[derive(Clone)]
pub enum Event {
    Nothing,
    /// Changes at times counted from the moment of the event. The last one restores the network.
    Changes(Vec<(Duration, Change)>),
    /// The first of two paths dies.
    Dead,
    /// The node is killed, and started again after this time.
    Killed(Duration),
}

/// Goal of a row. In all of them every frame must be played once.
#[derive(Clone, Copy)]
pub enum Goal {
    /// No underrun.
    Steady,
    /// No underrun, and a median first audio within two round trips and 150 ms.
    Prompt,
    /// No underrun, and the best rendition within this time after the network is back.
    BestAgain(Duration),
    /// At most this silence.
    Dry(Duration),
    /// Sound within this time after the network is back.
    Sound(Duration),
    /// No underrun, and on another path within this time.
    Moved(Duration),
    /// No other goal.
    Exact,
}

#[derive(Clone)]
pub struct Row {
    pub name: &'static str,
    pub listen: Listen,
    pub link: Link,
    pub event: Event,
    pub seconds: f64,
    pub goal: Goal,
}

impl Row {
    /// Returns whether the network stays the same.
    pub fn is_steady(&self) -> bool {
        matches!(self.event, Event::Nothing)
    }

    /// Start of the event in the `run`th playback, counted from the first frame. Each run has another place
    /// in a chunk.
    pub fn moment(run: u32) -> Duration {
        Duration::from_secs(7) + Duration::from_millis(370) * run
    }
}

/// A link with 1.5 times the rate of the codec, plus the packets' headers.
pub fn tight(link: Link, listen: Listen) -> Link {
    link.at(if listen.codec == "pcm" { 2_200_000 } else { 150_000 })
}

fn outage(seconds: f64, silence: Change) -> Event {
    Event::Changes(vec![(Duration::ZERO, silence), (Duration::from_secs_f64(seconds), LOUD)])
}

/// The rate falls from 10 Mbit/s and comes back.
fn falls(link: Link, rate: u64) -> Event {
    let changes = [(Duration::ZERO, rate), (LOW, FAST)];
    Event::Changes(changes.map(|(at, rate)| (at, Change::Both(link.at(rate)))).to_vec())
}

const FAST: u64 = 10_000_000;

/// All rows, the longest first.
pub fn rows(steady: f64) -> Vec<Row> {
    let row = |name, link, event, seconds, goal| Row { name, listen: OPUS, link, event, seconds, goal };
    let plain = |name, link, goal| row(name, link, Event::Nothing, steady, goal);
    let second = Duration::from_secs(1);
    let good = Link::of(50, 0.0);
    let shallow = Link { queue: 32_000, ..good };
    let rough = Link { duplicate: 0.01, reorder: 0.05, burst: (0.0005, 20), ..shallow };
    let jittery = Link { jitter: Duration::from_millis(40), ..good };
    let rebind = || Event::Changes(vec![(Duration::ZERO, Change::Rebind)]);
    // At this rate a chunk is in flight two thirds of the time.
    let busy = tight(good, PCM);
    vec![
        plain("50 ms, 1 % loss", Link::of(50, 0.01), Goal::Prompt),
        plain("100 ms, 3 % loss", Link::of(100, 0.03), Goal::Prompt),
        plain("300 ms, 5 % loss", Link::of(300, 0.05), Goal::Prompt),
        plain("50 ms, jitter of 40 ms", jittery, Goal::Prompt),
        plain("rate 1.5x", tight(shallow, OPUS), Goal::Prompt),
        Row { listen: PCM, ..plain("PCM, rate 1.5x", busy, Goal::Steady) },
        plain("duplicates, reordering, bursts, rate 1.5x", tight(rough, OPUS), Goal::Steady),
        row("75 s of silence", good, outage(75.0, QUIET), 30.0, Goal::Sound(second)),
        row("10 s of silence", good, outage(10.0, QUIET), 30.0, Goal::Sound(second)),
        row("2.5 s of silence", good, outage(2.5, QUIET), 20.0, Goal::Steady),
        row(
            "2.5 s of silence towards the listener",
            good,
            outage(2.5, Change::Silence(false, true)),
            20.0,
            Goal::Steady,
        ),
        row("address change", good, rebind(), 20.0, Goal::Steady),
        Row { listen: PCM, ..row("address change, PCM, rate 1.5x", busy, rebind(), 20.0, Goal::Steady) },
        row("path dead, another works", good, Event::Dead, 20.0, Goal::Moved(second * 5 / 2)),
        row("node killed, back after 5 s", good, Event::Killed(5 * second), 20.0, Goal::Exact),
        Row {
            listen: AUTO,
            ..row(
                "rate falls to 128 kbit/s",
                shallow.at(FAST),
                falls(shallow, 128_000),
                60.0,
                Goal::BestAgain(15 * second),
            )
        },
        Row {
            listen: AUTO,
            // Time that the queue takes to drain.
            ..row(
                "rate falls to 40 kbit/s",
                shallow.at(FAST),
                falls(shallow, 40_000),
                60.0,
                Goal::Dry(second.mul_f64(6.4)),
            )
        },
    ]
}
