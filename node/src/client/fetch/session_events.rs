//! Events of the session for the player's owner.

use tokio::sync::mpsc;

use crate::client::event::Event;

/// Sends events. Reports an outage of the node once, and its end once.
pub(super) struct SessionEvents {
    events: mpsc::Sender<Event>,
    /// True if [`Event::Retrying`] was sent and [`Event::Recovered`] is still due.
    retrying: bool,
}

impl SessionEvents {
    pub(super) fn new(events: mpsc::Sender<Event>) -> Self {
        Self { events, retrying: false }
    }

    /// Reports that the node cannot be reached, unless that was reported before.
    pub(super) async fn retrying(&mut self, reason: String) {
        if !std::mem::replace(&mut self.retrying, true) {
            self.send(Event::Retrying(reason)).await;
        }
    }

    /// Reports that the node responds again, if an outage was reported before.
    pub(super) async fn recovered(&mut self) {
        if std::mem::take(&mut self.retrying) {
            self.send(Event::Recovered).await;
        }
    }

    /// Reports the state of the path as the path watch sees it.
    pub(super) async fn path_silent(&mut self, silent: bool) {
        if silent {
            self.retrying("the node does not respond".into()).await;
        } else {
            self.recovered().await;
        }
    }

    pub(super) async fn send(&self, event: Event) {
        // A closed queue means that the player is being dropped; the session ends with its command queue.
        let _ = self.events.send(event).await;
    }
}
