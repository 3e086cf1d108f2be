//! Announcement of a node on the local network, and discovery of others, by mDNS.
//!
//! fastn's peers announce their identity and addresses. A node adds its name, so that a person finds it in a list.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use iroh::{
    Endpoint as QuicEndpoint, EndpointId, SecretKey,
    address_lookup::{AddressLookup, EndpointData, EndpointInfo, Error as LookupError, Item},
    endpoint_info::UserData,
};
use iroh_mdns_address_lookup::{DiscoveryEvent, MdnsAddressLookup};
use media_plugin_sdk::transport::{LanNode, PeerAddress, Result, TransportError};
use n0_future::{StreamExt, boxed::BoxStream};
use tokio::time::timeout;

use crate::{id52, options::Options};

/// Service name under which fastn's peers announce themselves on a local network.
const SERVICE: &str = "iroh.local.swarm";
/// Text before a node's name in the data that its announcement carries for users.
const NAME_PREFIX: &str = "media-node=";
/// Greatest number of nodes that a discovery returns. A hostile machine can announce any number. Test
/// `names_are_cut_and_announcements_of_others_skipped`.
const MAX_NODES: usize = 64;
/// Greatest number of addresses of one node.
const MAX_ADDRESSES: usize = 16;

/// The announcement of an endpoint on the local network. Ends with the endpoint.
#[derive(Debug, Clone)]
pub(crate) struct Announcement(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    mdns: MdnsAddressLookup,
    announced: Mutex<Announced>,
}

#[derive(Debug, Default)]
struct Announced {
    name: Option<UserData>,
    /// Addresses as iroh last published them.
    data: Option<EndpointData>,
}

impl Announcement {
    /// Announces the endpoint's identity and addresses. A network without multicast only costs the announcement, so a
    /// failure is logged.
    pub(crate) fn start(quic: &QuicEndpoint) -> Option<Self> {
        let started = (|| -> std::result::Result<Self, String> {
            let mdns = MdnsAddressLookup::builder().service_name(SERVICE).build(quic.id());
            let mdns = mdns.map_err(|e| format!("{e:#}"))?;
            let announcement = Self(Arc::new(Shared { mdns, announced: Mutex::default() }));
            quic.address_lookup().map_err(|e| format!("{e:#}"))?.add(announcement.clone());
            Ok(announcement)
        })();
        started
            .inspect_err(|why| tracing::warn!("cannot announce this node on the local network: {why}"))
            .ok()
    }

    /// Adds the node's name to the announcement.
    pub(crate) fn set_name(&self, name: &str) {
        let mut announced = self.lock();
        announced.name = user_data(name);
        self.publish_now(&announced);
    }

    /// Publishes under the lock, so that the last change wins.
    fn publish_now(&self, announced: &Announced) {
        if let Some(data) = &announced.data {
            let mut data = data.clone();
            data.set_user_data(announced.name.clone());
            self.0.mdns.publish(&data);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Announced> {
        self.0.announced.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AddressLookup for Announcement {
    fn publish(&self, data: &EndpointData) {
        let mut announced = self.lock();
        announced.data = Some(data.clone());
        self.publish_now(&announced);
    }

    fn resolve(&self, id: EndpointId) -> Option<BoxStream<std::result::Result<Item, LookupError>>> {
        self.0.mdns.resolve(id)
    }
}

/// The data of an announcement with this name, which is cut to the length that the format permits.
fn user_data(name: &str) -> Option<UserData> {
    let mut text = format!("{NAME_PREFIX}{name}");
    let end = (0..=text.len().min(UserData::MAX_LENGTH)).rev().find(|end| text.is_char_boundary(*end));
    text.truncate(end.unwrap_or_default());
    text.parse().ok()
}

/// Listens for announcements of named nodes for this time. Announces nothing.
pub(crate) async fn discover(options: &Options, time: Duration) -> Result<Vec<LanNode>> {
    if !options.mdns {
        return Ok(Vec::new());
    }
    // Nobody learns this identity, since the listener does not announce itself.
    let nobody = SecretKey::from_bytes(&[0; 32]).public();
    let mdns = MdnsAddressLookup::builder().advertise(false).service_name(SERVICE).build(nobody);
    let mdns = mdns.map_err(|e| TransportError::Bind(format!("transport fastn: cannot use mDNS: {e:#}")))?;
    let mut events = mdns.subscribe().await;
    let mut found = BTreeMap::new();
    let listening = async {
        while let Some(event) = events.next().await {
            note(&mut found, event);
        }
    };
    let _ = timeout(time, listening).await;
    Ok(found.into_values().collect())
}

/// Adds or removes the node of an event.
fn note(found: &mut BTreeMap<EndpointId, LanNode>, event: DiscoveryEvent) {
    match event {
        DiscoveryEvent::Discovered { endpoint_info, .. } => {
            let id = endpoint_info.endpoint_id;
            if let Some(node) = lan_node(&endpoint_info)
                && (found.len() < MAX_NODES || found.contains_key(&id))
            {
                found.insert(id, node);
            }
        }
        DiscoveryEvent::Expired { endpoint_id } => _ = found.remove(&endpoint_id),
        _ => {}
    }
}

/// A named node of an announcement; `None` for a peer that announces no name.
fn lan_node(info: &EndpointInfo) -> Option<LanNode> {
    let name = info.data.user_data()?.as_ref().strip_prefix(NAME_PREFIX)?;
    let addresses = info.data.ip_addrs().map(ToString::to_string);
    let addresses = addresses.chain(info.data.relay_urls().map(ToString::to_string)).take(MAX_ADDRESSES);
    let id = id52::encode(&info.endpoint_id);
    Some(LanNode { name: name.into(), address: PeerAddress { id, addresses: addresses.collect() } })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(seed: u8, user_data: Option<UserData>) -> DiscoveryEvent {
        let mut data = EndpointData::from_iter([iroh::TransportAddr::Ip(([192, 168, 1, seed], 4433).into())]);
        data.set_user_data(user_data);
        let id = SecretKey::from_bytes(&[seed; 32]).public();
        let endpoint_info = EndpointInfo::from_parts(id, data);
        DiscoveryEvent::Discovered { endpoint_info, last_updated: None }
    }

    #[test]
    fn names_are_cut_and_announcements_of_others_skipped() {
        let mut found = BTreeMap::new();
        note(&mut found, event(1, None));
        note(&mut found, event(2, Some("another program".parse().unwrap())));
        assert!(found.is_empty());
        note(&mut found, event(3, user_data("k\u{fc}che")));
        let node = found.values().next().unwrap().clone();
        assert_eq!(
            (node.name.as_str(), node.address.addresses),
            ("k\u{fc}che", vec!["192.168.1.3:4433".into()])
        );
        note(&mut found, event(3, user_data(&"\u{fc}".repeat(500))));
        let name = found.values().next().unwrap().name.clone();
        assert_eq!(
            (name.len(), name.chars().all(|c| c == '\u{fc}')),
            (234, true),
            "245 bytes with the prefix"
        );
        for seed in 4..=255 {
            note(&mut found, event(seed, user_data("flood")));
        }
        assert_eq!(found.len(), MAX_NODES);
        let endpoint_id = SecretKey::from_bytes(&[3; 32]).public();
        note(&mut found, DiscoveryEvent::Expired { endpoint_id });
        assert_eq!(found.len(), MAX_NODES - 1);
    }
}
