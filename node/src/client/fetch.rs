//! Carries out one request: opens a stream, reads the answer, bounded.

use std::{
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Waker},
    time::Duration,
};

use bytes::{Buf, Bytes, BytesMut};
use media_plugin_sdk::transport::{Connection, Stream, TransportError};
use media_protocol::{
    Answer, ChunkIndex, ChunkRequest, GetInfo, Info, List, ListPage, Protocol, Rendition, WireError,
    chunk::{ChunkError, ChunkEvent, ChunkReader},
};
use serde::{Serialize, de::DeserializeOwned};
use tokio::time::{Instant, timeout, timeout_at};

use super::{
    Counts,
    dial::Dial,
    session::{Fetched, Reports},
};

/// Why a request got no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum FetchError {
    /// The node said no.
    #[error(transparent)]
    Refused(#[from] WireError),
    /// The connection or the stream failed.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// Nothing came for so many seconds.
    #[error("the node sent nothing for {0} s")]
    Silent(f32),
    /// The answer had not ended after so many seconds.
    #[error("the node's answer to {0} was not complete after {1:.0} s: try again")]
    Slow(&'static str, f32),
    /// The connection was dropped on purpose, for another.
    #[error("the connection was given up")]
    GivenUp,
    /// The answer is not one of this protocol.
    #[error("the node's answer to {0} makes no sense: {1}")]
    Nonsense(&'static str, String),
}

/// The most bytes taken from a stream at once.
const READ: usize = 64 * 1024;
/// A stream without a byte for so long, or for so many round trips, while hardly anything else comes either, is given up, to
/// be asked for again on another. What the node has begun to encode is not lost by that.
const PATIENCE: Duration = Duration::from_secs(2);
const PATIENCE_RTTS: u32 = 8;
const MOST_PATIENCE: Duration = Duration::from_secs(6);
/// What comes within that time without being progress, in bytes: answers to pings, of which each is some 40 and each to a
/// probe some 120.
const IDLE_BYTES: u64 = 1500;
/// Where more comes, but nothing of the stream, it is given up after so many times its patience: a lost packet waits as long
/// as a full queue does to be lost again.
const MOST_BEHIND: u32 = 15;
/// A page of the catalog takes no longer than this, and so much more for each byte of it: 8 kbit/s.
const PAGE: Duration = Duration::from_secs(30);
const PAGE_PER_BYTE: Duration = Duration::from_millis(1);

/// A page of the node's catalog.
///
/// # Errors
/// See [`FetchError`].
pub async fn list(dial: &Dial, request: &List) -> Result<ListPage, FetchError> {
    ask(dial, Protocol::List, request, List::MAX_ANSWER).await
}

/// A track and how it is sent, then the chunk that was asked for with it, where the node sends it.
pub(super) async fn info_and_chunk(
    dial: &Dial,
    request: &GetInfo,
    reports: &Reports,
    counts: &Mutex<Counts>,
) -> Result<(), FetchError> {
    let nonsense = |text: String| FetchError::Nonsense(Protocol::GetInfo.name(), text);
    let (connection, mut stream) = open(dial, Protocol::GetInfo, request).await?;
    reports.sent_on(&connection);
    let mut answer = BytesMut::new();
    let (end, mut more) = loop {
        let bytes = read(dial, &connection, &mut stream, Some(reports)).await?;
        let more = bytes.is_some();
        answer.extend_from_slice(&bytes.unwrap_or_default());
        match answer.iter().position(|byte| *byte == b'\n') {
            Some(end) if end <= GetInfo::MAX_ANSWER => break (end, more),
            None if !more => break (answer.len(), more),
            _ if answer.len() <= GetInfo::MAX_ANSWER => {}
            _ => return Err(nonsense(format!("it is longer than {} bytes", GetInfo::MAX_ANSWER))),
        }
    };
    let mut rest = answer.split_off(end);
    rest.advance(rest.len().min(1));
    let info: Answer<Info> = serde_json::from_slice(&answer).map_err(|error| nonsense(error.to_string()))?;
    let info = Result::from(info)?;
    info.rendition.check().map_err(|error| nonsense(error.to_string()))?;
    while rest.is_empty() && more {
        let bytes = read(dial, &connection, &mut stream, Some(reports)).await?;
        more = bytes.is_some();
        rest.extend_from_slice(&bytes.unwrap_or_default());
    }
    let index = request.then_chunk_at.and_then(|at| info.rendition.chunk_at(at)).filter(|_| !rest.is_empty());
    let rendition = info.rendition.clone();
    reports.send(Fetched::Info { info: Box::new(info), chunk_follows: index.is_some() }).await;
    let Some(index) = index else { return Ok(()) };
    receive(dial, (connection, stream), rest.freeze(), &rendition, index, reports, counts).await
}

/// One chunk, reported piece by piece as it comes.
pub(super) async fn chunk(
    dial: &Dial,
    request: &ChunkRequest,
    rendition: &Rendition,
    reports: &Reports,
    counts: &Mutex<Counts>,
) -> Result<(), FetchError> {
    let opened = open(dial, Protocol::RequestChunk, request).await?;
    reports.sent_on(&opened.0);
    receive(dial, opened, Bytes::new(), rendition, request.index, reports, counts).await
}

/// Takes in a chunk whose first bytes are there already.
async fn receive(
    dial: &Dial,
    (connection, mut stream): (Arc<dyn Connection>, Stream),
    mut bytes: Bytes,
    rendition: &Rendition,
    index: ChunkIndex,
    reports: &Reports,
    counts: &Mutex<Counts>,
) -> Result<(), FetchError> {
    let mut reader = ChunkReader::new(index, rendition.frames_in(index), rendition.max_chunk_bytes());
    loop {
        counts.lock().unwrap_or_else(PoisonError::into_inner).bytes_received += bytes.len() as u64;
        reader.push(bytes);
        let mut ended = false;
        while let Some(event) = reader.next().map_err(wrong_chunk)? {
            ended |= matches!(event, ChunkEvent::Packet(_));
            reports.send(Fetched::Piece(event)).await;
        }
        // Where packets end, they are word enough.
        let part = reader.partial_packet() as u64;
        if part > 0 && !ended {
            reports.send(Fetched::Part(part)).await;
        }
        if reader.is_done() {
            take_end(&mut stream);
            dial.note_path(connection.as_ref());
            return Ok(());
        }
        let next = read(dial, &connection, &mut stream, Some(reports)).await?;
        bytes = next.ok_or_else(|| TransportError::Closed("the node ended the chunk too early".into()))?;
    }
}

/// Takes the stream's end, which comes with the last bytes: left there it becomes a request to stop, which the node has to
/// read and to acknowledge.
fn take_end(stream: &mut Stream) {
    let _ = stream.recv.recv(READ).as_mut().poll(&mut Context::from_waker(Waker::noop()));
}

fn wrong_chunk(error: ChunkError) -> FetchError {
    match error {
        ChunkError::Refused(error) => error.into(),
        other => FetchError::Nonsense(Protocol::RequestChunk.name(), other.to_string()),
    }
}

async fn ask<Q: Serialize, A: DeserializeOwned>(
    dial: &Dial,
    protocol: Protocol,
    request: &Q,
    max: usize,
) -> Result<A, FetchError> {
    let nonsense = |text: String| FetchError::Nonsense(protocol.name(), text);
    let (connection, mut stream) = open(dial, protocol, request).await?;
    let (began, mut answer) = (Instant::now(), Vec::new());
    loop {
        let time = PAGE + PAGE_PER_BYTE.saturating_mul(u32::try_from(answer.len()).unwrap_or(u32::MAX));
        let read = timeout_at(began + time, read(dial, &connection, &mut stream, None)).await;
        let read = read.map_err(|_| FetchError::Slow(protocol.name(), time.as_secs_f32()))?;
        let Some(bytes) = read? else { break };
        if answer.len() + bytes.len() > max {
            return Err(nonsense(format!("it is longer than {max} bytes")));
        }
        answer.extend_from_slice(&bytes);
    }
    dial.note_path(connection.as_ref());
    let answer: Answer<A> = serde_json::from_slice(&answer).map_err(|error| nonsense(error.to_string()))?;
    Ok(Result::from(answer)?)
}

async fn open<Q: Serialize>(
    dial: &Dial,
    protocol: Protocol,
    request: &Q,
) -> Result<(Arc<dyn Connection>, Stream), FetchError> {
    let data = serde_json::to_string(request)
        .map_err(|error| FetchError::Nonsense(protocol.name(), error.to_string()))?;
    let connection = dial.connection().await?;
    match connection.open(protocol.name(), &data).await {
        Ok(mut stream) => {
            // The request is all there is to say; that it can't be said means a lost stream, which the read reports.
            let _ = stream.send.finish();
            Ok((connection, stream))
        }
        Err(error) => {
            dial.forget(&connection).await;
            Err(error.into())
        }
    }
}

async fn read(
    dial: &Dial,
    connection: &Arc<dyn Connection>,
    stream: &mut Stream,
    reports: Option<&Reports>,
) -> Result<Option<Bytes>, FetchError> {
    let patience = (PATIENCE_RTTS * dial.least_rtt().unwrap_or_default()).clamp(PATIENCE, MOST_PATIENCE);
    let mut behind = 0;
    let received = loop {
        let before = connection.received();
        match timeout(patience, stream.recv.recv(READ)).await {
            Ok(received) => break received,
            // It waits behind what was sent before it.
            Err(_) if behind < MOST_BEHIND && came(before, connection.received()) > IDLE_BYTES => {
                behind += 1;
                if let Some(reports) = reports {
                    reports.send(Fetched::Behind).await;
                }
            }
            Err(_) => {
                dial.note_no_answer(connection, patience).await;
                return Err(FetchError::Silent(patience.as_secs_f32()));
            }
        }
    };
    match received {
        Ok(bytes) => {
            dial.note_heard();
            dial.note_answer();
            Ok(bytes)
        }
        Err(error) => match dial.forget(connection).await {
            true => Err(error.into()),
            false => Err(FetchError::GivenUp),
        },
    }
}

/// How many bytes came between two looks at [`Connection::received`], which begins anew on another path.
pub(super) fn came(before: Option<u64>, now: Option<u64>) -> u64 {
    let (before, now) = (before.unwrap_or_default(), now.unwrap_or_default());
    now.checked_sub(before).unwrap_or(now)
}

#[cfg(test)]
mod tests;
