use std::{collections::BTreeMap, fmt, sync::Arc};

use media_plugin_sdk::{
    Codec, CodecRegistration, OutputPlugin, OutputRegistration, PluginError, inventory,
    transport::{Transport, TransportRegistration},
};
use serde::Serialize;

use crate::{HostError, Kind, check, guard::caught, guard_codec, guard_output};

/// Where a plugin comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Origin {
    /// Linked into the binary.
    BuiltIn,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BuiltIn => f.pad("built in"),
        }
    }
}

/// One line of `plugins list`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Listing {
    /// What it is.
    pub kind: Kind,
    /// Its id, unique among its kind.
    pub id: String,
    /// Its version.
    pub version: String,
    /// Where it comes from.
    pub origin: Origin,
    /// One line in its own words.
    pub description: String,
}

/// All plugins of this process, by kind and id. Immutable once made; share it freely.
pub struct Registry {
    codecs: Table<dyn Codec>,
    outputs: Table<dyn OutputPlugin>,
    transports: Table<dyn Transport>,
    problems: Vec<HostError>,
}

impl Registry {
    /// The plugins that are linked in. A duplicate or malformed one is left out and named in [`Registry::problems`].
    #[must_use]
    pub fn built_in() -> Self {
        Self::new(
            inventory::iter::<CodecRegistration>().map(|r| r.0),
            inventory::iter::<OutputRegistration>().map(|r| r.0),
            inventory::iter::<TransportRegistration>().map(|r| r.0),
        )
    }

    /// The plugins that these constructors make, each called once; for tests, and for what is not linked in.
    pub fn new<C, O, T>(
        codecs: impl IntoIterator<Item = C>,
        outputs: impl IntoIterator<Item = O>,
        transports: impl IntoIterator<Item = T>,
    ) -> Self
    where
        C: FnOnce() -> Box<dyn Codec>,
        O: FnOnce() -> Box<dyn OutputPlugin>,
        T: FnOnce() -> Box<dyn Transport>,
    {
        let mut problems = Vec::new();
        let codecs = codecs.into_iter().map(|make| {
            let codec = guard_codec(make)?;
            let info = codec.info();
            Ok(Entry::new(Kind::Codec, info.id, info.version, info.description, codec))
        });
        let codecs = table(Kind::Codec, codecs, &mut problems);
        let outputs = outputs.into_iter().map(|make| {
            let output = guard_output(make)?;
            let info = output.info();
            Ok(Entry::new(Kind::Output, info.id, info.version, info.description, output))
        });
        let outputs = table(Kind::Output, outputs, &mut problems);
        let transports = transports.into_iter().map(|make| {
            let transport: Arc<dyn Transport> = Arc::from(caught(|| Ok(make()))?);
            let info = caught(|| Ok(transport.info()))?;
            check::id(&info.id)?;
            Ok(Entry::new(Kind::Transport, info.id, info.version, info.description, transport))
        });
        let transports = table(Kind::Transport, transports, &mut problems);
        Self { codecs, outputs, transports, problems }
    }

    /// The codec with that id, guarded.
    ///
    /// # Errors
    /// [`HostError::Unknown`] with the ids that there are.
    pub fn codec(&self, id: &str) -> Result<Arc<dyn Codec>, HostError> {
        find(&self.codecs, Kind::Codec, id)
    }

    /// The output with that id, guarded.
    ///
    /// # Errors
    /// [`HostError::Unknown`] with the ids that there are.
    pub fn output(&self, id: &str) -> Result<Arc<dyn OutputPlugin>, HostError> {
        find(&self.outputs, Kind::Output, id)
    }

    /// The transport with that id.
    ///
    /// # Errors
    /// [`HostError::Unknown`] with the ids that there are.
    pub fn transport(&self, id: &str) -> Result<Arc<dyn Transport>, HostError> {
        find(&self.transports, Kind::Transport, id)
    }

    /// All codecs, sorted by id.
    pub fn codecs(&self) -> impl Iterator<Item = &Arc<dyn Codec>> {
        self.codecs.values().map(|e| &e.plugin)
    }

    /// All outputs, sorted by id.
    pub fn outputs(&self) -> impl Iterator<Item = &Arc<dyn OutputPlugin>> {
        self.outputs.values().map(|e| &e.plugin)
    }

    /// All transports, sorted by id.
    pub fn transports(&self) -> impl Iterator<Item = &Arc<dyn Transport>> {
        self.transports.values().map(|e| &e.plugin)
    }

    /// All plugins, sorted by kind and id.
    #[must_use]
    pub fn list(&self) -> Vec<Listing> {
        let codecs = self.codecs.values().map(|e| &e.listing);
        let outputs = self.outputs.values().map(|e| &e.listing);
        let transports = self.transports.values().map(|e| &e.listing);
        codecs.chain(outputs).chain(transports).cloned().collect()
    }

    /// What was left out, and why.
    #[must_use]
    pub fn problems(&self) -> &[HostError] {
        &self.problems
    }
}

type Table<T> = BTreeMap<String, Entry<T>>;

struct Entry<T: ?Sized> {
    listing: Listing,
    plugin: Arc<T>,
}

impl<T: ?Sized> Entry<T> {
    fn new(kind: Kind, id: String, version: String, description: String, plugin: Arc<T>) -> Self {
        Self { listing: Listing { kind, id, version, origin: Origin::BuiltIn, description }, plugin }
    }
}

/// Sorted before duplicates are dropped, because the order in which plugins register differs between builds.
fn table<T: ?Sized>(
    kind: Kind,
    entries: impl Iterator<Item = Result<Entry<T>, PluginError>>,
    problems: &mut Vec<HostError>,
) -> Table<T> {
    let (good, bad): (Vec<_>, Vec<_>) = entries.partition(Result::is_ok);
    problems.extend(
        bad.into_iter().filter_map(Result::err).map(|e| HostError::Refused { kind, why: e.to_string() }),
    );
    let mut good: Vec<Entry<T>> = good.into_iter().flatten().collect();
    good.sort_by(|a, b| key(&a.listing).cmp(&key(&b.listing)));

    let mut table = Table::<T>::new();
    for entry in good {
        let id = entry.listing.id.clone();
        match table.get(&id) {
            None => drop(table.insert(id, entry)),
            Some(kept) => problems.push(HostError::Duplicate {
                kind,
                id,
                kept: kept.listing.version.clone(),
                dropped: entry.listing.version,
            }),
        }
    }
    table
}

fn key(listing: &Listing) -> (&str, &str, &str) {
    (&listing.id, &listing.version, &listing.description)
}

fn find<T: ?Sized>(table: &Table<T>, kind: Kind, id: &str) -> Result<Arc<T>, HostError> {
    table.get(id).map(|e| e.plugin.clone()).ok_or_else(|| HostError::Unknown {
        kind,
        id: id.into(),
        known: table.keys().cloned().collect(),
    })
}
