//! Network path that a connection uses at the moment.

use std::net::{IpAddr, Ipv6Addr};

use iroh::{
    TransportAddr,
    endpoint::{Connection, LocalTransportAddr, PathList},
};
use media_plugin_sdk::transport::{Path, PathKind};

use crate::congestion;

/// Returns the path that iroh has selected for a connection, or its first path if none is selected.
fn selected<'a>(paths: &'a PathList<'_>) -> Option<iroh::endpoint::Path<'a>> {
    paths.iter().find(iroh::endpoint::Path::is_selected).or_else(|| paths.iter().next())
}

/// Returns the number of bytes received on the selected path.
pub(crate) fn received(connection: &Connection) -> Option<u64> {
    Some(selected(&connection.paths())?.stats().udp_rx.bytes)
}

/// Returns the kind of the selected path.
pub(crate) fn kind_of(connection: &Connection) -> PathKind {
    selected(&connection.paths()).map_or(PathKind::Unknown, |path| kind_of_path(&path))
}

fn kind_of_path(path: &iroh::endpoint::Path<'_>) -> PathKind {
    match (path.remote_addr(), path.local_addr()) {
        (TransportAddr::Ip(address), LocalTransportAddr::Ip(local)) => kind(address.ip(), *local),
        (TransportAddr::Ip(address), _) => kind(address.ip(), None),
        (TransportAddr::Relay(_), _) => PathKind::Relayed,
        _ => PathKind::Unknown,
    }
}

/// Describes the selected path, with its statistics.
pub(crate) fn of(connection: &Connection) -> Path {
    let paths = connection.paths();
    let Some(path) = selected(&paths) else {
        return Path { kind: PathKind::Unknown, remote: String::new(), rtt: None, min_rtt: None, loss: None };
    };
    let remote = match path.remote_addr() {
        TransportAddr::Ip(address) => address.to_string(),
        TransportAddr::Relay(url) => url.to_string(),
        _ => String::new(),
    };
    let stats = path.stats();
    #[expect(clippy::cast_precision_loss, reason = "packet counts beyond 52 bits do not occur")]
    let loss = (stats.sent_packets > 0).then(|| stats.lost_packets as f64 / stats.sent_packets as f64);
    let min_rtt = connection.congestion_state(path.id()).and_then(congestion::min_rtt);
    Path { kind: kind_of_path(&path), remote, rtt: Some(stats.rtt), min_rtt, loss }
}

/// Classifies a remote address. `local` is this node's address on the path, if the system reports it.
fn kind(remote: IpAddr, local: Option<IpAddr>) -> PathKind {
    let remote = remote.to_canonical();
    // Packets from an address to itself stay on the machine.
    if remote.is_loopback() || local.is_some_and(|local| local.to_canonical() == remote) {
        PathKind::Loopback
    } else if is_private(remote) {
        PathKind::Lan
    } else {
        PathKind::Direct
    }
}

/// Private and link-local addresses (RFC 1918, RFC 3927, RFC 4193, RFC 4291 section 2.5.6).
fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_private() || ip.is_link_local(),
        IpAddr::V6(ip) => Ipv6Addr::is_unique_local(&ip) || Ipv6Addr::is_unicast_link_local(&ip),
    }
}

#[cfg(test)]
mod tests {
    use media_plugin_sdk::transport::PathKind;

    use super::kind;

    #[test]
    fn addresses_tell_the_kind() {
        let cases = [
            ("127.0.0.1", PathKind::Loopback),
            ("::1", PathKind::Loopback),
            ("::ffff:127.0.0.1", PathKind::Loopback),
            ("192.168.1.8", PathKind::Lan),
            ("::ffff:192.168.1.8", PathKind::Lan),
            ("10.1.2.3", PathKind::Lan),
            ("172.16.0.1", PathKind::Lan),
            ("169.254.1.1", PathKind::Lan),
            ("fd00::8", PathKind::Lan),
            ("fe80::1", PathKind::Lan),
            ("172.32.0.1", PathKind::Direct),
            ("8.8.8.8", PathKind::Direct),
            ("2001:db8::1", PathKind::Direct),
        ];
        for (ip, expected) in cases {
            assert_eq!(kind(ip.parse().unwrap(), None), expected, "{ip}");
            assert_eq!(kind(ip.parse().unwrap(), ip.parse().ok()), PathKind::Loopback, "{ip} from itself");
        }
    }
}
