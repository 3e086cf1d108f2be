//! What the thread tells of what is heard.

use std::sync::{Arc, PoisonError};

use media_protocol::Rendition;

use super::{Playback, Progress};
use crate::client::Event;

impl Playback {
    pub(super) fn tell(&self, event: Event) {
        // An error means that the player is being dropped, which the command channel says as well.
        let _ = self.events.blocking_send(event);
    }

    pub(super) fn progress(&self, change: impl FnOnce(&mut Progress)) {
        change(&mut self.progress.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// A track began of which the first chunk is there now, so that it is known what it comes in, or of which none comes.
    pub(super) fn tell_begun(&mut self) -> bool {
        let Some(info) = self.state.begun.take() else { return false };
        let (mut rendition, mut reason) = (None, Arc::from(""));
        self.progress(|progress| {
            (rendition, reason) = (progress.rendition.clone(), Arc::clone(&progress.reason));
        });
        let rendition = rendition.unwrap_or_else(|| Arc::new(info.rendition.clone()));
        self.tell(Event::Began { info, rendition, reason });
        true
    }

    /// From here on this is heard.
    pub(super) fn tell_rendition(&mut self, to: &Arc<Rendition>, reason: &Arc<str>) {
        let mut is_other = false;
        self.progress(|progress| {
            is_other = progress.rendition.replace(Arc::clone(to)).is_none_or(|it| it.id != to.id);
            progress.reason = Arc::clone(reason);
        });
        if !self.tell_begun() && is_other {
            self.tell(Event::Switched { to: Arc::clone(to), reason: reason.to_string() });
        }
    }
}
