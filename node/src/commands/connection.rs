//! The connection of a client command to the node of a ticket.

use std::{sync::Arc, time::Instant};

use media_plugin_sdk::transport::{PeerAddress, Transport, TransportError, Welcome, refuse_all};
use media_protocol::{ErrorCode, Route, Ticket, TicketError};

use super::Context;
use crate::{
    client::{NodeLink, RemoteLibrary},
    exit::{Exit, ExitContext, ExitError},
    identity::Secret,
    node_book::NodeBook,
};

/// A connected node.
pub(super) struct NodeConnection {
    pub(super) link: Arc<NodeLink>,
    /// Id of the transport in use.
    pub(super) transport: String,
    /// Facts that the node told in the handshake.
    pub(super) welcome: Welcome,
}

impl NodeConnection {
    /// Connects to the node of a ticket with the key of this machine's node. If the ticket is of that same node, connects with
    /// a key derived from it.
    pub(super) async fn open(context: &Context, ticket: &Ticket) -> Result<Self, ExitError> {
        let node = Self::open_with_key(context, ticket, context.key()?).await?;
        let welcome = &node.welcome;
        let exchanged = welcome.auth_token.as_ref().and_then(|token| ticket.with_token(token));
        if let Some(capability) = &exchanged {
            let names = NodeBook::exchange(&context.node_book(), ticket, capability);
            let names = names.or_exit(Exit::Failed)?.join(", ");
            eprintln!("the ticket belongs to this device now; stored as {names}");
        }
        context.note_seen(exchanged.as_ref().unwrap_or(ticket), &node.link.path().kind.to_string(), welcome);
        Ok(node)
    }

    /// Connects to the node of a ticket with the given key. If the node has the same key, connects with one derived from it.
    pub(super) async fn open_with_key(
        context: &Context,
        ticket: &Ticket,
        mut key: Secret,
    ) -> Result<Self, ExitError> {
        let (transport, route) = choose_route(context, ticket)?;
        if transport.identity(&key.0) == route.peer {
            key = Context::client_key(&key);
        }
        let binding = Instant::now();
        let endpoint = context.bind(transport.as_ref(), &key, refuse_all()).await?;
        let bind_time = binding.elapsed();
        let peer = PeerAddress { id: route.peer.clone(), addresses: route.addresses.clone() };
        let link = NodeLink::new(endpoint, peer, Some(ticket.token())).with_bind_time(bind_time);
        let connection = link.connection().await.map_err(|error| {
            let message = format!("connecting to the node of the ticket: {error}{}", next_step(&error));
            ExitError::new(Exit::Unreachable, message)
        })?;
        let welcome = connection.welcome();
        Ok(Self { link: Arc::new(link), transport: transport.info().id, welcome })
    }

    /// The library of the node.
    pub(super) fn library(&self) -> RemoteLibrary {
        RemoteLibrary::new(Arc::clone(&self.link))
    }
}

/// Chooses the ticket's first route whose transport this program has and `transport.use` allows.
///
/// If there is no such route, takes the ticket's first route. Its transport is then the route's own if `transport.use` allows
/// that one, and otherwise the first that `transport.use` names.
fn choose_route<'a>(
    context: &Context,
    ticket: &'a Ticket,
) -> Result<(Arc<dyn Transport>, &'a Route), ExitError> {
    let chosen = &context.config.transport.chosen;
    // If `transport.use` has its default, any transport of the ticket is allowed.
    let is_restricted = context.config.origin("transport.use") != media_config::Origin::Default;
    let is_allowed = |id: &str| !is_restricted || chosen.iter().any(|allowed| allowed.as_str() == id);
    let route = ticket.route(|id| is_allowed(id) && context.registry.transport(id).is_ok());
    let route = route.or(ticket.routes.first()).ok_or(TicketError::Damaged).or_exit(Exit::Usage)?;
    let id = if is_allowed(&route.transport) { &route.transport } else { chosen.first().as_str() };
    Ok((context.transport(Some(id))?, route))
}

/// Advice for a person whose client was refused.
fn next_step(error: &TransportError) -> &'static str {
    let TransportError::Refused(refusal) = error else { return "" };
    match ErrorCode::from(refusal.code.as_str()) {
        ErrorCode::InvalidToken => "; the ticket is old or another node's: ask for a new one",
        ErrorCode::Unauthorized => "; its owner can allow this client's id (media-node id)",
        ErrorCode::Expired | ErrorCode::Revoked => "; ask the owner for a new ticket",
        ErrorCode::AlreadyUsed => "; a ticket for one device stays with it: ask the owner for another one",
        _ => "",
    }
}
