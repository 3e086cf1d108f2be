use std::{path::PathBuf, sync::Arc};

use media_node::{
    library::Catalog,
    plugins,
    server::{Access, Server, ServerConfig, ServerStats},
};
use media_plugin_sdk::transport::{BindOptions, Endpoint, PeerAddress};
use media_protocol::{Protocol, Route, Ticket};
use tokio::runtime::Runtime;

/// Options that keep the transport on this machine.
const OPTIONS: &str = r#"{"relay":"off","mdns":false,"bind":["127.0.0.1:0"]}"#;
const CAPABILITY: [u8; 32] = [9; 32];

/// A node in this process, so that its counters can be read while a program plays from it.
pub(crate) struct Host {
    server: Server,
    pub(crate) ticket: String,
    _runtime: Runtime,
}

impl Host {
    pub(crate) fn serve(files: &[PathBuf]) -> Self {
        let runtime = Runtime::new().unwrap();
        let registry = plugins::registry();
        let catalog = Catalog::scan(files, false).unwrap();
        let server = Server::start(ServerConfig::default(), Arc::clone(&registry), catalog).unwrap();
        let access = Access { capability: Some(Ticket::token_of(&CAPABILITY)), ..Access::default() };
        let bind = BindOptions {
            secret_key: *blake3::hash(&std::process::id().to_le_bytes()).as_bytes(),
            options: OPTIONS.into(),
            name: "host".into(),
            version: "0".into(),
            protocols: Protocol::ALL.iter().map(|it| it.name().into()).collect(),
            admit: server.admit(access),
        };
        let transport = registry.transport("fastn").unwrap();
        let endpoint: Arc<dyn Endpoint> = runtime.block_on(transport.bind(&bind)).unwrap();
        let PeerAddress { id: peer, addresses } = endpoint.address();
        let route = Route { transport: "fastn".into(), peer, addresses };
        let ticket = Ticket { routes: vec![route], capability: CAPABILITY };
        runtime.spawn(server.serve(endpoint));
        Self { server, ticket: ticket.to_string(), _runtime: runtime }
    }

    /// Number of requests for tracks and chunks.
    pub(crate) fn requests(&self) -> u64 {
        let ServerStats { requests, .. } = self.server.stats();
        requests.get_info + requests.request_chunk
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.server.stop();
    }
}
