use std::{
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use media_plugin_sdk::transport::{self, Path};
use media_protocol::{
    PathKind, PathReport, Rendition,
    session::client::{Delivery, RateChoice, Situation, Switch},
};

use super::{
    offer_builder::{LADDER, offers},
    throughput::ThroughputMeter,
    *,
};
use crate::client::test_support;

const SECOND: Duration = Duration::from_secs(1);

fn adaptive(paced: bool) -> Adaptive {
    Adaptive::new(Policy::auto(Budget::NONE), Arc::new(AtomicBool::new(paced)))
}

fn ladder() -> Vec<Arc<Rendition>> {
    let rendition = |bitrate: u32, lossless| {
        let mut rendition = test_support::info(48_000, 2, 480_000).rendition;
        rendition.id.params = bitrate.to_string();
        Arc::new(Rendition { bitrate, lossless, ..rendition })
    };
    std::iter::once(rendition(1_536_000, true)).chain(LADDER.map(|it| rendition(it, false))).collect()
}

/// Bitrates chosen for 30 chunks on a path of this kind. `rate` is the path's rate for each chunk, in bit/s; `first` is the
/// index of the rendition at the start.
fn run(kind: PathKind, first: usize, rate: impl Fn(usize) -> f64) -> Vec<u32> {
    let (all, path) = (ladder(), PathReport { kind, ..PathReport::default() });
    let (mut choice, mut current) = (adaptive(true), Arc::clone(&all[first]));
    (0..30)
        .map(|chunk| {
            let situation = Situation {
                now: Duration::ZERO,
                buffer_level: 3 * SECOND,
                target: 3 * SECOND,
                current: &current,
                all: &all,
                path: &path,
            };
            if let Some(switch) = choice.choose(&situation) {
                current = Arc::clone(&all[switch.to]);
            }
            let bytes = u64::from(current.bitrate) * 3 / 8;
            let took = Duration::from_secs_f64(bytes as f64 * 8.0 / rate(chunk));
            choice.delivered(Delivery { bytes, waited: SECOND / 20, took, ..Delivery::default() });
            current.bitrate
        })
        .collect()
}

#[test]
fn takes_what_the_kind_of_path_allows() {
    assert!(run(PathKind::Lan, 0, |_| 50e6).iter().all(|it| *it == 1_536_000));
    assert_eq!(run(PathKind::Direct, 3, |_| 50e6)[29], 160_000);
    assert_eq!(run(PathKind::Relayed, 3, |_| 50e6)[29], 96_000);
}

#[test]
fn a_wide_path_has_room_for_a_source_of_any_bitrate() {
    let registry = crate::plugins::registry();
    let unlimited = |choice, kind| {
        let path = Path { kind, remote: String::new(), rtt: None, min_rtt: None, loss: None };
        let offers = offers(&choice, 96_000, &path, &registry);
        offers.iter().any(|it| it.id == "opus" && it.bitrate.is_none())
    };
    let has_opus = cfg!(feature = "opus");
    assert_eq!(unlimited(CodecChoice::Auto(Budget::NONE), transport::PathKind::Lan), has_opus);
    assert!(!unlimited(CodecChoice::Auto(Budget::NONE), transport::PathKind::Direct));
    assert!(!unlimited(CodecChoice::Only(vec!["opus".into()]), transport::PathKind::Lan));
}

#[test]
fn what_passes_through_is_kept_where_the_path_carries_it() {
    let low = Arc::clone(&ladder()[3]);
    let best = |kind, bitrate, throughput| {
        let copy = Rendition { bitrate, lossless: true, continuous: true, ..(*low).clone() };
        let all = [Arc::clone(&low), Arc::new(copy)];
        let path = PathReport { kind, ..PathReport::default() };
        let situation = Situation {
            now: Duration::ZERO,
            buffer_level: 3 * SECOND,
            target: 3 * SECOND,
            current: &all[1],
            all: &all,
            path: &path,
        };
        let limit = Policy::auto(Budget::NONE).limit(kind, Duration::ZERO);
        Adaptive::best(&situation, &limit, throughput)
    };
    assert_eq!(
        [1e6, 120e3].map(|throughput| best(PathKind::Direct, 170_000, throughput)),
        [Some(1), Some(0)]
    );
    // On a relayed path a passthrough may exceed the limit by a tenth.
    assert_eq!(
        [96_000, 105_000, 130_000].map(|it| best(PathKind::Relayed, it, 1e6)),
        [Some(1), Some(1), Some(0)]
    );
}

#[test]
fn pcm_is_first_on_one_machine_and_last_of_the_lossless_elsewhere() {
    let registry = crate::plugins::registry();
    let known: Vec<_> = registry.codecs().map(|it| it.info()).collect();
    for kind in [transport::PathKind::Loopback, transport::PathKind::Lan, transport::PathKind::Direct] {
        let path = Path { kind, remote: String::new(), rtt: None, min_rtt: None, loss: None };
        let mut offered = offers(&CodecChoice::Auto(Budget::NONE), 96_000, &path, &registry);
        offered.truncate(known.len());
        let is_lossless = |id: &str| known.iter().any(|it| it.id == id && it.lossless);
        let sorted = offered.is_sorted_by_key(|it| match (is_lossless(&it.id), it.id == "pcm") {
            (lossless, pcm) if kind == transport::PathKind::Loopback => (!lossless, !pcm),
            (lossless, pcm) if kind == transport::PathKind::Lan => (!lossless, pcm),
            it => it,
        });
        assert!(sorted, "{kind}: {offered:?}");
    }
}

#[test]
fn one_lossless_codec_is_not_left_for_another() {
    let (mut all, path) = (ladder(), PathReport { kind: PathKind::Lan, ..PathReport::default() });
    let mut flac = Rendition { bitrate: 1_024_000, ..(*all[0]).clone() };
    flac.id.params = "flac".into();
    all.insert(0, Arc::new(flac));
    for current in [0, 1] {
        let mut choice = adaptive(true);
        choice.delivered(Delivery {
            bytes: 600_000,
            waited: SECOND / 20,
            took: SECOND / 10,
            ..Delivery::default()
        });
        let held = 3 * SECOND;
        let situation = Situation {
            now: Duration::ZERO,
            buffer_level: held,
            target: held,
            current: &all[current],
            all: &all,
            path: &path,
        };
        assert!((0..5).all(|_| choice.choose(&situation).is_none()), "left {current}");
    }
}

/// PCM and FLAC converted to the rate of the output.
#[test]
fn converted_lossless_codecs_are_equally_good() {
    let path = PathReport { kind: PathKind::Lan, ..PathReport::default() };
    let rendition = |bitrate: u32| Rendition { bitrate, lossless: false, ..(*ladder()[0]).clone() };
    for (first, other, is_kept) in [(900_000, 1_536_000, true), (599_000, 1_536_000, false)] {
        let mut pcm = rendition(other);
        pcm.id.params = "pcm".into();
        let all = [Arc::new(rendition(first)), Arc::new(pcm)];
        let mut choice = adaptive(true);
        choice.delivered(Delivery { bytes: 600_000, took: SECOND / 10, ..Delivery::default() });
        let situation = Situation {
            now: Duration::ZERO,
            buffer_level: 3 * SECOND,
            target: 3 * SECOND,
            current: &all[0],
            all: &all,
            path: &path,
        };
        assert_eq!(choice.choose(&situation).is_none(), is_kept, "{first} bit/s");
    }
}

#[test]
fn goes_down_at_once_and_up_again_within_five_chunks() {
    let chosen = run(PathKind::Direct, 3, |chunk| if (10..20).contains(&chunk) { 100e3 } else { 10e6 });
    assert_eq!((chosen[9], chosen[11]), (160_000, 64_000), "{chosen:?}");
    assert!(chosen[12..20].iter().all(|it| *it <= 64_000), "{chosen:?}");
    assert_eq!(chosen[25], 160_000, "{chosen:?}");
}

/// A drop of the rate causes two errors of the prediction. They must not lower the predictions after the rate has returned.
#[test]
fn takes_the_best_on_the_third_chunk_after_a_rate_has_returned() {
    let chosen = run(PathKind::Lan, 0, |chunk| match chunk {
        10 => 1e6,
        11..20 => 200e3,
        _ => 10e6,
    });
    assert!(chosen[12..20].iter().all(|it| *it < 160_000), "{chosen:?}");
    assert_eq!(chosen[22], 1_536_000, "{chosen:?}");
}

#[test]
fn does_not_swing_on_a_path_that_carries_just_enough() {
    let chosen = run(PathKind::Direct, 3, |chunk| if chunk % 2 == 0 { 150e3 } else { 120e3 });
    let changes = chosen.windows(2).filter(|pair| pair[0] != pair[1]).count();
    assert!(changes <= 3, "{chosen:?}");
}

#[test]
fn gives_a_chunk_up_that_would_come_too_late() {
    let (all, path) = (ladder(), PathReport { kind: PathKind::Lan, ..PathReport::default() });
    let situation = |held| Situation {
        now: 10 * SECOND,
        buffer_level: held,
        target: 3 * SECOND,
        current: &all[0],
        all: &all,
        path: &path,
    };
    // A tenth of 576 kB arrived in one second: nine more seconds are missing.
    let so_far = Delivery { bytes: 57_600, waited: SECOND / 20, took: SECOND, ..Delivery::default() };
    let mut choice = adaptive(true);
    assert_eq!(choice.reconsider(&situation(12 * SECOND), so_far), None, "there is time");
    let unpaced = adaptive(false).reconsider(&situation(Duration::ZERO), so_far);
    assert_eq!(unpaced, None, "a file waits");
    assert_eq!(choice.reconsider(&situation(2 * SECOND), so_far), None, "it can be given up later as well");
    let switch = choice.reconsider(&situation(SECOND * 11 / 10), so_far).unwrap();
    assert_eq!(all[switch.to].bitrate, 160_000);
    let too_early = Delivery { took: SECOND / 5, ..so_far };
    assert_eq!(choice.reconsider(&situation(2 * SECOND), too_early), None);
    let nothing = Delivery { bytes: 0, waited: SECOND, took: Duration::ZERO, ..Delivery::default() };
    let later = |held| Situation { now: 20 * SECOND, ..situation(held) };
    assert_eq!(choice.reconsider(&later(3 * SECOND), nothing), None, "there is time");
    let switch = choice.reconsider(&later(2 * SECOND), nothing).unwrap();
    assert_eq!(all[switch.to].bitrate, 12_000);
}

#[test]
fn gives_the_rest_of_a_chunk_up_that_is_stuck_behind_a_full_queue() {
    let (all, path) = (ladder(), PathReport { kind: PathKind::Lan, ..PathReport::default() });
    // A share of a chunk arrives in 100 ms, then nothing more of it. From 2 s on the connection carries bytes of other streams.
    let switch_after = |share: f64, seconds: f64, is_behind: bool| {
        let mut choice = adaptive(true);
        choice.delivered(Delivery {
            bytes: 576_000,
            waited: SECOND / 20,
            took: SECOND / 2,
            ..Delivery::default()
        });
        let mut switched = None;
        for step in 1..=(seconds * 5.0) as u32 {
            let took = SECOND / 10 + SECOND * (step - 1) / 5;
            let (now, held) = (10 * SECOND + took, SECOND.mul_f64(3.0 + 3.0 * share).saturating_sub(took));
            let situation = Situation {
                now,
                buffer_level: held,
                target: 3 * SECOND,
                current: &all[0],
                all: &all,
                path: &path,
            };
            let so_far = Delivery {
                bytes: (576_000.0 * share) as u64,
                waited: SECOND / 20,
                took,
                head_of_line_blocked: is_behind && took > 2 * SECOND,
            };
            switched = switched.or(choice.reconsider(&situation, so_far).map(|it| (held, it.to)));
        }
        switched
    };
    let (held, to) = switch_after(0.8, 6.0, true).unwrap();
    assert!(held > SECOND && all[to].bitrate < 100_000, "{held:?}, {}", all[to].bitrate);
    assert_eq!(switch_after(0.8, 6.0, false), None, "it may be a tunnel");
    assert_eq!(switch_after(0.95, 6.0, true), None, "what is left is in the queue");
}

#[test]
fn with_nothing_held_takes_what_keeps_up() {
    let (all, path) = (ladder(), PathReport { kind: PathKind::Lan, ..PathReport::default() });
    let chosen = |bytes| {
        let mut choice = adaptive(true);
        // 64 kbit/s is among the renditions, and not the smallest.
        let current = all.iter().find(|it| it.bitrate == 64_000).unwrap();
        choice.delivered(Delivery { bytes, waited: SECOND / 20, took: SECOND, ..Delivery::default() });
        let zero = Duration::ZERO;
        let situation =
            Situation { now: zero, buffer_level: zero, target: 3 * SECOND, current, all: &all, path: &path };
        choice.choose(&situation).map_or(64_000, |it| all[it.to].bitrate)
    };
    assert_eq!(chosen(10_000_000), all[0].bitrate, "a seek on a wide path");
    assert_eq!(chosen(25_000), 64_000, "200 kbit/s");
    assert_eq!(chosen(1_000), 12_000, "8 kbit/s");
}

#[test]
fn each_wish_offers_what_is_within_it() {
    let registry = crate::plugins::registry();
    let path = |kind| Path { kind, remote: String::new(), rtt: None, min_rtt: None, loss: None };
    let offered = |choice: CodecChoice, kind| offers(&choice, 96_000, &path(kind), &registry);
    let lossless = offered(CodecChoice::Lossless, transport::PathKind::Relayed);
    assert!(!lossless.is_empty() && lossless.iter().all(|it| it.bitrate.is_none()), "{lossless:?}");
    let saver = offered(CodecChoice::DataSaver(Budget::NONE), transport::PathKind::Lan);
    assert!(saver.iter().all(|it| it.bitrate.is_none_or(|bitrate| bitrate <= 48_000)), "{saver:?}");
    #[cfg(feature = "opus")]
    assert_eq!(saver[0].bitrate, Some(48_000));
    let auto = offered(CodecChoice::Auto(Budget::NONE), transport::PathKind::Lan);
    assert_eq!(auto[0].bitrate, None);
}

#[cfg(feature = "opus")]
#[test]
fn the_first_offer_is_no_more_than_the_path_may_carry() {
    let registry = crate::plugins::registry();
    let path = |kind| Path { kind, remote: String::new(), rtt: None, min_rtt: None, loss: None };
    let first = |choice, kind, bitrate| offers(&choice, bitrate, &path(kind), &registry)[0].bitrate.unwrap();
    let auto = |kind, bitrate| first(CodecChoice::Auto(Budget::NONE), kind, bitrate);
    assert_eq!([64_000, 160_000].map(|it| auto(transport::PathKind::Relayed, it)), [64_000, 96_000]);
    assert_eq!([96_000, 256_000].map(|it| auto(transport::PathKind::Direct, it)), [96_000, 160_000]);
    assert_eq!(first(CodecChoice::Only(vec!["opus".into()]), transport::PathKind::Relayed, 160_000), 160_000);
}

#[test]
fn what_is_abandoned_is_spent_too() {
    let (all, path) = (ladder(), PathReport { kind: PathKind::Relayed, ..PathReport::default() });
    let mut choice = Adaptive::new(Policy::auto(Budget(1_000_000)), Arc::new(AtomicBool::new(true)));
    let now = Duration::ZERO;
    let current = all.iter().find(|it| it.bitrate == 96_000).unwrap();
    let situation = Situation { now, buffer_level: now, target: 3 * SECOND, current, all: &all, path: &path };
    assert_eq!(choice.choose(&situation), None);
    // After each seek only a part of a chunk arrives.
    (0..75).for_each(|_| choice.abandoned(10_000));
    assert_eq!(all[choice.choose(&situation).unwrap().to].bitrate, 12_000);
}

/// The node may choose any of the offers, so its choice can exceed the limit of the path's kind.
#[test]
fn what_passes_through_above_the_cap_of_a_relay_is_left_before_anything_is_known() {
    let low = Arc::clone(&ladder()[3]);
    let mut copy = Rendition { bitrate: 130_000, lossless: true, continuous: true, ..(*low).clone() };
    copy.id.params = "copy".into();
    let all = [Arc::new(copy), low];
    let path = PathReport { kind: PathKind::Relayed, ..PathReport::default() };
    let zero = Duration::ZERO;
    let situation = Situation {
        now: zero,
        buffer_level: zero,
        target: 3 * SECOND,
        current: &all[0],
        all: &all,
        path: &path,
    };
    let switch = adaptive(true).choose(&situation);
    assert_eq!(switch, Some(Switch { to: 1, reason: "relayed path".into() }));
}

#[test]
fn a_budget_that_nears_brings_the_bitrate_down_and_says_so() {
    let (all, path) = (ladder(), PathReport { kind: PathKind::Relayed, ..PathReport::default() });
    let mut choice = Adaptive::new(Policy::auto(Budget(1_000_000)), Arc::new(AtomicBool::new(true)));
    let (mut current, mut spent, mut told) = (Arc::clone(&all[3]), 0, Vec::new());
    for chunk in 0..1200 {
        let now = 3 * SECOND * chunk;
        let situation = Situation {
            now,
            buffer_level: 2 * SECOND,
            target: 3 * SECOND,
            current: &current,
            all: &all,
            path: &path,
        };
        if let Some(switch) = choice.choose(&situation) {
            current = Arc::clone(&all[switch.to]);
            told.push((current.bitrate, switch.reason));
        }
        let bytes = u64::from(current.bitrate) * 3 / 8;
        spent += bytes;
        choice.delivered(Delivery { bytes, waited: SECOND / 20, took: SECOND / 10, ..Delivery::default() });
    }
    assert_eq!(told, [(12_000, "0.8 MB of this hour's 1.0 MB are used".to_owned())]);
    // After three quarters only the lowest rendition remains: 12 kbit/s, 5.4 MB in an hour.
    assert!(spent < 750_000 + 5_400_000, "{spent}");
}

/// Bytes of a chunk received after `seconds`, in whole datagrams, on a path whose rate drops from 10 Mbit/s to 128 kbit/s at
/// 0.3 s.
fn fallen(seconds: f64) -> u64 {
    let bits = if seconds < 0.3 { 10e6 * seconds } else { 3e6 + 128e3 * (seconds - 0.3) };
    (bits / 8.0) as u64 / 1200 * 1200
}

#[test]
fn a_rate_that_has_just_fallen_is_known_at_once() {
    let (mut meter, mut pace) = (ThroughputMeter::default(), None);
    for step in 1..=10_u32 {
        let took = SECOND / 20 * step;
        pace = meter.measure(10 * SECOND + took, took, fallen(took.as_secs_f64()));
        // For 0.15 s every stretch includes some of the fast datagrams.
        let rate = pace.map_or(f64::MAX, |it| it.rate);
        assert!(rate > 100e3 && (rate < 200e3 || step < 10), "{took:?}: {pace:?}");
    }
    assert!((0.15..=0.25).contains(&pace.unwrap().steady), "{pace:?}");
}

#[test]
fn what_a_chunk_came_at_before_the_rate_fell_is_not_expected_of_the_next() {
    let (all, path) = (ladder(), PathReport { kind: PathKind::Lan, ..PathReport::default() });
    let mut choice = adaptive(true);
    let situation = |took: Duration, held| Situation {
        now: 10 * SECOND + took,
        buffer_level: held,
        target: 3 * SECOND,
        current: &all[0],
        all: &all,
        path: &path,
    };
    // The rest arrives while the buffer lasts.
    let mut took = Duration::ZERO;
    while took < 2 * SECOND {
        took += SECOND / 20;
        let so_far = Delivery { bytes: fallen(took.as_secs_f64()), took, ..Delivery::default() };
        assert_eq!(choice.reconsider(&situation(took, 20 * SECOND), so_far), None);
    }
    choice.delivered(Delivery { bytes: fallen(2.0), took, ..Delivery::default() });
    // The mean is 1.6 Mbit/s.
    let switch = choice.choose(&situation(took, 2 * SECOND)).unwrap();
    assert!(all[switch.to].bitrate < 128_000, "{switch:?}");
}

/// During a pause of the path no other chunk would arrive either, so none is abandoned.
#[test]
fn a_pause_of_the_path_gives_no_chunk_up() {
    let (all, path) = (ladder(), PathReport { kind: PathKind::Lan, ..PathReport::default() });
    // A chunk at 5 Mbit/s, with a pause of the path at each of 89 moments.
    for paused_at in (1..90).map(|step| 0.01 * f64::from(step)) {
        let mut choice = adaptive(true);
        let before = Delivery { bytes: 576_000, took: SECOND, ..Delivery::default() };
        choice.delivered(before);
        for step in 1..300_u32 {
            let took = SECOND / 100 * step;
            let bytes = 5e6 / 8.0 * took.as_secs_f64().min(paused_at);
            // The session reconsiders after each packet, and every 0.2 s without one.
            if took.as_secs_f64() > paused_at + 0.01 && step % 20 != 0 {
                continue;
            }
            let held = (6.0 * bytes / 576_000.0 + 3.0 - took.as_secs_f64()).max(0.0);
            let situation = Situation {
                now: 10 * SECOND + took,
                buffer_level: Duration::from_secs_f64(held),
                target: 3 * SECOND,
                current: &all[0],
                all: &all,
                path: &path,
            };
            let so_far = Delivery { bytes: bytes as u64, took, ..Delivery::default() };
            assert_eq!(choice.reconsider(&situation, so_far), None, "paused at {paused_at}, {took:?}");
        }
    }
}

#[test]
fn one_packet_that_is_late_is_no_fall_of_the_rate() {
    let (all, path) = (ladder(), PathReport { kind: PathKind::Direct, ..PathReport::default() });
    let mut choice = adaptive(true);
    let situation = |took| Situation {
        now: 10 * SECOND + took,
        buffer_level: 3 * SECOND,
        target: 3 * SECOND,
        current: &all[1],
        all: &all,
        path: &path,
    };
    for late in [0.35, 0.6, 1.0] {
        let bytes = |seconds: f64| 60_000.0 * (seconds / 0.06).min(if seconds < late { 0.98 } else { 1.0 });
        let mut took = Duration::ZERO;
        while took.as_secs_f64() < late {
            took += SECOND / 50;
            let so_far = Delivery { bytes: bytes(took.as_secs_f64()) as u64, took, ..Delivery::default() };
            assert_eq!(choice.reconsider(&situation(took), so_far), None);
        }
        choice.delivered(Delivery { bytes: 60_000, took, ..Delivery::default() });
        assert_eq!(choice.choose(&situation(took)), None, "{late}");
    }
}
