//! A server with its endpoints, and the tickets that lead to them.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use media_config::{AccessMode, Config, PluginKind};
use media_plugin_sdk::transport::{Endpoint, PeerAddress, Transport};
use media_protocol::{Route, Ticket};
use tokio::task::JoinSet;

use super::{Context, door::Door, library_watch::count_of_tracks, stderr::warn, stdout::print};
use crate::{
    access::AccessBook,
    asking::AskingList,
    exit::{Exit, ExitContext, ExitError},
    files,
    identity::Secret,
    library::Catalog,
    machine_identity::client_keys,
    server::{Access, DiskCacheConfig, Server, ServerConfig},
};

/// A server with its endpoints, one for each transport.
pub(super) struct BoundServer {
    pub(super) server: Server,
    /// The tickets and allowed identities that it admits by.
    pub(super) access: Arc<AccessBook>,
    /// The devices that ask for access.
    pub(super) asking: Arc<AskingList>,
    endpoints: Vec<BoundEndpoint>,
}

struct BoundEndpoint {
    transport: String,
    endpoint: Arc<dyn Endpoint>,
    /// Rules that do not depend on the configuration.
    base: Access,
    door: Door,
}

impl BoundServer {
    /// Starts a server and binds every transport. It admits peers by the book and the configuration, and the clients of this
    /// machine.
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
        let asking = Arc::new(AskingList::default());
        let mut endpoints = Vec::new();
        for transport in transports {
            let own_keys = client_keys(key).chain([key.clone()]);
            let owners = own_keys.map(|own| transport.identity(&own.0)).collect();
            let base = Access { owners, book: Some(Arc::clone(&access_book)), ..Access::default() };
            let rules = server.admit(with_config(&base, &context.config));
            let door = Door::new(Arc::clone(&transport), rules, Arc::clone(&asking));
            let endpoint = context.bind(transport.as_ref(), key, door.admit()).await?;
            endpoints.push(BoundEndpoint { transport: transport.info().id, endpoint, base, door });
        }
        Ok(Self { server, access: access_book, asking, endpoints })
    }

    /// Serves all endpoints. Returns only if the transport closes one of them, or after [`BoundServer::stop`].
    pub(super) fn serve(&self) -> impl Future<Output = ExitError> + use<> {
        let mut serving = JoinSet::new();
        for BoundEndpoint { transport, endpoint, .. } in &self.endpoints {
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

    /// Takes over `access.*` of a configuration. Closes all connections; players connect again and are judged by the new
    /// rules.
    pub(super) fn set_access(&self, config: &Config) {
        for BoundEndpoint { base, door, .. } in &self.endpoints {
            door.set_rules(self.server.admit(with_config(base, config)));
        }
        self.server.disconnect_all("the access rules of the node have changed");
    }

    /// The node's identity and present addresses on each transport.
    pub(super) fn addresses(&self) -> impl Iterator<Item = (&str, PeerAddress)> {
        self.endpoints.iter().map(|bound| (bound.transport.as_str(), bound.endpoint.address()))
    }

    /// Stops the server and closes its endpoints.
    pub(super) async fn stop(&self) {
        self.server.stop();
        for BoundEndpoint { endpoint, .. } in &self.endpoints {
            endpoint.close().await;
        }
    }

    /// Announces the node's name on the local network. Prints the first ticket, and writes it to a file. `is_complete` tells whether the number of tracks is final.
    pub(super) fn announce(
        &self,
        name: &str,
        is_complete: bool,
        ticket_file: Option<&Path>,
    ) -> Result<(), ExitError> {
        for BoundEndpoint { endpoint, .. } in &self.endpoints {
            endpoint.announce(name);
        }
        let ticket = self.first_ticket().map(|ticket| ticket.to_string());
        if let (Some(file), Some(ticket)) = (ticket_file, &ticket)
            && let Err(error) = files::write(file, &format!("{ticket}\n"), true)
        {
            let file = file.display();
            warn(format_args!("writing the ticket to {file}: {error}; the node serves on"));
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
        let route = |BoundEndpoint { transport, endpoint, .. }: &BoundEndpoint| {
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

/// These rules with `access.*` of a configuration.
fn with_config(base: &Access, config: &Config) -> Access {
    let config = &config.access;
    let mut access = base.clone();
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

#[cfg(test)]
#[cfg(feature = "fastn")]
mod tests {
    use media_config::{Config, Flag, Sources};

    use super::{
        super::{connection::NodeConnection, log::Log, tracks},
        *,
    };
    use crate::plugins;

    /// A command on this machine alone, with a key of its own below `folder` and these configuration keys.
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
        let config_file = sources.file.clone();
        let log = Log::fixed();
        Context { began: std::time::Instant::now(), config, config_file, sources, log, search_path, registry }
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
            let found = tracks::all(&connection.library()).await.unwrap();
            assert_eq!(found.tracks.len(), 1, "over {transport}");
            connection.link.close().await;
        }
        server.stop().await;
        serving.await.unwrap();
    }
}
