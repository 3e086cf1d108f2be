use std::sync::Arc;

use tokio::sync::watch;

/// Close reason of a side that dropped its connection without [`Link::close`].
pub(crate) const DROPPED: &str = "the peer dropped the connection";

/// State that both ends and all streams of a connection share: open, or closed with a reason.
pub(crate) struct Link(watch::Sender<Option<String>>);

impl Link {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(watch::Sender::new(None)))
    }

    /// Closes the connection. A later call does not change the reason.
    pub(crate) fn close(&self, reason: &str) {
        self.0.send_if_modified(|state| {
            let first = state.is_none();
            state.get_or_insert_with(|| reason.to_owned());
            first
        });
    }

    /// Returns the reason of the close, `None` while the connection is open.
    pub(crate) fn reason(&self) -> Option<String> {
        self.0.borrow().clone()
    }

    /// Waits for the close and returns its reason.
    pub(crate) async fn closed(&self) -> String {
        let mut state = self.0.subscribe();
        // `wait_for` fails only if the sender is dropped, and `self` holds it.
        let reason = state.wait_for(Option::is_some).await.ok().and_then(|reason| reason.clone());
        reason.unwrap_or_default()
    }
}

/// One side's reference to the link, shared by its connection handle and its streams. Dropping the last of
/// them closes the connection, as in QUIC.
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
        self.0.close(DROPPED);
    }
}
