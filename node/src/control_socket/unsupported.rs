//! Systems without local sockets of this kind, such as Windows: a node runs without a control socket there.

use std::{convert::Infallible, io, path::Path};

use serde_json::Value;
use tokio::sync::mpsc;

use super::message::{Call, ControlError, Request};

/// The socket of this process, which does not exist on this system.
#[derive(Debug)]
pub struct ControlSocket(Infallible);

impl ControlSocket {
    /// Reports that this system has no control socket.
    ///
    /// # Errors
    /// Always `Unsupported`.
    pub fn bind(_: &Path) -> io::Result<(Self, mpsc::Receiver<Call>)> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "this system has no control socket"))
    }
}

/// Reports that no process listens.
///
/// # Errors
/// Always [`ControlError::NotRunning`].
pub fn request(_: &Path, _: &Request) -> Result<Value, ControlError> {
    Err(ControlError::NotRunning)
}
