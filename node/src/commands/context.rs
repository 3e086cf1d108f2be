use std::{
    collections::BTreeSet,
    future::Future,
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use media_config::{Config, Flag, PluginKind, Sources};
use media_plugin_host::{Registry, SearchPath};
use media_plugin_sdk::{
    AudioFormat, Limits, PluginError, SampleType, SourceFormat,
    transport::{Admit, Bind, Endpoint, PeerAddress, Transport, TransportError, refuse_all},
};
use media_protocol::{List, ListPage, Protocol, Route, Ticket, TicketError};

use crate::{
    client::{self, FetchError, NodeLink, OnLost, OutputChoice, OutputFormats},
    exit::{Exit, ExitContext, ExitError},
    identity::Secret,
    plugins, ui,
};

/// The output that is tried first when none is named, and the one that is always there.
const SOUND: &str = "cpal";
const SILENT: &str = "null";

/// What every command starts from.
pub(super) struct Context {
    /// When the command began.
    pub(super) began: Instant,
    pub(super) config: Config,
    /// Path of the configuration file, which may not exist.
    pub(super) config_file: PathBuf,
    /// Where libraries with plugins are looked for.
    pub(super) search_path: SearchPath,
    pub(super) registry: Arc<Registry>,
}

impl Context {
    /// Loads the configuration, starts the log, collects the plugins; with `libraries`, those of shared libraries too,
    /// which runs code of theirs.
    pub(super) fn load(file: Option<&Path>, flags: Vec<Flag>, libraries: bool) -> Result<Self, ExitError> {
        let began = Instant::now();
        let mut sources = Sources::from_process(file).or_exit(Exit::Usage)?;
        sources.flags = flags;
        let config = Config::load(&sources).or_exit(Exit::Usage)?;
        start_log(&config)?;
        let search_path = plugins::search_path(&config, &sources);
        let registry = if libraries { plugins::loaded(&config, &search_path) } else { plugins::registry() };
        for problem in registry.problems() {
            eprintln!("warning: {}", ui::sanitize(&problem.to_string()));
        }
        let context = Self { began, config, config_file: sources.file, search_path, registry };
        let unknown = if libraries { context.unknown_plugins() } else { Vec::new() };
        for unknown in unknown {
            eprintln!("warning: {unknown}");
        }
        Ok(context)
    }

    /// Runs a command's async part on a runtime of its own.
    pub(super) fn block_on(
        &self,
        command: impl Future<Output = Result<(), ExitError>>,
    ) -> Result<(), ExitError> {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
        let runtime = runtime.context(Exit::Failed, "starting")?;
        let result = runtime.block_on(command);
        // A thread that reads the terminal or a device that hangs must not keep the process.
        runtime.shutdown_background();
        result
    }

    /// The transport with this id, or else the first that `transport.use` names.
    pub(super) fn transport(&self, id: Option<&str>) -> Result<Arc<dyn Transport>, ExitError> {
        self.registry
            .transport(id.unwrap_or(self.config.transport.chosen.first().as_str()))
            .or_exit(Exit::Usage)
    }

    /// This node's key.
    pub(super) fn key(&self) -> Result<Secret, ExitError> {
        Secret::load_or_create(&self.config.node.key).or_exit(Exit::Failed)
    }

    /// The capability that this node's tickets carry.
    pub(super) fn capability(&self) -> Result<Secret, ExitError> {
        let mut file = self.config.node.key.clone();
        file.as_mut_os_string().push(".capability");
        Secret::load_or_create(&file).or_exit(Exit::Failed)
    }

    /// The key to listen with to the node of this same key: nobody can call themselves.
    pub(super) fn second_key(key: &Secret) -> Secret {
        key.derive("media-node 2026 a listener beside its own node")
    }

    /// Makes the local end of a transport.
    pub(super) async fn bind(
        &self,
        transport: &dyn Transport,
        key: &Secret,
        admit: Admit,
    ) -> Result<Arc<dyn Endpoint>, ExitError> {
        let bind = Bind {
            secret_key: key.0,
            options: self.config.plugin_options(PluginKind::Transport, &transport.info().id),
            name: self.config.node.name.clone(),
            version: env!("CARGO_PKG_VERSION").into(),
            protocols: Protocol::ALL.iter().map(|protocol| protocol.name().into()).collect(),
            admit,
        };
        transport.bind(&bind).await.map_err(|error| {
            let exit = if let TransportError::BadArgument(_) = error { Exit::Usage } else { Exit::Failed };
            ExitError::new(exit, error)
        })
    }

    /// Connects to the node of a ticket. Returns the way to it and the transport's id.
    pub(super) async fn dial(&self, ticket: &Ticket) -> Result<(Arc<NodeLink>, String), ExitError> {
        let (transport, route) = self.route(ticket)?;
        let mut key = self.key()?;
        if transport.identity(&key.0) == route.peer {
            key = Self::second_key(&key);
        }
        let binding = Instant::now();
        let endpoint = self.bind(transport.as_ref(), &key, refuse_all()).await?;
        let bind_time = binding.elapsed();
        let peer = PeerAddress { id: route.peer.clone(), addresses: route.addresses.clone() };
        let dial = NodeLink::new(endpoint, peer, Some(ticket.token())).with_bind_time(bind_time);
        dial.connection().await.map_err(|error| {
            let next = what_next(&error);
            let message = format!("connecting to the node of the ticket: {error}{next}");
            ExitError::new(Exit::Unreachable, message)
        })?;
        self.note_seen(ticket, &dial.path().kind.to_string());
        Ok((Arc::new(dial), transport.info().id))
    }

    /// Chooses the route to take: the ticket's first whose transport this node has and `transport.use` allows.
    ///
    /// A transport that `transport.use` names is used even if the ticket has no route for it, with its first route.
    fn route<'a>(&self, ticket: &'a Ticket) -> Result<(Arc<dyn Transport>, &'a Route), ExitError> {
        let chosen = &self.config.transport.chosen;
        // The default of `transport.use` does not outweigh the ticket.
        let is_set = self.config.origin("transport.use") != media_config::Origin::Default;
        let is_allowed = |id: &str| !is_set || chosen.iter().any(|it| it.as_str() == id);
        let route = ticket.route(|id| is_allowed(id) && self.registry.transport(id).is_ok());
        let route = route.or(ticket.routes.first()).ok_or(TicketError::Damaged).or_exit(Exit::Usage)?;
        let id = if is_allowed(&route.transport) { &route.transport } else { chosen.first().as_str() };
        Ok((self.transport(Some(id))?, route))
    }

    /// The node's whole catalog, or what of it fits `search`, page by page.
    pub(super) async fn catalog(dial: &NodeLink, search: &str) -> Result<ListPage, ExitError> {
        let mut all = ListPage::default();
        loop {
            let offset = u32::try_from(all.tracks.len()).unwrap_or(u32::MAX);
            let page = Self::page(dial, List { offset, limit: List::MAX, search: search.into() }).await?;
            let (total, came) = (page.total as usize, page.tracks.len());
            all.tracks.extend(page.tracks);
            if came == 0 || all.tracks.len() >= total.min(MAX_TRACKS) {
                return Ok(ListPage { tracks: all.tracks, ..page });
            }
        }
    }

    /// A page of the node's catalog.
    pub(super) async fn page(dial: &NodeLink, list: List) -> Result<ListPage, ExitError> {
        client::list(dial, &list).await.map_err(|error| {
            let exit = if let FetchError::Transport(_) = error { Exit::Unreachable } else { Exit::Failed };
            ExitError::new(exit, format!("asking the node for its tracks: {error}"))
        })
    }

    /// The configured plugins that do not exist, a line each.
    pub(super) fn unknown_plugins(&self) -> Vec<String> {
        let mut unknown = Vec::new();
        for (kind, id, origin) in self.config.configured_plugins() {
            let known: BTreeSet<_> = match kind {
                PluginKind::Codec => self.registry.codecs().map(|it| it.info().id).collect(),
                PluginKind::Output => self.registry.outputs().map(|it| it.info().id).collect(),
                PluginKind::Transport => self.registry.transports().map(|it| it.info().id).collect(),
            };
            if !known.contains(id) {
                let known: Vec<_> = known.into_iter().collect();
                unknown.push(format!("{origin}: options for {id:?}, which is none of {}", known.join(", ")));
            }
        }
        unknown
    }

    /// Has each codec look at its options, by asking it for an encoding of a CD: better now than when a listener asks.
    pub(super) fn check_codec_options(&self) -> Result<(), ExitError> {
        let format = AudioFormat { rate: 44_100, channels: 2 };
        let source = SourceFormat { format, sample: SampleType::S16 };
        for codec in self.registry.codecs() {
            let id = codec.info().id;
            let options = self.config.plugin_options(PluginKind::Codec, &id);
            let choice = codec.propose(&source, &Limits::default(), &options);
            if let Err(error @ PluginError::BadArgument(_)) = choice {
                let message = self.config.locate_option_error(PluginKind::Codec, &id, &error.to_string());
                return Err(ExitError::new(Exit::Usage, message));
            }
        }
        Ok(())
    }

    /// The output that `output.use` names. With `auto`, the default sound device, or nothing where there is none; then a
    /// line says so.
    pub(super) fn output(&self) -> Result<(OutputChoice, Option<String>), ExitError> {
        let chosen = self.config.output.chosen.as_str();
        if chosen != "auto" {
            let (id, target) = chosen.split_once(':').unwrap_or((chosen, ""));
            let mut choice = self.output_choice(id, target)?;
            choice.formats = OutputFormats::listed_by(&choice.plugin, target, &choice.options);
            return Ok((choice, None));
        }
        let Ok(plugin) = self.registry.output(SOUND) else {
            let line = "built without sound devices: playing in silence (--output null)";
            return Ok((self.output_choice(SILENT, "")?, Some(line.into())));
        };
        match plugin.devices() {
            Ok(devices) if !devices.is_empty() => {
                let mut choice = self.output_choice(SOUND, "")?;
                choice.formats = OutputFormats::of(&devices, "", &choice.options);
                Ok((choice, None))
            }
            _ => {
                let line = "no sound device here: playing in silence (--output null)";
                Ok((self.output_choice(SILENT, "")?, Some(line.into())))
            }
        }
    }

    fn output_choice(&self, id: &str, target: &str) -> Result<OutputChoice, ExitError> {
        Ok(OutputChoice {
            plugin: self.registry.output(id).or_exit(Exit::Output)?,
            target: target.into(),
            options: self.config.plugin_options(PluginKind::Output, id),
            on_lost: match self.config.playback.on_lost {
                media_config::OnLost::Follow => OnLost::Follow,
                media_config::OnLost::Wait => OnLost::Wait,
            },
            formats: OutputFormats::default(),
        })
    }
}

/// What a person who was turned away can do.
fn what_next(error: &TransportError) -> &'static str {
    let TransportError::Refused(code) = error else { return "" };
    match code.as_str() {
        "invalid_token" => "; the ticket is old or another node's: ask for a new one",
        "unauthorized" => "; its owner can allow this one's id (media-node id)",
        _ => "",
    }
}

/// The most tracks that a client takes from a node: a bound, not a limit anybody meets.
const MAX_TRACKS: usize = 1_000_000;

/// Logs to standard error, by `log.level` or, finer, by `MEDIA_NODE_LOG`.
fn start_log(config: &Config) -> Result<(), ExitError> {
    use tracing_subscriber::EnvFilter;
    let filter = match std::env::var("MEDIA_NODE_LOG") {
        Ok(filter) => EnvFilter::try_new(filter).context(Exit::Usage, "MEDIA_NODE_LOG")?,
        // What the libraries below say is of use to us, not to a person.
        Err(_) => EnvFilter::new(format!("off,media_node={}", config.log.level.as_str())),
    };
    // A second run within one process (a test) keeps the first log.
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).try_init();
    Ok(())
}
