use std::{collections::BTreeSet, fmt};

/// Rules by which a node admits peers. The default admits nobody.
#[derive(Clone, Default)]
pub struct Access {
    /// Admits everybody.
    pub open: bool,
    /// Admits the peers with these identities, with any token or none.
    pub ids: BTreeSet<String>,
    /// Admits every peer that sends this token, which is the text of the capability in the node's tickets.
    pub capability: Option<String>,
}

/// Hides the capability, which is a secret.
impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let capability = self.capability.as_ref().map(|_| "(redacted)");
        f.debug_struct("Access")
            .field("open", &self.open)
            .field("ids", &self.ids)
            .field("capability", &capability)
            .finish()
    }
}

impl Access {
    /// Checks a peer's identity and token.
    ///
    /// # Errors
    /// The refusal's code as on the wire: `unauthorized` or `invalid_token`.
    pub(super) fn check(&self, peer: &str, token: Option<&str>) -> Result<(), &'static str> {
        if self.open || self.ids.contains(peer) {
            return Ok(());
        }
        match (&self.capability, token) {
            // The comparison of two BLAKE3 hashes takes constant time and does not reveal the token's length.
            (Some(ours), Some(theirs))
                if blake3::hash(ours.as_bytes()) == blake3::hash(theirs.as_bytes()) =>
            {
                Ok(())
            }
            (Some(_), Some(_)) => Err("invalid_token"),
            _ => Err("unauthorized"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access() -> Access {
        Access { ids: ["friend".to_owned()].into(), capability: Some("secret".into()), ..Access::default() }
    }

    #[test]
    fn nobody_comes_in_by_default() {
        assert_eq!(Access::default().check("a", Some("b")), Err("unauthorized"));
        assert_eq!(Access::default().check("", None), Err("unauthorized"));
    }

    #[test]
    fn a_token_or_an_identity_lets_in() {
        assert_eq!(access().check("stranger", Some("secret")), Ok(()));
        assert_eq!(access().check("stranger", Some("secret2")), Err("invalid_token"));
        assert_eq!(access().check("stranger", None), Err("unauthorized"));
        assert_eq!(access().check("friend", None), Ok(()));
        assert_eq!(access().check("friend", Some("an old token")), Ok(()));
        assert_eq!(Access { open: true, ..Access::default() }.check("stranger", None), Ok(()));
    }

    #[test]
    fn the_capability_is_not_printed() {
        assert!(!format!("{:?}", access()).contains("secret"));
    }
}
