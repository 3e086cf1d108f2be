//! Time from the start of a process to the first sound, for a track that is new to the node.

use std::{fs, process::Command, thread, time::Duration};

use tokio::runtime::Runtime;

use crate::{
    fixtures,
    mpd::Mpd,
    nginx::Nginx,
    program::{Home, Running},
    stage::{self, Stage, first_sound, first_sound_of},
    table::{Goal, Row, median},
};

const WHAT: &str = "time to first audio, cold process and track";
const OWN: &str = "the same, our own time beyond process start and endpoint bind";
const FILE: &str = "cold.flac";
const WARM_MPD: &str = "mpd, whose process runs already";

pub(crate) fn rows(stage: &Stage, _: &Runtime) -> Vec<Row> {
    if let Some(why) = stage::lacking(&["flac"]) {
        return vec![Row::missing(WHAT, &why)];
    }
    stage.file(FILE, |path| {
        let folder = tempfile::tempdir().unwrap();
        let samples = fixtures::music(44_100, 2, 210.0);
        let made = fixtures::encode(folder.path(), fixtures::Kind::FlacS16, 44_100, 2, &samples);
        fs::copy(made, path).unwrap();
    });
    let nginx = stage::lacking(&["nginx"]).is_none().then(|| Nginx::start(&stage.path("")));
    let (mut pcm, mut opus, mut own, mut own_opus) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut mpv, mut ffplay, mut mpd) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..stage.rounds {
        pcm.push(to_a_pipe(stage, "auto"));
        if let Some(nginx) = &nginx {
            mpv.extend(stage::lacking(&["mpv"]).is_none().then(|| by_mpv(&nginx.url(FILE))));
        }
        opus.push(to_a_pipe(stage, "opus"));
        if let Some(nginx) = &nginx {
            ffplay.extend(stage::lacking(&["ffplay"]).is_none().then(|| by_ffplay(&nginx.url(FILE))));
            mpd.extend(stage::lacking(&["mpd"]).is_none().then(|| by_mpd(&nginx.url(FILE))));
        }
        own.push(own_time(stage, "auto"));
        own_opus.push(own_time(stage, "opus"));
    }
    let mut rows = Vec::new();
    for (codec, ours) in [("PCM", median(&pcm)), ("Opus", median(&opus))] {
        for (peer, theirs) in [("mpv", &mpv), ("ffplay", &ffplay), (WARM_MPD, &mpd)] {
            let what = format!("{WHAT}, {codec}");
            rows.push(match (theirs.as_slice(), &nginx) {
                (_, None) => Row::missing(&what, "nginx: not installed"),
                ([], _) => Row::missing(&what, &format!("{peer}: not installed")),
                _ => Row::of(
                    &what,
                    "ms",
                    ours,
                    (&format!("{peer}, HTTP from nginx"), median(theirs)),
                    // mpd runs already, so this is no fair comparison.
                    if peer == WARM_MPD { Goal::None } else { Goal::RatioAtMost(1.0) },
                ),
            });
        }
    }
    for (codec, own) in [("PCM", &own), ("Opus", &own_opus)] {
        rows.push(Row::alone(&format!("{OWN}, {codec}"), "ms", median(own), Goal::AtMost(60.0)));
    }
    rows
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// Milliseconds until the first frame is on standard output.
fn to_a_pipe(stage: &Stage, codec: &str) -> f64 {
    let home = Home::new();
    let node = home.serve(&[&stage.path(FILE)]);
    ms(first_sound(&mut home.command(&["play", &node.ticket, "--codec", codec, "--output", "stdout"])))
}

/// Milliseconds from `main` to the first frame written to the output, without the time to bind.
fn own_time(stage: &Stage, codec: &str) -> f64 {
    let home = Home::new();
    let node = home.serve(&[&stage.path(FILE)]);
    let play = ["play", &node.ticket, "--codec", codec, "--output", "null", "--stats", "stats.json"];
    let mut player = Running::start(&mut home.command(&play));
    player.line(|line| line.contains("playing"));
    // Longer than `buffer.start`, which must be buffered before sound starts.
    thread::sleep(Duration::from_millis(500));
    player.signal("INT");
    player.finish_with(0);
    let stats = home.stats();
    stats["first_audio_ms"].as_f64().unwrap() - stats["bind_ms"].as_f64().unwrap()
}

fn by_mpv(url: &str) -> f64 {
    let mut mpv = Command::new("mpv");
    mpv.args(["--no-config", "--no-terminal", "--no-video", "--ao=pcm", "--ao-pcm-waveheader=no"]);
    ms(first_sound(mpv.args(["--ao-pcm-file=/dev/stdout", url])))
}

fn by_ffplay(url: &str) -> f64 {
    let mut ffplay = Command::new("ffplay");
    ffplay
        .env("SDL_AUDIODRIVER", "disk")
        .env("SDL_DISKAUDIOFILE", "/dev/stdout")
        .env("SDL_VIDEODRIVER", "dummy");
    ms(first_sound(ffplay.args(["-v", "quiet", "-nodisp", "-autoexit", url])))
}

/// Time from mpd's command `play` to the first sound in a pipe.
fn by_mpd(url: &str) -> f64 {
    let mpd = Mpd::start("type \"fifo\"\npath \"FOLDER/fifo\"\nformat \"44100:16:2\"", |_| {});
    mpd.say(&format!("add {url}"));
    ms(first_sound_of(|| {
        mpd.say("play");
        fs::File::open(mpd.path("fifo")).unwrap()
    }))
}
