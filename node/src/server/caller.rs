use std::{
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

use crate::access::{Grant, Rights};

/// Whoever makes a request: an identity that quotas and fair shares are counted for, with its rights and bounds. All
/// connections of one peer are one caller, whatever their grants.
#[derive(Clone)]
pub struct Caller {
    id: Arc<str>,
    grant: Grant,
}

impl Caller {
    /// The peer with this transport identity, with all rights of the owner.
    #[must_use]
    pub fn peer(id: &str) -> Self {
        Self::new(id, Grant::unbounded(id, Rights::OWNER))
    }

    /// The peer with this transport identity, with the rights and bounds of `grant`.
    #[must_use]
    pub fn new(id: &str, grant: Grant) -> Self {
        Self { id: id.into(), grant }
    }

    /// The rights and bounds.
    #[must_use]
    pub fn grant(&self) -> &Grant {
        &self.grant
    }
}

impl PartialEq for Caller {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for Caller {}

impl Hash for Caller {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.id.hash(state);
    }
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Caller({:?})", &self.id)
    }
}
