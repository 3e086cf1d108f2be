//! Encoding and decoding of one chunk of 3 s, with a new encoder. Throughput is in frames; 48,000 a second are real time.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a bench is its own documentation, and stops at an error"
)]

use std::hint::black_box;

use codec_opus::Opus;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use media_plugin_conformance::{chunks, signal};
use media_plugin_sdk::{AudioFormat, Choice, Codec, SampleType, SourceFormat};

const CHUNK: usize = 144_000;

fn chunk(c: &mut Criterion) {
    let format = AudioFormat { rate: 48_000, channels: 2 };
    let track = signal::coloured_noise(&SourceFormat { format, sample: SampleType::S16 }, 3 * CHUNK);
    let mut group = c.benchmark_group("opus");
    group.throughput(Throughput::Elements(CHUNK as u64)).sample_size(10);
    for params in ["k24c10-join", "k96c0-join", "k96c5-join", "k96c10-join", "k192c10-join"] {
        let encoding = Opus.encoding(&Choice { format, params: params.into() }).unwrap();
        let encode = || {
            let mut encoder = Opus.encoder(&encoding.choice).unwrap();
            chunks::encode(encoder.as_mut(), &encoding, &track, CHUNK, 2 * CHUNK).unwrap()
        };
        group.bench_function(BenchmarkId::new("encode", params), |b| b.iter(|| black_box(encode())));
        let packets = encode();
        let mut decoder = Opus.decoder(format, &encoding.config).unwrap();
        group.bench_function(BenchmarkId::new("decode", params), |b| {
            b.iter(|| {
                decoder.reset().unwrap();
                black_box(chunks::decode(decoder.as_mut(), &encoding, &packets).unwrap())
            });
        });
    }
    group.finish();
}

criterion_group!(benches, chunk);
criterion_main!(benches);
