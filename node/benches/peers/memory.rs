//! Memory of a node while a client seeks through a track: ten hours beside three minutes.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use tokio::runtime::Runtime;

use crate::{
    fixtures,
    listener::Listener,
    program::Home,
    stage::{self, Stage},
    table::{Goal, Row, median},
};

const WHAT: &str = "memory of a node that serves a 10-hour file";
/// Number of chunks that are requested: all of the short file, and far more than the cache holds.
const CHUNKS: u32 = 60;
/// Length of the long file in seconds: 10 hours.
const LONG: u32 = 36_000;
const SHORT: u32 = 180;
const RATE: u32 = 44_100;

pub(crate) fn rows(stage: &Stage, runtime: &Runtime) -> Vec<Row> {
    let mut rows = Vec::new();
    for (ending, tools) in
        [("flac", &["ffmpeg", "flac"]), ("mp3", &["ffmpeg", "lame"]), ("m4a", &["ffmpeg", "ffmpeg"])]
    {
        let what = format!("{WHAT}, {ending}");
        if let Some(why) = stage::lacking(tools) {
            rows.push(Row::missing(&what, &why));
            continue;
        }
        let files = [LONG, SHORT].map(|seconds| file(stage, ending, seconds));
        let (mut long, mut short) = (Vec::new(), Vec::new());
        for _ in 0..stage.few_rounds() {
            long.extend(runtime.block_on(resident(&files[0])));
            short.extend(runtime.block_on(resident(&files[1])));
        }
        rows.push(match short.as_slice() {
            [] => Row::missing(&what, "this system does not tell how much a process holds"),
            _ => {
                let theirs = ("a 3-minute file", median(&short));
                Row::of(&what, "MB", median(&long), theirs, Goal::RatioAtMost(1.05))
            }
        });
    }
    rows
}

/// Mono, so that ten hours are made within a minute.
fn file(stage: &Stage, ending: &str, seconds: u32) -> PathBuf {
    stage.file(&format!("memory/{seconds}.{ending}"), |path| {
        let folder = tempfile::tempdir().unwrap();
        let samples = fixtures::music(RATE, 1, SHORT.into());
        let wav = fixtures::encode(folder.path(), fixtures::Kind::WavS16, RATE, 1, &samples);
        let repeats = (seconds / SHORT - 1).to_string();
        let mut ffmpeg = Command::new("ffmpeg");
        ffmpeg.args(["-v", "error", "-y", "-stream_loop", &repeats, "-i"]);
        if ending == "flac" {
            let long = folder.path().join("long.wav");
            stage::run(ffmpeg.arg(&wav).arg(&long));
            stage::run(Command::new("flac").args(["--silent", "-0", "-o"]).arg(path).arg(&long));
            return;
        }
        let piece = folder.path().join("piece").with_extension(ending);
        if ending == "mp3" {
            stage::run(Command::new("lame").args(["--quiet", "-V", "2"]).arg(&wav).arg(&piece));
        } else {
            stage::run(Command::new("ffmpeg").args(["-v", "error", "-i"]).arg(&wav).arg(&piece));
        }
        let kind = if ending == "m4a" { "ipod" } else { ending };
        stage::run(ffmpeg.arg(&piece).args(["-c", "copy", "-f", kind]).arg(path));
        fs::remove_file(piece).unwrap();
    })
}

/// Memory of a node, in MB, after requests for chunks from all over the file, one after another.
async fn resident(file: &Path) -> Option<f64> {
    let home = Home::new();
    home.configure("[server]\ncache = \"4MiB\"\n");
    let node = home.serve(&[file]);
    let listener = Listener::connect(&node.ticket).await;
    let track = listener.tracks().await.remove(0);
    let rendition = listener.rendition(&track, "pcm").await;
    let step = rendition.chunks / CHUNKS;
    // Back and forth, so that each request is a seek.
    let places = (0..CHUNKS).map(|n| (n * 37 % CHUNKS) * step);
    listener.fetch(places.map(|index| (rendition.clone(), index)), 1).await;
    listener.close().await;
    stage::memory(node.process.id(), "VmRSS")
}
