//! iroh's endpoint, bound according to the options.

use std::{
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use iroh::{
    Endpoint as QuicEndpoint, RelayMode, SecretKey,
    endpoint::{BindOpts, Builder, IdleTimeout, PortmapperConfig, QuicTransportConfig, presets},
};
use media_plugin_sdk::transport::{Result, TransportError};

use super::name_resolver;
use crate::{
    congestion,
    options::{Options, RelayChoice},
    wire::ALPN,
};

/// Receive buffer limit of one stream, in bytes: 100 Mbit/s at 160 ms. Tested by
/// `a_peer_can_fill_the_window_of_a_stream_and_no_more`.
const STREAM_WINDOW: u32 = 2 * 1024 * 1024;
/// Receive buffer limit of a connection until its peer is admitted, in bytes. Tested by
/// `nothing_much_is_held_for_a_peer_before_its_handshake`.
const HANDSHAKE_WINDOW: u32 = 128 * 1024;
/// Send buffer limit of a connection over all its streams, in bytes not yet acknowledged: three chunks of CD
/// audio.
const SEND_WINDOW: u64 = 2 * 1024 * 1024;

/// Highest idle timeout of a path that iroh accepts (`PATH_MAX_IDLE_TIMEOUT`). It clamps higher ones with a
/// warning.
const PATH_IDLE: Duration = Duration::from_secs(15);
/// Highest keep-alive interval of a path that iroh accepts (`HEARTBEAT_INTERVAL`). It ignores higher ones
/// with a warning.
const PATH_KEEP_ALIVE: Duration = Duration::from_secs(5);

/// Binds the sockets.
///
/// # Errors
/// `BadArgument` for an option that cannot be used, `Bind` for an address that cannot be bound.
pub(super) async fn bind(options: &Options, key: &SecretKey) -> Result<QuicEndpoint> {
    let builder = || -> Result<Builder> {
        Ok(with_relays(options)?
            .secret_key(key.clone())
            .dns_resolver(name_resolver::resolver())
            .alpns(vec![ALPN.to_vec()])
            .transport_config(quic_config(options)?)
            .portmapper_config(PortmapperConfig::Disabled))
    };
    let on_default_port = match options.bind.is_empty() && options.direct {
        true => with_port(builder()?, default_port(key))?.bind().await.ok(),
        false => None,
    };
    let quic = match on_default_port {
        Some(quic) => quic,
        None => {
            let bound = with_sockets(builder()?, options)?.bind().await;
            bound.map_err(|e| bind_error(options, &format!("{e:#}")))?
        }
    };
    Ok(quic)
}

fn with_relays(options: &Options) -> Result<Builder> {
    Ok(match options.relay()? {
        RelayChoice::Off => QuicEndpoint::builder(presets::Minimal).relay_mode(RelayMode::Disabled),
        RelayChoice::Default => QuicEndpoint::builder(presets::N0),
        RelayChoice::Own(mode) => QuicEndpoint::builder(presets::Minimal).relay_mode(mode),
    })
}

/// Port of a node without configured addresses, in the range for private use (RFC 6335, section 6). It
/// follows from the key, so the addresses in a ticket stay valid after a restart. A second process with the
/// same key finds it in use and takes any port.
fn default_port(key: &SecretKey) -> u16 {
    let [high, low, ..] = *key.public().as_bytes();
    49_152 + u16::from_be_bytes([high, low]) % 16_384
}

/// Listens on all interfaces, and on IPv6 if the machine has it.
fn with_port(builder: Builder, port: u16) -> Result<Builder> {
    let optional = BindOpts::default().set_is_required(false);
    builder
        .clear_ip_transports()
        .bind_addr((Ipv4Addr::UNSPECIFIED, port))
        .and_then(|builder| builder.bind_addr_with_opts((Ipv6Addr::UNSPECIFIED, port), optional))
        .map_err(|e| TransportError::Bind(format!("transport fastn: cannot use port {port}: {e:#}")))
}

/// Listens on the configured addresses. Without any, iroh listens on all interfaces, and on IPv6 if the
/// machine has it.
fn with_sockets(mut builder: Builder, options: &Options) -> Result<Builder> {
    if !options.direct || !options.bind.is_empty() {
        builder = builder.clear_ip_transports();
    }
    if !options.direct {
        return Ok(builder);
    }
    for (index, address) in options.bind.iter().enumerate() {
        let is_same_family = |earlier: &SocketAddr| earlier.is_ipv4() == address.is_ipv4();
        let opts = if options.bind[..index].iter().any(is_same_family) {
            // The first address of a family is the default route. A later one serves peers in its own network
            // only.
            let prefix = if address.is_ipv4() { 24 } else { 64 };
            BindOpts::default().set_prefix_len(prefix).set_is_default_route(false)
        } else {
            BindOpts::default()
        };
        builder = builder.bind_addr_with_opts(*address, opts).map_err(|e| {
            TransportError::BadArgument(format!("transport fastn: cannot use {address} of `bind`: {e:#}"))
        })?;
    }
    Ok(builder)
}

fn quic_config(options: &Options) -> Result<QuicTransportConfig> {
    let idle = options.idle_timeout();
    let keep_alive = options.keep_alive();
    let idle_timeout = IdleTimeout::try_from(idle).map_err(|e| {
        TransportError::BadArgument(format!("transport fastn: cannot use `idle_timeout_ms`: {e}"))
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

/// Names the address that cannot be bound. iroh's error does not, so each address is tried once more.
fn bind_error(options: &Options, why: &str) -> TransportError {
    let failed = options.bind.iter().find_map(|address| {
        let error = std::net::UdpSocket::bind(address).err()?;
        Some(format!("{address}: {error}"))
    });
    let why = failed.unwrap_or_else(|| why.replace('\n', " "));
    TransportError::Bind(format!("transport fastn: cannot bind {why}; choose another address in `bind`"))
}
