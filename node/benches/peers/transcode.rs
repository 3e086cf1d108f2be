//! A whole FLAC album to Opus at 96 kbit/s.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Instant,
};

use media_node::{convert::Resampler, plugins, source::Source};
use media_plugin_sdk::{AudioFormat, Choice};
use serde::{Deserialize, Serialize};
use tokio::runtime::Runtime;

use crate::{
    child, fixtures,
    listener::{Listener, whole},
    program::Home,
    stage::{self, Stage},
    table::{Goal, Row, median},
};

const WALL: &str = "transcode a FLAC album to Opus 96, wall time";
const CPU: &str = "the same, CPU time of the node";
const TRACKS: u32 = 8;
/// Chunks in flight, so that both encoder threads always have a next one.
pub(crate) const AT_ONCE: usize = 4;

/// CPU time and wall time of one program, in seconds.
#[derive(Debug, Default, Clone, Copy)]
struct Cost {
    wall: f64,
    processor: f64,
}

/// CPU time of the parts that every program needs, in seconds.
#[derive(Debug, Default, Clone, Copy, Serialize, Deserialize)]
struct Alone {
    decode: f64,
    resample: f64,
    encode: f64,
}

pub(crate) fn rows(stage: &Stage, runtime: &Runtime) -> Vec<Row> {
    if let Some(why) = stage::lacking(&["flac"]) {
        return vec![Row::missing(WALL, &why)];
    }
    let album = album(stage);
    let ffmpeg_is_there = stage::lacking(&["ffmpeg"]).is_none();
    let (mut ours, mut theirs, mut alone) = (Vec::new(), Vec::new(), Vec::new());
    let mut pairs =
        [("ffmpeg, two at a time", "ffmpeg", Vec::new()), ("opusenc, two at a time", "opusenc", Vec::new())];
    for _ in 0..stage.few_rounds() {
        ours.push(runtime.block_on(node(&album)));
        theirs.extend(ffmpeg_is_there.then(|| ffmpeg(stage, &album)));
        for (_, tool, costs) in &mut pairs {
            costs.extend(stage::lacking(&[*tool]).is_none().then(|| two_at_a_time(stage, &album, tool)));
        }
        let said = stage::run(child("alone").args(&album));
        alone.push(serde_json::from_slice::<Alone>(&said).unwrap());
    }
    let wall = |costs: &[Cost]| median(&costs.iter().map(|it| it.wall).collect::<Vec<_>>());
    let processor = |costs: &[Cost]| median(&costs.iter().map(|it| it.processor).collect::<Vec<_>>());
    let alone = |sum: fn(&Alone) -> f64| median(&alone.iter().map(sum).collect::<Vec<_>>());
    let mut rows = vec![match theirs.as_slice() {
        [] => Row::missing(WALL, "ffmpeg: not installed"),
        theirs => Row::of(WALL, "s", wall(&ours), ("ffmpeg", wall(theirs)), Goal::RatioAtMost(1.0 / 1.8)),
    }];
    if !theirs.is_empty() {
        rows.push(Row::of(CPU, "s", processor(&ours), ("ffmpeg", processor(&theirs)), Goal::None));
    }
    for (against, tool, costs) in &pairs {
        if costs.is_empty() {
            rows.push(Row::missing(WALL, &format!("{tool}: not installed")));
            continue;
        }
        rows.push(Row::of(WALL, "s", wall(&ours), (against, wall(costs)), Goal::None));
        rows.push(Row::of(CPU, "s", processor(&ours), (against, processor(costs)), Goal::None));
    }
    for (against, time, goal) in [
        ("libopus and decoding alone", alone(|it| it.encode + it.decode), Goal::RatioAtMost(1.05)),
        ("those and resampling alone", alone(|it| it.encode + it.decode + it.resample), Goal::None),
    ] {
        rows.push(Row::of(CPU, "s", processor(&ours), (against, time), goal));
    }
    rows
}

/// Eight tracks of 3 to 4 minutes, or the tracks of `PEERS_ALBUM`.
pub(crate) fn album(stage: &Stage) -> Vec<PathBuf> {
    if let Some(folder) = std::env::var_os("PEERS_ALBUM") {
        let files = fs::read_dir(folder).unwrap().map(|it| it.unwrap().path());
        return files.filter(|it| it.extension().is_some_and(|it| it == "flac")).collect();
    }
    let track = |number: u32| {
        stage.file(&format!("album/{number}.flac"), |path| {
            let seconds = 180.0 + 7.5 * f64::from(number);
            let folder = tempfile::tempdir().unwrap();
            let samples = fixtures::music(44_100, 2, seconds);
            let kind = fixtures::Kind::FlacS16;
            fs::copy(fixtures::encode(folder.path(), kind, 44_100, 2, &samples), path).unwrap();
        })
    };
    (1..=TRACKS).map(track).collect()
}

/// Starts a node, and a listener that requests every chunk.
async fn node(album: &[PathBuf]) -> Cost {
    let home = Home::new();
    let node = home.serve(&album.iter().map(PathBuf::as_path).collect::<Vec<_>>());
    let listener = Listener::connect(&node.ticket).await;
    let tracks = listener.tracks().await;
    let used = || stage::processor_time(node.process.id()).unwrap_or_default();
    let (began, before) = (Instant::now(), used());
    let mut renditions = Vec::new();
    for track in &tracks {
        renditions.push(listener.rendition(track, "opus").await);
    }
    listener.fetch(renditions.iter().flat_map(whole), AT_ONCE).await;
    let cost = Cost { wall: began.elapsed().as_secs_f64(), processor: used() - before };
    listener.close().await;
    cost
}

fn ffmpeg(stage: &Stage, album: &[PathBuf]) -> Cost {
    let used = || stage::children_time().unwrap_or_default();
    let (began, before) = (Instant::now(), used());
    for track in album {
        stage::run(by_tool("ffmpeg", track).arg(stage.path("out.opus")));
    }
    Cost { wall: began.elapsed().as_secs_f64(), processor: used() - before }
}

/// Runs a program that uses one core, two at a time, once for each track.
fn two_at_a_time(stage: &Stage, album: &[PathBuf], tool: &str) -> Cost {
    let used = || stage::children_time().unwrap_or_default();
    let (began, before, next) = (Instant::now(), used(), AtomicUsize::new(0));
    let work = |worker: &str| {
        while let Some(track) = album.get(next.fetch_add(1, Ordering::Relaxed)) {
            stage::run(by_tool(tool, track).arg(stage.path(worker)));
        }
    };
    thread::scope(|scope| {
        ["one.opus", "two.opus"].map(|it| scope.spawn(move || work(it))).map(|it| it.join().unwrap())
    });
    Cost { wall: began.elapsed().as_secs_f64(), processor: used() - before }
}

/// Command that encodes one track; the output file comes last.
fn by_tool(tool: &str, track: &Path) -> Command {
    let mut command = Command::new(tool);
    match tool {
        "ffmpeg" => command.args(["-v", "error", "-y", "-i"]).arg(track).args([
            // The same encoder settings as ours, and ffmpeg's defaults.
            "-c:a",
            "libopus",
            "-b:a",
            "96k",
            "-compression_level",
            "10",
        ]),
        // opusenc reads FLAC itself, which costs less than a pipe from `flac -d`.
        _ => command.args(["--quiet", "--bitrate", "96"]).arg(track),
    };
    command
}

/// Runs in a process of its own: decodes, resamples and encodes each file as one stream, and prints the
/// times.
pub(crate) fn alone(files: &[String]) {
    let registry = plugins::registry();
    let codec = registry.codec("opus").unwrap();
    let format = AudioFormat { rate: 48_000, channels: 2 };
    let encoding = codec.encoding(&Choice { format, params: "k96c10-join".into() }).unwrap();
    let packet_samples = format.samples(encoding.packet_frames as usize);
    let mut packet = vec![0; encoding.max_packet_bytes as usize];
    let mut sum = Alone::default();
    for file in files {
        let began = thread_time();
        let source = Source::open(Path::new(file)).unwrap();
        let mut reader = source.reader().unwrap();
        sum.decode += thread_time() - began;
        let mut encoder = codec.encoder(&encoding.choice).unwrap();
        let mut resampler = Resampler::new(source.info().format.rate, format.rate, format.channels).unwrap();
        let (mut frames, mut resampled) = (vec![0.0; 2 * 132_300], Vec::new());
        loop {
            let began = thread_time();
            let read = reader.read(&mut frames).unwrap();
            let decoded = thread_time();
            match read {
                0 => resampler.flush(&mut resampled),
                _ => resampler.process(&frames[..2 * read], &mut resampled),
            }
            let ready = thread_time();
            let whole = resampled.len() / packet_samples * packet_samples;
            for pcm in resampled[..whole].chunks_exact(packet_samples) {
                encoder.encode(pcm, &mut packet).unwrap();
            }
            let encoded = thread_time();
            resampled.drain(..whole);
            sum.decode += decoded - began;
            sum.resample += ready - decoded;
            sum.encode += encoded - ready;
            if read == 0 {
                break;
            }
        }
    }
    println!("{}", serde_json::to_string(&sum).unwrap());
}

/// CPU time of this thread in seconds; wall time if the system does not tell.
fn thread_time() -> f64 {
    static BEGAN: std::sync::LazyLock<Instant> = std::sync::LazyLock::new(Instant::now);
    let schedstat = fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanos = schedstat.and_then(|it| it.split_whitespace().next()?.parse::<f64>().ok());
    nanos.map_or_else(|| BEGAN.elapsed().as_secs_f64(), |it| it / 1e9)
}
