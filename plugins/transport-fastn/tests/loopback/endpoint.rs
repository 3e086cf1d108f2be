//! Dialling, the connection pool, limits and errors between two nodes on loopback.

use std::{
    pin::pin,
    sync::Arc,
    task::{Context, Waker},
};

use media_plugin_sdk::transport::{PathKind, PeerAddress, Transport, TransportError, refuse_all};
use serde_json::json;
use transport_fastn::FastnTransport;

use crate::common::{ALPN, admit_all, answer, bare, connected, node, try_node};

#[tokio::test(flavor = "multi_thread")]
async fn a_live_connection_is_handed_out_again() {
    let server = node(1, json!({}), admit_all()).await;
    let client = node(2, json!({}), refuse_all()).await;
    let address = server.address();
    let (one, two) = tokio::join!(client.connect(&address, Some("t")), client.connect(&address, Some("t")));
    let one = one.unwrap();
    let two = two.unwrap();
    assert!(Arc::ptr_eq(&one, &two), "two callers share one dial");
    let other = client.connect(&address, None).await.unwrap();
    assert!(!Arc::ptr_eq(&one, &other), "another token needs another handshake");
    one.close("done");
    let again = client.connect(&address, Some("t")).await.unwrap();
    assert!(!Arc::ptr_eq(&one, &again), "a closed connection is not pooled");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fresh_one_is_another_and_leaves_the_first_alone() {
    let server = node(1, json!({}), admit_all()).await;
    let client = node(2, json!({}), refuse_all()).await;
    let address = server.address();
    let first = client.connect(&address, None).await.unwrap();
    let fresh = client.connect_new(&address, None).await.unwrap();
    assert!(!Arc::ptr_eq(&first, &fresh));
    first.ping().await.unwrap();
    fresh.ping().await.unwrap();
    fresh.probe().await.unwrap();
    let pooled = client.connect(&address, None).await.unwrap();
    assert!(Arc::ptr_eq(&fresh, &pooled), "the new connection replaces the pooled one");
    first.close("done");
    assert!(matches!(first.ping().await, Err(TransportError::Closed(_))));
    fresh.ping().await.unwrap();
}

#[tokio::test]
async fn a_node_is_full_until_somebody_leaves() {
    let server = node(1, json!({"max_peers": 1}), admit_all()).await;
    let first = node(2, json!({}), refuse_all()).await;
    let second = node(3, json!({}), refuse_all()).await;
    let (here, there) = connected(&first, &server).await;
    let address = server.address();
    let refused = second.connect(&address, None).await.err();
    assert_eq!(refused, Some(TransportError::Full { retry_after: TransportError::FULL_RETRY }));
    here.close("leaving");
    there.closed().await;
    drop(there);
    connected(&second, &server).await;
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let taken = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let refused = try_node(1, json!({"bind": [address]}), refuse_all()).await.err();
    assert!(matches!(&refused, Some(TransportError::Bind(why)) if why.contains(&address)), "{refused:?}");
}

#[tokio::test]
async fn an_unreachable_peer_is_named_with_what_was_tried() {
    let client = node(2, json!({"connect_timeout_ms": 300}), refuse_all()).await;
    let id = FastnTransport.identity(&[9; 32]);
    // A socket that never answers.
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    for (addresses, tried) in
        [(vec![address.clone(), "memory".into()], address.as_str()), (vec![], "identity alone")]
    {
        let peer = PeerAddress { id: id.clone(), addresses };
        let refused = client.connect(&peer, None).await.err();
        let Some(TransportError::Unreachable(why)) = &refused else { panic!("{refused:?}") };
        assert!(why.contains(&id) && why.contains(tried), "{why}");
    }
    let myself = client.connect(&client.address(), None).await.err();
    assert!(
        matches!(&myself, Some(TransportError::Unreachable(why)) if why.contains("own identity")),
        "{myself:?}"
    );
    let peer = PeerAddress { id: "nobody".into(), addresses: vec![] };
    assert!(matches!(client.connect(&peer, None).await.err(), Some(TransportError::BadArgument(_))));
}

#[tokio::test]
async fn another_node_at_the_address_is_told_apart() {
    let server = node(1, json!({}), admit_all()).await;
    let client = node(2, json!({}), refuse_all()).await;
    let peer = PeerAddress { id: FastnTransport.identity(&[9; 32]), ..server.address() };
    let refused = client.connect(&peer, None).await.err();
    assert!(
        matches!(&refused, Some(TransportError::Unreachable(why)) if why.contains("another node answers there")),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_node_without_our_protocol_is_told_apart() {
    let stranger = bare(7, &[b"chess"]).await;
    let addresses = stranger.bound_sockets().iter().map(ToString::to_string).collect();
    let accepting = tokio::spawn(async move { stranger.accept().await.unwrap().await.err() });
    let client = node(2, json!({}), refuse_all()).await;
    let peer = PeerAddress { id: FastnTransport.identity(&[7; 32]), addresses };
    let refused = client.connect(&peer, None).await.err();
    assert!(
        matches!(&refused, Some(TransportError::Protocol(why)) if why.contains("not a fastn node")),
        "{refused:?}"
    );
    accepting.await.unwrap();
}

#[tokio::test]
async fn a_silent_server_does_not_hold_the_client() {
    let stranger = bare(7, &[ALPN]).await;
    let addresses = stranger.bound_sockets().iter().map(ToString::to_string).collect();
    // Accepts the connection and never shakes hands.
    let holding = tokio::spawn(async move { stranger.accept().await.unwrap().await.unwrap().closed().await });
    let client = node(2, json!({"connect_timeout_ms": 300}), refuse_all()).await;
    let peer = PeerAddress { id: FastnTransport.identity(&[7; 32]), addresses };
    let refused = client.connect(&peer, None).await.err();
    assert!(matches!(refused, Some(TransportError::Unreachable(_))), "{refused:?}");
    // The client closes the connection after its timeout.
    holding.await.unwrap();
}

#[tokio::test]
async fn a_ping_opens_no_stream_and_any_peer_answers_it() {
    let stranger = bare(7, &[ALPN]).await;
    let addresses = stranger.bound_sockets().iter().map(ToString::to_string).collect();
    let greeting = tokio::spawn(async move {
        let connection = stranger.accept().await.unwrap().await.unwrap();
        let (mut send, _recv) = connection.accept_bi().await.unwrap();
        let welcome =
            r#"{"status":"success","server_name":"s","server_version":"1","accepted_protocols":[]}"#;
        send.write_all(format!("ack\n{welcome}\n").as_bytes()).await.unwrap();
        (stranger, connection)
    });
    let client = node(2, json!({}), refuse_all()).await;
    let peer = PeerAddress { id: FastnTransport.identity(&[7; 32]), addresses };
    let here = client.connect(&peer, None).await.unwrap();
    let (_stranger, there) = greeting.await.unwrap();
    let max_data_frames = || there.stats().frame_rx.max_data;
    let before = max_data_frames();
    // A packet in flight also answers a ping, so the first pings may return before the peer counts them.
    for _ in 0..100 {
        here.ping().await.unwrap();
        if max_data_frames() >= before + 3 {
            break;
        }
    }
    assert!(max_data_frames() >= before + 3);
    let mut stream = pin!(there.accept_bi());
    assert!(stream.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    there.close(0_u32.into(), b"");
    assert!(matches!(here.ping().await, Err(TransportError::Closed(_))));
    assert!(matches!(here.probe().await, Err(TransportError::Closed(_))));
}

#[tokio::test]
async fn the_path_is_loopback_and_measured() {
    let server = node(1, json!({}), admit_all()).await;
    let client = node(2, json!({}), refuse_all()).await;
    let (here, there) = connected(&client, &server).await;
    for (connection, other) in [(&here, &server), (&there, &client)] {
        let path = connection.path();
        assert_eq!((path.kind, &path.remote), (PathKind::Loopback, &other.address().addresses[0]));
        assert!(path.rtt.is_some_and(|rtt| !rtt.is_zero()));
        assert_eq!(path.loss, Some(0.0));
    }
}

#[tokio::test]
async fn a_relay_out_of_reach_delays_nothing() {
    let relay = json!({"relay": ["http://127.0.0.1:9"]});
    let server = node(1, relay.clone(), admit_all()).await;
    let client = node(2, relay, refuse_all()).await;
    let (here, there) = connected(&client, &server).await;
    assert_eq!(here.path().kind, PathKind::Loopback);
    let mut stream = here.open("p", "null").await.unwrap();
    let incoming = there.accept().await.unwrap();
    answer(incoming, "here").await;
    assert_eq!(stream.recv.recv(10).await.unwrap().unwrap(), "here");
}

#[tokio::test]
async fn the_token_reaches_the_server_and_no_message() {
    let server = node(1, json!({}), Arc::new(|_, _| Err("invalid_token".into()))).await;
    let client = node(2, json!({}), refuse_all()).await;
    let refused = client.connect(&server.address(), Some("s3cret")).await.err().unwrap();
    assert!(!refused.to_string().contains("s3cret"));
    // The error of a line that is too long names its length, not its content.
    let long = "s3cret".repeat(20_000);
    let refused = client.connect(&server.address(), Some(&long)).await.err().unwrap();
    assert!(matches!(&refused, TransportError::Protocol(why) if !why.contains("s3cret")), "{refused}");
}
