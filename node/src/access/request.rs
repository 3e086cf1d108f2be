//! Requests to change or list the records, and their answers: the same for a command that changes the stored state and
//! for one that reaches a running process.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::record::{Bounds, Rights};

/// A request about the records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccessRequest {
    /// Makes a ticket, or a record for an identity. Answer: [`AccessAnswer::Created`].
    Create(NewAccess),
    /// Lists the records. Answer: [`AccessAnswer::Entries`].
    List,
    /// Ends the record with this label. Its connections close at once. Answer: [`AccessAnswer::Revoked`].
    Revoke {
        /// The whole label.
        label: String,
    },
}

/// A record to be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewAccess {
    /// Label, as in `phone`. No other valid record may have it.
    pub label: String,
    /// Listener whose stars, counts and queue the device uses. Default: the label.
    #[serde(default)]
    pub listener: Option<String>,
    /// Identity to admit. `None` makes a ticket.
    #[serde(default)]
    pub identity: Option<String>,
    /// Rights besides listening.
    pub rights: Rights,
    /// Bounds.
    #[serde(default)]
    pub bounds: Bounds,
    /// Makes a ticket that one device can use.
    #[serde(default)]
    pub once: bool,
}

/// Answer to an [`AccessRequest`].
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccessAnswer {
    /// The new record. `ticket` is the text of its ticket, a secret that is shown this once; absent for an identity.
    Created {
        /// The record.
        entry: AccessEntry,
        /// Text of the ticket.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ticket: Option<String>,
    },
    /// The valid and expired records, in the order of their making.
    Entries(Vec<AccessEntry>),
    /// The record that was revoked.
    Revoked(AccessEntry),
}

/// Hides the ticket, which is a secret.
impl fmt::Debug for AccessAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Created { entry, .. } => f.debug_tuple("Created").field(entry).finish(),
            Self::Entries(entries) => f.debug_tuple("Entries").field(entries).finish(),
            Self::Revoked(entry) => f.debug_tuple("Revoked").field(entry).finish(),
        }
    }
}

/// A record without its secrets. Instants are in seconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessEntry {
    /// Label.
    pub label: String,
    /// Listener whose stars, counts and queue the device uses.
    pub listener: String,
    /// The allowed identity; absent for a ticket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// Names of the rights, `listen` first.
    pub rights: Vec<String>,
    /// Bounds.
    pub bounds: Bounds,
    /// The ticket is for one device.
    pub once: bool,
    /// Time of its making.
    pub created: u64,
    /// Time of its last use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used: Option<u64>,
    /// Identities of its last users, the latest first.
    pub used_by: Vec<String>,
    /// Bytes sent since its making.
    pub bytes: u64,
    /// Bytes sent in the present period of its quota; absent without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quota_bytes: Option<u64>,
    /// Reason why it admits nobody at present, as in `expired on 2026-12-01`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<String>,
}
