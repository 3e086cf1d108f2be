//! A node under test, and a bare iroh endpoint as its peer.

use std::{net::SocketAddr, sync::Arc};

use bytes::Bytes;
use iroh::{
    Endpoint as Iroh, EndpointAddr, SecretKey,
    endpoint::{Connection as IrohConnection, ConnectionError, RecvStream, SendStream, VarInt, presets},
};
use media_plugin_sdk::transport::{
    Admission, Admit, BindOptions, Connection, Endpoint, Incoming, Result, Transport,
};
use serde_json::{Value, json};
use transport_fastn::FastnTransport;

pub(crate) const ALPN: &[u8] = b"/fastn/entity/0.1";

pub(crate) fn key(seed: u8) -> [u8; 32] {
    [seed; 32]
}

pub(crate) fn admit_all() -> Admit {
    Arc::new(|_, _| Ok(Admission::default()))
}

/// Binds a node on loopback. `more` overrides its options.
pub(crate) async fn try_node(seed: u8, more: Value, admit: Admit) -> Result<Arc<dyn Endpoint>> {
    let mut options =
        json!({"bind": ["127.0.0.1:0"], "relay": "off", "mdns": false, "connect_timeout_ms": 5000});
    for (key, value) in more.as_object().unwrap() {
        options[key] = value.clone();
    }
    let bind = BindOptions {
        secret_key: key(seed),
        options: options.to_string(),
        name: "test node".into(),
        version: "1".into(),
        protocols: vec!["audio.list".into(), "audio.get_info".into()],
        admit,
    };
    FastnTransport.bind(&bind).await
}

pub(crate) async fn node(seed: u8, more: Value, admit: Admit) -> Arc<dyn Endpoint> {
    try_node(seed, more, admit).await.unwrap()
}

pub(crate) async fn connected(
    client: &Arc<dyn Endpoint>,
    server: &Arc<dyn Endpoint>,
) -> (Arc<dyn Connection>, Arc<dyn Connection>) {
    let address = server.address();
    let (here, there) = tokio::join!(client.connect(&address, None), server.accept());
    (here.unwrap(), there.unwrap())
}

/// Connects a bare iroh endpoint to a node, without a handshake.
pub(crate) async fn caller(seed: u8, server: &Arc<dyn Endpoint>, server_seed: u8) -> (Iroh, IrohConnection) {
    let caller = bare(seed, &[]).await;
    let connection = caller.connect(target(server_seed, socket(server)), ALPN).await.unwrap();
    (caller, connection)
}

/// Returns the socket address of a node.
pub(crate) fn socket(node: &Arc<dyn Endpoint>) -> SocketAddr {
    node.address().addresses[0].parse().unwrap()
}

/// Returns the address of the node with the key of `seed`.
pub(crate) fn target(seed: u8, socket: SocketAddr) -> EndpointAddr {
    EndpointAddr::new(SecretKey::from_bytes(&key(seed)).public()).with_ip_addr(socket)
}

pub(crate) async fn bare(seed: u8, alpns: &[&[u8]]) -> Iroh {
    bare_at("127.0.0.1:0", seed, alpns).await
}

pub(crate) async fn bare_at(address: &str, seed: u8, alpns: &[&[u8]]) -> Iroh {
    Iroh::builder(presets::Minimal)
        .clear_ip_transports()
        .bind_addr(address)
        .unwrap()
        .secret_key(SecretKey::from_bytes(&key(seed)))
        .alpns(alpns.iter().map(|alpn| alpn.to_vec()).collect())
        .bind()
        .await
        .unwrap()
}

/// Opens a stream and writes `text`.
pub(crate) async fn say(connection: &IrohConnection, text: &str) -> (SendStream, RecvStream) {
    let (mut send, recv) = connection.open_bi().await.unwrap();
    send.write_all(text.as_bytes()).await.unwrap();
    (send, recv)
}

/// Expects these bytes next.
pub(crate) async fn hear(recv: &mut RecvStream, expected: &str) {
    let mut bytes = vec![0; expected.len()];
    recv.read_exact(&mut bytes).await.unwrap();
    assert_eq!(String::from_utf8(bytes).unwrap(), expected);
}

/// Reads the stream to its end.
pub(crate) async fn rest(recv: &mut RecvStream) -> String {
    String::from_utf8(recv.read_to_end(1 << 20).await.unwrap()).unwrap()
}

pub(crate) const HANDSHAKE: &str = "{\"Generic\":\"fastn-p2p-handshake-v1\"}\n";

pub(crate) fn hello(protocols: &[&str], token: Option<&str>) -> String {
    let hello = json!({
        "client_name": "raw", "client_version": "0", "supported_protocols": protocols, "auth_token": token,
    });
    format!("{hello}\n")
}

/// Shakes hands as a bare endpoint.
pub(crate) async fn greet(connection: &IrohConnection) {
    let (mut send, mut recv) = say(connection, HANDSHAKE).await;
    hear(&mut recv, "ack\n").await;
    send.write_all(hello(&["audio.list"], None).as_bytes()).await.unwrap();
    assert!(rest(&mut recv).await.starts_with(r#"{"status":"success""#));
    send.finish().unwrap();
}

/// Returns code and reason of the peer's close.
pub(crate) fn close_of(error: ConnectionError) -> (VarInt, String) {
    match error {
        ConnectionError::ApplicationClosed(close) => {
            (close.error_code, String::from_utf8(close.reason.to_vec()).unwrap())
        }
        other => panic!("{other}"),
    }
}

/// Sends a response and finishes, as a handler of requests does.
pub(crate) async fn answer(incoming: Incoming, text: &'static str) {
    let mut stream = incoming.stream;
    stream.send.send(Bytes::from_static(text.as_bytes())).await.unwrap();
    stream.send.finish().unwrap();
}
