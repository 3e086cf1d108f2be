//! Limits on the memory that one peer can make another hold.

use std::{
    pin::pin,
    task::{Context, Waker},
};

use bytes::Bytes;
use media_plugin_conformance::transport::{Outcome, Subject, admit_all};
use media_plugin_sdk::transport::{TransportError, refuse_all};
use transport_memory::MemoryTransport;

fn subject() -> Subject {
    Subject::new(MemoryTransport, "")
}

/// Polls a future once.
fn is_pending(future: impl Future) -> bool {
    pin!(future).poll(&mut Context::from_waker(Waker::noop())).is_pending()
}

#[tokio::test]
async fn a_node_with_256_peers_to_accept_is_full() -> Outcome {
    let server = subject().bind(admit_all()).await?;
    let client = subject().bind(refuse_all()).await?;
    let address = server.address();
    let mut connections = Vec::new();
    for _ in 0..256 {
        connections.push(client.connect(&address, None).await?);
    }
    let refused = client.connect(&address, None).await.err();
    assert_eq!(refused, Some(TransportError::Full { retry_after: TransportError::FULL_RETRY }));
    server.accept().await.ok_or("no peer came")?;
    client.connect(&address, None).await?;
    Ok(())
}

#[tokio::test]
async fn opening_waits_while_256_streams_are_not_accepted() -> Outcome {
    let pair = subject().pair().await?;
    let mut streams = Vec::new();
    for _ in 0..256 {
        streams.push(pair.here.open("test.sink", "null").await?);
    }
    assert!(is_pending(pair.here.open("test.sink", "null")));
    pair.there.accept().await.ok_or("no stream came")?;
    pair.here.open("test.sink", "null").await?;
    Ok(())
}

#[tokio::test]
async fn sending_waits_while_a_mebibyte_is_unread() -> Outcome {
    const PIECE: usize = 64 * 1024;
    let pair = subject().pair().await?;
    let mut stream = pair.here.open("test.sink", "null").await?;
    let mut incoming = pair.there.accept().await.ok_or("no stream came")?;
    stream.send.send(Bytes::from(vec![0; 16 * PIECE])).await?;
    assert!(is_pending(stream.send.send(Bytes::from_static(b"more"))));
    assert_eq!(incoming.stream.recv.recv(usize::MAX).await?.map(|piece| piece.len()), Some(PIECE));
    stream.send.send(Bytes::from_static(b"more")).await?;
    Ok(())
}
