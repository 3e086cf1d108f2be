use proptest::prelude::*;
use serde_json::json;

use super::{Header, ServerHello, is_json, parse_request, session_lines};

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
    let line = r#"{"status":"success","server_name":"s","server_version":"1","accepted_protocols":["p"]}"#;
    let hello: ServerHello = serde_json::from_str(line).unwrap();
    assert_eq!(serde_json::to_string(&hello).unwrap(), line);
    let line = r#"{"status":"failure","code":"unauthorized"}"#;
    let hello: ServerHello = serde_json::from_str(line).unwrap();
    assert_eq!(hello, ServerHello::Failure { code: "unauthorized".into(), retry_after_ms: None });
    assert_eq!(serde_json::to_string(&hello).unwrap(), line);
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
        let received: serde_json::Value = serde_json::from_str(&received).unwrap();
        prop_assert_eq!(received, serde_json::from_str::<serde_json::Value>(&data).unwrap());
    }
}
