//! Node and listeners as processes of their own on loopback, beside common programs, if those are installed.
//! Programs that are compared run in turns in one run, since only ratios hold on a busy machine.
//!
//! `cargo bench -p media-node --bench peers` runs every part; `-- WORD…` runs the parts with one of the words
//! in their name: transcode, disk-cache, first-audio, seek, throughput, memory, client. `-- --write` writes
//! the tables into `node/docs/benchmarks.md`: that of the part `client`, and that of the other parts if all
//! of them ran. `PEERS_ROUNDS` is the number of turns of quick measurements. `PEERS_FILES` names a folder
//! that keeps the generated files (4 GB) for the next run. `PEERS_ALBUM` names a folder of FLAC files to
//! transcode instead of generated ones.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a benchmark says what it expects by failing there"
)]

mod client;
mod disk_cache;
mod first_audio;
#[path = "../../tests/common/fixtures.rs"]
mod fixtures;
#[path = "../common/history.rs"]
mod history;
mod listener;
mod memory;
mod mpd;
mod nginx;
#[path = "../common/page.rs"]
#[allow(dead_code, reason = "a test uses the rest")]
mod page;
#[path = "../../tests/common/program.rs"]
mod program;
mod seek;
#[path = "../../../plugins/output-cpal/tests/sound/server.rs"]
#[allow(dead_code, reason = "the tests of the output use the rest")]
mod server;
mod stage;
#[path = "../common/table.rs"]
#[allow(dead_code, reason = "other benchmarks use the rest")]
mod table;
mod throughput;
mod transcode;

use stage::Stage;
use table::{Row, Table};
use tokio::runtime::Runtime;

/// Environment variable that names the part of a child process.
const CHILD: &str = "PEERS_CHILD";

/// Page with the tables.
const PAGE: &str = "docs/benchmarks.md";
/// Name of the part that has a table of its own.
const CLIENT: &str = "client";

type Part = fn(&Stage, &Runtime) -> Vec<Row>;

const PARTS: [(&str, Part); 7] = [
    ("transcode", transcode::rows),
    ("disk-cache", disk_cache::rows),
    ("first-audio", first_audio::rows),
    ("seek", seek::rows),
    ("throughput", throughput::rows),
    ("memory", memory::rows),
    (CLIENT, client::rows),
];

fn main() {
    let words: Vec<_> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let runtime = Runtime::new().unwrap();
    match std::env::var(CHILD).as_deref() {
        Ok("alone") => return transcode::alone(&words),
        Ok("bare") => return throughput::serve_bare(&runtime),
        _ => {}
    }
    let stage = Stage::new();
    let (mut table, mut others) = (Table::default(), Vec::new());
    let is_chosen = |name: &str| words.is_empty() || words.iter().any(|word| name.contains(word.as_str()));
    for (name, part) in PARTS.iter().filter(|(name, _)| is_chosen(name)) {
        let rows = part(&stage, &runtime);
        if *name == CLIENT && page::is_wanted() {
            page::write(PAGE, "peers-client", &table::markdown(&rows)).unwrap();
        } else {
            others.extend(rows.clone());
        }
        rows.into_iter().for_each(|row| table.add(row));
    }
    // The other parts share a table, which is written only if all of them ran.
    if page::is_wanted() && words.is_empty() {
        page::write(PAGE, "peers", &table::markdown(&others)).unwrap();
    }
    history::keep("peers", &table.0).unwrap();
}

/// Starts this program again as a child with another part.
fn child(part: &str) -> std::process::Command {
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    command.env(CHILD, part);
    command
}
