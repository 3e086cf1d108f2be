use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use media_plugin_sdk::transport::{Connection, Path};

/// Greatest number of connections of one peer. It allows several players of one person at once, and the dead
/// connections of players that moved to another network. Tested by `one_peer_does_not_take_all_places`.
const MAX_PER_PEER: usize = 16;
/// Time after a chunk's request during which a connection counts as playing. A player with a full buffer
/// requests a chunk every 3 seconds. Tested by `a_connection_that_plays_is_never_evicted`.
const PLAYING: Duration = Duration::from_secs(60);

/// The connections of all peers.
///
/// A new connection over [`MAX_PER_PEER`] closes the peer's oldest one, since a player whose path died
/// reconnects before the old connection has timed out. If all places are taken, a new connection evicts
/// another one, see [`Places::victim`]. So neither a peer nor many identities of one machine keep the others
/// out.
pub(super) struct ConnectionTable(Mutex<Places<Arc<dyn Connection>>>);

impl ConnectionTable {
    /// A table for `max` connections.
    pub(super) fn new(max: usize) -> Self {
        Self(Mutex::new(Places::new(max)))
    }

    /// Number of connections.
    pub(super) fn len(&self) -> usize {
        self.lock().entries.len()
    }

    /// True if a new connection would get a place.
    pub(super) fn has_room(&self) -> bool {
        let places = self.lock();
        places.max > 0 && (places.entries.len() < places.max || places.victim(Instant::now()).is_some())
    }

    /// Adds a connection until the guard is dropped. Returns `None` if all places are taken by connections
    /// that play.
    /// `ticket` is the label of its ticket or key.
    pub(super) fn insert(
        self: &Arc<Self>,
        connection: &Arc<dyn Connection>,
        ticket: &str,
    ) -> Option<ConnectionGuard> {
        let now = Instant::now();
        let network = network(&connection.path());
        let origin = PeerOrigin { peer: connection.peer(), ticket: ticket.into(), network };
        let (id, closed) = self.lock().insert(now, origin, Arc::clone(connection))?;
        for (connection, reason) in closed {
            connection.close(reason);
        }
        Some(ConnectionGuard { table: Arc::clone(self), id })
    }

    fn lock(&self) -> MutexGuard<'_, Places<Arc<dyn Connection>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the network of a direct path's remote end: its IPv4 address, or the first 64 bits of its IPv6 address, which
/// one site has. `None` for a relay, behind which anybody may be, and in memory.
fn network(path: &Path) -> Option<IpAddr> {
    let address = path.remote.parse::<SocketAddr>().ok()?.ip().to_canonical();
    Some(match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() >> 64 << 64).into()),
    })
}

/// Keeps a connection in the table until it is dropped.
pub(super) struct ConnectionGuard {
    table: Arc<ConnectionTable>,
    id: u64,
}

impl ConnectionGuard {
    /// Notes a request on the connection. `is_chunk` if it requests a chunk.
    pub(super) fn note_request(&self, is_chunk: bool) {
        self.table.lock().note_request(self.id, Instant::now(), is_chunk);
    }
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        // An evicted connection has left the table before.
        self.table.lock().entries.remove(&self.id);
    }
}

/// A bounded number of connections `C`, each with its peer and its use.
struct Places<C> {
    max: usize,
    next_id: u64,
    entries: HashMap<u64, Place<C>>,
}

struct Place<C> {
    connection: C,
    origin: PeerOrigin,
    /// Time of the last request.
    requested: Option<Instant>,
    /// Time of the last request for a chunk.
    played: Option<Instant>,
}

/// Facts by which connections are counted.
struct PeerOrigin {
    peer: String,
    /// Label of its ticket or key.
    ticket: String,
    /// See [`network`].
    network: Option<IpAddr>,
}

/// The new connection's id, and the connections to close, each with the reason.
type Inserted<C> = (u64, Vec<(C, &'static str)>);

impl<C> Places<C> {
    fn new(max: usize) -> Self {
        Self { max, next_id: 0, entries: HashMap::new() }
    }

    /// Adds a connection. Returns `None` if there is no place and nobody to evict.
    fn insert(&mut self, now: Instant, origin: PeerOrigin, connection: C) -> Option<Inserted<C>> {
        let mut closed = Vec::new();
        let of_peer = self.entries.iter().filter(|(_, place)| place.origin.peer == origin.peer);
        let oldest = of_peer.clone().map(|(id, _)| *id).min().filter(|_| of_peer.count() >= MAX_PER_PEER);
        if let Some(place) = oldest.and_then(|id| self.entries.remove(&id)) {
            closed.push((place.connection, "too many connections of one peer: the oldest ends"));
        }
        if self.entries.len() >= self.max {
            let victim = self.victim(now).filter(|_| self.max > 0)?;
            let place = self.entries.remove(&victim)?;
            closed.push((place.connection, "the node is full: a connection that plays nothing ends"));
        }
        let id = self.next_id;
        self.next_id += 1;
        let place = Place { connection, origin, requested: None, played: None };
        self.entries.insert(id, place);
        Some((id, closed))
    }

    fn note_request(&mut self, id: u64, now: Instant, is_chunk: bool) {
        if let Some(place) = self.entries.get_mut(&id) {
            place.requested = Some(now);
            place.played = if is_chunk { Some(now) } else { place.played };
        }
    }

    /// Returns the connection that gives way to a new one: one that never requested anything, else one that does
    /// not play. Of several, one whose peer, network or ticket has the most connections; of these, one for which they
    /// have the most together, and then the one that has been idle longest.
    fn victim(&self, now: Instant) -> Option<u64> {
        let mut of_peer = HashMap::<&str, usize>::new();
        let mut of_ticket = HashMap::<&str, usize>::new();
        let mut of_network = HashMap::<IpAddr, usize>::new();
        for Place { origin, .. } in self.entries.values() {
            *of_peer.entry(&origin.peer).or_default() += 1;
            *of_ticket.entry(&origin.ticket).or_default() += 1;
            origin.network.iter().for_each(|network| *of_network.entry(*network).or_default() += 1);
        }
        // The sum tells a crowd behind one address from others with the same ticket.
        let crowd = |Place { origin, .. }: &Place<C>| {
            let of_network = origin.network.and_then(|network| of_network.get(&network));
            let all = [of_peer.get(&*origin.peer), of_ticket.get(&*origin.ticket), of_network];
            let all = all.into_iter().flatten().copied();
            (all.clone().max(), all.sum::<usize>())
        };
        let plays =
            |place: &Place<C>| place.played.is_some_and(|at| now.saturating_duration_since(at) < PLAYING);
        let idle = self.entries.iter().filter(|(_, place)| !plays(place));
        let order = |(id, place): &(&u64, &Place<C>)| {
            (place.requested.is_some(), std::cmp::Reverse(crowd(place)), place.requested, **id)
        };
        idle.min_by_key(order).map(|(id, _)| *id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Places of connections named by numbers, at one instant.
    struct Rig {
        places: Places<u32>,
        now: Instant,
        ids: HashMap<u32, u64>,
    }

    impl Rig {
        fn new(max: usize) -> Self {
            Self { places: Places::new(max), now: Instant::now(), ids: HashMap::new() }
        }

        /// Connects `connection`. Returns the closed ones, or `None` if it is turned away.
        fn connect(&mut self, connection: u32, peer: &str, address: &str) -> Option<Vec<u32>> {
            self.connect_with(connection, peer, address, peer)
        }

        /// The same, with a ticket that others may have.
        fn connect_with(
            &mut self,
            connection: u32,
            peer: &str,
            address: &str,
            ticket: &str,
        ) -> Option<Vec<u32>> {
            let network = address.parse().ok();
            let origin = PeerOrigin { peer: peer.into(), ticket: ticket.into(), network };
            let (id, closed) = self.places.insert(self.now, origin, connection)?;
            self.ids.insert(connection, id);
            Some(closed.into_iter().map(|(connection, _)| connection).collect())
        }

        fn request(&mut self, connection: u32, is_chunk: bool) {
            self.places.note_request(self.ids[&connection], self.now, is_chunk);
        }

        fn pass(&mut self, seconds: u64) {
            self.now += Duration::from_secs(seconds);
        }
    }

    #[test]
    fn a_free_place_evicts_nobody() {
        let mut rig = Rig::new(3);
        for connection in 0..3 {
            assert_eq!(rig.connect(connection, "a", "1.1.1.1"), Some(vec![]));
        }
        assert_eq!(rig.connect(3, "b", "2.2.2.2"), Some(vec![0]));
        assert_eq!(Rig::new(0).connect(0, "a", ""), None);
    }

    #[test]
    fn a_connection_that_never_asked_gives_way_first() {
        let mut rig = Rig::new(4);
        // The address 1 holds most, but its connections asked for something.
        for connection in 0..3 {
            rig.connect(connection, &format!("p{connection}"), "1.1.1.1");
            rig.request(connection, false);
        }
        rig.connect(3, "silent", "2.2.2.2");
        assert_eq!(rig.connect(4, "new", "3.3.3.3"), Some(vec![3]));
        rig.request(4, false);
        assert_eq!(rig.connect(5, "newer", "4.4.4.4"), Some(vec![0]), "the address that holds most");
    }

    #[test]
    fn of_silent_connections_those_of_the_greatest_address_or_peer_go_oldest_first() {
        for is_peer in [false, true] {
            let mut rig = Rig::new(5);
            rig.connect(0, "honest", "9.9.9.9");
            for connection in 1..5 {
                let (one, many) = (format!("p{connection}"), format!("1.1.1.{connection}"));
                let (peer, address) = if is_peer { ("greedy", &*many) } else { (&*one, "1.1.1.1") };
                rig.connect(connection, peer, address);
            }
            assert_eq!(rig.connect(5, "a", "2.2.2.2"), Some(vec![1]));
            assert_eq!(rig.connect(6, "b", "3.3.3.3"), Some(vec![2]));
        }
    }

    #[test]
    fn a_connection_that_plays_is_never_evicted() {
        let mut rig = Rig::new(2);
        rig.connect(0, "a", "1.1.1.1");
        rig.connect(1, "b", "1.1.1.1");
        rig.request(0, true);
        rig.request(1, true);
        assert_eq!(rig.connect(2, "c", "2.2.2.2"), None, "the node is full");
        rig.pass(59);
        rig.request(1, true);
        assert_eq!(rig.connect(2, "c", "2.2.2.2"), None);
        rig.pass(1);
        assert_eq!(rig.connect(2, "c", "2.2.2.2"), Some(vec![0]), "it has not played for a minute");
    }

    #[test]
    fn the_connection_idle_longest_gives_way() {
        let mut rig = Rig::new(2);
        for connection in 0..2 {
            rig.connect(connection, &format!("p{connection}"), "");
            rig.request(connection, false);
        }
        rig.pass(1);
        rig.request(0, false);
        assert_eq!(rig.connect(2, "c", ""), Some(vec![1]));
    }

    #[test]
    fn a_peer_s_seventeenth_connection_closes_its_oldest() {
        let mut rig = Rig::new(100);
        for connection in 0..16 {
            assert_eq!(rig.connect(connection, "a", "1.1.1.1"), Some(vec![]));
            rig.request(connection, true);
        }
        assert_eq!(rig.connect(16, "a", "1.1.1.1"), Some(vec![0]));
    }

    #[test]
    fn a_crowd_with_one_ticket_gives_way_before_a_household() {
        let mut rig = Rig::new(12);
        let mut connect = |connection: u32, ticket: &str, address: &str| {
            let peer = format!("p{connection}");
            let closed = rig.connect_with(connection, &peer, address, ticket);
            rig.request(connection, false);
            closed
        };
        // Five devices behind one address.
        for connection in 0..5 {
            connect(connection, "family", "9.9.9.9");
        }
        // Seven identities with one ticket, each from an address of its own.
        for connection in 5..12 {
            connect(connection, "leaked", &format!("1.1.1.{connection}"));
        }
        for connection in 12..100 {
            let closed = connect(connection, "leaked", &format!("1.1.1.{connection}")).unwrap();
            assert!(closed[0] >= 5, "{closed:?}");
        }
    }

    #[test]
    fn a_crowd_behind_one_address_gives_way_before_others_with_its_ticket() {
        let mut rig = Rig::new(8);
        for connection in 0..8 {
            let peer = format!("p{connection}");
            let address = if connection < 4 { format!("9.9.9.{connection}") } else { "1.1.1.1".into() };
            rig.connect_with(connection, &peer, &address, "shared");
            rig.request(connection, false);
        }
        assert_eq!(rig.connect(8, "new", "2.2.2.2"), Some(vec![4]));
    }

    #[test]
    fn a_network_is_an_address_without_its_port_or_64_bits() {
        use media_plugin_sdk::transport::PathKind;
        let network = |remote: &str| {
            let kind = PathKind::Direct;
            let remote = remote.into();
            network(&Path { kind, remote, rtt: None, min_rtt: None, loss: None })
        };
        assert_eq!(network("192.0.2.7:4433"), Some([192, 0, 2, 7].into()));
        assert_eq!(network("[::ffff:192.0.2.7]:4433"), Some([192, 0, 2, 7].into()));
        assert_eq!(network("[2001:db8:0:1::1]:4433"), network("[2001:db8:0:1:9::2]:1"));
        assert_ne!(network("[2001:db8:0:1::1]:4433"), network("[2001:db8:0:2::1]:4433"));
        assert_eq!(network("https://relay.example./"), None);
        assert_eq!(network(""), None);
    }
}
