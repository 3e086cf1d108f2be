use std::{fmt, str::FromStr};

use data_encoding::BASE32_NOPAD;

/// Text that admits a device: the routes to a node, and the capability that lets the holder listen.
///
/// `README.md` specifies the text. [`fmt::Display`] writes it. It is a secret: print it only if a person asks
/// for it.
#[derive(Clone, PartialEq, Eq)]
pub struct Ticket {
    /// The routes to the node, the preferred one first: 1 to [`Ticket::MAX_ROUTES`]. The text omits any further
    /// ones. A ticket without a route has no valid text.
    pub routes: Vec<Route>,
    /// The secret that the node checks before it lets the holder in.
    pub capability: [u8; 32],
}

/// One way to reach a node: a transport, and the node's identity and addresses in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The transport's id, 1 to 32 bytes.
    pub transport: String,
    /// The node's identity in the transport's text form, such as an ID52; 1 to 128 bytes.
    pub peer: String,
    /// Addresses to try first. They are hints: the ticket's text drops any over 255 bytes, and those beyond
    /// the route's share of [`Ticket::MAX_ADDRESSES`].
    pub addresses: Vec<String>,
}

/// Reason why a text is not accepted as a ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TicketError {
    /// The text does not begin like a ticket.
    #[error("not a ticket: a ticket begins with {PREFIX}")]
    NotATicket,
    /// The text begins like a ticket, but characters are missing or wrong.
    #[error("the ticket is cut short or mistyped; copy all of it again")]
    Damaged,
    /// The ticket has a version that this node does not know.
    #[error("the ticket was made by a newer version of media-node; update this one")]
    Newer,
}

const PREFIX: &str = "medianode1";
/// Version of a ticket with one route.
const ONE_ROUTE: u8 = 1;
/// Version of a ticket with two or more routes.
const SEVERAL_ROUTES: u8 = 2;
/// Length of the checksum, in bytes: it detects mistyped characters.
const CHECKSUM: usize = 4;
/// Longest text, in bytes. A ticket whose fields all have their greatest length takes less. Tested by
/// `routes_are_bounded_and_share_the_addresses`.
const MAX_TEXT: usize = 8192;
/// Longest transport id, in bytes.
const MAX_TRANSPORT: usize = 32;
/// Longest peer identity, in bytes.
const MAX_PEER: usize = 128;
/// Longest address, in bytes.
const MAX_ADDRESS: usize = 255;

impl Ticket {
    /// Greatest number of routes in a ticket.
    pub const MAX_ROUTES: usize = 4;
    /// Greatest number of addresses in a ticket. Its routes share them equally, rounded down.
    pub const MAX_ADDRESSES: usize = 16;

    /// The capability as text, for a handshake's `auth_token`.
    #[must_use]
    pub fn token(&self) -> String {
        Self::token_of(&self.capability)
    }

    /// The text of a capability, as [`Ticket::token`] returns it.
    #[must_use]
    pub fn token_of(capability: &[u8; 32]) -> String {
        BASE32_NOPAD.encode(capability).to_ascii_lowercase()
    }

    /// The same ticket with the capability of another token; `None` if the text is no token.
    #[must_use]
    pub fn with_token(&self, token: &str) -> Option<Self> {
        let capability = BASE32_NOPAD.decode(token.to_ascii_uppercase().as_bytes()).ok()?.try_into().ok()?;
        Some(Self { routes: self.routes.clone(), capability })
    }

    /// Returns the first route whose transport `has_transport` accepts; `None` if it accepts none of them.
    pub fn route(&self, has_transport: impl Fn(&str) -> bool) -> Option<&Route> {
        self.routes.iter().find(|route| has_transport(&route.transport))
    }

    fn to_bytes(&self) -> Vec<u8> {
        let routes = &self.routes[..self.routes.len().min(Self::MAX_ROUTES)];
        let mut bytes = match routes.len() {
            1 => vec![ONE_ROUTE],
            count => [SEVERAL_ROUTES].into_iter().chain(u8::try_from(count)).collect(),
        };
        routes.iter().for_each(|route| route.put(&mut bytes, address_share(routes.len())));
        bytes.extend(self.capability);
        bytes.extend(checksum(&bytes));
        bytes
    }

    /// Reads the fields of a ticket with one route.
    fn with_one_route(mut fields: &[u8]) -> Option<Self> {
        let route = Route::take(&mut fields, address_share(1))?;
        Some(Self { routes: vec![route], capability: fields.try_into().ok()? })
    }

    /// Reads the fields of a ticket with several routes.
    fn with_several_routes(fields: &[u8]) -> Option<Self> {
        let (count, mut fields) = fields.split_first()?;
        let count = usize::from(*count);
        if !(2..=Self::MAX_ROUTES).contains(&count) {
            return None;
        }
        let routes = (0..count).map(|_| Route::take(&mut fields, address_share(count)));
        let routes = routes.collect::<Option<_>>()?;
        Some(Self { routes, capability: fields.try_into().ok()? })
    }
}

impl Route {
    /// Appends the route with at most `most` addresses.
    fn put(&self, bytes: &mut Vec<u8>, most: usize) {
        let addresses: Vec<_> =
            self.addresses.iter().filter(|address| is_text(address, MAX_ADDRESS)).take(most).collect();
        put_text(bytes, &self.transport);
        put_text(bytes, &self.peer);
        bytes.extend(u8::try_from(addresses.len()));
        addresses.iter().for_each(|address| put_text(bytes, address));
    }

    /// Reads a route from the front of `bytes`; `None` if a field is missing or out of bounds.
    fn take(bytes: &mut &[u8], most: usize) -> Option<Self> {
        let transport = take_text(bytes, MAX_TRANSPORT)?;
        let peer = take_text(bytes, MAX_PEER)?;
        let (count, rest) = bytes.split_first()?;
        *bytes = rest;
        if usize::from(*count) > most {
            return None;
        }
        let addresses = (0..*count).map(|_| take_text(bytes, MAX_ADDRESS)).collect::<Option<_>>()?;
        Some(Self { transport, peer, addresses })
    }
}

/// Greatest number of addresses in each of `routes` routes.
fn address_share(routes: usize) -> usize {
    Ticket::MAX_ADDRESSES / routes.max(1)
}

/// True if `text` can be a field: not empty, and printable ASCII without spaces, so that a node can show and
/// log it.
fn is_text(text: &str, longest: usize) -> bool {
    (1..=longest).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
}

/// Appends a length byte and the text. A field over 255 bytes, which no transport makes, makes the ticket
/// invalid.
fn put_text(bytes: &mut Vec<u8>, text: &str) {
    bytes.push(u8::try_from(text.len()).unwrap_or(u8::MAX));
    bytes.extend(text.as_bytes());
}

fn take_text(bytes: &mut &[u8], longest: usize) -> Option<String> {
    let (length, rest) = bytes.split_first()?;
    let (text, rest) = rest.split_at_checked((*length).into())?;
    *bytes = rest;
    let text = std::str::from_utf8(text).ok().filter(|text| is_text(text, longest))?;
    Some(text.into())
}

fn checksum(bytes: &[u8]) -> [u8; CHECKSUM] {
    let [a, b, c, d, ..] = *blake3::hash(bytes).as_bytes();
    [a, b, c, d]
}

impl fmt::Display for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", BASE32_NOPAD.encode(&self.to_bytes()).to_ascii_lowercase())
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { routes, capability: _ } = self;
        f.debug_struct("Ticket").field("routes", routes).field("capability", &"…").finish()
    }
}

impl FromStr for Ticket {
    type Err = TicketError;

    /// Reads a ticket in either case, and ignores spaces around it.
    fn from_str(text: &str) -> Result<Self, TicketError> {
        let text = text.trim();
        let (prefix, body) = text.split_at_checked(PREFIX.len()).ok_or(TicketError::NotATicket)?;
        if !prefix.eq_ignore_ascii_case(PREFIX) || text.len() > MAX_TEXT {
            return Err(TicketError::NotATicket);
        }
        let bytes = BASE32_NOPAD.decode(body.to_ascii_uppercase().as_bytes());
        let bytes = bytes.map_err(|_| TicketError::Damaged)?;
        let (bytes, sum) = bytes.split_last_chunk::<CHECKSUM>().ok_or(TicketError::Damaged)?;
        if checksum(bytes) != *sum {
            return Err(TicketError::Damaged);
        }
        let ticket = match bytes.split_first() {
            Some((&ONE_ROUTE, fields)) => Self::with_one_route(fields),
            Some((&SEVERAL_ROUTES, fields)) => Self::with_several_routes(fields),
            Some((version, _)) if *version > SEVERAL_ROUTES => return Err(TicketError::Newer),
            _ => None,
        };
        ticket.ok_or(TicketError::Damaged)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ticket() -> Ticket {
        Ticket { routes: vec![fastn()], capability: std::array::from_fn(|i| 200 + i as u8) }
    }

    fn fastn() -> Route {
        Route {
            transport: "fastn".into(),
            peer: "i66fo538lfl5ombdf6tcdbrabp4hmp9asv7nrffuc2im13ct4q60".into(),
            addresses: vec!["192.168.1.7:4433".into(), "[fe80::1]:4433".into()],
        }
    }

    fn memory() -> Route {
        Route { transport: "memory".into(), peer: "m1".into(), addresses: Vec::new() }
    }

    fn text_of(fields: &[u8]) -> String {
        let bytes = [fields, &checksum(fields)].concat();
        format!("{PREFIX}{}", BASE32_NOPAD.encode(&bytes))
    }

    /// Any number of routes that a ticket can have, each with no more than its share of the addresses.
    fn routes() -> impl Strategy<Value = Vec<Route>> {
        (1..=Ticket::MAX_ROUTES).prop_flat_map(|count| {
            let addresses = prop::collection::vec("[!-~]{1,255}", 0..=address_share(count));
            let route = ("[a-z0-9-]{1,32}", "[a-z0-9]{1,128}", addresses);
            let route = route.prop_map(|(transport, peer, addresses)| Route { transport, peer, addresses });
            prop::collection::vec(route, count)
        })
    }

    proptest! {
        #[test]
        fn any_ticket_comes_back(routes in routes(), capability: [u8; 32]) {
            let ticket = Ticket { routes, capability };
            let text = ticket.to_string();
            prop_assert!(text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()));
            prop_assert_eq!(text.parse(), Ok(ticket.clone()));
            prop_assert_eq!(format!(" \n{}\t", text.to_uppercase()).parse(), Ok(ticket));
        }

        #[test]
        fn a_wrong_character_is_told_apart(at in any::<prop::sample::Index>(), letter in "[a-z2-7]") {
            let mut text = ticket().to_string();
            let at = PREFIX.len() + at.index(text.len() - PREFIX.len());
            prop_assume!(text[at..=at] != letter);
            text.replace_range(at..=at, &letter);
            prop_assert_eq!(text.parse::<Ticket>(), Err(TicketError::Damaged));
        }

        #[test]
        fn anything_may_be_pasted(garbage in ".*", fields: Vec<u8>) {
            prop_assert_eq!(garbage.parse::<Ticket>(), Err(TicketError::NotATicket));
            let prefixed = format!("{PREFIX}{garbage}").parse::<Ticket>();
            prop_assert!(prefixed.is_err());
            if let Ok(ticket) = text_of(&fields).parse::<Ticket>() {
                prop_assert_eq!(ticket.to_string().parse(), Ok(ticket));
            }
        }
    }

    #[test]
    fn every_cut_is_told_apart() {
        for routes in [vec![fastn()], vec![fastn(), memory()]] {
            let text = Ticket { routes, ..ticket() }.to_string();
            for end in PREFIX.len()..text.len() {
                assert_eq!(text[..end].parse::<Ticket>(), Err(TicketError::Damaged), "{end} characters");
            }
        }
        assert_eq!("media".parse::<Ticket>(), Err(TicketError::NotATicket));
    }

    #[test]
    fn fields_are_bounded() {
        let with = |change: fn(&mut Route)| {
            let mut ticket = ticket();
            change(&mut ticket.routes[0]);
            ticket.to_string().parse::<Ticket>()
        };
        assert_eq!(with(|it| it.transport.clear()), Err(TicketError::Damaged));
        assert_eq!(with(|it| it.transport = "t".repeat(33)), Err(TicketError::Damaged));
        assert_eq!(with(|it| it.peer = "p".repeat(129)), Err(TicketError::Damaged));
        assert_eq!(with(|it| it.peer = "p".repeat(999)), Err(TicketError::Damaged));
        assert_eq!(with(|it| it.peer = "p\u{1b}".into()), Err(TicketError::Damaged));
        let many = with(|it| it.addresses = vec!["a".into(); 20]).unwrap();
        assert_eq!(many.routes[0].addresses.len(), Ticket::MAX_ADDRESSES);
        let long = with(|it| it.addresses = vec!["a".repeat(256), "b".into()]).unwrap();
        assert_eq!(long.routes[0].addresses, ["b"]);
        let of_length = |length: usize| (PREFIX.to_owned() + &"a".repeat(length - 10)).parse::<Ticket>();
        assert_eq!(of_length(8192), Err(TicketError::Damaged));
        assert_eq!(of_length(8193), Err(TicketError::NotATicket));
    }

    #[test]
    fn routes_are_bounded_and_share_the_addresses() {
        let with = |count: usize, addresses: usize| {
            let route = Route { addresses: vec!["a".repeat(255); addresses], ..fastn() };
            let longest = Route { transport: "t".repeat(32), peer: "p".repeat(128), ..route };
            Ticket { routes: vec![longest; count], ..ticket() }.to_string()
        };
        let shares = (1..=5).map(|count| {
            let ticket: Ticket = with(count, 20).parse().unwrap();
            (ticket.routes.len(), ticket.routes[0].addresses.len())
        });
        assert_eq!(shares.collect::<Vec<_>>(), [(1, 16), (2, 8), (3, 5), (4, 4), (4, 4)]);
        // A version that knows one route only takes the longest text too, and says that this one is newer.
        assert!((1..=4).all(|count| with(count, 20).len() <= 8192));
        assert_eq!(with(0, 0).parse::<Ticket>(), Err(TicketError::Damaged));
    }

    /// Each ticket has one text: that of one route always has version 1.
    #[test]
    fn a_count_of_routes_that_no_writer_makes_is_refused() {
        let two = Ticket { routes: vec![memory(), memory()], ..ticket() }.to_bytes();
        let fields = &two[..two.len() - CHECKSUM];
        assert!(text_of(fields).parse::<Ticket>().is_ok());
        for count in [0, 1, 3, 5, u8::MAX] {
            let mut fields = fields.to_vec();
            fields[1] = count;
            assert_eq!(text_of(&fields).parse::<Ticket>(), Err(TicketError::Damaged), "{count} routes");
        }
        let one = Ticket { routes: vec![memory()], ..ticket() }.to_bytes();
        let one = [&[SEVERAL_ROUTES, 1], &one[1..one.len() - CHECKSUM]].concat();
        assert_eq!(text_of(&one).parse::<Ticket>(), Err(TicketError::Damaged));
    }

    #[test]
    fn the_first_route_with_a_known_transport_is_taken() {
        let ticket = Ticket { routes: vec![memory(), fastn(), memory()], ..ticket() };
        assert_eq!(ticket.route(|_| true), Some(&memory()));
        assert_eq!(ticket.route(|transport| transport == "fastn"), Some(&fastn()));
        assert_eq!(ticket.route(|_| false), None);
    }

    #[test]
    fn another_token_makes_another_ticket_of_the_same_node() {
        let other = Ticket { capability: [7; 32], ..ticket() };
        assert_eq!(ticket().with_token(&other.token()), Some(other.clone()));
        for text in ["", "a", &other.token()[1..], &format!("{}a", other.token()), "é"] {
            assert_eq!(ticket().with_token(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_newer_version_is_told_apart() {
        assert_eq!(text_of(&[3, 9, 9]).parse::<Ticket>(), Err(TicketError::Newer));
        assert_eq!(text_of(&[0, 9, 9]).parse::<Ticket>(), Err(TicketError::Damaged));
    }

    #[test]
    fn debug_keeps_the_secret() {
        let ticket = ticket();
        let debug = format!("{ticket:?}");
        assert!(debug.contains(&ticket.routes[0].peer) && debug.contains("192.168.1.7:4433"));
        assert!(!debug.contains(&ticket.token()) && !debug.contains("200"), "{debug}");
    }
}
