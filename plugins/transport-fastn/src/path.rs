//! What a connection travels at the moment.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use iroh::{TransportAddr, endpoint::Connection};
use media_plugin_sdk::transport::{Path, PathKind};

/// The selected path of a connection, or the first when none is selected. `own` are this node's addresses.
pub(crate) fn of(connection: &Connection, own: &[SocketAddr]) -> Path {
    let paths = connection.paths();
    let Some(path) = paths.iter().find(iroh::endpoint::Path::is_selected).or_else(|| paths.iter().next())
    else {
        return Path { kind: PathKind::Unknown, remote: String::new(), rtt: None, loss: None };
    };
    let (kind, remote) = match path.remote_addr() {
        TransportAddr::Ip(address) => (kind(address.ip(), own), address.to_string()),
        TransportAddr::Relay(url) => (PathKind::Relayed, url.to_string()),
        _ => (PathKind::Unknown, String::new()),
    };
    let stats = path.stats();
    #[expect(clippy::cast_precision_loss, reason = "a share of packets; 52 bits of them are enough")]
    let loss = (stats.sent_packets > 0).then(|| stats.lost_packets as f64 / stats.sent_packets as f64);
    Path { kind, remote, rtt: Some(stats.rtt), loss }
}

fn kind(ip: IpAddr, own: &[SocketAddr]) -> PathKind {
    let ip = ip.to_canonical();
    if ip.is_loopback() {
        return PathKind::Loopback;
    }
    if !is_private(ip) {
        return PathKind::Direct;
    }
    // A machine reaches its own address without leaving. Only private ones: a public one may be that of a whole house.
    if own.iter().any(|address| address.ip().to_canonical() == ip) {
        PathKind::Loopback
    } else {
        PathKind::Lan
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
        let own =
            ["192.168.1.7:1".parse().unwrap(), "[fd00::7]:1".parse().unwrap(), "8.8.8.8:1".parse().unwrap()];
        let cases = [
            ("127.0.0.1", PathKind::Loopback),
            ("::1", PathKind::Loopback),
            ("::ffff:127.0.0.1", PathKind::Loopback),
            ("192.168.1.7", PathKind::Loopback),
            ("fd00::7", PathKind::Loopback),
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
            assert_eq!(kind(ip.parse().unwrap(), &own), expected, "{ip}");
        }
    }
}
