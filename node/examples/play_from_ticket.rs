//! Plays the first track of a ticket's node.
//!
//! ```sh
//! cargo run -p media-node --example play_from_ticket -- TICKET                # the default sound device
//! cargo run -p media-node --example play_from_ticket -- TICKET file:out.wav   # a WAV file
//! ```
//!
//! With `--local` as the first argument the client keeps to the loopback interface.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, anyhow, bail};
use media_node::{
    client::{
        Budget, CodecChoice, Event, NodeLink, OnLost, OutputChoice, OutputFormats, PauseMode, PlayId, Player,
        RemoteLibrary, Setup,
    },
    library::Provider,
    plugins,
};
use media_plugin_host::Registry;
use media_plugin_sdk::transport::{BindOptions, PeerAddress, refuse_all};
use media_protocol::{Position, Protocol, Ticket};

/// Options of the transport that keep it on this machine.
const LOCAL: &str = r#"{"bind": ["127.0.0.1:0"], "relay": "off", "mdns": false}"#;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (options, arguments) = match arguments.split_first() {
        Some((flag, rest)) if flag == "--local" => (LOCAL, rest),
        _ => ("", arguments.as_slice()),
    };
    let (ticket, output) = match arguments {
        [ticket] => (ticket, "cpal"),
        [ticket, output] => (ticket, output.as_str()),
        _ => bail!("usage: play_from_ticket [--local] TICKET [OUTPUT]"),
    };
    let ticket: Ticket = ticket.trim().parse().context("reading the ticket")?;
    let registry = plugins::registry();

    let link = Arc::new(connect(&registry, &ticket, options).await?);
    let page = RemoteLibrary::new(Arc::clone(&link)).list(0, 1).await?;
    let track = page.tracks.into_iter().next().context("the node serves no tracks")?;
    println!("playing {}", track.title);

    let (player, mut events) = Player::start(setup(&registry, output)?, Arc::clone(&link))?;
    player.play(PlayId(0), track.id, Position::START);
    let played = loop {
        match events.recv().await.context("the player stopped")? {
            Event::Began { reason, .. } => println!("codec: {reason}"),
            // All frames were written to the output. `Drained` follows when they have been heard.
            Event::Ended(play) => player.drain(play),
            Event::Drained(_) => break Ok(()),
            Event::TrackFailed { reason, .. }
            | Event::OutputFailed(reason)
            | Event::Refused(reason)
            | Event::Unreachable { reason, .. }
            | Event::Fatal(reason) => break Err(anyhow!(reason)),
            other => println!("{other:?}"),
        }
    };
    // Closes the output, so that a file is complete.
    player.close(events).await;
    link.close().await;
    played
}

/// Creates a link to the ticket's node, with a new identity.
async fn connect(registry: &Registry, ticket: &Ticket, options: &str) -> anyhow::Result<NodeLink> {
    let route = ticket.route(|transport| registry.transport(transport).is_ok());
    let route = route.context("this build has none of the ticket's transports")?;
    let mut secret_key = [0; 32];
    getrandom::fill(&mut secret_key).context("reading random bytes from the system")?;
    let bind = BindOptions {
        secret_key,
        options: options.into(),
        name: "play_from_ticket".into(),
        version: env!("CARGO_PKG_VERSION").into(),
        protocols: Protocol::ALL.iter().map(|protocol| protocol.name().into()).collect(),
        // A client accepts no connections.
        admit: refuse_all(),
    };
    let endpoint = registry.transport(&route.transport)?.bind(&bind).await?;
    let peer = PeerAddress { id: route.peer.clone(), addresses: route.addresses.clone() };
    Ok(NodeLink::new(endpoint, peer, Some(ticket.token())))
}

/// The settings of `media-node play` without a configuration. `output` is an output's id, with its target behind a colon.
fn setup(registry: &Arc<Registry>, output: &str) -> anyhow::Result<Setup> {
    let (id, target) = output.split_once(':').unwrap_or((output, ""));
    Ok(Setup {
        output: OutputChoice {
            plugin: registry.output(id)?,
            target: target.into(),
            options: String::new(),
            on_lost: OnLost::Follow,
            formats: OutputFormats::default(),
        },
        codec: CodecChoice::Auto(Budget::NONE),
        bitrate: 96_000,
        target: Duration::from_secs(3),
        max: Duration::from_secs(12),
        max_bytes: 64 << 20,
        start: Duration::from_millis(120),
        give_up: Duration::from_secs(180),
        pause: PauseMode::Hold,
        volume: 1.0,
        registry: Arc::clone(registry),
        began: Instant::now(),
    })
}
