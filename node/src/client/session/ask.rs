//! The tasks of requests: each reports to the session what comes, and its end if it is a bad one.

use std::sync::{Arc, Mutex, OnceLock, Weak};

use media_plugin_sdk::transport::Connection;
use media_protocol::{
    ChunkRequest, GetInfo, Position, Rendition, TrackId,
    session::client::{ClientInput, RequestId},
};
use tokio::sync::mpsc;
use tracing::Instrument as _;

use super::{Fetched, Session};
use crate::client::{
    Counts,
    dial::Dial,
    fetch::{self, FetchError},
    rate_choice,
};

/// The connection that a request was sent on, once it was.
pub(super) type SentOn = Arc<OnceLock<Weak<dyn Connection>>>;

/// Where a request's task reports to.
pub(in crate::client) struct Reports {
    request: RequestId,
    to: mpsc::Sender<(RequestId, Fetched)>,
    on: SentOn,
}

impl Reports {
    /// Waits while the session has more to take in than it can.
    pub(in crate::client) async fn send(&self, fetched: Fetched) {
        // Nobody listens any more: this task is about to be aborted.
        let _ = self.to.send((self.request, fetched)).await;
    }

    pub(in crate::client) fn sent_on(&self, connection: &Arc<dyn Connection>) {
        let _ = self.on.set(Arc::downgrade(connection));
    }
}

impl Session {
    /// Reports a request that failed.
    async fn conclude(done: Result<(), FetchError>, reports: &Reports) {
        match done {
            Ok(()) => tracing::debug!("came"),
            Err(error) => {
                tracing::debug!("did not come: {error}");
                reports.send(Fetched::Failed(error)).await;
            }
        }
    }

    pub(super) fn ask_info(&mut self, request: RequestId, track: TrackId, then_chunk_at: Option<Position>) {
        let codecs = match self.offer.codecs(&self.dial.path(), self.machine.failed_codecs()) {
            Ok(codecs) => codecs,
            Err(error) => return self.handle(ClientInput::Refused { request, error }),
        };
        let (output, path) = (self.offer.output.clone(), rate_choice::report(&self.dial.path()));
        let message = GetInfo { track, codecs, output, path, then_chunk_at };
        self.count_request();
        let (dial, reports, counts) = self.for_a_request(request);
        let on = Arc::clone(&reports.on);
        let span = tracing::debug_span!("track", id = %message.track);
        let task = tokio::spawn(
            async move {
                let done = fetch::info_and_chunk(&dial, &message, &reports, &counts).await;
                Self::conclude(done, &reports).await;
            }
            .instrument(span),
        );
        self.under_way = Some((task.abort_handle(), on));
    }

    pub(super) fn ask_chunk(&mut self, request: RequestId, message: ChunkRequest, rendition: Arc<Rendition>) {
        self.count_request();
        let (dial, reports, counts) = self.for_a_request(request);
        let on = Arc::clone(&reports.on);
        let span = tracing::debug_span!("chunk", rendition = %message.rendition, index = message.index.0);
        let task = tokio::spawn(
            async move {
                let done = fetch::chunk(&dial, &message, &rendition, &reports, &counts).await;
                Self::conclude(done, &reports).await;
            }
            .instrument(span),
        );
        self.under_way = Some((task.abort_handle(), on));
    }

    fn count_request(&self) {
        let paused = self.paused;
        self.count(|counts| {
            counts.requests += 1;
            counts.requests_while_paused += u64::from(paused);
        });
    }

    fn for_a_request(&self, request: RequestId) -> (Arc<Dial>, Reports, Arc<Mutex<Counts>>) {
        let reports = Reports { request, to: self.report.clone(), on: Arc::default() };
        (Arc::clone(&self.dial), reports, Arc::clone(&self.counts))
    }
}
