//! Our choice of a rate compared with published ones, on generated paths and in virtual time.

mod model;
mod published;
mod table;
mod traces;

use std::{
    cmp::Ordering,
    sync::{Arc, atomic::AtomicBool},
};

use media_node::client::{Adaptive, Budget, Policy};
use media_protocol::PathKind;

use model::Heard;
use traces::Trace;

/// Traces of each kind, as in the table of `node/docs/rate-choice.md`.
const SEEDS: u64 = 20;

/// Compares two results: fewer underruns, then less silence, then a higher bitrate. A difference of 2 % in
/// silence counts as equal, since other seeds cause more. So does 5 % in bitrate, since the rungs of the
/// ladder are 25 % apart or more.
fn compare(a: &Heard, b: &Heard) -> Ordering {
    let close = |a: f64, b: f64, share: f64| {
        if (a - b).abs() <= share * a.max(b) { Ordering::Equal } else { a.total_cmp(&b) }
    };
    let bitrate = |heard: &Heard| heard.bits / heard.played;
    let silence = b.underruns.cmp(&a.underruns).then(close(b.underrun_time, a.underrun_time, 0.02));
    silence.then(close(bitrate(a), bitrate(b), 0.05))
}

#[test]
fn ours_is_no_worse_than_a_published_one_on_any_kind_of_path() {
    for kind in traces::KINDS {
        let ours = table::run(table::NAMES[0], kind, SEEDS);
        for name in &table::NAMES[1..] {
            let theirs = table::run(name, kind, SEEDS);
            assert!(compare(&ours, &theirs).is_ge(), "{kind}, {name}: {theirs:?}\nours: {ours:?}");
        }
    }
}

/// 32 kB wait in the queue, which is 6.4 s at 40 kbit/s. Each path falls at another moment of a chunk.
#[test]
fn where_the_rate_falls_silence_is_no_longer_than_the_queue_takes_to_drain() {
    for (kind, seeds, most) in
        [("falls to 128 kbit/s", 10 * SEEDS, 0.0), ("falls to 40 kbit/s", 2 * SEEDS, 6.4)]
    {
        for seed in 0..seeds {
            let heard = table::run_one(table::NAMES[0], kind, seed);
            assert!(heard.underrun_time <= most, "{kind}, seed {seed}: {heard:?}");
        }
    }
}

/// Plays an album with tracks of 20 s over a path of a constant rate. Returns the totals, and track and
/// bitrate of each chunk.
fn album(kind: PathKind, rate: f64, policy: Policy) -> (Heard, Vec<(u32, u32)>) {
    let trace = Trace {
        kind,
        rtt: 0.05,
        queue: 8_000,
        rates: vec![rate; 1200],
        step: traces::STEP,
        lossless: traces::PCM,
    };
    let choice = Adaptive::new(policy, Arc::new(AtomicBool::new(true)));
    model::album(&trace, Box::new(choice), 20)
}

#[test]
fn on_a_thin_path_no_track_after_the_first_begins_above_what_the_path_carries() {
    for (kind, rate) in [(PathKind::Direct, 64e3), (PathKind::Lan, 250e3), (PathKind::Relayed, 40e3)] {
        let (heard, chunks) = album(kind, rate, Policy::auto(Budget::NONE));
        assert!(chunks.last().unwrap().0 > 5, "{kind}: {heard:?}");
        let later = chunks.iter().filter(|(track, _)| *track > 1);
        assert!(later.clone().all(|(_, bitrate)| f64::from(*bitrate) < rate), "{kind}: {chunks:?}");
        // The very first chunk is requested before anything is known of the path.
        assert!(heard.underruns <= 1, "{kind}: {heard:?}");
    }
}

#[test]
fn once_a_budget_is_spent_no_track_begins_above_what_is_left() {
    let (_, chunks) = album(PathKind::Relayed, 10e6, Policy::auto(Budget(600_000)));
    let spent = chunks.iter().position(|(_, bitrate)| *bitrate < 96_000).unwrap();
    assert!(chunks[spent..].iter().all(|(_, bitrate)| *bitrate == 12_000), "{chunks:?}");
    assert!(chunks.last().unwrap().0 > 5, "{chunks:?}");
}
