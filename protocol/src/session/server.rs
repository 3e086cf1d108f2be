//! The server's side of a session: reads and bounds what a peer asks for, and says what to do about it.
//!
//! # Invariants
//!
//! - What comes out as `List`, `Info` or `Chunk` is within every limit of the specification.
//! - At most [`RequestLimits::requests`] of them are under way at once; each is under way until [`ServerInput::Served`].
//! - Every request is answered by exactly one of `List`, `Info`, `Chunk` and `Refuse`.

use std::{
    collections::{BTreeSet, VecDeque},
    time::Duration,
};

use serde::de::DeserializeOwned;

use crate::{ChunkRequest, ErrorCode, GetInfo, List, Protocol, Rendition, WireError, id::is_word};

#[cfg(test)]
mod tests;

/// What one client may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestLimits {
    /// Requests under way at once; more are refused as busy.
    pub requests: usize,
    /// How many chunks after the one asked for are encoded ahead.
    pub encode_ahead: u32,
}

impl Default for RequestLimits {
    fn default() -> Self {
        Self { requests: 16, encode_ahead: 1 }
    }
}

/// What happened.
#[derive(Debug, Clone)]
pub enum ServerInput {
    /// The peer opened a stream.
    Request {
        /// The stream's name, unique within the session.
        stream: u64,
        /// The protocol that it named.
        protocol: String,
        /// The JSON that it sent.
        data: String,
    },
    /// A stream's answer is finished, or was aborted. Only for `List`, `Info` and `Chunk`.
    Served {
        /// The stream.
        stream: u64,
    },
}

/// What to do.
#[derive(Debug, Clone, PartialEq)]
pub enum ServerAction {
    /// Answer with a page of the catalog.
    List {
        /// On which stream.
        stream: u64,
        /// What is asked for.
        list: List,
    },
    /// Answer with a track and its rendition.
    Info {
        /// On which stream.
        stream: u64,
        /// What is asked for.
        get_info: GetInfo,
    },
    /// Answer with a chunk.
    Chunk {
        /// On which stream.
        stream: u64,
        /// What is asked for; the track and the chunk may not exist.
        request: ChunkRequest,
    },
    /// Have this chunk ready, since it will be asked for next. It may lie past the end.
    EncodeAhead(ChunkRequest),
    /// Answer with a refusal: [`crate::chunk::refusal`] where a chunk was asked for, else an [`crate::Answer`].
    Refuse {
        /// On which stream.
        stream: u64,
        /// What was asked for, `None` when it is no protocol of ours.
        protocol: Option<Protocol>,
        /// Why not.
        error: WireError,
    },
}

/// The state machine of one connection. Feed it with [`ServerSession::handle`], then take what it says from [`ServerSession::poll`]
/// until that is empty.
#[derive(Debug, Default)]
pub struct ServerSession {
    limits: RequestLimits,
    under_way: BTreeSet<u64>,
    requests: [u64; Protocol::ALL.len()],
    outputs: VecDeque<ServerAction>,
}

impl ServerSession {
    /// The longest request, in bytes of JSON.
    pub const MAX_REQUEST: usize = 64 * 1024;
    /// Who has too many under way may ask again then: a chunk is encoded, or a good part of one sent.
    const AGAIN: Duration = Duration::from_secs(1);

    /// A session that nothing was asked of yet.
    #[must_use]
    pub fn new(limits: RequestLimits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Takes an input.
    pub fn handle(&mut self, input: ServerInput) {
        match input {
            ServerInput::Request { stream, protocol, data } => self.on_request(stream, &protocol, &data),
            ServerInput::Served { stream } => {
                self.under_way.remove(&stream);
            }
        }
    }

    /// The next thing to do.
    pub fn poll(&mut self) -> Option<ServerAction> {
        self.outputs.pop_front()
    }

    /// How many requests are under way.
    #[must_use]
    pub fn under_way(&self) -> usize {
        self.under_way.len()
    }

    /// How often `protocol` was asked for so far, refused requests included.
    #[must_use]
    pub fn requests(&self, protocol: Protocol) -> u64 {
        self.requests[protocol as usize]
    }

    fn on_request(&mut self, stream: u64, name: &str, data: &str) {
        let (protocol, output) = match name.parse::<Protocol>() {
            Ok(protocol) => {
                self.requests[protocol as usize] += 1;
                (Some(protocol), self.admit(stream, protocol, data))
            }
            Err(error) => (None, Err(error)),
        };
        let output = output.unwrap_or_else(|error| ServerAction::Refuse { stream, protocol, error });
        let ahead = match &output {
            ServerAction::Chunk { request, .. } => self.ahead(request),
            _ => Vec::new(),
        };
        if !matches!(output, ServerAction::Refuse { .. }) {
            self.under_way.insert(stream);
        }
        self.outputs.push_back(output);
        self.outputs.extend(ahead);
    }

    fn admit(&self, stream: u64, protocol: Protocol, data: &str) -> Result<ServerAction, WireError> {
        if self.under_way.len() >= self.limits.requests {
            let message = format!("{} requests are under way already", self.under_way.len());
            return Err(WireError::busy(message, Self::AGAIN));
        }
        let request = match protocol {
            Protocol::List => ServerAction::List { stream, list: check_list(parse(data)?)? },
            Protocol::GetInfo => ServerAction::Info { stream, get_info: check_get_info(parse(data)?)? },
            Protocol::RequestChunk => ServerAction::Chunk { stream, request: check_chunk(parse(data)?)? },
        };
        Ok(request)
    }

    fn ahead(&self, request: &ChunkRequest) -> Vec<ServerAction> {
        let following = std::iter::successors(request.index.next(), |index| index.next());
        let request = |index| ChunkRequest { rendition: request.rendition.clone(), index };
        following
            .take(self.limits.encode_ahead as usize)
            .map(|index| ServerAction::EncodeAhead(request(index)))
            .collect()
    }
}

fn parse<T: DeserializeOwned>(data: &str) -> Result<T, WireError> {
    fits(data.len() <= ServerSession::MAX_REQUEST, "the request is over 64 KiB")?;
    serde_json::from_str(data).map_err(|error| {
        WireError::new(ErrorCode::BadRequest, format!("the request is not JSON of the right shape: {error}"))
    })
}

fn fits(ok: bool, otherwise: &str) -> Result<(), WireError> {
    if ok { Ok(()) } else { Err(WireError::new(ErrorCode::BadRequest, otherwise)) }
}

fn check_list(list: List) -> Result<List, WireError> {
    fits(list.search.len() <= List::MAX_SEARCH, "the search is over 200 bytes")?;
    Ok(List { limit: list.limit.min(List::MAX), ..list })
}

fn check_get_info(mut get_info: GetInfo) -> Result<GetInfo, WireError> {
    let GetInfo { codecs, output, path, .. } = &mut get_info;
    let is_id = |text: &str| !text.is_empty() && is_word(text, 32);
    fits(codecs.len() <= GetInfo::MAX_CODECS, "more than 32 codecs")?;
    fits(codecs.iter().all(|it| is_id(&it.id)), "a codec's id is 1 to 32 of a-z, 0-9 and -")?;
    fits(output.rates.len() <= GetInfo::MAX_RATES, "more than 64 rates")?;
    let rates = 1..=Rendition::MAX_RATE;
    fits(output.rates.iter().all(|it| rates.contains(it)), "a rate is 1 to 768000 frames per second")?;
    fits(output.channels != Some(0), "an output has at least 1 channel")?;
    // What is said of the path is advice: where it makes no sense, it is as if it had not been said.
    path.rtt_ms = path.rtt_ms.filter(|it| *it >= 0.0);
    path.loss = path.loss.filter(|it| (0.0..=1.0).contains(it));
    Ok(get_info)
}

fn check_chunk(request: ChunkRequest) -> Result<ChunkRequest, WireError> {
    let id = &request.rendition;
    if id.rate > Rendition::MAX_RATE || id.channels > Rendition::MAX_CHANNELS {
        let message = format!("no rendition {id}: at most 768000 frames per second of 32 channels");
        return Err(WireError::new(ErrorCode::UnknownRendition, message));
    }
    Ok(request)
}
