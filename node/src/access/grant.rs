use std::{fmt, future::pending, sync::Arc, time::Duration};

use tokio::time::sleep;

use super::{
    live_records::LiveRecords,
    record::{AccessRecord, Bounds, Right, Rights},
    refusal::AccessRefusal,
};

/// Longest wait for an expiry before the clock is read again. A system's clock can be set, and stands still for timers
/// while the machine sleeps.
const RECHECK: Duration = Duration::from_secs(20);

/// Rights and bounds of an admitted peer. Clones share one record.
#[derive(Clone)]
pub struct Grant {
    label: Arc<str>,
    listener: Arc<str>,
    rights: Rights,
    bounds: Arc<Bounds>,
    /// Records and the id of this grant's own; `None` for a grant that no record limits.
    record: Option<(Arc<LiveRecords>, u64)>,
}

impl fmt::Debug for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grant")
            .field("label", &self.label)
            .field("rights", &self.rights)
            .finish_non_exhaustive()
    }
}

impl Grant {
    /// A grant of these rights without bounds, which never ends. `listener` is its listener and label.
    #[must_use]
    pub fn unbounded(listener: &str, rights: Rights) -> Self {
        Self {
            label: listener.into(),
            listener: listener.into(),
            rights,
            bounds: Arc::default(),
            record: None,
        }
    }

    /// The grant of a record.
    pub(super) fn of(live: &Arc<LiveRecords>, record: &AccessRecord) -> Self {
        Self {
            label: record.label.as_str().into(),
            listener: record.listener.as_str().into(),
            rights: record.rights,
            bounds: Arc::new(record.bounds.clone()),
            record: Some((Arc::clone(live), record.id)),
        }
    }

    /// Label of the record.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Listener name of the record. Nothing in this version reads it.
    #[must_use]
    pub fn listener(&self) -> &str {
        &self.listener
    }

    /// Rights besides listening.
    #[must_use]
    pub fn rights(&self) -> Rights {
        self.rights
    }

    /// Bounds. They never change during the life of a grant.
    #[must_use]
    pub fn bounds(&self) -> &Bounds {
        &self.bounds
    }

    /// Checks a request that needs `right`. Each door calls it for each request.
    ///
    /// # Errors
    /// `NoRight`, `Revoked`, `Expired`, `OverQuota`.
    pub fn check(&self, right: Right) -> Result<(), AccessRefusal> {
        if let Some((live, id)) = &self.record {
            live.check(*id)?;
        }
        if self.rights.has(right) { Ok(()) } else { Err(AccessRefusal::NoRight(right)) }
    }

    /// Counts bytes that are about to be sent to the peer, for the quota and the list.
    ///
    /// # Errors
    /// `OverQuota` if they exceed the quota; the caller must not send them. `Revoked`, `Expired`.
    pub fn charge(&self, bytes: usize) -> Result<(), AccessRefusal> {
        match &self.record {
            Some((live, id)) => live.charge(*id, bytes as u64),
            None => Ok(()),
        }
    }

    /// Waits until the grant ends, and returns the reason: `Revoked` or `Expired`. Cancel-safe.
    pub async fn ended(&self) -> AccessRefusal {
        let Some((live, id)) = &self.record else { return pending().await };
        let mut changes = live.changes();
        loop {
            changes.mark_unchanged();
            let expires = match live.validity(*id) {
                Ok(expires) => expires,
                Err(refusal) => return refusal,
            };
            let remaining = expires.map(|at| Duration::from_secs(at).saturating_sub(live.now()));
            tokio::select! {
                // The sender lives in `live`, so this never fails.
                _ = changes.changed() => {}
                () = sleep(remaining.unwrap_or_default().min(RECHECK)), if remaining.is_some() => {}
            }
        }
    }
}
