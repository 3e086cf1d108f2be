//! The checks of a loaded library. Each is named, so that a process of its own can run it: a bad library may end that
//! process or never come back.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use media_plugin_host::{Edge, Folders, Inspected, Kind, Registry, Sources, inspect, inspect_anew, scan};
use media_plugin_sdk::{AudioFormat, Codec, Limits, Open, PluginError, SampleType, SourceFormat};

use crate::{
    During, Failure, Figures,
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

/// The codec, what it encodes, and the seed.
type Run = fn(&Arc<dyn Codec>, &Case<'_>, u64) -> Result<Figures, Failure>;

/// A check of a codec, and what it means if it ends the process with a fault of memory.
struct CodecCheck {
    name: &'static str,
    run: Run,
    fault: &'static str,
}

const CODEC: [CodecCheck; 9] = [
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

const INPUT_FAULT: &str = "it writes into its input, or reads beyond the end of it";

fn unmeasured(outcome: Result<(), Failure>) -> Result<Figures, Failure> {
    outcome.map(|()| Figures::new())
}

/// The names of all checks of this library, in the order in which to run them.
#[must_use]
pub fn checks(library: &Inspected) -> Vec<String> {
    let mut names = vec!["description".into(), "entry".into()];
    for plugin in &library.plugins {
        let mut add = |what: &str| names.push(format!("{}:{}/{what}", plugin.kind, plugin.id));
        match plugin.kind {
            Kind::Codec => CODEC.iter().for_each(|it| add(it.name)),
            _ => ["contract", "inputs"].into_iter().for_each(add),
        }
    }
    names
}

/// What it means that a check ended the process with a fault of memory, where that is known.
#[must_use]
pub fn meaning_of_fault(check: &str) -> Option<&'static str> {
    let (plugin, what) = check.rsplit_once('/')?;
    if plugin.starts_with("output:") {
        return (what == "inputs").then_some(INPUT_FAULT);
    }
    CODEC.iter().find(|it| it.name == what).map(|it| it.fault).filter(|it| !it.is_empty())
}

/// Runs one of the [`checks`] of a library, in this process. Gives what was measured.
///
/// # Errors
/// The first rule that is broken.
pub fn run(file: &Path, name: &str, how: &How<'_>) -> Result<Figures, Failure> {
    let start = Instant::now();
    let library = inspect(file).map_err(|e| Failure::new("loads", e.to_string()))?;
    let opening = start.elapsed();
    if name == "description" {
        describes_itself(&library)?;
        let scanning = listed(&library)?;
        let figure = |name: &str, time: Duration| (name.into(), time.as_micros() as u64);
        return Ok(Figures::from([figure("open_us", opening), figure("scan_us", scanning)]));
    }
    if name == "entry" {
        let again = inspect_anew(file).map_err(|e| Failure::new("can be entered again", e.to_string()))?;
        return unmeasured(require(again == library, "says the same when entered again", "it is another"));
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
        let check = if what == "inputs" { output::check_inputs } else { output::check_guarded };
        return unmeasured(check(registry.output(id).map_err(unknown)?.as_ref(), &open));
    }
    codec_check(&registry.codec(id).map_err(unknown)?, what, how)
}

fn folders(library: &Inspected) -> Folders {
    Folders { named: vec![library.path.clone()], ..Folders::default() }
}

/// A registry in which the library's own plugins stand, whatever is built in.
fn only(library: &Inspected) -> Registry {
    let provider = |it: &media_plugin_host::Listing| (it.id.clone(), library.note.id.clone());
    let prefer: BTreeMap<_, _> = library.plugins.iter().map(provider).collect();
    Registry::load(&Sources { folders: folders(library), prefer, ..Sources::default() })
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

/// How long it takes to read what the file says of itself, as `plugins list` does.
fn listed(library: &Inspected) -> Result<Duration, Failure> {
    let start = Instant::now();
    let (_, problems) = scan(&folders(library));
    let took = start.elapsed();
    match problems.first() {
        Some(problem) => Err(Failure::new("can be listed", problem.to_string())),
        None => Ok(took),
    }
}

fn codec_check(codec: &Arc<dyn Codec>, what: &str, how: &How<'_>) -> Result<Figures, Failure> {
    let Some(check) = CODEC.iter().find(|it| it.name == what) else {
        return Err(Failure::new("exists", format!("there is no check {what} of a codec")));
    };
    let least_snr = if codec.info().lossless { f64::INFINITY } else { LEAST_SNR };
    let (mut refused, mut figures) = (Vec::new(), Figures::new());
    for source in SOURCES {
        let case = Case { source, limits: Limits::default(), options: how.options, least_snr };
        match codec.propose(&source, &case.limits, how.options) {
            Err(PluginError::Unsupported(why)) => {
                refused.push(why);
                continue;
            }
            other => other.during("proposes")?,
        };
        for (name, value) in (check.run)(codec, &case, how.seed)? {
            let worst: &mut u64 = figures.entry(name).or_default();
            *worst = value.max(*worst);
        }
    }
    require(refused.len() < SOURCES.len(), "encodes something", refused.join("; "))?;
    Ok(figures)
}
