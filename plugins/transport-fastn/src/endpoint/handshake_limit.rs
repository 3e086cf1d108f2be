//! Limit of connections that have not finished their handshake.
//!
//! A connection without a handshake costs its sender almost nothing, so few are admitted at once. A sender
//! that fills all slots takes them from its own address only.

use std::{
    convert::Infallible,
    net::{IpAddr, Ipv6Addr},
};

use iroh::{RelayUrl, endpoint::IncomingAddr};
use tokio::sync::oneshot;

/// Connections in their handshake at once. Tested by `silent_connections_do_not_shut_the_door`.
const MAX_HANDSHAKES: usize = 64;
/// Handshakes from which on a peer has to prove its address first, which costs it one round trip (RFC 9000,
/// section 8.1.2). Tested by `in_a_crowd_an_address_has_to_be_proven`.
const VALIDATE_ADDRESS_FROM: usize = MAX_HANDSHAKES / 2;

/// Permission for one handshake. It resolves if the limiter takes the slot back for another peer. Dropping it
/// frees the slot.
pub(super) type Slot = oneshot::Receiver<Infallible>;

/// Taken slots with the origin of their peers, oldest first.
#[derive(Default)]
pub(super) struct HandshakeLimiter(Vec<(Origin, oneshot::Sender<Infallible>)>);

impl HandshakeLimiter {
    /// Returns a slot. If all are taken, the origin that holds the most of them loses its oldest one.
    pub(super) fn acquire(&mut self, origin: Origin) -> Slot {
        self.remove_freed();
        if self.0.len() >= MAX_HANDSHAKES {
            let slots_of_same_origin =
                |index: &usize| self.0.iter().filter(|(other, _)| *other == self.0[*index].0).count();
            // `max_by_key` returns the last of equals; in reverse order that is the oldest.
            if let Some(index) = (0..self.0.len()).rev().max_by_key(slots_of_same_origin) {
                self.0.remove(index);
            }
        }
        let (sender, slot) = oneshot::channel();
        self.0.push((origin, sender));
        slot
    }

    /// Returns true if the next peer has to prove its address.
    pub(super) fn requires_validation(&mut self) -> bool {
        self.remove_freed();
        self.0.len() >= VALIDATE_ADDRESS_FROM
    }

    fn remove_freed(&mut self) {
        self.0.retain(|(_, sender)| !sender.is_closed());
    }
}

/// Group of addresses that count as one peer, because one customer easily has several of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    /// An IPv4 address, or the /64 network of an IPv6 address (RFC 6177).
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

    fn is_held(slot: &mut Slot) -> bool {
        slot.try_recv() == Err(TryRecvError::Empty)
    }

    #[test]
    fn the_oldest_of_the_address_with_the_most_gives_way() {
        let many = from("192.0.2.1:1");
        let few = from("192.0.2.2:1");
        let mut limiter = HandshakeLimiter::default();
        let mut first = limiter.acquire(few.clone());
        let mut crowd: Vec<_> = (1..MAX_HANDSHAKES).map(|_| limiter.acquire(many.clone())).collect();
        assert!(crowd.iter_mut().all(is_held), "no other origin needs a slot");
        let mut second = limiter.acquire(few);
        for more in 0..MAX_HANDSHAKES * 2 {
            assert!(!is_held(&mut crowd[more]) && is_held(&mut crowd[more + 1]));
            crowd.push(limiter.acquire(many.clone()));
        }
        assert!(is_held(&mut first) && is_held(&mut second));
    }

    #[test]
    fn among_equals_the_oldest_gives_way() {
        let mut limiter = HandshakeLimiter::default();
        let mut slots: Vec<_> =
            (0..MAX_HANDSHAKES).map(|host| limiter.acquire(from(&format!("192.0.2.{host}:1")))).collect();
        slots.push(limiter.acquire(from("198.51.100.1:1")));
        assert!(!is_held(&mut slots[0]) && slots[1..].iter_mut().all(is_held));
    }

    #[test]
    fn a_place_that_is_given_back_is_free() {
        let mut limiter = HandshakeLimiter::default();
        let mut slots: Vec<_> = (0..MAX_HANDSHAKES).map(|_| limiter.acquire(Origin::Other)).collect();
        slots.drain(1..);
        slots.extend((1..MAX_HANDSHAKES).map(|_| limiter.acquire(Origin::Other)));
        assert!(slots.iter_mut().all(is_held));
    }

    #[test]
    fn from_32_handshakes_on_an_address_has_to_be_proven() {
        let mut limiter = HandshakeLimiter::default();
        let mut slots: Vec<_> = (0..31).map(|_| limiter.acquire(Origin::Other)).collect();
        assert!(!limiter.requires_validation());
        slots.push(limiter.acquire(Origin::Other));
        assert!(limiter.requires_validation());
        slots.pop();
        assert!(!limiter.requires_validation());
    }

    #[test]
    fn one_customer_is_one_address() {
        assert_eq!(from("[2001:db8::1]:1"), from("[2001:db8::ffff:2:3]:9"));
        assert_ne!(from("[2001:db8::1]:1"), from("[2001:db8:0:1::1]:1"));
        assert_eq!(from("192.0.2.1:1"), from("[::ffff:192.0.2.1]:9"));
        assert_ne!(from("192.0.2.1:1"), from("192.0.2.2:1"));
    }
}
