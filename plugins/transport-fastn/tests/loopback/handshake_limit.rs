//! Peers that connect and never shake hands do not keep others out.

use std::sync::Arc;

use iroh::{
    Endpoint as Iroh,
    endpoint::{Connection as IrohConnection, VarInt},
};
use media_plugin_sdk::transport::{Endpoint, refuse_all};
use serde_json::json;
use tokio::net::UdpSocket;

use crate::common::{
    ALPN, HANDSHAKE, admit_all, bare, close_of, hear, hello, node, rest, say, socket, target,
};

const REFUSED: VarInt = VarInt::from_u32(1);
/// Limit of handshakes at once.
const MAX_HANDSHAKES: usize = 64;

/// Binds a node whose handshake timeout is longer than any test.
async fn patient_node() -> Arc<dyn Endpoint> {
    node(1, json!({"connect_timeout_ms": 600_000}), admit_all()).await
}

/// Makes connections that open no stream.
async fn silent(caller: &Iroh, server: &Arc<dyn Endpoint>, count: usize) -> Vec<IrohConnection> {
    let mut connections = Vec::new();
    for _ in 0..count {
        connections.push(caller.connect(target(1, socket(server)), ALPN).await.unwrap());
    }
    connections
}

#[tokio::test]
async fn silent_connections_do_not_shut_the_door() {
    let server = patient_node().await;
    let caller = bare(2, &[]).await;
    let silent = silent(&caller, &server, MAX_HANDSHAKES).await;
    assert!(
        silent.iter().all(|connection| connection.close_reason().is_none()),
        "no other peer needs a slot"
    );
    let client = node(3, json!({}), refuse_all()).await;
    assert_eq!(client.connect(&server.address(), None).await.err(), None);
    assert_eq!(close_of(silent[0].closed().await), (REFUSED, "server_full".into()));
    assert!(silent[1].close_reason().is_none());
}

/// Only Linux has a second loopback address without configuration.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn one_address_takes_no_place_of_another() {
    let server = patient_node().await;
    let slow = crate::common::bare_at("127.0.0.2:0", 3, &[]).await;
    let slow = slow.connect(target(1, socket(&server)), ALPN).await.unwrap();
    let (mut send, mut recv) = say(&slow, HANDSHAKE).await;
    hear(&mut recv, "ack\n").await;
    let caller = bare(2, &[]).await;
    let silent = silent(&caller, &server, MAX_HANDSHAKES + 8).await;
    send.write_all(hello(&["audio.list"], None).as_bytes()).await.unwrap();
    assert!(rest(&mut recv).await.starts_with(r#"{"status":"success""#));
    for gone in &silent[..9] {
        assert_eq!(close_of(gone.closed().await), (REFUSED, "server_full".into()));
    }
    assert!(silent[9].close_reason().is_none());
}

#[tokio::test]
async fn in_a_crowd_an_address_has_to_be_proven() {
    let server = patient_node().await;
    // This socket receives the first packet of a stranger's connection attempt.
    let interceptor = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let stranger = bare(3, &[]).await;
    let to = target(1, interceptor.local_addr().unwrap());
    let dialling = tokio::spawn(async move { stranger.connect(to, ALPN).await.is_ok() });
    let mut packet = [0; 2048];
    let length = interceptor.recv(&mut packet).await.unwrap();
    dialling.abort();

    let caller = bare(2, &[]).await;
    let _silent = silent(&caller, &server, MAX_HANDSHAKES / 2).await;
    let elsewhere = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    elsewhere.send_to(&packet[..length], socket(&server)).await.unwrap();
    let mut answer = [0; 2048];
    elsewhere.recv(&mut answer).await.unwrap();
    // The answer has a long header of QUIC 1 with the type `Retry` (RFC 9000, section 17.2.5).
    assert_eq!(answer[0] & 0xF0, 0xF0);
    assert_eq!(answer[1..5], 1_u32.to_be_bytes());
}
