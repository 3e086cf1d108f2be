use std::{
    collections::{BTreeMap, HashSet},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use media_config::{AccessMode, PluginKind};
use media_plugin_sdk::transport::{Endpoint, PeerAddress, Transport};
use media_protocol::{Route, Ticket};
use tokio::{
    task::{JoinHandle, spawn_blocking},
    time::{Instant, sleep, timeout_at},
};

use super::{Context, stats_writer, stdout::print};
use crate::{
    exit::{Exit, ExitContext, ExitError},
    files,
    identity::Secret,
    library::{Catalog, CatalogError, Skipped},
    server::{Access, DiskCacheConfig, Server, ServerConfig},
    ui::sanitize,
};

/// A library that has been looked through by then is served as a whole at once; of a larger one, what was found so far.
const PATIENCE: Duration = Duration::from_millis(600);
/// What a look for changes may take of the time: on a slow network drive it comes more seldom.
const SHARE: u32 = 20;
/// Files passed over that are named one by one.
const NAMED: usize = 5;

/// `serve PATH…`.
pub(super) async fn run(
    context: &Context,
    paths: Vec<PathBuf>,
    ticket_file: Option<&Path>,
) -> Result<(), ExitError> {
    let paths = if paths.is_empty() { context.config.library.paths.clone() } else { paths };
    if paths.is_empty() {
        let message =
            "nothing to serve: name a folder, as in `media-node serve ~/Music`, or set library.paths";
        return Err(ExitError::new(Exit::Usage, message));
    }
    let key = context.key()?;
    let transport = context.transport(None)?;
    let until = Instant::now() + PATIENCE;
    let library = &context.config.library;
    let (follow_links, index) = (library.follow_links, library.index.clone());
    let recalled = spawn_blocking(move || Catalog::recall(&paths, follow_links, index.as_deref())).await;
    let catalog = Arc::new(recalled.or_exit(Exit::Failed)?.or_exit(Exit::NotFound)?);
    let mut first = scan(&catalog);
    let serving =
        BoundServer::start(context, transport, &key, context.capability()?, catalog.clone()).await?;
    let early = timeout_at(until, &mut first).await.ok();
    let is_whole = early.is_some();
    let mut warned = HashSet::new();
    if let Some(scanned) = early {
        scanned.or_exit(Exit::Failed)?.or_exit(Exit::NotFound)?;
        warn_of_skipped(&catalog, &mut warned);
    }
    serving.announce(&context.config.node.name, is_whole, ticket_file)?;
    let follow = follow(catalog, (!is_whole).then_some(first), library.rescan.get(), warned);
    let writing = stats_writer::start(context, &serving.server).await?;
    let serve = serving.server.serve(Arc::clone(&serving.endpoint));
    tokio::select! {
        fault = writing => Err(fault),
        () = serve => Err(ExitError::new(Exit::Failed, "the transport's endpoint was closed")),
        fault = follow => Err(fault),
        () = interrupted() => {
            serving.server.stop();
            serving.endpoint.close().await;
            stats_writer::write(context, &serving.server)
        }
    }
}

/// A look through the library, under way.
type Scan = JoinHandle<Result<bool, CatalogError>>;

fn scan(catalog: &Arc<Catalog>) -> Scan {
    let catalog = Arc::clone(catalog);
    spawn_blocking(move || catalog.rescan())
}

/// Follows what becomes of the files, `every` so often, after the `first` scan if that is still under way. Of what is `warned` of
/// nothing is said again. Ends only when the first scan finds nothing to serve.
async fn follow(
    catalog: Arc<Catalog>,
    first: Option<Scan>,
    every: Duration,
    mut warned: HashSet<Skipped>,
) -> ExitError {
    if let Some(first) = first {
        match first.await.or_exit(Exit::Failed).and_then(|it| it.or_exit(Exit::NotFound)) {
            Ok(_) => tracing::info!("serving {}: the whole library", tracks(catalog.len())),
            Err(fault) => return fault,
        }
    }
    let (mut trouble, mut pause) = (String::new(), every);
    loop {
        warn_of_skipped(&catalog, &mut warned);
        if every.is_zero() {
            std::future::pending::<()>().await;
        }
        sleep(pause).await;
        let began = Instant::now();
        let scanned = scan(&catalog).await.map_err(|it| it.to_string());
        pause = every.max(began.elapsed() * SHARE);
        let now = match scanned.and_then(|it| it.map_err(|it| it.to_string())) {
            Ok(changed) => {
                if changed {
                    tracing::info!("the library has changed: serving {}", tracks(catalog.len()));
                }
                String::new()
            }
            Err(error) => error,
        };
        // Once, however long it lasts.
        if !now.is_empty() && now != trouble {
            eprintln!("warning: {}", sanitize(&now));
        }
        trouble = now;
    }
}

/// A server that is bound and about to serve.
pub(super) struct BoundServer {
    pub(super) server: Server,
    pub(super) endpoint: Arc<dyn Endpoint>,
    transport: String,
    capability: Secret,
}

impl BoundServer {
    pub(super) async fn start(
        context: &Context,
        transport: Arc<dyn Transport>,
        key: &Secret,
        capability: Secret,
        catalog: impl Into<Arc<Catalog>>,
    ) -> Result<Self, ExitError> {
        context.check_codec_options()?;
        let server = Server::start(config(context), Arc::clone(&context.registry), catalog);
        let server = server.context(Exit::Failed, "starting the encoders")?;
        let mut access = access(context, &capability);
        // The owner, listening on this same machine.
        access.ids.insert(transport.identity(&Context::second_key(key).0));
        let endpoint = context.bind(transport.as_ref(), key, server.admit(access)).await?;
        Ok(Self { server, endpoint, transport: transport.info().id, capability })
    }

    /// Tells a person how to listen: of the `whole` library, or of what was found so far.
    fn announce(&self, name: &str, whole: bool, ticket_file: Option<&Path>) -> Result<(), ExitError> {
        let ticket = self.ticket().to_string();
        if let Some(file) = ticket_file {
            let doing = format!("writing the ticket to {}", file.display());
            files::write(file, &format!("{ticket}\n"), true).context(Exit::Failed, doing)?;
        }
        let count = tracks(self.server.catalog().len());
        let so_far = if whole { "" } else { " so far" };
        print([
            format!("serving {count}{so_far} as {name} ({})", self.endpoint.address().id),
            format!("ticket: {ticket}"),
            "on another machine, paste the ticket into the first command:".into(),
            "  media-node add - as home".into(),
            "  media-node play home".into(),
        ])
    }

    /// What lets others in.
    pub(super) fn ticket(&self) -> Ticket {
        let PeerAddress { id: peer, addresses } = self.endpoint.address();
        let route = Route { transport: self.transport.clone(), peer, addresses };
        Ticket { routes: vec![route], capability: self.capability.0 }
    }
}

fn config(context: &Context) -> ServerConfig {
    let server = &context.config.server;
    let options = |id: String| {
        let options = context.config.plugin_options(PluginKind::Codec, &id);
        (id, options)
    };
    let disk_cache =
        DiskCacheConfig { folder: server.disk_cache_dir.clone(), bytes: server.disk_cache.get() };
    ServerConfig {
        disk_cache: (disk_cache.bytes > 0).then_some(disk_cache),
        cache: usize::try_from(server.cache.get()).unwrap_or(usize::MAX),
        encoders: server.encoders.get() as usize,
        max_peers: server.max_peers.get() as usize,
        max_requests_per_peer: server.max_requests_per_peer.get() as usize,
        encode_ahead: server.encode_ahead.get(),
        codec_options: context
            .registry
            .codecs()
            .map(|codec| options(codec.info().id))
            .collect::<BTreeMap<_, _>>(),
    }
}

fn access(context: &Context, capability: &Secret) -> Access {
    let config = &context.config.access;
    let mut access = Access::default();
    match config.mode {
        AccessMode::Open => access.open = true,
        AccessMode::List => access.ids.extend(config.allow.iter().map(|id| id.as_str().to_owned())),
        AccessMode::Ticket => access.capability = Some(Ticket::token_of(&capability.0)),
    }
    access
}

/// Names the files that were passed over and are not among the `warned` of.
fn warn_of_skipped(catalog: &Catalog, warned: &mut HashSet<Skipped>) {
    let skipped: HashSet<_> = catalog.skipped().into_iter().collect();
    let mut fresh: Vec<_> = skipped.difference(warned).map(ToString::to_string).collect();
    fresh.sort();
    for skipped in fresh.iter().take(NAMED) {
        eprintln!("warning: passed over {}", sanitize(skipped));
    }
    if fresh.len() > NAMED {
        eprintln!("warning: and {} more that can't be read", fresh.len() - NAMED);
    }
    *warned = skipped;
}

fn tracks(count: usize) -> String {
    if count == 1 { "1 track".into() } else { format!("{count} tracks") }
}

/// Waits for Ctrl-C or the system's wish that we end.
pub(super) async fn interrupted() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let wait = |kind| async move {
            match signal(kind) {
                Ok(mut signal) => signal.recv().await,
                Err(_) => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = wait(SignalKind::interrupt()) => {}
            _ = wait(SignalKind::terminate()) => {}
            _ = wait(SignalKind::hangup()) => {}
        }
    }
    #[cfg(not(unix))]
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
