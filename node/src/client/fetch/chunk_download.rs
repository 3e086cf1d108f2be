//! A chunk received without a session, packet by packet.

use std::sync::Arc;

use bytes::Bytes;
use media_plugin_sdk::transport::{Connection, Stream, TransportError};
use media_protocol::{
    ChunkIndex, ChunkRequest, Protocol, Rendition,
    chunk::{ChunkEvent, ChunkReader},
};

use super::{
    exchange::{chunk_error, open, read, take_end},
    node_link::NodeLink,
    report::FetchError,
};

/// The answer to one request for a chunk. Dropping it cancels the request.
pub(crate) struct ChunkDownload {
    link: Arc<NodeLink>,
    connection: Arc<dyn Connection>,
    stream: Stream,
    reader: ChunkReader,
    failed: Option<FetchError>,
}

impl ChunkDownload {
    /// Sends the request. Its answer is not awaited.
    pub(crate) async fn start(
        link: &Arc<NodeLink>,
        rendition: &Rendition,
        index: ChunkIndex,
    ) -> Result<Self, FetchError> {
        let request = ChunkRequest { rendition: rendition.id.clone(), index };
        let (connection, stream) = open(link, Protocol::RequestChunk, &request).await?;
        let reader = ChunkReader::new(index, rendition.frames_in(index), rendition.max_chunk_bytes());
        Ok(Self { link: Arc::clone(link), connection, stream, reader, failed: None })
    }

    /// Returns the next packet; `None` after the last one of a chunk whose hash matched. Cancel-safe. After an error it returns
    /// the same error again.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, FetchError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let packet = self.receive().await;
        self.failed = packet.as_ref().err().cloned();
        packet
    }

    async fn receive(&mut self) -> Result<Option<Bytes>, FetchError> {
        loop {
            while let Some(event) = self.reader.next().map_err(chunk_error)? {
                match event {
                    ChunkEvent::Packet(packet) => return Ok(Some(packet)),
                    ChunkEvent::End => {
                        take_end(&mut self.stream);
                        self.link.note_path(self.connection.as_ref());
                    }
                    ChunkEvent::Header { .. } | ChunkEvent::Loss(_) => {}
                }
            }
            if self.reader.is_done() {
                return Ok(None);
            }
            let bytes = read(&self.link, &self.connection, &mut self.stream, None).await?;
            let ended = || TransportError::Closed("the node ended the chunk early".into());
            self.reader.push(bytes.ok_or_else(ended)?);
        }
    }
}
