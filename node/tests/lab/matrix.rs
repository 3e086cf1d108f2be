//! The rows of the matrix that need no real time: whatever the network does, what is played is the track, frame for frame.

use std::time::Duration;

use crate::{
    fixtures::{self, Kind},
    net::{Change, Link, Relay},
    stage::{Heard, Listen, Listener, Node},
};

const RATE: u32 = 44_100;
/// Five chunks, the last one short.
const SECONDS: f64 = 13.0;
/// What is done to the network is done in the middle of a chunk.
const AT: Duration = Duration::from_millis(700);

const PCM: Listen = Listen { codec: "pcm", bitrate: 0, realtime: false };
const QUIET: Change = Change::Silence(true, true);
const LOUD: Change = Change::Silence(false, false);

/// PCM takes 2 s, with a queue that BBR fills without loss.
fn wide(rtt: u64, loss: f64) -> Link {
    Link { queue: 256 << 10, ..Link::of(rtt, loss) }.at(10_000_000)
}

struct Lab {
    node: Node,
    relays: Vec<Relay>,
    listener: Listener,
}

impl Lab {
    /// Somebody has just begun to listen through as many relays.
    async fn begin(listen: Listen, link: Link, relays: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = fixtures::encode(folder.path(), Kind::FlacS16, RATE, 2, &music());
        let node = Node::start(&file, folder).await;
        let mut started = Vec::new();
        for seed in 0..relays {
            started.push(Relay::start(node.address(), seed, link).await);
        }
        let dial = node.dial(&started.iter().map(|relay| relay.address).collect::<Vec<_>>()).await;
        let listener = Listener::start(&node, dial, listen).await;
        Self { node, relays: started, listener }
    }

    async fn finish(self) -> Heard {
        let heard = self.listener.finish().await;
        self.node.stop().await;
        heard
    }
}

fn music() -> Vec<f32> {
    fixtures::music(RATE, 2, SECONDS)
}

async fn hear(link: Link, script: &[(Duration, Change)]) -> Heard {
    let lab = Lab::begin(PCM, link, 1).await;
    lab.relays[0].play(script);
    lab.finish().await
}

fn assert_exact(heard: &Heard) {
    let expected = fixtures::stored(Kind::FlacS16, &music());
    let played = &heard.recording.samples;
    let first = played.iter().zip(&expected).position(|(a, b)| a != b);
    assert_eq!((first, played.len()), (None, expected.len()), "{:?}", heard.told);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn loss_and_delay() {
    for (rtt, loss) in [(50, 0.01), (100, 0.03), (300, 0.05)] {
        assert_exact(&hear(wide(rtt, loss), &[]).await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jitter_duplicates_reordering_and_bursts() {
    let jitter = Duration::from_millis(20);
    let link = Link { jitter, duplicate: 0.01, reorder: 0.05, burst: (0.0005, 20), ..wide(50, 0.0) };
    assert_exact(&hear(link, &[]).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silence_in_both_directions_and_in_one() {
    for silence in [QUIET, Change::Silence(true, false), Change::Silence(false, true)] {
        let heard = hear(wide(50, 0.0), &[(AT, silence), (AT + Duration::from_secs(3), LOUD)]).await;
        assert_exact(&heard);
        assert!(heard.reconnects > 0, "{silence:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_client_address() {
    let heard = hear(wide(50, 0.0), &[(AT, Change::Rebind), (2 * AT, Change::Rebind)]).await;
    assert_exact(&heard);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_path_beside_another() {
    let mut lab = Lab::begin(PCM, wide(50, 0.0), 2).await;
    lab.listener.until(RATE.into()).await;
    let used = lab.listener.dial.path().remote;
    let dead = lab.relays.iter().find(|relay| relay.address.to_string() == used).unwrap();
    dead.change(QUIET);
    let heard = lab.finish().await;
    assert_exact(&heard);
    assert!(heard.reconnects > 0);
}

/// The old node's goodbye is not heard, as none is when a process is killed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_node_dies_and_comes_back() {
    let mut lab = Lab::begin(PCM, wide(50, 0.0), 1).await;
    lab.listener.until(4 * u64::from(RATE)).await;
    lab.relays[0].change(QUIET);
    lab.node = lab.node.again().await;
    lab.relays[0].change(Change::Server(lab.node.address()));
    lab.relays[0].change(LOUD);
    let heard = lab.finish().await;
    assert_exact(&heard);
    assert!(heard.reconnects > 0);
}

/// Opus at 48 kHz, through everything at once.
#[cfg(feature = "opus")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn opus_keeps_its_length_and_its_likeness() {
    let listen = Listen { codec: "opus", bitrate: 96_000, realtime: false };
    let whole = Lab::begin(listen, Link::default(), 1).await.finish().await;
    let link = Link { duplicate: 0.01, reorder: 0.05, burst: (0.001, 20), ..Link::of(100, 0.03) }.at(150_000);
    let lab = Lab::begin(listen, link, 1).await;
    lab.relays[0].play(&[(AT, QUIET), (2 * AT, LOUD), (3 * AT, Change::Rebind)]);
    let heard = lab.finish().await;
    let frames = (SECONDS * 48_000.0) as usize;
    assert_eq!(heard.recording.samples.len(), 2 * frames);
    assert!(heard.recording.samples == whole.recording.samples, "the same as through a good network");
}

/// In real time, for the level falls only as fast as the music is played.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_long_silence_more_is_held() {
    let listen = Listen { realtime: true, ..PCM };
    let lab = Lab::begin(listen, wide(50, 0.0), 1).await;
    lab.relays[0].play(&[(AT, QUIET), (8 * AT, LOUD)]);
    let heard = lab.finish().await;
    // What runs dry is faded, so the samples are not all the track's.
    assert_eq!(heard.recording.samples.len(), music().len());
    let targets = &heard.counts.targets;
    let first = targets.iter().next().unwrap_or_else(|| panic!("{:?}", heard.told));
    assert_eq!((first.target, first.reason), (Duration::from_secs(6), "the path proved bad"));
    // With a target of 3 s it is less than that and a chunk.
    assert!(heard.counts.peak_buffer > Duration::from_secs(6), "{:?}", heard.counts);
}
