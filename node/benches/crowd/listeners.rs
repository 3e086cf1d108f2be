//! A process of listeners, which runs one command per line of standard input.

use std::{
    io::BufRead,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use media_node::{
    client::{self, CodecChoice, NodeLink, SimulatedListener},
    plugins,
};
use media_plugin_host::Registry;
use media_plugin_sdk::transport::{BindOptions, PeerAddress, Stream, refuse_all};
use media_protocol::{
    Answer, ChunkIndex, ChunkRequest, CodecOffer, GetInfo, Info, List, OutputOffer, PathReport, Position,
    Protocol, Rendition, Ticket, Track,
};
use serde::Serialize;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinHandle,
    time::sleep,
};

use crate::crowd::{Heard, LISTENERS};

const LOOPBACK: &str = r#"{"bind":["127.0.0.1:0"],"relay":"off","mdns":false}"#;
const TARGET: Duration = Duration::from_secs(3);
const START: Duration = Duration::from_millis(120);
/// Requests that a greedy listener keeps open on each connection: a node's default limit.
const GREED: usize = 8;
/// Connections of a greedy listener, each from another endpoint with the same key.
const CONNECTIONS: usize = 4;

pub(crate) fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let index: u64 = std::env::var(LISTENERS).unwrap().parse().unwrap();
    let mut process = Process::new(index);
    for line in std::io::stdin().lock().lines() {
        let line = line.unwrap();
        let words: Vec<&str> = line.split(' ').collect();
        println!("{}", runtime.block_on(process.obey(&words)));
    }
}

struct Process {
    registry: Arc<Registry>,
    /// Number of this process. Keys and positions differ between processes.
    index: u64,
    born: u64,
    ticket: Option<Ticket>,
    track: Option<Track>,
    listeners: Vec<SimulatedListener>,
    idle: Vec<Arc<NodeLink>>,
    /// Plain listeners, and listeners that send requests by hand.
    tasks: Vec<JoinHandle<()>>,
    /// Bytes that plain listeners received.
    taken: Arc<AtomicU64>,
    /// Number of chunks of the track; 0 before it is known.
    bitrate: u32,
    probing: bool,
    /// Times of the probes, in milliseconds.
    waits: Arc<std::sync::Mutex<Vec<f64>>>,
    marked: Heard,
}

impl Process {
    fn new(index: u64) -> Self {
        Self {
            registry: plugins::registry(),
            index,
            born: 0,
            ticket: None,
            track: None,
            listeners: Vec::new(),
            idle: Vec::new(),
            tasks: Vec::new(),
            taken: Arc::default(),
            bitrate: 0,
            probing: false,
            waits: Arc::default(),
            marked: Heard::default(),
        }
    }

    async fn obey(&mut self, words: &[&str]) -> String {
        let number = |place: usize| words[place].parse::<usize>().unwrap();
        match words[0] {
            "ticket" => self.meet(words[1]).await,
            "warm" => self.warm(number(1) as u32).await,
            "add" => self.add(number(1) as u32, number(2), number(3)).await,
            "idle" => self.idle(number(1), number(2)).await,
            "tcp" => self.tcp(number(1) as u16, number(2), number(3)).await,
            "greedy" => self.greedy(number(1), true).await,
            "deaf" => self.greedy(number(1), false).await,
            "mark" => {
                self.probe().await;
                self.waits.lock().unwrap().clear();
                self.marked = self.heard();
            }
            "report" => return serde_json::to_string(&self.since()).unwrap(),
            other => panic!("unknown command {other}"),
        }
        "ok".into()
    }

    /// Creates a connection to the node with its own key and endpoint.
    async fn node_link(&mut self) -> Arc<NodeLink> {
        self.born += 1;
        self.dial_again().await
    }

    /// Creates another connection with the key of the last one, and its own endpoint.
    async fn dial_again(&self) -> Arc<NodeLink> {
        let mut secret_key = [7; 32];
        secret_key[..8].copy_from_slice(&(self.index << 32 | self.born).to_le_bytes());
        let bind = BindOptions {
            secret_key,
            options: LOOPBACK.into(),
            name: "crowd".into(),
            version: String::new(),
            protocols: Vec::new(),
            admit: refuse_all(),
        };
        let endpoint = self.registry.transport("fastn").unwrap().bind(&bind).await.unwrap();
        let ticket = self.ticket.as_ref().unwrap();
        let peer =
            PeerAddress { id: ticket.routes[0].peer.clone(), addresses: ticket.routes[0].addresses.clone() };
        Arc::new(NodeLink::new(endpoint, peer, Some(ticket.token())))
    }

    async fn meet(&mut self, ticket: &str) {
        self.ticket = Some(ticket.parse().unwrap());
        let node_link = self.node_link().await;
        let page =
            client::list(&node_link, &List { offset: 0, limit: 1, search: String::new(), detail: false })
                .await
                .unwrap();
        self.track = Some(page.tracks[0].clone());
        node_link.close().await;
    }

    async fn listen(&mut self, bitrate: u32, at: u64, target: Duration) -> SimulatedListener {
        let node_link = self.node_link().await;
        let track = self.track.as_ref().unwrap().id.clone();
        let codec = CodecChoice::Only(vec!["opus".into()]);
        let at = Position::START.moved(at as f64 / 1000.0);
        let registry = Arc::clone(&self.registry);
        SimulatedListener::start(registry, node_link, (codec, bitrate), (track, at), (target, START)).await
    }

    /// Makes the node encode the whole track.
    async fn warm(&mut self, bitrate: u32) {
        let chunks = self.track.as_ref().unwrap().duration_ms.div_ceil(3000);
        let listener = self.listen(bitrate, 0, Duration::from_secs(86_400)).await;
        while listener.counts().chunks < chunks {
            assert_eq!(listener.stats().failed, None);
            sleep(Duration::from_millis(20)).await;
        }
    }

    async fn add(&mut self, bitrate: u32, many: usize, millis: usize) {
        self.bitrate = bitrate;
        let before = self.listeners.len();
        let half = self.track.as_ref().unwrap().duration_ms / 2;
        let began = Instant::now();
        for number in 0..many {
            let due = Duration::from_millis((millis * number / many.max(1)) as u64);
            sleep(due.saturating_sub(began.elapsed())).await;
            // Positions spread by the golden ratio.
            let at = (self.born + 1000 * self.index).wrapping_mul(0x9E37_79B9_7F4A_7C15) % half;
            let listener = self.listen(bitrate, at, TARGET).await;
            self.listeners.push(listener);
        }
        let waiting = |it: &SimulatedListener| {
            let unheard = it.stats();
            unheard.first_audio.is_none() && unheard.failed.is_none()
        };
        while self.listeners[before..].iter().any(waiting) {
            sleep(Duration::from_millis(20)).await;
        }
    }

    async fn idle(&mut self, many: usize, millis: usize) {
        for _ in 0..many {
            let node_link = self.node_link().await;
            node_link.connection().await.unwrap();
            self.idle.push(node_link);
            sleep(Duration::from_millis((millis / many.max(1)) as u64)).await;
        }
    }

    /// Adds plain listeners of an HTTP stream.
    async fn tcp(&mut self, port: u16, many: usize, millis: usize) {
        for _ in 0..many {
            let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            stream.write_all(b"GET /s HTTP/1.0\r\n\r\n").await.unwrap();
            let taken = Arc::clone(&self.taken);
            self.tasks.push(tokio::spawn(async move {
                let mut bytes = vec![0; 16 * 1024];
                while let Ok(length) = stream.read(&mut bytes).await {
                    assert!(length > 0, "icecast2 has closed a listener's connection");
                    taken.fetch_add(length as u64, Ordering::Relaxed);
                }
            }));
            sleep(Duration::from_millis((millis / many.max(1)) as u64)).await;
        }
    }

    /// Adds listeners that read without pause, or that request and never read: [`GREED`] open requests on
    /// each of [`CONNECTIONS`].
    async fn greedy(&mut self, many: usize, reads: bool) {
        let (rendition, chunks) = self.rendition(128_000).await;
        for connection in 0..many * CONNECTIONS {
            let node_link = match connection % CONNECTIONS {
                0 => self.node_link().await,
                _ => self.dial_again().await,
            };
            for part in 0..GREED as u32 {
                let (node_link, id) = (Arc::clone(&node_link), rendition.id.clone());
                self.tasks.push(tokio::spawn(async move {
                    let mut unread = Vec::new();
                    for index in (0..chunks).cycle().skip((part * 20) as usize) {
                        let request = ChunkRequest { rendition: id.clone(), index: ChunkIndex(index) };
                        match reads {
                            true => drop(whole(&node_link, Protocol::RequestChunk, &request).await),
                            false if unread.len() < 4 => {
                                unread.push(ask(&node_link, Protocol::RequestChunk, &request).await);
                            }
                            false => std::future::pending().await,
                        }
                    }
                }));
            }
        }
    }

    /// Returns the track's Opus rendition, with its number of chunks.
    async fn rendition(&mut self, bitrate: u32) -> (Rendition, u32) {
        let node_link = self.node_link().await;
        let request = GetInfo {
            track: self.track.as_ref().unwrap().id.clone(),
            codecs: vec![CodecOffer { id: "opus".into(), bitrate: Some(bitrate) }],
            output: OutputOffer::default(),
            path: PathReport::default(),
            then_chunk_at: None,
            report_loss: false,
        };
        let answer = whole(&node_link, Protocol::GetInfo, &request).await;
        node_link.close().await;
        let info: Answer<Info> = serde_json::from_slice(&answer).unwrap();
        let rendition = Result::from(info).unwrap().rendition;
        let chunks = rendition.chunks;
        (rendition, chunks)
    }

    /// Adds a probe that requests a chunk of the hot track every 100 ms and notes the time.
    async fn probe(&mut self) {
        if self.bitrate == 0 || self.index > 0 || self.probing {
            return;
        }
        self.probing = true;
        let (rendition, chunks) = self.rendition(self.bitrate).await;
        let (node_link, waits) = (self.node_link().await, Arc::clone(&self.waits));
        self.tasks.push(tokio::spawn(async move {
            for index in (0..chunks).cycle() {
                let request = ChunkRequest { rendition: rendition.id.clone(), index: ChunkIndex(index) };
                let asked = Instant::now();
                whole(&node_link, Protocol::RequestChunk, &request).await;
                waits.lock().unwrap().push(asked.elapsed().as_secs_f64() * 1000.0);
                sleep(Duration::from_millis(100)).await;
            }
        }));
    }

    fn heard(&self) -> Heard {
        let mut heard = Heard { listeners: self.listeners.len() + self.tasks.len(), ..Heard::default() };
        heard.bytes = self.taken.load(Ordering::Relaxed);
        for listener in &self.listeners {
            let (unheard, counts) = (listener.stats(), listener.counts());
            heard.failed += usize::from(unheard.failed.is_some());
            heard.underruns += unheard.underruns;
            heard.underrun_time += unheard.underrun_time.as_secs_f64();
            heard.played += unheard.played.as_secs_f64();
            heard.bytes += counts.bytes_received;
            heard.retries += counts.retries;
        }
        heard
    }

    fn since(&self) -> Heard {
        let (now, then) = (self.heard(), &self.marked);
        let mut waits = self.waits.lock().unwrap().clone();
        waits.sort_by(f64::total_cmp);
        Heard {
            underruns: now.underruns - then.underruns,
            underrun_time: now.underrun_time - then.underrun_time,
            played: now.played - then.played,
            bytes: now.bytes - then.bytes,
            retries: now.retries - then.retries,
            chunk_p99: waits.get(waits.len() * 99 / 100).copied().unwrap_or_default(),
            ..now
        }
    }
}

/// Sends a request by hand.
async fn ask<Q: Serialize>(node_link: &NodeLink, protocol: Protocol, request: &Q) -> Stream {
    let connection = node_link.connection().await.unwrap();
    let data = serde_json::to_string(request).unwrap();
    let mut stream = connection.open(protocol.name(), &data).await.unwrap();
    stream.send.finish().unwrap();
    stream
}

/// Sends a request by hand, and reads the answer to its end.
async fn whole<Q: Serialize>(node_link: &NodeLink, protocol: Protocol, request: &Q) -> Vec<u8> {
    let mut stream = ask(node_link, protocol, request).await;
    let mut answer = Vec::new();
    while let Some(bytes) = stream.recv.recv(64 * 1024).await.unwrap() {
        answer.extend_from_slice(&bytes);
    }
    answer
}
