//! Embeds a server in a program: serves a folder of audio files and prints a ticket.
//!
//! ```sh
//! cargo run -p media-node --example embed_server -- ~/Music
//! ```
//!
//! Play it on another machine with `media-node play TICKET`, or with the example `play_from_ticket`. The key and the
//! capability are new in each run, so a ticket ends with the program. With `--local` as the first argument the server
//! keeps to the loopback interface.

use std::{path::PathBuf, sync::Arc};

use anyhow::{Context, bail};
use media_node::{
    library::Catalog,
    plugins,
    server::{Access, Server, ServerConfig},
};
use media_plugin_sdk::transport::{BindOptions, PeerAddress};
use media_protocol::{Protocol, Route, Ticket};

const TRANSPORT: &str = "fastn";
/// Options of the transport that keep it on this machine.
const LOCAL: &str = r#"{"bind": ["127.0.0.1:0"], "relay": "off", "mdns": false}"#;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (options, folder) = match arguments.as_slice() {
        [flag, folder] if flag == "--local" => (LOCAL, folder),
        [folder] => ("", folder),
        _ => bail!("usage: embed_server [--local] FOLDER"),
    };

    // The library: every audio file below the folder.
    let catalog = Catalog::scan(&[PathBuf::from(folder)], false)?;
    let count = catalog.len();

    // The server encodes tracks with the codecs of the registry.
    let registry = plugins::registry();
    let server = Server::start(ServerConfig::default(), Arc::clone(&registry), catalog)?;

    // The endpoint: this node's identity on the network, and the decision on who may connect.
    let capability = random()?;
    let access = Access { capability: Some(Ticket::token_of(&capability)), ..Access::default() };
    let bind = BindOptions {
        secret_key: random()?,
        options: options.into(),
        name: "embed_server".into(),
        version: env!("CARGO_PKG_VERSION").into(),
        protocols: Protocol::ALL.iter().map(|protocol| protocol.name().into()).collect(),
        admit: server.admit(access),
    };
    let endpoint = registry.transport(TRANSPORT)?.bind(&bind).await?;

    // The ticket names the node and carries the capability. It is a secret.
    let PeerAddress { id: peer, addresses } = endpoint.address();
    let route = Route { transport: TRANSPORT.into(), peer, addresses };
    println!("serving {count} tracks");
    println!("ticket: {}", Ticket { routes: vec![route], capability });

    tokio::select! {
        () = server.serve(endpoint) => {}
        pressed = tokio::signal::ctrl_c() => pressed?,
    }
    Ok(())
}

fn random() -> anyhow::Result<[u8; 32]> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).context("reading random bytes from the system")?;
    Ok(bytes)
}
