//! The words of the fastn-p2p wire: what each line says. No I/O.

use media_plugin_sdk::transport::{Result, TransportError};
use serde::{Deserialize, Serialize};
use serde_json::{Value, value::RawValue};

use crate::line_reader::MAX_LINE;

/// Stands where the ack would, when a stream is turned away.
pub(crate) fn error_line(why: &str) -> String {
    format!("{{\"error\":{{\"code\":\"{why}\"}}}}\n")
}

/// What a fastn entity is asked for in the TLS handshake.
pub(crate) const ALPN: &[u8] = b"/fastn/entity/0.1";
/// Answers every opening line, before the protocol is looked at: an ack is no acceptance.
pub(crate) const ACK: &str = "ack";
pub(crate) const ACK_LINE: &[u8] = b"ack\n";
pub(crate) const PING_LINE: &[u8] = b"\"Ping\"\n";
pub(crate) const PONG: &str = "pong";
pub(crate) const PONG_LINE: &[u8] = b"pong\n";

/// The longest protocol name, in bytes.
const MAX_PROTOCOL: usize = 256;
const HANDSHAKE: &str = "fastn-p2p-handshake-v1";
const SESSION: &str = "fastn-p2p";

/// Error codes of QUIC that we send, on connections and streams alike.
pub(crate) mod code {
    /// An ordinary close, or a stream given up.
    pub(crate) const DONE: u32 = 0;
    /// The handshake refused the peer; the close's reason is the code.
    pub(crate) const REFUSED: u32 = 1;
    /// A line too long, not UTF-8 or not what belongs there.
    pub(crate) const PROTOCOL: u32 = 2;
    /// The opening lines did not come in time.
    pub(crate) const SLOW: u32 = 3;

    pub(crate) fn describe(code: u64) -> String {
        match u32::try_from(code) {
            Ok(DONE) => "given up".into(),
            Ok(REFUSED) => "refused".into(),
            Ok(PROTOCOL) => "it did not keep to the protocol, or went over a limit".into(),
            Ok(SLOW) => "its opening did not come in time".into(),
            _ => format!("code {code}"),
        }
    }
}

/// The first line of a stream.
#[derive(Debug, PartialEq)]
pub(crate) enum Header {
    Handshake,
    /// A request or a session of our own dialect; the next line names its protocol.
    Session,
    /// A request of v0.5: this is its protocol, the next line its input.
    Legacy(String),
    Ping,
}

impl Header {
    pub(crate) fn parse(line: &str) -> Option<Self> {
        #[derive(Deserialize)]
        enum Line {
            Ping,
            Generic(Value),
        }
        Some(match serde_json::from_str(line).ok()? {
            Line::Ping => Self::Ping,
            Line::Generic(Value::String(name)) if name == HANDSHAKE => Self::Handshake,
            Line::Generic(Value::String(name)) if name == SESSION => Self::Session,
            Line::Generic(name) => Self::Legacy(protocol_name(name)?),
        })
    }
}

/// The client's line of the handshake. Holds a secret, so it has no `Debug`.
#[derive(Serialize, Deserialize)]
pub(crate) struct ClientHello {
    pub(crate) client_name: String,
    pub(crate) client_version: String,
    pub(crate) supported_protocols: Vec<Value>,
    #[serde(default)]
    pub(crate) auth_token: Option<String>,
}

impl ClientHello {
    /// Both opening lines of the handshake stream.
    pub(crate) fn lines(&self) -> Result<String> {
        let hello = serde_json::to_string(self)
            .map_err(|_| TransportError::Protocol("cannot write the handshake".into()))?;
        bounded(format!("{{\"Generic\":\"{HANDSHAKE}\"}}\n{hello}\n"), "the handshake")
    }
}

/// The server's line of the handshake.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub(crate) enum ServerHello {
    Success {
        server_name: String,
        server_version: String,
        accepted_protocols: Vec<Value>,
    },
    Failure {
        code: String,
        /// Ours alone: when to try again, with `server_full`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after_ms: Option<u32>,
    },
}

/// Both opening lines of a session. `data` is one JSON value.
pub(crate) fn session_lines(protocol: &str, data: &str) -> Result<String> {
    #[derive(Serialize)]
    struct Request<'a> {
        protocol: &'a str,
        data: &'a RawValue,
    }
    if protocol.is_empty() || protocol.len() > MAX_PROTOCOL {
        return Err(TransportError::Protocol(format!(
            "cannot open a stream: the protocol's name is {} bytes, 1 to {MAX_PROTOCOL} are allowed",
            protocol.len()
        )));
    }
    let what = format!("a stream for `{protocol}`");
    let not_json = |e| TransportError::Protocol(format!("cannot open {what}: its data is not JSON: {e}"));
    // Line feeds are white space between JSON's tokens; inside strings they are escaped.
    let data = data.replace(['\n', '\r'], " ");
    let data: &RawValue = serde_json::from_str(&data).map_err(not_json)?;
    let request = serde_json::to_string(&Request { protocol, data }).map_err(not_json)?;
    bounded(format!("{{\"Generic\":\"{SESSION}\"}}\n{request}\n"), &what)
}

/// Protocol and data of a session's second line.
pub(crate) fn parse_request(line: &str) -> Option<(String, String)> {
    #[derive(Deserialize)]
    struct Request<'a> {
        protocol: Value,
        #[serde(borrow)]
        data: &'a RawValue,
    }
    let request: Request = serde_json::from_str(line).ok()?;
    Some((protocol_name(request.protocol)?, request.data.get().to_owned()))
}

/// Whether a line of v0.5's is the JSON value it should be.
pub(crate) fn is_json(line: &str) -> bool {
    serde_json::from_str::<&RawValue>(line).is_ok()
}

/// An enum with data becomes JSON on fastn's wire; as a name we take its text.
fn protocol_name(value: Value) -> Option<String> {
    let name = match value {
        Value::String(name) => name,
        other => other.to_string(),
    };
    (1..=MAX_PROTOCOL).contains(&name.len()).then_some(name)
}

fn bounded(lines: String, what: &str) -> Result<String> {
    if lines.len() > MAX_LINE {
        return Err(TransportError::Protocol(format!(
            "cannot open {what}: it takes {} bytes, at most {MAX_LINE} are allowed",
            lines.len()
        )));
    }
    Ok(lines)
}

#[cfg(test)]
mod tests;
