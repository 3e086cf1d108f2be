//! Instructions of the hot functions, a count that does not depend on the machine's load.
//!
//! `cargo bench -p media-node --bench instructions`; `-- --write` writes the table into
//! `node/docs/benchmarks.md`. Needs valgrind (`apt-get install valgrind`), which runs this program twice for
//! each function, with different numbers of calls. The difference gives the count of one call. Results are
//! kept in `target/instructions/history.jsonl`. The program exits with 1 if a function with a repeatable
//! count takes 2 % more than before.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a benchmark says what it expects by failing there"
)]

#[path = "../tests/common/fixtures.rs"]
mod fixtures;
#[path = "common/history.rs"]
mod history;
#[path = "common/page.rs"]
#[allow(dead_code, reason = "a test uses the rest")]
mod page;
#[path = "../tests/common/rig.rs"]
#[allow(dead_code, reason = "the tests use the rest")]
mod rig;
#[path = "common/table.rs"]
#[allow(dead_code, reason = "other benchmarks use the rest")]
mod table;

use std::{hint::black_box, process::Command};

use bytes::Bytes;
use fixtures::Kind;
use history::COUNTED;
use media_node::plugins;
use media_plugin_sdk::{AudioFormat, Encoding, Limits, SampleType, SourceFormat};
use media_protocol::{
    ChunkIndex,
    chunk::{ChunkReader, ChunkWriter},
};
use rig::{Listener, Music, Rig};
use table::{Goal, Row, Table};

/// Environment variable with the name of the function to run.
const WHICH: &str = "INSTRUCTIONS_OF";
/// Environment variable with the number of calls.
const TIMES: &str = "INSTRUCTIONS_TIMES";
const FEW: u64 = 20;
const MANY: u64 = 60;

/// Unit of functions that run on several threads, whose counts vary a little.
const ABOUT: &str = "instructions, about";

/// A function: its name, its unit, and a closure that runs it a number of times.
type Hot = (&'static str, &'static str, fn(u64));

const HOT: [Hot; 6] = [
    ("a cached chunk of Opus to the stream's end, both sides", ABOUT, |times| cached("opus", times)),
    ("the same of PCM, 15 times the bytes", ABOUT, |times| cached("pcm", times)),
    ("chunk coding: 150 packets of 240 bytes written", COUNTED, write_chunks),
    ("chunk coding: the same read", COUNTED, read_chunks),
    ("Opus, 20 ms at 96 kbit/s encoded", COUNTED, encode),
    ("Opus, 20 ms decoded", COUNTED, decode),
];

fn main() {
    if let Ok(which) = std::env::var(WHICH) {
        let times = std::env::var(TIMES).unwrap().parse().unwrap();
        return HOT.iter().find(|(name, ..)| *name == which).unwrap().2(times);
    }
    if Command::new("valgrind").arg("--version").output().is_err() {
        return println!(
            "valgrind is not installed, so no instructions are counted: apt-get install valgrind"
        );
    }
    let mut table = Table::default();
    for (name, unit, _) in HOT {
        let each = instructions(name, MANY).saturating_sub(instructions(name, FEW)) / (MANY - FEW);
        table.add(Row::alone(name, unit, each as f64, Goal::None));
    }
    if page::is_wanted() {
        let line =
            |row: &Row| format!("| {} | {} |", row.what, thousands(row.ours.unwrap_or_default() as u64));
        let lines: Vec<_> = table.0.iter().map(line).collect();
        let head = "| function | instructions |\n|---|---:|";
        page::write("docs/benchmarks.md", "instructions", &format!("{head}\n{}", lines.join("\n"))).unwrap();
    }
    if history::keep("instructions", &table.0).unwrap() {
        std::process::exit(1);
    }
}

/// Formats a number with a comma before each three digits.
fn thousands(number: u64) -> String {
    match number {
        0..1000 => number.to_string(),
        _ => format!("{},{:03}", thousands(number / 1000), number % 1000),
    }
}

/// Instructions of the whole program with this number of calls.
fn instructions(name: &str, times: u64) -> u64 {
    let mut command = Command::new("valgrind");
    command
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe().unwrap());
    let done = command.env(WHICH, name).env(TIMES, times.to_string()).output().unwrap();
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{name}: {said}");
    let collected =
        said.lines().find_map(|line| line.split("Collected :").nth(1)).expect("callgrind's summary");
    collected.trim().parse().unwrap()
}

fn cached(codec: &str, times: u64) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let music = Music::of(Kind::WavS16, 44_100, 2, 3.0);
        let listener: Listener = Rig::new(&music).await.listener().await;
        let rendition = listener.rendition(codec).await;
        // The first request encodes the chunk.
        for _ in 0..=times {
            let mut stream = listener.open_chunk(&rendition, 0).await;
            while let Some(bytes) = stream.recv(usize::MAX).await.unwrap() {
                black_box(bytes);
            }
        }
    });
}

/// In parts of the size that a node publishes.
fn chunk() -> Vec<Bytes> {
    let mut writer = ChunkWriter::new(ChunkIndex(0), 144_000, false);
    let mut parts = Vec::new();
    for number in 1..=150 {
        writer.packet(black_box(&[7; 240])).unwrap();
        if [1, 3, 6, 12, 24, 48, 96].contains(&number) {
            parts.push(writer.take());
        }
    }
    parts.push(writer.finish());
    parts
}

fn write_chunks(times: u64) {
    (0..times).for_each(|_| drop(black_box(chunk())));
}

fn read_chunks(times: u64) {
    let whole = Bytes::from(chunk().concat());
    for _ in 0..times {
        let mut reader = ChunkReader::new(ChunkIndex(0), 144_000, 1 << 20);
        reader.push(whole.clone());
        while let Some(event) = reader.next().unwrap() {
            black_box(event);
        }
        assert!(reader.is_done());
    }
}

/// One second of packets, repeated.
fn opus() -> (std::sync::Arc<dyn media_plugin_sdk::Codec>, Encoding, Vec<f32>) {
    let codec = plugins::registry().codec("opus").unwrap();
    let format = AudioFormat { rate: 48_000, channels: 2 };
    let source = SourceFormat { format, sample: SampleType::S16 };
    let limits = Limits { bitrate: Some(96_000), ..Limits::default() };
    let choice = codec.propose(&source, &limits, "").unwrap();
    let encoding = codec.encoding(&choice).unwrap();
    (codec, encoding, fixtures::music(48_000, 2, 1.0))
}

fn encode(times: u64) {
    let (codec, encoding, pcm) = opus();
    let mut encoder = codec.encoder(&encoding.choice).unwrap();
    let mut packet = vec![0; encoding.max_packet_bytes as usize];
    let frames = encoding.choice.format.samples(encoding.packet_frames as usize);
    for pcm in pcm.chunks_exact(frames).cycle().take(times as usize) {
        black_box(encoder.encode(pcm, &mut packet).unwrap());
    }
}

fn decode(times: u64) {
    let (codec, encoding, pcm) = opus();
    let mut encoder = codec.encoder(&encoding.choice).unwrap();
    let mut packet = vec![0; encoding.max_packet_bytes as usize];
    let frames = encoding.choice.format.samples(encoding.packet_frames as usize);
    let packets: Vec<Vec<u8>> = (pcm.chunks_exact(frames))
        .map(|pcm| {
            let bytes = encoder.encode(pcm, &mut packet).unwrap();
            packet[..bytes].to_vec()
        })
        .filter(|packet| !packet.is_empty())
        .collect();
    let mut decoder = codec.decoder(encoding.choice.format, &encoding.config).unwrap();
    let mut out = vec![0.0; encoding.choice.format.samples(5760)];
    for packet in packets.iter().cycle().take(times as usize) {
        black_box(decoder.decode(packet, &mut out).unwrap());
    }
}
