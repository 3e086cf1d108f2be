//! A node in a process of its own, so that it can be killed.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use media_node::plugins;
use media_protocol::Ticket;

use crate::{
    program::{Home, Node},
    stage::Tune,
};

/// A `media-node serve` on `[::1]` with one file.
pub(crate) struct Process {
    pub(crate) tune: Tune,
    home: Arc<Home>,
    file: PathBuf,
    /// Killed when dropped.
    node: Option<Node>,
    ticket: Ticket,
}

impl Process {
    pub(crate) async fn start(file: PathBuf) -> Self {
        let home = Arc::new(Home::new());
        let (node, ticket) = serve(&home, &file).await;
        let token = Ticket::token_of(&ticket.capability);
        let tune = Tune::new(plugins::registry(), &file, ticket.routes[0].peer.clone(), Some(token));
        Self { tune, home, file, node: Some(node), ticket }
    }

    /// Address of the node.
    pub(crate) fn address(&self) -> SocketAddr {
        self.ticket.routes[0].addresses[0].parse().unwrap()
    }

    /// Kills the node (SIGKILL), so that it sends no goodbye.
    pub(crate) fn kill(&mut self) {
        self.node = None;
    }

    /// Starts the node again in the same home.
    pub(crate) async fn again(&mut self) {
        let (node, ticket) = serve(&self.home, &self.file).await;
        assert_eq!(ticket.routes[0].peer, self.ticket.routes[0].peer);
        (self.node, self.ticket) = (Some(node), ticket);
    }
}

async fn serve(home: &Arc<Home>, file: &Path) -> (Node, Ticket) {
    let (home, file) = (Arc::clone(home), file.to_path_buf());
    let started = tokio::task::spawn_blocking(move || {
        let arguments = ["--set", "transport.fastn.bind=[\"[::1]:0\"]", "serve", file.to_str().unwrap()];
        Node::start(&mut home.command(&arguments))
    });
    let node = started.await.unwrap();
    let ticket = node.ticket.parse().unwrap();
    (node, ticket)
}
