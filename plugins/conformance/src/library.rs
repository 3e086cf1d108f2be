//! The checks of a loaded library. Each is named, so that a process of its own can run it: a bad library may end that
//! process or never come back.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use media_plugin_host::{Folders, Inspected, Kind, Registry, Sources, inspect};
use media_plugin_sdk::{AudioFormat, Codec, Limits, Open, PluginError, SampleType, SourceFormat};

use crate::{
    During, Failure,
    codec::{self, Case},
    output, require,
};

/// How to run a check.
#[derive(Debug, Clone, Default)]
pub struct How<'a> {
    /// Which damage is done to packets.
    pub seed: u64,
    /// What outputs open, empty for their default.
    pub target: &'a str,
    /// The options of the codec or output: one JSON object, or empty.
    pub options: &'a str,
}

/// What a codec is asked to encode. It may say that one of them is not for it.
const SOURCES: [SourceFormat; 3] = [
    SourceFormat { format: AudioFormat { rate: 48_000, channels: 2 }, sample: SampleType::S16 },
    SourceFormat { format: AudioFormat { rate: 44_100, channels: 1 }, sample: SampleType::S24 },
    SourceFormat { format: AudioFormat { rate: 96_000, channels: 6 }, sample: SampleType::S16 },
];

/// The least signal to noise of a lossy codec, in dB: enough to tell music from noise.
const LEAST_SNR: f64 = 6.0;

type CodecCheck = fn(&Arc<dyn Codec>, &Case<'_>) -> Result<(), Failure>;
const CODEC: [(&str, CodecCheck); 3] =
    [("buffers", codec::check_buffers), ("threads", codec::check_threads), ("leaks", codec::check_leaks)];

/// The names of all checks of this library, in the order in which to run them.
#[must_use]
pub fn checks(library: &Inspected) -> Vec<String> {
    let mut names = vec!["description".into()];
    for plugin in &library.plugins {
        let mut add = |what: &str| names.push(format!("{}:{}/{what}", plugin.kind, plugin.id));
        add("contract");
        if plugin.kind == Kind::Codec {
            CODEC.iter().for_each(|(what, _)| add(what));
        }
    }
    names
}

/// Runs one of the [`checks`] of a library, in this process.
///
/// # Errors
/// The first rule that is broken.
pub fn run(file: &Path, name: &str, how: &How<'_>) -> Result<(), Failure> {
    let library = inspect(file).map_err(|e| Failure::new("loads", e.to_string()))?;
    if name == "description" {
        return describes_itself(&library);
    }
    let plugin = library.plugins.iter().find_map(|it| {
        let what = name.strip_prefix(&format!("{}:{}/", it.kind, it.id))?;
        Some((it.kind, it.id.as_str(), what))
    });
    let Some((kind, id, what)) = plugin else {
        return Err(Failure::new("exists", format!("there is no check {name}")));
    };
    let registry = only(&library);
    let unknown = |e: media_plugin_host::HostError| Failure::new("is loaded", e.to_string());
    if kind == Kind::Output {
        let format = SOURCES[0].format;
        let open = Open { target: how.target, format, sample: SampleType::S16, options: how.options };
        return output::check_guarded(registry.output(id).map_err(unknown)?.as_ref(), &open);
    }
    codec_check(&registry.codec(id).map_err(unknown)?, what, how)
}

/// A registry in which the library's own plugins stand, whatever is built in.
fn only(library: &Inspected) -> Registry {
    let provider = |it: &media_plugin_host::Listing| (it.id.clone(), library.note.id.clone());
    let prefer: BTreeMap<_, _> = library.plugins.iter().map(provider).collect();
    let folders = Folders { named: vec![library.path.clone()], ..Folders::default() };
    Registry::load(&Sources { folders, prefer, ..Sources::default() })
}

fn describes_itself(library: &Inspected) -> Result<(), Failure> {
    for it in &library.plugins {
        let words = !it.version.is_empty() && !it.description.is_empty();
        require(
            words,
            "describes itself",
            format!("{} {} lacks a version or a description", it.kind, it.id),
        )?;
    }
    Ok(())
}

fn codec_check(codec: &Arc<dyn Codec>, what: &str, how: &How<'_>) -> Result<(), Failure> {
    let least_snr = if codec.info().lossless { f64::INFINITY } else { LEAST_SNR };
    let mut refused = Vec::new();
    for source in SOURCES {
        let case = Case { source, limits: Limits::default(), options: how.options, least_snr };
        match codec.propose(&source, &case.limits, how.options) {
            Err(PluginError::Unsupported(why)) => {
                refused.push(why);
                continue;
            }
            other => other.during("proposes")?,
        };
        match CODEC.iter().find(|(name, _)| *name == what) {
            Some((_, check)) => check(codec, &case)?,
            None => codec::check_seeded(codec.clone(), &case, how.seed)?,
        }
    }
    require(refused.len() < SOURCES.len(), "encodes something", refused.join("; "))
}
