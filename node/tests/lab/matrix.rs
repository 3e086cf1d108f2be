//! The rows of the matrix that need no real time: whatever the network does, what is played is the track, frame for frame.

use std::time::Duration;

use crate::{
    fixtures::{self, Kind},
    net::{Change, Link, Relay},
    stage::{Heard, Listen, Listener, Node},
};

const RATE: u32 = 44_100;
/// Ten chunks and a bit.
const SECONDS: f64 = 31.0;

const PCM: Listen = Listen { codec: "pcm", bitrate: 0, realtime: false };
#[cfg(feature = "opus")]
const OPUS: Listen = Listen { codec: "opus", bitrate: 96_000, realtime: false };

/// Enough for PCM to be fetched in seconds, with a queue that BBR fills without loss.
fn wide(link: Link) -> Link {
    Link { queue: 256 << 10, ..link }.at(40_000_000)
}

async fn hear(listen: Listen, link: Link, script: &[(u64, Change)]) -> Heard {
    let folder = tempfile::tempdir().unwrap();
    let file = fixtures::encode(folder.path(), Kind::FlacS16, RATE, 2, &music());
    let node = Node::start(&file).await;
    let relay = Relay::start(node.address(), 11, link).await;
    let script: Vec<_> = script.iter().map(|(ms, change)| (Duration::from_millis(*ms), *change)).collect();
    relay.play(&script);
    let dial = node.dial(&[relay.address]).await;
    let heard = Listener::start(&node, dial, listen).await.finish().await;
    node.stop().await;
    heard
}

fn music() -> Vec<f32> {
    fixtures::music(RATE, 2, SECONDS)
}

fn assert_exact(heard: &Heard) {
    let expected = fixtures::stored(Kind::FlacS16, &music());
    let played = &heard.recording.samples;
    let first = played.iter().zip(&expected).position(|(a, b)| a != b);
    assert_eq!((first, played.len()), (None, expected.len()), "{:?}", heard.told);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn loss_and_delay() {
    for (rtt, loss) in [(50, 0.01), (100, 0.03)] {
        assert_exact(&hear(PCM, wide(Link::of(rtt, loss)), &[]).await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn duplicates_reordering_and_bursts() {
    let link = Link { duplicate: 0.01, reorder: 0.05, burst: (0.0005, 20), ..Link::of(50, 0.0) };
    assert_exact(&hear(PCM, wide(link), &[]).await);
}
