use std::{fmt, sync::Arc};

/// Identity to which the server counts quotas and fair shares. All connections of one peer are one caller.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Caller(Arc<str>);

impl Caller {
    /// The peer with this transport identity.
    #[must_use]
    pub fn peer(id: &str) -> Self {
        Self(id.into())
    }
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Caller({:?})", &self.0)
    }
}
