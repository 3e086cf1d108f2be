use std::{fmt, io};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::oneshot;

/// One request: the name of an operation, and its input.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
pub struct Request {
    /// Operation, such as `status`.
    pub request: String,
    /// Input of the operation; `null` if it takes none.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub data: Value,
}

impl Request {
    /// A request without input.
    #[must_use]
    pub fn new(request: &str) -> Self {
        Self { request: request.into(), data: Value::Null }
    }

    /// Parses a line.
    ///
    /// # Errors
    /// The reason, as one line that repeats nothing of the input.
    pub(super) fn decode(line: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(line).map_err(|error| {
            let at = format!("line {} column {}", error.line(), error.column());
            format!(
                "a request is one JSON object with the field `request`: {:?} error at {at}",
                error.classify()
            )
        })
    }
}

/// Reply to a request. `Debug` hides the result, which can be a ticket.
#[derive(Clone, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// The operation succeeded, with this result.
    Ok(Value),
    /// The operation failed.
    Error {
        /// Exit code for the command that sent the request.
        code: u8,
        /// One line for a person.
        message: String,
    },
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ok(_) => f.write_str("Ok(…)"),
            Self::Error { code, message } => {
                f.debug_struct("Error").field("code", code).field("message", message).finish()
            }
        }
    }
}

impl Reply {
    /// The reply to a failure, with the exit code of an operation that failed.
    #[must_use]
    pub fn failed(message: impl fmt::Display) -> Self {
        Self::Error { code: 1, message: message.to_string() }
    }

    /// A line with its end.
    pub(super) fn encode(&self) -> Vec<u8> {
        // No reply fails to serialise. If one did, the reader would report the empty line.
        let mut line = serde_json::to_vec(self).unwrap_or_default();
        line.push(b'\n');
        line
    }
}

/// A request that waits for the process, and the way to answer it. A dropped call is answered as a failure.
#[derive(Debug)]
pub struct Call {
    /// The request.
    pub request: Request,
    /// Takes the reply. Fails if the asking command has left.
    pub reply: oneshot::Sender<Reply>,
}

/// Error of a command that asks a running process.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// No process listens on the socket.
    #[error("no process listens")]
    NotRunning,
    /// An operation on the socket failed.
    #[error("asking the running process: {0}")]
    Io(#[from] io::Error),
    /// The reply is none of this program.
    #[error("the running process sent no valid reply; it may be of another version: restart it")]
    BadReply,
    /// The process refused the request or failed at it.
    #[error("{message}")]
    Refused {
        /// Exit code for this command.
        code: u8,
        /// One line for a person.
        message: String,
    },
}
