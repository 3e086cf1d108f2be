//! Time to first audio on loopback, over the peer-to-peer transport: from `play` to the first frame written
//! to the output.
//!
//! Cold: the listener binds, connects, and requests the track with its first chunk, which the node must
//! encode. Warm: the listener is connected, and the node has the chunk. Both are measured in one run, so that
//! their ratio holds on a noisy machine.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a benchmark says what it expects by failing there"
)]

#[path = "../tests/common/fixtures.rs"]
mod fixtures;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use criterion::{Criterion, criterion_group, criterion_main};
use fixtures::Kind;
use media_node::{
    client::{
        CodecChoice, Event, NodeLink, OnLost, OutputChoice, OutputFormats, PauseMode, PlayId, Player, Setup,
    },
    library::Catalog,
    plugins,
    server::{Access, Server, ServerConfig},
};
use media_plugin_host::Registry;
use media_plugin_sdk::transport::{Admit, BindOptions, Endpoint, refuse_all};
use media_protocol::{List, Position, TrackId};
use tokio::runtime::Runtime;

const LOOPBACK: &str = r#"{"bind":["127.0.0.1:0"],"relay":"off","mdns":false}"#;

async fn bind(registry: &Registry, key: u8, admit: Admit) -> Arc<dyn Endpoint> {
    let bind = BindOptions {
        secret_key: [key; 32],
        options: LOOPBACK.into(),
        name: "bench".into(),
        version: String::new(),
        protocols: Vec::new(),
        admit,
    };
    registry.transport("fastn").unwrap().bind(&bind).await.unwrap()
}

/// A node with one minute of music.
struct Node {
    registry: Arc<Registry>,
    server: Server,
    endpoint: Arc<dyn Endpoint>,
    track: TrackId,
}

impl Node {
    async fn start(file: &std::path::Path) -> Self {
        let registry = plugins::registry();
        let catalog = Catalog::scan(&[file.into()], false).unwrap();
        let track = catalog.list(&List { offset: 0, limit: 1, search: String::new(), detail: false }).tracks
            [0]
        .id
        .clone();
        let server = Server::start(ServerConfig::default(), Arc::clone(&registry), catalog).unwrap();
        let access = Access { open: true, ..Access::default() };
        let endpoint = bind(&registry, 1, server.admit(access)).await;
        tokio::spawn(server.serve(Arc::clone(&endpoint)));
        Self { registry, server, endpoint, track }
    }

    async fn node_link(&self, key: u8) -> Arc<NodeLink> {
        let endpoint = bind(&self.registry, key, refuse_all()).await;
        Arc::new(NodeLink::new(endpoint, self.endpoint.address(), None))
    }

    fn setup(&self, codec: &str, began: Instant) -> Setup {
        Setup {
            output: OutputChoice {
                plugin: self.registry.output("null").unwrap(),
                target: String::new(),
                options: String::new(),
                on_lost: OnLost::Wait,
                formats: OutputFormats::default(),
            },
            codec: CodecChoice::Only(vec![codec.into()]),
            bitrate: 96_000,
            target: Duration::from_secs(3),
            max: Duration::from_secs(3),
            max_bytes: 64 << 20,
            start: Duration::from_millis(120),
            give_up: Duration::from_secs(180),
            pause: PauseMode::Hold,
            volume: 1.0,
            registry: Arc::clone(&self.registry),
            began,
        }
    }

    /// Returns the time from `began` to the first frame that is written to the output.
    async fn first_audio(&self, node_link: &Arc<NodeLink>, codec: &str, began: Instant) -> Duration {
        let (player, mut events) = Player::start(self.setup(codec, began), Arc::clone(node_link)).unwrap();
        player.play(PlayId(0), self.track.clone(), Position::START);
        loop {
            match tokio::time::timeout(Duration::from_millis(1), events.recv()).await {
                Ok(Some(Event::Fatal(reason) | Event::OutputFailed(reason))) => panic!("{reason}"),
                Ok(None) => panic!("the player stopped"),
                _ => {}
            }
            // The playback thread has taken the time, so the delay of this loop does not matter.
            if let Some(first_audio) = player.progress().first_audio {
                return first_audio;
            }
        }
    }
}

fn first_audio(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = fixtures::encode(folder.path(), Kind::FlacS16, 44_100, 2, &fixtures::music(44_100, 2, 60.0));
    let mut group = criterion.benchmark_group("first audio");
    group.sample_size(10);
    for codec in ["pcm", "flac", "opus"] {
        group.bench_function(format!("{codec}, cold"), |bench| {
            bench.iter_custom(|times| {
                runtime.block_on(async {
                    let mut sum = Duration::ZERO;
                    for _ in 0..times {
                        let node = Node::start(&file).await;
                        let began = Instant::now();
                        let node_link = node.node_link(2).await;
                        sum += node.first_audio(&node_link, codec, began).await;
                        node_link.close().await;
                        node.server.stop();
                    }
                    sum
                })
            });
        });
        group.bench_function(format!("{codec}, warm"), |bench| {
            bench.iter_custom(|times| {
                runtime.block_on(async {
                    let node = Node::start(&file).await;
                    let node_link = node.node_link(3).await;
                    node.first_audio(&node_link, codec, Instant::now()).await;
                    let mut sum = Duration::ZERO;
                    for _ in 0..times {
                        sum += node.first_audio(&node_link, codec, Instant::now()).await;
                    }
                    node_link.close().await;
                    node.server.stop();
                    sum
                })
            });
        });
    }
    group.finish();
}

criterion_group!(benches, first_audio);
criterion_main!(benches);
