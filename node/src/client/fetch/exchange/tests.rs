//! In virtual time, with a node that answers requests slowly or never.

use std::sync::atomic::Ordering;

use tokio::time::{Instant, sleep};

use super::*;
use crate::client::test_support::{net::Net, scripted_node::ScriptedNode};

const ASKED: List = List { offset: 0, limit: 1, search: String::new(), detail: false };

/// Sends a request that gets no answer. Returns the time until it fails.
async fn silent(link: &NodeLink) -> Duration {
    let began = Instant::now();
    let answer = timeout(Duration::from_secs(60), list(link, &ASKED)).await.expect("given up");
    assert!(matches!(answer, Err(FetchError::Silent(_))), "{answer:?}");
    began.elapsed()
}

/// Pings in the background, as the path watch does.
fn pinged(link: &Arc<NodeLink>) {
    let link = Arc::clone(link);
    tokio::spawn(async move {
        loop {
            link.connection().await.unwrap().ping().await.unwrap();
            sleep(Duration::from_millis(100)).await;
        }
    });
}

#[tokio::test(start_paused = true)]
async fn answers_to_pings_are_no_progress_and_two_starved_streams_end_a_connection() {
    let net = Arc::new(Net::default());
    let link = net.link();
    pinged(&link);
    let connections = || net.dials.load(Ordering::Relaxed);
    for made in 1..4 {
        assert_eq!(silent(&link).await, PATIENCE);
        assert_eq!(connections(), made, "once is no proof");
        assert_eq!(silent(&link).await, PATIENCE);
        link.connection().await.unwrap();
        assert_eq!(connections(), made + 1);
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_makes_up_for_a_starved_stream() {
    let net = Arc::new(Net::default());
    let link = net.link();
    for _ in 0..4 {
        assert_eq!(silent(&link).await, PATIENCE);
        link.note_answer();
    }
    assert_eq!(net.dials.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn what_waits_behind_a_slow_queue_is_not_given_up() {
    let net = Arc::new(Net::default());
    // 40 kbit/s.
    net.bytes_per_ms.store(5, Ordering::Relaxed);
    let link = net.link();
    let answer = timeout(PAGE - PATIENCE, list(&link, &ASKED)).await;
    assert!(answer.is_err(), "{answer:?}");
}

#[tokio::test(start_paused = true)]
async fn a_page_that_never_ends_is_given_up() {
    let net = Arc::new(Net::default());
    net.bytes_per_ms.store(5, Ordering::Relaxed);
    let began = Instant::now();
    let answer = timeout(2 * PAGE, list(&net.link(), &ASKED)).await.expect("given up");
    assert!(matches!(answer, Err(FetchError::Slow(..))), "{answer:?}");
    assert_eq!(began.elapsed().as_secs(), PAGE.as_secs());
}

#[tokio::test(start_paused = true)]
async fn streams_that_starve_at_the_same_time_are_one() {
    let net = Arc::new(Net::default());
    let link = net.link();
    let later = async {
        sleep(PATIENCE / 2).await;
        silent(&link).await
    };
    tokio::join!(silent(&link), silent(&link), later);
    link.connection().await.unwrap();
    assert_eq!(net.dials.load(Ordering::Relaxed), 1);
    silent(&link).await;
    link.connection().await.unwrap();
    assert_eq!(net.dials.load(Ordering::Relaxed), 2);
}

#[tokio::test(start_paused = true)]
async fn patience_grows_with_the_least_round_trip_to_a_bound() {
    for (least, behind_a_queue, patience) in [(50, 5_000, 2_000), (500, 5_000, 4_000), (5_000, 5_000, 6_000)]
    {
        let net = Arc::new(Net::default());
        net.rtt_ms.store(least, Ordering::Relaxed);
        let link = net.link();
        let connection = link.connection().await.unwrap();
        net.rtt_ms.store(behind_a_queue, Ordering::Relaxed);
        link.note_path(connection.as_ref());
        assert_eq!(silent(&link).await.as_millis(), patience);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_behind_others_is_abandoned_after_16_timeouts() {
    let net = Arc::new(Net::default());
    // 2,000 bytes within each stall timeout.
    net.bytes_per_ms.store(1, Ordering::Relaxed);
    let link = net.link();
    let (connection, mut stream) = open(&link, Protocol::List, &ASKED).await.unwrap();
    let began = Instant::now();
    let answer = read(&link, &connection, &mut stream, None).await;
    assert!(matches!(answer, Err(FetchError::Silent(_))), "{answer:?}");
    assert_eq!(began.elapsed(), Duration::from_secs(32));
}

#[tokio::test(start_paused = true)]
async fn a_page_has_a_millisecond_more_for_each_byte() {
    let page = format!("{{\"ok\": {{\"total\": 0, \"tracks\": []}}}}{}", " ".repeat(7000));
    // Pieces of seven bytes.
    for (gap, is_complete) in [(36, true), (38, false)] {
        let node = ScriptedNode::slow(&[page.as_bytes()], Duration::from_millis(gap));
        let answer = list(&node.link(), &ASKED).await;
        assert_eq!(answer.is_ok(), is_complete, "{answer:?} with {gap} ms between pieces");
        assert!(is_complete || matches!(answer, Err(FetchError::Slow(..))), "{answer:?}");
    }
}
