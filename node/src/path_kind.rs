//! Conversion of a transport's path kind into the protocol's.

use media_plugin_sdk::transport;
use media_protocol::PathKind;

/// Converts the kind that a transport reports into the kind that the protocol carries.
///
/// It cannot be a `From`, since both types belong to other crates, and neither of these may import the other.
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
