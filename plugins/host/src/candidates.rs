use std::{collections::BTreeMap, sync::Arc};

use media_plugin_sdk::{Codec, OutputPlugin, PluginError, transport::Transport};

use super::{Listing, Origin, Sources};
use crate::{HostError, Kind, Provider, Scanned};

pub(super) type Table<T> = BTreeMap<String, Entry<T>>;

/// What configuration calls the node itself, as the provider of a plugin.
const BUILT_IN: &str = "built-in";

/// Where an entry comes from, and when it was found: 0 for what is built in.
#[derive(Clone)]
pub(super) struct Found {
    origin: Origin,
    library: String,
    order: usize,
}

impl Found {
    pub(super) fn built_in() -> Self {
        Self { origin: Origin::BuiltIn, library: BUILT_IN.into(), order: 0 }
    }

    pub(super) fn loaded(scanned: &Scanned, order: usize) -> Self {
        Self { origin: Origin::Loaded(scanned.path.clone()), library: scanned.note.id.clone(), order }
    }
}

pub(super) struct Entry<T: ?Sized> {
    pub(super) listing: Listing,
    pub(super) plugin: Arc<T>,
    found: Found,
}

impl Entry<dyn Codec> {
    pub(super) fn codec(plugin: Arc<dyn Codec>, found: Found) -> Self {
        let info = plugin.info();
        Self::new(Kind::Codec, info.id, info.version, info.description, plugin, found)
    }
}

impl Entry<dyn OutputPlugin> {
    pub(super) fn output(plugin: Arc<dyn OutputPlugin>, found: Found) -> Self {
        let info = plugin.info();
        Self::new(Kind::Output, info.id, info.version, info.description, plugin, found)
    }
}

impl Entry<dyn Transport> {
    pub(super) fn transport(plugin: Arc<dyn Transport>) -> Self {
        let info = plugin.info();
        Self::new(Kind::Transport, info.id, info.version, info.description, plugin, Found::built_in())
    }
}

impl<T: ?Sized> Entry<T> {
    fn new(
        kind: Kind,
        id: String,
        version: String,
        description: String,
        plugin: Arc<T>,
        found: Found,
    ) -> Self {
        let origin = found.origin.clone();
        Self { listing: Listing { kind, id, version, origin, description }, plugin, found }
    }

    fn provider(&self) -> Provider {
        Provider { version: self.listing.version.clone(), origin: self.found.origin.clone() }
    }

    fn is_preferred(&self, sources: &Sources) -> bool {
        sources.prefer.get(&self.listing.id) == Some(&self.found.library)
    }
}

/// An entry, or the problem with it.
pub(super) fn kept<T: ?Sized>(
    kind: Kind,
    entry: Result<Entry<T>, PluginError>,
    problems: &mut Vec<HostError>,
) -> Option<Entry<T>> {
    entry.map_err(|e| problems.push(HostError::Refused { kind, why: e.to_string() })).ok()
}

/// One entry for each id that is not disabled. Sorted before duplicates are dropped, because the order in which built-in
/// plugins register differs between builds.
pub(super) fn table<T: ?Sized>(
    mut entries: Vec<Entry<T>>,
    sources: &Sources,
    problems: &mut Vec<HostError>,
) -> Table<T> {
    entries.retain(|it| !sources.disables(&it.listing.id) && !sources.disables(&it.found.library));
    entries.sort_by(|a, b| {
        let key = |it: &Entry<T>| (!it.is_preferred(sources), it.found.order);
        let same = |it: &Entry<T>| (it.listing.version.clone(), it.listing.description.clone());
        key(a).cmp(&key(b)).then_with(|| same(a).cmp(&same(b)))
    });
    let mut table = Table::<T>::new();
    for entry in entries {
        let id = entry.listing.id.clone();
        match table.get(&id) {
            None => drop(table.insert(id, entry)),
            // Whoever pinned one knows that there are others.
            Some(kept) if kept.is_preferred(sources) && !entry.is_preferred(sources) => {}
            Some(kept) => problems.push(HostError::Duplicate {
                kind: entry.listing.kind,
                id,
                kept: kept.provider(),
                dropped: entry.provider(),
            }),
        }
    }
    table
}

/// Whether this table has the id from its preferred provider; `None` when it does not have the id at all.
pub(super) fn is_as_preferred<T: ?Sized>(table: &Table<T>, id: &str, sources: &Sources) -> Option<bool> {
    table.get(id).map(|it| it.is_preferred(sources))
}

pub(super) fn find<T: ?Sized>(table: &Table<T>, kind: Kind, id: &str) -> Result<Arc<T>, HostError> {
    table.get(id).map(|e| e.plugin.clone()).ok_or_else(|| HostError::Unknown {
        kind,
        id: id.into(),
        known: table.keys().cloned().collect(),
    })
}
