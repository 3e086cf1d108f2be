//! A crowd at one node: `cargo bench --bench crowd`.
//!
//! The real `media-node serve`, a process of its own, against icecast2 in the same run; listeners in a few processes of
//! this program, each with an endpoint, a key and a connection of its own, over the real transport and with the whole of
//! the client but for the decoder and the sound (`client::MuteListener`). One hot track: all of its chunks are in the
//! node's cache before anything is measured, as icecast2 too sends what somebody else has encoded. Prints a table and
//! keeps it in `target/crowd/latest.json` and `history.jsonl`.
//!
//! `cargo bench --bench crowd -- WORD…` runs the parts with one of the words in their name: `peers` (500 listeners beside
//! icecast2), `greedy`, `idle`, `many` (2,000 listeners). `CROWD_SECONDS` is how long each is measured, 60 unless told
//! otherwise; `CROWD_PEERS` and `CROWD_MANY` how many listeners. A listener takes about 8 file descriptors: the processes
//! raise their own limit as far as the system lets them (`ulimit -Hn`).

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a benchmark says what it expects by failing there"
)]
#![cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "it reads /proc"))]

#[path = "../../tests/common/fixtures.rs"]
mod fixtures;
#[path = "../../tests/common/program.rs"]
mod program;

mod crowd;
#[path = "../common/history.rs"]
mod history;
mod icecast;
mod listeners;
#[path = "../common/page.rs"]
#[allow(dead_code, reason = "a test uses the rest")]
mod page;
mod process;
#[path = "../common/table.rs"]
#[allow(dead_code, reason = "other benchmarks use the rest")]
mod table;

use std::{path::Path, thread::sleep, time::Duration};

use crowd::Crowd;
use fixtures::Kind;
use icecast::Icecast;
use process::{Cost, Usage};
use program::{Home, Node};
use table::{Goal, Row, Table};

/// Seconds of the track; listeners begin in its first half.
const TRACK: f64 = 480.0;
/// Listeners that are there before memory per listener is counted.
const BASE: usize = 100;
/// For what the listeners' coming has set off to be over.
const SETTLE: Duration = Duration::from_secs(10);

fn main() {
    if std::env::var_os(crowd::LISTENERS).is_some() {
        return listeners::main();
    }
    if cfg!(not(target_os = "linux")) {
        return eprintln!("this benchmark reads /proc, which only Linux has");
    }
    let words: Vec<String> = std::env::args().skip(1).filter(|it| !it.starts_with("--")).collect();
    let home = Home::new();
    // As many as come, and all over one interface.
    home.configure("[server]\nmax_peers = 10000\n");
    let samples = fixtures::music(48_000, 2, TRACK);
    let track = fixtures::encode(&home.path(""), Kind::FlacS16, 48_000, 2, &samples);
    drop(samples);
    let mut table = Table::default();
    let parts: [(&str, Part); 4] = [("peers", peers), ("greedy", greedy), ("idle", idle), ("many", many)];
    for (name, part) in parts {
        if words.is_empty() || words.iter().any(|word| name.contains(word.as_str())) {
            part(&home, &track, &mut table);
        }
    }
    history::keep("crowd", &table.0).unwrap();
    if page::is_wanted() && words.is_empty() {
        page::write("docs/benchmarks.md", "crowd", &table::markdown(&table.0)).unwrap();
    }
}

type Part = fn(&Home, &Path, &mut Table);

/// `theirs` is icecast2's figure, where there is one.
fn row(what: &str, unit: &str, ours: f64, theirs: Option<f64>, goal: Goal) -> Row {
    match theirs {
        Some(theirs) => Row::of(what, unit, ours, ("icecast2", theirs), goal),
        None => Row::alone(what, unit, ours, goal),
    }
}

fn number(name: &str, default: usize) -> usize {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

fn seconds() -> Duration {
    Duration::from_secs(number("CROWD_SECONDS", 60) as u64)
}

/// A node whose cache holds the whole track at `bitrate`, and processes for its listeners.
fn hot(home: &Home, track: &Path, bitrate: u32, processes: usize) -> (Node, Crowd) {
    let node = home.serve(&[track]);
    let mut crowd = Crowd::start(processes);
    crowd.tell(&format!("ticket {}", node.ticket));
    crowd.first(&format!("warm {bitrate}"));
    (node, crowd)
}

/// CPU time and memory per listener, beside icecast2.
fn peers(home: &Home, track: &Path, table: &mut Table) {
    let many = number("CROWD_PEERS", 500);
    let (node, mut crowd) = hot(home, track, 96_000, 2);
    let ours = measure(node.process.id(), &mut crowd, "add 96000", many);
    drop((node, crowd));
    eprintln!("{many} listeners of media-node: {ours:?}");
    let theirs = Icecast::start(track, many + 8).map(|icecast| {
        let mut crowd = Crowd::start(2);
        let theirs = measure(icecast.id(), &mut crowd, &format!("tcp {}", icecast.port()), many);
        eprintln!("{many} listeners of icecast2: {theirs:?}");
        theirs
    });
    let against = |of: fn(&Measured) -> f64| theirs.as_ref().map(of);
    let name = format!("CPU per listener-hour, Opus 96, {many} listeners");
    table.add(row(&name, "s", ours.cpu, against(|it| it.cpu), Goal::RatioAtMost(1.0)));
    let name = format!("memory per active listener, {BASE} to {many}");
    table.add(row(&name, "kB", ours.memory, against(|it| it.memory), Goal::BothAtMost(2.0, 200.0)));
    table.add(row("sent to a listener", "kbit/s", ours.rate, against(|it| it.rate), Goal::None));
    table.add(row("CPU of a listener coming in", "ms", ours.coming, against(|it| it.coming), Goal::None));
    table.add(row("underruns", "", ours.underruns, None, Goal::AtMost(0.0)));
    table.add(row("listeners that failed", "", ours.failed, None, Goal::AtMost(0.0)));
}

/// What a server of either kind costs.
#[derive(Debug)]
struct Measured {
    /// Seconds of CPU per hour of listening.
    cpu: f64,
    /// kB per listener beyond the first [`BASE`].
    memory: f64,
    /// What a listener takes in, in kbit/s.
    rate: f64,
    /// Milliseconds of CPU until a listener is there.
    coming: f64,
    underruns: f64,
    failed: f64,
}

fn measure(server: u32, crowd: &mut Crowd, add: &str, many: usize) -> Measured {
    crowd.spread(add, BASE.min(many));
    sleep(SETTLE);
    let before = Usage::of(server);
    crowd.spread(add, many - BASE.min(many));
    let came = Usage::of(server);
    sleep(SETTLE);
    crowd.tell("mark");
    let cost = Cost::during(server, seconds());
    let heard = crowd.report();
    eprintln!("{heard:?}");
    let beyond = many.saturating_sub(BASE).max(1) as f64;
    let hours = many as f64 * cost.wall.as_secs_f64() / 3600.0;
    Measured {
        cpu: cost.cpu.as_secs_f64() / hours,
        memory: (Usage::of(server).memory - before.memory) / beyond,
        rate: heard.bytes as f64 * 8.0 / 1000.0 / cost.wall.as_secs_f64() / many as f64,
        coming: (came.cpu - before.cpu).as_secs_f64() * 1000.0 / beyond,
        underruns: heard.underruns as f64,
        failed: heard.failed as f64,
    }
}

/// What others hear while some ask for as much as they can and some never read.
fn greedy(home: &Home, track: &Path, table: &mut Table) {
    let (node, mut crowd) = hot(home, track, 96_000, 2);
    crowd.spread("add 96000", 100);
    sleep(SETTLE);
    let mut waits = Vec::new();
    for greed in ["", "greedy 8", "deaf 8"] {
        if !greed.is_empty() {
            crowd.first(greed);
        }
        crowd.tell("mark");
        sleep(seconds() / 2);
        let heard = crowd.report();
        eprintln!("{greed:?}: {heard:?}");
        waits.push(heard);
    }
    drop((node, crowd));
    let rows = ["100 listeners alone", "the same beside 8 greedy ones", "and 8 that never read"];
    for (name, heard) in rows.iter().zip(waits) {
        table.add(row(
            &format!("a chunk whole, 99th percentile: {name}"),
            "ms",
            heard.chunk_p99,
            None,
            Goal::None,
        ));
        table.add(row(&format!("underruns: {name}"), "", heard.underruns as f64, None, Goal::AtMost(0.0)));
        let failed = format!("listeners that failed: {name}");
        table.add(row(&failed, "", heard.failed as f64, None, Goal::AtMost(0.0)));
    }
}

/// Memory and CPU of those who are connected and want nothing.
fn idle(home: &Home, track: &Path, table: &mut Table) {
    let many = number("CROWD_PEERS", 500);
    let (node, mut crowd) = hot(home, track, 96_000, 2);
    let measured = measure(node.process.id(), &mut crowd, "idle", many);
    table.add(row("memory per idle listener", "kB", measured.memory, None, Goal::None));
    table.add(row("CPU per hour of an idle listener", "s", measured.cpu, None, Goal::None));
}

/// As many as this machine holds.
fn many(home: &Home, track: &Path, table: &mut Table) {
    let many = number("CROWD_MANY", 2000);
    let (node, mut crowd) = hot(home, track, 64_000, 4);
    crowd.spread("add 64000", many);
    sleep(SETTLE);
    crowd.tell("mark");
    let (cost, listeners) = crowd.cost_beside(node.process.id(), seconds());
    let heard = crowd.report();
    eprintln!("{many} listeners: {heard:?}");
    let cores = |cost: &Cost| cost.cpu.as_secs_f64() / cost.wall.as_secs_f64() * 100.0;
    let name = |what: &str| format!("{many} listeners, Opus 64: {what}");
    table.add(row(&name("underruns"), "", heard.underruns as f64, None, Goal::AtMost(0.0)));
    table.add(row(&name("dry, all together"), "s", heard.dry, None, Goal::None));
    table.add(row(&name("listeners that failed"), "", heard.failed as f64, None, Goal::AtMost(0.0)));
    table.add(row(&name("a chunk whole, 99th percentile"), "ms", heard.chunk_p99, None, Goal::None));
    table.add(row(&name("the node's CPU"), "% of a core", cores(&cost), None, Goal::None));
    table.add(row(&name("the listeners' CPU"), "% of a core", cores(&listeners), None, Goal::None));
    table.add(row(
        &name("the node's memory"),
        "MB",
        Usage::of(node.process.id()).memory / 1000.0,
        None,
        Goal::None,
    ));
}
