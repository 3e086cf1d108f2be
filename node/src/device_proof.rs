//! Proof that a process belongs to a device.
//!
//! A device has one lasting identity, that of its node's key; `media-node id` prints it, and owners of other nodes allow
//! it. Each of its processes connects with an identity of its own. The device's key signs the identity of the process, so
//! the device's rights hold for it. The proof is no secret: it is worth nothing without the key of the process.

/// Beginning of a token that holds a proof. No ticket's token begins so, since those hold no colon.
const PREFIX: &str = "device:";
/// Text before the identity of the process in the signed message, so that no other signature of the key fits.
const CONTEXT: &str = "media-node 2026 a process of this device: ";

/// A token with the parts of its proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProvenToken<'a> {
    /// Identity of the device, as the process claims it.
    pub device: &'a str,
    /// Signature of the device.
    pub signature: &'a str,
    /// The token without the proof.
    pub token: Option<&'a str>,
}

/// The message that the device signs for a process with this identity.
#[must_use]
pub fn message(process: &str) -> Vec<u8> {
    format!("{CONTEXT}{process}").into_bytes()
}

/// A token with a proof before it.
#[must_use]
pub fn proven_token(device: &str, signature: &str, token: Option<&str>) -> String {
    let end = token.map(|token| format!(" {token}")).unwrap_or_default();
    format!("{PREFIX}{device}:{signature}{end}")
}

/// Takes a token with a proof apart; `None` for any other token. Does not check the signature.
#[must_use]
pub fn split_token(text: &str) -> Option<ProvenToken<'_>> {
    let rest = text.strip_prefix(PREFIX)?;
    let (proof, token) = rest.split_once(' ').map_or((rest, None), |(proof, token)| (proof, Some(token)));
    let (device, signature) = proof.split_once(':')?;
    Some(ProvenToken { device, signature, token })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_token_comes_apart_as_it_was_put_together() {
        for token in [None, Some("0123abcd"), Some("ask:a phone")] {
            let text = proven_token("id", "abcd", token);
            assert_eq!(split_token(&text), Some(ProvenToken { device: "id", signature: "abcd", token }));
        }
        for text in ["", "0123abcd", "device:", "device:id"] {
            assert_eq!(split_token(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_taken_apart_or_is_none(text in "(device:)?.{0,100}") {
            if let Some(ProvenToken { device, signature, token }) = split_token(&text) {
                prop_assert_eq!(proven_token(device, signature, token), text);
            }
        }
    }
}
