//! Compares our choice of a rate with published ones: prints the table of `node/docs/rate-choice.md`, and keeps it in
//! `target/rate_choice/history.jsonl`.
//!
//! `cargo bench -p media-node --bench rate_choice`; `-- --write` writes the table into the page. `SEEDS` is the number of
//! traces of each kind, 20 by default.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a benchmark says what it expects by failing there")]

#[path = "../tests/it/rates/table.rs"]
mod choices;
#[path = "common/history.rs"]
mod history;
#[path = "../tests/it/rates/model.rs"]
mod model;
#[path = "common/page.rs"]
#[allow(dead_code, reason = "a test uses the rest")]
mod page;
#[path = "../tests/it/rates/published.rs"]
mod published;
#[path = "common/table.rs"]
#[allow(dead_code, reason = "other benchmarks use the rest")]
mod table;
#[path = "../tests/it/rates/traces.rs"]
mod traces;

use model::Heard;
use table::{Goal, Row};

const HEAD: &str = "\
| path | choice | without audio | underruns | mean bitrate | switches |
|---|---|---:|---:|---:|---:|";

/// Lines of the table, and the same figures as rows of the history.
#[derive(Default)]
struct Results {
    lines: Vec<String>,
    rows: Vec<Row>,
}

impl Results {
    /// Prints and keeps the result of one choice on one kind of path.
    fn add(&mut self, kind: &str, name: &str, seeds: u64, heard: &Heard) {
        let bitrate = heard.bits / heard.played / 1000.0;
        let Heard { underrun_time, underruns, switches, .. } = heard;
        let line = format!(
            "| {kind} | {name} | {underrun_time:.1} s | {underruns} | {bitrate:.0} kbit/s | {switches} |"
        );
        println!("{line}");
        self.lines.push(line);
        self.rows.extend(rows(kind, name, seeds, heard));
    }
}

fn rows(kind: &str, name: &str, seeds: u64, heard: &Heard) -> [Row; 4] {
    let row = |what, unit, value| {
        Row::alone(&format!("{kind}, {name}, {seeds} of each kind: {what}"), unit, value, Goal::None)
    };
    [
        row("without audio", "s", heard.underrun_time),
        row("underruns", "", heard.underruns.into()),
        row("mean bitrate", "kbit/s", heard.bits / heard.played / 1000.0),
        row("switches", "", heard.switches.into()),
    ]
}

fn main() {
    let seeds = std::env::var("SEEDS").map_or(20, |text| text.parse().unwrap());
    println!("{HEAD}");
    let mut totals = [Heard::default(); choices::NAMES.len()];
    let mut results = Results::default();
    for kind in traces::KINDS {
        for (name, total) in choices::NAMES.iter().zip(&mut totals) {
            let heard = choices::run(name, kind, seeds);
            results.add(kind, name, seeds, &heard);
            total.add(&heard);
        }
    }
    for (name, total) in choices::NAMES.iter().zip(&totals) {
        results.add("all", name, seeds, total);
    }
    history::keep("rate_choice", &results.rows).unwrap();
    if page::is_wanted() {
        let table = [&[HEAD.to_owned()], &results.lines[..]].concat().join("\n");
        page::write("docs/rate-choice.md", "rate_choice", &table).unwrap();
    }
}
