//! Compares the choice of a rate with published ones: prints the table of `node/README.md`.
//!
//! `cargo bench --bench rate_choice`; `SEEDS` is how many traces there are of each kind, 20 unless told otherwise.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a benchmark says what it expects by failing there")]

#[path = "../tests/rates/model.rs"]
mod model;
#[path = "../tests/rates/published.rs"]
mod published;
#[path = "../tests/rates/table.rs"]
mod table;
#[path = "../tests/rates/traces.rs"]
mod traces;

use model::Heard;

fn print(kind: &str, name: &str, heard: &Heard) {
    let bitrate = heard.bits / heard.played / 1000.0;
    let (dry, underruns, switches) = (heard.dry, heard.underruns, heard.switches);
    println!("| {kind} | {name} | {dry:.1} s | {underruns} | {bitrate:.0} kbit/s | {switches} |");
}

fn main() {
    let seeds = std::env::var("SEEDS").map_or(20, |text| text.parse().unwrap());
    println!("| path | choice | dry for | underruns | mean bitrate | switches |");
    println!("|---|---|---:|---:|---:|---:|");
    let mut totals = [Heard::default(); table::NAMES.len()];
    for kind in traces::KINDS {
        for (name, total) in table::NAMES.iter().zip(&mut totals) {
            let heard = table::run(name, kind, seeds);
            print(kind, name, &heard);
            total.add(&heard);
        }
    }
    for (name, total) in table::NAMES.iter().zip(&totals) {
        print("all", name, total);
    }
}
