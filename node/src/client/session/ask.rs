//! The tasks of requests: each reports to the session what comes, and its end if it is a bad one.

use std::sync::{Arc, Mutex};

use media_protocol::{
    ChunkRequest, GetInfo, Position, Rendition, TrackId,
    session::client::{Input, RequestId},
};
use tracing::Instrument as _;

use super::{Fetched, Reports, Session};
use crate::client::{
    Counts,
    dial::Dial,
    fetch::{self, FetchError},
    rate_choice,
};

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

    pub(super) fn ask_info(&mut self, request: RequestId, track: TrackId, at: Position) {
        let codecs = match self.offer.codecs(&self.dial.path(), self.machine.failed()) {
            Ok(codecs) => codecs,
            Err(error) => return self.handle(Input::Refused { request, error }),
        };
        let (output, path) = (self.offer.output.clone(), rate_choice::report(&self.dial.path()));
        let message = GetInfo { track, codecs, output, path, then_chunk_at: Some(at) };
        self.count_request();
        let (dial, reports, counts) = self.for_a_request(request);
        let span = tracing::debug_span!("track", id = %message.track);
        let task = tokio::spawn(
            async move {
                let done = fetch::info_and_chunk(&dial, &message, &reports, &counts).await;
                Self::conclude(done, &reports).await;
            }
            .instrument(span),
        );
        self.under_way = Some(task.abort_handle());
    }

    pub(super) fn ask_chunk(&mut self, request: RequestId, message: ChunkRequest, rendition: Arc<Rendition>) {
        self.count_request();
        let (dial, reports, counts) = self.for_a_request(request);
        let span = tracing::debug_span!("chunk", rendition = %message.rendition, index = message.index.0);
        let task = tokio::spawn(
            async move {
                let done = fetch::chunk(&dial, &message, &rendition, &reports, &counts).await;
                Self::conclude(done, &reports).await;
            }
            .instrument(span),
        );
        self.under_way = Some(task.abort_handle());
    }

    fn for_a_request(&self, request: RequestId) -> (Arc<Dial>, Reports, Arc<Mutex<Counts>>) {
        let reports = Reports { request, to: self.report.clone() };
        (Arc::clone(&self.dial), reports, Arc::clone(&self.counts))
    }
}
