//! ID52, fastn's text form of an identity: the ed25519 public key in BASE32_DNSSEC, 52 characters.

use data_encoding::BASE32_DNSSEC;
use iroh::EndpointId;
use media_plugin_sdk::transport::{Result, TransportError};

pub(crate) fn encode(id: &EndpointId) -> String {
    BASE32_DNSSEC.encode(id.as_bytes())
}

/// # Errors
/// `BadArgument` if the text is not an ID52.
pub(crate) fn decode(text: &str) -> Result<EndpointId> {
    BASE32_DNSSEC
        .decode(text.as_bytes())
        .ok()
        .and_then(|bytes| <[u8; 32]>::try_from(bytes).ok())
        .and_then(|bytes| EndpointId::from_bytes(&bytes).ok())
        .ok_or_else(|| {
            let shown: String = text.chars().take(60).filter(|c| !c.is_control()).collect();
            TransportError::BadArgument(format!(
                "`{shown}` is not an ID52: 52 characters of 0-9 and a-v are expected"
            ))
        })
}

#[cfg(test)]
mod tests {
    use super::{decode, encode};

    #[test]
    fn survives_a_round_trip() {
        let id = iroh::SecretKey::from_bytes(&[7; 32]).public();
        let text = encode(&id);
        assert_eq!(text.len(), 52);
        assert_eq!(decode(&text).unwrap(), id);
    }

    #[test]
    fn equals_the_form_of_fastn_id52() {
        // Output of fastn-id52 0.1.2 for this key.
        let id = iroh::SecretKey::from_bytes(&[7; 32]).public();
        assert_eq!(encode(&id), "t956oov2jh90lfnla1th6bm5v6aketlenqv7n4i23rl6i526q8m0");
    }

    #[test]
    fn refuses_what_is_none() {
        for text in ["", "abc", &"z".repeat(52), &"0".repeat(53), "\u{1b}[31mred"] {
            let refused = decode(text).unwrap_err().to_string();
            assert!(refused.contains("ID52") && !refused.contains('\u{1b}'), "{refused}");
        }
    }
}
