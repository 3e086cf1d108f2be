//! Hostile nodes: whatever they answer, the client ends, and takes a bounded number of bytes.

#![cfg(feature = "fastn")]

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use media_protocol::{ChunkRequest, GetInfo, List, ListPage, Protocol};

use crate::{
    hostile_node::{HostileNode, Reply, chunk, info, json, page, track},
    program::{Done, Home, Running},
};

/// Plays two tracks of a node that spoils the chunks of the first.
fn play(spoil: impl Fn(Vec<u8>) -> Reply + Send + Sync + 'static) -> (Done, HostileNode) {
    let node = HostileNode::start(move |protocol, data| match protocol {
        Protocol::List => json(page(2, 1, &["bad".into(), "good".into()])),
        Protocol::GetInfo => {
            let request: GetInfo = serde_json::from_str(data).unwrap();
            let is_first = request.track.as_str() == "t1";
            json(info(if is_first { track(1, "bad") } else { track(2, "good") }))
        }
        Protocol::RequestChunk => {
            let request: ChunkRequest = serde_json::from_str(data).unwrap();
            let bytes = chunk(&request);
            if request.rendition.track.as_str() == "t1" { spoil(bytes) } else { Reply::Bytes(bytes) }
        }
    });
    let home = Home::new();
    (home.run(&["play", &node.ticket, "--output", "null:fast"]), node)
}

#[test]
fn a_track_whose_chunks_are_always_bad_is_skipped_with_the_reason() {
    let wrong_hash = |mut bytes: Vec<u8>| {
        *bytes.last_mut().unwrap() ^= 1;
        Reply::Bytes(bytes)
    };
    let wrong_length = |mut bytes: Vec<u8>| {
        bytes[12] ^= 1;
        Reply::Bytes(bytes)
    };
    // The packets of the chunk again and again.
    let endless = |bytes: Vec<u8>| {
        let packets = bytes[media_protocol::chunk::HEADER..][..4 + 882 * 4].to_vec();
        Reply::Endless(bytes[..media_protocol::chunk::HEADER].to_vec(), packets)
    };
    for (done, node) in [play(wrong_hash), play(wrong_length), play(endless)] {
        assert_eq!(done.code, 1, "{done:?}");
        assert!(done.err.contains("the node sent chunk 0 damaged 3 times"), "{done:?}");
        assert!(done.err.contains("playing 2: good"), "{done:?}");
        // Three copies in each of two renditions, and the two chunks of the other track.
        assert_eq!(node.requests(Protocol::RequestChunk), 3 * 2 + 2, "{done:?}");
    }
}

/// Peak memory of a process in MB.
#[cfg(target_os = "linux")]
fn peak(process: u64) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok()).map_or(0, |kb| kb / 1000)
}

/// A command at work on the tracks of a node, none of which can be played.
#[cfg(target_os = "linux")]
struct Listing {
    running: Running,
    /// Peak memory in MB at any of its requests.
    peak: Arc<AtomicU64>,
    _kept: (HostileNode, Home),
}

#[cfg(target_os = "linux")]
impl Listing {
    fn start(command: &str, pages: impl Fn(&List) -> ListPage + Send + Sync + 'static) -> Self {
        let process = Arc::new(AtomicU64::new(0));
        let most = Arc::new(AtomicU64::new(0));
        let (its, seen) = (Arc::clone(&process), Arc::clone(&most));
        let node = HostileNode::start(move |protocol, data| {
            seen.fetch_max(peak(its.load(Ordering::Relaxed)), Ordering::Relaxed);
            match protocol {
                Protocol::List => json(pages(&serde_json::from_str(data).unwrap())),
                _ => Reply::Bytes(b"no JSON\n".to_vec()),
            }
        });
        let home = Home::new();
        home.configure("[output]\nuse = \"null:fast\"\n");
        let running = Running::start(&mut home.command(&[command, &node.ticket]));
        process.store(running.id().into(), Ordering::Relaxed);
        Self { running, peak: most, _kept: (node, home) }
    }

    fn finish(self) -> (Done, u64) {
        (self.running.finish(), self.peak.load(Ordering::Relaxed))
    }
}

#[cfg(target_os = "linux")]
#[test]
fn long_titles_are_cut_and_invisible_ones_replaced() {
    let titles = || vec!["x".repeat(680_000), "\u{200b}".repeat(100_000), "e\u{301}".into()];
    let (done, _) = Listing::start("ls", move |_| page(3, 1, &titles())).finish();
    assert_eq!(done.code, 0, "{done:?}");
    let lines: Vec<_> = done.out.lines().collect();
    assert!(lines[0].contains(&format!("{}…  0:06", "x".repeat(199))), "{done:?}");
    assert!(lines[1].contains("(no title)") && lines[2].contains("e\u{301}"), "{done:?}");
}

#[cfg(target_os = "linux")]
#[test]
fn long_lists_take_bounded_memory() {
    // Over 30 MB of titles.
    let pages = |request: &List| page(60_000, request.offset + 1, &vec!["é".repeat(200); 500]);
    let (done, peak) = Listing::start("ls", pages).finish();
    assert_eq!((done.code, done.out.lines().count()), (0, 60_000), "{}", done.err);
    assert!((1..64).contains(&peak), "{peak} MB");
    let mut playing = Listing::start("play", pages);
    playing.running.line(|line| line.contains("only the first"));
    playing.running.line(|line| line.contains("skipped"));
    let peak = playing.peak.load(Ordering::Relaxed);
    assert!((1..64).contains(&peak), "{peak} MB");
}
