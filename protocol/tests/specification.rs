//! Compares the examples and tables of `README.md`, the specification, with the code.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by them")]

use media_protocol::{
    Answer, ChunkIndex, ChunkMessage, ChunkRequest, ErrorCode, GetInfo, Info, List, ListPage, Rendition,
    Route, Ticket, TrackTags, WireError,
    chunk::{self, ChunkWriter},
    session::server,
};
use serde::{Serialize, de::DeserializeOwned};

const README: &str = include_str!("../README.md");

/// Returns the examples, each with the name of its type.
fn examples() -> Vec<(&'static str, &'static str)> {
    let blocks = README.split("\n```json ").skip(1);
    let blocks = blocks.map(|block| block.split("\n```").next().unwrap());
    blocks.map(|block| block.split_once('\n').unwrap()).collect()
}

/// Returns the rows of the first table below `heading`. Cells lose the spaces and code marks around them.
fn rows(heading: &str) -> Vec<Vec<&'static str>> {
    let (_, section) = README.split_once(heading).expect("the heading is there");
    let table = section.lines().skip_while(|line| !line.starts_with('|'));
    let table = table.take_while(|line| line.starts_with('|')).skip(2);
    let cell = |cell: &'static str| cell.trim().trim_matches('`');
    table.map(|row| row.trim_matches('|').split('|').map(cell).collect()).collect()
}

/// Reads an example as a `T` and writes it. A field that `T` lacks would get lost and fail the test.
fn comes_back<T: Serialize + DeserializeOwned>(example: &str) -> T {
    let message: T = serde_json::from_str(example).unwrap_or_else(|e| panic!("{e}\n{example}"));
    let shown: serde_json::Value = serde_json::from_str(example).unwrap();
    assert_eq!(serde_json::to_value(&message).unwrap(), shown);
    message
}

#[test]
fn every_example_is_a_message() {
    let mut seen = Vec::new();
    let mut away = Vec::new();
    for (name, example) in examples() {
        match name {
            "List" => drop(comes_back::<List>(example)),
            "Answer<ListPage>" => match comes_back::<Answer<ListPage>>(example) {
                Answer::Ok(page) => away.extend(page.tracks.iter().map(|track| track.away)),
                Answer::Error(error) => panic!("{error}"),
            },
            "ListPage" => assert_eq!(comes_back::<ListPage>(example).scanning, Some(1200)),
            "GetInfo" => drop(comes_back::<GetInfo>(example)),
            "Answer<Info>" => match comes_back::<Answer<Info>>(example) {
                Answer::Ok(Info { rendition, alternatives, .. }) => {
                    rendition.check().unwrap();
                    alternatives.iter().for_each(|it| it.check().unwrap());
                }
                Answer::Error(error) => assert_eq!(error.code, ErrorCode::UnknownTrack),
            },
            "ChunkRequest" => {
                let request = comes_back::<ChunkRequest>(example);
                assert_eq!(comes_back::<ChunkMessage>(example), ChunkMessage { request, report_loss: false });
            }
            "ChunkMessage" => assert!(comes_back::<ChunkMessage>(example).report_loss),
            other => panic!("an example of an unknown type, {other}"),
        }
        seen.push(name);
    }
    let all = [
        "List",
        "Answer<ListPage>",
        "ListPage",
        "List",
        "Answer<ListPage>",
        "GetInfo",
        "Answer<Info>",
        "ChunkRequest",
        "ChunkMessage",
        "Answer<Info>",
    ];
    assert_eq!(seen, all);
    assert!(away.starts_with(&[false, true]), "an absent field is false");
}

/// Adds an unknown field to every object, except to an answer, which has only `ok` or `error`.
fn add_later_fields(value: &mut serde_json::Value, is_answer: bool) {
    match value {
        serde_json::Value::Object(fields) => {
            fields.values_mut().for_each(|it| add_later_fields(it, false));
            if !is_answer {
                fields.insert("later".into(), serde_json::json!({ "than": ["this"] }));
            }
        }
        serde_json::Value::Array(values) => values.iter_mut().for_each(|it| add_later_fields(it, false)),
        _ => {}
    }
}

/// Checks that an example reads as the same `T` with fields of a later version.
fn is_the_same_later<T: DeserializeOwned + PartialEq + std::fmt::Debug>(example: &str, is_answer: bool) {
    let mut value: serde_json::Value = serde_json::from_str(example).unwrap();
    add_later_fields(&mut value, is_answer);
    let later: T = serde_json::from_value(value).unwrap();
    assert_eq!(later, serde_json::from_str(example).unwrap());
}

#[test]
fn fields_of_a_later_version_are_ignored() {
    for (name, example) in examples() {
        match name {
            "List" => is_the_same_later::<List>(example, false),
            "Answer<ListPage>" => is_the_same_later::<Answer<ListPage>>(example, true),
            "ListPage" => is_the_same_later::<ListPage>(example, false),
            "GetInfo" => is_the_same_later::<GetInfo>(example, false),
            "Answer<Info>" => is_the_same_later::<Answer<Info>>(example, true),
            _ => is_the_same_later::<ChunkMessage>(example, false),
        }
    }
    let error: WireError = serde_json::from_str(r#"{"code":"payment_required","message":"pay"}"#).unwrap();
    assert_eq!(error.code, ErrorCode::Unknown);
}

#[test]
fn every_code_is_listed() {
    let listed = rows("### Refusals").into_iter().map(|row| row[0]);
    let listed: Vec<ErrorCode> = listed.map(|it| serde_json::from_value(it.into()).unwrap()).collect();
    let codes = [
        ErrorCode::BadRequest,
        ErrorCode::UnknownTrack,
        ErrorCode::UnknownRendition,
        ErrorCode::OutOfRange,
        ErrorCode::NoCommonCodec,
        ErrorCode::Unreadable,
        ErrorCode::CodecFailed,
        ErrorCode::Busy,
        ErrorCode::OutOfScope,
        ErrorCode::OverQuota,
        ErrorCode::Expired,
        ErrorCode::Revoked,
        ErrorCode::Internal,
    ];
    assert_eq!(listed, codes);
}

#[test]
fn every_code_of_the_handshake_is_one_of_the_code() {
    let listed: Vec<_> = rows("### Failures of the handshake").into_iter().map(|row| row[0]).collect();
    let ending: Vec<_> =
        listed.iter().filter(|code| ErrorCode::from(**code).ends_access()).copied().collect();
    assert_eq!(ending, ["unauthorized", "invalid_token", "expired", "revoked", "already_used", "over_quota"]);
    let others: Vec<_> =
        listed.iter().filter(|code| !ErrorCode::from(**code).ends_access()).copied().collect();
    assert_eq!(others, ["server_full", "no_common_protocols", "internal_error"]);
    assert!(README.contains(&format!("`{}CODE`", media_protocol::ACCESS_ENDED)));
    assert!(README.contains(&format!("| `{}` |", media_protocol::FEATURE_RIGHTS)));
}

#[test]
fn limits_are_those_of_the_code() {
    let listed: Vec<usize> = rows("## Limits").iter().map(|row| row[1].parse().unwrap()).collect();
    let huge: Rendition = serde_json::from_value(serde_json::json!({
        "id": "t.pcm.768000.32.f32", "bitrate": 0, "lossless": true, "frames": 1, "chunks": 1,
        "frames_per_chunk": 2_304_000, "packet_frames": 1, "lead_in": 0, "crossfade": 0,
    }))
    .unwrap();
    let limits = [
        server::ServerSession::MAX_REQUEST,
        server::RequestLimits::default().requests,
        List::MAX_ANSWER,
        List::MAX as usize,
        List::MAX_SEARCH,
        TrackTags::MAX_TEXT,
        TrackTags::MAX_VALUES,
        GetInfo::MAX_ANSWER,
        GetInfo::MAX_CODECS,
        GetInfo::MAX_RATES,
        Rendition::MAX_RATE as usize,
        Rendition::MAX_CHANNELS.into(),
        Rendition::MAX_CONFIG,
        Rendition::MAX_PACKET_FRAMES as usize,
        chunk::MAX_PACKET,
        huge.max_chunk_bytes(),
        chunk::MAX_REFUSAL,
        WireError::MAX_MESSAGE,
        longest(|id| id.parse::<media_protocol::TrackId>().is_ok()),
        longest(|id| format!("t.{id}.48000.2.{id}").parse::<media_protocol::RenditionId>().is_ok()),
        Ticket::MAX_ROUTES,
        Ticket::MAX_ADDRESSES,
    ];
    assert_eq!(listed, limits);
}

#[test]
fn every_ticket_reads_as_its_table_says() {
    let (_, section) = README.split_once("## Ticket\n").expect("the section is there");
    let examples: Vec<_> = section.split("\n```text\n").skip(1).collect();
    let examples: Vec<_> = examples.iter().map(|block| block.split("\n```").next().unwrap()).collect();
    let capability = std::array::from_fn(|i| i as u8);
    let route = |row: &Vec<&str>| Route {
        transport: row[1].into(),
        peer: row[2].into(),
        addresses: row[3].split(", ").map(str::to_owned).filter(|it| !it.is_empty()).collect(),
    };
    let routes: Vec<_> = rows("<!-- routes of the examples -->").iter().map(route).collect();
    let tickets = [&routes[..1], &routes[..]].map(|routes| Ticket { routes: routes.to_vec(), capability });
    assert_eq!(tickets.each_ref().map(ToString::to_string)[..], examples);
    for (text, ticket) in examples.iter().zip(tickets) {
        assert_eq!(text.parse(), Ok(ticket));
    }
}

/// Returns the greatest number of letters that `is_taken` accepts.
fn longest(is_taken: impl Fn(&str) -> bool) -> usize {
    (1..1000).take_while(|length| is_taken(&"a".repeat(*length))).last().unwrap_or(0)
}

#[test]
fn a_chunk_and_a_refusal_have_the_bytes_of_the_table() {
    let mut writer = ChunkWriter::new(ChunkIndex(40), 144_000, true);
    writer.packet(b"abc").unwrap();
    let mut expected = b"MNCH\x01\x01\0\0".to_vec();
    for number in [40, 144_000, 3_u32] {
        expected.extend(number.to_le_bytes());
    }
    expected.extend(b"abc");
    let hash = blake3::hash(&expected);
    expected.extend([0; 4]);
    expected.extend(hash.as_bytes());
    assert_eq!(writer.finish(), expected);

    let whole = bytes::Bytes::from(expected.clone());
    assert_eq!(chunk::with_loss(&whole, 0), whole);
    let mut lossy = expected[..expected.len() - chunk::TRAILER].to_vec();
    lossy.extend(0xffff_fffe_u32.to_le_bytes());
    lossy.extend(480_u32.to_le_bytes());
    let hash = blake3::hash(&lossy);
    lossy.extend([0; 4]);
    lossy.extend(hash.as_bytes());
    assert_eq!(chunk::with_loss(&whole, 480), lossy);
    assert_eq!(lossy.len(), whole.len() + chunk::LOSS);

    let json = r#"{"code":"busy","message":"wait; try again in 2 s","retry_after_ms":2000}"#;
    let length = u16::try_from(json.len()).unwrap().to_le_bytes();
    let expected = [&[0xff; 4][..], &length, json.as_bytes()].concat();
    let error = WireError::busy("wait", std::time::Duration::from_secs(2));
    assert_eq!(chunk::refusal(&error), expected);
}

#[test]
fn bytes_per_chunk_of_pcm_are_as_listed() {
    let rows = rows("<!-- bytes per chunk -->");
    let pcm: Vec<_> = rows.iter().filter(|row| row[0] == "pcm").collect();
    assert_eq!(pcm.len(), 18);
    for row in pcm {
        let sample_bytes = match row[1] {
            "s16" => 2,
            "s24" => 3,
            "f32" => 4,
            other => panic!("PCM has no {other}"),
        };
        let [rate, channels, bytes] = [row[2], row[3], row[4]].map(|cell| cell.parse::<usize>().unwrap());
        let packet = vec![0; rate / 50 * channels * sample_bytes];
        let mut writer = ChunkWriter::new(ChunkIndex(0), 3 * rate as u32, false);
        (0..3 * 50).for_each(|_| writer.packet(&packet).unwrap());
        assert_eq!(writer.finish().len(), bytes, "{row:?}");
    }
}
