//! A listener that receives chunks and plays nothing.

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

use bytes::Bytes;
use media_node::{client::NodeLink, plugins};
use media_plugin_host::Registry;
use media_plugin_sdk::transport::{BindOptions, Connection, Endpoint, PeerAddress, RecvStream, refuse_all};
use media_protocol::{
    Answer, ChunkIndex, ChunkRequest, CodecOffer, GetInfo, Info, List, ListPage, Rendition, Ticket, Track,
};
use serde::de::DeserializeOwned;
use tokio::task::JoinSet;

/// Most bytes that are read from a stream at once, as in `client::fetch`.
const READ: usize = 64 * 1024;

/// A connection to the node of a ticket.
pub(crate) struct Listener {
    pub(crate) registry: Arc<Registry>,
    endpoint: Arc<dyn Endpoint>,
    connection: Arc<dyn Connection>,
}

/// An endpoint on this machine alone, with a key that is unique in this process.
async fn bind(registry: &Registry) -> Arc<dyn Endpoint> {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    let bind = BindOptions {
        secret_key: [NEXT.fetch_add(1, Ordering::Relaxed); 32],
        options: r#"{"bind":["127.0.0.1:0"],"relay":"off","mdns":false}"#.into(),
        name: "bench".into(),
        version: String::new(),
        protocols: Vec::new(),
        admit: refuse_all(),
    };
    registry.transport("fastn").unwrap().bind(&bind).await.unwrap()
}

fn address(ticket: &Ticket) -> PeerAddress {
    PeerAddress { id: ticket.routes[0].peer.clone(), addresses: ticket.routes[0].addresses.clone() }
}

/// Creates a connection to the node for a player.
pub(crate) async fn node_link(registry: &Registry, ticket: &str) -> Arc<NodeLink> {
    let ticket: Ticket = ticket.parse().unwrap();
    Arc::new(NodeLink::new(bind(registry).await, address(&ticket), Some(ticket.token())))
}

impl Listener {
    pub(crate) async fn connect(ticket: &str) -> Self {
        let ticket: Ticket = ticket.parse().unwrap();
        let registry = plugins::registry();
        let endpoint = bind(&registry).await;
        let connection = endpoint.connect(&address(&ticket), Some(&ticket.token())).await.unwrap();
        Self { registry, endpoint, connection }
    }

    pub(crate) async fn close(self) {
        self.connection.close("done");
        self.endpoint.close().await;
    }

    async fn ask<T: DeserializeOwned>(&self, protocol: &str, json: String) -> T {
        let mut stream = self.connection.open(protocol, &json).await.unwrap();
        let mut answer = Vec::new();
        while let Some(bytes) = stream.recv.recv(READ).await.unwrap() {
            answer.extend_from_slice(&bytes);
        }
        let answer: Answer<T> = serde_json::from_slice(&answer).unwrap();
        Result::from(answer).unwrap()
    }

    /// The first page of the node's tracks.
    pub(crate) async fn tracks(&self) -> Vec<Track> {
        let list = List { offset: 0, limit: List::MAX, search: String::new(), detail: false };
        self.ask::<ListPage>("audio.list", serde_json::to_string(&list).unwrap()).await.tracks
    }

    /// Returns a track's rendition in a codec, at a bitrate for lossy ones.
    pub(crate) async fn rendition(&self, track: &Track, codec: &str) -> Rendition {
        let request = GetInfo {
            track: track.id.clone(),
            codecs: vec![CodecOffer { id: codec.into(), bitrate: Some(96_000).filter(|_| codec == "opus") }],
            output: Default::default(),
            path: Default::default(),
            then_chunk_at: None,
            report_loss: false,
        };
        self.ask::<Info>("audio.get_info", serde_json::to_string(&request).unwrap()).await.rendition
    }

    /// Fetches chunks, a number of them at a time. Returns the bytes received.
    pub(crate) async fn fetch(
        &self,
        chunks: impl IntoIterator<Item = (Rendition, u32)>,
        at_once: usize,
    ) -> usize {
        let (mut under_way, mut bytes) = (JoinSet::new(), 0);
        for (rendition, index) in chunks {
            if under_way.len() >= at_once {
                bytes += under_way.join_next().await.unwrap().unwrap();
            }
            under_way.spawn(chunk(Arc::clone(&self.connection), rendition, index));
        }
        while let Some(done) = under_way.join_next().await {
            bytes += done.unwrap();
        }
        bytes
    }
}

/// Fetches every chunk of a rendition.
pub(crate) fn whole(rendition: &Rendition) -> impl Iterator<Item = (Rendition, u32)> + use<> {
    let rendition = rendition.clone();
    (0..rendition.chunks).map(move |index| (rendition.clone(), index))
}

async fn chunk(connection: Arc<dyn Connection>, rendition: Rendition, index: u32) -> usize {
    let request = ChunkRequest { rendition: rendition.id, index: ChunkIndex(index) };
    let json = serde_json::to_string(&request).unwrap();
    let mut stream = connection.open("audio.request_chunk", &json).await.unwrap();
    let _ = stream.send.finish();
    drain(stream.recv.as_mut()).await
}

async fn drain(stream: &mut dyn RecvStream) -> usize {
    let mut size = 0;
    while let Some(bytes) = stream.recv(READ).await.unwrap() {
        size += std::hint::black_box::<Bytes>(bytes).len();
    }
    assert!(size > 100, "a chunk was refused");
    size
}
