//! A server with files, and clients that send plain requests.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use media_node::library::Catalog;
use media_node::server::{Access, Server, ServerConfig};
use media_plugin_host::Registry;
use media_plugin_sdk::{
    AudioFormat,
    transport::{BindOptions, Connection, Endpoint, PeerAddress, RecvStream, TransportError, refuse_all},
};
use media_protocol::{
    Answer, ChunkIndex, ChunkRequest, CodecOffer, ErrorCode, GetInfo, Info, List, ListPage, Rendition, Track,
    WireError,
    chunk::{ChunkError, ChunkEvent, ChunkReader},
};
use serde::{Serialize, de::DeserializeOwned};
use tempfile::TempDir;

use crate::fixtures::{self, Kind};

/// A folder with sound files. It exists while a clone of this exists.
#[derive(Clone)]
pub(crate) struct Music(Arc<TempDir>);

impl Music {
    pub(crate) fn new() -> Self {
        Self(Arc::new(tempfile::tempdir().unwrap()))
    }

    /// Creates a folder with one track of `seconds` seconds.
    pub(crate) fn of(kind: Kind, rate: u32, channels: u16, seconds: f64) -> Self {
        let music = Self::new();
        music.add("track", kind, rate, channels, seconds);
        music
    }

    /// Adds a track and returns its path.
    pub(crate) fn add(&self, name: &str, kind: Kind, rate: u32, channels: u16, seconds: f64) -> PathBuf {
        let workshop = tempfile::tempdir().unwrap();
        let samples = fixtures::music(rate, channels, seconds);
        let made = fixtures::encode(workshop.path(), kind, rate, channels, &samples);
        let path = self.path().join(format!("{name}.{}", kind.extension()));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::copy(made, &path).unwrap();
        path
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn catalog(&self) -> Catalog {
        Catalog::scan(&[self.path().to_owned()], false).unwrap()
    }
}

/// Returns a key that no other endpoint of this process has.
fn key() -> [u8; 32] {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let mut key = [7; 32];
    key[..8].copy_from_slice(&NEXT.fetch_add(1, Ordering::Relaxed).to_le_bytes());
    key
}

pub(crate) fn bind(admit: media_plugin_sdk::transport::Admit) -> BindOptions {
    BindOptions {
        secret_key: key(),
        options: String::new(),
        name: "test".into(),
        version: "0".into(),
        protocols: vec!["audio.list".into(), "audio.get_info".into(), "audio.request_chunk".into()],
        admit,
    }
}

pub(crate) struct Rig {
    pub(crate) server: Arc<Server>,
    music: Music,
    pub(crate) serving: tokio::task::JoinHandle<()>,
    pub(crate) address: PeerAddress,
    registry: Arc<Registry>,
}

impl Rig {
    /// Serves a folder with all built-in codecs.
    pub(crate) async fn new(music: &Music) -> Self {
        Self::with(music, ServerConfig::default(), media_node::plugins::registry()).await
    }

    pub(crate) async fn with(music: &Music, config: ServerConfig, registry: Arc<Registry>) -> Self {
        let access = Access { open: true, ..Access::default() };
        Self::guarded(music, config, registry, access).await
    }

    pub(crate) async fn guarded(
        music: &Music,
        config: ServerConfig,
        registry: Arc<Registry>,
        access: Access,
    ) -> Self {
        let server = Server::start(config, registry, music.catalog()).unwrap();
        let registry = media_node::plugins::registry();
        let transport = registry.transport("memory").unwrap();
        let endpoint = transport.bind(&bind(server.admit(access))).await.unwrap();
        let address = endpoint.address();
        let serving = tokio::spawn(server.serve(endpoint));
        Self { server: Arc::new(server), music: music.clone(), serving, address, registry }
    }

    pub(crate) async fn listener(&self) -> Listener {
        self.connect(None).await.unwrap()
    }

    pub(crate) async fn connect(&self, token: Option<&str>) -> Result<Listener, TransportError> {
        let transport = self.registry.transport("memory").unwrap().bind(&bind(refuse_all())).await?;
        let connection = transport.connect(&self.address, token).await?;
        let held = (transport, self.server.clone(), self.music.clone());
        Ok(Listener { connection, registry: self.registry.clone(), _held: held })
    }
}

pub(crate) struct Listener {
    pub(crate) connection: Arc<dyn Connection>,
    registry: Arc<Registry>,
    /// Keeps the server and its files, since a listener may outlive its rig.
    _held: (Arc<dyn Endpoint>, Arc<Server>, Music),
}

impl Listener {
    /// Opens another connection of the same peer.
    pub(crate) async fn again(&self, rig: &Rig) -> Self {
        let held = self._held.clone();
        let connection = held.0.connect_new(&rig.address, None).await.unwrap();
        Self { connection, registry: self.registry.clone(), _held: held }
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        protocol: &str,
        request: &impl Serialize,
    ) -> Result<T, WireError> {
        self.ask_json(protocol, &serde_json::to_string(request).unwrap()).await
    }

    pub(crate) async fn ask_json<T: DeserializeOwned>(
        &self,
        protocol: &str,
        json: &str,
    ) -> Result<T, WireError> {
        let mut stream = self.connection.open(protocol, json).await.unwrap();
        let bytes = read(stream.recv.as_mut()).await;
        serde_json::from_slice::<Answer<T>>(&bytes).expect("an answer").into()
    }

    pub(crate) async fn list(&self, list: &List) -> Result<ListPage, WireError> {
        self.ask("audio.list", list).await
    }

    pub(crate) async fn track(&self) -> Track {
        let page = self.list(&List { limit: 1, ..List::default() }).await.unwrap();
        page.tracks.into_iter().next().unwrap()
    }

    pub(crate) async fn get_info(&self, request: &GetInfo) -> Result<Info, WireError> {
        self.ask("audio.get_info", request).await
    }

    /// Requests the first track's rendition in that codec.
    pub(crate) async fn rendition(&self, codec: &str) -> Rendition {
        let request = offering(&self.track().await, &[codec]);
        self.get_info(&request).await.unwrap().rendition
    }

    /// Requests a chunk and returns its stream.
    pub(crate) async fn open_chunk(&self, rendition: &Rendition, index: u32) -> Box<dyn RecvStream> {
        let request = ChunkRequest { rendition: rendition.id.clone(), index: ChunkIndex(index) };
        let json = serde_json::to_string(&request).unwrap();
        self.connection.open("audio.request_chunk", &json).await.unwrap().recv
    }

    /// Requests a chunk, checks it, and returns its bytes.
    pub(crate) async fn chunk(&self, rendition: &Rendition, index: u32) -> Result<Vec<u8>, WireError> {
        let bytes = read(self.open_chunk(rendition, index).await.as_mut()).await;
        packets(rendition, index, &bytes)?;
        Ok(bytes)
    }

    /// Decodes one chunk alone, without its lead-in and without the tail that is faded.
    pub(crate) async fn decoded(&self, rendition: &Rendition, index: u32) -> Vec<f32> {
        let format = AudioFormat { rate: rendition.id.rate, channels: rendition.id.channels };
        let codec = self.registry.codec(&rendition.id.codec).unwrap();
        let mut decoder = codec.decoder(format, &rendition.config).unwrap();
        let bytes = self.chunk(rendition, index).await.unwrap();
        let mut pcm = vec![0.0; format.samples(rendition.packet_frames as usize)];
        let mut samples = Vec::new();
        for packet in packets(rendition, index, &bytes).unwrap() {
            let frames = decoder.decode(&packet, &mut pcm).unwrap();
            samples.extend_from_slice(&pcm[..format.samples(frames)]);
        }
        samples.drain(..format.samples(rendition.lead_in as usize));
        samples.truncate(format.samples(rendition.frames_in(ChunkIndex(index)) as usize));
        samples
    }
}

pub(crate) fn offering(track: &Track, codecs: &[&str]) -> GetInfo {
    let offer = |id: &&str| CodecOffer { id: (*id).to_owned(), bitrate: None };
    GetInfo {
        track: track.id.clone(),
        codecs: codecs.iter().map(offer).collect(),
        output: Default::default(),
        path: Default::default(),
        then_chunk_at: None,
        report_loss: false,
    }
}

pub(crate) async fn read(stream: &mut dyn RecvStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let Some(next) = stream.recv(usize::MAX).await.expect("a stream that ends well") {
        bytes.extend_from_slice(&next);
    }
    bytes
}

/// Splits a chunk into its packets. Panics if it is not whole.
pub(crate) fn packets(
    rendition: &Rendition,
    index: u32,
    bytes: &[u8],
) -> Result<Vec<bytes::Bytes>, WireError> {
    let index = ChunkIndex(index);
    let mut reader = ChunkReader::new(index, rendition.frames_in(index), rendition.max_chunk_bytes());
    reader.push(bytes::Bytes::copy_from_slice(bytes));
    let mut packets = Vec::new();
    loop {
        match reader.next() {
            Ok(Some(ChunkEvent::Packet(packet))) => packets.push(packet),
            Ok(Some(_)) => {}
            Ok(None) => break,
            Err(ChunkError::Refused(error)) => return Err(error),
            Err(error) => panic!("{error}"),
        }
    }
    assert!(reader.is_done(), "the chunk is cut short after {} bytes", bytes.len());
    Ok(packets)
}

pub(crate) fn code<T: std::fmt::Debug>(answer: Result<T, WireError>) -> ErrorCode {
    answer.expect_err("a refusal").code
}
