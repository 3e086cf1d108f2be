use std::{collections::BTreeMap, sync::Arc};

use media_plugin_sdk::{Codec, OutputPlugin, PluginError, guard::catch_panic, transport::Transport};

use crate::{
    bounds,
    error::{HostError, PluginCopy},
    guard::{guard_codec, guard_output},
    listing::{Kind, Listing, PluginOrigin},
    load_options::LoadOptions,
    loader::{Library, LibraryFile},
};

/// Plugins of one kind by id.
pub(crate) type Table<T> = BTreeMap<String, Candidate<T>>;

/// Name of the node itself as a provider, in `plugins.prefer`.
const BUILT_IN: &str = "built-in";

/// Provider of candidates, with its rank in the search order: 0 for built-in plugins.
#[derive(Clone)]
pub(crate) struct Provider {
    origin: PluginOrigin,
    id: String,
    rank: usize,
}

impl Provider {
    pub(crate) fn built_in() -> Self {
        Self { origin: PluginOrigin::BuiltIn, id: BUILT_IN.into(), rank: 0 }
    }

    pub(crate) fn loaded(file: &LibraryFile, rank: usize) -> Self {
        Self { origin: PluginOrigin::Loaded(file.path.clone()), id: file.note.id.clone(), rank }
    }
}

/// Plugin that could enter the registry, with its listing and provider.
pub(crate) struct Candidate<T: ?Sized> {
    pub(crate) listing: Listing,
    pub(crate) plugin: Arc<T>,
    provider: Provider,
}

impl Candidate<dyn Codec> {
    fn codec(plugin: Arc<dyn Codec>, provider: Provider) -> Self {
        let info = plugin.info();
        Self::new(Kind::Codec, info.id, info.version, info.description, plugin, provider)
    }
}

impl Candidate<dyn OutputPlugin> {
    fn output(plugin: Arc<dyn OutputPlugin>, provider: Provider) -> Self {
        let info = plugin.info();
        Self::new(Kind::Output, info.id, info.version, info.description, plugin, provider)
    }
}

impl Candidate<dyn Transport> {
    fn transport(plugin: Arc<dyn Transport>) -> Self {
        let info = plugin.info();
        Self::new(Kind::Transport, info.id, info.version, info.description, plugin, Provider::built_in())
    }
}

impl<T: ?Sized> Candidate<T> {
    fn new(
        kind: Kind,
        id: String,
        version: String,
        description: String,
        plugin: Arc<T>,
        provider: Provider,
    ) -> Self {
        let origin = provider.origin.clone();
        Self { listing: Listing { kind, id, version, origin, description }, plugin, provider }
    }

    fn copy(&self) -> PluginCopy {
        PluginCopy { version: self.listing.version.clone(), origin: self.provider.origin.clone() }
    }

    fn is_preferred(&self, options: &LoadOptions) -> bool {
        options.prefers(&self.listing.id, &self.provider.id)
    }
}

/// All plugins found, maybe several with the same id.
#[derive(Default)]
pub(crate) struct Candidates {
    codecs: Vec<Candidate<dyn Codec>>,
    outputs: Vec<Candidate<dyn OutputPlugin>>,
    transports: Vec<Candidate<dyn Transport>>,
    pub(crate) problems: Vec<HostError>,
}

/// One plugin for each id, and the reasons for which others were skipped.
pub(crate) struct Tables {
    pub(crate) codecs: Table<dyn Codec>,
    pub(crate) outputs: Table<dyn OutputPlugin>,
    pub(crate) transports: Table<dyn Transport>,
    pub(crate) problems: Vec<HostError>,
}

impl Candidates {
    pub(crate) fn built_in<C, O, T>(
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
        let provider = Provider::built_in();
        codecs.into_iter().for_each(|make| all.add_codec(make, &provider));
        outputs.into_iter().for_each(|make| all.add_output(make, &provider));
        transports.into_iter().for_each(|make| all.add_transport(make));
        all
    }

    pub(crate) fn add_library(&mut self, library: &Library, provider: &Provider) {
        library.codecs.iter().for_each(|codec| self.add_codec(|| Box::new(codec.clone()), provider));
        library.outputs.iter().for_each(|output| self.add_output(|| Box::new(output.clone()), provider));
    }

    fn add_codec(&mut self, make: impl FnOnce() -> Box<dyn Codec>, provider: &Provider) {
        let candidate = guard_codec(make).map(|plugin| Candidate::codec(plugin, provider.clone()));
        let accepted = self.accept(Kind::Codec, candidate);
        self.codecs.extend(accepted);
    }

    fn add_output(&mut self, make: impl FnOnce() -> Box<dyn OutputPlugin>, provider: &Provider) {
        let candidate = guard_output(make).map(|plugin| Candidate::output(plugin, provider.clone()));
        let accepted = self.accept(Kind::Output, candidate);
        self.outputs.extend(accepted);
    }

    fn add_transport(&mut self, make: impl FnOnce() -> Box<dyn Transport>) {
        let candidate = catch_panic(|| {
            let candidate = Candidate::transport(Arc::from(make()));
            bounds::check_id(&candidate.listing.id)?;
            Ok(candidate)
        });
        let accepted = self.accept(Kind::Transport, candidate);
        self.transports.extend(accepted);
    }

    /// Records the error of a plugin that could not be made.
    fn accept<T: ?Sized>(
        &mut self,
        kind: Kind,
        candidate: Result<Candidate<T>, PluginError>,
    ) -> Option<Candidate<T>> {
        candidate.map_err(|e| self.problems.push(HostError::Refused { kind, why: e.to_string() })).ok()
    }

    /// Chooses one plugin for each id.
    pub(crate) fn choose(self, options: &LoadOptions) -> Tables {
        let mut problems = self.problems;
        let codecs = choose(self.codecs, options, &mut problems);
        let outputs = choose(self.outputs, options, &mut problems);
        let transports = choose(self.transports, options, &mut problems);
        for (id, provider) in &options.prefer {
            let is_met = codecs.get(id).is_some_and(|codec| codec.is_preferred(options))
                || outputs.get(id).is_some_and(|output| output.is_preferred(options));
            if !is_met {
                problems.push(HostError::NotProvided { id: id.clone(), provider: provider.clone() });
            }
        }
        Tables { codecs, outputs, transports, problems }
    }
}

/// Keeps one candidate for each id that is not disabled: the preferred one, else the first in the search order.
///
/// Built-in plugins register in an order that differs between builds. Sorting makes the choice the same in every build.
fn choose<T: ?Sized>(
    mut candidates: Vec<Candidate<T>>,
    options: &LoadOptions,
    problems: &mut Vec<HostError>,
) -> Table<T> {
    candidates.retain(|candidate| {
        !options.disables(&candidate.listing.id) && !options.disables(&candidate.provider.id)
    });
    candidates.sort_by_cached_key(|candidate| {
        let Listing { version, description, .. } = &candidate.listing;
        let rank = (!candidate.is_preferred(options), candidate.provider.rank);
        (rank, version.clone(), description.clone())
    });
    let mut table = Table::<T>::new();
    for candidate in candidates {
        let id = candidate.listing.id.clone();
        match table.get(&id) {
            None => drop(table.insert(id, candidate)),
            // A person who prefers one provider knows about the others.
            Some(kept) if kept.is_preferred(options) && !candidate.is_preferred(options) => {}
            Some(kept) => problems.push(HostError::Duplicate {
                kind: candidate.listing.kind,
                id,
                kept: kept.copy(),
                dropped: candidate.copy(),
            }),
        }
    }
    table
}
