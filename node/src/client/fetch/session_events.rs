//! What the session tells the player's owner of the node's silence, each time once.

use super::Session;
use crate::client::Event;

impl Session {
    /// The path has fallen silent, or is no longer.
    pub(super) async fn on_silence(&mut self, silent: bool) {
        if silent {
            self.retrying("the node has fallen silent".into()).await;
        } else {
            self.recovered().await;
        }
    }

    pub(super) async fn retrying(&mut self, reason: String) {
        if !std::mem::replace(&mut self.retrying, true) {
            self.tell(Event::Retrying(reason)).await;
        }
    }

    pub(super) async fn recovered(&mut self) {
        if std::mem::take(&mut self.retrying) {
            self.tell(Event::Recovered).await;
        }
    }

    pub(super) async fn tell(&self, event: Event) {
        // Nobody listens any more: the player is being dropped, and this task ends with its commands.
        let _ = self.events.send(event).await;
    }
}
