//! Options into a bound endpoint.

use std::{
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use iroh::{
    Endpoint as QuicEndpoint, RelayMode, SecretKey,
    endpoint::{BindOpts, Builder, IdleTimeout, PortmapperConfig, QuicTransportConfig, presets},
};
use iroh_mdns_address_lookup::MdnsAddressLookup;
use media_plugin_sdk::transport::{Bind, Result, TransportError};

use super::FastnEndpoint;
use crate::{
    congestion,
    handshake::Greeting,
    options::{Options, RelayChoice},
    wire::ALPN,
};

/// The name that fastn's peers announce themselves under on a local network.
const MDNS_SERVICE: &str = "iroh.local.swarm";
/// Bounds on what a peer makes us hold, in bytes: on one stream (100 Mbit/s at 160 ms), and on all of a connection until it
/// is admitted.
const STREAM_WINDOW: u32 = 2 * 1024 * 1024;
const HANDSHAKE_WINDOW: u32 = 128 * 1024;
/// What we hold for a peer that has not acknowledged it, in bytes on all streams: three chunks of CD audio.
const SEND_WINDOW: u64 = 2 * 1024 * 1024;
/// iroh's bounds for a single path.
const PATH_IDLE: Duration = Duration::from_secs(15);
const PATH_KEEP_ALIVE: Duration = Duration::from_secs(5);

pub(crate) async fn bind(bind: &Bind) -> Result<Arc<FastnEndpoint>> {
    let options = Options::parse(&bind.options)?;
    let key = SecretKey::from_bytes(&bind.secret_key);
    let builder = || -> Result<Builder> {
        Ok(with_relays(&options)?
            .secret_key(key.clone())
            .alpns(vec![ALPN.to_vec()])
            .transport_config(quic_config(&options)?)
            .portmapper_config(PortmapperConfig::Disabled))
    };
    let usual = match options.bind.is_empty() && options.direct {
        true => with_port(builder()?, usual_port(&key))?.bind().await.ok(),
        false => None,
    };
    let quic = match usual {
        Some(quic) => quic,
        None => {
            let bound = with_sockets(builder()?, &options)?.bind().await;
            bound.map_err(|e| bind_error(&options, &format!("{e:#}")))?
        }
    };
    if options.mdns {
        announce(&quic);
    }
    let greeting = Greeting::new(bind, options.max_peers);
    Ok(FastnEndpoint::start(quic, greeting, options.connect_timeout(), options.direct))
}

fn with_relays(options: &Options) -> Result<Builder> {
    Ok(match options.relay()? {
        RelayChoice::Off => QuicEndpoint::builder(presets::Minimal).relay_mode(RelayMode::Disabled),
        RelayChoice::Default => QuicEndpoint::builder(presets::N0),
        RelayChoice::Own(mode) => QuicEndpoint::builder(presets::Minimal).relay_mode(mode),
    })
}

/// The port that a node takes where it may choose, so that the addresses in its tickets outlive a restart. A second process
/// with the same key finds it taken and takes any. In the range for private use (RFC 6335, section 6).
fn usual_port(key: &SecretKey) -> u16 {
    let [high, low, ..] = *key.public().as_bytes();
    49_152 + u16::from_be_bytes([high, low]) % 16_384
}

/// All interfaces, with IPv6 where there is any.
fn with_port(builder: Builder, port: u16) -> Result<Builder> {
    let optional = BindOpts::default().set_is_required(false);
    builder
        .clear_ip_transports()
        .bind_addr((Ipv4Addr::UNSPECIFIED, port))
        .and_then(|builder| builder.bind_addr_with_opts((Ipv6Addr::UNSPECIFIED, port), optional))
        .map_err(|e| TransportError::Bind(format!("transport fastn: port {port} cannot be used: {e:#}")))
}

/// iroh listens on all interfaces unless told otherwise, and does without IPv6 where there is none.
fn with_sockets(mut builder: Builder, options: &Options) -> Result<Builder> {
    if !options.direct || !options.bind.is_empty() {
        builder = builder.clear_ip_transports();
    }
    if !options.direct {
        return Ok(builder);
    }
    for (index, address) in options.bind.iter().enumerate() {
        let same_family = |earlier: &SocketAddr| earlier.is_ipv4() == address.is_ipv4();
        let opts = if options.bind[..index].iter().any(same_family) {
            // The first of a family takes what no other is near to.
            let prefix = if address.is_ipv4() { 24 } else { 64 };
            BindOpts::default().set_prefix_len(prefix).set_is_default_route(false)
        } else {
            BindOpts::default()
        };
        builder = builder.bind_addr_with_opts(*address, opts).map_err(|e| {
            TransportError::BadArgument(format!("transport fastn: `bind`: {address} cannot be used: {e:#}"))
        })?;
    }
    Ok(builder)
}

fn quic_config(options: &Options) -> Result<QuicTransportConfig> {
    let (idle, keep_alive) = (options.idle_timeout(), options.keep_alive());
    let idle_timeout = IdleTimeout::try_from(idle).map_err(|e| {
        TransportError::BadArgument(format!("transport fastn: `idle_timeout_ms` cannot be used: {e}"))
    })?;
    Ok(QuicTransportConfig::builder()
        .congestion_controller_factory(congestion::factory(options.congestion))
        .max_concurrent_bidi_streams(options.max_streams_per_peer.into())
        .max_concurrent_uni_streams(0_u32.into())
        .stream_receive_window(STREAM_WINDOW.into())
        .receive_window(HANDSHAKE_WINDOW.into())
        .send_window(SEND_WINDOW)
        .max_idle_timeout(Some(idle_timeout))
        .keep_alive_interval(keep_alive)
        .default_path_max_idle_timeout(idle.min(PATH_IDLE))
        .default_path_keep_alive_interval(keep_alive.min(PATH_KEEP_ALIVE))
        .build())
}

/// Without multicast the node works on, only unannounced.
fn announce(quic: &QuicEndpoint) {
    let mdns = MdnsAddressLookup::builder().service_name(MDNS_SERVICE).build(quic.id());
    match (mdns, quic.address_lookup()) {
        (Ok(mdns), Ok(lookups)) => lookups.add(mdns),
        (Err(e), _) => tracing::warn!("not announced on the local network: {e:#}"),
        (_, Err(e)) => tracing::warn!("not announced on the local network: {e:#}"),
    }
}

/// iroh does not tell which address failed, so each is tried once more by itself.
fn bind_error(options: &Options, why: &str) -> TransportError {
    let failed = options.bind.iter().find_map(|address| {
        let error = std::net::UdpSocket::bind(address).err()?;
        Some(format!("{address}: {error}"))
    });
    let why = failed.unwrap_or_else(|| why.replace('\n', " "));
    TransportError::Bind(format!("transport fastn: cannot bind {why}; choose another address in `bind`"))
}
