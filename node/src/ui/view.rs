//! The ends of the channels that a view holds.

use std::time::Duration;

use tokio::sync::{mpsc, watch};

use crate::control::{Command, Notice, Snapshot};

/// A view, connected to a play session. The counterpart of [`crate::control::Channels`].
pub struct View {
    /// Commands to the session.
    pub commands: mpsc::Sender<Command>,
    /// The current state of the session.
    pub snapshots: watch::Receiver<Snapshot>,
    /// Notices from the session.
    pub notices: mpsc::Receiver<Notice>,
    /// Distance of one press of a seek key.
    pub seek_step: Duration,
}
