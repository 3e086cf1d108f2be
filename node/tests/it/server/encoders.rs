//! The encoder threads: each chunk is encoded once, requested chunks come first, and a failing codec costs
//! only its own chunk.

use media_node::server::{EncoderStats, ServerConfig};
use media_plugin_sdk::AudioFormat;
use media_protocol::{ErrorCode, List};

use super::scripted::{Script, Then, one_thread};
use crate::{
    fixtures::Kind,
    rig::{Listener, Music, Rig, code, offering, read},
};

/// Lets other tasks run until the condition holds.
async fn until(mut so: impl FnMut() -> bool) {
    while !so() {
        tokio::task::yield_now().await;
    }
}

async fn serving(script: &std::sync::Arc<Script>, config: ServerConfig, seconds: f64) -> (Rig, Listener) {
    let music = Music::of(Kind::WavS16, 44_100, 2, seconds);
    let rig = Rig::with(&music, config, script.registry()).await;
    let listener = rig.listener().await;
    (rig, listener)
}

#[tokio::test]
async fn a_hundred_who_ask_at_once_cost_one_encode() {
    let script = Script::closed(0, Then::Encode);
    let config = ServerConfig { max_requests_per_peer: 10, ..one_thread() };
    let (rig, listener) = serving(&script, config, 3.0).await;
    let rendition = listener.rendition("scripted").await;
    let mut listeners = Vec::new();
    let mut streams = Vec::new();
    for _ in 0..10 {
        let listener = rig.listener().await;
        for _ in 0..10 {
            streams.push(listener.open_chunk(&rendition, 0).await);
        }
        listeners.push(listener);
    }
    until(|| rig.server.stats().cache.misses == 100).await;
    script.open();
    let first = read(streams.remove(0).as_mut()).await;
    for mut stream in streams {
        assert!(read(stream.as_mut()).await == first);
    }
    let stats = rig.server.stats();
    assert_eq!(stats.encoder, EncoderStats { encoded: 1, ahead: 0, failed: 0 });
    assert_eq!(stats.requests.request_chunk, 100);
    assert!(listener.chunk(&rendition, 0).await.unwrap() == first);
    assert_eq!(rig.server.stats().cache.hits, 1);
}

#[tokio::test]
async fn packets_go_out_while_the_chunk_is_being_encoded() {
    let script = Script::closed(3, Then::Encode);
    let (_rig, listener) = serving(&script, one_thread(), 3.0).await;
    let rendition = listener.rendition("scripted").await;
    let mut stream = listener.open_chunk(&rendition, 0).await;
    let mut bytes = Vec::new();
    // The header and three packets. The script holds the fourth.
    while bytes.len() < 16 + 3 * (4 + 10) {
        bytes.extend(stream.recv(usize::MAX).await.unwrap().unwrap());
    }
    assert_eq!(bytes.len(), 16 + 3 * (4 + 10));
    script.open();
    bytes.extend(read(stream.as_mut()).await);
    assert_eq!(crate::rig::packets(&rendition, 0, &bytes).unwrap().len(), 30);
}

#[tokio::test]
async fn what_comes_next_is_encoded_ahead() {
    let script = Script::closed(0, Then::Encode);
    script.open();
    let config = ServerConfig { encode_ahead: 2, ..one_thread() };
    let (rig, listener) = serving(&script, config, 9.0).await;
    let rendition = listener.rendition("scripted").await;
    listener.chunk(&rendition, 0).await.unwrap();
    script.reached(3).await;
    for index in [1, 2] {
        listener.chunk(&rendition, index).await.unwrap();
    }
    // Chunks 3 and 4 do not exist. That is no failure.
    assert_eq!(rig.server.stats().encoder, EncoderStats { encoded: 3, ahead: 2, failed: 0 });
}

#[tokio::test]
async fn what_was_asked_for_comes_before_what_is_ahead() {
    let music = Music::new();
    music.add("1", Kind::WavS16, 44_100, 2, 6.0);
    music.add("2", Kind::WavS16, 44_100, 1, 3.0);
    let script = Script::closed(0, Then::Encode);
    let config = ServerConfig { encode_ahead: 1, ..one_thread() };
    let rig = Rig::with(&music, config, script.registry()).await;
    let listener = rig.listener().await;
    let tracks = listener.list(&List { limit: 2, ..List::default() }).await.unwrap().tracks;
    let mut renditions = Vec::new();
    for track in &tracks {
        renditions.push(listener.get_info(&offering(track, &["scripted"])).await.unwrap().rendition);
    }
    let mut stereo = listener.open_chunk(&renditions[0], 0).await;
    script.reached(1).await;
    let mut mono = listener.open_chunk(&renditions[1], 0).await;
    until(|| rig.server.stats().cache.misses == 2).await;
    script.open();
    read(stereo.as_mut()).await;
    read(mono.as_mut()).await;
    script.reached(2).await;
    let channels: Vec<u16> =
        script.order.lock().unwrap().iter().map(|it: &AudioFormat| it.channels).collect();
    assert_eq!(channels, [2, 1, 2]);
}

#[tokio::test]
async fn whoever_asks_for_much_does_not_hold_up_the_others() {
    let music = Music::new();
    music.add("1", Kind::WavS16, 44_100, 2, 21.0);
    music.add("2", Kind::WavS16, 44_100, 1, 3.0);
    let script = Script::closed(0, Then::Encode);
    let rig = Rig::with(&music, one_thread(), script.registry()).await;
    let (greedy, modest, follower) = (rig.listener().await, rig.listener().await, rig.listener().await);
    let tracks = modest.list(&List { limit: 2, ..List::default() }).await.unwrap().tracks;
    let mut renditions = Vec::new();
    for track in &tracks {
        renditions.push(modest.get_info(&offering(track, &["scripted"])).await.unwrap().rendition);
    }
    let mut streams = Vec::new();
    for index in 0..7 {
        streams.push(greedy.open_chunk(&renditions[0], index).await);
        until(|| rig.server.stats().cache.misses == u64::from(index) + 1).await;
    }
    script.reached(1).await;
    // One chunk of the other track, and the last chunk that the greedy listener waits for.
    let mut mono = modest.open_chunk(&renditions[1], 0).await;
    until(|| rig.server.stats().cache.misses == 8).await;
    let mut shared = follower.open_chunk(&renditions[0], 6).await;
    until(|| rig.server.stats().cache.misses == 9).await;
    script.open();
    read(mono.as_mut()).await;
    read(shared.as_mut()).await;
    // Each of the other two waits for at most one chunk of the greedy listener.
    assert!(rig.server.stats().encoder.encoded < 7, "{:?}", rig.server.stats());
    for stream in &mut streams {
        read(stream.as_mut()).await;
    }
    let channels: Vec<u16> = script.order.lock().unwrap().iter().map(|it| it.channels).collect();
    assert_eq!(channels, [2, 2, 1, 2, 2, 2, 2, 2]);
    assert_eq!(rig.server.stats().encoder.encoded, 8);
}

#[tokio::test]
async fn whoever_never_reads_holds_up_nobody() {
    let music = Music::of(Kind::WavS16, 44_100, 2, 9.0);
    let rig = Rig::new(&music).await;
    let (deaf, other) = (rig.listener().await, rig.listener().await);
    let rendition = deaf.rendition("pcm").await;
    let mut unread = Vec::new();
    for index in [0, 1, 2, 0, 1, 2, 0, 1] {
        unread.push(deaf.open_chunk(&rendition, index).await);
    }
    for index in [0, 1, 2] {
        other.chunk(&rendition, index).await.unwrap();
    }
    for stream in &mut unread {
        assert!(!read(stream.as_mut()).await.is_empty());
    }
}

#[tokio::test]
async fn too_much_at_once_is_busy_and_then_goes_on() {
    let script = Script::closed(0, Then::Encode);
    let config = ServerConfig { max_requests_per_peer: 1, ..one_thread() };
    let (rig, listener) = serving(&script, config, 6.0).await;
    let rendition = listener.rendition("scripted").await;
    let mut held = listener.open_chunk(&rendition, 0).await;
    script.reached(1).await;
    assert_eq!(code(listener.chunk(&rendition, 1).await), ErrorCode::Busy);
    assert_eq!(code(listener.list(&List::default()).await), ErrorCode::Busy);
    // The limit is per peer.
    assert!(rig.listener().await.list(&List::default()).await.is_ok());
    script.open();
    read(held.as_mut()).await;
    assert_eq!(rig.server.stats().encoder.encoded, 1);
}

#[tokio::test]
async fn a_codec_that_fails_ends_its_own_chunk_only() {
    for then in [Then::Fail, Then::Panic] {
        let script = Script::closed(5, then);
        let (rig, listener) = serving(&script, one_thread(), 3.0).await;
        let rendition = listener.rendition("scripted").await;
        let other = rig.listener().await;
        let (mut one, mut two) =
            (listener.open_chunk(&rendition, 0).await, other.open_chunk(&rendition, 0).await);
        script.reached(1).await;
        script.open();
        for stream in [&mut one, &mut two] {
            let bytes = read(stream.as_mut()).await;
            let error = crate::rig::packets(&rendition, 0, &bytes).unwrap_err();
            assert_eq!(error.code, ErrorCode::CodecFailed);
            assert!(error.message.contains("scripted cannot encode chunk 0 of \"track\""), "{error}");
        }
        assert_eq!(rig.server.stats().refusals["codec_failed"], 2, "one for each listener");
        let pcm = other.rendition("pcm").await;
        assert!(other.chunk(&pcm, 0).await.is_ok());
        // A failed chunk is encoded again on the next request.
        script.then(Then::Encode);
        assert!(listener.chunk(&rendition, 0).await.is_ok());
        assert_eq!(rig.server.stats().encoder, EncoderStats { encoded: 2, ahead: 0, failed: 1 });
    }
}

#[tokio::test]
async fn a_chunk_that_nobody_waits_for_any_more_is_not_encoded() {
    let script = Script::closed(0, Then::Encode);
    let (rig, listener) = serving(&script, one_thread(), 9.0).await;
    let rendition = listener.rendition("scripted").await;
    let _first = listener.open_chunk(&rendition, 0).await;
    script.reached(1).await;
    let leaving = rig.listener().await;
    let _second = leaving.open_chunk(&rendition, 1).await;
    until(|| rig.server.stats().cache.misses == 2).await;
    leaving.connection.close("bye");
    until(|| rig.server.stats().peers == 1).await;
    script.open();
    listener.chunk(&rendition, 2).await.unwrap();
    assert_eq!(script.order.lock().unwrap().len(), 2);
    assert_eq!(rig.server.stats().encoder.encoded, 2);
}

#[tokio::test]
async fn one_that_is_being_encoded_gives_way_to_another() {
    for (asked, encoded) in [(true, 1), (false, 2)] {
        let script = Script::closed(5, Then::Encode);
        let (rig, listener) = serving(&script, one_thread(), 9.0).await;
        let rendition = listener.rendition("scripted").await;
        let leaving = rig.listener().await;
        let _left = leaving.open_chunk(&rendition, 0).await;
        script.reached(1).await;
        leaving.connection.close("bye");
        until(|| rig.server.stats().peers == 1).await;
        if asked {
            let mut wanted = listener.open_chunk(&rendition, 1).await;
            until(|| rig.server.stats().cache.misses == 2).await;
            script.open();
            read(wanted.as_mut()).await;
        } else {
            // No other chunk is waiting, so the encoder finishes this one.
            script.open();
            until(|| rig.server.stats().encoder.encoded == 1).await;
            listener.chunk(&rendition, 1).await.unwrap();
        }
        assert_eq!(rig.server.stats().encoder, EncoderStats { encoded, ahead: 0, failed: 0 });
        // The chunk is still there for a later request.
        let bytes = listener.chunk(&rendition, 0).await.unwrap();
        assert_eq!(crate::rig::packets(&rendition, 0, &bytes).unwrap().len(), 30);
        assert_eq!(rig.server.stats().encoder.encoded, 2);
    }
}

#[tokio::test]
async fn the_cache_keeps_to_its_bound_and_no_chunk_is_too_large_to_serve() {
    // A chunk of CD audio has 529,200 bytes and its framing.
    for (cache, kept, encoded) in [(0, 0, 4), (600_000, 1, 4), (1_200_000, 2, 3)] {
        let config = ServerConfig { cache, ..one_thread() };
        let music = Music::of(Kind::WavS16, 44_100, 2, 9.0);
        let rig = Rig::with(&music, config, media_node::plugins::registry()).await;
        let listener = rig.listener().await;
        let rendition = listener.rendition("pcm").await;
        for index in [0, 1, 0, 2] {
            listener.chunk(&rendition, index).await.unwrap();
            assert!(rig.server.stats().cache.bytes <= cache);
        }
        let stats = rig.server.stats();
        assert_eq!((stats.cache.chunks, stats.encoder.encoded), (kept, encoded), "{cache} bytes");
    }
}
