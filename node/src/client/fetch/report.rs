//! Reports of a request's task to the session.

use std::sync::{Arc, OnceLock, Weak};

use media_plugin_sdk::transport::{Connection, TransportError};
use media_protocol::{Info, WireError, chunk::ChunkEvent, session::client::RequestId};
use tokio::sync::mpsc;

/// Reason why a request got no complete answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum FetchError {
    /// The node refused.
    #[error(transparent)]
    Refused(#[from] WireError),
    /// The connection or the stream failed.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// Nothing arrived for this many seconds.
    #[error("the node sent nothing for {0} s")]
    Silent(f32),
    /// The answer to the named protocol was incomplete after this many seconds.
    #[error("the node's answer to {0} was incomplete after {1:.0} s")]
    Slow(&'static str, f32),
    /// This client replaced the connection by another during the request.
    #[error("the connection was replaced")]
    Replaced,
    /// The answer to the named protocol violates it.
    #[error("the node's answer to {0} is invalid: {1}")]
    Invalid(&'static str, String),
}

/// Part of an answer, or the failure of its request.
pub(super) enum Report {
    /// Answer to `get_info`. `chunk_follows`: the events of a chunk come next for the same request.
    Info { info: Box<Info>, chunk_follows: bool },
    /// Event of the chunk being received.
    Chunk(ChunkEvent),
    /// Bytes received of a packet that is not complete.
    PartialPacket(u64),
    /// No byte of the answer arrives, but the connection carries other bytes.
    HeadOfLineBlocked,
    /// The request failed.
    Failed(FetchError),
}

/// Connection on which a request was sent; empty before that.
pub(super) type RequestConnection = Arc<OnceLock<Weak<dyn Connection>>>;

/// Sends the reports of one request to the session.
pub(super) struct ReportSender {
    pub(super) request: RequestId,
    pub(super) session: mpsc::Sender<(RequestId, Report)>,
    pub(super) connection: RequestConnection,
}

impl ReportSender {
    /// Sends a report. Waits while the session's queue is full.
    pub(super) async fn send(&self, report: Report) {
        // A closed queue means that the session has ended and is about to abort this task.
        let _ = self.session.send((self.request, report)).await;
    }

    /// Records the connection on which the request was sent.
    pub(super) fn set_connection(&self, connection: &Arc<dyn Connection>) {
        let _ = self.connection.set(Arc::downgrade(connection));
    }
}
