use media_protocol::{
    Answer, ChunkRequest, ErrorCode, GetInfo, Info, Protocol, Rendition, Track, TrackSource, WireError,
    chunk::{self, ChunkWriter},
    chunk_count, frames_per_chunk,
    session::server::{RequestLimits, ServerAction, ServerInput, ServerSession},
};

use super::random::Random;

/// A node with a few tracks. Each packet contains the numbers of its frames.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) infos: Vec<Info>,
    /// Failure of the codec at the next chunk, if any.
    pub(crate) fails: Option<Fails>,
    /// Treatment of the next chunk by a hostile node.
    pub(crate) spoils: Option<Spoils>,
    /// Codec whose chunks a hostile node spoils; `None` for all of them.
    pub(crate) spoils_codec: Option<String>,
    server: ServerSession,
}

/// Failure of a codec.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fails {
    /// After this number of packets.
    After(usize),
    /// At once: the codec no longer exists.
    Gone,
}

/// Treatment of a chunk by a hostile node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spoils {
    /// The hash at the end is wrong.
    Hash,
    /// The header claims one frame more.
    Length,
    /// Other bytes stand in place of the end.
    Framing,
    /// The chunk is right, and its bytes drip.
    Drip,
}

const LIMITS: RequestLimits = RequestLimits { requests: 2, encode_ahead: 1 };

impl Node {
    pub(crate) fn new(random: &mut Random) -> Self {
        let infos = ["a", "b", "c"].map(|id| info(id, random));
        Self {
            infos: infos.into(),
            fails: None,
            spoils: None,
            spoils_codec: None,
            server: ServerSession::new(LIMITS),
        }
    }

    /// Starts the session of the client's next connection.
    pub(crate) fn reconnected(&mut self) {
        self.server = ServerSession::new(LIMITS);
    }

    pub(crate) fn served(&mut self, stream: u64) {
        self.server.handle(ServerInput::Served { stream });
    }

    /// Returns the bytes of the answer, and whether the request is in progress from now on.
    pub(crate) fn answer(&mut self, stream: u64, protocol: Protocol, data: String) -> (Vec<u8>, bool) {
        self.server.handle(ServerInput::Request { stream, protocol: protocol.name().into(), data });
        let output = self.server.poll().expect("a request has an answer");
        let ahead: Vec<_> = std::iter::from_fn(|| self.server.poll()).collect();
        match output {
            ServerAction::Info { stream: s, get_info } => {
                assert_eq!((s, ahead), (stream, vec![]));
                (self.info(&get_info), true)
            }
            ServerAction::Chunk { stream: s, request, .. } => {
                let index = request.index.next().unwrap();
                let next = ChunkRequest { index, ..request.clone() };
                assert_eq!((s, ahead), (stream, vec![ServerAction::EncodeAhead(next)]));
                (self.chunk(&request), true)
            }
            ServerAction::Refuse { error, .. } => {
                assert_eq!(error.code, ErrorCode::Busy, "{error}");
                (refusal(protocol, error), false)
            }
            other => panic!("{other:?} instead of an answer"),
        }
    }

    /// Answers with the first rendition that the client can decode.
    fn info(&mut self, get_info: &GetInfo) -> Vec<u8> {
        let info = self.infos.iter().find(|it| it.track.id == get_info.track).unwrap();
        let mut offered = renditions(info);
        offered.retain(|it| get_info.codecs.iter().any(|offer| offer.id == it.id.codec));
        if offered.is_empty() {
            return refusal(Protocol::GetInfo, WireError::new(ErrorCode::NoCommonCodec, "none"));
        }
        let rendition = offered.remove(0);
        let request = get_info.then_chunk_at.and_then(|at| rendition.chunk_at(at));
        let request = request.map(|index| ChunkRequest { rendition: rendition.id.clone(), index });
        let info = Info { rendition, alternatives: offered, ..info.clone() };
        let mut bytes = serde_json::to_vec(&Answer::Ok(info)).unwrap();
        bytes.push(b'\n');
        bytes.extend(request.map(|request| self.chunk(&request)).unwrap_or_default());
        bytes
    }

    fn chunk(&mut self, request: &ChunkRequest) -> Vec<u8> {
        let fails = self.fails.take();
        let mut all = self.infos.iter().flat_map(renditions);
        let rendition = all.find(|it| it.id == request.rendition).unwrap();
        assert!(request.index.0 < rendition.chunks, "chunk {} past the end", request.index);
        let (first, frames) =
            (request.index.first_frame(rendition.id.rate).0, rendition.frames_in(request.index));
        let last = rendition.is_last(request.index);
        let mut writer = ChunkWriter::new(request.index, frames as u32, last);
        if let Some(Fails::Gone) = fails {
            return refusal(Protocol::RequestChunk, WireError::new(ErrorCode::UnknownRendition, "gone"));
        }
        let packets = (first..first + frames).step_by(rendition.packet_frames as usize);
        let fails_after = if let Some(Fails::After(packets)) = fails { packets } else { usize::MAX };
        for at in packets.take(fails_after) {
            let count = (first + frames - at).min(rendition.packet_frames.into());
            let mut packet =
                [rendition.id.track.as_str().as_bytes(), &at.to_le_bytes(), &count.to_le_bytes()].concat();
            // The length of 0.1 s at the bitrate.
            packet.resize(rendition.bitrate as usize / 80, 0);
            writer.packet(&packet).unwrap();
        }
        let mut bytes = writer.take().to_vec();
        let is_spoiled = self.spoils_codec.as_ref().is_none_or(|codec| *codec == rendition.id.codec);
        match self.spoils.filter(|_| is_spoiled) {
            Some(Spoils::Hash) => {
                bytes.extend(writer.finish());
                *bytes.last_mut().unwrap() ^= 1;
                return bytes;
            }
            Some(Spoils::Length) => bytes[12] ^= 1,
            Some(Spoils::Framing) => bytes.extend([0xee; 36]),
            _ => {}
        }
        match fails {
            None => bytes.extend(writer.finish()),
            Some(_) => bytes.extend(chunk::refusal(&WireError::new(ErrorCode::CodecFailed, "it failed"))),
        }
        bytes
    }
}

/// Returns all renditions of a track.
pub(crate) fn renditions(info: &Info) -> Vec<Rendition> {
    [&[info.rendition.clone()][..], &info.alternatives].concat()
}

/// Encodes a refusal for the protocol.
pub(crate) fn refusal(protocol: Protocol, error: WireError) -> Vec<u8> {
    match protocol {
        Protocol::RequestChunk => chunk::refusal(&error).into(),
        _ => serde_json::to_vec(&Answer::<()>::Error(error)).unwrap(),
    }
}

/// Returns a track of 0 to 12 chunks. Often it ends at or next to a border, or is very short.
fn info(id: &str, random: &mut Random) -> Info {
    let rate = random.pick(&[8000, 44_100, 48_000]);
    let rest = random.below(frames_per_chunk(rate));
    let whole = random.below(12) * frames_per_chunk(rate);
    let frames = match random.below(8) {
        0 => whole,
        6 => rest / 4,
        1 => whole + 1,
        2 => (whole + frames_per_chunk(rate)) - 1,
        _ => whole + rest,
    };
    let rendition = rendition(id, rate, frames);
    // Rounding can give one of them another number of chunks.
    let others = [8000, 44_100, 48_000].into_iter().filter(|it| *it != rate);
    let frames_at = |other: u32| (frames * u64::from(other) + u64::from(rate / 2)) / u64::from(rate);
    let alternatives = others.map(|other| self::rendition(id, other, frames_at(other))).collect();
    let track = Track {
        id: id.parse().unwrap(),
        number: 1,
        title: id.into(),
        artist: String::new(),
        album: String::new(),
        duration_ms: frames * 1000 / u64::from(rate),
        away: false,
        source: TrackSource { codec: "wav".into(), rate, channels: 2, bits: Some(16) },
        detail: None,
    };
    Info { track, rendition, alternatives, reason: "the first one".into() }
}

fn rendition(id: &str, rate: u32, frames: u64) -> Rendition {
    // Low bitrates, because the simulated paths carry some 10 to 100 kbit/s.
    let (bitrate, lossless) = match rate {
        8000 => (1_600, false),
        44_100 => (4_000, false),
        _ => (8_000, true),
    };
    Rendition {
        id: format!("{id}.c{rate}.{rate}.2.s16").parse().unwrap(),
        bitrate,
        lossless,
        config: vec![],
        frames,
        chunks: chunk_count(frames, rate).unwrap(),
        frames_per_chunk: frames_per_chunk(rate),
        packet_frames: rate / 10,
        lead_in: 0,
        crossfade: 0,
        continuous: false,
        joinable: false,
    }
}
