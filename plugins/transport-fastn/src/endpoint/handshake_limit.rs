//! The peers that have not shaken hands yet. They cost nothing to be, so there is room for few; and whoever fills it stands in
//! the way of its own address only.

use std::{
    convert::Infallible,
    net::{IpAddr, Ipv6Addr},
};

use iroh::{RelayUrl, endpoint::IncomingAddr};
use tokio::sync::oneshot;

/// Peers in their handshake at once.
const PLACES: usize = 64;
/// From so many on, who comes has to prove first that it is where it says. That costs it a round trip.
const CROWDED: usize = PLACES / 2;

/// Ends when the place is wanted for another. Dropping it gives the place back.
pub(super) type Place = oneshot::Receiver<Infallible>;

/// The places that are taken, the longest taken first.
#[derive(Default)]
pub(super) struct Door(Vec<(Origin, oneshot::Sender<Infallible>)>);

impl Door {
    /// A place. With none left, the address with the most of them gives up the one it has held for longest.
    pub(super) fn enter(&mut self, from: Origin) -> Place {
        self.tidy();
        if self.0.len() >= PLACES {
            let held = |place: &usize| self.0.iter().filter(|(it, _)| *it == self.0[*place].0).count();
            // The last of equals, so that it is the oldest.
            if let Some(place) = (0..self.0.len()).rev().max_by_key(held) {
                self.0.remove(place);
            }
        }
        let (taken, place) = oneshot::channel();
        self.0.push((from, taken));
        place
    }

    pub(super) fn is_crowded(&mut self) -> bool {
        self.tidy();
        self.0.len() >= CROWDED
    }

    fn tidy(&mut self) {
        self.0.retain(|(_, taken)| !taken.is_closed());
    }
}

/// What counts as one address: whoever has one of it can easily have more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    /// Of IPv6 the network, which is one customer's (RFC 6177).
    Ip(IpAddr),
    Relay(RelayUrl),
    Other,
}

impl From<IncomingAddr> for Origin {
    fn from(address: IncomingAddr) -> Self {
        match address {
            IncomingAddr::Ip(address) => Self::Ip(match address.ip().to_canonical() {
                IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() & (u128::MAX << 64)).into(),
                ip @ IpAddr::V4(_) => ip,
            }),
            IncomingAddr::Relay { url, .. } => Self::Relay(url),
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use tokio::sync::oneshot::error::TryRecvError;

    use super::*;

    fn from(address: &str) -> Origin {
        IncomingAddr::Ip(address.parse::<SocketAddr>().unwrap()).into()
    }

    fn is_held(place: &mut Place) -> bool {
        place.try_recv() == Err(TryRecvError::Empty)
    }

    #[test]
    fn the_oldest_of_the_address_with_the_most_gives_way() {
        let (many, few) = (from("192.0.2.1:1"), from("192.0.2.2:1"));
        let mut door = Door::default();
        let mut first = door.enter(few.clone());
        let mut crowd: Vec<_> = (1..PLACES).map(|_| door.enter(many.clone())).collect();
        assert!(crowd.iter_mut().all(is_held), "nobody else wants them");
        let mut second = door.enter(few);
        for more in 0..PLACES * 2 {
            assert!(!is_held(&mut crowd[more]) && is_held(&mut crowd[more + 1]));
            crowd.push(door.enter(many.clone()));
        }
        assert!(is_held(&mut first) && is_held(&mut second));
    }

    #[test]
    fn among_equals_the_oldest_gives_way() {
        let mut door = Door::default();
        let mut places: Vec<_> = (0..PLACES).map(|it| door.enter(from(&format!("192.0.2.{it}:1")))).collect();
        places.push(door.enter(from("198.51.100.1:1")));
        assert!(!is_held(&mut places[0]) && places[1..].iter_mut().all(is_held));
    }

    #[test]
    fn a_place_that_is_given_back_is_free() {
        let mut door = Door::default();
        let mut places: Vec<_> = (0..PLACES).map(|_| door.enter(Origin::Other)).collect();
        assert!(door.is_crowded());
        places.drain(1..);
        assert!(!door.is_crowded());
        places.extend((1..PLACES).map(|_| door.enter(Origin::Other)));
        assert!(places.iter_mut().all(is_held));
    }

    #[test]
    fn one_customer_is_one_address() {
        assert_eq!(from("[2001:db8::1]:1"), from("[2001:db8::ffff:2:3]:9"));
        assert_ne!(from("[2001:db8::1]:1"), from("[2001:db8:0:1::1]:1"));
        assert_eq!(from("192.0.2.1:1"), from("[::ffff:192.0.2.1]:9"));
        assert_ne!(from("192.0.2.1:1"), from("192.0.2.2:1"));
    }
}
