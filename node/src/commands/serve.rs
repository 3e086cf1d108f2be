use std::{collections::BTreeMap, path::Path, path::PathBuf, sync::Arc};

use media_config::{AccessMode, PluginKind};
use media_plugin_sdk::transport::{Endpoint, PeerAddress, Transport};
use media_protocol::Ticket;

use super::{Context, context::shown, figures, show::print};
use crate::{
    fault::{Exit, Fault, OrFault},
    files,
    identity::Secret,
    server::{Access, Catalog, Server, ServerConfig},
};

/// Files passed over that are named one by one.
const NAMED: usize = 5;

/// `serve PATH…`.
pub(super) async fn run(
    context: &Context,
    paths: Vec<PathBuf>,
    ticket_file: Option<&Path>,
) -> Result<(), Fault> {
    let paths = if paths.is_empty() { context.config.library.paths.clone() } else { paths };
    if paths.is_empty() {
        let message =
            "nothing to serve: name a folder, as in `media-node serve ~/Music`, or set library.paths";
        return Err(Fault::new(Exit::Usage, message));
    }
    let key = context.key()?;
    let transport = context.transport(None)?;
    let follow_links = context.config.library.follow_links;
    let scanned = tokio::task::spawn_blocking(move || Catalog::scan(&paths, follow_links)).await;
    let catalog = scanned.or_fault(Exit::Failed)?.or_fault(Exit::NotFound)?;
    warn_of_skipped(&catalog);
    let serving = Serving::start(context, transport, &key, context.capability()?, catalog).await?;
    let ticket = serving.ticket().to_string();
    if let Some(file) = ticket_file {
        let doing = format!("writing the ticket to {}", file.display());
        files::write(file, &format!("{ticket}\n"), true).while_doing(Exit::Failed, doing)?;
    }
    let count = tracks(serving.server.catalog().len());
    print([
        format!("serving {count} as {} ({})", context.config.node.name, serving.id()),
        format!("ticket: {ticket}"),
        "listen on another machine:".into(),
        format!("  media-node play {ticket}"),
    ])?;
    let writing = figures::start(context, &serving.server).await?;
    let serve = serving.server.serve(Arc::clone(&serving.endpoint));
    tokio::select! {
        fault = writing => Err(fault),
        () = serve => Err(Fault::new(Exit::Failed, "the transport's endpoint was closed")),
        () = interrupted() => {
            serving.server.stop();
            serving.endpoint.close().await;
            figures::write(context, &serving.server)
        }
    }
}

/// A server that is bound and about to serve.
pub(super) struct Serving {
    pub(super) server: Server,
    pub(super) endpoint: Arc<dyn Endpoint>,
    transport: String,
    capability: Secret,
}

impl Serving {
    pub(super) async fn start(
        context: &Context,
        transport: Arc<dyn Transport>,
        key: &Secret,
        capability: Secret,
        catalog: Catalog,
    ) -> Result<Self, Fault> {
        context.check_codec_options()?;
        let server = Server::start(config(context), Arc::clone(&context.registry), catalog);
        let server = server.while_doing(Exit::Failed, "starting the encoders")?;
        let mut access = access(context, &capability);
        // The owner, listening on this same machine.
        access.ids.insert(transport.identity(&Context::second_key(key).0));
        let endpoint = context.bind(transport.as_ref(), key, server.admit(access)).await?;
        Ok(Self { server, endpoint, transport: transport.info().id, capability })
    }

    fn id(&self) -> String {
        self.endpoint.address().id
    }

    /// What lets others in.
    pub(super) fn ticket(&self) -> Ticket {
        let PeerAddress { id: peer, addresses } = self.endpoint.address();
        Ticket { transport: self.transport.clone(), peer, addresses, capability: self.capability.0 }
    }
}

fn config(context: &Context) -> ServerConfig {
    let server = &context.config.server;
    let options = |id: String| {
        let options = context.config.plugin_options(PluginKind::Codec, &id);
        (id, options)
    };
    ServerConfig {
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

fn warn_of_skipped(catalog: &Catalog) {
    let skipped = catalog.skipped();
    for skipped in skipped.iter().take(NAMED) {
        eprintln!("warning: passed over {}", shown(&skipped.to_string()));
    }
    if skipped.len() > NAMED {
        eprintln!("warning: and {} more that can't be read", skipped.len() - NAMED);
    }
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
