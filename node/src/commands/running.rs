//! Requests of a command to the node that serves on the same machine.

use serde_json::Value;

use super::Context;
use crate::{
    control_socket::{self, ControlError, Request, socket_paths},
    exit::{Exit, ExitError},
    machine_identity::node_lock,
    process_lock::{ProcessRecord, Role},
};

/// Sends a request to the node that serves with this configuration's key. Returns `None` if none runs.
///
/// The node's lock names its socket, since node and command may have different environments.
pub(super) fn ask_node(context: &Context, request: &Request) -> Result<Option<Value>, ExitError> {
    let key = &context.config.node.key;
    let noted = ProcessRecord::read(&node_lock(key)).and_then(|record| record.socket);
    for socket in noted.into_iter().chain(socket_paths(Role::Serve.as_str(), key)) {
        match control_socket::request(&socket, request) {
            Ok(result) => return Ok(Some(result)),
            Err(ControlError::NotRunning) => {}
            Err(ControlError::Refused { code, message }) => {
                return Err(ExitError::new(Exit::from_code(code), message));
            }
            Err(error) => return Err(ExitError::new(Exit::Failed, format!("{}: {error}", socket.display()))),
        }
    }
    Ok(None)
}

/// The error of a command that needs a running node.
pub(super) fn not_running(context: &Context) -> ExitError {
    let key = context.config.node.key.display();
    let message = format!("no node runs with the key {key}; start one with `media-node serve FOLDER`");
    ExitError::new(Exit::Unreachable, message)
}
