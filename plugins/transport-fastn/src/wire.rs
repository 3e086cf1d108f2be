//! Lines of the fastn-p2p wire format, written and parsed without I/O.

use media_plugin_sdk::transport::{Result, TransportError};
use serde::{Deserialize, Serialize};
use serde_json::{Value, value::RawValue};

use crate::line_reader::MAX_LINE;

/// Line sent in place of the ack if a stream is refused.
pub(crate) fn error_line(code: &str) -> String {
    format!("{{\"error\":{{\"code\":\"{code}\"}}}}\n")
}

/// Application protocol in the TLS handshake (RFC 7301).
pub(crate) const ALPN: &[u8] = b"/fastn/entity/0.1";
/// Answer to every opening line, sent before the protocol is checked. It does not accept the request.
pub(crate) const ACK: &str = "ack";
pub(crate) const ACK_LINE: &[u8] = b"ack\n";
pub(crate) const PING_LINE: &[u8] = b"\"Ping\"\n";
pub(crate) const PONG: &str = "pong";
pub(crate) const PONG_LINE: &[u8] = b"pong\n";

/// Length limit of a protocol name, in bytes. Tested by `bounds_what_opens_a_stream`.
const MAX_PROTOCOL: usize = 256;
const HANDSHAKE: &str = "fastn-p2p-handshake-v1";
const SESSION: &str = "fastn-p2p";

/// QUIC error codes of this transport, for connections and streams alike.
pub(crate) mod code {
    /// An ordinary close, or an abandoned stream.
    pub(crate) const DONE: u32 = 0;
    /// The node refused the peer. The reason text of the close is the code of the refusal, such as
    /// `unauthorized`.
    pub(crate) const REFUSED: u32 = 1;
    /// A line is too long, is not UTF-8, or is not expected here.
    pub(crate) const PROTOCOL: u32 = 2;
    /// The opening lines did not arrive in time.
    pub(crate) const SLOW: u32 = 3;

    pub(crate) fn describe(code: u64) -> String {
        match u32::try_from(code) {
            Ok(DONE) => "no longer needed".into(),
            Ok(REFUSED) => "refused".into(),
            Ok(PROTOCOL) => "this side broke the protocol or a limit".into(),
            Ok(SLOW) => "the opening lines did not arrive in time".into(),
            _ => format!("code {code}"),
        }
    }
}

/// The first line of a stream.
#[derive(Debug, PartialEq)]
pub(crate) enum Header {
    Handshake,
    /// A request of a later version. The next line holds its protocol and data.
    Session,
    /// A request of fastn v0.5 with its protocol. The next line holds its input.
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

/// The client's line of the handshake. It has no `Debug`, because it holds a secret.
#[derive(Serialize, Deserialize)]
pub(crate) struct ClientHello {
    pub(crate) client_name: String,
    pub(crate) client_version: String,
    pub(crate) supported_protocols: Vec<Value>,
    #[serde(default)]
    pub(crate) auth_token: Option<String>,
}

impl ClientHello {
    /// Returns both opening lines of the handshake stream.
    pub(crate) fn lines(&self) -> Result<String> {
        let hello = serde_json::to_string(self)
            .map_err(|_| TransportError::Protocol("cannot write the handshake".into()))?;
        bounded(format!("{{\"Generic\":\"{HANDSHAKE}\"}}\n{hello}\n"), "write the handshake")
    }
}

/// The server's line of the handshake. It has no `Debug`, because it can hold a secret.
#[derive(PartialEq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub(crate) enum ServerHello {
    Success {
        server_name: String,
        server_version: String,
        accepted_protocols: Vec<Value>,
        /// Facts for the client. Extensions of this project to fastn-p2p.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        features: Vec<String>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        rights: Vec<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        auth_token: Option<String>,
    },
    Failure {
        code: String,
        /// One line for a person. An extension of this project to fastn-p2p.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        reason: String,
        /// Retry delay in ms with the code `server_full`. An extension of this project to fastn-p2p.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after_ms: Option<u32>,
    },
}

/// Returns both opening lines of a request. `data` is one JSON value.
pub(crate) fn session_lines(protocol: &str, data: &str) -> Result<String> {
    #[derive(Serialize)]
    struct Request<'a> {
        protocol: &'a str,
        data: &'a RawValue,
    }
    if protocol.is_empty() || protocol.len() > MAX_PROTOCOL {
        return Err(TransportError::Protocol(format!(
            "cannot open a stream: the protocol name has {} bytes; 1 to {MAX_PROTOCOL} are allowed",
            protocol.len()
        )));
    }
    let action = format!("open a stream for `{protocol}`");
    let not_json = |e| TransportError::Protocol(format!("cannot {action}: its data is not JSON: {e}"));
    // A line feed in JSON is white space between tokens; inside a string it is always escaped.
    let data = data.replace(['\n', '\r'], " ");
    let data: &RawValue = serde_json::from_str(&data).map_err(not_json)?;
    let request = serde_json::to_string(&Request { protocol, data }).map_err(not_json)?;
    bounded(format!("{{\"Generic\":\"{SESSION}\"}}\n{request}\n"), &action)
}

/// Parses the second line of a request into protocol and data.
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

/// Returns true if the line is one JSON value, as the input of fastn v0.5 has to be.
pub(crate) fn is_json(line: &str) -> bool {
    serde_json::from_str::<&RawValue>(line).is_ok()
}

/// Name of a protocol. fastn writes a protocol enum with data as a JSON object; its name is the JSON text.
fn protocol_name(value: Value) -> Option<String> {
    let name = match value {
        Value::String(name) => name,
        other => other.to_string(),
    };
    (1..=MAX_PROTOCOL).contains(&name.len()).then_some(name)
}

/// Refuses lines longer than a peer would read. `action` is part of the error message.
fn bounded(lines: String, action: &str) -> Result<String> {
    if lines.len() > MAX_LINE {
        return Err(TransportError::Protocol(format!(
            "cannot {action}: it takes {} bytes; at most {MAX_LINE} are allowed",
            lines.len()
        )));
    }
    Ok(lines)
}

#[cfg(test)]
#[path = "../../../protocol/fuzz/src/mutation.rs"]
mod mutation;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn headers_tell_the_dialects_apart() {
        let parsed = |line| Header::parse(line);
        assert_eq!(parsed(r#"{"Generic":"fastn-p2p-handshake-v1"}"#), Some(Header::Handshake));
        assert_eq!(parsed(r#"{"Generic":"fastn-p2p"}"#), Some(Header::Session));
        assert_eq!(parsed(r#""Ping""#), Some(Header::Ping));
        assert_eq!(parsed(r#"{"Generic":"Echo"}"#), Some(Header::Legacy("Echo".into())));
        assert_eq!(parsed(r#"{"Generic":{"Say":1}}"#), Some(Header::Legacy(r#"{"Say":1}"#.into())));
        for bad in ["", "Ping", "{}", "[]", r#"{"Http":null}"#, r#"{"Generic":""}"#, r#"{"Generic":"a"} x"#] {
            assert_eq!(parsed(bad), None, "{bad}");
        }
        assert_eq!(parsed(&format!("{{\"Generic\":\"{}\"}}", "x".repeat(257))), None);
    }

    #[test]
    fn the_servers_line_is_as_fastn_writes_it() {
        let line =
            r#"{"status":"success","server_name":"s","server_version":"1","accepted_protocols":["p"]}"#;
        let hello: ServerHello = serde_json::from_str(line).unwrap();
        assert_eq!(serde_json::to_string(&hello).unwrap(), line);
        let line = r#"{"status":"failure","code":"unauthorized"}"#;
        let hello: ServerHello = serde_json::from_str(line).unwrap();
        let plain =
            ServerHello::Failure { code: "unauthorized".into(), reason: String::new(), retry_after_ms: None };
        assert!(hello == plain);
        assert_eq!(serde_json::to_string(&hello).unwrap(), line);
    }

    #[test]
    fn a_line_with_fields_of_this_project_reads_as_it_is_written() {
        for line in [
            r#"{"status":"success","server_name":"s","server_version":"1","accepted_protocols":["p"],"features":["rights"],"rights":["listen"],"auth_token":"abc"}"#,
            r#"{"status":"failure","code":"over_quota","reason":"over quota until 2026-12-01"}"#,
        ] {
            let hello: ServerHello = serde_json::from_str(line).unwrap();
            assert_eq!(serde_json::to_string(&hello).unwrap(), line);
            let later = line.replacen('{', r#"{"later":[{"than":"this"}],"#, 1);
            assert!(serde_json::from_str::<ServerHello>(&later).unwrap() == hello);
        }
    }

    #[test]
    fn a_session_opens_with_two_lines() {
        assert_eq!(
            session_lines("audio.list", "{\n\"a\": 1}").unwrap(),
            "{\"Generic\":\"fastn-p2p\"}\n{\"protocol\":\"audio.list\",\"data\":{ \"a\": 1}}\n"
        );
    }

    proptest! {
        #[test]
        fn any_line_is_parsed_or_refused(line in ".*") {
            let _ = Header::parse(&line);
            let _ = is_json(&line);
            if let Ok(hello) = serde_json::from_str::<ServerHello>(&line) {
                let again = serde_json::to_string(&hello).unwrap();
                prop_assert!(serde_json::from_str::<ServerHello>(&again).unwrap() == hello);
            }
            if let Some((protocol, data)) = parse_request(&line) {
                prop_assert!(!protocol.is_empty() && is_json(&data));
            }
        }

        #[test]
        fn requests_survive_the_wire(protocol in ".{1,60}", text in ".*", number in any::<i64>()) {
            let data = serde_json::to_string_pretty(&json!({ "text": text, "list": [number, null] })).unwrap();
            let lines = session_lines(&protocol, &data).unwrap();
            let mut lines = lines.lines();
            prop_assert_eq!(Header::parse(lines.next().unwrap()), Some(Header::Session));
            let (name, received) = parse_request(lines.next().unwrap()).unwrap();
            prop_assert_eq!(name, protocol);
            let received: Value = serde_json::from_str(&received).unwrap();
            prop_assert_eq!(received, serde_json::from_str::<Value>(&data).unwrap());
        }
    }

    /// The opening lines of a stream and both lines of the handshake: any line is read within the limits, or refused.
    #[test]
    fn any_opening_line_is_read_or_refused() {
        let hello = ClientHello {
            client_name: "a".into(),
            client_version: "1".into(),
            supported_protocols: vec![json!("audio.list"), json!({"Say": 1})],
            auth_token: Some("x".repeat(52)),
        };
        let lines = [
            hello.lines().unwrap(),
            session_lines("audio.list", r#"{"limit":5}"#).unwrap(),
            r#"{"status":"success","server_name":"s","server_version":"1","accepted_protocols":["p"]}"#
                .into(),
            r#"{"status":"failure","code":"server_full","retry_after_ms":2000}"#.into(),
            r#"{"status":"failure","code":"over_quota","reason":"over quota until 2026-12-01"}"#.into(),
            r#"{"status":"success","server_name":"s","server_version":"1","accepted_protocols":[],"features":["rights"],"rights":["listen"],"auth_token":"abc"}"#
                .into(),
            r#"{"Generic":{"Say":1}}"#.into(),
            r#""Ping""#.into(),
        ];
        let seeds: Vec<Vec<u8>> = lines.iter().flat_map(|lines| lines.lines()).map(Into::into).collect();
        mutation::run("opening_lines", &seeds, |input| {
            let line = String::from_utf8_lossy(input);
            if let Some(Header::Legacy(name)) = Header::parse(&line) {
                assert!((1..=MAX_PROTOCOL).contains(&name.len()));
            }
            if let Some((protocol, data)) = parse_request(&line) {
                assert!((1..=MAX_PROTOCOL).contains(&protocol.len()) && is_json(&data));
            }
            if let Ok(hello) = serde_json::from_str::<ClientHello>(&line)
                && let Ok(lines) = hello.lines()
            {
                assert_eq!(lines.lines().count(), 2);
            }
            if let Ok(hello) = serde_json::from_str::<ServerHello>(&line) {
                let again = serde_json::to_string(&hello).unwrap();
                let twice = serde_json::from_str::<ServerHello>(&again).unwrap();
                assert_eq!(serde_json::to_string(&twice).unwrap(), again);
            }
        });
    }
}
