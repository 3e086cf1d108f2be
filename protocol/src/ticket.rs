use std::{fmt, str::FromStr};

use data_encoding::BASE32_NOPAD;

/// What a person pastes to reach a node: its key, where to look for it, and the right to listen.
///
/// As text: `medianode1`, then in lower-case base32 without padding: version `u8` = 1; transport and peer, each with its
/// length `u8` before it; the number of addresses `u8`, each address with its length `u8`; the capability, 32 bytes; the
/// first 4 bytes of the BLAKE3 of all that.
///
/// [`fmt::Display`] writes that text, which is a secret: print it only where a person asked for it.
#[derive(Clone, PartialEq, Eq)]
pub struct Ticket {
    /// The transport's id, 1 to 32 bytes.
    pub transport: String,
    /// The node's identity in that transport's text form (an ID52), 1 to 128 bytes.
    pub peer: String,
    /// Where to look for it first. Hints: of those over 255 bytes or over [`Ticket::MAX_ADDRESSES`] none is written.
    pub addresses: Vec<String>,
    /// What lets its holder in.
    pub capability: [u8; 32],
}

/// Why a text is no ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TicketError {
    /// Something else was pasted.
    #[error("not a ticket: one begins with {PREFIX}")]
    NotATicket,
    /// A ticket once, but characters are missing or wrong.
    #[error("the ticket is cut short or mistyped; copy it again as a whole")]
    Damaged,
    /// Made by a version of the node that this one does not know.
    #[error("the ticket was made by a newer version of media-node; update this one")]
    Newer,
}

const PREFIX: &str = "medianode1";
const VERSION: u8 = 1;
const CHECKSUM: usize = 4;
/// The longest text: over what 16 addresses of 255 bytes come to in base32.
const MAX_TEXT: usize = 8192;
const MAX_TRANSPORT: usize = 32;
const MAX_PEER: usize = 128;

impl Ticket {
    /// The most addresses that a ticket carries.
    pub const MAX_ADDRESSES: usize = 16;

    /// The capability as text, for a handshake's `auth_token`.
    #[must_use]
    pub fn token(&self) -> String {
        Self::token_of(&self.capability)
    }

    /// What [`Ticket::token`] is for a capability.
    #[must_use]
    pub fn token_of(capability: &[u8; 32]) -> String {
        BASE32_NOPAD.encode(capability).to_ascii_lowercase()
    }

    fn to_bytes(&self) -> Vec<u8> {
        let addresses: Vec<_> = self.addresses.iter().filter(|it| is_text(it, 255)).collect();
        let addresses = &addresses[..addresses.len().min(Self::MAX_ADDRESSES)];
        let mut bytes = vec![VERSION];
        put_text(&mut bytes, &self.transport);
        put_text(&mut bytes, &self.peer);
        bytes.extend(u8::try_from(addresses.len()));
        addresses.iter().for_each(|it| put_text(&mut bytes, it));
        bytes.extend(self.capability);
        bytes.extend(checksum(&bytes));
        bytes
    }

    /// Reads what [`Ticket::to_bytes`] writes; `None` where anything is missing, left over or out of bounds.
    fn from_bytes(mut bytes: &[u8]) -> Option<Self> {
        let transport = take_text(&mut bytes, MAX_TRANSPORT)?;
        let peer = take_text(&mut bytes, MAX_PEER)?;
        let (count, mut bytes) = bytes.split_first()?;
        if usize::from(*count) > Self::MAX_ADDRESSES {
            return None;
        }
        let addresses = (0..*count).map(|_| take_text(&mut bytes, 255)).collect::<Option<_>>()?;
        Some(Self { transport, peer, addresses, capability: bytes.try_into().ok()? })
    }
}

/// Whether `text` can be a field: not empty, printable ASCII without spaces, so that it can be shown and logged.
fn is_text(text: &str, longest: usize) -> bool {
    (1..=longest).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
}

/// A field that is too long, which no transport makes, gives a text that is no ticket.
fn put_text(bytes: &mut Vec<u8>, text: &str) {
    bytes.push(u8::try_from(text.len()).unwrap_or(u8::MAX));
    bytes.extend(text.as_bytes());
}

fn take_text(bytes: &mut &[u8], longest: usize) -> Option<String> {
    let (length, rest) = bytes.split_first()?;
    let (text, rest) = rest.split_at_checked((*length).into())?;
    *bytes = rest;
    let text = std::str::from_utf8(text).ok().filter(|it| is_text(it, longest))?;
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
        let Self { transport, peer, addresses, capability: _ } = self;
        f.debug_struct("Ticket")
            .field("transport", transport)
            .field("peer", peer)
            .field("addresses", addresses)
            .field("capability", &"…")
            .finish()
    }
}

impl FromStr for Ticket {
    type Err = TicketError;

    /// Reads a ticket, whatever spaces surround it and in any case.
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
        match bytes.split_first() {
            Some((&VERSION, fields)) => Self::from_bytes(fields).ok_or(TicketError::Damaged),
            Some((version, _)) if *version > VERSION => Err(TicketError::Newer),
            _ => Err(TicketError::Damaged),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ticket() -> Ticket {
        Ticket {
            transport: "fastn".into(),
            peer: "i66fo538lfl5ombdf6tcdbrabp4hmp9asv7nrffuc2im13ct4q60".into(),
            addresses: vec!["192.168.1.7:4433".into(), "[fe80::1]:4433".into()],
            capability: std::array::from_fn(|i| 200 + i as u8),
        }
    }

    fn text_of(fields: &[u8]) -> String {
        let bytes = [fields, &checksum(fields)].concat();
        format!("{PREFIX}{}", BASE32_NOPAD.encode(&bytes))
    }

    proptest! {
        #[test]
        fn any_ticket_comes_back(
            transport in "[a-z0-9-]{1,32}",
            peer in "[a-z0-9]{1,128}",
            addresses in prop::collection::vec("[!-~]{1,255}", 0..=Ticket::MAX_ADDRESSES),
            capability: [u8; 32],
        ) {
            let ticket = Ticket { transport, peer, addresses, capability };
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
        let text = ticket().to_string();
        for end in PREFIX.len()..text.len() {
            assert_eq!(text[..end].parse::<Ticket>(), Err(TicketError::Damaged), "{end} characters");
        }
        assert_eq!("media".parse::<Ticket>(), Err(TicketError::NotATicket));
    }

    #[test]
    fn fields_are_bounded() {
        let with = |change: fn(&mut Ticket)| {
            let mut ticket = ticket();
            change(&mut ticket);
            ticket.to_string().parse::<Ticket>()
        };
        assert_eq!(with(|it| it.transport.clear()), Err(TicketError::Damaged));
        assert_eq!(with(|it| it.transport = "t".repeat(33)), Err(TicketError::Damaged));
        assert_eq!(with(|it| it.peer = "p".repeat(129)), Err(TicketError::Damaged));
        assert_eq!(with(|it| it.peer = "p".repeat(999)), Err(TicketError::Damaged));
        assert_eq!(with(|it| it.peer = "p\u{1b}".into()), Err(TicketError::Damaged));
        let many = with(|it| it.addresses = vec!["a".into(); 20]).unwrap();
        assert_eq!(many.addresses.len(), Ticket::MAX_ADDRESSES);
        let long = with(|it| it.addresses = vec!["a".repeat(256), "b".into()]).unwrap();
        assert_eq!(long.addresses, ["b"]);
        assert_eq!(
            (PREFIX.to_owned() + &"a".repeat(MAX_TEXT)).parse::<Ticket>(),
            Err(TicketError::NotATicket)
        );
    }

    #[test]
    fn a_newer_version_is_told_apart() {
        assert_eq!(text_of(&[2, 9, 9]).parse::<Ticket>(), Err(TicketError::Newer));
        assert_eq!(text_of(&[0, 9, 9]).parse::<Ticket>(), Err(TicketError::Damaged));
    }

    #[test]
    fn debug_keeps_the_secret() {
        let ticket = ticket();
        let debug = format!("{ticket:?}");
        assert!(debug.contains(&ticket.peer) && debug.contains("192.168.1.7:4433"));
        assert!(!debug.contains(&ticket.token()) && !debug.contains("200"), "{debug}");
    }
}
