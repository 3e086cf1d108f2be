//! Two nodes with their own plugins: one serves a file, the other plays it.

use std::{
    collections::BTreeMap,
    env::consts::DLL_EXTENSION,
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, LazyLock},
    time::{Duration, Instant},
};

use media_node::{
    client::{
        CodecChoice, Event, NodeLink, OnLost, OutputChoice, OutputFormats, PauseMode, PlayId, Player, Setup,
    },
    library::Catalog,
    server::{Access, Server, ServerConfig},
};
use media_plugin_host::{LoadOptions, PluginOrigin, Registry};
use media_plugin_sdk::transport::{Admit, BindOptions, Endpoint, refuse_all};
use media_protocol::{Info, List, Position};

use crate::library::{built, lines, load_options};

/// Transport between the nodes: peer to peer if it is built in.
const TRANSPORT: &str = if cfg!(feature = "fastn") { "fastn" } else { "memory" };
const LOOPBACK: &str = r#"{"bind":["127.0.0.1:0"],"relay":"off","mdns":false}"#;

/// Builds the ADPCM codec from its C source, as its README says. Returns the library.
pub(crate) fn adpcm() -> &'static Path {
    static MADE: LazyLock<PathBuf> = LazyLock::new(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("adpcm");
        fs::create_dir_all(&folder).unwrap();
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins/examples/codec-adpcm");
        let out = format!("OUT={}/", folder.display());
        let done =
            Command::new("make").arg("-C").arg(example).args([&format!("SO={DLL_EXTENSION}"), &out]).output();
        let done = done.unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        folder.join(format!("libmedia_node_adpcm.{DLL_EXTENSION}"))
    });
    &MADE
}

/// Registry of the built-in plugins, always with FLAC.
pub(crate) fn linked() -> Arc<Registry> {
    checked(&LoadOptions::default())
}

/// Registry of the three example libraries and the built-in plugins, without the ids in `disable`.
pub(crate) fn loaded(disable: &[&str]) -> Arc<Registry> {
    let (flac, pipe) = (built("flac"), built("pipe"));
    let files = [&flac, &pipe, adpcm()];
    let prefer = [("flac", "codec-flac"), ("pipe", "output-pipe")];
    let prefer = prefer.iter().filter(|(id, _)| !disable.contains(id));
    let prefer = prefer.map(|(id, provider)| ((*id).to_owned(), (*provider).to_owned()));
    let disable = disable.iter().map(ToString::to_string).collect();
    checked(&LoadOptions { disable, prefer: prefer.collect::<BTreeMap<_, _>>(), ..load_options(&files) })
}

fn checked(options: &LoadOptions) -> Arc<Registry> {
    let registry = Registry::load(options);
    assert_eq!(lines(registry.problems()), [""; 0]);
    Arc::new(registry)
}

/// Returns `true` if the plugin comes from a library, `None` if there is no such plugin.
pub(crate) fn is_loaded(registry: &Registry, id: &str) -> Option<bool> {
    let listing = registry.list().into_iter().find(|it| it.id == id)?;
    Some(matches!(listing.origin, PluginOrigin::Loaded(_)))
}

async fn bind(registry: &Registry, key: u8, admit: Admit) -> Arc<dyn Endpoint> {
    let bind = BindOptions {
        secret_key: [key; 32],
        options: if TRANSPORT == "fastn" { LOOPBACK.into() } else { String::new() },
        name: "test".into(),
        version: String::new(),
        protocols: Vec::new(),
        admit,
    };
    registry.transport(TRANSPORT).unwrap().bind(&bind).await.unwrap()
}

/// A node that serves one file.
pub(crate) struct Node {
    registry: Arc<Registry>,
    server: Server,
    endpoint: Arc<dyn Endpoint>,
    track: media_protocol::TrackId,
    /// Number from which the keys of both ends are made.
    key: u8,
}

/// An output: its id, target and options.
pub(crate) type To<'a> = (&'a str, &'a str, &'a str);

impl Node {
    /// `key` must be unique among the tests.
    pub(crate) async fn start(registry: &Arc<Registry>, file: &Path, key: u8) -> Self {
        let catalog = Catalog::scan(&[file.into()], false).unwrap();
        let track = catalog.list(&List { limit: 1, ..List::default() }).tracks[0].id.clone();
        let server = Server::start(ServerConfig::default(), Arc::clone(registry), catalog).unwrap();
        let access = Access { open: true, ..Access::default() };
        let endpoint = bind(registry, key, server.admit(access)).await;
        tokio::spawn(server.serve(Arc::clone(&endpoint)));
        Self { registry: Arc::clone(registry), server, endpoint, track, key }
    }

    /// Plays the track to its end on another node. Returns the node's answer, or the reason of the failure.
    pub(crate) async fn play(
        &self,
        listener: &Arc<Registry>,
        codec: CodecChoice,
        (id, target, options): To<'_>,
    ) -> Result<Info, String> {
        let endpoint = bind(listener, self.key + 100, refuse_all()).await;
        let node_link = Arc::new(NodeLink::new(endpoint, self.endpoint.address(), None));
        let setup = Setup {
            output: OutputChoice {
                plugin: listener.output(id).unwrap(),
                target: target.into(),
                options: options.into(),
                on_lost: OnLost::Wait,
                formats: OutputFormats::default(),
            },
            codec,
            // Enough for ADPCM, in bit/s.
            bitrate: 400_000,
            target: Duration::from_secs(3),
            max: Duration::from_secs(3),
            max_bytes: 64 << 20,
            start: Duration::from_millis(120),
            give_up: Duration::from_secs(180),
            pause: PauseMode::Hold,
            volume: 1.0,
            registry: Arc::clone(listener),
            began: Instant::now(),
        };
        let (player, mut events) = Player::start(setup, Arc::clone(&node_link)).unwrap();
        player.play(PlayId(0), self.track.clone(), Position::START);
        let mut info = None;
        let heard = loop {
            match events.recv().await.expect("the player goes on") {
                Event::Began { info: began, .. } => info = Some(began),
                Event::Ended(play) => player.drain(play),
                Event::Drained(_) => break Ok(info.as_deref().cloned().expect("what ended began")),
                Event::TrackFailed { reason, .. } | Event::OutputFailed(reason) | Event::Fatal(reason) => {
                    break Err(reason);
                }
                Event::Switched { reason, .. } => panic!("{reason}"),
                _ => {}
            }
        };
        player.close(events).await;
        node_link.close().await;
        heard
    }

    /// Plays to the output `null` with these codecs. Returns the node's answer.
    pub(crate) async fn heard(&self, listener: &Arc<Registry>, codecs: &[&str]) -> Info {
        self.play(listener, only(codecs), ("null", "fast", "")).await.unwrap()
    }

    pub(crate) async fn stop(self) {
        self.server.stop();
        self.endpoint.close().await;
        drop(self.registry);
    }
}

pub(crate) fn only(codecs: &[&str]) -> CodecChoice {
    CodecChoice::Only(codecs.iter().map(ToString::to_string).collect())
}
