//! A node that answers as a test says, for the real program as its client.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use media_node::plugins;
use media_plugin_sdk::transport::{Admission, Connection, Incoming, SendStream, TransportError};
use media_protocol::{
    Answer, ChunkIndex, ChunkRequest, Info, ListPage, Protocol, Rendition, Route, Ticket, Track, TrackSource,
    chunk::ChunkWriter, chunk_count, frames_per_chunk,
};
use tokio::runtime::Runtime;

use crate::rig::bind;

const RATE: u32 = 44_100;
/// Frames of a packet, which has 4 bytes for each.
const PACKET: u32 = 882;

/// An answer to a request.
pub(crate) enum Reply {
    /// These bytes, and the stream's end.
    Bytes(Vec<u8>),
    /// These bytes, and then these again and again.
    Endless(Vec<u8>, Vec<u8>),
}

/// A node with a thread of its own. It stops when dropped.
pub(crate) struct HostileNode {
    pub(crate) ticket: String,
    requests: Arc<Mutex<Vec<Protocol>>>,
    _runtime: Runtime,
}

impl HostileNode {
    /// Starts a node on the loopback interface that admits everybody.
    pub(crate) fn start(reply: impl Fn(Protocol, &str) -> Reply + Send + Sync + 'static) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&requests);
        let reply = Arc::new(move |protocol, data: &str| {
            noted.lock().unwrap().push(protocol);
            reply(protocol, data)
        });
        let address = runtime.block_on(async {
            let options = r#"{"relay": "off", "mdns": false, "bind": ["127.0.0.1:0"]}"#;
            let bind = media_plugin_sdk::transport::BindOptions {
                options: options.into(),
                ..bind(Arc::new(|_: &str, _: Option<&str>| Ok(Admission::default())))
            };
            let transport = plugins::registry().transport("fastn").unwrap();
            let endpoint = transport.bind(&bind).await.unwrap();
            let address = endpoint.address();
            tokio::spawn(async move {
                while let Some(connection) = endpoint.accept().await {
                    tokio::spawn(serve(connection, Arc::clone(&reply)));
                }
            });
            address
        });
        let route = Route { transport: "fastn".into(), peer: address.id, addresses: address.addresses };
        let ticket = Ticket { routes: vec![route], capability: [1; 32] }.to_string();
        Self { ticket, requests, _runtime: runtime }
    }

    /// Number of requests of a protocol.
    pub(crate) fn requests(&self, protocol: Protocol) -> usize {
        self.requests.lock().unwrap().iter().filter(|request| **request == protocol).count()
    }
}

async fn serve(
    connection: Arc<dyn Connection>,
    reply: Arc<impl Fn(Protocol, &str) -> Reply + Send + Sync + 'static>,
) {
    while let Some(Incoming { protocol, data, mut stream }) = connection.accept().await {
        let reply = Arc::clone(&reply);
        tokio::spawn(async move {
            let reply = reply(protocol.parse().unwrap(), &data);
            // The client may stop reading at any time.
            let _ = send(stream.send.as_mut(), reply).await;
        });
    }
}

async fn send(stream: &mut dyn SendStream, reply: Reply) -> Result<(), TransportError> {
    match reply {
        Reply::Bytes(bytes) => stream.send(bytes.into()).await?,
        Reply::Endless(first, again) => {
            stream.send(first.into()).await?;
            let again = Bytes::from(again);
            loop {
                stream.send(again.clone()).await?;
            }
        }
    }
    stream.finish()
}

/// An answer in JSON.
pub(crate) fn json<T: serde::Serialize>(answer: T) -> Reply {
    let mut bytes = serde_json::to_vec(&Answer::Ok(answer)).unwrap();
    bytes.push(b'\n');
    Reply::Bytes(bytes)
}

/// A page with these titles, as tracks from number `first` on, of a library of `total`.
pub(crate) fn page(total: u32, first: u32, titles: &[String]) -> ListPage {
    let tracks = titles.iter().zip(first..).map(|(title, number)| track(number, title)).collect();
    ListPage { total, tracks, scanning: None }
}

/// A track of 6 s of CD audio.
pub(crate) fn track(number: u32, title: &str) -> Track {
    Track {
        id: format!("t{number}").parse().unwrap(),
        number,
        title: title.into(),
        artist: String::new(),
        album: String::new(),
        duration_ms: 6000,
        away: false,
        source: TrackSource { codec: "wav".into(), rate: RATE, channels: 2, bits: Some(16) },
        detail: None,
    }
}

/// The track with a rendition in PCM, and another one in mono.
pub(crate) fn info(track: Track) -> Info {
    let rendition = |channels: u16| Rendition {
        id: format!("{}.pcm.{RATE}.{channels}.s16", track.id).parse().unwrap(),
        bitrate: RATE * 16 * u32::from(channels),
        lossless: true,
        config: b"s16".to_vec(),
        frames: u64::from(RATE) * 6,
        chunks: chunk_count(u64::from(RATE) * 6, RATE).unwrap(),
        frames_per_chunk: frames_per_chunk(RATE),
        packet_frames: PACKET,
        lead_in: 0,
        crossfade: 0,
        continuous: false,
        joinable: false,
    };
    let (rendition, other) = (rendition(2), rendition(1));
    Info { rendition, alternatives: vec![other], reason: "the first one".into(), track }
}

/// The bytes of a requested chunk of silence.
pub(crate) fn chunk(request: &ChunkRequest) -> Vec<u8> {
    let ChunkIndex(index) = request.index;
    let frames = RATE * 3;
    let mut writer = ChunkWriter::new(request.index, frames, index == 1);
    let packet = vec![0; PACKET as usize * 2 * usize::from(request.rendition.channels)];
    (0..frames / PACKET).for_each(|_| writer.packet(&packet).unwrap());
    writer.finish().to_vec()
}
