use std::time::Duration;

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{self, IntoDeserializer},
};

/// Kind of a refusal, from which a client decides how to continue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ErrorCode {
    /// The request is not one of this protocol, or it exceeds a limit.
    BadRequest,
    /// The node has no track of that id, or has it no longer.
    UnknownTrack,
    /// The node cannot make that rendition.
    UnknownRendition,
    /// The chunk is past the end of the track.
    OutOfRange,
    /// None of the client's codecs can encode the track. The message lists the node's codecs.
    NoCommonCodec,
    /// The node cannot read or decode the file.
    Unreadable,
    /// The codec failed at this chunk. Another codec may work.
    CodecFailed,
    /// The node has too many requests. The client can retry.
    Busy,
    /// The client's ticket or identity does not include this request.
    OutOfScope,
    /// The client's quota is used up. The message has the date on which it starts from zero.
    OverQuota,
    /// The client's ticket has expired.
    Expired,
    /// The owner has revoked the client's ticket.
    Revoked,
    /// The handshake failed: the node does not know this client.
    Unauthorized,
    /// The handshake failed: no ticket of the node has the client's token.
    InvalidToken,
    /// The handshake failed: another device has used the ticket.
    AlreadyUsed,
    /// An error of the node.
    Internal,
    /// A code that this version does not know.
    #[serde(other)]
    Unknown,
}

impl ErrorCode {
    /// Tells if the node refuses every further request of this client too.
    #[must_use]
    pub const fn ends_access(self) -> bool {
        matches!(
            self,
            Self::OverQuota
                | Self::Expired
                | Self::Revoked
                | Self::Unauthorized
                | Self::InvalidToken
                | Self::AlreadyUsed
        )
    }
}

/// A code from its name on the wire. Any other name is [`ErrorCode::Unknown`].
impl From<&str> for ErrorCode {
    fn from(name: &str) -> Self {
        Self::deserialize(IntoDeserializer::<de::value::Error>::into_deserializer(name))
            .unwrap_or(Self::Unknown)
    }
}

/// A refusal, in the form that the wire carries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct WireError {
    /// Kind of the refusal.
    pub code: ErrorCode,
    /// One line for a person: at most [`WireError::MAX_MESSAGE`] bytes, without control characters.
    #[serde(deserialize_with = "line")]
    pub message: String,
    /// Wait before a retry, in milliseconds. Only with [`ErrorCode::Busy`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u32>,
}

impl WireError {
    /// Greatest length of a message, in bytes.
    pub const MAX_MESSAGE: usize = 500;

    /// Returns a refusal. It cuts the message to one line of [`WireError::MAX_MESSAGE`] bytes.
    #[must_use]
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        let mut message = message.into().replace(char::is_control, " ");
        message.truncate(message.floor_char_boundary(Self::MAX_MESSAGE));
        Self { code, message, retry_after_ms: None }
    }

    /// Returns an [`ErrorCode::Busy`] refusal that demands a wait of `after`.
    #[must_use]
    pub fn busy(message: impl Into<String>, after: Duration) -> Self {
        let message = format!("{}; try again in {} s", message.into(), after.as_secs_f32());
        let retry_after_ms = Some(u32::try_from(after.as_millis()).unwrap_or(u32::MAX));
        Self { retry_after_ms, ..Self::new(ErrorCode::Busy, message) }
    }
}

/// Bounds a message from a peer as [`WireError::new`] does, because a terminal prints it.
fn line<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let message = String::deserialize(deserializer)?;
    Ok(WireError::new(ErrorCode::Unknown, message).message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_read_by_their_names() {
        assert_eq!(ErrorCode::from("over_quota"), ErrorCode::OverQuota);
        assert_eq!(ErrorCode::from("no_common_protocols"), ErrorCode::Unknown);
        assert!(ErrorCode::from("already_used").ends_access() && !ErrorCode::from("busy").ends_access());
    }

    #[test]
    fn a_message_is_one_line_within_its_bound() {
        let long = format!("a\u{1b}[2J\r\n{}", "é".repeat(300));
        let error = WireError::new(ErrorCode::Internal, &*long);
        assert_eq!(error.message, format!("a [2J  {}", "é".repeat(246)));
        let json = serde_json::json!({ "code": "internal", "message": long });
        assert_eq!(serde_json::from_value::<WireError>(json).unwrap(), error);
    }
}
