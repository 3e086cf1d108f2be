//! A node, a listener, and an output that records its frames with their times.

#![allow(dead_code, unreachable_pub, reason = "each user takes a part of this")]

use std::{
    net::{Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use media_node::{
    client::{
        Budget, CodecChoice, Counts, Event, NodeLink, OnLost, OutputChoice, OutputFormats, PauseMode, PlayId,
        Player, Progress, Setup,
    },
    library::Catalog,
    plugins,
    server::{Access, Server, ServerConfig},
};
use media_plugin_host::Registry;
use media_plugin_sdk::{
    AudioFormat, DeviceInfo, OpenRequest, Output, OutputInfo, OutputPlugin, PluginError,
    transport::{Admit, BindOptions, Endpoint, PeerAddress, refuse_all},
};
use media_protocol::{List, Position, TrackId};
use output_null::{Fast, RealTime, SystemClock};
use tempfile::TempDir;

/// Samples of ten minutes of stereo at 48 kHz. The memory is reserved, since growing would move 40 MB while
/// the output waits.
const ROOM: usize = 600 * 48_000 * 2;

/// Frames that a recorder took.
#[derive(Debug, Default)]
pub struct Recording {
    pub samples: Vec<f32>,
    /// Format of the samples.
    pub format: Option<AudioFormat>,
    /// Time of each write, and the total of frames after it.
    pub writes: Vec<(Instant, u64)>,
}

impl Recording {
    /// Returns the time from `instant` to the first write after it.
    pub fn first_after(&self, instant: Instant) -> Option<Duration> {
        let (at, _) = self.writes.iter().find(|(at, _)| *at >= instant)?;
        Some(*at - instant)
    }
}

/// The output `null` with a recording.
pub struct Recorder {
    pub recording: Arc<Mutex<Recording>>,
    pub realtime: bool,
}

impl OutputPlugin for Recorder {
    fn info(&self) -> OutputInfo {
        let text = String::new;
        OutputInfo { id: "recorder".into(), version: text(), description: text(), target: text() }
    }

    fn devices(&self) -> Result<Vec<DeviceInfo>, PluginError> {
        Ok(Vec::new())
    }

    fn open(&self, open: &OpenRequest<'_>) -> Result<Box<dyn Output>, PluginError> {
        let output: Box<dyn Output> = match self.realtime {
            true => Box::new(RealTime::new(open.format, SystemClock::default())),
            false => Box::new(Fast::new(open.format)),
        };
        let mut recording = self.recording.lock().unwrap();
        recording.format = Some(open.format);
        if self.realtime && recording.samples.is_empty() {
            recording.samples.reserve_exact(ROOM);
        }
        drop(recording);
        Ok(Box::new(Recorded { output, recording: Arc::clone(&self.recording) }))
    }
}

struct Recorded {
    output: Box<dyn Output>,
    recording: Arc<Mutex<Recording>>,
}

impl Output for Recorded {
    fn format(&self) -> AudioFormat {
        self.output.format()
    }

    fn is_realtime(&self) -> bool {
        self.output.is_realtime()
    }

    fn write(&mut self, frames: &[f32]) -> Result<usize, PluginError> {
        let taken = self.output.write(frames)?;
        if taken > 0 {
            let mut recording = self.recording.lock().unwrap();
            recording.samples.extend_from_slice(&frames[..self.format().samples(taken)]);
            let total = recording.samples.len() / usize::from(self.format().channels);
            recording.writes.push((Instant::now(), total as u64));
        }
        Ok(taken)
    }

    fn delay(&self) -> u64 {
        self.output.delay()
    }

    fn pause(&mut self, paused: bool) -> Result<(), PluginError> {
        self.output.pause(paused)
    }

    fn flush(&mut self) -> Result<(), PluginError> {
        self.output.flush()
    }

    fn drain(&mut self) -> Result<bool, PluginError> {
        self.output.drain()
    }
}

async fn bind(registry: &Registry, key: u8, addresses: &[String], admit: Admit) -> Arc<dyn Endpoint> {
    let options = serde_json::json!({ "bind": addresses, "relay": "off", "mdns": false });
    let bind = BindOptions {
        secret_key: [key; 32],
        options: options.to_string(),
        name: "lab".into(),
        version: String::new(),
        protocols: Vec::new(),
        admit,
    };
    registry.transport("fastn").unwrap().bind(&bind).await.unwrap()
}

/// The track of a file, and its node.
pub struct Tune {
    registry: Arc<Registry>,
    track: TrackId,
    peer: String,
    token: Option<String>,
}

impl Tune {
    pub fn new(registry: Arc<Registry>, file: &Path, peer: String, token: Option<String>) -> Self {
        let catalog = Catalog::scan(&[file.into()], false).unwrap();
        let track = catalog.list(&List { offset: 0, limit: 1, search: String::new(), detail: false }).tracks
            [0]
        .id
        .clone();
        Self { registry, track, peer, token }
    }

    /// Creates a connection to the node, by these addresses only.
    pub async fn node_link(&self, addresses: &[SocketAddr]) -> Arc<NodeLink> {
        let endpoint = bind(&self.registry, 2, &["127.0.0.1:0".into()], refuse_all()).await;
        let addresses = addresses.iter().map(ToString::to_string).collect();
        let peer = PeerAddress { id: self.peer.clone(), addresses };
        Arc::new(NodeLink::new(endpoint, peer, self.token.clone()))
    }
}

/// A node that serves one file on `[::1]`.
pub struct Node {
    pub tune: Tune,
    file: PathBuf,
    folder: TempDir,
    server: Arc<Server>,
    endpoint: Arc<dyn Endpoint>,
}

impl Node {
    /// `folder` contains the file, and is removed with the node.
    pub async fn start(file: &Path, folder: TempDir) -> Self {
        let registry = plugins::registry();
        let catalog = Catalog::scan(&[file.into()], false).unwrap();
        let server =
            Arc::new(Server::start(ServerConfig::default(), Arc::clone(&registry), catalog).unwrap());
        let access = Access { open: true, ..Access::default() };
        let here = SocketAddr::from((Ipv6Addr::LOCALHOST, 0)).to_string();
        let endpoint = bind(&registry, 1, &[here], server.admit(access)).await;
        tokio::spawn(server.serve(Arc::clone(&endpoint)));
        let tune = Tune::new(registry, file, endpoint.address().id, None);
        Self { tune, file: file.into(), folder, server, endpoint }
    }

    /// Address of the node.
    pub fn address(&self) -> SocketAddr {
        self.endpoint.address().addresses[0].parse().unwrap()
    }

    /// Restarts the node with the same key and file, and no other state.
    pub async fn again(self) -> Self {
        self.stop().await;
        Self::start(&self.file, self.folder).await
    }

    pub async fn stop(&self) {
        self.server.stop();
        self.endpoint.close().await;
    }
}

/// Settings of a playback.
#[derive(Debug, Clone, Copy)]
pub struct Listen {
    /// Codec id, or `auto`.
    pub codec: &'static str,
    pub bitrate: u32,
    pub realtime: bool,
}

/// A running playback.
pub struct Listener {
    pub player: Player,
    pub recording: Arc<Mutex<Recording>>,
    pub began: Instant,
    pub node_link: Arc<NodeLink>,
    events: tokio::sync::mpsc::Receiver<Event>,
}

/// Result of a playback.
pub struct Heard {
    pub recording: Recording,
    pub began: Instant,
    pub progress: Progress,
    pub counts: Counts,
    pub reconnects: u64,
    /// Events that a listener sees, except the ordinary ones of a playback.
    pub messages: Vec<String>,
}

impl Listener {
    /// Starts to play from the beginning.
    pub async fn start(tune: &Tune, node_link: Arc<NodeLink>, listen: Listen) -> Self {
        let recording = Arc::<Mutex<Recording>>::default();
        let plugin = Recorder { recording: Arc::clone(&recording), realtime: listen.realtime };
        let began = Instant::now();
        let setup = Setup {
            output: OutputChoice {
                plugin: Arc::new(plugin),
                target: String::new(),
                options: String::new(),
                on_lost: OnLost::Wait,
                formats: OutputFormats::default(),
            },
            codec: match listen.codec {
                "auto" => CodecChoice::Auto(Budget::NONE),
                codec => CodecChoice::Only(vec![codec.into()]),
            },
            bitrate: listen.bitrate,
            target: Duration::from_secs(3),
            max: Duration::from_secs(12),
            max_bytes: 64 << 20,
            start: Duration::from_millis(120),
            give_up: Duration::from_secs(180),
            pause: PauseMode::Hold,
            volume: 1.0,
            registry: Arc::clone(&tune.registry),
            began,
        };
        let (player, events) = Player::start(setup, Arc::clone(&node_link)).unwrap();
        player.play(PlayId(0), tune.track.clone(), Position::START);
        Self { player, recording, began, node_link, events }
    }

    /// Waits until this number of frames was written to the output.
    pub async fn until(&mut self, frames: u64) {
        while self.player.progress().frames_played < frames {
            let event = tokio::time::timeout(Duration::from_millis(5), self.events.recv()).await;
            assert!(!matches!(event, Ok(None | Some(Event::Ended(_)))), "it ended before frame {frames}");
        }
    }

    /// Stops the playback; the connection stays.
    pub async fn leave(self) {
        self.player.close(self.events).await;
    }

    /// Plays to the end of the track.
    pub async fn finish(mut self) -> Heard {
        let mut messages = Vec::new();
        loop {
            match self.events.recv().await.expect("the player goes on") {
                Event::Ended(_) => break,
                Event::Began { .. } | Event::Fetching(_) | Event::OutputReady(_) | Event::Underrun(_) => {}
                bad @ (Event::Fatal(_)
                | Event::TrackFailed { .. }
                | Event::OutputFailed(_)
                | Event::Refused(_)
                | Event::Unreachable { .. }) => panic!("{bad:?}"),
                other => messages.push(format!("{:.1} s: {other:?}", self.began.elapsed().as_secs_f64())),
            }
        }
        let Self { player, recording, began, node_link, events } = self;
        let (progress, counts) = (player.progress(), player.counts());
        player.close(events).await;
        let reconnects = node_link.reconnects();
        node_link.close().await;
        let recording = std::mem::take(&mut *recording.lock().unwrap());
        Heard { recording, began, progress, counts, reconnects, messages }
    }
}
