//! Cost of playing: CPU time, wake-ups, memory. All players play the same track at the same time, in real
//! time: to a null output, and through a sound server with a null sink. (ALSA's device `null` has no clock.)

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use tokio::runtime::Runtime;

use crate::{
    mpd::Mpd,
    nginx::Nginx,
    program::{Home, Node, Running},
    server::Server,
    stage::{self, Stage},
    table::{Goal, Row},
};

const WHAT: &str = "playing for 30 s";
const MEASURED: Duration = Duration::from_secs(30);
/// Time before the measurement, in which processes start and buffers fill.
const SETTLED: Duration = Duration::from_secs(8);
/// Length of the track, longer than both, in seconds.
const TRACK: f64 = 60.0;

/// Output of the players.
#[derive(Clone, Copy)]
enum To<'a> {
    Nothing,
    SoundServer(&'a Server),
}

/// A running player, ended when dropped.
enum Player {
    Ours(Running),
    Mpd(Mpd),
    Other(std::process::Child),
}

impl Player {
    fn id(&self) -> u32 {
        match self {
            Self::Ours(it) => it.id(),
            Self::Mpd(it) => it.process.id(),
            Self::Other(it) => it.id(),
        }
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        if let Self::Other(child) = self {
            stage::end(child);
        }
    }
}

/// Cost of one player.
struct Cost {
    /// CPU time in milliseconds per second.
    processor: f64,
    /// Wake-ups per second of all threads.
    wakes: f64,
    /// Peak memory, in MB.
    memory: f64,
}

pub(crate) fn rows(stage: &Stage, _: &Runtime) -> Vec<Row> {
    if let Some(why) = stage::lacking(&["nginx", "ffmpeg", "flac", "lame"]) {
        return vec![Row::missing(WHAT, &why)];
    }
    let nginx = Nginx::start(&stage.path(""));
    let home = Home::new();
    let node = home.serve(&[&track(stage, "flac")]);
    track(stage, "opus");
    let mp3 = track(stage, "mp3");
    let play = |to: To<'_>| measured(&to, &home, &node, &nginx, &mp3);
    let mut rows = play(To::Nothing);
    match stage::lacking(&["pulseaudio"]) {
        Some(why) => rows.push(Row::missing(&format!("{WHAT}, through a sound server"), &why)),
        None => rows.extend(play(To::SoundServer(&Server::start()))),
    }
    rows
}

fn name(ending: &str) -> String {
    format!("client/track.{ending}")
}

fn track(stage: &Stage, ending: &str) -> PathBuf {
    stage.file(&name(ending), |path| {
        let wav = stage.music(TRACK, 0.0);
        let mut command = Command::new("ffmpeg");
        command.args(["-v", "error", "-y", "-i"]).arg(wav);
        let coded: &[&str] = match ending {
            "opus" => &["-c:a", "libopus", "-b:a", "96k", "-f", "opus"],
            "mp3" => &["-c:a", "libmp3lame", "-q:a", "2", "-f", "mp3"],
            _ => &["-f", "flac"],
        };
        stage::run(command.args(coded).arg(path));
    })
}

fn measured(to: &To<'_>, home: &Home, node: &Node, nginx: &Nginx, mp3: &Path) -> Vec<Row> {
    let mut players = Vec::new();
    for (codec, ending) in [("pcm", "flac"), ("opus", "opus")] {
        players.push(("ours", ending, ours(to, home, node, codec)));
        players.extend(theirs(to, &nginx.url(&name(ending))).map(|(who, player)| (who, ending, player)));
    }
    if let To::SoundServer(server) = to
        && stage::lacking(&["mpg123"]).is_none()
    {
        let mut mpg123 = Command::new("mpg123");
        server.connect(mpg123.args(["-q", "-o", "pulse"]).arg(mp3));
        players.push(("mpg123", "mp3", other(mpg123)));
    }
    thread::sleep(SETTLED);
    let before: Vec<_> = players.iter().map(|(_, _, player)| Look::at(player.id())).collect();
    thread::sleep(MEASURED);
    let costs = players.iter().zip(&before).map(|((who, ending, player), before)| {
        let cost = Look::at(player.id()).zip(before.as_ref()).map(|(after, before)| after.since(before, who));
        (*who, *ending, cost.unwrap_or_else(|| panic!("{who} does not play {ending}")))
    });
    table(to, &costs.collect::<Vec<_>>())
}

fn table(to: &To<'_>, costs: &[(&str, &str, Cost)]) -> Vec<Row> {
    let place = if let To::Nothing = to { "into nothing" } else { "through PulseAudio" };
    let mut rows = Vec::new();
    for (codec, ours) in [("PCM", "flac"), ("Opus", "opus")] {
        let Some((.., own)) = costs.iter().find(|(who, it, _)| *who == "ours" && *it == ours) else {
            continue;
        };
        let beside = |it: &str| it == ours || codec == "Opus" && it == "mp3";
        for (who, ending, cost) in costs.iter().filter(|(who, it, _)| *who != "ours" && beside(it)) {
            let against = format!("{who}, {ending} {}", if *ending == "mp3" { "file" } else { "from nginx" });
            let row = |what: &str, unit: &str, figure: fn(&Cost) -> f64, goal| {
                let what = format!("{WHAT} {place}, {codec}: {what}");
                Row::of(&what, unit, figure(own), (&against, figure(cost)), goal)
            };
            rows.push(row("processor", "ms/s", |it| it.processor, Goal::RatioAtMost(1.0)));
            rows.push(row("wake-ups", "/s", |it| it.wakes, Goal::RatioAtMost(1.0)));
            rows.push(row("most memory", "MB", |it| it.memory, Goal::RatioAtMost(1.0)));
        }
        for peer in ["mpv", "ffplay", "mpd"] {
            if let Some(why) = stage::lacking(&[peer]) {
                rows.push(Row::missing(&format!("{WHAT} {place}, {codec}"), &why));
            }
        }
    }
    rows
}

fn ours(to: &To<'_>, home: &Home, node: &Node, codec: &str) -> Player {
    let output = if let To::Nothing = to { "null" } else { "cpal:pulseaudio:kitchen" };
    let mut command = home.command(&["play", &node.ticket, "--codec", codec, "--output", output]);
    if let To::SoundServer(server) = to {
        server.connect(&mut command);
    }
    Player::Ours(Running::start(&mut command))
}

/// Starts the other installed players with `url`.
fn theirs(to: &To<'_>, url: &str) -> impl Iterator<Item = (&'static str, Player)> {
    let connect = |command: &mut Command| {
        if let To::SoundServer(server) = to {
            server.connect(command);
        }
    };
    let is_there = |tool: &&str| stage::lacking(&[*tool]).is_none();
    let players = ["mpv", "ffplay", "mpd"].into_iter().filter(is_there).map(|who| {
        let mut command = Command::new(who);
        connect(&mut command);
        let (driver, output) = match to {
            To::Nothing => ("dummy", "type \"null\""),
            To::SoundServer(_) => ("pulseaudio", "type \"pulse\""),
        };
        match who {
            "mpv" => {
                let output = if let To::Nothing = to { "null" } else { "pulse" };
                command.args(["--no-config", "--no-terminal", "--no-video", &format!("--ao={output}"), url]);
            }
            "ffplay" => {
                command.env("SDL_AUDIODRIVER", driver).env("SDL_VIDEODRIVER", "dummy");
                command.args(["-v", "quiet", "-nodisp", "-autoexit", url]);
            }
            _ => {
                let mpd = Mpd::start(output, connect);
                mpd.say(&format!("add {url}"));
                mpd.say("play");
                return (who, Player::Mpd(mpd));
            }
        }
        (who, other(command))
    });
    players.collect::<Vec<_>>().into_iter()
}

fn other(mut command: Command) -> Player {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    Player::Other(command.spawn().unwrap())
}

/// Counters of a process at one instant.
struct Look {
    at: Instant,
    /// CPU time in seconds.
    processor: f64,
    /// For each thread: its name, its voluntary and its involuntary context switches.
    threads: HashMap<String, (String, f64, f64)>,
    memory: f64,
}

impl Look {
    /// `None` if the process has ended, or if the system has no such counters.
    fn at(process: u32) -> Option<Self> {
        let threads = fs::read_dir(format!("/proc/{process}/task")).ok()?.filter_map(|thread| {
            let thread = thread.ok()?;
            let status = fs::read_to_string(thread.path().join("status")).ok()?;
            let field = |name: &str| status.lines().find_map(|it| it.strip_prefix(name)).map(str::trim);
            let count = |name: &str| field(name)?.parse().ok();
            let switches = (count("voluntary_ctxt_switches:")?, count("nonvoluntary_ctxt_switches:")?);
            let id = thread.file_name().to_string_lossy().into_owned();
            Some((id, (field("Name:")?.to_owned(), switches.0, switches.1)))
        });
        Some(Self {
            at: Instant::now(),
            threads: threads.collect(),
            processor: stage::processor_time(process)?,
            memory: stage::memory(process, "VmHWM")?,
        })
    }

    /// Cost since `before`. Prints the counters of each thread.
    fn since(&self, before: &Self, who: &str) -> Cost {
        let seconds = (self.at - before.at).as_secs_f64();
        let mut wakes = 0.0;
        for (id, (name, waited, made)) in &self.threads {
            let (_, waited_before, made_before) = before.threads.get(id).cloned().unwrap_or_default();
            let (waited, made) = ((waited - waited_before) / seconds, (made - made_before) / seconds);
            if waited + made >= 0.1 {
                eprintln!("{who}: thread {name}: {waited:.1} wake-ups/s, {made:.1} times/s made to wait");
            }
            wakes += waited;
        }
        let processor = (self.processor - before.processor) * 1000.0 / seconds;
        Cost { processor, wakes, memory: self.memory }
    }
}
