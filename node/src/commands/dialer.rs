//! Attempts to connect to the node of a ticket.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use media_plugin_sdk::transport::{Endpoint, PeerAddress, Transport, TransportError, Welcome, refuse_all};
use media_protocol::{ErrorCode, Route, Ticket, TicketError};

use super::Context;
use crate::{
    client::NodeLink,
    device_proof::{message, proven_token},
    exit::{Exit, ExitContext, ExitError},
    identity::Secret,
};

/// Capability of a ticket that leads to a node and admits nobody: the node was found on the local network.
pub(super) const NO_CAPABILITY: [u8; 32] = [0; 32];

/// A transport, and the route of a ticket for it.
pub(super) struct Dialer<'a> {
    context: &'a Context,
    pub(super) transport: Arc<dyn Transport>,
    route: &'a Route,
    /// Token of the ticket; `None` for [`NO_CAPABILITY`].
    pub(super) token: Option<String>,
}

/// A local endpoint, and the time that it took to bind it.
pub(super) struct ClientEndpoint {
    endpoint: Arc<dyn Endpoint>,
    bind_time: Duration,
}

impl<'a> Dialer<'a> {
    /// A dialer for the ticket's first route whose transport this program has and `transport.use` allows.
    ///
    /// If there is none, it tries the first transport that `transport.use` names with the ticket's first route.
    pub(super) fn new(context: &'a Context, ticket: &'a Ticket) -> Result<Self, ExitError> {
        let chosen = &context.config.transport.chosen;
        // The default of `transport.use` does not restrict the ticket's choice.
        let is_restricted = context.config.origin("transport.use") != media_config::Origin::Default;
        let is_allowed = |id: &str| !is_restricted || chosen.iter().any(|allowed| allowed.as_str() == id);
        let route = ticket.route(|id| is_allowed(id) && context.registry.transport(id).is_ok());
        let route = route.or(ticket.routes.first()).ok_or(TicketError::Damaged).or_exit(Exit::Usage)?;
        let id = if is_allowed(&route.transport) { &route.transport } else { chosen.first().as_str() };
        let token = (ticket.capability != NO_CAPABILITY).then(|| ticket.token());
        Ok(Self { context, transport: context.transport(Some(id))?, route, token })
    }

    /// Binds an endpoint with this identity.
    pub(super) async fn bind(&self, key: &Secret) -> Result<ClientEndpoint, ExitError> {
        let began = Instant::now();
        let endpoint = self.context.bind(self.transport.as_ref(), key, refuse_all()).await?;
        Ok(ClientEndpoint { endpoint, bind_time: began.elapsed() })
    }

    /// Connects with this token. Also returns the facts that the node told in the handshake.
    pub(super) async fn connect(
        &self,
        endpoint: &ClientEndpoint,
        token: Option<String>,
    ) -> Result<(NodeLink, Welcome), TransportError> {
        let peer = PeerAddress { id: self.route.peer.clone(), addresses: self.route.addresses.clone() };
        let ClientEndpoint { endpoint, bind_time } = endpoint;
        let link = NodeLink::new(Arc::clone(endpoint), peer, token).with_bind_time(*bind_time);
        let welcome = link.connection().await?.welcome();
        Ok((link, welcome))
    }

    /// A token by which the device proves that the process with this key is its own. `None` if the transport has no proofs.
    pub(super) fn prove(&self, device: &Secret, process: &Secret, token: Option<&str>) -> Option<String> {
        let process = self.transport.identity(&process.0);
        let signature = self.transport.sign(&device.0, &message(&process))?;
        Some(proven_token(&self.transport.identity(&device.0), &signature, token))
    }

    /// The error of a node that cannot be reached or refuses this device.
    pub(super) fn unreachable(&self, error: &TransportError, device: &Secret) -> ExitError {
        let next_step = next_step(error, &self.transport.identity(&device.0));
        ExitError::new(Exit::Unreachable, format!("connecting to the node of the ticket: {error}{next_step}"))
    }
}

/// Tells if the node knows no right of this client, by its ticket or its identity.
pub(super) fn is_unknown_there(error: &TransportError) -> bool {
    let TransportError::Refused(refusal) = error else { return false };
    let code = ErrorCode::from(refusal.code.as_str());
    matches!(code, ErrorCode::Unauthorized | ErrorCode::InvalidToken)
}

/// Tells if the node knows this client, whose right has ended or is used up.
pub(super) fn tells_an_end(error: &TransportError) -> bool {
    let TransportError::Refused(refusal) = error else { return false };
    let code = ErrorCode::from(refusal.code.as_str());
    matches!(code, ErrorCode::Expired | ErrorCode::Revoked | ErrorCode::OverQuota)
}

/// Advice for a client that was refused.
fn next_step(error: &TransportError, device: &str) -> String {
    let TransportError::Refused(refusal) = error else { return String::new() };
    let advice = match ErrorCode::from(refusal.code.as_str()) {
        ErrorCode::InvalidToken => "the ticket is old or another node's: ask for a new one",
        ErrorCode::Unauthorized => {
            return format!("; its owner can allow this device's id: media-node allow {device} --for LABEL");
        }
        ErrorCode::Expired | ErrorCode::Revoked => "ask the owner for a new ticket",
        ErrorCode::AlreadyUsed => "a ticket for one device stays with it: ask the owner for another one",
        _ => return String::new(),
    };
    format!("; {advice}")
}
