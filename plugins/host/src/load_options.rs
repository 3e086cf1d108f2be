use std::collections::BTreeMap;

use crate::loader::{AbiNote, SearchPath};

/// Libraries to load, and plugins to disable or to prefer: the `[plugins]` table of the configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LoadOptions {
    /// Places that are searched for libraries.
    pub search_path: SearchPath,
    /// Ids of codecs, outputs or whole libraries to skip, built in or loaded.
    pub disable: Vec<String>,
    /// Provider of a codec or output that several have: plugin id to library id, or to `built-in`.
    pub prefer: BTreeMap<String, String>,
}

impl LoadOptions {
    /// True if `disable` names this id.
    pub(crate) fn disables(&self, id: &str) -> bool {
        self.disable.iter().any(|disabled| disabled == id)
    }

    /// True if any plugin of the library is enabled. The registry does not open a library without one.
    pub(crate) fn wants(&self, note: &AbiNote) -> bool {
        !self.disables(&note.id) && !note.provides.iter().all(|(_, id)| self.disables(id))
    }

    /// True if `prefer` takes the plugin from this provider.
    pub(crate) fn prefers(&self, plugin: &str, provider: &str) -> bool {
        self.prefer.get(plugin).is_some_and(|preferred| preferred == provider)
    }
}
