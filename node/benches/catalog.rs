//! Cost of a large library: the table "Large libraries" of `node/docs/benchmarks.md`, with a small library
//! beside it.
//!
//! `cargo bench -p media-node --bench catalog`; `-- --write` writes the table into the page. It makes files
//! of 0.1 s with their own tags in a temporary folder, serves them with the real program, and queries it over
//! the loopback interface. `CATALOG_TRACKS` is the number of tracks, 50,000 by default. The files are in the
//! system's page cache, since they were just written.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a benchmark says what it expects by failing there"
)]

#[path = "../tests/common/fixtures.rs"]
mod fixtures;
#[path = "common/history.rs"]
mod history;
#[path = "common/page.rs"]
#[allow(dead_code, reason = "a test uses the rest")]
mod page;
#[path = "../tests/common/program.rs"]
mod program;
#[path = "common/table.rs"]
#[allow(dead_code, reason = "other benchmarks use the rest")]
mod table;
#[path = "../tests/common/tagged_flac.rs"]
mod tagged_flac;

use std::{
    fs,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use fixtures::Kind;
use media_node::{client, client::NodeLink, plugins};
use media_plugin_sdk::transport::{BindOptions, PeerAddress, refuse_all};
use media_protocol::{List, Ticket};
use program::{Home, Node};
use table::{Goal, Row};
use tagged_flac::TaggedFlac;

/// Tracks of one artist: a full page for a search of one word.
const PER_ARTIST: usize = List::MAX as usize;
const LOOPBACK: &str = r#"{"bind":["127.0.0.1:0"],"relay":"off","mdns":false}"#;

/// One row: a label, and the figure as text; also as a number with its unit if less is better.
type Figure = (&'static str, String, Option<(f64, &'static str)>);

fn main() {
    // `cargo test --benches` only checks that it runs.
    let large = if std::env::args().any(|it| it == "--bench") {
        std::env::var("CATALOG_TRACKS").map_or(50_000, |it| it.parse().unwrap())
    } else {
        600
    };
    let counts = [50, large];
    let columns = counts.map(measure);
    let head = format!("| | 50 tracks | {large} tracks |\n|---|---:|---:|");
    let pairs = columns[0].iter().zip(&columns[1]);
    let lines = pairs.map(|((what, small, _), (_, large, _))| format!("| {what} | {small} | {large} |"));
    let table = [head].into_iter().chain(lines).collect::<Vec<_>>().join("\n");
    println!("{table}");
    if page::is_wanted() {
        page::write("docs/benchmarks.md", "catalog", &table).unwrap();
    }
    let rows = counts.iter().zip(&columns).flat_map(|(count, column)| {
        column.iter().filter_map(move |(what, _, number)| {
            let (number, unit) = (*number)?;
            Some(Row::alone(&format!("{count} tracks: {what}"), unit, number, Goal::None))
        })
    });
    history::keep("catalog", &rows.collect::<Vec<_>>()).unwrap();
}

fn measure(count: usize) -> Vec<Figure> {
    let home = Home::new();
    let music = home.path("music");
    make(&music, &home.path("tmp"), count);
    let mut figures = Vec::new();
    let start = |figures: &mut Vec<Figure>, [ticket, by_then, whole, memory]: [&'static str; 4]| {
        let began = Instant::now();
        let mut command = home.command(&[Path::new("serve"), &music]);
        let mut node = Node::start(command.env("MEDIA_NODE_LOG", "media_node=info"));
        figures.push(took(ticket, began.elapsed()));
        let said = node.process.out.clone();
        let tracks = said.split_whitespace().nth(1).unwrap();
        figures.push((by_then, tracks.to_owned(), None));
        if said.contains(" so far as ") {
            node.process.line(|it| it.contains("the whole library"));
        }
        figures.push(took(whole, began.elapsed()));
        figures.push(resident(memory, node.process.id()));
        node
    };
    let first =
        ["first start to ticket", "tracks by then", "until all are served", "memory then, and its peak"];
    drop(start(&mut figures, first));
    let second = [
        "start with the index to ticket",
        "tracks by then, with the index",
        "until the index is compared with the disk",
        "memory then, and its peak, with the index",
    ];
    let node = start(&mut figures, second);
    let word = format!("artist-{}", (count - 1) / PER_ARTIST);
    let ls = |words: &[&str]| {
        let arguments = [&["ls", node.ticket.as_str()], words].concat();
        median(5, || home.ok(&arguments))
    };
    figures.push(took("`ls WORD` of a page, from process start", ls(&[&word])));
    figures.push(took("`ls` of all, from process start", ls(&[])));
    pages(&node.ticket, count, &word, &mut figures);
    figures.push(resident("memory after that, and its peak", node.process.id()));
    figures
}

/// Measures pages over an open connection.
fn pages(ticket: &str, count: usize, word: &str, figures: &mut Vec<Figure>) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let node_link = runtime.block_on(node_link(&ticket.parse().unwrap()));
    let mut page = |what, offset: usize, search: &str| {
        let list = List { offset: offset as u32, limit: List::MAX, search: search.into(), detail: false };
        let ask = || runtime.block_on(client::list(&node_link, &list)).unwrap().tracks.len();
        let came = ask();
        let (what, time, number) = took(what, median(20, ask));
        figures.push((what, format!("{time}, {came} tracks"), number));
    };
    page("first page, connected", 0, "");
    page("last page, connected", count.saturating_sub(PER_ARTIST), "");
    page("page of a word, connected", 0, word);
    page("page of a word that is nowhere, connected", 0, "nowhere");
    runtime.block_on(node_link.close());
}

async fn node_link(ticket: &Ticket) -> Arc<NodeLink> {
    let bind = BindOptions {
        secret_key: [9; 32],
        options: LOOPBACK.into(),
        name: "bench".into(),
        version: String::new(),
        protocols: Vec::new(),
        admit: refuse_all(),
    };
    let endpoint = plugins::registry().transport("fastn").unwrap().bind(&bind).await.unwrap();
    let peer =
        PeerAddress { id: ticket.routes[0].peer.clone(), addresses: ticket.routes[0].addresses.clone() };
    let node_link = NodeLink::new(endpoint, peer, Some(ticket.token()));
    node_link.connection().await.unwrap();
    Arc::new(node_link)
}

fn median<T>(times: usize, run: impl Fn() -> T) -> Duration {
    let one = |_| {
        let began = Instant::now();
        let _ = run();
        began.elapsed()
    };
    let mut all: Vec<_> = (0..times).map(one).collect();
    all.sort();
    all[times / 2]
}

fn took(what: &'static str, time: Duration) -> Figure {
    let millis = time.as_secs_f64() * 1000.0;
    (what, format!("{millis:.1} ms"), Some((millis, "ms")))
}

/// Memory of a process from `/proc`; the number is the peak.
fn resident(what: &'static str, process: u32) -> Figure {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let megabytes = |name| {
        let line = status.lines().find_map(|it| it.strip_prefix(name))?;
        line.split_whitespace().next()?.parse::<u64>().ok().map(|it| it / 1024)
    };
    match (megabytes("VmRSS:"), megabytes("VmHWM:")) {
        (Some(now), Some(peak)) => (what, format!("{now} MiB, {peak} MiB"), Some((peak as f64, "MiB"))),
        _ => (what, "unknown".into(), None),
    }
}

/// Makes `count` tracks in folders by artist and album.
fn make(music: &Path, workshop: &Path, count: usize) {
    let sound = fixtures::music(8_000, 1, 0.1);
    let flac =
        TaggedFlac::new(&fs::read(fixtures::encode(workshop, Kind::FlacS16, 8_000, 1, &sound)).unwrap());
    for number in 0..count {
        let (artist, album) = (number / PER_ARTIST, number % PER_ARTIST / 12);
        let folder = music.join(format!("The artist-{artist}")).join(format!("Album {album} of many"));
        if (number % PER_ARTIST).is_multiple_of(12) {
            fs::create_dir_all(&folder).unwrap();
        }
        let title = format!("A song of some length, number {number}");
        let tags = [
            format!("TITLE={title}"),
            format!("ARTIST=The artist-{artist}"),
            format!("ALBUM=Album {album} of many"),
        ];
        let file = flac.with_tags(&tags);
        fs::write(folder.join(format!("{:02} {title}.flac", number % 12 + 1)), file).unwrap();
    }
}
