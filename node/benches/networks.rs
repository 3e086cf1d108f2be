//! What a listener gets through bad networks, in real time: prints the table of `node/README.md`.
//!
//! `cargo bench --bench networks` runs every row, `cargo bench --bench networks -- WORD…` those with one of the words in
//! their name. `NETWORK_SECONDS` is how much music the rows without an outage play, 60 unless told otherwise.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a benchmark says what it expects by failing there"
)]

#[path = "../tests/common/fixtures.rs"]
mod fixtures;
#[path = "../tests/lab/net/mod.rs"]
mod net;
#[path = "../tests/lab/stage.rs"]
mod stage;

use std::time::{Duration, Instant};

use fixtures::Kind;
use net::{Change, Link, Relay};
use stage::{Heard, Listen, Listener, Node};

const RATE: u32 = 44_100;
const OPUS: Listen = Listen { codec: "opus", bitrate: 96_000, realtime: true };
const PCM: Listen = Listen { codec: "pcm", bitrate: 0, realtime: true };
const AUTO: Listen = Listen { codec: "auto", bitrate: 160_000, realtime: true };
/// When a row's event begins.
const AT: Duration = Duration::from_secs(7);
const QUIET: Change = Change::Silence(true, true);
const LOUD: Change = Change::Silence(false, false);

/// What is done to the network, counted from the first frame.
enum Event {
    Nothing,
    /// These changes; the last one brings it back.
    Changes(Vec<(Duration, Change)>),
    /// The first of two paths dies.
    Dead,
    /// The node is gone without a word, and another with its key is there after so long.
    Killed(Duration),
}

struct Row {
    name: &'static str,
    listen: Listen,
    link: Link,
    event: Event,
    seconds: f64,
}

/// What 1.5 times a codec's rate is, with the room that packets' headers take.
fn tight(link: Link) -> Link {
    Link { queue: 32_000, ..link }.at(150_000)
}

fn outage(seconds: f64) -> Event {
    Event::Changes(vec![(AT, QUIET), (AT + Duration::from_secs_f64(seconds), LOUD)])
}

fn rows() -> Vec<Row> {
    let long = std::env::var("NETWORK_SECONDS").map_or(60.0, |text| text.parse().unwrap());
    let row = |name, link, event, seconds| Row { name, listen: OPUS, link, event, seconds };
    let plain = |name, link| row(name, link, Event::Nothing, long);
    let good = Link::of(50, 0.0);
    let rough = Link { duplicate: 0.01, reorder: 0.05, burst: (0.0005, 20), ..good };
    vec![
        plain("50 ms, 1 % loss", Link::of(50, 0.01)),
        plain("100 ms, 3 % loss", Link::of(100, 0.03)),
        plain("300 ms, 5 % loss", Link::of(300, 0.05)),
        plain("rate 1.5x", tight(good)),
        plain("duplicates, reordering, bursts, rate 1.5x", tight(rough)),
        row("2.5 s of silence", good, outage(2.5), 20.0),
        row("10 s of silence", good, outage(10.0), 30.0),
        row("75 s of silence", good, outage(75.0), 30.0),
        row(
            "2.5 s of silence towards the listener",
            good,
            Event::Changes(vec![
                (AT, Change::Silence(false, true)),
                (AT + Duration::from_millis(2500), LOUD),
            ]),
            20.0,
        ),
        row("address change", good, Event::Changes(vec![(AT, Change::Rebind)]), 20.0),
        Row { listen: PCM, ..row("PCM, rate 1.5x", good.at(2_200_000), Event::Nothing, 20.0) },
        // At 1.5 times PCM's rate, so that a chunk is under way two times out of three.
        Row {
            listen: PCM,
            ..row("address change, PCM", good.at(2_200_000), Event::Changes(vec![(AT, Change::Rebind)]), 20.0)
        },
        row("path dead, another works", good, Event::Dead, 20.0),
        row("node killed, back after 5 s", good, Event::Killed(Duration::from_secs(5)), 20.0),
        // These two depend on the choice of rate.
        Row { listen: AUTO, ..row("rate falls to 128 kbit/s", good, falls(128_000), 60.0) },
        Row { listen: AUTO, ..row("rate falls to 40 kbit/s", good, falls(40_000), 60.0) },
    ]
}

/// From 10 Mbit/s down for 20 s and back.
fn falls(rate: u64) -> Event {
    let link = Link { queue: 32_000, ..Link::of(50, 0.0) };
    let changes = [(Duration::ZERO, 10_000_000), (AT, rate), (AT + Duration::from_secs(20), 10_000_000)];
    Event::Changes(changes.map(|(at, rate)| (at, Change::Both(link.at(rate)))).to_vec())
}

/// What was measured beside what was heard.
#[derive(Default)]
struct Instants {
    /// When the network was whole again.
    whole: Option<Instant>,
    /// How long it took from a path's death to the use of the other.
    moved: Option<Duration>,
}

/// Plays one row, on a connection that is warm.
async fn play(row: &Row) -> (Heard, Instants) {
    let folder = tempfile::tempdir().unwrap();
    let file =
        fixtures::encode(folder.path(), Kind::FlacS16, RATE, 2, &fixtures::music(RATE, 2, row.seconds));
    let mut node = Node::start(&file, folder).await;
    let relay = Relay::start(node.address(), 11, row.link).await;
    let spare = Relay::start(node.address(), 12, row.link).await;
    let paths = [relay.address, spare.address];
    let dial = node.dial(if matches!(row.event, Event::Dead) { &paths } else { &paths[..1] }).await;
    dial.connection().await.unwrap();
    let mut listener = Listener::start(&node, dial, row.listen).await;
    listener.until(1).await;
    let began = Instant::now();
    let mut instants = Instants::default();
    match &row.event {
        Event::Nothing => {}
        Event::Changes(changes) => {
            relay.play(changes);
            instants.whole = changes.last().map(|(at, _)| began + *at);
        }
        Event::Dead => {
            tokio::time::sleep(AT).await;
            let used = listener.dial.path().remote;
            let dead = if used == spare.address.to_string() { &spare } else { &relay };
            dead.change(QUIET);
            let died = Instant::now();
            while listener.dial.path().remote == used && died.elapsed() < AT {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            instants.moved = Some(died.elapsed());
        }
        Event::Killed(after) => {
            tokio::time::sleep(AT).await;
            relay.change(QUIET);
            node = node.again().await;
            tokio::time::sleep(*after).await;
            relay.change(Change::Server(node.address()));
            relay.change(LOUD);
            instants.whole = Some(Instant::now());
        }
    }
    let heard = listener.finish().await;
    node.stop().await;
    (heard, instants)
}

fn report(row: &Row, heard: &Heard, instants: &Instants) {
    let progress = &heard.progress;
    let format = heard.recording.format.unwrap();
    let frames = heard.recording.samples.len() / usize::from(format.channels);
    let expected = (row.seconds * f64::from(format.rate)).round() as usize;
    let first = progress.first_audio.unwrap_or_default().as_secs_f64() * 1000.0;
    let whole = instants.whole.filter(|_| progress.underruns > 0);
    let sound_again = whole.and_then(|at| heard.recording.first_after(at));
    let seconds =
        |text, time: Option<Duration>| time.map(|time| format!("{text}{:.2} s", time.as_secs_f64()));
    let again = seconds("", sound_again).or_else(|| seconds("moved after ", instants.moved));
    let again = again.unwrap_or_else(|| "-".into());
    println!(
        "| {} | {} | {} | {:.2} s | {first:.0} ms | {again} | {} | {} | {} |",
        row.name,
        row.listen.codec,
        progress.underruns,
        progress.underrun_time.as_secs_f64(),
        heard.reconnects,
        heard.counts.retries,
        if frames == expected { "yes".into() } else { format!("no: {frames} of {expected} frames") },
    );
    heard.told.iter().for_each(|told| eprintln!("    {told}"));
    for pair in heard.recording.writes.windows(2) {
        if pair[1].0 - pair[0].0 > Duration::from_millis(150) {
            eprintln!(
                "    gap at {:.2} s: {:?}",
                (pair[0].0 - heard.began).as_secs_f64(),
                pair[1].0 - pair[0].0
            );
        }
    }
}

fn main() {
    let words: Vec<_> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    println!(
        "| network | codec | underruns | dry for | first audio, warm | sound after its return | new connections | retries | frame-exact |"
    );
    println!("|---|---|---:|---:|---:|---:|---:|---:|---|");
    for row in rows() {
        if words.is_empty() || words.iter().any(|word| row.name.contains(word.as_str())) {
            let (heard, instants) = runtime.block_on(play(&row));
            report(&row, &heard, &instants);
        }
    }
}
