use std::{collections::BTreeSet, fmt, sync::Arc};

use media_plugin_sdk::transport::{Admission, Refusal, Welcome};
use media_protocol::FEATURE_RIGHTS;

use crate::access::{AccessBook, AccessRefusal, Admitted, Grant, Rights};

/// Label of the owner's own devices.
const OWNER: &str = "owner";
/// Label of peers that come in by a bare capability.
const HOLDER: &str = "ticket";

/// Rules by which a node admits peers. The default admits nobody.
///
/// A peer gets the grant of the first rule that admits it: `owners`, then `book`, then `ids`, `open` and `capability`.
#[derive(Clone, Default)]
pub struct Access {
    /// Admits these identities with all rights: the owner's own clients on this machine.
    pub owners: BTreeSet<String>,
    /// Admits by the records of tickets and allowed identities.
    pub book: Option<Arc<AccessBook>>,
    /// Ignores the tickets of `book`, so that only its identities count.
    pub identities_only: bool,
    /// Admits everybody as a listener.
    pub open: bool,
    /// Admits these identities as listeners, with any token or none.
    pub ids: BTreeSet<String>,
    /// Admits every peer with this token as a listener: the capability of a node that has no `book`.
    pub capability: Option<String>,
}

/// Hides the capability, which is a secret.
impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let capability = self.capability.as_ref().map(|_| "(redacted)");
        f.debug_struct("Access")
            .field("owners", &self.owners)
            .field("book", &self.book.is_some())
            .field("identities_only", &self.identities_only)
            .field("open", &self.open)
            .field("ids", &self.ids)
            .field("capability", &capability)
            .finish()
    }
}

impl Access {
    /// Admits or refuses a peer by its identity and token.
    pub(super) fn admit(&self, peer: &str, token: Option<&str>) -> Result<Admission, Refusal> {
        let admitted = self
            .admitted(peer, token)
            .map_err(|refusal| Refusal { code: refusal.code().into(), reason: refusal.to_string() })?;
        let welcome = Welcome {
            features: vec![FEATURE_RIGHTS.into()],
            rights: admitted.grant.rights().names().map(str::to_owned).collect(),
            auth_token: admitted.token,
            ..Welcome::default()
        };
        Ok(Admission { grant: Some(Arc::new(admitted.grant)), welcome })
    }

    fn admitted(&self, peer: &str, token: Option<&str>) -> Result<Admitted, AccessRefusal> {
        let unbounded = |label, rights| Admitted { grant: Grant::unbounded(label, rights), token: None };
        if self.owners.contains(peer) {
            return Ok(unbounded(OWNER, Rights::OWNER));
        }
        let refusal = match (&self.book, token) {
            (Some(book), token) => match book.admit(peer, token.filter(|_| !self.identities_only)) {
                Ok(admitted) => return Ok(admitted),
                Err(refusal) => refusal,
            },
            (None, Some(_)) if self.capability.is_some() => AccessRefusal::InvalidToken,
            (None, _) => AccessRefusal::Unauthorized,
        };
        if refusal.is_of_known_peer() {
            return Err(refusal);
        }
        if self.open || self.ids.contains(peer) {
            return Ok(unbounded(peer, Rights::LISTENER));
        }
        match (&self.capability, token) {
            // The comparison of two BLAKE3 hashes takes constant time and does not reveal the token's length.
            (Some(ours), Some(theirs))
                if blake3::hash(ours.as_bytes()) == blake3::hash(theirs.as_bytes()) =>
            {
                Ok(unbounded(HOLDER, Rights::LISTENER))
            }
            _ => Err(refusal),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::{AccessAnswer, AccessRequest, Bounds, NewAccess, SystemClock};

    fn access() -> Access {
        Access { ids: ["friend".to_owned()].into(), capability: Some("secret".into()), ..Access::default() }
    }

    /// Label of the grant, or code of the refusal.
    fn outcome(access: &Access, peer: &str, token: Option<&str>) -> String {
        match access.admit(peer, token) {
            Ok(Admission { grant, .. }) => grant.unwrap().downcast_ref::<Grant>().unwrap().label().to_owned(),
            Err(refusal) => format!("-{}", refusal.code),
        }
    }

    #[test]
    fn nobody_comes_in_by_default() {
        assert_eq!(outcome(&Access::default(), "a", Some("b")), "-unauthorized");
        assert_eq!(outcome(&Access::default(), "", None), "-unauthorized");
    }

    #[test]
    fn a_token_or_an_identity_lets_in() {
        assert_eq!(outcome(&access(), "stranger", Some("secret")), "ticket");
        assert_eq!(outcome(&access(), "stranger", Some("secret2")), "-invalid_token");
        assert_eq!(outcome(&access(), "stranger", None), "-unauthorized");
        assert_eq!(outcome(&access(), "friend", None), "friend");
        assert_eq!(outcome(&access(), "friend", Some("an old token")), "friend");
        assert_eq!(outcome(&Access { open: true, ..Access::default() }, "stranger", None), "stranger");
    }

    /// An identity of the book is admitted by every mode, beside the configured ones; its tickets only if they count.
    #[test]
    fn the_book_counts_in_every_mode() {
        let book = AccessBook::in_memory(Arc::new(SystemClock)).unwrap();
        let token = book.first_ticket(&[]).unwrap().token();
        let guest = NewAccess {
            label: "guest".into(),
            listener: None,
            identity: Some("guest-id".into()),
            rights: Rights::LISTENER,
            bounds: Bounds::default(),
            once: false,
        };
        let made = book.handle(AccessRequest::Create(guest), &[]);
        assert!(matches!(made, Ok(AccessAnswer::Created { .. })));
        let by_ticket =
            Access { book: Some(Arc::new(book)), owners: ["me".into()].into(), ..Access::default() };
        let list = Access { identities_only: true, ids: ["friend".into()].into(), ..by_ticket.clone() };
        let open = Access { open: true, ..by_ticket.clone() };
        for mode in [&by_ticket, &list, &open] {
            assert_eq!(outcome(mode, "guest-id", None), "guest");
            assert_eq!(outcome(mode, "me", Some("any")), "owner");
        }
        assert_eq!(outcome(&by_ticket, "stranger", Some(&token)), "first");
        assert_eq!(outcome(&list, "stranger", Some(&token)), "-unauthorized");
        assert_eq!(
            (outcome(&list, "friend", None), outcome(&open, "stranger", None)),
            ("friend".into(), "stranger".into())
        );
        assert_eq!(outcome(&by_ticket, "friend", None), "-unauthorized");
        // The end of a record gives its device nothing that the record withheld.
        let revoke = AccessRequest::Revoke { label: "guest".into() };
        assert!(by_ticket.book.as_ref().unwrap().handle(revoke, &[]).is_ok());
        let listed = Access { ids: ["guest-id".into()].into(), ..list.clone() };
        for mode in [&by_ticket, &listed, &open] {
            assert_eq!(outcome(mode, "guest-id", None), "-revoked");
        }
        let welcome = by_ticket.admit("me", None).unwrap().welcome;
        assert_eq!(welcome.rights, ["listen", "originals", "edit", "control"]);
        assert_eq!(
            by_ticket.admit("stranger", Some(&token)).unwrap().welcome.rights,
            ["listen", "originals"]
        );
    }

    #[test]
    fn the_capability_is_not_printed() {
        assert!(!format!("{:?}", access()).contains("secret"));
    }
}
