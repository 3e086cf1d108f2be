//! A process that loads all libraries of a folder and uses them. A faulty library may end it.

use std::{
    fmt::Display,
    path::{Path, PathBuf},
    process::Command,
};

use media_plugin_host::{LoadOptions, Registry, SearchPath};
use media_plugin_sdk::{
    AudioFormat, Choice, Codec, Limits, OpenRequest, Output, OutputPlugin, Result, SampleType, SourceFormat,
};

use super::common::compile;

const FOLDER: &str = "MEDIA_NODE_TEST_FOLDER";
const STEREO: AudioFormat = AudioFormat { rate: 48_000, channels: 2 };

/// Loads the libraries in `folder`, and one more without a fault, in a process of its own. Returns its report.
pub(crate) fn load(folder: &Path) -> Vec<String> {
    compile(folder, "sound", &["-DNOTE_ID=\"sound\"", "-DCODEC_ID=\"sound\"", "-DOUTPUT_ID=\"sound\""]);
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "child::in_a_process_of_its_own", "--nocapture", "--test-threads=1"])
        .env(FOLDER, folder)
        .output()
        .unwrap();
    let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "the process ended with {}: {errors}", output.status);
    let report: Vec<String> =
        text.lines().filter_map(|it| it.split_once("| ")).map(|it| it.1.into()).collect();
    for it in ["codec sound: works", "output sound: works"] {
        assert!(report.iter().any(|line| line == it), "{report:#?}");
    }
    report
}

/// Text of the one problem line about this library, after the library's path.
pub(crate) fn problem<'a>(report: &'a [String], library: &Path) -> &'a str {
    let start =
        format!("problem: plugin library {} was not loaded: ", library.canonicalize().unwrap().display());
    let mut lines = report.iter().filter_map(|line| line.strip_prefix(&start));
    let line = lines.next().unwrap_or_else(|| panic!("nothing about {}: {report:#?}", library.display()));
    assert_eq!(lines.next(), None);
    line
}

#[test]
#[ignore = "the other tests start it, in a process of its own"]
fn in_a_process_of_its_own() {
    let folder = PathBuf::from(std::env::var_os(FOLDER).unwrap());
    println!();
    use_all(&folder).iter().for_each(|line| println!("| {line}"));
}

/// Loads a folder and uses all its plugins. Returns one line for each problem and each plugin.
pub(crate) fn use_all(folder: &Path) -> Vec<String> {
    let search_path = SearchPath { named: vec![folder.into()], ..SearchPath::default() };
    let registry = Registry::load(&LoadOptions { search_path, ..LoadOptions::default() });
    let problems =
        registry.problems().iter().map(|it| format!("problem: {}", it.to_string().replace('\n', "⏎")));
    let codecs =
        registry.codecs().map(|it| format!("codec {}: {}", it.info().id, result(&use_codec(it.as_ref()))));
    let outputs =
        registry.outputs().map(|it| format!("output {}: {}", it.info().id, result(&use_output(it.as_ref()))));
    problems.chain(codecs).chain(outputs).collect()
}

fn result(errors: &[String]) -> String {
    if errors.is_empty() { "works".into() } else { errors.join("; ").replace('\n', "⏎") }
}

/// Records an error as "step: error".
fn step<T>(errors: &mut Vec<String>, step: impl Display, result: Result<T>) -> Option<T> {
    result.map_err(|e| errors.push(format!("{step}: {e}"))).ok()
}

fn use_codec(codec: &dyn Codec) -> Vec<String> {
    let mut errors = Vec::new();
    let source = SourceFormat { format: STEREO, sample: SampleType::S16 };
    let fallback = Choice { format: STEREO, params: "s16".into() };
    let choice = step(&mut errors, "propose", codec.propose(&source, &Limits::default(), ""));
    let choice = choice.unwrap_or(fallback);
    step(&mut errors, "encoding", codec.encoding(&choice));
    let (mut packet, mut pcm) = (vec![0; 3840], vec![0.25; 1920]);
    if let Some(mut encoder) = step(&mut errors, "encoder", codec.encoder(&choice)) {
        step(&mut errors, "encode", encoder.encode(&pcm, &mut packet));
        step(&mut errors, "flush", encoder.flush(&mut packet));
        step(&mut errors, "encoder reset", encoder.reset());
    }
    if let Some(mut decoder) = step(&mut errors, "decoder", codec.decoder(STEREO, &[])) {
        step(&mut errors, "decode", decoder.decode(&packet, &mut pcm));
        step(&mut errors, "decoder reset", decoder.reset());
    }
    errors
}

fn use_output(plugin: &dyn OutputPlugin) -> Vec<String> {
    let mut errors = Vec::new();
    step(&mut errors, "devices", plugin.devices());
    let open = OpenRequest { target: "", format: STEREO, sample: SampleType::S16, options: "" };
    if let Some(mut output) = step(&mut errors, "open", plugin.open(&open)) {
        play(output.as_mut(), &mut errors);
    }
    errors
}

fn play(output: &mut dyn Output, errors: &mut Vec<String>) {
    step(errors, "write", output.write(&[0.0; 960]));
    output.delay();
    step(errors, "pause", output.pause(true));
    step(errors, "flush", output.flush());
    step(errors, "drain", output.drain());
}
