use super::*;
use crate::{ChunkIndex, PathReport};

const CHUNK: &str = r#"{"rendition":"t1.pcm.44100.2.s16","index":4}"#;

fn request(server: &mut ServerSession, stream: u64, protocol: &str, data: &str) -> Vec<ServerAction> {
    server.handle(ServerInput::Request { stream, protocol: protocol.into(), data: data.into() });
    std::iter::from_fn(|| server.poll()).collect()
}

/// Returns the action of a new session for one request.
fn answer(protocol: Protocol, data: &str) -> ServerAction {
    let mut actions = request(&mut ServerSession::default(), 1, protocol.name(), data);
    actions.swap_remove(0)
}

#[track_caller]
fn refused(output: &ServerAction, code: ErrorCode) {
    let ServerAction::Refuse { error, .. } = output else { panic!("not refused: {output:?}") };
    assert_eq!(error.code, code, "{error}");
}

#[test]
fn a_chunk_request_has_the_next_chunks_encoded_ahead() {
    let mut server = ServerSession::new(RequestLimits { requests: 4, encode_ahead: 2 });
    let chunk =
        |index| ChunkRequest { rendition: "t1.pcm.44100.2.s16".parse().unwrap(), index: ChunkIndex(index) };
    let expected = vec![
        ServerAction::Chunk { stream: 9, request: chunk(4), report_loss: false },
        ServerAction::EncodeAhead(chunk(5)),
        ServerAction::EncodeAhead(chunk(6)),
    ];
    assert_eq!(request(&mut server, 9, "audio.request_chunk", CHUNK), expected);
    let last = format!(r#"{{"rendition":"t1.pcm.44100.2.s16","index":{}}}"#, u32::MAX);
    let expected = vec![ServerAction::Chunk { stream: 10, request: chunk(u32::MAX), report_loss: false }];
    assert_eq!(request(&mut server, 10, "audio.request_chunk", &last), expected);
}

#[test]
fn a_chunk_request_may_ask_for_the_loss() {
    let mut server = ServerSession::new(RequestLimits { requests: 4, encode_ahead: 1 });
    let asks = r#"{"rendition":"t1.pcm.44100.2.s16","index":4,"report_loss":true}"#;
    let actions = request(&mut server, 1, "audio.request_chunk", asks);
    let [ServerAction::Chunk { request, report_loss: true, .. }, ServerAction::EncodeAhead(ahead)] =
        &actions[..]
    else {
        panic!("{actions:?}")
    };
    assert_eq!((request.index, ahead.index), (ChunkIndex(4), ChunkIndex(5)));
}

#[test]
fn one_chunk_is_encoded_ahead_by_default() {
    let actions = request(&mut ServerSession::default(), 1, "audio.request_chunk", CHUNK);
    assert!(matches!(actions[..], [ServerAction::Chunk { .. }, ServerAction::EncodeAhead(_)]), "{actions:?}");
}

#[test]
fn requests_in_progress_are_limited() {
    let mut server = ServerSession::new(RequestLimits { requests: 2, encode_ahead: 0 });
    let list = r#"{"limit":1}"#;
    for stream in 0..2 {
        assert!(matches!(request(&mut server, stream, "audio.list", list)[..], [ServerAction::List { .. }]));
    }
    let busy = &request(&mut server, 2, "audio.list", list)[0];
    refused(busy, ErrorCode::Busy);
    let ServerAction::Refuse { error, .. } = busy else { panic!("{busy:?}") };
    assert_eq!(error.retry_after_ms, Some(1000), "{error}");
    // A refused request is not in progress, so its end frees no place.
    server.handle(ServerInput::Served { stream: 2 });
    refused(&request(&mut server, 3, "audio.list", list)[0], ErrorCode::Busy);
    server.handle(ServerInput::Served { stream: 0 });
    assert!(matches!(request(&mut server, 4, "audio.list", list)[..], [ServerAction::List { .. }]));
}

#[test]
fn requests_are_counted_by_protocol() {
    let mut server = ServerSession::default();
    request(&mut server, 1, "audio.list", "{}");
    request(&mut server, 2, "audio.request_chunk", CHUNK);
    request(&mut server, 3, "audio.request_chunk", CHUNK);
    request(&mut server, 4, "video.list", "{}");
    assert_eq!(Protocol::ALL.map(|protocol| server.requests(protocol)), [1, 0, 2]);
}

#[test]
fn a_protocol_of_others_is_refused_with_the_list_of_ours() {
    let output = &request(&mut ServerSession::default(), 5, "video.get", "{}")[0];
    let ServerAction::Refuse { stream: 5, protocol: None, error } = output else { panic!("{output:?}") };
    assert_eq!(error.code, ErrorCode::BadRequest);
    assert!(Protocol::ALL.iter().all(|it| error.message.contains(it.name())), "{error}");
}

#[test]
fn a_list_is_bounded() {
    let ServerAction::List { list, .. } = answer(Protocol::List, r#"{"limit":100000,"colour":"red"}"#) else {
        panic!("refused")
    };
    assert_eq!(list, List { offset: 0, limit: List::MAX, search: String::new(), detail: false });
    let search = |length| format!(r#"{{"limit":1,"search":"{}"}}"#, "a".repeat(length));
    assert!(matches!(answer(Protocol::List, &search(200)), ServerAction::List { .. }));
    refused(&answer(Protocol::List, &search(201)), ErrorCode::BadRequest);
}

#[test]
fn a_get_info_is_bounded() {
    let sound = |codecs: usize, id: &str, rest: &str| {
        let codecs = vec![format!(r#"{{"id":"{id}"}}"#); codecs].join(",");
        answer(Protocol::GetInfo, &format!(r#"{{"track":"t1","codecs":[{codecs}]{rest}}}"#))
    };
    let ServerAction::Info { get_info, .. } = sound(32, "opus", "") else { panic!("refused") };
    assert_eq!(get_info.path, PathReport::default());
    assert!(matches!(sound(1, &"o".repeat(32), ""), ServerAction::Info { .. }));
    let rates = format!(r#","output":{{"rates":{:?}}}"#, [768_000; 64]);
    assert!(matches!(sound(1, "opus", &rates), ServerAction::Info { .. }));
    let path = r#","path":{"kind":"a b","rtt_ms":-1,"loss":1.5,"throughput":7}"#;
    let ServerAction::Info { get_info, .. } = sound(1, "opus", path) else { panic!("refused") };
    assert_eq!(get_info.path, PathReport { throughput: Some(7), ..PathReport::default() });
    let bad = [
        sound(33, &"o".repeat(32), ""),
        sound(1, "", ""),
        sound(1, "Opus", ""),
        sound(1, &"o".repeat(33), ""),
        sound(1, "opus", r#","output":{"rates":[0]}"#),
        sound(1, "opus", r#","output":{"rates":[768001]}"#),
        sound(1, "opus", &format!(r#","output":{{"rates":{:?}}}"#, [48_000; 65])),
        sound(1, "opus", r#","output":{"channels":0}"#),
    ];
    for output in &bad {
        refused(output, ErrorCode::BadRequest);
    }
}

#[test]
fn a_chunk_request_is_bounded() {
    let chunk = |rendition: &str| {
        answer(Protocol::RequestChunk, &format!(r#"{{"rendition":"{rendition}","index":0}}"#))
    };
    assert!(matches!(chunk("t.pcm.768000.32.f32"), ServerAction::Chunk { .. }));
    refused(&chunk("t.pcm.768001.2.f32"), ErrorCode::UnknownRendition);
    refused(&chunk("t.pcm.48000.33.f32"), ErrorCode::UnknownRendition);
    refused(&chunk("../etc.pcm.48000.2.f32"), ErrorCode::BadRequest);
}

#[test]
fn what_is_no_request_is_refused() {
    let deep = "[".repeat(60_000);
    let long = format!(r#"{{"limit":1,"x":"{}"}}"#, "x".repeat(ServerSession::MAX_REQUEST));
    for data in ["", "null", "{}", "[1]", "{\"limit\":-1}", "{\"limit\":1}x", &deep, &long] {
        refused(&answer(Protocol::List, data), ErrorCode::BadRequest);
    }
}
