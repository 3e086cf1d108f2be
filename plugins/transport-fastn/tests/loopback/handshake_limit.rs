//! Who comes in, and says nothing: how it stands in nobody's way.

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
/// As many as are in their handshake at once.
const PLACES: usize = 64;

/// A node that waits for a handshake for longer than any test takes.
async fn patient() -> Arc<dyn Endpoint> {
    node(1, json!({"connect_timeout_ms": 600_000}), admit_all()).await
}

/// Connections that open no stream.
async fn silent(caller: &Iroh, server: &Arc<dyn Endpoint>, many: usize) -> Vec<IrohConnection> {
    let mut connections = Vec::new();
    for _ in 0..many {
        connections.push(caller.connect(target(1, socket(server)), ALPN).await.unwrap());
    }
    connections
}

#[tokio::test]
async fn silent_connections_do_not_shut_the_door() {
    let server = patient().await;
    let caller = bare(2, &[]).await;
    let silent = silent(&caller, &server, PLACES).await;
    assert!(silent.iter().all(|it| it.close_reason().is_none()), "nobody else wants their places");
    let client = node(3, json!({}), refuse_all()).await;
    assert_eq!(client.connect(&server.address(), None).await.err(), None);
    assert_eq!(close_of(silent[0].closed().await), (REFUSED, "server_full".into()));
    assert!(silent[1].close_reason().is_none());
}

/// Only Linux has a second address of its own without being told.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn one_address_takes_no_place_of_another() {
    let server = patient().await;
    let slow = crate::common::bare_at("127.0.0.2:0", 3, &[]).await;
    let slow = slow.connect(target(1, socket(&server)), ALPN).await.unwrap();
    let (mut send, mut recv) = say(&slow, HANDSHAKE).await;
    hear(&mut recv, "ack\n").await;
    let caller = bare(2, &[]).await;
    let silent = silent(&caller, &server, PLACES + 8).await;
    send.write_all(hello(&["audio.list"], None).as_bytes()).await.unwrap();
    assert!(rest(&mut recv).await.starts_with(r#"{"status":"success""#));
    for gone in &silent[..9] {
        assert_eq!(close_of(gone.closed().await), (REFUSED, "server_full".into()));
    }
    assert!(silent[9].close_reason().is_none());
}

#[tokio::test]
async fn in_a_crowd_an_address_has_to_be_proven() {
    let server = patient().await;
    // What somebody sends first, taken off its way.
    let between = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let stranger = bare(3, &[]).await;
    let to = target(1, between.local_addr().unwrap());
    let calling = tokio::spawn(async move { stranger.connect(to, ALPN).await.is_ok() });
    let mut first = [0; 2048];
    let length = between.recv(&mut first).await.unwrap();
    calling.abort();

    let caller = bare(2, &[]).await;
    let _silent = silent(&caller, &server, PLACES / 2).await;
    let elsewhere = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    elsewhere.send_to(&first[..length], socket(&server)).await.unwrap();
    let mut answer = [0; 2048];
    elsewhere.recv(&mut answer).await.unwrap();
    // A long header of QUIC 1 with the type `Retry` (RFC 9000, section 17.2.5).
    assert_eq!(answer[0] & 0xF0, 0xF0);
    assert_eq!(answer[1..5], 1_u32.to_be_bytes());
}
