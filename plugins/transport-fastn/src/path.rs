//! What a connection travels at the moment.

use std::net::{IpAddr, Ipv6Addr};

use iroh::{
    TransportAddr,
    endpoint::{Connection, LocalTransportAddr, PathList},
};
use media_plugin_sdk::transport::{Path, PathKind};

use crate::congestion;

/// The selected path of a connection, or the first when none is selected.
fn selected<'a>(paths: &'a PathList<'_>) -> Option<iroh::endpoint::Path<'a>> {
    paths.iter().find(iroh::endpoint::Path::is_selected).or_else(|| paths.iter().next())
}

/// The bytes that came along the path that [`of`] describes.
pub(crate) fn received(connection: &Connection) -> Option<u64> {
    Some(selected(&connection.paths())?.stats().udp_rx.bytes)
}

/// The kind of the path that [`of`] describes.
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

/// The selected path of a connection, or the first when none is selected.
pub(crate) fn of(connection: &Connection) -> Path {
    let paths = connection.paths();
    let Some(path) = selected(&paths) else {
        return Path {
            kind: PathKind::Unknown,
            remote: String::new(),
            rtt: None,
            least_rtt: None,
            loss: None,
        };
    };
    let remote = match path.remote_addr() {
        TransportAddr::Ip(address) => address.to_string(),
        TransportAddr::Relay(url) => url.to_string(),
        _ => String::new(),
    };
    let stats = path.stats();
    #[expect(clippy::cast_precision_loss, reason = "a share of packets; 52 bits of them are enough")]
    let loss = (stats.sent_packets > 0).then(|| stats.lost_packets as f64 / stats.sent_packets as f64);
    let least_rtt = connection.congestion_state(path.id()).and_then(congestion::least_rtt);
    Path { kind: kind_of_path(&path), remote, rtt: Some(stats.rtt), least_rtt, loss }
}

/// `local` is the address of ours that the packets carry, where the system tells it.
fn kind(remote: IpAddr, local: Option<IpAddr>) -> PathKind {
    let remote = remote.to_canonical();
    // A machine reaches its own address without leaving.
    if remote.is_loopback() || local.is_some_and(|local| local.to_canonical() == remote) {
        PathKind::Loopback
    } else if is_private(remote) {
        PathKind::Lan
    } else {
        PathKind::Direct
    }
}

/// RFC 1918 and RFC 3927, RFC 4193 and RFC 4291 2.5.6.
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
