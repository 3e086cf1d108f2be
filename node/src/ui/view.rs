//! The connection between a view and a play session.

use std::time::Duration;

use tokio::sync::{mpsc, watch};

use crate::control::{Command, Notice, Snapshot};

/// A view's ends of the channels to a play session. [`crate::control::Channels`] has the other ends.
pub struct View {
    /// Commands to the session.
    pub commands: mpsc::Sender<Command>,
    /// The current state of the session.
    pub snapshots: watch::Receiver<Snapshot>,
    /// Notices from the session.
    pub notices: mpsc::Receiver<Notice>,
    /// Time by which one press of a seek key moves the position.
    pub seek_step: Duration,
}
