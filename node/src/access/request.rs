//! Requests to change or list the records, and their answers: the same for a command that changes the stored state and
//! for one that reaches a running process.

use std::{
    fmt,
    path::{Component, Path},
};

use serde::{Deserialize, Serialize};

use super::{
    error::AccessError,
    record::{Bounds, Rights},
};
use crate::node_book::is_name;

/// Most folders of a record.
const MAX_FOLDERS: usize = 64;
/// Longest folder, in bytes.
const MAX_FOLDER: usize = 1024;
/// Longest identity, in bytes: that of a ticket's peer.
const MAX_IDENTITY: usize = 128;

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
    /// Listener name to store with the record. This version only stores and shows it. Default: the label.
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

impl NewAccess {
    /// Checks all texts and bounds. `now` is in seconds since 1970.
    pub(super) fn check(&self, now: u64) -> Result<(), AccessError> {
        let Self { label, listener, identity, bounds, .. } = self;
        for name in [label].into_iter().chain(listener) {
            if !is_name(name) {
                return Err(AccessError::BadLabel(name.clone()));
            }
        }
        let is_identity = |text: &&String| {
            (1..=MAX_IDENTITY).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
        };
        if let Some(wrong) = identity.as_ref().filter(|text| !is_identity(text)) {
            return Err(AccessError::BadIdentity(wrong.clone()));
        }
        if bounds.folders.len() > MAX_FOLDERS {
            return Err(AccessError::TooMany { what: "folders", limit: MAX_FOLDERS });
        }
        if let Some(wrong) = bounds.folders.iter().find(|folder| !is_folder(folder)) {
            return Err(AccessError::BadFolder(wrong.clone()));
        }
        if bounds.max_bitrate == Some(0) {
            return Err(AccessError::Nothing("a bitrate of 0"));
        }
        if bounds.quota.is_some_and(|quota| quota.bytes == 0) {
            return Err(AccessError::Nothing("a quota of 0"));
        }
        if bounds.expires.is_some_and(|expires| expires <= now) {
            return Err(AccessError::Nothing("an expiry in the past"));
        }
        Ok(())
    }
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
    /// Listener name. This version only stores and shows it.
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

/// Tells if the text names a folder without a way out of it.
fn is_folder(text: &str) -> bool {
    let mut parts = Path::new(text).components().peekable();
    let _ = parts.next_if(|part| matches!(part, Component::Prefix(_)));
    let _ = parts.next_if(|part| matches!(part, Component::RootDir));
    text.len() <= MAX_FOLDER
        && !text.contains(char::is_control)
        && parts.peek().is_some()
        && parts.all(|part| matches!(part, Component::Normal(_)))
}
