//! The choice of a rate beside published ones, on made paths and in virtual time.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what it expects by failing there")]

mod model;
mod published;
mod table;
mod traces;

use model::Heard;

#[test]
fn ours_stands_dry_for_no_longer_than_any_published_one() {
    let total = |name: &str| {
        let mut sum = Heard::default();
        for kind in traces::KINDS {
            sum.add(&table::run(name, kind, 4));
        }
        sum
    };
    let ours = total(table::NAMES[0]);
    for name in &table::NAMES[1..] {
        let theirs = total(name);
        assert!(ours.dry <= theirs.dry, "{name}: {theirs:?}\nours: {ours:?}");
    }
}
