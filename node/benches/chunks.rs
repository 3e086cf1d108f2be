//! Cost of a chunk: encoded by one thread, by source and codec; and served from the cache.
//!
//! For encoding, elements are seconds of audio, so elements per second are multiples of real time. Needs the
//! encoders that the tests need.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a benchmark says what it expects by failing there"
)]

#[path = "../tests/common/fixtures.rs"]
mod fixtures;
#[path = "../tests/common/rig.rs"]
#[allow(dead_code, reason = "the tests use the rest")]
mod rig;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use fixtures::Kind;
use media_node::server::ServerConfig;
use media_protocol::{CHUNK_SECONDS, CodecOffer, GetInfo, Rendition};
use rig::{Listener, Music, Rig};
use tokio::runtime::Runtime;

/// Length of the track, so that a seek has some way to go.
const SECONDS: f64 = 60.0;
/// A chunk in the middle.
const INDEX: u32 = 10;

fn serving(runtime: &Runtime, kind: Kind, codec: &str, cache: usize) -> (Listener, Rendition) {
    let config = ServerConfig { encoders: 1, encode_ahead: 0, cache, ..ServerConfig::default() };
    runtime.block_on(async {
        let music = Music::of(kind, 44_100, 2, SECONDS);
        let listener = Rig::with(&music, config, media_node::plugins::registry()).await.listener().await;
        let rendition = listener.rendition(codec).await;
        (listener, rendition)
    })
}

/// Receives a chunk without decoding it.
async fn receive(listener: &Listener, rendition: &Rendition) -> usize {
    let mut stream = listener.open_chunk(rendition, INDEX).await;
    let mut bytes = 0;
    while let Some(next) = stream.recv(usize::MAX).await.unwrap() {
        bytes += next.len();
    }
    bytes
}

fn encode(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let mut group = criterion.benchmark_group("encode");
    group.throughput(Throughput::Elements(CHUNK_SECONDS.into()));
    for kind in [Kind::WavS16, Kind::FlacS16, Kind::Mp3, Kind::Vorbis] {
        for codec in ["pcm", "opus"] {
            let (listener, rendition) = serving(&runtime, kind, codec, 0);
            group.bench_function(format!("{kind:?} to {codec}"), |bench| {
                bench.iter(|| runtime.block_on(receive(&listener, &rendition)));
            });
        }
    }
}

/// The same Opus file, passed through, and encoded again for a listener with a lower bitrate.
fn opus_source(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let mut group = criterion.benchmark_group("an opus source");
    group.throughput(Throughput::Elements(CHUNK_SECONDS.into()));
    let (listener, copy) = serving(&runtime, Kind::Opus, "opus", 0);
    let less = CodecOffer { id: "opus".into(), bitrate: Some(96_000) };
    let less = runtime.block_on(async {
        let request = GetInfo { codecs: vec![less], ..rig::offering(&listener.track().await, &[]) };
        listener.get_info(&request).await.unwrap().rendition
    });
    assert!(copy.continuous && !less.continuous);
    for (name, rendition) in [("passed through", copy), ("encoded again", less)] {
        group.bench_function(name, |bench| {
            bench.iter(|| runtime.block_on(receive(&listener, &rendition)));
        });
    }
}

fn cached(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let mut group = criterion.benchmark_group("cached");
    for codec in ["pcm", "opus"] {
        let (listener, rendition) = serving(&runtime, Kind::WavS16, codec, 64 << 20);
        let bytes = runtime.block_on(receive(&listener, &rendition));
        group.throughput(Throughput::Bytes(bytes as u64));
        group.bench_function(codec, |bench| {
            bench.iter(|| runtime.block_on(receive(&listener, &rendition)));
        });
    }
}

criterion_group!(benches, encode, opus_source, cached);
criterion_main!(benches);
