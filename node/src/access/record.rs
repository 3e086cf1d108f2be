//! One ticket or allowed identity, as the state file holds it.

use serde::{Deserialize, Serialize};

use super::quota::Quota;

/// Most identities that a record remembers as its users.
const MAX_USED_BY: usize = 16;

/// A right that a request needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Right {
    /// List, search, info, chunk. Every grant has it.
    Listen,
    /// The file's own bytes: passthrough of its packets, downloads.
    Originals,
    /// Changes of tags, ratings and playlists.
    Edit,
    /// Control of the player.
    Control,
}

impl Right {
    /// All rights.
    pub const ALL: [Self; 4] = [Self::Listen, Self::Originals, Self::Edit, Self::Control];

    /// The name on the wire and in lists.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Listen => "listen",
            Self::Originals => "originals",
            Self::Edit => "edit",
            Self::Control => "control",
        }
    }
}

/// Rights of a grant besides [`Right::Listen`], which every grant has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rights {
    /// [`Right::Originals`].
    #[serde(default)]
    pub originals: bool,
    /// [`Right::Edit`].
    #[serde(default)]
    pub edit: bool,
    /// [`Right::Control`].
    #[serde(default)]
    pub control: bool,
}

impl Rights {
    /// Rights of the first ticket, of tickets of version 0.1 and of the identities in `access.allow`.
    pub const LISTENER: Self = Self { originals: true, edit: false, control: false };
    /// Rights of the owner.
    pub const OWNER: Self = Self { originals: true, edit: true, control: true };

    /// Tells if the right is one of these.
    #[must_use]
    pub const fn has(self, right: Right) -> bool {
        match right {
            Right::Listen => true,
            Right::Originals => self.originals,
            Right::Edit => self.edit,
            Right::Control => self.control,
        }
    }

    /// The names of all rights, `listen` first.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Right::ALL.into_iter().filter(move |right| self.has(*right)).map(Right::as_str)
    }
}

/// Bounds of a grant. The default has none.
///
/// A reader refuses an unknown field: ignoring a bound would widen a grant.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bounds {
    /// Folders whose tracks the grant covers, below any served folder or absolute. Empty: all tracks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub folders: Vec<String>,
    /// Permits lossy codecs only.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lossy_only: bool,
    /// Highest nominal bitrate, in bit/s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_bitrate: Option<u32>,
    /// Bytes in a period.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quota: Option<Quota>,
    /// Instant at which the grant ends, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<u64>,
}

/// A ticket or an allowed identity with its grant and its use.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AccessRecord {
    /// Number that no other record of this node ever had.
    pub(super) id: u64,
    pub(super) label: String,
    pub(super) listener: String,
    pub(super) key: RecordKey,
    pub(super) rights: Rights,
    #[serde(default)]
    pub(super) bounds: Bounds,
    /// Set if the ticket is for one device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) once: Option<OneDevice>,
    /// Seconds since 1970.
    pub(super) created: u64,
    #[serde(default)]
    pub(super) usage: Usage,
}

/// Proof that admits a peer to a record.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum RecordKey {
    /// Hash of a token.
    Token(String),
    /// Identity of a peer.
    Identity(String),
}

/// Exchange of a ticket for the capability of one device.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OneDevice {
    /// Secret from which the device's capability is derived; without it a leaked ticket would give the capability.
    pub(super) secret: String,
    /// Set by the first use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) spent: Option<SpentTicket>,
}

/// The used ticket of a device.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SpentTicket {
    /// Hash of the ticket's token.
    pub(super) token: String,
    /// Identity of the peer that used it.
    pub(super) identity: String,
}

/// Use of a record so far.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Usage {
    /// Seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) last_used: Option<u64>,
    /// Identities of the last users, the latest first.
    pub(super) used_by: Vec<String>,
    /// Bytes sent since the record was made.
    pub(super) bytes: u64,
    /// Beginning of the period that `period_bytes` belongs to, in seconds since 1970.
    pub(super) period_start: u64,
    /// Bytes sent in that period.
    pub(super) period_bytes: u64,
}

impl Usage {
    /// Notes a connection of `identity`.
    pub(super) fn note(&mut self, identity: &str, now: u64) {
        self.last_used = Some(now);
        self.used_by.retain(|known| known != identity);
        self.used_by.insert(0, identity.into());
        self.used_by.truncate(MAX_USED_BY);
    }

    /// Bytes sent in the period of `now`.
    pub(super) fn in_period(&self, quota: Quota, now: u64) -> u64 {
        if self.period_start == quota.period.start(now) { self.period_bytes } else { 0 }
    }

    /// Adds sent bytes.
    pub(super) fn add(&mut self, bytes: u64, quota: Option<Quota>, now: u64) {
        self.last_used = Some(now);
        self.bytes = self.bytes.saturating_add(bytes);
        if let Some(quota) = quota {
            self.period_bytes = self.in_period(quota, now).saturating_add(bytes);
            self.period_start = quota.period.start(now);
        }
    }
}
