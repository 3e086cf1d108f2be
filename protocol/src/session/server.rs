//! The server's side of a session: reads and checks a peer's requests, and returns the action for each.
//!
//! # Invariants
//!
//! - A request in a `List`, `Info` or `Chunk` action is within every limit of the specification.
//! - At most [`RequestLimits::requests`] such actions are in progress at a time, each until
//!   [`ServerInput::Served`].
//! - Every request gets exactly one of the actions `List`, `Info`, `Chunk` and `Refuse`.

use std::{
    collections::{BTreeSet, VecDeque},
    time::Duration,
};

use serde::de::DeserializeOwned;

use crate::{
    ChunkMessage, ChunkRequest, CodecOffer, ErrorCode, GetInfo, List, Protocol, Rendition, WireError,
    id::is_word,
};

#[cfg(test)]
mod tests;

/// Limits for the requests of one client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestLimits {
    /// Greatest number of requests in progress. The session refuses more as busy. Default: 8 (specification).
    pub requests: usize,
    /// Number of chunks to encode ahead, after each requested one. Default: 1. Tested by
    /// `one_chunk_is_encoded_ahead_by_default`.
    pub encode_ahead: u32,
}

impl Default for RequestLimits {
    fn default() -> Self {
        Self { requests: 8, encode_ahead: 1 }
    }
}

/// An event that the driver reports to [`ServerSession`].
#[derive(Debug, Clone)]
pub enum ServerInput {
    /// The peer opened a stream with a request.
    Request {
        /// Id of the stream, unique within the session.
        stream: u64,
        /// Name of the protocol.
        protocol: String,
        /// The JSON of the request.
        data: String,
    },
    /// The answer to a `List`, `Info` or `Chunk` action is complete or was aborted.
    Served {
        /// Id of the stream.
        stream: u64,
    },
}

/// An instruction of [`ServerSession`] to its driver.
#[derive(Debug, Clone, PartialEq)]
pub enum ServerAction {
    /// Answer with a page of the library.
    List {
        /// Id of the stream.
        stream: u64,
        /// The request.
        list: List,
    },
    /// Answer with a track and its rendition.
    Info {
        /// Id of the stream.
        stream: u64,
        /// The request.
        get_info: GetInfo,
    },
    /// Answer with a chunk.
    Chunk {
        /// Id of the stream.
        stream: u64,
        /// The request. Track and chunk may not exist.
        request: ChunkRequest,
        /// Tells if the client wants the loss part ([`crate::chunk::with_loss`]).
        report_loss: bool,
    },
    /// Encode this chunk, which the client will probably request next. It may be past the end.
    EncodeAhead(ChunkRequest),
    /// Refuse the request: with [`crate::chunk::refusal`] if it is for a chunk, or else with an
    /// [`crate::Answer`].
    Refuse {
        /// Id of the stream.
        stream: u64,
        /// Protocol of the request; `None` if it is unknown.
        protocol: Option<Protocol>,
        /// The refusal.
        error: WireError,
    },
}

/// State machine of one connection. Feed it with [`ServerSession::handle`], then call [`ServerSession::poll`]
/// until it returns `None`.
#[derive(Debug, Default)]
pub struct ServerSession {
    limits: RequestLimits,
    /// Streams whose answers are in progress.
    in_progress: BTreeSet<u64>,
    requests: [u64; Protocol::ALL.len()],
    actions: VecDeque<ServerAction>,
}

impl ServerSession {
    /// Greatest length of a request, in bytes of JSON.
    pub const MAX_REQUEST: usize = 64 * 1024;
    /// Wait that a busy refusal demands: in this time the node encodes a chunk or sends a large part of one. Tested by
    /// `requests_in_progress_are_limited`.
    const RETRY_AFTER: Duration = Duration::from_secs(1);

    /// Returns a session without requests.
    #[must_use]
    pub fn new(limits: RequestLimits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Takes an input.
    pub fn handle(&mut self, input: ServerInput) {
        match input {
            ServerInput::Request { stream, protocol, data } => self.on_request(stream, &protocol, &data),
            ServerInput::Served { stream } => {
                self.in_progress.remove(&stream);
            }
        }
    }

    /// Returns the next action to carry out.
    pub fn poll(&mut self) -> Option<ServerAction> {
        self.actions.pop_front()
    }

    /// Returns the number of requests in progress.
    #[must_use]
    pub fn in_progress(&self) -> usize {
        self.in_progress.len()
    }

    /// Returns the number of requests for `protocol` so far, including refused ones.
    #[must_use]
    pub fn requests(&self, protocol: Protocol) -> u64 {
        self.requests[protocol as usize]
    }

    fn on_request(&mut self, stream: u64, name: &str, data: &str) {
        let protocol = name.parse::<Protocol>();
        if let Ok(protocol) = protocol {
            self.requests[protocol as usize] += 1;
        }
        let admitted = protocol.clone().and_then(|protocol| self.admit(stream, protocol, data));
        match admitted {
            Ok(action) => {
                let ahead = match &action {
                    ServerAction::Chunk { request, .. } => self.ahead(request),
                    _ => Vec::new(),
                };
                self.in_progress.insert(stream);
                self.actions.push_back(action);
                self.actions.extend(ahead);
            }
            Err(error) => {
                self.actions.push_back(ServerAction::Refuse { stream, protocol: protocol.ok(), error });
            }
        }
    }

    fn admit(&self, stream: u64, protocol: Protocol, data: &str) -> Result<ServerAction, WireError> {
        if self.in_progress.len() >= self.limits.requests {
            let message = format!("{} requests are in progress already", self.in_progress.len());
            return Err(WireError::busy(message, Self::RETRY_AFTER));
        }
        let request = match protocol {
            Protocol::List => ServerAction::List { stream, list: check_list(parse(data)?)? },
            Protocol::GetInfo => ServerAction::Info { stream, get_info: check_get_info(parse(data)?)? },
            Protocol::RequestChunk => {
                let ChunkMessage { request, report_loss } = parse(data)?;
                ServerAction::Chunk { stream, request: check_chunk(request)?, report_loss }
            }
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
        WireError::new(
            ErrorCode::BadRequest,
            format!("the request is not valid JSON for its protocol: {error}"),
        )
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
    let is_id = |offer: &CodecOffer| !offer.id.is_empty() && is_word(&offer.id, 32);
    fits(codecs.len() <= GetInfo::MAX_CODECS, "more than 32 codecs")?;
    fits(codecs.iter().all(is_id), "a codec's id is 1 to 32 of a-z, 0-9 and -")?;
    fits(output.rates.len() <= GetInfo::MAX_RATES, "more than 64 rates")?;
    let rates = 1..=Rendition::MAX_RATE;
    fits(output.rates.iter().all(|rate| rates.contains(rate)), "a rate is 1 to 768000 frames per second")?;
    fits(output.channels != Some(0), "an output has at least 1 channel")?;
    // The path is advice, so the session drops a number out of range instead of refusing the request.
    path.rtt_ms = path.rtt_ms.filter(|rtt| *rtt >= 0.0);
    path.loss = path.loss.filter(|loss| (0.0..=1.0).contains(loss));
    Ok(get_info)
}

fn check_chunk(request: ChunkRequest) -> Result<ChunkRequest, WireError> {
    let id = &request.rendition;
    if id.rate > Rendition::MAX_RATE || id.channels > Rendition::MAX_CHANNELS {
        let message = format!("no rendition {id}: the limits are 768000 frames per second and 32 channels");
        return Err(WireError::new(ErrorCode::UnknownRendition, message));
    }
    Ok(request)
}
