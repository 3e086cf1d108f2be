//! The one place where a transport's path kind becomes the protocol's.

use media_plugin_sdk::transport;
use media_protocol::PathKind;

/// Converts the kind that a transport reports into the kind that the protocol carries.
///
/// No `From`: both types belong to other crates, and neither of these may import the other.
pub(crate) const fn path_kind(kind: transport::PathKind) -> PathKind {
    match kind {
        transport::PathKind::Memory => PathKind::Memory,
        transport::PathKind::Loopback => PathKind::Loopback,
        transport::PathKind::Lan => PathKind::Lan,
        transport::PathKind::Direct => PathKind::Direct,
        transport::PathKind::Relayed => PathKind::Relayed,
        transport::PathKind::Unknown => PathKind::Unknown,
    }
}
