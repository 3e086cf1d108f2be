//! In virtual time.

use super::*;
use crate::client::test_support::net::{Fate, Net};

const MILLI: Duration = Duration::from_millis(1);

async fn connected() -> (Arc<Net>, Arc<NodeLink>, Arc<dyn Connection>) {
    let net = Arc::new(Net::default());
    let link = net.link();
    let connection = link.connection().await.unwrap();
    (net, link, connection)
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_is_closed_does_not_end_the_one_before_it() {
    let (net, link, old) = connected().await;
    net.fates.lock().unwrap().extend([Fate::Succeeds(500 * MILLI), Fate::Closes(MILLI)]);
    link.forget(&old).await;
    link.connection().await.unwrap();
    assert!(net.dials.load(Ordering::Relaxed) >= 3);
}

#[tokio::test(start_paused = true)]
async fn only_the_connection_that_failed_is_forgotten() {
    let (_, link, old) = connected().await;
    link.forget(&old).await;
    let new = link.connection().await.unwrap();
    assert!(!Arc::ptr_eq(&old, &new));
    assert!(!link.forget(&old).await);
    link.note_no_answer(&old, Duration::ZERO).await;
    link.note_no_answer(&old, Duration::ZERO).await;
    assert!(Arc::ptr_eq(&link.connection().await.unwrap(), &new));
}

#[tokio::test(start_paused = true)]
async fn a_connection_in_use_is_forgotten_right_after() {
    let (_, link, old) = connected().await;
    let locked = link.connection.lock().await;
    link.forget_soon(&Arc::downgrade(&old));
    tokio::task::yield_now().await;
    drop(locked);
    tokio::task::yield_now().await;
    let new = link.connection().await.unwrap();
    assert!(!Arc::ptr_eq(&old, &new));
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_dropped_at_once_does_not_count() {
    let (net, link, old) = connected().await;
    // The replacement is connected first, but has to wait for the lock.
    net.fates.lock().unwrap().extend([Fate::Succeeds(100 * MILLI), Fate::Succeeds(150 * MILLI)]);
    let replacing = link.replace(&old, Duration::from_secs(1));
    let meanwhile = async {
        link.forget(&old).await;
        link.connection().await.unwrap()
    };
    let (replaced, kept) = tokio::join!(replacing, meanwhile);
    replaced.unwrap();
    assert!(Arc::ptr_eq(&link.connection().await.unwrap(), &kept));
    assert_eq!((net.dials.load(Ordering::Relaxed), link.reconnects()), (3, 1));
}

#[tokio::test(start_paused = true)]
async fn attempts_overlap_however_long_the_round_trip_has_grown() {
    for (least, number, interval) in
        [(50, 0, 200), (50, 3, 200), (50, 4, 400), (50, 40, 400), (100, 0, 300), (5_000, 0, 1_000)]
    {
        let net = Arc::new(Net::default());
        net.rtt_ms.store(least, Ordering::Relaxed);
        let link = net.link();
        let connection = link.connection().await.unwrap();
        net.rtt_ms.store(5_000, Ordering::Relaxed);
        link.note_path(connection.as_ref());
        for _ in 0..20 {
            let found = link.interval(number).as_millis();
            let range = interval * 8 / 10..=interval;
            assert!(range.contains(&found), "{found} ms after attempt {number} with {least} ms");
        }
    }
    let unknown = Arc::new(Net::default()).link().interval(0).as_millis();
    assert!((800..=1000).contains(&unknown), "{unknown} ms without a known round trip");
}

#[tokio::test(start_paused = true)]
async fn an_attempt_after_the_first_ends_after_three_seconds() {
    let net = Arc::new(Net::default());
    net.silent.send_replace(true);
    let link = net.link();
    for (number, seconds) in [(0, 10), (1, 3), (7, 3)] {
        let began = Instant::now();
        let (attempt, result) = link.attempt(number).await;
        assert!(attempt == number && result.is_err());
        assert_eq!(began.elapsed(), Duration::from_secs(seconds));
    }
}
