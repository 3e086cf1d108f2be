//! Cost of a loaded codec compared with the same source built in. Both are behind the guard and alternate within one run.
//! Build the libraries first:
//!
//! ```text
//! cargo build --release -p media-plugin-host --examples
//! cargo rustc --release -p codec-flac --lib --crate-type cdylib
//! cargo bench -p media-plugin-host
//! ```
//!
//! Other work on the machine slows now one and now the other, so the table has the minimum and the median of many rounds.

#![allow(clippy::unwrap_used, reason = "a bench stops at an error")]

#[path = "../tests/common/mod.rs"]
mod common;

use std::{
    collections::BTreeMap,
    env::consts::{DLL_PREFIX, DLL_SUFFIX},
    hint::black_box,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use codec_flac::Flac;
use codec_pcm::Pcm;
use common::{built, lines, load_options};
use media_plugin_conformance::signal::coloured_noise;
use media_plugin_host::{LoadOptions, Registry, guard_codec, scan};
use media_plugin_sdk::{AudioFormat, Choice, Codec, SampleType, SourceFormat};

const STEREO: AudioFormat = AudioFormat { rate: 48_000, channels: 2 };
/// Frames in a packet of 20 ms.
const PACKET: usize = 960;
/// Calls that are timed together. One call is about as short as reading the clock; a batch is shorter than a time slice of a
/// busy machine.
const BATCH: u32 = 100;
const ROUNDS: usize = 10_000;

type Pair = [Arc<dyn Codec>; 2];

fn loaded(id: &str, library: &str, file: &Path) -> Arc<dyn Codec> {
    let prefer = BTreeMap::from([(id.into(), library.into())]);
    let registry = Registry::load(&LoadOptions { prefer, ..load_options(&[file]) });
    assert_eq!(lines(registry.problems()), [""; 0]);
    registry.codec(id).unwrap()
}

/// The FLAC example built as its README says. Cargo omits link-time optimisation for a library that is also an `rlib`.
fn flac_library() -> PathBuf {
    let deps = std::env::current_exe().unwrap();
    let profile = deps.parent().and_then(Path::parent).unwrap();
    profile.join(format!("{DLL_PREFIX}codec_flac{DLL_SUFFIX}"))
}

/// Times of each round, built in and loaded, sorted.
type Times = [Vec<Duration>; 2];

/// Times both in each round, in alternating order.
fn rounds(count: usize, mut work: [Box<dyn FnMut() + '_>; 2]) -> Times {
    let mut times = Times::default();
    for round in 0..count {
        for which in [round % 2, 1 - round % 2] {
            let start = Instant::now();
            work[which]();
            times[which].push(start.elapsed());
        }
    }
    times.iter_mut().for_each(|it| it.sort_unstable());
    times
}

/// Minimum and median of both, in seconds, summed over `times`.
fn summed(times: &[Times]) -> [[f64; 2]; 2] {
    let sum = |which: usize, at: fn(&[Duration]) -> Duration| -> f64 {
        times.iter().map(|it| at(&it[which]).as_secs_f64()).sum()
    };
    [0, 1].map(|which| [sum(which, |it| it[0]), sum(which, |it| it[it.len() / 2])])
}

/// Prints a line of the table, in units of `unit` seconds.
fn row(what: &str, times: &[Times], unit: f64) {
    let [[least, median], [loaded_least, loaded_median]] =
        summed(times).map(|it| it.map(|seconds| seconds / unit));
    let (more, ratio) = (loaded_least - least, loaded_least / least);
    println!(
        "{what:<28} {least:>10.1} {loaded_least:>10.1} {more:>+9.1} {ratio:>9.4} {median:>10.1} {loaded_median:>10.1} \
         {:>9.4}",
        loaded_median / median
    );
}

fn calls(what: &str, codecs: &Pair, frames: usize) {
    let pcm: Vec<f32> = (0..frames * 2).map(|i| (i as f32 * 0.1).sin()).collect();
    let choice = Choice { format: STEREO, params: "s16".into() };
    let packet = vec![0; pcm.len() * 2];
    let encode = codecs.each_ref().map(|codec| {
        let (mut encoder, pcm, mut packet) = (codec.encoder(&choice).unwrap(), &pcm, packet.clone());
        Box::new(move || {
            for _ in 0..BATCH {
                encoder.encode(black_box(pcm), black_box(&mut packet)).unwrap();
            }
        }) as Box<dyn FnMut()>
    });
    row(&format!("encode {what}, ns"), &[rounds(ROUNDS, encode)], 1e-9 * f64::from(BATCH));
    let decode = codecs.each_ref().map(|codec| {
        let (mut decoder, packet, mut back) =
            (codec.decoder(STEREO, b"s16").unwrap(), &packet, vec![0.0; pcm.len()]);
        Box::new(move || {
            for _ in 0..BATCH {
                decoder.decode(black_box(packet), black_box(&mut back)).unwrap();
            }
        }) as Box<dyn FnMut()>
    });
    row(&format!("decode {what}, ns"), &[rounds(ROUNDS, decode)], 1e-9 * f64::from(BATCH));
}

/// Times the encoding of a whole track: the sum over its packets, each measured in `passes` passes.
fn track(what: &str, codecs: &Pair, seconds: usize, passes: usize) {
    let source = SourceFormat { format: STEREO, sample: SampleType::S16 };
    let pcm = coloured_noise(&source, seconds * STEREO.rate as usize);
    let choice = Choice { format: STEREO, params: "s16".into() };
    let encoding = codecs[0].encoding(&choice).unwrap();
    let mut packet = vec![0; encoding.max_packet_bytes as usize];
    let packets: Vec<&[f32]> = pcm.chunks(encoding.packet_frames as usize * 2).collect();
    let mut times = vec![Times::default(); packets.len()];
    for pass in 0..passes {
        let mut encoders = codecs.each_ref().map(|it| it.encoder(&choice).unwrap());
        for (n, (audio, times)) in packets.iter().zip(&mut times).enumerate() {
            for which in [(n + pass) % 2, (n + pass + 1) % 2] {
                let start = Instant::now();
                encoders[which].encode(black_box(audio), black_box(&mut packet)).unwrap();
                times[which].push(start.elapsed());
            }
        }
    }
    times.iter_mut().flatten().for_each(|it| it.sort_unstable());
    row(&format!("{what}, {seconds} s, ms"), &times, 1e-3);
}

fn main() {
    let pcm = [guard_codec(|| Box::new(Pcm)).unwrap(), loaded("pcm", "fixture-pcm", &built("pcm"))];
    let flac = [guard_codec(|| Box::new(Flac)).unwrap(), loaded("flac", "codec-flac", &flac_library())];
    println!("{:<28} {:^41} {:^31}", "", "minimum", "median");
    println!(
        "{:<28} {:>10} {:>10} {:>9} {:>9} {:>10} {:>10} {:>9}",
        "", "built in", "loaded", "more", "ratio", "built in", "loaded", "ratio"
    );
    calls("pcm, 1 frame", &pcm, 1);
    calls("pcm, 20 ms", &pcm, PACKET);
    track("track in pcm", &pcm, 180, 21);
    track("track in flac", &flac, 180, 7);

    // `plugins list` does this for each library: it checks the file and reads the note.
    let search_path = load_options(&[&built("pcm")]).search_path;
    let start = Instant::now();
    (0..BATCH).for_each(|_| assert!(scan(black_box(&search_path)).1.is_empty()));
    println!("scan of a library: {:.0} us", start.elapsed().as_secs_f64() / f64::from(BATCH) * 1e6);
}
