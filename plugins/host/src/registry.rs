mod table;

use std::{collections::BTreeMap, fmt, path::PathBuf, sync::Arc};

use media_plugin_sdk::{
    Codec, CodecRegistration, OutputPlugin, OutputRegistration,
    guard::caught,
    inventory,
    transport::{Transport, TransportRegistration},
};
use serde::{Deserialize, Serialize};

use self::table::{Entry, Found, Table, find, is_as_preferred, kept, table};
use crate::{
    Folders, HostError, Kind, Scanned, check, guard_codec, guard_output,
    load::{self, Library},
};

/// Where a plugin comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Origin {
    /// Linked into the binary.
    BuiltIn,
    /// Loaded from this file.
    Loaded(PathBuf),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BuiltIn => f.pad("built in"),
            Self::Loaded(path) => path.display().fmt(f),
        }
    }
}

/// One line of `plugins list`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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

/// Where plugins come from beside those that are built in, and which of them are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sources {
    /// Where libraries are looked for.
    pub folders: Folders,
    /// What to leave out, built in or loaded: ids of codecs, outputs or whole libraries.
    pub disable: Vec<String>,
    /// Who provides a codec or output that several have, by its id: the id of a library, or `built-in`.
    pub prefer: BTreeMap<String, String>,
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
        Self::load(&Sources::default())
    }

    /// The plugins that are linked in and those of the libraries in `sources`. Of two with the same id, the built-in one
    /// counts, then the one that was found first, unless `prefer` says otherwise. A library that cannot be loaded is one
    /// line in [`Registry::problems`] and stops nobody else.
    ///
    /// A library runs code of its own when it is opened, in this process: it can do whatever the node can. It stays open
    /// for as long as the process runs, and a second registry takes it as the first one found it.
    #[must_use]
    pub fn load(sources: &Sources) -> Self {
        load::install_log();
        let mut all = Candidates::built_in(
            inventory::iter::<CodecRegistration>().map(|r| r.0),
            inventory::iter::<OutputRegistration>().map(|r| r.0),
            inventory::iter::<TransportRegistration>().map(|r| r.0),
        );
        let (libraries, problems) = load::scan(&sources.folders);
        all.problems.extend(problems);
        for (library, found) in libraries.iter().zip(1..) {
            if sources.wants(library) {
                match load::open(library) {
                    Ok(open) => all.library(open, &Found::loaded(library, found)),
                    Err(problem) => all.problems.push(problem),
                }
            }
        }
        all.choose(sources)
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
        Candidates::built_in(codecs, outputs, transports).choose(&Sources::default())
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

impl Sources {
    fn disables(&self, id: &str) -> bool {
        self.disable.iter().any(|it| it == id)
    }

    /// Whether anything of a library is wanted: one that is not is not opened at all.
    fn wants(&self, library: &Scanned) -> bool {
        !self.disables(&library.note.id) && !library.note.provides.iter().all(|(_, id)| self.disables(id))
    }
}

/// All that could be in a registry, several of an id among them.
#[derive(Default)]
struct Candidates {
    codecs: Vec<Entry<dyn Codec>>,
    outputs: Vec<Entry<dyn OutputPlugin>>,
    transports: Vec<Entry<dyn Transport>>,
    problems: Vec<HostError>,
}

impl Candidates {
    fn built_in<C, O, T>(
        codecs: impl IntoIterator<Item = C>,
        outputs: impl IntoIterator<Item = O>,
        transports: impl IntoIterator<Item = T>,
    ) -> Self
    where
        C: FnOnce() -> Box<dyn Codec>,
        O: FnOnce() -> Box<dyn OutputPlugin>,
        T: FnOnce() -> Box<dyn Transport>,
    {
        let mut all = Self::default();
        let found = Found::built_in();
        codecs.into_iter().for_each(|make| all.codec(make, &found));
        outputs.into_iter().for_each(|make| all.output(make, &found));
        transports.into_iter().for_each(|make| all.transport(make));
        all
    }

    fn codec(&mut self, make: impl FnOnce() -> Box<dyn Codec>, found: &Found) {
        let entry = guard_codec(make).map(|it| Entry::codec(it, found.clone()));
        self.codecs.extend(kept(Kind::Codec, entry, &mut self.problems));
    }

    fn output(&mut self, make: impl FnOnce() -> Box<dyn OutputPlugin>, found: &Found) {
        let entry = guard_output(make).map(|it| Entry::output(it, found.clone()));
        self.outputs.extend(kept(Kind::Output, entry, &mut self.problems));
    }

    fn transport(&mut self, make: impl FnOnce() -> Box<dyn Transport>) {
        let entry = caught(|| {
            let entry = Entry::transport(Arc::from(make()));
            check::id(&entry.listing.id)?;
            Ok(entry)
        });
        self.transports.extend(kept(Kind::Transport, entry, &mut self.problems));
    }

    fn library(&mut self, library: &Library, found: &Found) {
        library.codecs.iter().for_each(|it| self.codec(|| Box::new(it.clone()), found));
        library.outputs.iter().for_each(|it| self.output(|| Box::new(it.clone()), found));
    }

    fn choose(self, sources: &Sources) -> Registry {
        let mut problems = self.problems;
        let codecs = table(self.codecs, sources, &mut problems);
        let outputs = table(self.outputs, sources, &mut problems);
        let transports = table(self.transports, sources, &mut problems);
        for (id, provider) in &sources.prefer {
            let tables = [is_as_preferred(&codecs, id, sources), is_as_preferred(&outputs, id, sources)];
            if !tables.contains(&Some(true)) {
                problems.push(HostError::NotProvided { id: id.clone(), provider: provider.clone() });
            }
        }
        Registry { codecs, outputs, transports, problems }
    }
}
