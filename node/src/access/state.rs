//! The state file: all records of a node, one JSON object with a version.

use std::{io, path::Path};

use serde::{Deserialize, Serialize};

use super::{
    error::AccessError,
    record::{AccessRecord, RecordKey},
};
use crate::files;

/// Version of the file. A higher one is refused: an older program could ignore a bound that it does not know.
const VERSION: u32 = 1;
/// Most bytes of the file that are read: room for [`AccessState::MAX_RECORDS`] records of 4 KiB.
const MAX_BYTES: u64 = 8 * 1024 * 1024;
/// Number of revoked records that are kept, to tell their holders the reason. Test
/// `the_oldest_revoked_tickets_are_forgotten`.
const MAX_REVOKED: usize = 1000;
/// Key derivation context of BLAKE3 for the hash of a token.
const TOKEN_CONTEXT: &str = "media-node 2026-11 access token";
/// Key derivation context of BLAKE3 for the capability of a ticket's device.
const DEVICE_CONTEXT: &str = "media-node 2026-11 capability of one device";

/// All records of a node.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AccessState {
    version: u32,
    next_id: u64,
    /// The ticket that `serve` prints, unless it was revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) first: Option<FirstTicket>,
    pub(super) records: Vec<AccessRecord>,
    #[serde(default)]
    revoked: Vec<RevokedRecord>,
}

/// The first ticket. Unlike any other it is kept itself, to be printed at each start.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FirstTicket {
    /// [`AccessRecord::id`] of its record.
    pub(super) id: u64,
    /// The capability in hexadecimal digits.
    pub(super) capability: String,
}

/// A record that the owner revoked.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RevokedRecord {
    label: String,
    keys: Vec<RecordKey>,
    /// Seconds since 1970.
    at: u64,
}

impl AccessState {
    /// Greatest number of records.
    pub(super) const MAX_RECORDS: usize = 1000;

    /// Reads the file. `None` if there is no file.
    ///
    /// # Errors
    /// If the file cannot be read, is readable by others, damaged, or of a newer program.
    pub(super) fn load(file: &Path) -> Result<Option<Self>, AccessError> {
        let failed = |error| AccessError::Io { doing: "reading", file: file.into(), error };
        let malformed = |reason| AccessError::Malformed { file: file.into(), reason };
        let Some(metadata) = files::metadata(file).map_err(failed)? else { return Ok(None) };
        if files::is_exposed(&metadata) {
            return Err(AccessError::Exposed(file.into()));
        }
        if metadata.len() > MAX_BYTES {
            return Err(malformed(format!("it is larger than {MAX_BYTES} bytes")));
        }
        let text = std::fs::read_to_string(file).map_err(|error| match error.kind() {
            io::ErrorKind::InvalidData => malformed("it is not text".into()),
            _ => failed(error),
        })?;
        // The version is read alone first, since a newer file may have other fields.
        #[derive(Deserialize)]
        struct Version {
            version: u32,
        }
        let Version { version } =
            serde_json::from_str(&text).map_err(|error| malformed(error.to_string()))?;
        if version > VERSION {
            return Err(malformed(format!("a newer program wrote it (version {version})")));
        }
        serde_json::from_str(&text).map(Some).map_err(|error| malformed(error.to_string()))
    }

    /// Replaces the file.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub(super) fn save(&mut self, file: &Path) -> Result<(), AccessError> {
        self.version = VERSION;
        let text = serde_json::to_string_pretty(self).map_err(io::Error::from);
        let written = text.and_then(|text| files::write(file, &(text + "\n"), true));
        written.map_err(|error| AccessError::Io { doing: "writing", file: file.into(), error })
    }

    /// Adds a record under a new id, and returns that.
    pub(super) fn add(&mut self, record: AccessRecord) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        self.records.push(AccessRecord { id, ..record });
        id
    }

    /// The record with this id.
    pub(super) fn record(&self, id: u64) -> Option<&AccessRecord> {
        self.records.iter().find(|record| record.id == id)
    }

    /// The record with this id, to change it.
    pub(super) fn record_mut(&mut self, id: u64) -> Option<&mut AccessRecord> {
        self.records.iter_mut().find(|record| record.id == id)
    }

    /// Removes the record with this label, and remembers that it was revoked.
    pub(super) fn revoke(&mut self, label: &str, now: u64) -> Option<AccessRecord> {
        let place = self.records.iter().position(|record| record.label == label)?;
        let record = self.records.remove(place);
        if self.first.as_ref().is_some_and(|first| first.id == record.id) {
            self.first = None;
        }
        let spent = record.once.as_ref().and_then(|once| once.spent.as_ref());
        let spent = spent.map(|spent| RecordKey::Token(spent.token.clone()));
        let keys = [record.key.clone()].into_iter().chain(spent).collect();
        self.revoked.push(RevokedRecord { label: record.label.clone(), keys, at: now });
        let surplus = self.revoked.len().saturating_sub(MAX_REVOKED);
        self.revoked.drain(..surplus);
        Some(record)
    }

    /// Tells if a revoked record had this key.
    pub(super) fn is_revoked(&self, key: &RecordKey) -> bool {
        self.revoked.iter().any(|record| record.keys.contains(key))
    }

    /// Takes over the use of those records of `live` that have more of it than these.
    pub(super) fn keep_usage_of(&mut self, live: &Self) {
        for record in &mut self.records {
            if let Some(live) =
                live.record(record.id).filter(|live| live.usage.last_used >= record.usage.last_used)
            {
                record.usage = live.usage.clone();
            }
        }
    }
}

/// Hash of a token, as the file holds it.
pub(super) fn token_hash(token: &str) -> String {
    hex(&blake3::derive_key(TOKEN_CONTEXT, token.as_bytes()))
}

/// The capability that `identity` gets for the ticket with this token. Always the same, so that a device whose first
/// answer was lost gets it again.
pub(super) fn device_capability(secret: &str, token: &str, identity: &str) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key(DEVICE_CONTEXT);
    for part in [secret, token, identity] {
        hasher.update(&(part.len() as u64).to_le_bytes()).update(part.as_bytes());
    }
    *hasher.finalize().as_bytes()
}

/// Bytes as hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

/// 32 bytes from hexadecimal digits.
pub(super) fn unhex(text: &str) -> Option<[u8; 32]> {
    data_encoding::HEXLOWER.decode(text.as_bytes()).ok()?.try_into().ok()
}
