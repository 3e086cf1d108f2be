//! Admission of clients, and isolation: the behaviour of one client does not disturb another.

use std::time::Duration;

use media_node::server::{Access, Requests, ServerConfig};
use media_plugin_sdk::transport::TransportError;
use media_protocol::{ErrorCode, Info, List};
use tokio::time::sleep;

use crate::{
    fixtures::Kind,
    rig::{Music, Rig, code, offering, read},
};

fn refused<T>(connected: Result<T, TransportError>) -> String {
    match connected {
        Err(TransportError::Refused(refusal)) => refusal.code,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("let in"),
    }
}

#[tokio::test]
async fn only_the_ticket_lets_in() {
    let music = Music::of(Kind::WavS16, 8_000, 1, 0.5);
    let access = Access { capability: Some("open sesame".into()), ..Access::default() };
    let rig = Rig::guarded(&music, ServerConfig::default(), media_node::plugins::registry(), access).await;
    assert_eq!(refused(rig.connect(None).await), "unauthorized");
    assert_eq!(refused(rig.connect(Some("open barley")).await), "invalid_token");
    assert!(rig.connect(Some("open sesame")).await.unwrap().list(&List::default()).await.is_ok());
    assert_eq!(rig.server.stats().peers_served, 1);
}

#[tokio::test]
async fn a_full_node_turns_away_until_somebody_leaves() {
    let music = Music::of(Kind::WavS16, 8_000, 1, 0.5);
    let config = ServerConfig { max_peers: 1, ..ServerConfig::default() };
    let rig = Rig::with(&music, config, media_node::plugins::registry()).await;
    let first = rig.listener().await;
    // A connection that plays keeps its place.
    let rendition = first.rendition("pcm").await;
    assert!(first.chunk(&rendition, 0).await.is_ok());
    let full = rig.connect(None).await.err();
    assert_eq!(full, Some(TransportError::Full { retry_after: TransportError::FULL_RETRY }));
    first.connection.close("bye");
    while rig.server.stats().peers > 0 {
        tokio::task::yield_now().await;
    }
    assert!(rig.listener().await.list(&List::default()).await.is_ok());
}

#[tokio::test]
async fn many_identities_do_not_take_all_places() {
    let music = Music::of(Kind::WavS16, 8_000, 1, 0.5);
    let config = ServerConfig { max_peers: 8, ..ServerConfig::default() };
    let rig = Rig::with(&music, config, media_node::plugins::registry()).await;
    let playing = rig.listener().await;
    let rendition = playing.rendition("pcm").await;
    assert!(playing.chunk(&rendition, 0).await.is_ok());
    let mut silent = Vec::new();
    for _ in 0..60 {
        silent.push(rig.listener().await);
    }
    // The first ones gave way to the others.
    for listener in &silent[..53] {
        listener.connection.closed().await;
    }
    let late = rig.listener().await;
    assert!(late.list(&List::default()).await.is_ok());
    assert_eq!(playing.chunk(&rendition, 0).await.map(|chunk| chunk.is_empty()), Ok(false));
    for _ in 0..60 {
        silent.push(rig.listener().await);
    }
    assert!(late.list(&List::default()).await.is_ok(), "who asked for something stays");
    assert!(playing.chunk(&rendition, 0).await.is_ok());
    assert_eq!(rig.server.stats().peers, 8);
}

#[tokio::test]
async fn one_peer_does_not_take_all_places() {
    let music = Music::of(Kind::WavS16, 8_000, 1, 0.5);
    let rig = Rig::new(&music).await;
    let other = rig.listener().await;
    let first = rig.listener().await;
    let mut more = Vec::new();
    for _ in 0..16 {
        assert!(first.list(&List::default()).await.is_ok(), "{} beside it", more.len());
        more.push(first.again(&rig).await);
    }
    first.connection.closed().await;
    for listener in &more {
        assert!(listener.list(&List::default()).await.is_ok());
    }
    while rig.server.stats().peers > 17 {
        tokio::task::yield_now().await;
    }
    assert!(other.list(&List::default()).await.is_ok());
}

#[tokio::test]
async fn a_listener_that_does_not_read_holds_up_nobody() {
    // A chunk has 1.7 MB, more than a stream of this transport holds.
    let music = Music::of(Kind::WavS24, 96_000, 2, 6.0);
    let rig = Rig::new(&music).await;
    let lazy = rig.listener().await;
    let rendition = lazy.rendition("pcm").await;
    let mut unread = lazy.open_chunk(&rendition, 0).await;
    let eager = rig.listener().await;
    let chunk = eager.chunk(&rendition, 0).await.unwrap();
    assert!(lazy.chunk(&rendition, 1).await.is_ok());
    assert!(read(unread.as_mut()).await == chunk);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_nobody_takes_is_given_up() {
    // A chunk has 1.7 MB, which gives it 216 s; the transport holds 1 MB of it.
    let music = Music::of(Kind::WavS24, 96_000, 2, 3.0);
    let rig = Rig::new(&music).await;
    let listener = rig.listener().await;
    let rendition = listener.rendition("pcm").await;
    let whole = listener.chunk(&rendition, 0).await.unwrap();
    let (mut slow, mut stuck) =
        (listener.open_chunk(&rendition, 0).await, listener.open_chunk(&rendition, 0).await);
    let mut begun = stuck.recv(1).await.unwrap().unwrap().to_vec();
    let mut taken = Vec::new();
    for _ in 0..12 {
        taken.extend(slow.recv(64 * 1024).await.unwrap().unwrap());
        sleep(Duration::from_secs(15)).await;
    }
    taken.extend(read(slow.as_mut()).await);
    assert!(taken == whole, "whoever takes a little at a time is given it all");
    sleep(Duration::from_secs(60)).await;
    let end = loop {
        match stuck.recv(usize::MAX).await {
            Ok(Some(bytes)) => begun.extend(bytes),
            end => break end,
        }
    };
    assert!(matches!(end, Err(TransportError::Closed(_))), "{end:?}");
    assert!(begun.len() < whole.len() && listener.chunk(&rendition, 0).await.unwrap() == whole);
}

#[tokio::test]
async fn what_one_peer_does_not_read_is_bounded_over_all_its_connections() {
    // A chunk has 3.5 MB; the limit per peer is 53 MB in flight.
    let music = Music::of(Kind::WavS24, 192_000, 2, 3.0);
    let rig = Rig::new(&music).await;
    let (first, other) = (rig.listener().await, rig.listener().await);
    let (second, third) = (first.again(&rig).await, first.again(&rig).await);
    let rendition = first.rendition("pcm").await;
    let mut unread = Vec::new();
    for listener in [&first, &second] {
        for _ in 0..8 {
            unread.push(listener.open_chunk(&rendition, 0).await);
        }
    }
    while rig.server.stats().requests.request_chunk < 16 {
        tokio::task::yield_now().await;
    }
    let refused = third.chunk(&rendition, 0).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::Busy);
    assert!(refused.retry_after_ms.is_some());
    assert!(other.chunk(&rendition, 0).await.is_ok(), "it is a peer's own bound");
    for stream in &mut unread {
        read(stream.as_mut()).await;
    }
    assert!(third.chunk(&rendition, 0).await.is_ok());
}

#[tokio::test]
async fn a_listener_that_stops_in_the_middle_disturbs_no_other() {
    let music = Music::of(Kind::WavS24, 96_000, 2, 6.0);
    let rig = Rig::new(&music).await;
    let (staying, leaving) = (rig.listener().await, rig.listener().await);
    let rendition = staying.rendition("pcm").await;
    let mut chunk = leaving.open_chunk(&rendition, 0).await;
    chunk.recv(1000).await.unwrap().unwrap();
    drop(chunk);
    assert!(leaving.chunk(&rendition, 1).await.is_ok());
    leaving.connection.close("enough");
    assert!(staying.chunk(&rendition, 0).await.is_ok());
}

#[tokio::test]
async fn nonsense_costs_its_own_answer_only() {
    let music = Music::of(Kind::WavS16, 8_000, 1, 0.5);
    let rig = Rig::new(&music).await;
    let listener = rig.listener().await;
    for _ in 0..50 {
        let answer = listener.ask_json::<Info>("audio.get_info", r#"{"track": 7}"#).await;
        assert_eq!(code(answer), ErrorCode::BadRequest);
    }
    assert!(listener.get_info(&offering(&listener.track().await, &["pcm"])).await.is_ok());
}

#[tokio::test]
async fn refusals_that_are_not_read_are_bounded_too() {
    let music = Music::of(Kind::WavS16, 8_000, 1, 0.5);
    let rig = Rig::new(&music).await;
    let (flooding, other) = (rig.listener().await, rig.listener().await);
    let mut unread = Vec::new();
    for _ in 0..500 {
        unread.push(flooding.connection.open("audio.sing", "{}").await.unwrap());
    }
    assert!(other.list(&List::default()).await.is_ok());
    for mut stream in unread {
        assert!(!read(stream.recv.as_mut()).await.is_empty());
    }
}

#[tokio::test]
async fn requests_and_bytes_are_counted() {
    let music = Music::of(Kind::WavS16, 44_100, 2, 3.0);
    let rig = Rig::new(&music).await;
    let listener = rig.listener().await;
    let rendition = listener.rendition("pcm").await;
    let before = rig.server.stats().bytes_sent;
    let chunk = listener.chunk(&rendition, 0).await.unwrap();
    let _ = listener.ask_json::<Info>("audio.sing", "{}").await;
    let stats = rig.server.stats();
    assert_eq!(stats.requests, Requests { list: 1, get_info: 1, request_chunk: 1, unknown: 1 });
    assert!(stats.bytes_sent > before + chunk.len() as u64);
    assert_eq!((stats.peers, stats.peers_served), (1, 1));
}

#[tokio::test]
async fn a_server_that_stops_says_goodbye() {
    let music = Music::of(Kind::WavS16, 8_000, 1, 0.5);
    let rig = Rig::new(&music).await;
    let listener = rig.listener().await;
    assert!(listener.list(&List::default()).await.is_ok());
    rig.server.stop();
    rig.serving.await.unwrap();
    listener.connection.closed().await;
    assert_eq!(rig.server.stats().peers, 0);
}
