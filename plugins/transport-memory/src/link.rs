use std::sync::Arc;

use tokio::sync::watch;

/// What both ends and all streams of a connection share: whether it has ended, and why.
pub(crate) struct Link(watch::Sender<Option<String>>);

impl Link {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(watch::Sender::new(None)))
    }

    /// Ends the connection; the first reason stays.
    pub(crate) fn close(&self, reason: &str) {
        self.0.send_if_modified(|state| {
            let first = state.is_none();
            state.get_or_insert_with(|| reason.to_owned());
            first
        });
    }

    pub(crate) fn reason(&self) -> Option<String> {
        self.0.borrow().clone()
    }

    pub(crate) async fn closed(&self) -> String {
        let mut state = self.0.subscribe();
        // The sender lives in `self`, so waiting cannot fail.
        let reason = state.wait_for(Option::is_some).await.ok().and_then(|reason| reason.clone());
        reason.unwrap_or_default()
    }
}

/// One side's hold on the link. The connection's handle and the streams share it; the last of them ends the connection,
/// as in QUIC.
pub(crate) struct Side(Arc<Link>);

impl Side {
    pub(crate) fn new(link: Arc<Link>) -> Arc<Self> {
        Arc::new(Self(link))
    }

    pub(crate) fn link(&self) -> &Arc<Link> {
        &self.0
    }
}

impl Drop for Side {
    fn drop(&mut self) {
        self.0.close("the peer let go of it");
    }
}
