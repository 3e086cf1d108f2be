//! In virtual time, with a node that answers pings or does not.

use std::sync::atomic::Ordering;

use super::*;
use crate::client::test_support::net::{Fate, Net};

struct Rig {
    net: Arc<Net>,
    link: Arc<NodeLink>,
    demand: watch::Sender<Demand>,
    silence: watch::Receiver<bool>,
}

impl Rig {
    /// A connected link with a pending request, on a path of 50 ms.
    async fn new() -> Self {
        Self::at(Duration::from_millis(50)).await
    }

    /// The same on a path with this round trip.
    async fn at(rtt: Duration) -> Self {
        let net = Arc::new(Net::default());
        net.rtt_ms.store(rtt.as_millis() as u64, Ordering::Relaxed);
        let link = net.link();
        link.connection().await.unwrap();
        let (demand, demand_out) = watch::channel(Demand::Pending);
        let (silence, silence_out) = watch::channel(false);
        tokio::spawn(run(Arc::clone(&link), demand_out, silence, Arc::default()));
        Self { net, link, demand, silence: silence_out }
    }

    /// Breaks the present connection. While `silent`, no new one can be made.
    fn breaks(&self, silent: bool) {
        self.net.breaks.send_modify(|breaks| *breaks += 1);
        self.net.silent.send_replace(silent);
    }

    /// Runs for a time. Returns the milliseconds from its start to each ping.
    async fn pings_within(&self, time: Duration) -> Vec<u128> {
        let began = Instant::now();
        let mut seen = self.net.pings.load(Ordering::Relaxed);
        let mut pings = Vec::new();
        while began.elapsed() < time {
            sleep(Duration::from_millis(1)).await;
            let now = self.net.pings.load(Ordering::Relaxed);
            (seen..now).for_each(|_| pings.push(began.elapsed().as_millis()));
            seen = now;
        }
        pings
    }

    /// Waits for another connection. Returns the time that it took.
    async fn time_to_reconnect(&self) -> Duration {
        let (began, before) = (Instant::now(), self.link.reconnects());
        while self.link.reconnects() == before {
            sleep(Duration::from_millis(1)).await;
        }
        began.elapsed()
    }
}

#[tokio::test(start_paused = true)]
async fn silence_is_noticed_within_two_seconds_at_any_moment() {
    for moment in [0, 100, 250, 499, 501, 777] {
        let rig = Rig::new().await;
        sleep(Duration::from_millis(10_000 + moment)).await;
        rig.breaks(false);
        let took = rig.time_to_reconnect().await;
        assert!(took < Duration::from_secs(2), "{took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn silence_is_told_within_two_seconds_and_so_is_its_end() {
    let second = Duration::from_secs(1);
    for demand in [Demand::Pending, Demand::Resting] {
        let mut rig = Rig::new().await;
        rig.demand.send_replace(demand);
        sleep(10 * second).await;
        assert!(!rig.silence.has_changed().unwrap());
        rig.breaks(true);
        timeout(2 * second, rig.silence.wait_for(|silent| *silent)).await.expect("told in time").unwrap();
        sleep(20 * second).await;
        assert!(*rig.silence.borrow(), "it lasts");
        rig.net.silent.send_replace(false);
        timeout(second, rig.silence.wait_for(|silent| !*silent)).await.expect("told in time").unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn silence_is_told_within_two_seconds_on_a_long_path_too() {
    for rtt in [100, 200, 300, 375] {
        for demand in [Demand::Pending, Demand::Resting] {
            let mut rig = Rig::at(Duration::from_millis(rtt)).await;
            rig.demand.send_replace(demand);
            sleep(Duration::from_secs(10)).await;
            rig.link.note_heard();
            rig.breaks(true);
            let since = Instant::now();
            rig.silence.wait_for(|silent| *silent).await.unwrap();
            assert!(since.elapsed() <= Duration::from_millis(2010), "{:?} at {rtt} ms", since.elapsed());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn after_an_outage_however_long_the_next_attempt_is_near() {
    for millis in (3000..16_000).step_by(130).chain([75_000, 150_000]) {
        let (rig, seconds) = (Rig::new().await, millis / 1000);
        rig.breaks(true);
        sleep(Duration::from_millis(millis)).await;
        let dials = rig.net.dials.load(Ordering::Relaxed);
        assert!((seconds..seconds * 6).contains(&dials), "{dials} in {seconds} s");
        rig.net.silent.send_replace(false);
        let took = rig.time_to_reconnect().await;
        assert!(took <= Duration::from_millis(500), "after {millis} ms: {took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_while_nothing_is_wanted() {
    let rig = Rig::new().await;
    // An instant between two pings, so that none leaves at the change of the demand.
    sleep(Duration::from_millis(10_050)).await;
    rig.demand.send_replace(Demand::Idle);
    let sent = || (rig.net.pings.load(Ordering::Relaxed), rig.net.dials.load(Ordering::Relaxed));
    let before = sent();
    assert!((10..=20).contains(&before.0), "{before:?}");
    sleep(Duration::from_secs(3600)).await;
    assert_eq!(sent(), before);
    rig.breaks(false);
    rig.demand.send_replace(Demand::Pending);
    assert!(rig.time_to_reconnect().await < Duration::from_secs(2));
}

#[tokio::test(start_paused = true)]
async fn what_comes_of_itself_needs_no_ping() {
    let rig = Rig::new().await;
    for _ in 0..100 {
        sleep(Duration::from_millis(300)).await;
        rig.link.note_heard();
    }
    assert_eq!(rig.net.pings.load(Ordering::Relaxed), 0);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_will_be_asked_later_is_pinged_now_and_then() {
    let rig = Rig::new().await;
    rig.demand.send_replace(Demand::Resting);
    sleep(Duration::from_secs(60)).await;
    let pings = rig.net.pings.load(Ordering::Relaxed);
    assert!((35..=40).contains(&pings), "{pings} pings in a minute");
    rig.breaks(false);
    let took = rig.time_to_reconnect().await;
    assert!(took <= Duration::from_secs(2), "{took:?}");
    // Once a request is pending, the node has half a second to answer before it is pinged.
    rig.link.note_heard();
    let pings = rig.net.pings.load(Ordering::Relaxed);
    sleep(Duration::from_millis(900)).await;
    rig.demand.send_replace(Demand::Pending);
    sleep(Duration::from_millis(400)).await;
    assert_eq!(rig.net.pings.load(Ordering::Relaxed), pings);
    sleep(Duration::from_millis(200)).await;
    assert_eq!(rig.net.pings.load(Ordering::Relaxed), pings + 1);
}

#[tokio::test(start_paused = true)]
async fn on_a_long_path_a_ping_follows_a_request_whatever_else_waits() {
    // While no request is pending on this path, a ping leaves 0.8 s after the last answer, and its answer comes at 1.1 s.
    for moment in [100, 700, 780, 810, 1000, 1090] {
        let rig = Rig::at(Duration::from_millis(300)).await;
        rig.net.pong_after_ms.store(300, Ordering::Relaxed);
        rig.demand.send_replace(Demand::Resting);
        sleep(Duration::from_secs(10)).await;
        rig.link.note_heard();
        sleep(Duration::from_millis(moment)).await;
        let pings = || rig.net.pings.load(Ordering::Relaxed);
        let before = pings();
        rig.demand.send_replace(Demand::Pending);
        sleep(Duration::from_millis(19)).await;
        assert_eq!(pings(), before, "after {moment} ms");
        sleep(Duration::from_millis(3)).await;
        assert_eq!(pings(), before + 1, "after {moment} ms");
        // Further pings follow, half a round trip after the last ping or answer.
        sleep(Duration::from_secs(3)).await;
        let more = pings() - before;
        assert!((12..=20).contains(&more), "{more} pings in 3 s, after {moment} ms");
        assert!(!rig.silence.has_changed().unwrap());
    }
}

#[tokio::test(start_paused = true)]
async fn a_move_to_another_address_is_remembered_and_one_to_the_same_is_none() {
    let rig = Rig::new().await;
    let began = Instant::now();
    sleep(Duration::from_secs(10)).await;
    assert_eq!(rig.link.path_changes().total(), 0);
    rig.breaks(false);
    rig.time_to_reconnect().await;
    sleep(Duration::from_secs(10)).await;
    let changes = rig.link.path_changes();
    let [change] = changes.iter().collect::<Vec<_>>()[..] else { panic!("{changes:?}") };
    assert_eq!((change.from.remote.as_str(), change.to.remote.as_str()), ("0", "1"));
    let after = change.at - began;
    assert!((10..13).contains(&after.as_secs()), "{after:?}");
}

#[tokio::test(start_paused = true)]
async fn silence_is_told_in_time_whenever_the_request_begins() {
    for moment in (0..2000).step_by(50) {
        let mut rig = Rig::new().await;
        rig.demand.send_replace(Demand::Resting);
        sleep(Duration::from_secs(10)).await;
        rig.link.note_heard();
        rig.breaks(true);
        let since = Instant::now();
        sleep(Duration::from_millis(moment)).await;
        rig.demand.send_replace(Demand::Pending);
        rig.silence.wait_for(|silent| *silent).await.unwrap();
        let took = since.elapsed();
        assert!(took <= Duration::from_millis(2010), "asked after {moment} ms, told after {took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_round_trip_that_grew_behind_a_queue_changes_nothing() {
    let rig = Rig::new().await;
    rig.net.rtt_ms.store(4_000, Ordering::Relaxed);
    sleep(Duration::from_secs(10)).await;
    rig.breaks(true);
    sleep(Duration::from_secs(10)).await;
    rig.net.silent.send_replace(false);
    let took = rig.time_to_reconnect().await;
    assert!(took <= Duration::from_millis(500), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_pong_behind_a_long_queue_is_no_silence() {
    let rig = Rig::new().await;
    rig.net.pong_after_ms.store(6_000, Ordering::Relaxed);
    rig.net.rtt_ms.store(6_000, Ordering::Relaxed);
    rig.net.bytes_per_ms.store(5, Ordering::Relaxed);
    sleep(Duration::from_secs(60)).await;
    assert!(!rig.silence.has_changed().unwrap());
    assert_eq!(rig.link.reconnects(), 0);
    let pings = rig.net.pings.load(Ordering::Relaxed);
    assert!((30..=120).contains(&pings), "{pings} pings in a minute, behind what comes");
}

#[tokio::test(start_paused = true)]
async fn a_path_that_has_become_longer_is_not_dialled_for_ever() {
    for millis in [900, 1_500, 2_200] {
        let rig = Rig::new().await;
        rig.net.stays.store(true, Ordering::Relaxed);
        sleep(Duration::from_secs(10)).await;
        rig.net.rtt_ms.store(millis, Ordering::Relaxed);
        rig.net.pong_after_ms.store(millis, Ordering::Relaxed);
        let fates = (0..100).map(|_| Fate::Succeeds(Duration::from_millis(2 * millis)));
        rig.net.fates.lock().unwrap().extend(fates);
        rig.breaks(false);
        sleep(Duration::from_secs(60)).await;
        assert!(rig.link.reconnects() <= 2, "{} at {millis} ms", rig.link.reconnects());
    }
}

#[tokio::test(start_paused = true)]
async fn a_burst_of_loss_is_no_silence() {
    for (demand, packets) in [(Demand::Pending, 25), (Demand::Resting, 10)] {
        let rig = Rig::new().await;
        rig.demand.send_replace(demand);
        sleep(Duration::from_secs(10)).await;
        let before = rig.net.pings.load(Ordering::Relaxed);
        rig.net.swallows.store(packets, Ordering::Relaxed);
        sleep(Duration::from_secs(10)).await;
        assert!(!rig.silence.has_changed().unwrap(), "{demand:?}");
        assert_eq!(rig.link.reconnects(), 0);
        // One ping for each silence, besides those that were lost.
        let pings = rig.net.pings.load(Ordering::Relaxed) - before;
        assert!((packets..packets + 21).contains(&pings), "{pings} pings");
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_that_closes_while_it_greets_is_tried_again_soon() {
    let rig = Rig::new().await;
    rig.demand.send_replace(Demand::Resting);
    rig.link.note_heard();
    rig.net.fates.lock().unwrap().extend([Fate::Closes(Duration::ZERO), Fate::Closes(Duration::ZERO)]);
    let connection = rig.link.connection().await.unwrap();
    rig.link.forget(&connection).await;
    let took = rig.time_to_reconnect().await;
    assert!(took <= Duration::from_millis(2500), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn after_a_pause_a_node_has_as_long_for_its_answer_as_ever() {
    let rig = Rig::new().await;
    rig.demand.send_replace(Demand::Idle);
    sleep(Duration::from_secs(60)).await;
    rig.breaks(true);
    rig.demand.send_replace(Demand::Pending);
    let mut silence = rig.silence.clone();
    let began = Instant::now();
    silence.wait_for(|silent| *silent).await.unwrap();
    assert_eq!(began.elapsed(), Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn only_on_a_long_path_a_ping_follows_a_request() {
    for (rtt, follows) in [(149, None), (150, Some(20))] {
        let rig = Rig::at(Duration::from_millis(rtt)).await;
        rig.net.pong_after_ms.store(rtt, Ordering::Relaxed);
        rig.demand.send_replace(Demand::Resting);
        sleep(Duration::from_secs(10)).await;
        rig.link.note_heard();
        rig.demand.send_replace(Demand::Pending);
        let pings = rig.pings_within(Duration::from_millis(100)).await;
        let first = pings.first().map(|ping| (20..=22).contains(ping));
        assert_eq!(first, follows.map(|_| true), "at {rtt} ms: {pings:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_that_owes_an_answer_is_pinged_after_half_a_second_of_silence() {
    let rig = Rig::new().await;
    sleep(Duration::from_secs(10)).await;
    rig.link.note_heard();
    let pings = rig.pings_within(Duration::from_millis(1100)).await;
    assert!(matches!(pings[..], [500..=502, 1000..=1004]), "{pings:?}");
}

#[tokio::test(start_paused = true)]
async fn a_resting_node_is_pinged_after_a_second_and_a_half_of_silence() {
    let rig = Rig::new().await;
    rig.demand.send_replace(Demand::Resting);
    rig.link.note_heard();
    let pings = rig.pings_within(Duration::from_millis(3100)).await;
    assert!(matches!(pings[..], [1500..=1502, 3000..=3004]), "{pings:?}");
}

#[tokio::test(start_paused = true)]
async fn a_ping_waits_for_its_answer_by_silence_and_round_trip() {
    sleep(Duration::from_secs(10)).await;
    let ms = Duration::from_millis;
    for (silence, rtt, expected) in [
        (0, 0, 1000),
        (999, 0, 1000),
        (1400, 0, 600),
        (1500, 0, 500),
        (5000, 0, 500),
        (1500, 200, 800),
        (0, 300, 1200),
        (5000, 600, 2000),
    ] {
        let heard = Instant::now() - ms(silence);
        assert_eq!(patience(heard, ms(rtt)), ms(expected), "after {silence} ms at {rtt} ms");
    }
}

#[tokio::test(start_paused = true)]
async fn a_ping_is_repeated_until_a_burst_of_loss_is_over() {
    for (rtt, overdue, repeat) in [(20, 130, 30), (50, 175, 30), (100, 250, 50)] {
        let rig = Rig::at(Duration::from_millis(rtt)).await;
        sleep(Duration::from_secs(10)).await;
        rig.link.note_heard();
        rig.net.swallows.store(u64::MAX, Ordering::Relaxed);
        let pings = rig.pings_within(Duration::from_millis(950)).await;
        let gaps: Vec<_> = pings.windows(2).map(|pair| pair[1] - pair[0]).take(4).collect();
        assert_eq!(gaps, [overdue, repeat, repeat, repeat], "at {rtt} ms: {pings:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_connection_stays_for_a_grace_period() {
    for (rtt, grace) in [(50, 400), (200, 600), (500, 1000)] {
        let mut rig = Rig::at(Duration::from_millis(rtt)).await;
        rig.net.pong_after_ms.store(rtt, Ordering::Relaxed);
        sleep(Duration::from_secs(10)).await;
        rig.breaks(true);
        rig.silence.wait_for(|silent| *silent).await.unwrap();
        let began = Instant::now();
        assert!(rig.net.goodbyes.lock().unwrap().is_empty());
        while rig.net.goodbyes.lock().unwrap().is_empty() {
            sleep(Duration::from_millis(1)).await;
        }
        let stayed = began.elapsed().as_millis();
        assert!((grace..=grace + 2).contains(&stayed), "{stayed} ms at {rtt} ms");
    }
}

#[tokio::test(start_paused = true)]
async fn attempts_to_connect_are_spaced() {
    let mut retry = RETRY;
    let mut wait = async |error: TransportError| {
        let began = Instant::now();
        wait_after(&error, &mut retry).await;
        began.elapsed().as_millis()
    };
    let unreachable = wait(TransportError::Unreachable(String::new())).await;
    assert!((160..=201).contains(&unreachable), "{unreachable}");
    for longest in [200, 400, 800, 1600, 2000, 2000] {
        let closed = wait(TransportError::Closed(String::new())).await;
        assert!((longest * 8 / 10..=longest + 1).contains(&closed), "{closed} of {longest}");
    }
    let full = wait(TransportError::Full { retry_after: Duration::from_secs(4) }).await;
    assert!((4000..=5001).contains(&full), "{full}");
    assert_eq!(wait(TransportError::Refused("no".into())).await, 2000);
}
