//! Carries out one request: opens a stream, reads the answer, bounded.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use media_plugin_sdk::transport::{Connection, Stream, TransportError};
use media_protocol::{
    Answer, ChunkRequest, GetInfo, Info, List, ListPage, Protocol, WireError,
    chunk::{ChunkDecoder, ChunkError, ChunkEvent},
};
use serde::{Serialize, de::DeserializeOwned};
use tokio::{sync::mpsc, time::timeout};

use super::dial::Dial;

/// Why a request got no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum FetchError {
    /// The node said no.
    #[error(transparent)]
    Refused(#[from] WireError),
    /// The connection or the stream failed.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The answer is not one of this protocol.
    #[error("the node's answer to {0} makes no sense: {1}")]
    Nonsense(&'static str, String),
}

/// The most bytes taken from a stream at once.
const READ: usize = 64 * 1024;
/// A stream without a byte for so long, or for so many round trips, is given up, to be asked for again on another. What the
/// node has begun to encode is not lost by that.
const PATIENCE: Duration = Duration::from_secs(2);
const PATIENCE_RTTS: u32 = 8;

/// A page of the node's catalog.
///
/// # Errors
/// See [`FetchError`].
pub async fn list(dial: &Dial, request: &List) -> Result<ListPage, FetchError> {
    ask(dial, Protocol::List, request, List::MAX_ANSWER).await
}

/// A track and how it would be sent.
///
/// # Errors
/// See [`FetchError`].
pub async fn get_info(dial: &Dial, request: &GetInfo) -> Result<Info, FetchError> {
    ask(dial, Protocol::GetInfo, request, GetInfo::MAX_ANSWER).await
}

/// One chunk. Each piece goes to `pieces`, as `wrap` makes it, as it arrives; `received` gets the number of bytes read.
pub(super) async fn chunk<P: Send>(
    dial: &Dial,
    request: &ChunkRequest,
    info: &Info,
    received: impl Fn(usize) + Send,
    pieces: &mpsc::Sender<P>,
    wrap: impl Fn(ChunkEvent) -> P + Send,
) -> Result<(), FetchError> {
    let (connection, mut stream) = open(dial, Protocol::RequestChunk, request).await?;
    let frames = info.rendition.frames_in(request.index);
    let mut decoder = ChunkDecoder::new(request.index, frames, info.rendition.max_chunk_bytes());
    while !decoder.is_done() {
        let bytes = read(dial, &connection, &mut stream).await?;
        let Some(bytes) = bytes else {
            return Err(TransportError::Closed("the node ended the chunk too early".into()).into());
        };
        received(bytes.len());
        decoder.push(bytes);
        while let Some(event) = decoder.next().map_err(wrong_chunk)? {
            // Nobody waits for it any more: this task is about to be aborted.
            let _ = pieces.send(wrap(event)).await;
        }
    }
    dial.note_path(connection.as_ref());
    Ok(())
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
    let mut answer = Vec::new();
    while let Some(bytes) = read(dial, &connection, &mut stream).await? {
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
) -> Result<Option<Bytes>, FetchError> {
    let patience = PATIENCE.max(PATIENCE_RTTS * dial.rtt().unwrap_or_default());
    let received = timeout(patience, stream.recv.recv(READ)).await.map_err(|_| {
        let seconds = patience.as_secs_f32();
        TransportError::Closed(format!("the node sent nothing for {seconds} s"))
    })?;
    match received {
        Ok(bytes) => {
            dial.note_heard();
            Ok(bytes)
        }
        Err(error) => {
            dial.forget(connection).await;
            Err(error.into())
        }
    }
}
