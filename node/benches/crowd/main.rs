//! Many listeners at one node: `cargo bench -p media-node --bench crowd`.
//!
//! The real `media-node serve` runs as a process of its own, and icecast2 beside it in the same run. The
//! listeners run in a few processes of this program. Each has its own endpoint, key and connection over the
//! real transport, and the whole client except decoder and sound (`client::SimulatedListener`). All chunks of the
//! one hot track are in the node's cache before the measurement, as icecast2 also sends a stream that is
//! already encoded. The results are printed as a table and kept in `target/crowd/latest.json` and
//! `history.jsonl`; `-- --write` writes the table of a whole run into `node/docs/benchmarks.md`.
//!
//! `-- WORD…` runs the parts with one of the words in their name: `peers` (500 listeners beside icecast2),
//! `greedy`, `idle`, `many` (2,000 listeners). `CROWD_SECONDS` is the time of each measurement, 60 by
//! default; `CROWD_PEERS` and `CROWD_MANY` are numbers of listeners. A listener takes about 8 file
//! descriptors. The processes raise their own limit as far as the system allows (`ulimit -Hn`).

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

/// Length of the track in seconds. Listeners start in its first half.
const TRACK: f64 = 480.0;
/// Listeners that are connected before memory per listener is measured.
const BASE: usize = 100;
/// Pause after listeners have connected, until the load is steady.
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
    // Accepts any number of listeners, all over one interface.
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

/// Makes a row; `theirs` is icecast2's figure, if any.
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

/// Starts a node that has the whole track at `bitrate` in its cache, and processes for its listeners.
fn hot(home: &Home, track: &Path, bitrate: u32, processes: usize) -> (Node, Crowd) {
    let node = home.serve(&[track]);
    let mut crowd = Crowd::start(processes);
    crowd.tell(&format!("ticket {}", node.ticket));
    crowd.first(&format!("warm {bitrate}"));
    (node, crowd)
}

/// Measures CPU time and memory per listener, beside icecast2.
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

/// Cost of one server.
#[derive(Debug)]
struct Measured {
    /// CPU seconds per hour of listening.
    cpu: f64,
    /// kB per listener above the first [`BASE`].
    memory: f64,
    /// Bitrate that a listener receives, in kbit/s.
    rate: f64,
    /// CPU time of a new listener, in milliseconds.
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

/// Measures ordinary listeners while others are greedy or never read.
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

/// Measures memory and CPU of listeners that are connected and request nothing.
fn idle(home: &Home, track: &Path, table: &mut Table) {
    let many = number("CROWD_PEERS", 500);
    let (node, mut crowd) = hot(home, track, 96_000, 2);
    let measured = measure(node.process.id(), &mut crowd, "idle", many);
    table.add(row("memory per idle listener", "kB", measured.memory, None, Goal::None));
    table.add(row("CPU per hour of an idle listener", "s", measured.cpu, None, Goal::None));
}

/// Measures as many listeners as this machine can run.
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
    table.add(row(&name("without audio, all together"), "s", heard.underrun_time, None, Goal::None));
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
