//! The connection of a client command to the node of a ticket.

use std::{sync::Arc, time::Instant};

use media_plugin_sdk::transport::{PeerAddress, Transport, TransportError, refuse_all};
use media_protocol::{Route, Ticket, TicketError};

use super::Context;
use crate::{
    client::{NodeLink, RemoteLibrary},
    exit::{Exit, ExitContext, ExitError},
    identity::Secret,
};

/// A connected node.
pub(super) struct NodeConnection {
    pub(super) link: Arc<NodeLink>,
    /// Id of the transport in use.
    pub(super) transport: String,
}

impl NodeConnection {
    /// Connects to the node of a ticket with the key of this machine's node. If the ticket is of that same node, connects with
    /// a key derived from it.
    pub(super) async fn open(context: &Context, ticket: &Ticket) -> Result<Self, ExitError> {
        let node = Self::open_with_key(context, ticket, context.key()?).await?;
        context.note_seen(ticket, &node.link.path().kind.to_string());
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
        link.connection().await.map_err(|error| {
            let message = format!("connecting to the node of the ticket: {error}{}", next_step(&error));
            ExitError::new(Exit::Unreachable, message)
        })?;
        Ok(Self { link: Arc::new(link), transport: transport.info().id })
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
    let TransportError::Refused(code) = error else { return "" };
    match code.as_str() {
        "invalid_token" => "; the ticket is old or another node's: ask for a new one",
        "unauthorized" => "; its owner can allow this client's id (media-node id)",
        _ => "",
    }
}
