use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};

/// What kind of refusal a node answers with, so that a client can decide what to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ErrorCode {
    /// The request is not one of this protocol, or not within its limits.
    BadRequest,
    /// No track of that id, or no longer.
    UnknownTrack,
    /// The rendition's name is none that this node makes.
    UnknownRendition,
    /// The chunk lies past the end.
    OutOfRange,
    /// None of the client's codecs can carry the track; the message lists the node's.
    NoCommonCodec,
    /// The file cannot be read or decoded.
    Unreadable,
    /// The codec failed at this chunk; another may do.
    CodecFailed,
    /// Too much asked at once; try again shortly.
    Busy,
    /// The node's own fault.
    Internal,
    /// A code that this version does not know.
    #[serde(other)]
    Unknown,
}

/// A refusal, as it goes over the wire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct WireError {
    /// What kind.
    pub code: ErrorCode,
    /// One line for a person, at most [`WireError::MAX_MESSAGE`] bytes, no control characters.
    #[serde(deserialize_with = "line")]
    pub message: String,
    /// With [`ErrorCode::Busy`]: when to ask again, in milliseconds from now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u32>,
}

impl WireError {
    /// The longest message, in bytes.
    pub const MAX_MESSAGE: usize = 500;

    /// A refusal whose message is cut to one line of [`WireError::MAX_MESSAGE`] bytes.
    #[must_use]
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        let mut message = message.into().replace(char::is_control, " ");
        message.truncate(message.floor_char_boundary(Self::MAX_MESSAGE));
        Self { code, message, retry_after_ms: None }
    }

    /// A refusal as [`ErrorCode::Busy`], which says when to ask again.
    #[must_use]
    pub fn busy(message: impl Into<String>, after: Duration) -> Self {
        let message = format!("{}; ask again in {} s", message.into(), after.as_secs_f32());
        let retry_after_ms = Some(u32::try_from(after.as_millis()).unwrap_or(u32::MAX));
        Self { retry_after_ms, ..Self::new(ErrorCode::Busy, message) }
    }
}

/// What a peer says is held to the same bounds: it is printed on a terminal.
fn line<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let message = String::deserialize(deserializer)?;
    Ok(WireError::new(ErrorCode::Unknown, message).message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_line_within_its_bound() {
        let long = format!("a\u{1b}[2J\r\n{}", "é".repeat(300));
        let error = WireError::new(ErrorCode::Internal, &*long);
        assert_eq!(error.message, format!("a [2J  {}", "é".repeat(246)));
        let json = serde_json::json!({ "code": "internal", "message": long });
        assert_eq!(serde_json::from_value::<WireError>(json).unwrap(), error);
    }
}
