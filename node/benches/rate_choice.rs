//! Compares the choice of a rate with published ones: prints the table of `node/README.md`, and keeps it in
//! `target/rate_choice/history.jsonl`.
//!
//! `cargo bench --bench rate_choice`; `SEEDS` is how many traces there are of each kind, 20 unless told otherwise.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a benchmark says what it expects by failing there")]

#[path = "../tests/it/rates/table.rs"]
mod choices;
#[path = "common/history.rs"]
mod history;
#[path = "../tests/it/rates/model.rs"]
mod model;
#[path = "../tests/it/rates/published.rs"]
mod published;
#[path = "common/table.rs"]
#[allow(dead_code, reason = "other benchmarks use the rest")]
mod table;
#[path = "../tests/it/rates/traces.rs"]
mod traces;

use model::Heard;
use table::{Goal, Row};

/// Prints a line, and returns it as rows to be kept.
fn print(kind: &str, name: &str, seeds: u64, heard: &Heard) -> [Row; 4] {
    let bitrate = heard.bits / heard.played / 1000.0;
    let (dry, underruns, switches) = (heard.dry, heard.underruns, heard.switches);
    println!("| {kind} | {name} | {dry:.1} s | {underruns} | {bitrate:.0} kbit/s | {switches} |");
    let row = |what, unit, value| {
        Row::alone(&format!("{kind}, {name}, {seeds} of each kind: {what}"), unit, value, Goal::None)
    };
    [
        row("dry", "s", dry),
        row("underruns", "", underruns as f64),
        row("mean bitrate", "kbit/s", bitrate),
        row("switches", "", switches as f64),
    ]
}

fn main() {
    let seeds = std::env::var("SEEDS").map_or(20, |text| text.parse().unwrap());
    println!("| path | choice | dry for | underruns | mean bitrate | switches |");
    println!("|---|---|---:|---:|---:|---:|");
    let mut totals = [Heard::default(); choices::NAMES.len()];
    let mut rows = Vec::new();
    for kind in traces::KINDS {
        for (name, total) in choices::NAMES.iter().zip(&mut totals) {
            let heard = choices::run(name, kind, seeds);
            rows.extend(print(kind, name, seeds, &heard));
            total.add(&heard);
        }
    }
    for (name, total) in choices::NAMES.iter().zip(&totals) {
        rows.extend(print("all", name, seeds, total));
    }
    history::keep("rate_choice", &rows).unwrap();
}
