//! Playback over bad networks in real time: the table of `node/docs/networks.md`, kept in
//! `target/networks/history.jsonl`.
//!
//! `cargo bench -p media-node --bench networks` plays every row; `-- WORD…` plays the rows with one of the
//! words in their name, all side by side. `-- --write` writes the table of a whole run into the page.
//! `NETWORK_SECONDS` is the length of the rows without an event, 600 s by default. `NETWORK_RUNS` is the
//! number of their playbacks, 3 by default. Other rows are played three times as often, each time with other
//! random numbers and another moment of the event.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a benchmark says what it expects by failing there"
)]

#[path = "../../tests/it/lab/exact.rs"]
mod exact;
mod figures;
#[path = "../../tests/common/fixtures.rs"]
mod fixtures;
#[path = "../common/history.rs"]
mod history;
#[path = "../../tests/it/lab/music.rs"]
mod music;
#[path = "../../tests/common/net/mod.rs"]
mod net;
#[path = "../common/page.rs"]
#[allow(dead_code, reason = "a test uses the rest")]
mod page;
mod play;
mod process;
#[path = "../../tests/common/program.rs"]
mod program;
#[path = "../../tests/it/lab/rows.rs"]
mod rows;
#[path = "../../tests/it/lab/stage.rs"]
mod stage;
#[path = "../common/table.rs"]
#[allow(dead_code, reason = "other benchmarks use the rest")]
mod table;

use std::{sync::Arc, time::Duration};

use music::Music;
use rows::Row;
use tokio::sync::Semaphore;

/// Listeners at the same time; each takes a percent or two of a core.
const AT_ONCE: usize = 24;
/// Time between two starts, since the node encodes a first chunk then.
const APART: Duration = Duration::from_millis(300);

fn main() {
    let words: Vec<_> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let number = |name, usual| std::env::var(name).map_or(usual, |text| text.parse().unwrap());
    let (seconds, runs) = (number("NETWORK_SECONDS", 600), number("NETWORK_RUNS", 3));
    let mut rows = rows::rows(seconds as f64);
    rows.retain(|row| words.is_empty() || words.iter().any(|word| row.name.contains(word.as_str())));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    // Music is made before playback starts, since it takes all processors.
    let mut music: Vec<(f64, Arc<Music>)> = Vec::new();
    for row in &rows {
        if !music.iter().any(|(seconds, _)| *seconds == row.seconds) {
            music.push((row.seconds, Arc::new(Music::new(row.seconds))));
        }
    }
    let music = |row: &Row| Arc::clone(&music.iter().find(|(seconds, _)| *seconds == row.seconds).unwrap().1);
    println!("{}", figures::HEAD);
    runtime.block_on(async {
        let room = Arc::new(Semaphore::new(AT_ONCE));
        // One task per playback. The longest rows are first in the list, so short ones fill the gaps.
        let mut number = 0;
        let started: Vec<_> = rows
            .into_iter()
            .map(Arc::new)
            .map(|row| {
                let runs = if row.is_steady() { runs } else { 3 * runs };
                let tasks = (0..runs).map(|run| {
                    number += 1;
                    let wait = APART * number;
                    let (row, music, room) = (Arc::clone(&row), music(&row), Arc::clone(&room));
                    tokio::spawn(async move {
                        tokio::time::sleep(wait).await;
                        let _room = room.acquire().await.unwrap();
                        play::play(&row, &music, run).await
                    })
                });
                let tasks: Vec<_> = tasks.collect();
                (row, tasks)
            })
            .collect();
        let mut ended = Vec::new();
        for (row, tasks) in started {
            let mut played = Vec::new();
            for task in tasks {
                played.push(task.await.unwrap());
            }
            ended.push((row, played));
        }
        let (mut kept, mut lines) = (Vec::new(), vec![figures::HEAD.to_owned()]);
        // Results are compared after all playback, for the same reason.
        for (row, played) in ended {
            let expected = music(&row).expected(row.listen).await;
            let wrong = played.iter().filter_map(|it| exact::wrong(row.listen, &it.heard, &expected));
            let wrong: Vec<_> = wrong.collect();
            let figures = figures::figures(&row, &played, wrong.is_empty());
            let line = figures.line(&row, &played, wrong.is_empty());
            println!("{line}");
            lines.push(line);
            kept.extend(figures.rows(&row, &played));
            played.iter().enumerate().for_each(|(run, it)| figures::tell(&row, run, it));
            wrong.iter().for_each(|wrong| eprintln!("    wrong: {wrong}"));
        }
        history::keep("networks", &kept).unwrap();
        if page::is_wanted() && words.is_empty() {
            page::write("docs/networks.md", "networks", &lines.join("\n")).unwrap();
        }
    });
}
