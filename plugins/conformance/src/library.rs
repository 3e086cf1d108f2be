//! Checks of a loaded library. Each has a name, so that it can run in a process of its own: a faulty library may end that
//! process or never return.

use std::{collections::BTreeMap, path::Path, sync::Arc, time::Instant};

use media_plugin_host::{
    HostError, Kind, LibraryDescription, LoadOptions, Registry, SearchPath, inspect, inspect_again, scan,
};
use media_plugin_sdk::{AudioFormat, Codec, Limits, OpenRequest, PluginError, SampleType, SourceFormat};

use crate::{
    codec::{self, Case},
    failure::{Breaks, Failure, require},
    fenced_buffer::Edge,
    measurements::Measurements,
    output,
};

/// Settings of a check.
#[derive(Debug, Clone, Default)]
pub struct CheckSettings<'a> {
    /// Seed of the damaged packets.
    pub seed: u64,
    /// Target that outputs open; empty for their default.
    pub target: &'a str,
    /// Options of the codec or output: a JSON object, or empty.
    pub options: &'a str,
}

/// Sources that a codec gets. It must accept at least one of them.
const SOURCES: [SourceFormat; 3] = [
    SourceFormat { format: AudioFormat { rate: 48_000, channels: 2 }, sample: SampleType::S16 },
    SourceFormat { format: AudioFormat { rate: 44_100, channels: 1 }, sample: SampleType::S24 },
    SourceFormat { format: AudioFormat { rate: 96_000, channels: 6 }, sample: SampleType::S16 },
];

/// Lowest signal-to-noise ratio of a lossy codec, in dB. A codec that returns noise instead of the track stays below it.
const MIN_LOSSY_SNR: f64 = 6.0;

/// Runs a check of a codec on one case, with the seed of the damaged packets.
type Run = fn(&Arc<dyn Codec>, &Case<'_>, u64) -> Result<Measurements, Failure>;

/// Check of a codec.
struct CodecCheck {
    name: &'static str,
    run: Run,
    /// Meaning of a memory fault during this check; empty if unknown.
    fault: &'static str,
}

const CODEC_CHECKS: [CodecCheck; 9] = [
    CodecCheck {
        name: "contract",
        run: |codec, case, seed| unmeasured(codec::check_seeded(codec.clone(), case, seed)),
        fault: "",
    },
    CodecCheck {
        name: "encode-overrun",
        run: |codec, case, _| unmeasured(codec::check_encode_buffers(codec, case, Edge::End)),
        fault: "encode reads or writes beyond the end of a buffer",
    },
    CodecCheck {
        name: "encode-underrun",
        run: |codec, case, _| unmeasured(codec::check_encode_buffers(codec, case, Edge::Start)),
        fault: "encode reads or writes before the start of a buffer",
    },
    CodecCheck {
        name: "decode-overrun",
        run: |codec, case, _| unmeasured(codec::check_decode_buffers(codec, case, Edge::End)),
        fault: "decode reads or writes beyond the end of a buffer",
    },
    CodecCheck {
        name: "decode-underrun",
        run: |codec, case, _| unmeasured(codec::check_decode_buffers(codec, case, Edge::Start)),
        fault: "decode reads or writes before the start of a buffer",
    },
    CodecCheck {
        name: "inputs",
        run: |codec, case, _| unmeasured(codec::check_inputs(codec, case)),
        fault: INPUT_FAULT,
    },
    CodecCheck {
        name: "threads",
        run: |codec, case, _| unmeasured(codec::check_threads(codec, case)),
        fault: "",
    },
    CodecCheck {
        name: "leaks",
        run: |codec, case, _| unmeasured(codec::check_leaks(codec, case)),
        fault: "",
    },
    CodecCheck { name: "speed", run: |codec, case, _| codec::measure(codec, case), fault: "" },
];

const INPUT_FAULT: &str = "the plugin writes to its input, or reads beyond the end of it";

fn unmeasured(outcome: Result<(), Failure>) -> Result<Measurements, Failure> {
    outcome.map(|()| Measurements::new())
}

/// Names of all checks of a library, in the order in which to run them.
#[must_use]
pub fn checks(library: &LibraryDescription) -> Vec<String> {
    let mut names = vec!["description".into(), "entry".into()];
    for plugin in &library.plugins {
        let mut add = |check: &str| names.push(format!("{}:{}/{check}", plugin.kind, plugin.id));
        match plugin.kind {
            Kind::Codec => CODEC_CHECKS.iter().for_each(|check| add(check.name)),
            _ => ["contract", "inputs"].into_iter().for_each(add),
        }
    }
    names
}

/// Meaning of a memory fault during a check, for the plugin's author. `None` if it is unknown.
#[must_use]
pub fn meaning_of_fault(check: &str) -> Option<&'static str> {
    let (plugin, name) = check.rsplit_once('/')?;
    if plugin.starts_with("output:") {
        return (name == "inputs").then_some(INPUT_FAULT);
    }
    CODEC_CHECKS.iter().find(|check| check.name == name).map(|check| check.fault).filter(|it| !it.is_empty())
}

/// Runs one of the [`checks`] of a library, in this process.
///
/// # Errors
/// The first broken rule.
pub fn run(file: &Path, name: &str, settings: &CheckSettings<'_>) -> Result<Measurements, Failure> {
    let start = Instant::now();
    let library = inspect(file).map_err(|e| Failure::new("the library loads", e.to_string()))?;
    let open_us = start.elapsed().as_micros() as u64;
    if name == "description" {
        check_description(&library)?;
        let scan_us = measure_scan(&library)?;
        return Ok(Measurements::from([("open_us".into(), open_us), ("scan_us".into(), scan_us)]));
    }
    if name == "entry" {
        let rule = "a second call of the entry returns the same description";
        let second = inspect_again(file).map_err(|e| Failure::new(rule, e.to_string()))?;
        let observed = format!("it returned {:?}, then {:?}", library.plugins, second.plugins);
        return unmeasured(require(second == library, rule, observed));
    }
    let plugin = library.plugins.iter().find_map(|plugin| {
        let check = name.strip_prefix(&format!("{}:{}/", plugin.kind, plugin.id))?;
        Some((plugin.kind, plugin.id.as_str(), check))
    });
    let Some((kind, id, check)) = plugin else { return Err(no_such_check(name)) };
    let registry = registry_of(&library);
    let missing = |e: HostError| Failure::new("the library's plugins enter the registry", e.to_string());
    if kind == Kind::Output {
        let format = SOURCES[0].format;
        let open = OpenRequest {
            target: settings.target,
            format,
            sample: SampleType::S16,
            options: settings.options,
        };
        let check = if check == "inputs" { output::check_inputs } else { output::check_guarded };
        return unmeasured(check(registry.output(id).map_err(missing)?.as_ref(), &open));
    }
    run_codec_check(&registry.codec(id).map_err(missing)?, check, settings)
}

fn no_such_check(name: &str) -> Failure {
    Failure::new("the check exists", format!("there is no check {name:?} of this library"))
}

fn search_path(library: &LibraryDescription) -> SearchPath {
    SearchPath { named: vec![library.path.clone()], ..SearchPath::default() }
}

/// Registry that prefers the library's plugins to built-in ones with the same ids.
fn registry_of(library: &LibraryDescription) -> Registry {
    let providers = library.plugins.iter().map(|plugin| (plugin.id.clone(), library.note.id.clone()));
    let prefer: BTreeMap<_, _> = providers.collect();
    Registry::load(&LoadOptions { search_path: search_path(library), prefer, ..LoadOptions::default() })
}

fn check_description(library: &LibraryDescription) -> Result<(), Failure> {
    for plugin in &library.plugins {
        let is_complete = !plugin.version.is_empty() && !plugin.description.is_empty();
        let observed = format!("{} {} lacks one of them", plugin.kind, plugin.id);
        require(is_complete, "each plugin has a version and a description", observed)?;
    }
    Ok(())
}

/// Time to check the file and read its note, in microseconds, as `plugins list` does.
fn measure_scan(library: &LibraryDescription) -> Result<u64, Failure> {
    let start = Instant::now();
    let (_, problems) = scan(&search_path(library));
    let time = start.elapsed();
    match problems.first() {
        Some(problem) => Err(Failure::new("the file can be scanned", problem.to_string())),
        None => Ok(time.as_micros() as u64),
    }
}

fn run_codec_check(
    codec: &Arc<dyn Codec>,
    name: &str,
    settings: &CheckSettings<'_>,
) -> Result<Measurements, Failure> {
    let Some(check) = CODEC_CHECKS.iter().find(|check| check.name == name) else {
        return Err(no_such_check(name));
    };
    let min_snr = if codec.info().lossless { f64::INFINITY } else { MIN_LOSSY_SNR };
    let mut refusals = Vec::new();
    let mut measurements = Measurements::new();
    for source in SOURCES {
        let case = Case { source, limits: Limits::default(), options: settings.options, min_snr };
        match codec.propose(&source, &case.limits, settings.options) {
            Err(PluginError::Unsupported(why)) => {
                refusals.push(why);
                continue;
            }
            other => other.breaks("propose() accepts a source or returns Unsupported")?,
        };
        for (name, value) in (check.run)(codec, &case, settings.seed)? {
            let worst: &mut u64 = measurements.entry(name).or_default();
            *worst = value.max(*worst);
        }
    }
    let rule = "propose() accepts one of 48 kHz stereo, 44.1 kHz mono in 24 bits, 96 kHz with 6 channels";
    require(refusals.len() < SOURCES.len(), rule, refusals.join("; "))?;
    Ok(measurements)
}
