//! Libraries that load and then return wrong results from calls.

use std::path::Path;

use super::{child, common::compile};

/// Function that gets a statement at its start, the statement, and the error that the host must report.
const CODECS: &[(&str, &str, &str)] = &[
    (
        "PROPOSE",
        "choice->params_len = 33; return MN_OK;",
        "propose: the plugin wrote 33 bytes of parameters, more than 32",
    ),
    ("PROPOSE", "return MN_OK;", "propose: the plugin wrote 4294967295 bytes of parameters"),
    (
        "PROPOSE",
        "memcpy(choice->params, \"S 16\", choice->params_len = 4); return MN_OK;",
        "propose: the format",
    ),
    ("ENCODING", "return MN_OK;", "encoding: the plugin wrote 4294967295 bytes of configuration"),
    (
        "ENCODING",
        "encoding->config_len = 0; return MN_OK;",
        "encoding: the plugin set whole_packets to 4294967295, which is neither 0 nor 1",
    ),
    (
        "ENCODING",
        "encoding->config_len = encoding->whole_packets = 0; return MN_OK;",
        "encoding: 4294967295 frames per packet is outside",
    ),
    ("ENCODER_NEW", "return MN_OK;", "encoder: the plugin returned MN_OK without an instance"),
    ("DECODER_NEW", "return MN_OK;", "decoder: the plugin returned MN_OK without an instance"),
    (
        "ENCODE",
        "*len = capacity + 1; return MN_OK;",
        "encode: the plugin returned 3841 bytes, more than the 3840 of the buffer",
    ),
    ("ENCODE", "return MN_OK;", "encode: the plugin returned 4294967295 bytes, more than the 3840"),
    ("ENCODE", "return 42;", "encode: the plugin returned the unknown status 42: it gave no reason"),
    (
        "DECODE",
        "*frames = capacity + 1; return MN_OK;",
        "decode: the plugin returned 961 frames, more than the 960 of the buffer",
    ),
    ("DECODE", "return -99;", "decode: the plugin returned the unknown status -99: it gave no reason"),
    ("DECODE", "return mn_fail(error, MN_CORRUPT, \"a\\nb\\xff\");", "decode: corrupt data: a b\u{fffd}"),
    (
        "DECODE",
        "error->text_len = 501; return MN_CORRUPT;",
        "decode: corrupt data: its error text has 501 bytes, more than the 500 of mn_error",
    ),
    ("DECODE", "error->need = 7; return MN_NO_SPACE;", "decode: the buffer holds 1920, 7 needed"),
    (
        "DECODE",
        "return MN_PANICKED;",
        "decode: the plugin panicked: it gave no reason; decoder reset: the plugin panicked",
    ),
    ("DECODE", "return MN_OUT_OF_MEMORY;", "decode: out of memory: it gave no reason"),
    ("RESET", "return MN_FAILED;", "encoder reset: it gave no reason; decoder reset: it gave no reason"),
];

const OUTPUTS: &[(&str, &str, &str)] = &[
    ("DEVICES", "list->add(list, NULL); return MN_OK;", "devices: it added a device at NULL"),
    ("DEVICES", "return MN_UNSUPPORTED;", "devices: it gave no reason"),
    (
        "DEVICES",
        "static const mn_device d = {4, 0, {NULL, 0}, {NULL, 0}, NULL, NULL, 0, 0}; list->add(list, &d); return MN_OK;",
        "devices: one of its devices has only 4 bytes",
    ),
    (
        "DEVICES",
        "static const mn_device d = {sizeof d, 0, {NULL, 0}, {NULL, 0}, NULL, NULL, 9, 0}; list->add(list, &d); \
         return MN_OK;",
        "devices: one of its devices has 9 rates at NULL",
    ),
    (
        "DEVICES",
        "static const uint32_t many[65]; mn_device d = {sizeof d, 0, {NULL, 0}, {NULL, 0}, many, NULL, 64, 0}; \
         list->add(list, &d); d.rate_count = 65; list->add(list, &d); return MN_OK;",
        "devices: one of its devices has 65 rates, more than 64",
    ),
    (
        "DEVICES",
        "static const mn_device d = {sizeof d, 0, {NULL, 0}, {NULL, 0}, NULL, NULL, 0, 0}; \
         for (int i = 0; i < 1025; i++) list->add(list, &d); return MN_OK;",
        "devices: it has more than 1024 devices",
    ),
    (
        "DEVICES",
        "static const mn_device d = {sizeof d, 0, {NULL, 0}, {NULL, 0}, NULL, NULL, 0, 0}; \
         for (int i = 0; i < 1024; i++) list->add(list, &d); return MN_OK;",
        "works",
    ),
    ("OPEN", "return MN_OK;", "open: the plugin returned MN_OK without an instance"),
    ("OPEN", "*output = malloc(4); return MN_OK;", "open: the plugin set is_realtime to 4294967295"),
    (
        "OPEN",
        "*output = malloc(4); opened->is_realtime = 1; return MN_OK;",
        "open: the plugin opened an invalid format: 4294967295 Hz, 4294967295 channels",
    ),
    ("OPEN", "return mn_fail(error, MN_LOST, \"unplugged\");", "open: unplugged"),
    (
        "WRITE",
        "*taken = frames + 1; return MN_OK;",
        "write: the plugin returned 481 frames, more than the 480 of the buffer",
    ),
    ("WRITE", "return MN_OK;", "write: the plugin returned 4294967295 frames, more than the 480"),
    ("DRAIN", "*done = 2; return MN_OK;", "drain: the plugin set done to 2, which is neither 0 nor 1"),
    // `delay` cannot return an error, so the host takes 0.
    ("DELAY", "return MN_FAILED;", "works"),
];

/// Compiles one library for each case. Returns the start of the line that each must cause, and its statement.
pub(crate) fn compile_all(folder: &Path) -> Vec<(String, &'static str)> {
    let mut expected = Vec::new();
    for (kind, cases) in [("codec", CODECS), ("output", OUTPUTS)] {
        for (n, (place, statement, why)) in cases.iter().enumerate() {
            let id = format!("{kind}{n}");
            let flags = [
                format!("-DNOTE_ID=\"{id}\""),
                format!("-DCODEC_ID=\"c-{id}\""),
                format!("-DOUTPUT_ID=\"o-{id}\""),
                format!("-DIN_{place}={statement}"),
                "-Wno-unused-parameter".into(),
            ];
            compile(folder, &id, &flags.each_ref().map(String::as_str));
            expected.push((format!("{kind} {}-{id}: {why}", &kind[..1]), *statement));
        }
    }
    expected
}

#[test]
fn each_costs_that_call_and_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let expected = compile_all(folder.path());
    let report = child::load(folder.path());
    for (line, statement) in expected {
        assert!(report.iter().any(|it| it.starts_with(&line)), "{statement}: no {line:?} in {report:#?}");
    }
    assert!(!report.iter().any(|line| line.starts_with("problem: ")), "{report:#?}");
}

#[test]
fn a_file_that_is_replaced_while_it_is_open_stays_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let library = compile(folder.path(), "it", &[]);
    let registry = super::common::load(&[&library]);
    let codec = registry.codec("c16").unwrap();
    // Replaces the file by another one, as `install` does. Writing into the open file would end the process.
    let other = compile(folder.path(), "other", &["-DIN_ENCODE=return MN_FAILED;"]);
    std::fs::rename(other, &library).unwrap();
    for codec in [codec, super::common::load(&[&library]).codec("c16").unwrap()] {
        let choice = media_plugin_sdk::Choice {
            format: media_plugin_sdk::AudioFormat { rate: 48_000, channels: 1 },
            params: "s16".into(),
        };
        assert_eq!(codec.encoder(&choice).unwrap().encode(&[0.5; 2], &mut [0; 4]), Ok(4));
    }
}
