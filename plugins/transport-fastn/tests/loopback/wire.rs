//! The wire format byte for byte, with a bare iroh endpoint as the peer.

use std::{
    future::Future,
    pin::pin,
    sync::Arc,
    task::{Context, Waker},
    time::Duration,
};

use iroh::endpoint::{
    Connection as IrohConnection, ReadError, RecvStream as IrohRecv, SendStream as IrohSend, VarInt,
};
use media_plugin_sdk::transport::{Admission, Admit};
use serde_json::json;
use tokio::time::timeout;

use crate::common::{
    HANDSHAKE, admit_all, answer, caller, close_of, connected, greet, hear, hello, node, rest, say,
};

const REFUSED: VarInt = VarInt::from_u32(1);
const PROTOCOL: VarInt = VarInt::from_u32(2);
const SLOW: VarInt = VarInt::from_u32(3);

#[tokio::test]
async fn a_patient_client_waits_for_every_ack() {
    let server = node(1, json!({}), admit_all()).await;
    let (_caller, connection) = caller(2, &server, 1).await;
    let (mut send, mut recv) = say(&connection, HANDSHAKE).await;
    hear(&mut recv, "ack\n").await;
    send.write_all(hello(&["audio.list", "other"], Some("t")).as_bytes()).await.unwrap();
    let success = r#"{"status":"success","server_name":"test node","server_version":"1","accepted_protocols":["audio.list"]}"#;
    assert_eq!(rest(&mut recv).await, format!("{success}\n"));
    let there = server.accept().await.unwrap();

    let (mut send, mut recv) = say(&connection, "{\"Generic\":\"fastn-p2p\"}\n").await;
    hear(&mut recv, "ack\n").await;
    send.write_all(b"{\"data\":{\"n\":[1, 2.50]},\"protocol\":\"audio.list\"}\nraw").await.unwrap();
    send.finish().unwrap();
    let mut incoming = there.accept().await.unwrap();
    assert_eq!((incoming.protocol.as_str(), incoming.data.as_str()), ("audio.list", r#"{"n":[1, 2.50]}"#));
    assert_eq!(incoming.stream.recv.recv(2).await.unwrap().unwrap(), "ra");
    assert_eq!(incoming.stream.recv.recv(2).await.unwrap().unwrap(), "w");
    assert_eq!(incoming.stream.recv.recv(2).await.unwrap(), None);
    answer(incoming, "and back").await;
    assert_eq!(rest(&mut recv).await, "and back");
}

#[tokio::test]
async fn a_peer_of_v05_is_served() {
    let admit: Admit =
        Arc::new(
            |_, token| if token.is_none() { Ok(Admission::default()) } else { Err("invalid_token".into()) },
        );
    let server = node(1, json!({}), admit).await;
    let (_caller, connection) = caller(2, &server, 1).await;
    let (mut send, mut recv) = say(&connection, "{\"Generic\":\"Echo\"}\n").await;
    hear(&mut recv, "ack\n").await;
    send.write_all(b"{\"message\":\"hi\"}\n").await.unwrap();
    let there = server.accept().await.unwrap();
    let incoming = there.accept().await.unwrap();
    assert_eq!((incoming.protocol.as_str(), incoming.data.as_str()), ("Echo", r#"{"message":"hi"}"#));
    answer(incoming, "{\"message\":\"hi\"}\n").await;
    assert_eq!(rest(&mut recv).await, "{\"message\":\"hi\"}\n");

    // A peer of v0.5 opens one stream per request, and may ping.
    let (_send, mut recv) = say(&connection, "\"Ping\"\n").await;
    assert_eq!(rest(&mut recv).await, "ack\npong\n");
    let (_send, mut recv) = say(&connection, "{\"Generic\":{\"Say\":1}}\nnull\n").await;
    let incoming = there.accept().await.unwrap();
    assert_eq!((incoming.protocol.as_str(), incoming.data.as_str()), (r#"{"Say":1}"#, "null"));
    answer(incoming, "2\n").await;
    assert_eq!(rest(&mut recv).await, "ack\n2\n");
}

#[tokio::test]
async fn a_refusal_tells_its_code() {
    let admit: Admit =
        Arc::new(|_, token| token.map(|_| Admission::default()).ok_or_else(|| "unauthorized".into()));
    let server = node(1, json!({}), admit).await;
    let cases = [
        (hello(&["audio.list"], None), "unauthorized"),
        (hello(&["chess"], None), "unauthorized"),
        (hello(&["chess"], Some("in")), "no_common_protocols"),
        (hello(&[], None), "unauthorized"),
    ];
    for (seed, (hello, code)) in (2..).zip(cases) {
        let (_caller, connection) = caller(seed, &server, 1).await;
        let (_send, mut recv) = say(&connection, &format!("{HANDSHAKE}{hello}")).await;
        assert_eq!(rest(&mut recv).await, format!("ack\n{{\"status\":\"failure\",\"code\":\"{code}\"}}\n"));
        drop(recv);
        assert_eq!(close_of(connection.closed().await), (REFUSED, code.into()));
    }
    // The form of v0.5 has no line for a refusal, so only the close carries the code.
    let (_caller, connection) = caller(9, &server, 1).await;
    let _stream = say(&connection, "{\"Generic\":\"Echo\"}\n{}\n").await;
    assert_eq!(close_of(connection.closed().await), (REFUSED, "unauthorized".into()));
}

#[tokio::test]
async fn a_bad_handshake_closes_the_connection_and_hurts_nobody() {
    let server = node(1, json!({}), admit_all()).await;
    let long = "x".repeat(70_000);
    let cases = [
        ("\u{0}\u{1}garbage\n".to_owned(), "bad_header"),
        ("{}\n".to_owned(), "bad_header"),
        (long.clone(), "line_too_long"),
        (format!("{HANDSHAKE}{{\"client_name\":7}}\n"), "bad_handshake"),
        (format!("{HANDSHAKE}{long}"), "line_too_long"),
    ];
    for (seed, (lines, reason)) in (2..).zip(cases) {
        let (_caller, connection) = caller(seed, &server, 1).await;
        let (_send, mut recv) = say(&connection, &lines).await;
        if !lines.starts_with(HANDSHAKE) {
            assert_eq!(rest(&mut recv).await, format!("{{\"error\":{{\"code\":\"{reason}\"}}}}\n"));
        }
        assert_eq!(close_of(connection.closed().await), (PROTOCOL, reason.into()));
    }
    let client = node(20, json!({}), admit_all()).await;
    connected(&client, &server).await;
}

#[tokio::test]
async fn silence_is_not_waited_for() {
    let server = node(1, json!({"connect_timeout_ms": 300}), admit_all()).await;
    let (_caller, silent) = caller(2, &server, 1).await;
    let (_caller, half) = caller(3, &server, 1).await;
    let _stream = say(&half, HANDSHAKE).await;
    // Another peer connects meanwhile.
    let (_caller, connection) = caller(4, &server, 1).await;
    greet(&connection).await;
    let there = server.accept().await.unwrap();
    let (_send, mut recv) = say(&connection, "{\"Generic\":\"fastn-p2p\"}\n").await;
    let (_send_too, mut recv_too) = say(&connection, "{\"Gen").await;
    assert_eq!(close_of(silent.closed().await).0, SLOW);
    assert_eq!(close_of(half.closed().await).0, SLOW);

    hear(&mut recv, "ack\n").await;
    for recv in [&mut recv, &mut recv_too] {
        assert_eq!(recv.read_chunk(1).await, Err(ReadError::Reset(SLOW)));
    }
    // The connection stays open.
    let _stream = say(&connection, "{\"Generic\":\"fastn-p2p\"}\n{\"protocol\":\"p\",\"data\":1}\n").await;
    assert_eq!(there.accept().await.unwrap().data, "1");
}

#[tokio::test]
async fn nothing_much_is_held_for_a_peer_before_its_handshake() {
    let server = node(1, json!({"connect_timeout_ms": 300}), admit_all()).await;
    let (_caller, connection) = caller(2, &server, 1).await;
    let (mut send, _recv) = connection.open_bi().await.unwrap();
    // The receive buffers hold 128 KiB, and the node reads 64 KiB of the line. The write waits until the node
    // closes the connection.
    assert!(send.write_all(&vec![b'x'; 256 * 1024]).await.is_err());
    connection.closed().await;

    let (_caller, connection) = caller(3, &server, 1).await;
    greet(&connection).await;
    let there = server.accept().await.unwrap();
    let (mut send, _recv) =
        say(&connection, "{\"Generic\":\"fastn-p2p\"}\n{\"protocol\":\"p\",\"data\":1}\n").await;
    send.write_all(&vec![b'x'; 1 << 20]).await.unwrap();
    assert_eq!(there.accept().await.unwrap().protocol, "p");
}

const MIB: usize = 1024 * 1024;

/// Opens a stream with a request whose response nobody sends.
async fn open(connection: &IrohConnection) -> (IrohSend, IrohRecv) {
    let opening = "{\"Generic\":\"fastn-p2p\"}\n{\"protocol\":\"p\",\"data\":1}\n";
    let (send, mut recv) = say(connection, opening).await;
    hear(&mut recv, "ack\n").await;
    (send, recv)
}

/// Sends bytes for which the node's receive buffers have room.
async fn fill(send: &mut IrohSend, bytes: usize) {
    timeout(Duration::from_secs(30), send.write_all(&vec![b'x'; bytes])).await.expect("no room").unwrap();
}

/// Returns true if the node's receive buffers have no room for these bytes.
async fn is_refused(send: &mut IrohSend, bytes: usize) -> bool {
    timeout(Duration::from_millis(300), send.write_all(&vec![b'x'; bytes])).await.is_err()
}

#[tokio::test]
async fn a_peer_can_fill_the_window_of_a_stream_and_no_more() {
    let server = node(1, json!({}), admit_all()).await;
    let (_caller, connection) = caller(2, &server, 1).await;
    greet(&connection).await;
    let _there = server.accept().await.unwrap();
    let (mut send, _recv) = open(&connection).await;
    fill(&mut send, 2 * MIB - 4096).await;
    assert!(is_refused(&mut send, MIB / 8).await);
}

#[tokio::test]
async fn a_peer_can_fill_the_window_of_a_connection_and_no_more() {
    let server = node(1, json!({}), admit_all()).await;
    let (_caller, connection) = caller(2, &server, 1).await;
    greet(&connection).await;
    let _there = server.accept().await.unwrap();
    let mut streams = Vec::new();
    for _ in 0..15 {
        let (mut send, recv) = open(&connection).await;
        fill(&mut send, MIB / 2).await;
        streams.push((send, recv));
    }
    let (mut send, _recv) = open(&connection).await;
    assert!(is_refused(&mut send, MIB).await);
}

#[tokio::test]
async fn a_bad_opening_ends_its_stream_only() {
    let server = node(1, json!({}), admit_all()).await;
    let (_caller, connection) = caller(2, &server, 1).await;
    greet(&connection).await;
    let there = server.accept().await.unwrap();
    let long = "x".repeat(70_000);
    for (lines, code) in [
        (long.as_str(), "line_too_long"),
        ("nonsense\n", "bad_header"),
        ("\"Http\"\n", "bad_header"),
        (HANDSHAKE, "unexpected_handshake"),
    ] {
        let (_send, mut recv) = say(&connection, lines).await;
        assert_eq!(rest(&mut recv).await, format!("{{\"error\":{{\"code\":\"{code}\"}}}}\n"));
    }
    for words in [
        format!("{{\"Generic\":\"fastn-p2p\"}}\n{long}"),
        "{\"Generic\":\"fastn-p2p\"}\n{\"protocol\":\"p\"}\n".into(),
        "{\"Generic\":\"fastn-p2p\"}\nnonsense\n".into(),
        format!("{{\"Generic\":\"fastn-p2p\"}}\n{{\"protocol\":\"{}\",\"data\":1}}\n", "p".repeat(257)),
        "{\"Generic\":\"Echo\"}\nnot json\n".into(),
    ] {
        let (_send, mut recv) = say(&connection, &words).await;
        let end = loop {
            match recv.read_chunk(10).await {
                Ok(Some(ack)) => assert!("ack\n".as_bytes().ends_with(&ack)),
                other => break other,
            }
        };
        assert_eq!(end, Err(ReadError::Reset(PROTOCOL)), "{}", &words[..40]);
    }
    let _stream = say(&connection, "{\"Generic\":\"fastn-p2p\"}\n{\"protocol\":\"p\",\"data\":1}\n").await;
    assert_eq!(there.accept().await.unwrap().protocol, "p");
}

#[tokio::test]
async fn a_flood_of_streams_has_to_wait() {
    let server = node(1, json!({"max_streams_per_peer": 4}), admit_all()).await;
    let (_caller, connection) = caller(2, &server, 1).await;
    greet(&connection).await;
    let there = server.accept().await.unwrap();
    // The stream of the handshake may still count as open, so these opens may wait for a moment.
    let mut streams = Vec::new();
    for number in 0..4 {
        let words = format!("{{\"Generic\":\"fastn-p2p\"}}\n{{\"protocol\":\"p\",\"data\":{number}}}\n");
        streams.push(say(&connection, &words).await);
    }
    let first = there.accept().await.unwrap();
    let mut fifth = pin!(connection.open_bi());
    assert!(fifth.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    answer(first, "done").await;
    for (send, recv) in &mut streams {
        send.finish().unwrap();
        if recv.read_to_end(100).await.is_ok() {
            break;
        }
    }
    fifth.await.unwrap();
}

#[tokio::test]
async fn an_answer_that_nobody_wants_any_more_is_not_sent_to_its_end() {
    let server = node(1, json!({}), admit_all()).await;
    let (_caller, connection) = caller(2, &server, 1).await;
    greet(&connection).await;
    let there = server.accept().await.unwrap();
    let (mut send, mut recv) = say(&connection, "{\"Generic\":\"fastn-p2p\"}\n").await;
    hear(&mut recv, "ack\n").await;
    send.write_all(b"{\"data\":1,\"protocol\":\"audio.list\"}\n").await.unwrap();
    let mut incoming = there.accept().await.unwrap();
    // Most of these bytes are still unsent when the caller stops the stream.
    incoming.stream.send.send(vec![0; 1 << 20].into()).await.unwrap();
    incoming.stream.send.finish().unwrap();
    drop(incoming);
    recv.stop(VarInt::from_u32(0)).unwrap();
    let reset = || connection.stats().frame_rx.reset_stream;
    for _ in 0..1000 {
        if reset() > 0 {
            break;
        }
        let (_send, mut recv) = say(&connection, "\"Ping\"\n").await;
        hear(&mut recv, "ack\npong\n").await;
    }
    assert_eq!(reset(), 1);
}

#[tokio::test]
async fn a_request_beside_250_silent_streams_is_answered() {
    for silent in ["", "{\"Generic\":\"fastn-p2p\"}\n"] {
        let server = node(1, json!({}), admit_all()).await;
        let (_caller, connection) = caller(2, &server, 1).await;
        greet(&connection).await;
        let there = server.accept().await.unwrap();
        let mut streams = Vec::new();
        for _ in 0..250 {
            streams.push(say(&connection, silent).await);
        }
        let request = "{\"Generic\":\"fastn-p2p\"}\n{\"data\":{},\"protocol\":\"audio.list\"}\n";
        let (_send, mut recv) = say(&connection, request).await;
        // Within the time of a handshake.
        let incoming = timeout(Duration::from_secs(5), there.accept()).await.unwrap().unwrap();
        answer(incoming, "and back").await;
        assert_eq!(rest(&mut recv).await, "ack\nand back");
    }
}
