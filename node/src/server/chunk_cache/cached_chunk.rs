use bytes::Bytes;
use media_protocol::chunk;

/// An encoded chunk with its loss.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::server) struct CachedChunk {
    /// The chunk as it goes over the wire to a client that does not ask for the loss.
    pub(in crate::server) bytes: Bytes,
    /// Number of its frames that are silence because the file is damaged.
    pub(in crate::server) silenced: u32,
}

impl CachedChunk {
    /// The bytes for a client: with the loss part if it asks for it and there is loss.
    pub(in crate::server) fn into_answer(self, report_loss: bool) -> Bytes {
        if report_loss { chunk::with_loss(&self.bytes, self.silenced) } else { self.bytes }
    }
}
