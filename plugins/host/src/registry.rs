use std::sync::Arc;

use media_plugin_sdk::{
    Codec, CodecRegistration, OutputPlugin, OutputRegistration, inventory,
    transport::{Transport, TransportRegistration},
};

use crate::{
    candidates::{Candidates, Provider, Table, Tables},
    error::HostError,
    listing::{Kind, Listing},
    load_options::LoadOptions,
    loader,
};

/// All plugins of this process, by kind and id. Immutable once made, and shared by all threads.
pub struct Registry {
    tables: Tables,
}

impl Registry {
    /// Registry of the linked-in plugins. [`Registry::problems`] names duplicate and malformed ones, which are skipped.
    #[must_use]
    pub fn built_in() -> Self {
        Self::load(&LoadOptions::default())
    }

    /// Registry of the linked-in plugins and those of the libraries on the search path.
    ///
    /// If several plugins have the same id, the one that `prefer` names wins, then the built-in one, then the first on
    /// the search path. A library that cannot be loaded adds one line to [`Registry::problems`] and affects no other.
    ///
    /// Opening a library runs its code in this process, with all rights of the node. The library stays open as long as
    /// the process runs; a second registry uses it as the first one opened it.
    #[must_use]
    pub fn load(options: &LoadOptions) -> Self {
        loader::install_log();
        let mut candidates = Candidates::built_in(
            inventory::iter::<CodecRegistration>().map(|registration| registration.0),
            inventory::iter::<OutputRegistration>().map(|registration| registration.0),
            inventory::iter::<TransportRegistration>().map(|registration| registration.0),
        );
        let (files, problems) = loader::scan(&options.search_path);
        candidates.problems.extend(problems);
        for (file, rank) in files.iter().zip(1..) {
            if options.wants(&file.note) {
                match loader::open(file) {
                    Ok(library) => candidates.add_library(library, &Provider::loaded(file, rank)),
                    Err(problem) => candidates.problems.push(problem),
                }
            }
        }
        Self { tables: candidates.choose(options) }
    }

    /// Registry of the plugins that these constructors make, for tests and for plugins that are not linked in. Each
    /// constructor is called once.
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
        let candidates = Candidates::built_in(codecs, outputs, transports);
        Self { tables: candidates.choose(&LoadOptions::default()) }
    }

    /// Returns the codec with this id, guarded.
    ///
    /// # Errors
    /// [`HostError::Unknown`] with the ids that exist.
    pub fn codec(&self, id: &str) -> Result<Arc<dyn Codec>, HostError> {
        find(&self.tables.codecs, Kind::Codec, id)
    }

    /// Returns the output with this id, guarded.
    ///
    /// # Errors
    /// [`HostError::Unknown`] with the ids that exist.
    pub fn output(&self, id: &str) -> Result<Arc<dyn OutputPlugin>, HostError> {
        find(&self.tables.outputs, Kind::Output, id)
    }

    /// Returns the transport with this id, unguarded.
    ///
    /// # Errors
    /// [`HostError::Unknown`] with the ids that exist.
    pub fn transport(&self, id: &str) -> Result<Arc<dyn Transport>, HostError> {
        find(&self.tables.transports, Kind::Transport, id)
    }

    /// All codecs, sorted by id.
    pub fn codecs(&self) -> impl Iterator<Item = &Arc<dyn Codec>> {
        self.tables.codecs.values().map(|codec| &codec.plugin)
    }

    /// All outputs, sorted by id.
    pub fn outputs(&self) -> impl Iterator<Item = &Arc<dyn OutputPlugin>> {
        self.tables.outputs.values().map(|output| &output.plugin)
    }

    /// All transports, sorted by id.
    pub fn transports(&self) -> impl Iterator<Item = &Arc<dyn Transport>> {
        self.tables.transports.values().map(|transport| &transport.plugin)
    }

    /// Listing of all plugins, sorted by kind and id.
    #[must_use]
    pub fn list(&self) -> Vec<Listing> {
        let codecs = self.tables.codecs.values().map(|codec| &codec.listing);
        let outputs = self.tables.outputs.values().map(|output| &output.listing);
        let transports = self.tables.transports.values().map(|transport| &transport.listing);
        codecs.chain(outputs).chain(transports).cloned().collect()
    }

    /// Plugins and libraries that were skipped, with the reasons.
    #[must_use]
    pub fn problems(&self) -> &[HostError] {
        &self.tables.problems
    }
}

fn find<T: ?Sized>(table: &Table<T>, kind: Kind, id: &str) -> Result<Arc<T>, HostError> {
    table.get(id).map(|candidate| candidate.plugin.clone()).ok_or_else(|| HostError::Unknown {
        kind,
        id: id.into(),
        known: table.keys().cloned().collect(),
    })
}
