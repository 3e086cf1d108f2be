//! `serve`: serves files and folders to the holders of a ticket.

use std::{
    collections::{BTreeMap, HashSet},
    convert::Infallible,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use media_config::{AccessMode, PluginKind};
use media_plugin_sdk::transport::{Endpoint, PeerAddress, Transport};
use media_protocol::{Route, Ticket};
use tokio::{
    task::{JoinHandle, JoinSet, block_in_place, spawn_blocking},
    time::{Instant, sleep, timeout_at},
};

use super::{Context, signals, stats_writer, stdout::print};
use crate::{
    access::AccessBook,
    exit::{Exit, ExitContext, ExitError},
    files,
    identity::Secret,
    library::{Catalog, CatalogError, Skipped, skipped},
    server::{Access, DiskCacheConfig, Server, ServerConfig},
    ui::sanitize,
};

/// Longest time for which `serve` waits for the first scan of the library before it prints the ticket. If the scan takes longer,
/// the node serves the tracks found so far.
const FIRST_SCAN_WAIT: Duration = Duration::from_millis(600);
/// Divisor that limits the share of time spent on rescans. After a scan that took 1 s, the next one begins after 20 s or more.
/// This matters on slow network drives.
const RESCAN_SHARE: u32 = 20;
/// Interval at which the node writes the bytes and times of its tickets' use. A node that is killed forgets at most this much.
const USAGE_INTERVAL: Duration = Duration::from_secs(10);

/// Serves the given paths, or those of the configuration if there are none, until a signal stops the process.
pub(super) async fn run(
    context: &Context,
    paths: Vec<PathBuf>,
    ticket_file: Option<&Path>,
) -> Result<(), ExitError> {
    let paths = if paths.is_empty() { context.config.library.paths.clone() } else { paths };
    if paths.is_empty() {
        let message = "no folder to serve; name one, as in `media-node serve ~/Music`, or set library.paths";
        return Err(ExitError::new(Exit::Usage, message));
    }
    let key = context.key()?;
    let transports = context.transports()?;
    let first_scan_until = Instant::now() + FIRST_SCAN_WAIT;
    let library = &context.config.library;
    let (follow_links, index) = (library.follow_links, library.index.clone());
    let recalled = spawn_blocking(move || Catalog::recall(&paths, follow_links, index.as_deref())).await;
    let catalog = Arc::new(recalled.or_exit(Exit::Failed)?.or_exit(Exit::NotFound)?);
    let mut first_scan = scan(&catalog);
    let server =
        BoundServer::start(context, transports, &key, context.access_book()?, Arc::clone(&catalog)).await?;
    let scanned = timeout_at(first_scan_until, &mut first_scan).await.ok();
    let is_complete = scanned.is_some();
    let mut warned = HashSet::new();
    if let Some(scanned) = scanned {
        scanned.or_exit(Exit::Failed)?.or_exit(Exit::NotFound)?;
        warn_of_skipped(&catalog, &mut warned);
    }
    server.announce(&context.config.node.name, is_complete, ticket_file)?;
    let follow = follow(catalog, (!is_complete).then_some(first_scan), library.rescan.get(), warned);
    let write_stats = stats_writer::start(context, &server.server).await?;
    tokio::select! {
        error = write_stats => Err(error),
        never = write_usage(&server.access) => match never {},
        error = server.serve() => Err(error),
        error = follow => Err(error),
        () = signals::stop() => {
            server.stop().await;
            server.access.flush().or_exit(Exit::Failed)?;
            stats_writer::write(context, &server.server)
        }
    }
}

/// Writes the use of tickets at an interval. A failed write is logged and repeated at the next.
async fn write_usage(access: &AccessBook) -> Infallible {
    loop {
        sleep(USAGE_INTERVAL).await;
        // The file is small; a slow disk blocks only this thread of the runtime.
        if let Err(error) = block_in_place(|| access.flush()) {
            tracing::warn!("{error}");
        }
    }
}

/// A scan of the library on a thread of its own. Its result is true if the library has changed.
type Scan = JoinHandle<Result<bool, CatalogError>>;

fn scan(catalog: &Arc<Catalog>) -> Scan {
    let catalog = Arc::clone(catalog);
    spawn_blocking(move || catalog.rescan())
}

/// Measures the tracks whose headers do not tell their length, on a thread of its own.
fn measure_lengths(catalog: &Arc<Catalog>) {
    let catalog = Arc::clone(catalog);
    drop(spawn_blocking(move || catalog.measure_lengths()));
}

/// Waits for the first scan if it still runs, then rescans the library at this interval. 0 means that it never rescans. Warns
/// once of each skipped file. Returns only if the first scan finds no track.
async fn follow(
    catalog: Arc<Catalog>,
    first_scan: Option<Scan>,
    interval: Duration,
    mut warned: HashSet<Skipped>,
) -> ExitError {
    if let Some(first_scan) = first_scan {
        match first_scan.await.or_exit(Exit::Failed).and_then(|scanned| scanned.or_exit(Exit::NotFound)) {
            Ok(_) => tracing::info!("serving {}: the whole library", count_of_tracks(catalog.len())),
            Err(error) => return error,
        }
    }
    measure_lengths(&catalog);
    let mut last_problem = String::new();
    let mut wait = interval;
    loop {
        warn_of_skipped(&catalog, &mut warned);
        if interval.is_zero() {
            std::future::pending::<()>().await;
        }
        sleep(wait).await;
        let began = Instant::now();
        let scanned = scan(&catalog).await.map_err(|error| error.to_string());
        wait = interval.max(began.elapsed() * RESCAN_SHARE);
        let problem = match scanned.and_then(|scanned| scanned.map_err(|error| error.to_string())) {
            Ok(changed) => {
                if changed {
                    measure_lengths(&catalog);
                    tracing::info!("the library has changed: serving {}", count_of_tracks(catalog.len()));
                }
                String::new()
            }
            Err(error) => error,
        };
        // A problem that stays the same is reported once.
        if !problem.is_empty() && problem != last_problem {
            eprintln!("warning: {}", sanitize(&problem));
        }
        last_problem = problem;
    }
}

/// A server with its endpoints, one for each transport.
pub(super) struct BoundServer {
    pub(super) server: Server,
    /// The tickets and allowed identities that it admits by.
    pub(super) access: Arc<AccessBook>,
    endpoints: Vec<BoundEndpoint>,
}

struct BoundEndpoint {
    transport: String,
    endpoint: Arc<dyn Endpoint>,
}

impl BoundServer {
    /// Starts a server and binds every transport. The server admits the peers that `access.mode` allows, and clients on this
    /// machine that have the same key file.
    pub(super) async fn start(
        context: &Context,
        transports: Vec<Arc<dyn Transport>>,
        key: &Secret,
        access_book: Arc<AccessBook>,
        catalog: impl Into<Arc<Catalog>>,
    ) -> Result<Self, ExitError> {
        context.check_codec_options()?;
        let server = Server::start(server_config(context), Arc::clone(&context.registry), catalog);
        let server = server.context(Exit::Failed, "starting the encoder threads")?;
        let mut endpoints = Vec::new();
        for transport in transports {
            let mut access = access(context, &access_book);
            access.owners.insert(transport.identity(&Context::client_key(key).0));
            let endpoint = context.bind(transport.as_ref(), key, server.admit(access)).await?;
            endpoints.push(BoundEndpoint { transport: transport.info().id, endpoint });
        }
        Ok(Self { server, access: access_book, endpoints })
    }

    /// Serves all endpoints. Returns only if the transport closes one of them, or after [`BoundServer::stop`].
    pub(super) fn serve(&self) -> impl Future<Output = ExitError> + use<> {
        let mut serving = JoinSet::new();
        for BoundEndpoint { transport, endpoint } in &self.endpoints {
            let (transport, served) = (transport.clone(), self.server.serve(Arc::clone(endpoint)));
            serving.spawn(async move {
                served.await;
                transport
            });
        }
        async move {
            let closed = match serving.join_next().await {
                Some(Ok(transport)) => format!("the endpoint of the transport {transport} was closed"),
                Some(Err(error)) => format!("serving an endpoint: {error}"),
                None => "no transport to serve".into(),
            };
            ExitError::new(Exit::Failed, closed)
        }
    }

    /// Stops the server and closes its endpoints.
    pub(super) async fn stop(&self) {
        self.server.stop();
        for BoundEndpoint { endpoint, .. } in &self.endpoints {
            endpoint.close().await;
        }
    }

    /// Prints the ticket, and writes it to a file if there is one. `is_complete` is true if the number of tracks is final.
    fn announce(&self, name: &str, is_complete: bool, ticket_file: Option<&Path>) -> Result<(), ExitError> {
        let ticket = self.first_ticket().map(|ticket| ticket.to_string());
        if let (Some(file), Some(ticket)) = (ticket_file, &ticket) {
            let writing = format!("writing the ticket to {}", file.display());
            files::write(file, &format!("{ticket}\n"), true).context(Exit::Failed, writing)?;
        }
        let count = count_of_tracks(self.server.catalog().len());
        let so_far = if is_complete { "" } else { " so far" };
        let ids: Vec<_> = self.endpoints.iter().map(|bound| bound.endpoint.address().id).collect();
        let serving = format!("serving {count}{so_far} as {name} ({})", ids.join(", "));
        let Some(ticket) = ticket else {
            let line = "the first ticket was revoked; `media-node ticket new --for LABEL` makes another one";
            return print([serving, line.into()]);
        };
        print([
            serving,
            format!("ticket: {ticket}"),
            "on another machine, paste the ticket into the first command:".into(),
            "  media-node add - as home".into(),
            "  media-node play home".into(),
        ])
    }

    /// The first ticket; `None` if it was revoked.
    pub(super) fn first_ticket(&self) -> Option<Ticket> {
        self.access.first_ticket(&self.routes())
    }

    /// The routes of this node's tickets: one for each transport, in the order of `transport.use`.
    pub(super) fn routes(&self) -> Vec<Route> {
        let route = |BoundEndpoint { transport, endpoint }: &BoundEndpoint| {
            let PeerAddress { id: peer, addresses } = endpoint.address();
            Route { transport: transport.clone(), peer, addresses }
        };
        self.endpoints.iter().map(route).collect()
    }
}

fn server_config(context: &Context) -> ServerConfig {
    let server = &context.config.server;
    let codec_options = context.registry.codecs().map(|codec| {
        let id = codec.info().id;
        let options = context.config.plugin_options(PluginKind::Codec, &id);
        (id, options)
    });
    let disk_cache =
        DiskCacheConfig { folder: server.disk_cache_dir.clone(), bytes: server.disk_cache.get() };
    ServerConfig {
        disk_cache: (disk_cache.bytes > 0).then_some(disk_cache),
        cache: usize::try_from(server.cache.get()).unwrap_or(usize::MAX),
        encoders: server.encoders.get() as usize,
        max_peers: server.max_peers.get() as usize,
        max_requests_per_peer: server.max_requests_per_peer.get() as usize,
        encode_ahead: server.encode_ahead.get(),
        codec_options: codec_options.collect::<BTreeMap<_, _>>(),
    }
}

fn access(context: &Context, book: &Arc<AccessBook>) -> Access {
    let config = &context.config.access;
    let mut access = Access { book: Some(Arc::clone(book)), ..Access::default() };
    match config.mode {
        AccessMode::Open => access.open = true,
        AccessMode::List => {
            access.identities_only = true;
            access.ids.extend(config.allow.iter().map(|id| id.as_str().to_owned()));
        }
        AccessMode::Ticket => {}
    }
    access
}

/// Warns of the skipped files that are not in `warned`, then sets `warned` to the files that are skipped now.
fn warn_of_skipped(catalog: &Catalog, warned: &mut HashSet<Skipped>) {
    let now: HashSet<_> = catalog.skipped().into_iter().collect();
    for line in skipped::warnings(now.difference(warned)) {
        eprintln!("warning: {}", sanitize(&line));
    }
    *warned = now;
}

fn count_of_tracks(count: usize) -> String {
    if count == 1 { "1 track".into() } else { format!("{count} tracks") }
}

#[cfg(test)]
#[cfg(feature = "fastn")]
mod tests {
    use media_config::{Config, Flag, Sources};

    use super::{super::connection::NodeConnection, super::tracks, *};
    use crate::plugins;

    /// Context of a command that uses only this machine, with a key of its own below `folder` and these configuration keys.
    fn context(folder: &Path, keys: &[(&str, &str)]) -> Context {
        let mut sources = Sources::bare(folder.join("config.toml"), folder.join("data"));
        let local = [
            ("transport.fastn.relay", "off"),
            ("transport.fastn.mdns", "false"),
            ("transport.fastn.bind", r#"["127.0.0.1:0"]"#),
        ];
        sources.flags = local.iter().chain(keys).map(|(key, value)| Flag::new("--set", key, value)).collect();
        let config = Config::load(&sources).unwrap();
        let search_path = plugins::search_path(&config, &sources);
        let registry = plugins::loaded(&config, &search_path);
        let config_file = sources.file;
        Context { began: std::time::Instant::now(), config, config_file, search_path, registry }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_node_serves_on_every_transport_and_a_client_takes_the_first_that_it_has() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("demo.flac");
        std::fs::write(&file, include_bytes!("../../assets/demo.flac")).unwrap();
        let node = context(&folder.path().join("node"), &[("transport.use", "fastn,memory")]);
        let (key, book) = (node.key().unwrap(), node.access_book().unwrap());
        let catalog = Catalog::scan(&[file], false).unwrap();
        let server = BoundServer::start(&node, node.transports().unwrap(), &key, book, catalog);
        let server = server.await.unwrap();
        let serving = tokio::spawn(server.serve());
        let ticket: Ticket = server.first_ticket().unwrap().to_string().parse().unwrap();
        let routes: Vec<_> = ticket.routes.iter().map(|route| route.transport.as_str()).collect();
        assert_eq!(routes, ["fastn", "memory"]);
        let mut partly_unknown = ticket.clone();
        partly_unknown.routes[0].transport = "from-the-future".into();
        let clients: [(&[_], &Ticket, _); 4] = [
            (&[], &ticket, "fastn"),
            (&[("transport.use", "memory,fastn")], &ticket, "fastn"),
            (&[("transport.use", "memory")], &ticket, "memory"),
            (&[], &partly_unknown, "memory"),
        ];
        for (n, (keys, ticket, transport)) in clients.into_iter().enumerate() {
            let client = context(&folder.path().join(n.to_string()), keys);
            let connection = NodeConnection::open(&client, ticket).await.unwrap();
            assert_eq!(connection.transport, transport, "{keys:?}");
            let found = tracks::find(&connection.library(), "").await.unwrap();
            assert_eq!(found.tracks.len(), 1, "over {transport}");
            connection.link.close().await;
        }
        server.stop().await;
        serving.await.unwrap();
    }
}
