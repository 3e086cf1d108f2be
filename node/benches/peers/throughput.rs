//! PCM from a node's cache to one listener, beside a bare iroh stream between two processes.

use std::{
    hint::black_box,
    io::{BufRead, BufReader, Read, Write},
    process::{Child, Stdio},
    time::Instant,
};

use bytes::Bytes;
use tokio::runtime::Runtime;
use transport_fastn::iroh::{
    Endpoint, EndpointAddr, SecretKey,
    endpoint::{Connection, presets},
};

use crate::{
    child,
    listener::{Listener, whole},
    program::Home,
    stage::{self, Stage},
    table::{Goal, Row, median},
};

const WHAT: &str = "PCM served from cache to one listener";
/// Length of the track in seconds: 60 chunks, 32 MB, all of which fit into the cache.
const SECONDS: f64 = 180.0;
const ALPN: &[u8] = b"bench";
const PIECE: usize = 64 * 1024;
/// Chunks in flight for the highest throughput; a player has one.
const AT_ONCE: usize = 3;

pub(crate) fn rows(stage: &Stage, runtime: &Runtime) -> Vec<Row> {
    let file = stage.music(SECONDS, 0.0);
    let home = Home::new();
    let node = home.serve(&[&file]);
    let (mut one, mut several, mut bare) = (Vec::new(), Vec::new(), Vec::new());
    runtime.block_on(async {
        let listener = Listener::connect(&node.ticket).await;
        let track = listener.tracks().await.remove(0);
        let rendition = listener.rendition(&track, "pcm").await;
        // Fills the cache, and warms up both ways.
        let bytes = listener.fetch(whole(&rendition), AT_ONCE).await;
        let peer = Bare::start().await;
        peer.receive(bytes).await;
        for _ in 0..stage.rounds {
            for (at_once, speeds) in [(1, &mut one), (AT_ONCE, &mut several)] {
                let began = Instant::now();
                let received = listener.fetch(whole(&rendition), at_once).await;
                speeds.push(received as f64 / 1e6 / began.elapsed().as_secs_f64());
            }
            let began = Instant::now();
            peer.receive(bytes).await;
            bare.push(bytes as f64 / 1e6 / began.elapsed().as_secs_f64());
        }
        listener.close().await;
    });
    let theirs = ("one bare iroh stream", median(&bare));
    vec![
        Row::of(WHAT, "MB/s", median(&several), theirs, Goal::RatioAtLeast(0.85)),
        Row::of("the same, one chunk at a time", "MB/s", median(&one), theirs, Goal::None),
    ]
}

/// A process that sends the requested bytes on one stream.
struct Bare {
    process: Child,
    connection: Connection,
    _endpoint: Endpoint,
}

async fn bind(key: u8) -> Endpoint {
    let builder = Endpoint::builder(presets::Minimal).secret_key(SecretKey::from_bytes(&[key; 32]));
    let builder = builder.clear_ip_transports().bind_addr("127.0.0.1:0").unwrap();
    builder.alpns(vec![ALPN.to_vec()]).bind().await.unwrap()
}

impl Bare {
    async fn start() -> Self {
        let mut process = child("bare").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut address = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut address).unwrap();
        let endpoint = bind(201).await;
        let id = SecretKey::from_bytes(&[200; 32]).public();
        let target = EndpointAddr::new(id).with_ip_addr(address.trim().parse().unwrap());
        let connection = endpoint.connect(target, ALPN).await.unwrap();
        Self { process, connection, _endpoint: endpoint }
    }

    async fn receive(&self, bytes: usize) {
        let (mut send, mut recv) = self.connection.open_bi().await.unwrap();
        send.write_all(bytes.to_string().as_bytes()).await.unwrap();
        send.finish().unwrap();
        let mut received = 0;
        while let Some(piece) = recv.read_chunk(PIECE).await.unwrap() {
            received += black_box(piece).len();
        }
        assert_eq!(received, bytes);
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        stage::end(&mut self.process);
    }
}

/// Runs in a process of its own: prints its address, and sends until its standard input ends.
pub(crate) fn serve_bare(runtime: &Runtime) {
    runtime.spawn(async {
        let endpoint = bind(200).await;
        println!("{}", endpoint.bound_sockets()[0]);
        std::io::stdout().flush().unwrap();
        let connection = endpoint.accept().await.unwrap().await.unwrap();
        let body = Bytes::from(vec![7; 529_200]);
        while let Ok((mut send, mut recv)) = connection.accept_bi().await {
            let asked = recv.read_to_end(PIECE).await.unwrap();
            let mut left: usize = String::from_utf8(asked).unwrap().parse().unwrap();
            while left > 0 {
                let piece = body.slice(..left.min(body.len()));
                left -= piece.len();
                send.write_chunk(piece).await.unwrap();
            }
            send.finish().unwrap();
        }
    });
    let _ = std::io::stdin().read(&mut [0]);
}
