//! One request and its answer, on a stream of its own. Every wait and every size is bounded.

use std::{
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Waker},
    time::Duration,
};

use bytes::{Buf, Bytes, BytesMut};
use media_plugin_sdk::transport::{Connection, Stream, TransportError};
use media_protocol::{
    Answer, ChunkIndex, ChunkMessage, GetInfo, Info, List, ListPage, Protocol, Rendition,
    chunk::{ChunkError, ChunkEvent, ChunkReader},
};
use serde::{Serialize, de::DeserializeOwned};
use tokio::time::{Instant, timeout, timeout_at};

use super::{
    bounded_track::bounded,
    node_link::NodeLink,
    report::{FetchError, Report, ReportSender},
    traffic::bytes_between,
};
use crate::{client::stats::Counts, text_line::text_line};

/// Largest read from a stream, in bytes.
const READ: usize = 64 * 1024;
/// Stall timeout: the longer of a time and a number of round trips, at most [`MAX_PATIENCE`]. A stream that delivers no byte
/// for this time on an idle connection is abandoned, and its request repeated. The node keeps the part that it has encoded.
/// Tested by `patience_grows_with_the_least_round_trip_to_a_bound`.
const PATIENCE: Duration = Duration::from_secs(2);
const PATIENCE_RTTS: u32 = 8;
const MAX_PATIENCE: Duration = Duration::from_secs(6);
/// Most bytes within one stall timeout that still count as an idle connection: an answer to a ping has about 40 bytes, one
/// to a probe about 120. Tested by `answers_to_pings_are_no_progress_and_two_starved_streams_end_a_connection`.
const IDLE_BYTES: u64 = 1500;
/// Number of stall timeouts in a row for which the client waits for a stream while its connection carries other bytes. At the
/// next one the client abandons the stream. The number is high because the node may send a lost packet several times, and each
/// copy may wait in a full queue. Tested by `a_stream_behind_others_is_abandoned_after_16_timeouts`.
const MAX_BLOCKED: u32 = 15;
/// Time limit for a page of the catalog, and the time added per received byte: an answer at 8 kbit/s always gets through.
/// Tested by `a_page_that_never_ends_is_given_up` and `a_page_has_a_millisecond_more_for_each_byte`.
const PAGE: Duration = Duration::from_secs(30);
const PAGE_PER_BYTE: Duration = Duration::from_millis(1);

/// Columns of the node's reason for its choice, at most.
const MAX_REASON: usize = 500;

/// Requests a page of the node's catalog.
///
/// # Errors
/// A refusal, a failed or silent connection, or an invalid answer.
pub async fn list(link: &NodeLink, request: &List) -> Result<ListPage, FetchError> {
    let mut page: ListPage = json_answer(link, Protocol::List, request, List::MAX_ANSWER).await?;
    page.tracks = page.tracks.into_iter().map(bounded).collect();
    Ok(page)
}

/// Requests a track and its rendition.
pub(crate) async fn info(link: &NodeLink, request: &GetInfo) -> Result<Info, FetchError> {
    json_answer(link, Protocol::GetInfo, request, GetInfo::MAX_ANSWER).await.map(bounded_info)
}

fn bounded_info(info: Info) -> Info {
    Info { track: bounded(info.track), reason: text_line(&info.reason, MAX_REASON), ..info }
}

/// Requests a track and its rendition, and reports both. Then reports the chunk requested with it, if the node sends one.
pub(crate) async fn info_and_chunk(
    link: &NodeLink,
    request: &GetInfo,
    reports: &ReportSender,
    counts: &Mutex<Counts>,
) -> Result<(), FetchError> {
    let invalid = |text: String| FetchError::Invalid(Protocol::GetInfo.name(), text);
    let (connection, mut stream) = open(link, Protocol::GetInfo, request).await?;
    reports.set_connection(&connection);
    let mut answer = BytesMut::new();
    let (end, mut more) = loop {
        let bytes = read(link, &connection, &mut stream, Some(reports)).await?;
        let more = bytes.is_some();
        answer.extend_from_slice(&bytes.unwrap_or_default());
        match answer.iter().position(|byte| *byte == b'\n') {
            Some(end) if end <= GetInfo::MAX_ANSWER => break (end, more),
            None if !more => break (answer.len(), more),
            _ if answer.len() <= GetInfo::MAX_ANSWER => {}
            _ => return Err(invalid(format!("it is longer than {} bytes", GetInfo::MAX_ANSWER))),
        }
    };
    let mut rest = answer.split_off(end);
    rest.advance(rest.len().min(1));
    let info: Answer<Info> = serde_json::from_slice(&answer).map_err(|error| invalid(error.to_string()))?;
    let info = Result::from(info).map(bounded_info)?;
    info.rendition.check().map_err(|error| invalid(error.to_string()))?;
    while rest.is_empty() && more {
        let bytes = read(link, &connection, &mut stream, Some(reports)).await?;
        more = bytes.is_some();
        rest.extend_from_slice(&bytes.unwrap_or_default());
    }
    let index = request.then_chunk_at.and_then(|at| info.rendition.chunk_at(at)).filter(|_| !rest.is_empty());
    let rendition = info.rendition.clone();
    reports.send(Report::Info { info: Box::new(info), chunk_follows: index.is_some() }).await;
    let Some(index) = index else { return Ok(()) };
    let reader = reader(&rendition, index, request.report_loss);
    receive(link, (connection, stream), rest.freeze(), reader, reports, counts).await
}

/// Requests a chunk and reports its events.
pub(crate) async fn chunk(
    link: &NodeLink,
    message: &ChunkMessage,
    rendition: &Rendition,
    reports: &ReportSender,
    counts: &Mutex<Counts>,
) -> Result<(), FetchError> {
    let opened = open(link, Protocol::RequestChunk, message).await?;
    reports.set_connection(&opened.0);
    let reader = reader(rendition, message.request.index, message.report_loss);
    receive(link, opened, Bytes::new(), reader, reports, counts).await
}

fn reader(rendition: &Rendition, index: ChunkIndex, report_loss: bool) -> ChunkReader {
    let reader = ChunkReader::new(index, rendition.frames_in(index), rendition.max_chunk_bytes());
    if report_loss { reader.expecting_loss() } else { reader }
}

/// Receives a chunk. `bytes` are its first bytes, perhaps none.
async fn receive(
    link: &NodeLink,
    (connection, mut stream): (Arc<dyn Connection>, Stream),
    mut bytes: Bytes,
    mut reader: ChunkReader,
    reports: &ReportSender,
    counts: &Mutex<Counts>,
) -> Result<(), FetchError> {
    loop {
        counts.lock().unwrap_or_else(PoisonError::into_inner).bytes_received += bytes.len() as u64;
        reader.push(bytes);
        let mut ended = false;
        while let Some(event) = reader.next().map_err(chunk_error)? {
            ended |= matches!(event, ChunkEvent::Packet(_));
            reports.send(Report::Chunk(event)).await;
        }
        // Not needed if a complete packet was just reported: that is progress too.
        let partial = reader.partial_packet() as u64;
        if partial > 0 && !ended {
            reports.send(Report::PartialPacket(partial)).await;
        }
        if reader.is_done() {
            take_end(&mut stream);
            link.note_path(connection.as_ref());
            return Ok(());
        }
        let next = read(link, &connection, &mut stream, Some(reports)).await?;
        bytes = next.ok_or_else(|| TransportError::Closed("the node ended the chunk early".into()))?;
    }
}

/// Reads the stream's end, which arrives with the last bytes. If it stayed unread, QUIC would ask the node to stop sending, and
/// the node would have to acknowledge that.
pub(super) fn take_end(stream: &mut Stream) {
    let _ = stream.recv.recv(READ).as_mut().poll(&mut Context::from_waker(Waker::noop()));
}

/// Separates a refusal within a chunk from an invalid chunk.
pub(super) fn chunk_error(error: ChunkError) -> FetchError {
    match error {
        ChunkError::Refused(error) => error.into(),
        other => FetchError::Invalid(Protocol::RequestChunk.name(), other.to_string()),
    }
}

/// Requests a JSON answer of at most `max` bytes.
async fn json_answer<Q: Serialize, A: DeserializeOwned>(
    link: &NodeLink,
    protocol: Protocol,
    request: &Q,
    max: usize,
) -> Result<A, FetchError> {
    let invalid = |text: String| FetchError::Invalid(protocol.name(), text);
    let (connection, mut stream) = open(link, protocol, request).await?;
    let began = Instant::now();
    let mut answer = Vec::new();
    loop {
        let time = PAGE + PAGE_PER_BYTE.saturating_mul(u32::try_from(answer.len()).unwrap_or(u32::MAX));
        let read = timeout_at(began + time, read(link, &connection, &mut stream, None)).await;
        let read = read.map_err(|_| FetchError::Slow(protocol.name(), time.as_secs_f32()))?;
        let Some(bytes) = read? else { break };
        if answer.len() + bytes.len() > max {
            return Err(invalid(format!("it is longer than {max} bytes")));
        }
        answer.extend_from_slice(&bytes);
    }
    link.note_path(connection.as_ref());
    let answer: Answer<A> = serde_json::from_slice(&answer).map_err(|error| invalid(error.to_string()))?;
    Ok(Result::from(answer)?)
}

/// Opens a stream for a request and sends it.
pub(super) async fn open<Q: Serialize>(
    link: &NodeLink,
    protocol: Protocol,
    request: &Q,
) -> Result<(Arc<dyn Connection>, Stream), FetchError> {
    let data = serde_json::to_string(request)
        .map_err(|error| FetchError::Invalid(protocol.name(), error.to_string()))?;
    let connection = link.connection().await?;
    match connection.open(protocol.name(), &data).await {
        Ok(mut stream) => {
            // A failure means a lost stream, which the read reports.
            let _ = stream.send.finish();
            Ok((connection, stream))
        }
        Err(error) => {
            link.forget(&connection).await;
            Err(error.into())
        }
    }
}

/// Reads the next bytes; `None` at the stream's end. Fails after the stall timeout.
pub(super) async fn read(
    link: &NodeLink,
    connection: &Arc<dyn Connection>,
    stream: &mut Stream,
    reports: Option<&ReportSender>,
) -> Result<Option<Bytes>, FetchError> {
    let patience = (PATIENCE_RTTS * link.min_rtt().unwrap_or_default()).clamp(PATIENCE, MAX_PATIENCE);
    let mut timeouts = 0;
    let received = loop {
        let before = connection.received();
        match timeout(patience, stream.recv.recv(READ)).await {
            Ok(received) => break received,
            // The answer waits behind bytes that the node sent before it.
            Err(_) if timeouts < MAX_BLOCKED && bytes_between(before, connection.received()) > IDLE_BYTES => {
                timeouts += 1;
                if let Some(reports) = reports {
                    reports.send(Report::HeadOfLineBlocked).await;
                }
            }
            Err(_) => {
                link.note_no_answer(connection, patience).await;
                return Err(FetchError::Silent(patience.as_secs_f32()));
            }
        }
    };
    match received {
        Ok(bytes) => {
            link.note_heard();
            link.note_answer();
            Ok(bytes)
        }
        Err(error) => match link.forget(connection).await {
            true => Err(error.into()),
            false => Err(FetchError::Replaced),
        },
    }
}

#[cfg(test)]
mod tests;
