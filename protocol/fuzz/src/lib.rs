//! Bodies of the fuzz targets. `tests/fuzz_bodies.rs` of the protocol runs them on every `cargo test`.

use std::{fmt::Debug, time::Duration};

use bytes::Bytes;
use data_encoding::BASE32_NOPAD;
use media_protocol::{
    Answer, ChunkIndex, ChunkMessage, ChunkRequest, ErrorCode, GetInfo, Info, List, ListPage, Position,
    Protocol, Rendition, RenditionId, Route, Ticket, WireError,
    chunk::{ChunkError, ChunkEvent, ChunkReader, ChunkWriter, LOSS},
    session::{
        client::{ClientAction, ClientConfig, ClientInput, ClientSession, FixedRendition, PlayId, RequestId},
        server::{RequestLimits, ServerAction, ServerInput, ServerSession},
    },
};
use serde::{Serialize, de::DeserializeOwned};

/// Body of a target.
pub type Body = fn(&[u8]);

/// All targets, each with its name.
pub const TARGETS: [(&str, Body); 6] = [
    ("chunk", chunk),
    ("ticket", ticket),
    ("rendition_id", rendition_id),
    ("messages", messages),
    ("server", server),
    ("client", client),
];

const INDEX: ChunkIndex = ChunkIndex(3);
const FRAMES: u32 = 144_000;
const MAX_CHUNK: usize = 4096;

/// Reads a chunk's stream, first as it is, then behind a valid header. The first byte is the length of the
/// pieces. The reader accepts exactly the streams that a writer writes.
pub fn chunk(data: &[u8]) {
    let Some((piece, data)) = data.split_first() else { return };
    let header = ChunkWriter::new(INDEX, FRAMES, false).take();
    for stream in [data.to_vec(), [&*header, data].concat()] {
        for expects_loss in [false, true] {
            let whole = decode(&stream, stream.len().max(1), expects_loss);
            assert_eq!(whole, decode(&stream, usize::from(*piece).max(1), expects_loss));
            if let Some(events) = whole {
                assert_eq!(encode(&events), stream);
            }
        }
    }
}

/// Returns the events of a stream that is a whole chunk.
fn decode(stream: &[u8], piece: usize, expects_loss: bool) -> Option<Vec<ChunkEvent>> {
    let mut reader = ChunkReader::new(INDEX, FRAMES.into(), MAX_CHUNK);
    if expects_loss {
        reader = reader.expecting_loss();
    }
    let mut events = Vec::new();
    for piece in stream.chunks(piece) {
        reader.push(Bytes::copy_from_slice(piece));
        while let Some(event) = reader.next().ok()? {
            events.push(event);
        }
    }
    assert!(!reader.is_done() || stream.len() <= MAX_CHUNK + LOSS);
    reader.is_done().then_some(events)
}

fn encode(events: &[ChunkEvent]) -> Vec<u8> {
    let Some(ChunkEvent::Header { index, frames, last }) = events.first() else { return Vec::new() };
    let mut writer = ChunkWriter::new(*index, *frames, *last);
    for event in events {
        if let ChunkEvent::Packet(packet) = event {
            assert_eq!(writer.packet(packet), Ok(()));
        }
    }
    let silenced = events
        .iter()
        .find_map(|event| if let ChunkEvent::Loss(frames) = event { Some(*frames) } else { None });
    media_protocol::chunk::with_loss(&writer.finish(), silenced.unwrap_or(0)).to_vec()
}

/// Reads a ticket, first from text, then from bytes with a right checksum. The text of a ticket reads as the
/// same ticket.
pub fn ticket(data: &[u8]) {
    let sealed = [data, &blake3::hash(data).as_bytes()[..4]].concat();
    let sealed = format!("medianode1{}", BASE32_NOPAD.encode(&sealed));
    for text in [&*String::from_utf8_lossy(data), &sealed] {
        if let Ok(ticket) = text.parse::<Ticket>() {
            assert!((1..=Ticket::MAX_ROUTES).contains(&ticket.routes.len()));
            let addresses: usize = ticket.routes.iter().map(|route| route.addresses.len()).sum();
            assert!(addresses <= Ticket::MAX_ADDRESSES);
            assert_eq!(ticket.to_string().parse(), Ok(ticket));
        }
    }
}

/// Reads a rendition's id. Each id has one text.
pub fn rendition_id(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Ok(id) = text.parse::<RenditionId>() {
        assert_eq!(id.to_string(), text);
    }
}

/// Reads all messages. The JSON of a message reads as the same message.
pub fn messages(data: &[u8]) {
    comes_back::<List>(data);
    comes_back::<Answer<ListPage>>(data);
    comes_back::<ChunkRequest>(data);
    comes_back::<ChunkMessage>(data);
    if let Some(Answer::Ok(info)) = comes_back::<Answer<Info>>(data) {
        info.alternatives.iter().chain([&info.rendition]).for_each(rendition);
    }
    if let Some(error) = comes_back::<WireError>(data) {
        is_line(&error);
    }
    if let Ok(name) = std::str::from_utf8(data) {
        let code = ErrorCode::from(name);
        let written = serde_json::to_value(code).ok();
        assert!(code == ErrorCode::Unknown || written.is_some_and(|it| it == name));
    }
    // The text of a float may read as a float that is one bit off.
    if let Ok(get_info) = serde_json::from_slice::<GetInfo>(data) {
        assert!(serde_json::to_vec(&get_info).is_ok_and(|it| serde_json::from_slice::<GetInfo>(&it).is_ok()));
    }
}

fn comes_back<T: Serialize + DeserializeOwned + PartialEq + Debug>(data: &[u8]) -> Option<T> {
    let message: T = serde_json::from_slice(data).ok()?;
    let again = serde_json::to_vec(&message).ok().and_then(|it| serde_json::from_slice(&it).ok());
    assert_eq!(again.as_ref(), Some(&message));
    Some(message)
}

/// Calls all methods of a rendition. After a check its numbers are consistent.
fn rendition(rendition: &Rendition) {
    let last = ChunkIndex(rendition.chunks.saturating_sub(1));
    let asked = [ChunkIndex(0), last, ChunkIndex(u32::MAX)].map(|index| rendition.frames_in(index));
    assert!(rendition.max_chunk_bytes() <= 64 * 1024 * 1024);
    if rendition.check().is_ok() && rendition.chunks > 0 {
        assert!(rendition.is_last(last));
        assert!((1..=rendition.frames_per_chunk).contains(&asked[1]));
        let before = u64::from(last.0) * rendition.frames_per_chunk;
        assert_eq!(before + asked[1], rendition.frames);
        let shared = u64::from(rendition.lead_in) + u64::from(rendition.crossfade);
        assert!(!rendition.continuous || shared % u64::from(rendition.packet_frames) == 0);
    }
}

fn is_line(error: &WireError) {
    assert!(error.message.len() <= WireError::MAX_MESSAGE);
    assert!(!error.message.contains(char::is_control));
}

/// Runs a server's session. Each line is a request, or the end of all requests; its first byte selects. Each
/// request gets one action, and admitted requests are within the limits.
pub fn server(data: &[u8]) {
    let limits = RequestLimits { requests: 3, encode_ahead: 2 };
    let mut server = ServerSession::new(limits);
    let mut in_progress = 0_usize;
    for (stream, line) in (0..).zip(data.split(|it| *it == b'\n')) {
        let Some((kind, json)) = line.split_first() else { continue };
        let protocol = match kind % 5 {
            4 => {
                in_progress = 0;
                (0..stream).for_each(|stream| server.handle(ServerInput::Served { stream }));
                continue;
            }
            3 => String::from_utf8_lossy(json).into_owned(),
            known => Protocol::ALL[usize::from(known)].name().into(),
        };
        server.handle(ServerInput::Request { stream, protocol, data: String::from_utf8_lossy(json).into() });
        in_progress += usize::from(admitted(&server.poll(), stream));
        assert!(std::iter::from_fn(|| server.poll()).all(|it| matches!(it, ServerAction::EncodeAhead(_))));
        assert!(server.in_progress() == in_progress && in_progress <= limits.requests);
    }
}

/// Track of the seeds of [`client`], as in the examples of the specification.
const TRACK: &str = "7m2kq4xw";
/// Requests and timeouts after which [`client`] ends.
const MAX_STEPS: usize = 12;

/// Runs a client's session against a node that gives these answers to all requests: the first line to `get_info`, the rest as
/// a chunk. Packets belong to a chunk that has started, and each chunk ends once.
pub fn client(data: &[u8]) {
    let end = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let (line, chunk) = (&data[..end], data.get(end + 1..).unwrap_or_default());
    let mut client = ClientSession::new(ClientConfig::default(), Box::new(FixedRendition));
    let mut now = Duration::ZERO;
    let Ok(track) = TRACK.parse() else { return };
    client.handle(now, ClientInput::Play { play: PlayId(0), track, at: Position::START });
    let mut steps = 0;
    let mut chunk_is_open = false;
    while steps < MAX_STEPS {
        let Some(action) = client.poll() else {
            let Some(at) = client.timeout() else { return };
            now = now.max(at);
            client.handle(now, ClientInput::Timeout);
            steps += 1;
            continue;
        };
        match action {
            ClientAction::GetInfo { request, at, then_chunk, .. } => {
                steps += 1;
                let (input, rendition) = info_answer(line, request, then_chunk && !chunk.is_empty());
                client.handle(now, input);
                if let Some(rendition) = rendition
                    && let Some(index) = rendition.chunk_at(at)
                {
                    chunk_inputs(&rendition, index, request, chunk)
                        .for_each(|input| client.handle(now, input));
                }
            }
            ClientAction::GetChunk { request, message, rendition } => {
                steps += 1;
                assert_eq!(message.rendition, rendition.id);
                chunk_inputs(&rendition, message.index, request, chunk)
                    .for_each(|input| client.handle(now, input));
            }
            ClientAction::ChunkStart { rendition, from, .. } => {
                assert!(rendition.check().is_ok() && from.0 <= rendition.frames);
                chunk_is_open = true;
            }
            ClientAction::Packet(packet) => assert!(chunk_is_open && !packet.is_empty()),
            ClientAction::ChunkEnd { .. } => {
                assert!(std::mem::take(&mut chunk_is_open), "a chunk ends that did not start");
            }
            _ => {}
        }
    }
}

/// The input for an answer to `get_info`, and the rendition if a chunk of it follows.
fn info_answer(line: &[u8], request: RequestId, chunk_follows: bool) -> (ClientInput, Option<Rendition>) {
    match serde_json::from_slice::<Answer<Info>>(line) {
        Ok(Answer::Ok(info)) => {
            let rendition = Some(info.rendition.clone()).filter(|it| chunk_follows && it.check().is_ok());
            let chunk_follows = rendition.is_some();
            (ClientInput::Info { request, info: Box::new(info), chunk_follows }, rendition)
        }
        Ok(Answer::Error(error)) => (ClientInput::Refused { request, error }, None),
        Err(error) => (ClientInput::Broken { request, reason: error.to_string() }, None),
    }
}

/// The inputs for a chunk's stream, up to its end or its failure.
fn chunk_inputs(
    rendition: &Rendition,
    index: ChunkIndex,
    request: RequestId,
    stream: &[u8],
) -> impl Iterator<Item = ClientInput> + use<> {
    let reader = ChunkReader::new(index, rendition.frames_in(index), rendition.max_chunk_bytes());
    let mut reader = reader.expecting_loss();
    reader.push(Bytes::copy_from_slice(stream));
    let mut inputs = Vec::new();
    let end = loop {
        match reader.next() {
            Ok(Some(event)) => inputs.push(ClientInput::Chunk { request, event }),
            Ok(None) if reader.is_done() => break None,
            Ok(None) => break Some(ClientInput::Broken { request, reason: "cut short".into() }),
            Err(ChunkError::Refused(error)) => break Some(ClientInput::Refused { request, error }),
            Err(error) => break Some(ClientInput::Broken { request, reason: error.to_string() }),
        }
    };
    inputs.into_iter().chain(end)
}

/// Tells if this action for stream `asked` is not a refusal. is not a refusal.
fn admitted(output: &Option<ServerAction>, asked: u64) -> bool {
    let stream = match output {
        Some(ServerAction::List { stream, list }) => {
            assert!(list.limit <= List::MAX && list.search.len() <= List::MAX_SEARCH);
            stream
        }
        Some(ServerAction::Info { stream, get_info }) => {
            assert!(get_info.codecs.len() <= GetInfo::MAX_CODECS);
            assert!(get_info.output.rates.len() <= GetInfo::MAX_RATES);
            stream
        }
        Some(ServerAction::Chunk { stream, request, .. }) => {
            assert!(request.rendition.rate <= Rendition::MAX_RATE);
            assert!(request.rendition.channels <= Rendition::MAX_CHANNELS);
            stream
        }
        Some(ServerAction::Refuse { stream, error, .. }) => {
            is_line(error);
            stream
        }
        other => unreachable!("{other:?} instead of an answer"),
    };
    assert_eq!(*stream, asked);
    !matches!(output, Some(ServerAction::Refuse { .. }))
}

/// Returns valid input for each target, for the fuzzer to modify.
pub fn seeds() -> Vec<(&'static str, Vec<u8>)> {
    let mut writer = ChunkWriter::new(INDEX, FRAMES, true);
    for packet in [&[7; 40][..], &[8; 90]] {
        assert_eq!(writer.packet(packet), Ok(()));
    }
    let mut stream = [&[50], &*writer.take()].concat();
    let refusal = media_protocol::chunk::refusal(&WireError::new(ErrorCode::Busy, "wait a little"));
    let broken = [&*stream, &*refusal].concat();
    stream.extend(writer.finish());
    let lossy = media_protocol::chunk::with_loss(&Bytes::copy_from_slice(&stream[1..]), 480);
    let mut seeds = vec![
        ("chunk", stream),
        ("chunk", [&[50], &*lossy].concat()),
        ("chunk", broken),
        ("rendition_id", b"7m2kq4xw.opus.48000.2.k96c10".to_vec()),
    ];
    let fastn = Route {
        transport: "fastn".into(),
        peer: "i66fo538lfl5ombdf6tcdbrabp4hmp9asv7nrffuc2im13ct4q60".into(),
        addresses: vec!["192.0.2.7:4433".into(), "[2001:db8::1]:4433".into()],
    };
    let memory = Route { transport: "memory".into(), peer: "m1".into(), addresses: Vec::new() };
    for routes in [vec![fastn.clone()], vec![fastn, memory]] {
        let text = Ticket { routes, capability: [0x5a; 32] }.to_string().into_bytes();
        let bytes = BASE32_NOPAD.decode(&text[10..].to_ascii_uppercase()).unwrap_or_default();
        seeds.push(("ticket", bytes[..bytes.len() - 4].to_vec()));
        seeds.push(("ticket", text));
    }
    seeds.push(("messages", br#"{"code":"over_quota","message":"over quota until 2026-12-01"}"#.to_vec()));
    seeds.push(("messages", b"already_used".to_vec()));
    let mut conversation = Vec::new();
    for (block, kind) in include_str!("../../README.md")
        .split("\n```json ")
        .skip(1)
        .zip(b"\0\x04\x04\0\x04\x01\x04\x02\x02\x03")
    {
        let json = block.split_once('\n').and_then(|(_, it)| it.split("\n```").next()).unwrap_or_default();
        conversation.push(*kind);
        conversation.extend(json.replace('\n', " ").bytes());
        conversation.push(b'\n');
        seeds.push(("messages", json.as_bytes().to_vec()));
    }
    seeds.push(("server", conversation));
    seeds.extend(client_seeds(&seeds).map(|seed| ("client", seed)));
    seeds
}

/// Answers of a node: an info or a refusal, then a chunk.
fn client_seeds(examples: &[(&str, Vec<u8>)]) -> [Vec<u8>; 2] {
    let mut writer = ChunkWriter::new(ChunkIndex(0), FRAMES, false);
    for packet in [&[1; 60][..], &[2; 30]] {
        assert_eq!(writer.packet(packet), Ok(()));
    }
    let chunk = media_protocol::chunk::with_loss(&writer.finish(), 960);
    let is_info = |seed: &[u8]| matches!(serde_json::from_slice(seed), Ok(Answer::<Info>::Ok(_)));
    let mut infos = examples.iter().map(|(_, seed)| seed).filter(|seed| is_info(seed));
    let info: Vec<u8> = infos.next().into_iter().flatten().copied().filter(|byte| *byte != b'\n').collect();
    assert!(!info.is_empty(), "the specification has an example of an info");
    let refusal = br#"{"error":{"code":"busy","message":"wait","retry_after_ms":50}}"#;
    [&info[..], refusal].map(|line| [line, b"\n", &chunk].concat())
}
