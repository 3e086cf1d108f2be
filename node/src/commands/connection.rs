//! The connection of a client command to the node of a ticket.

use std::sync::Arc;

use media_plugin_sdk::transport::{TransportError, Welcome};
use media_protocol::Ticket;

use super::{
    Context,
    dialer::{Dialer, is_unknown_there, tells_an_end},
};
use crate::{
    client::{NodeLink, RemoteLibrary},
    exit::{Exit, ExitContext, ExitError},
    machine_identity::{ProcessIdentity, node_lock},
    node_book::NodeBook,
    process_lock::ProcessRecord,
};

/// A connected node.
pub(super) struct NodeConnection {
    pub(super) link: Arc<NodeLink>,
    /// Id of the transport in use.
    pub(super) transport: String,
    /// Facts that the node told in the handshake.
    pub(super) welcome: Welcome,
    /// Keeps other processes from this identity.
    _identity: ProcessIdentity,
}

impl NodeConnection {
    /// Connects to the node of a ticket with an identity of this process.
    pub(super) async fn open(context: &Context, ticket: &Ticket) -> Result<Self, ExitError> {
        let node = Self::open_for_device(context, ticket).await?;
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

    /// Connects to the node of a ticket with this identity alone.
    pub(super) async fn open_as(
        context: &Context,
        ticket: &Ticket,
        identity: ProcessIdentity,
    ) -> Result<Self, ExitError> {
        let dialer = Dialer::new(context, ticket)?;
        let endpoint = dialer.bind(&identity.key).await?;
        let connected = dialer.connect(&endpoint, dialer.token.clone()).await;
        let (link, welcome) = connected.map_err(|error| dialer.unreachable(&error, &identity.key))?;
        Ok(Self::new(&dialer, link, welcome, identity))
    }

    /// Connects by the ticket, or else by the right of this device, which its key proves.
    ///
    /// A node of version 0.1 does not know such proofs. The device's own identity is tried there, unless a node serves
    /// with it.
    async fn open_for_device(context: &Context, ticket: &Ticket) -> Result<Self, ExitError> {
        let dialer = Dialer::new(context, ticket)?;
        let device = context.key()?;
        let mut identity = context.client_identity()?;
        let endpoint = dialer.bind(&identity.key).await?;
        let mut connected = dialer.connect(&endpoint, dialer.token.clone()).await;
        if matches!(connected, Err(TransportError::Refused(_)))
            && let Some(proof) = dialer.prove(&device, &identity.key, dialer.token.as_deref())
        {
            match dialer.connect(&endpoint, Some(proof)).await {
                Err(error) if !tells_an_end(&error) => {}
                // The node knows this device: it lets it in, or says why not any more.
                proven => connected = proven,
            }
        }
        if connected.as_ref().is_err_and(is_unknown_there)
            && ProcessRecord::of_holder(&node_lock(&context.config.node.key)).is_none()
            && let Ok(own) = dialer.connect(&dialer.bind(&device).await?, dialer.token.clone()).await
        {
            connected = Ok(own);
            identity = ProcessIdentity::of(device.clone());
        }
        let (link, welcome) = connected.map_err(|error| dialer.unreachable(&error, &device))?;
        Ok(Self::new(&dialer, link, welcome, identity))
    }

    fn new(dialer: &Dialer<'_>, link: NodeLink, welcome: Welcome, identity: ProcessIdentity) -> Self {
        let transport = dialer.transport.info().id;
        Self { link: Arc::new(link), transport, welcome, _identity: identity }
    }

    /// The library of the node.
    pub(super) fn library(&self) -> RemoteLibrary {
        RemoteLibrary::new(Arc::clone(&self.link))
    }
}
