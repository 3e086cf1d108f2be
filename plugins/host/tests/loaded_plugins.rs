//! Codecs and outputs of libraries in C and Rust: they pass the conformance suites, and the registry finds and ranks them.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what it expects by failing")]

mod common;

use std::{collections::BTreeMap, fs, sync::Arc};

use codec_pcm::Pcm;
use common::{built, compile, lines, load, load_options};
use media_plugin_conformance::{chunks, codec, codec::Case, output, signal};
use media_plugin_host::{
    HostError, Kind, LoadOptions, PluginOrigin, Registry, SearchPath, guard_codec, scan,
};
use media_plugin_sdk::{
    AudioFormat, Choice, Codec, Limits, OpenRequest, PluginError, SampleType, SourceFormat,
};

const STEREO: AudioFormat = AudioFormat { rate: 48_000, channels: 2 };
const SOURCE: SourceFormat = SourceFormat { format: STEREO, sample: SampleType::S16 };
const EXACT: Case<'_> = Case {
    source: SOURCE,
    limits: Limits { bitrate: None, rates: Vec::new(), channels: None },
    options: "",
    min_snr: f64::INFINITY,
};

#[test]
fn a_library_in_c_passes_the_suites() {
    let folder = tempfile::tempdir().unwrap();
    let registry = load(&[&compile(folder.path(), "c", &[])]);
    assert_eq!(lines(registry.problems()), [""; 0]);
    codec::check_guarded(registry.codec("c16").unwrap(), &EXACT).unwrap();

    let sink = registry.output("sink").unwrap();
    let open = OpenRequest { target: "hole", format: STEREO, sample: SampleType::S16, options: "" };
    output::check_guarded(sink.as_ref(), &open).unwrap();
    let [hole] = sink.devices().unwrap().try_into().unwrap();
    assert_eq!((hole.id.as_str(), hole.default, hole.rates), ("hole", true, vec![44_100, 48_000]));
    let wrong = sink.open(&OpenRequest { target: "wall", ..open }).err().unwrap();
    assert_eq!(wrong, PluginError::BadArgument("output sink has no such target; it has hole".into()));
}

#[test]
fn a_library_in_rust_gives_what_the_same_source_gives_built_in() {
    let pinned = BTreeMap::from([("pcm".into(), "fixture-pcm".into())]);
    let registry = Registry::load(&LoadOptions { prefer: pinned, ..load_options(&[&built("pcm")]) });
    assert_eq!(lines(registry.problems()), [""; 0]);
    assert!(matches!(registry.list()[0].origin, PluginOrigin::Loaded(_)), "{:?}", registry.list());
    let (loaded, linked) = (registry.codec("pcm").unwrap(), guard_codec(|| Box::new(Pcm)).unwrap());
    codec::check_guarded(loaded.clone(), &EXACT).unwrap();

    let track = signal::coloured_noise(&SOURCE, 100_000);
    let both = [&loaded, &linked].map(|codec| {
        let choice = codec.propose(&SOURCE, &Limits::default(), "").unwrap();
        let encoding = codec.encoding(&choice).unwrap();
        let copy = chunks::round_trip(codec.as_ref(), &encoding, &track, 48_000).unwrap();
        (codec.info(), encoding, copy)
    });
    assert!(both[0] == both[1], "{:?} against {:?}", both[0].1, both[1].1);
    let errors = [&loaded, &linked].map(errors);
    assert_eq!(errors[0], errors[1]);
}

/// Errors of a codec for every kind of wrong argument.
fn errors(codec: &Arc<dyn Codec>) -> Vec<PluginError> {
    let choice = Choice { format: STEREO, params: "s16".into() };
    let stranger = Choice { params: "s17".into(), ..choice.clone() };
    let limits = Limits { bitrate: Some(1), ..Limits::default() };
    let mut encoder = codec.encoder(&choice).unwrap();
    let mut decoder = codec.decoder(STEREO, b"s16").unwrap();
    [
        codec.propose(&SOURCE, &limits, "").err(),
        codec.propose(&SOURCE, &Limits::default(), r#"{"colour":1}"#).err(),
        codec.encoding(&stranger).err(),
        codec.encoder(&stranger).err(),
        codec.decoder(STEREO, b"s17").err(),
        encoder.encode(&[0.0; 4], &mut [0; 7]).err(),
        encoder.encode(&[0.0; 3], &mut [0; 8]).err().map(|_| PluginError::BadArgument(String::new())),
        decoder.decode(&[0; 3], &mut [0.0; 8]).err(),
        decoder.decode(&[0; 8], &mut [0.0; 2]).err(),
    ]
    .map(Option::unwrap)
    .into()
}

#[test]
fn a_scan_reads_files_and_runs_nothing() {
    let folder = tempfile::tempdir().unwrap();
    // This library ends the process if any of its code runs.
    compile(folder.path(), "b", &["-DABORT_WHEN_OPENED"]);
    compile(folder.path(), "a", &["-DNOTE_ID=\"another\"", "-DCODEC_ID=\"d16\""]);
    fs::write(folder.path().join("readme.txt"), "no library").unwrap();
    let search_path = SearchPath { named: vec![folder.path().into()], standard: vec!["/nonexistent".into()] };
    let (found, problems) = scan(&search_path);
    assert_eq!(lines(&problems), [""; 0]);
    let found: Vec<_> = found.into_iter().map(|it| (it.note.id, it.note.version, it.note.provides)).collect();
    let provides = |codec: &str| vec![(Kind::Codec, codec.into()), (Kind::Output, "sink".into())];
    assert_eq!(
        found,
        [
            ("another".into(), "1.0".into(), provides("d16")),
            ("fixture-c".into(), "1.0".into(), provides("c16"))
        ]
    );
}

#[test]
fn of_two_with_one_id_the_built_in_or_the_preferred_one_counts() {
    let folder = tempfile::tempdir().unwrap();
    let first = compile(folder.path(), "first", &["-DNOTE_ID=\"first\"", "-DCODEC_ID=\"pcm\""]);
    let second = compile(folder.path(), "second", &["-DNOTE_ID=\"second\""]);
    let files = load_options(&[&first, &second]);
    let origin = |sources: &LoadOptions, id: &str| {
        let registry = Registry::load(sources);
        let origin = registry.list().into_iter().find(|it| it.id == id).map(|it| it.origin);
        (origin, lines(registry.problems()).len())
    };
    // Both libraries have the output, and there is a built-in codec pcm.
    assert_eq!(origin(&files, "pcm"), (Some(PluginOrigin::BuiltIn), 2));
    assert_eq!(origin(&files, "sink"), (Some(PluginOrigin::Loaded(first.canonicalize().unwrap())), 2));
    let prefer = |id: &str, who: &str| LoadOptions {
        prefer: BTreeMap::from([(id.into(), who.into())]),
        ..files.clone()
    };
    let pinned = prefer("sink", "second");
    assert_eq!(origin(&pinned, "sink"), (Some(PluginOrigin::Loaded(second.canonicalize().unwrap())), 1));
    assert_eq!(origin(&prefer("pcm", "built-in"), "pcm"), (Some(PluginOrigin::BuiltIn), 1));
    // No provider has that name, so the normal order applies, with one more problem.
    assert_eq!(origin(&prefer("pcm", "third"), "pcm"), (Some(PluginOrigin::BuiltIn), 3));

    let without = |ids: &[&str]| LoadOptions {
        disable: ids.iter().map(ToString::to_string).collect(),
        ..files.clone()
    };
    assert_eq!(origin(&without(&["first"]), "pcm"), (Some(PluginOrigin::BuiltIn), 0));
    assert_eq!(origin(&without(&["pcm", "second"]), "pcm"), (None, 0));
}

#[test]
fn a_folder_that_is_named_must_exist() {
    let registry = load(&["/nonexistent/plugins".as_ref()]);
    assert!(matches!(registry.problems(), [HostError::Library { .. }]), "{:?}", registry.problems());
}
