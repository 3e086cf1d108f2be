//! Time from a seek in a running player to the first frame of the new position, in files of two hours.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};

use media_node::client::{
    CodecChoice, Event, OnLost, OutputChoice, OutputFormats, PauseMode, PlayId, Player, Setup,
};
use media_plugin_sdk::{DeviceInfo, OpenRequest, Output, OutputInfo, OutputPlugin, PluginError};
use media_protocol::{Position, TrackId};
use output_null::{RealTime, SystemClock};
use tokio::runtime::Runtime;

use crate::{
    listener::{self, Listener},
    program::Home,
    stage::{self, Stage, first_sound},
    table::{Goal, Row, median, percentile},
};

const WHAT: &str = "seek to sound, p99 against the peer's median";
/// Seeks for each turn of ffmpeg: enough that the 99th percentile is not the worst one. ffmpeg's median is
/// steady.
const SEEKS: usize = 10;
/// Last position in seconds, a little before the end of the files.
const LAST: f64 = 7100.0;
/// Length of a piece in seconds. A file of two hours repeats it twelve times.
const PIECE: f64 = 600.0;

pub(crate) fn rows(stage: &Stage, runtime: &Runtime) -> Vec<Row> {
    let files: [(&str, &str, &[&str]); 4] = [
        ("2-hour FLAC", "flac", &["ffmpeg", "flac"]),
        ("2-hour VBR MP3", "mp3", &["ffmpeg", "lame"]),
        ("2-hour Ogg Vorbis", "ogg", &["ffmpeg", "oggenc"]),
        ("2-hour M4A", "m4a", &["ffmpeg"]),
    ];
    let row = |(name, ending, tools): (&str, &str, &[&str])| match stage::lacking(tools) {
        Some(why) => vec![Row::missing(&format!("{WHAT}, {name}"), &why)],
        None if ending == "flac" => {
            let file = flac(stage);
            let mut rows = measure(stage, runtime, name, &file, "pcm");
            rows.extend(measure(stage, runtime, "2-hour FLAC, sent as Opus", &file, "opus"));
            rows
        }
        None => measure(stage, runtime, name, &coded(stage, ending), "pcm"),
    };
    files.into_iter().flat_map(row).collect()
}

fn measure(stage: &Stage, runtime: &Runtime, name: &str, file: &Path, codec: &str) -> Vec<Row> {
    let home = Home::new();
    let node = home.serve(&[file]);
    let mut player = runtime.block_on(Seeker::start(&node.ticket, codec));
    let (mut ours, mut theirs, mut mpg123) = (Vec::new(), Vec::new(), Vec::new());
    let is_mp3 = file.extension().is_some_and(|it| it == "mp3");
    let mut places = Places(7);
    for _ in 0..stage.rounds {
        for _ in 0..SEEKS {
            ours.push(runtime.block_on(player.seek(places.next())));
        }
        theirs.push(by_ffmpeg(file, places.next()));
        if is_mp3 && stage::lacking(&["mpg123"]).is_none() {
            mpg123.push(by_mpg123(file, places.next()));
        }
    }
    runtime.block_on(player.close());
    let (theirs, first) = (("ffmpeg -ss, local file", median(&theirs)), ours[0]);
    let named = |what: &str| format!("{what}, {name}");
    // On loopback a player requests PCM, as ffmpeg decodes to PCM.
    let goal = if codec == "pcm" { Goal::RatioAtMost(0.5) } else { Goal::None };
    let mut rows = vec![
        Row::of(&named(WHAT), "ms", percentile(&ours, 99), theirs, goal),
        Row::of(&named("the same, our median"), "ms", median(&ours), theirs, Goal::None),
        Row::of(&named("the same, our first one"), "ms", first, theirs, Goal::None),
    ];
    if is_mp3 {
        rows.push(match mpg123.as_slice() {
            [] => Row::missing(&named(WHAT), "mpg123: not installed"),
            theirs => {
                let theirs = ("mpg123 -k, local file", median(theirs));
                Row::of(&named(WHAT), "ms", percentile(&ours, 99), theirs, goal)
            }
        });
    }
    rows
}

/// Positions from the beginning to the end, the same in every run.
struct Places(u64);

impl Places {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64 * LAST
    }
}

fn by_ffmpeg(file: &Path, at: f64) -> f64 {
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-v", "error", "-ss", &at.to_string(), "-i"]).arg(file).args(["-f", "s16le", "-"]);
    first_sound(&mut ffmpeg).as_secs_f64() * 1000.0
}

fn by_mpg123(file: &Path, at: f64) -> f64 {
    let frame = (at * 44_100.0 / 1152.0) as u64;
    let mut mpg123 = Command::new("mpg123");
    mpg123.args(["-q", "-s", "-k", &frame.to_string()]).arg(file);
    first_sound(&mut mpg123).as_secs_f64() * 1000.0
}

fn flac(stage: &Stage) -> PathBuf {
    let piece = stage.music(PIECE, 0.0);
    stage.file("seek/long.flac", |path| {
        let wav = stage.path("long.wav");
        let mut ffmpeg = Command::new("ffmpeg");
        ffmpeg.args(["-v", "error", "-y", "-stream_loop", "11", "-i"]).arg(piece).arg(&wav);
        stage::run(&mut ffmpeg);
        stage::run(Command::new("flac").args(["--silent", "--force", "-2", "-o"]).arg(path).arg(&wav));
        fs::remove_file(wav).unwrap();
    })
}

/// Encodes a piece once and repeats its packets.
fn coded(stage: &Stage, ending: &str) -> PathBuf {
    let wav = stage.music(PIECE, 0.0);
    let piece = stage.file(&format!("piece.{ending}"), |path| {
        let mut encoder = match ending {
            "mp3" => Command::new("lame"),
            "ogg" => Command::new("oggenc"),
            _ => Command::new("ffmpeg"),
        };
        match ending {
            "mp3" => encoder.args(["--quiet", "-V", "2"]).arg(&wav).arg(path),
            "ogg" => encoder.args(["--quiet", "-q", "5", "-o"]).arg(path).arg(&wav),
            _ => encoder.args(["-v", "error", "-i"]).arg(&wav).args(["-b:a", "160k", "-f", "ipod"]).arg(path),
        };
        stage::run(&mut encoder);
    });
    stage.file(&format!("seek/long.{ending}"), |path| {
        let mut ffmpeg = Command::new("ffmpeg");
        ffmpeg.args(["-v", "error", "-stream_loop", "11", "-i"]).arg(&piece).args(["-c", "copy", "-f"]);
        stage::run(ffmpeg.arg(if ending == "m4a" { "ipod" } else { ending }).arg(path));
    })
}

/// A player whose output reports the first sound.
struct Seeker {
    player: Player,
    events: tokio::sync::mpsc::Receiver<Event>,
    node_link: Arc<media_node::client::NodeLink>,
    track: TrackId,
    began: mpsc::Receiver<Instant>,
    plays: u64,
}

impl Seeker {
    /// Plays the node's first track from its beginning.
    async fn start(ticket: &str, codec: &str) -> Self {
        let listener = Listener::connect(ticket).await;
        let (track, registry) = (listener.tracks().await.remove(0).id, Arc::clone(&listener.registry));
        listener.close().await;
        let (tell, began) = mpsc::channel();
        let setup = Setup {
            output: OutputChoice {
                plugin: Arc::new(Watched(tell)),
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
            registry: Arc::clone(&registry),
            began: Instant::now(),
        };
        let node_link = listener::node_link(&registry, ticket).await;
        let (player, events) = Player::start(setup, Arc::clone(&node_link)).unwrap();
        let mut seeker = Self { player, events, node_link, track, began, plays: 0 };
        seeker.seek(0.0).await;
        seeker
    }

    /// Milliseconds from the seek to the first frame that is written to the output.
    async fn seek(&mut self, seconds: f64) -> f64 {
        while self.began.try_recv().is_ok() {}
        let wished = Instant::now();
        self.plays += 1;
        let play = PlayId(self.plays);
        self.player.play(play, self.track.clone(), Position::START.moved(seconds));
        loop {
            while let Ok(event) = self.events.try_recv() {
                if let Event::Fatal(why) | Event::OutputFailed(why) | Event::TrackFailed { reason: why, .. } =
                    event
                {
                    panic!("{why}");
                }
            }
            // The playback thread has taken the time, so the delay of this loop does not matter.
            if let Ok(began) = self.began.try_recv() {
                return (began - wished).as_secs_f64() * 1000.0;
            }
            assert!(wished.elapsed() < Duration::from_secs(60), "no sound at {seconds} s");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    async fn close(self) {
        self.player.close(self.events).await;
        self.node_link.close().await;
    }
}

/// The output `null`, in real time, which reports the first frames after each flush.
struct Watched(mpsc::Sender<Instant>);

impl OutputPlugin for Watched {
    fn info(&self) -> OutputInfo {
        let text = String::new;
        OutputInfo { id: "watched".into(), version: text(), description: text(), target: text() }
    }

    fn devices(&self) -> Result<Vec<DeviceInfo>, PluginError> {
        Ok(Vec::new())
    }

    fn open(&self, open: &OpenRequest<'_>) -> Result<Box<dyn Output>, PluginError> {
        let output = RealTime::new(open.format, SystemClock::default());
        Ok(Box::new(Watch { output, tell: self.0.clone(), silent: true }))
    }
}

struct Watch {
    output: RealTime<SystemClock>,
    tell: mpsc::Sender<Instant>,
    silent: bool,
}

impl Output for Watch {
    fn format(&self) -> media_plugin_sdk::AudioFormat {
        self.output.format()
    }

    fn is_realtime(&self) -> bool {
        true
    }

    fn write(&mut self, frames: &[f32]) -> Result<usize, PluginError> {
        if !frames.is_empty() && std::mem::take(&mut self.silent) {
            let _ = self.tell.send(Instant::now());
        }
        self.output.write(frames)
    }

    fn delay(&self) -> u64 {
        self.output.delay()
    }

    fn pause(&mut self, paused: bool) -> Result<(), PluginError> {
        self.output.pause(paused)
    }

    fn flush(&mut self) -> Result<(), PluginError> {
        self.silent = true;
        self.output.flush()
    }

    fn drain(&mut self) -> Result<bool, PluginError> {
        self.output.drain()
    }
}
