//! Task that carries out one request for the session.

use std::sync::{Arc, Mutex, Weak};

use media_plugin_sdk::transport::Connection;
use media_protocol::{ChunkMessage, ChunkRequest, GetInfo, Rendition, session::client::RequestId};
use tokio::{sync::mpsc, task::AbortHandle};
use tracing::Instrument as _;

use super::{
    exchange,
    node_link::NodeLink,
    report::{FetchError, Report, ReportSender, RequestConnection},
};
use crate::client::stats::Counts;

/// A running request.
pub(super) struct RequestTask {
    task: AbortHandle,
    connection: RequestConnection,
}

/// Everything that a request's task needs beside the request.
pub(super) struct TaskContext {
    pub(super) link: Arc<NodeLink>,
    pub(super) request: RequestId,
    pub(super) session: mpsc::Sender<(RequestId, Report)>,
    pub(super) counts: Arc<Mutex<Counts>>,
}

impl RequestTask {
    /// Starts a request for a track, perhaps with its first chunk.
    pub(super) fn get_info(context: TaskContext, message: GetInfo) -> Self {
        let span = tracing::debug_span!("track", id = %message.track);
        let TaskContext { link, request, session, counts } = context;
        let reports = ReportSender { request, session, connection: Arc::default() };
        let connection = Arc::clone(&reports.connection);
        let exchange = async move {
            let result = exchange::info_and_chunk(&link, &message, &reports, &counts).await;
            finish(result, &reports).await;
        };
        Self { task: tokio::spawn(exchange.instrument(span)).abort_handle(), connection }
    }

    /// Starts a request for a chunk of `rendition`.
    pub(super) fn get_chunk(context: TaskContext, request: ChunkRequest, rendition: Arc<Rendition>) -> Self {
        let span = tracing::debug_span!("chunk", rendition = %request.rendition, index = request.index.0);
        let message = ChunkMessage { request, report_loss: true };
        let TaskContext { link, request, session, counts } = context;
        let reports = ReportSender { request, session, connection: Arc::default() };
        let connection = Arc::clone(&reports.connection);
        let exchange = async move {
            let result = exchange::chunk(&link, &message, &rendition, &reports, &counts).await;
            finish(result, &reports).await;
        };
        Self { task: tokio::spawn(exchange.instrument(span)).abort_handle(), connection }
    }

    /// Cancels the request. Returns the connection on which it was sent.
    pub(super) fn abort(self) -> Option<Weak<dyn Connection>> {
        self.task.abort();
        self.connection.get().cloned()
    }
}

/// Reports a failed request to the session.
async fn finish(result: Result<(), FetchError>, reports: &ReportSender) {
    match result {
        Ok(()) => tracing::debug!("received"),
        Err(error) => {
            tracing::debug!("failed: {error}");
            reports.send(Report::Failed(error)).await;
        }
    }
}
