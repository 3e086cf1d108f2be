//! Answers of a scripted node.

use media_protocol::{
    CodecOffer, OutputOffer, PathReport,
    chunk::{ChunkWriter, refusal},
};

use super::*;
use crate::client::test_support::{self, scripted_node::ScriptedNode};

const INDEX: ChunkIndex = ChunkIndex(0);

fn library(answers: &[&[u8]]) -> (Arc<ScriptedNode>, RemoteLibrary) {
    let node = ScriptedNode::new(answers);
    (Arc::clone(&node), RemoteLibrary::new(node.link()))
}

fn one_chunk() -> (Rendition, Vec<u8>) {
    let rendition = test_support::info(48_000, 2, 4_000).rendition;
    let mut writer = ChunkWriter::new(INDEX, u32::try_from(rendition.frames_in(INDEX)).unwrap(), true);
    writer.packet(b"first").unwrap();
    writer.packet(b"second").unwrap();
    let bytes = [writer.take(), writer.finish()].concat();
    (rendition, bytes)
}

fn get_info() -> GetInfo {
    GetInfo {
        track: "0123456789abcdef".parse().unwrap(),
        codecs: vec![CodecOffer { id: "test".into(), bitrate: None }],
        output: OutputOffer::default(),
        path: PathReport::default(),
        then_chunk_at: Some(media_protocol::Position::START),
        report_loss: false,
    }
}

fn ok(answer: &impl serde::Serialize) -> Vec<u8> {
    let mut line = serde_json::to_vec(&serde_json::json!({ "ok": answer })).unwrap();
    line.push(b'\n');
    line
}

#[tokio::test(start_paused = true)]
async fn a_search_is_sent_and_its_page_returned() {
    let track = test_support::info(48_000, 2, 4_000).track;
    let page = ListPage { total: 9, tracks: vec![track], scanning: None };
    let (node, library) = library(&[&ok(&page)]);
    assert_eq!(library.search("some words", 4, 2).await.unwrap(), page);
    let requests = node.requests();
    assert_eq!(requests.len(), 1);
    let sent: List = serde_json::from_str(&requests[0].1).unwrap();
    assert_eq!((sent.search.as_str(), sent.offset, sent.limit), ("some words", 4, 2));
    assert_eq!(requests[0].0, "audio.list");
}

#[tokio::test(start_paused = true)]
async fn a_page_over_its_limit_and_a_search_over_its_length_are_errors() {
    let track = test_support::info(48_000, 2, 4_000).track;
    let page = ListPage { total: 9, tracks: vec![track.clone(), track], scanning: None };
    let (node, library) = library(&[&ok(&page)]);
    assert!(matches!(library.list(0, 1).await, Err(ProviderError::BrokenAnswer(_))));
    let long = "x".repeat(List::MAX_SEARCH + 1);
    let refused = library.search(&long, 0, 1).await;
    assert!(matches!(refused, Err(ProviderError::Refused(error)) if error.code == ErrorCode::BadRequest));
    assert_eq!(node.requests().len(), 1, "the search was not sent");
}

#[tokio::test(start_paused = true)]
async fn an_info_is_checked_and_no_chunk_is_requested_with_it() {
    let mut info = test_support::info(48_000, 2, 4_000);
    let invalid = Rendition { packet_frames: 0, ..info.rendition.clone() };
    info.alternatives = vec![invalid, info.rendition.clone()];
    let other = Info {
        track: media_protocol::Track { id: "fedcba9876543210".parse().unwrap(), ..info.track.clone() },
        ..info.clone()
    };
    let (node, library) = library(&[&ok(&info), &ok(&other)]);
    let answer = library.info(&get_info()).await.unwrap();
    assert_eq!(answer.alternatives, [info.rendition.clone()]);
    let sent: GetInfo = serde_json::from_str(&node.requests()[0].1).unwrap();
    assert_eq!(sent.then_chunk_at, None);
    assert!(matches!(library.info(&get_info()).await, Err(ProviderError::BrokenAnswer(_))));
}

#[tokio::test(start_paused = true)]
async fn a_chunk_comes_packet_by_packet_and_its_hash_is_checked() {
    let (rendition, bytes) = one_chunk();
    let mut damaged = bytes.clone();
    let place = damaged.windows(6).position(|window| window == b"second").unwrap();
    damaged[place] ^= 1;
    let (_, library) = library(&[&bytes, &damaged]);
    let mut chunk = library.chunk(&rendition, INDEX).await.unwrap();
    assert_eq!(chunk.next().await.unwrap().unwrap(), "first");
    assert_eq!(chunk.next().await.unwrap().unwrap(), "second");
    assert_eq!(chunk.next().await, Ok(None));
    assert_eq!(chunk.next().await, Ok(None));
    let mut chunk = library.chunk(&rendition, INDEX).await.unwrap();
    let end = loop {
        match chunk.next().await {
            Ok(Some(_)) => {}
            end => break end,
        }
    };
    assert!(matches!(end, Err(ProviderError::BrokenAnswer(_))), "{end:?}");
    assert_eq!(chunk.next().await, end, "it stays an error");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_an_early_end_and_silence_are_told_apart() {
    let (rendition, bytes) = one_chunk();
    let refused = refusal(&WireError::new(ErrorCode::OutOfRange, "no such chunk"));
    let (_, library) = library(&[&refused, &bytes[..bytes.len() - 1]]);
    let mut chunk = library.chunk(&rendition, INDEX).await.unwrap();
    let refused = chunk.next().await;
    assert!(
        matches!(&refused, Err(ProviderError::Refused(error)) if error.code == ErrorCode::OutOfRange),
        "{refused:?}"
    );
    let mut chunk = library.chunk(&rendition, INDEX).await.unwrap();
    chunk.next().await.unwrap();
    chunk.next().await.unwrap();
    let cut = chunk.next().await;
    assert!(matches!(&cut, Err(ProviderError::Unreachable(_))), "{cut:?}");
    // The script has ended: nothing arrives.
    let mut chunk = library.chunk(&rendition, INDEX).await.unwrap();
    let silent = chunk.next().await;
    assert!(matches!(&silent, Err(ProviderError::Unreachable(_))), "{silent:?}");
}
