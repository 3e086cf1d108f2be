//! What it costs that a codec is loaded: the same source, built in and from a library, both behind the guard. Build the
//! library first: `cargo build --release -p media-plugin-host --examples && cargo bench -p media-plugin-host`.
//!
//! `packet` is 20 ms of stereo at 48 kHz; `frame` is one frame, which leaves the call alone.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a bench is its own documentation, and stops at an error"
)]

#[path = "../tests/common/mod.rs"]
mod common;

use std::{collections::BTreeMap, hint::black_box, sync::Arc};

use codec_pcm::Pcm;
use common::{built, sources};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use media_plugin_host::{Registry, Sources, guard_codec, scan};
use media_plugin_sdk::{AudioFormat, Choice, Codec};

const STEREO: AudioFormat = AudioFormat { rate: 48_000, channels: 2 };

fn loaded() -> Arc<dyn Codec> {
    let prefer = BTreeMap::from([("pcm".into(), "fixture-pcm".into())]);
    let registry = Registry::load(&Sources { prefer, ..sources(&[&built("pcm")]) });
    assert!(registry.problems().is_empty(), "{:?}", registry.problems());
    registry.codec("pcm").unwrap()
}

fn calls(c: &mut Criterion) {
    let built_in = guard_codec(|| Box::new(Pcm)).unwrap();
    for (what, frames) in [("frame", 1), ("packet", 960)] {
        let pcm: Vec<f32> = (0..frames * 2).map(|i| (i as f32 * 0.1).sin()).collect();
        let mut packet = vec![0; pcm.len() * 2];
        let mut back = vec![0.0; pcm.len()];
        let mut group = c.benchmark_group(what);
        for (origin, codec) in [("built in", &built_in), ("loaded", &loaded())] {
            let choice = Choice { format: STEREO, params: "s16".into() };
            let mut encoder = codec.encoder(&choice).unwrap();
            let mut decoder = codec.decoder(STEREO, b"s16").unwrap();
            group.bench_function(BenchmarkId::new("encode", origin), |b| {
                b.iter(|| encoder.encode(black_box(&pcm), black_box(&mut packet)).unwrap());
            });
            group.bench_function(BenchmarkId::new("decode", origin), |b| {
                b.iter(|| decoder.decode(black_box(&packet), black_box(&mut back)).unwrap());
            });
        }
        group.finish();
    }
}

/// What `plugins list` costs for one library: its file is checked and its note read.
fn scanning(c: &mut Criterion) {
    let folders = sources(&[&built("pcm")]).folders;
    c.bench_function("scan", |b| b.iter(|| scan(black_box(&folders))));
}

criterion_group!(benches, calls, scanning);
criterion_main!(benches);
