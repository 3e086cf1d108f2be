use super::{quota::date, record::Right};

/// Reason why the node does not admit a peer, or does not answer its request. `Display` gives one line for a person.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccessRefusal {
    /// No record, list or mode admits the peer.
    #[error("the node does not know this device")]
    Unauthorized,
    /// The token belongs to no ticket of this node.
    #[error("no ticket of this node has that token")]
    InvalidToken,
    /// The ticket has expired, at this instant in seconds since 1970.
    #[error("expired on {}", date(*.0))]
    Expired(u64),
    /// The owner has revoked the ticket.
    #[error("revoked by the owner")]
    Revoked,
    /// The ticket was for one device, and another one has used it.
    #[error("already used by another device")]
    AlreadyUsed,
    /// The quota is used up until this instant, in seconds since 1970.
    #[error("over quota until {}", date(*.0))]
    OverQuota(u64),
    /// The grant does not have the right.
    #[error("out of scope: the ticket does not include the right `{}`", .0.as_str())]
    NoRight(Right),
    /// The grant's bounds exclude the rendition, for this reason.
    #[error("out of scope: {0}")]
    OutOfScope(String),
}

impl AccessRefusal {
    /// True if the node knows the peer, and its record has ended or is used up. Such a peer gets in by no other rule, since that
    /// could give it more than its record did.
    #[must_use]
    pub const fn is_of_known_peer(&self) -> bool {
        matches!(self, Self::Expired(_) | Self::Revoked | Self::OverQuota(_))
    }

    /// The code on the wire.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unauthorized => "unauthorized",
            Self::InvalidToken => "invalid_token",
            Self::Expired(_) => "expired",
            Self::Revoked => "revoked",
            Self::AlreadyUsed => "already_used",
            Self::OverQuota(_) => "over_quota",
            Self::NoRight(_) | Self::OutOfScope(_) => "out_of_scope",
        }
    }
}
