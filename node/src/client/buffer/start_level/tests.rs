//! Synthetic arrivals in virtual time.

use proptest::prelude::*;

use super::*;

const PACKET: Duration = Duration::from_millis(20);
const LEAST: Duration = Duration::from_millis(200);
const MOST: Duration = Duration::from_secs(3);

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A path and its clock.
struct Path {
    start: StartLevel,
    now: Duration,
}

impl Path {
    fn new() -> Self {
        let mut start = StartLevel::new(LEAST, MOST);
        start.set_request_pending(Duration::ZERO, true);
        Self { start, now: Duration::ZERO }
    }

    /// Packets arrive, each `gap` after the one before.
    fn packets(&mut self, many: u32, gap: Duration) {
        for _ in 0..many {
            self.now += gap;
            self.start.on_audio(self.now, PACKET);
        }
    }

    /// A chunk arrives in a burst, with a wait in its middle.
    fn chunk(&mut self, wait: Duration) {
        self.packets(75, ms(1));
        self.now += wait;
        self.packets(75, ms(1));
    }

    fn level(&self) -> u128 {
        self.start.level().as_millis()
    }
}

#[test]
fn a_long_path_asks_for_time_to_send_again_what_was_lost() {
    let mut path = Path::new();
    for (rtt, level) in [(50, 200), (99, 200), (100, 275), (120, 320), (300, 725), (5000, 3000), (0, 200)] {
        path.start.set_rtt(ms(rtt));
        assert_eq!(path.level(), level, "{rtt} ms");
    }
}

#[test]
fn a_stream_that_probing_holds_up_asks_for_more() {
    let mut path = Path::new();
    for (bitrate, rtt, level) in [
        (96_000, 200, 500),
        (96_000, 400, 950),
        (96_000, 401, 1604),
        (96_000, 500, 2000),
        (1_411_200, 50, 200),
        (1_411_200, 100, 400),
        (1_411_200, 5, 200),
    ] {
        path.start.set_bitrate(bitrate);
        path.start.set_rtt(ms(rtt));
        assert_eq!(path.level(), level, "{bitrate} bit/s, {rtt} ms");
    }
}

#[test]
fn bursts_far_ahead_of_their_time_are_no_lag() {
    let mut path = Path::new();
    assert_eq!(path.level(), 200);
    // The second before the first packet is start-up time, not lag.
    path.now += ms(1000);
    for wait in [0, 150, 0, 190, 20] {
        path.chunk(ms(wait));
    }
    path.packets(1000, PACKET);
    assert_eq!(path.level(), 200);
}

#[test]
fn what_happens_twice_in_a_minute_is_awaited_and_forgotten_after() {
    let mut path = Path::new();
    path.chunk(ms(0));
    path.chunk(ms(900));
    assert_eq!(path.level(), 200, "once proves nothing");
    path.chunk(ms(700));
    // The packet after the wait arrives 701 ms after the one before.
    assert_eq!(path.level(), 701);
    (0..17).for_each(|_| path.chunk(ms(0)));
    assert_eq!(path.level(), 701);
    path.chunk(ms(0));
    assert_eq!(path.level(), 200);
}

#[test]
fn time_in_which_nothing_is_owed_is_no_lag() {
    let mut path = Path::new();
    for _ in 0..10 {
        path.chunk(ms(0));
        path.start.set_request_pending(path.now, false);
        path.now += ms(2000);
        path.start.set_request_pending(path.now, true);
    }
    assert_eq!(path.level(), 200);
    for _ in 0..2 {
        path.chunk(ms(0));
        path.start.set_request_pending(path.now, false);
        path.now += ms(2000);
        path.start.set_request_pending(path.now, true);
        path.now += ms(500);
    }
    path.chunk(ms(0));
    assert_eq!(path.level(), 501, "from the request on");
}

#[test]
fn an_outage_and_a_jump_are_no_lag() {
    let mut path = Path::new();
    for _ in 0..10 {
        path.chunk(MOST);
        path.chunk(ms(0));
        path.start.on_discontinuity();
        path.now += ms(2500);
    }
    assert_eq!(path.level(), 200);
}

#[test]
fn on_a_path_that_is_too_thin_it_rises_to_the_most_and_no_further() {
    let mut path = Path::new();
    let mut before = path.level();
    for _ in 0..20 {
        path.packets(150, PACKET * 5 / 4);
        assert!(path.level() >= before);
        before = path.level();
    }
    assert!((2000..=3000).contains(&before), "{before}");
}

proptest! {
    /// For any repeated pattern of arrivals: after two rounds, sound that starts at any packet with the start level in the
    /// buffer never runs out of audio.
    #[test]
    fn what_repeats_itself_does_not_run_dry(gaps in prop::collection::vec(0_u64..30, 150), stall in 0_u64..1000) {
        let mut gaps: Vec<_> = gaps.into_iter().map(ms).collect();
        gaps[40] += ms(stall);
        let mut path = Path::new();
        for _ in 0..3 {
            gaps.iter().for_each(|gap| path.packets(1, *gap));
        }
        let total: Duration = gaps.iter().sum();
        prop_assert!((LEAST..=MOST).contains(&path.start.level()));
        // A path slower than real time runs out of audio.
        prop_assume!(total <= 150 * PACKET);
        for first in 0..150 {
            let mut held = path.start.level();
            for gap in gaps[first..].iter().chain(&gaps).chain(&gaps[..first]) {
                prop_assert!(held >= *gap, "from packet {first}: {gap:?} with {held:?} held");
                held = held + PACKET - *gap;
            }
        }
    }
}
