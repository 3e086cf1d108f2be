//! Libraries that load and then answer calls wrongly.

use std::path::Path;

use super::{child, common::compile};

/// Where a statement is put, the statement, and what comes of it.
const CODECS: &[(&str, &str, &str)] = &[
    (
        "PROPOSE",
        "choice->params_len = 33; return MN_OK;",
        "propose: the plugin claims 33 bytes of parameters",
    ),
    ("PROPOSE", "return MN_OK;", "propose: the plugin claims 4294967295 bytes of parameters"),
    (
        "PROPOSE",
        "memcpy(choice->params, \"S 16\", choice->params_len = 4); return MN_OK;",
        "propose: the format",
    ),
    ("ENCODING", "return MN_OK;", "encoding: the plugin claims 4294967295 bytes of configuration"),
    (
        "ENCODING",
        "encoding->config_len = 0; return MN_OK;",
        "encoding: the plugin says 4294967295 to whether",
    ),
    (
        "ENCODING",
        "encoding->config_len = encoding->whole_packets = 0; return MN_OK;",
        "encoding: 4294967295 frames per packet is outside",
    ),
    ("ENCODER_NEW", "return MN_OK;", "encoder: the plugin says that it made an instance, and gave none"),
    ("DECODER_NEW", "return MN_OK;", "decoder: the plugin says that it made an instance, and gave none"),
    (
        "ENCODE",
        "*len = capacity + 1; return MN_OK;",
        "encode: the plugin claims 3841 bytes where there is room for 3840",
    ),
    ("ENCODE", "return MN_OK;", "encode: the plugin claims 4294967295 bytes where there is room for 3840"),
    ("ENCODE", "return 42;", "encode: the plugin returned the unknown status 42: it gave no reason"),
    (
        "DECODE",
        "*frames = capacity + 1; return MN_OK;",
        "decode: the plugin claims 961 frames where there is room for 960",
    ),
    ("DECODE", "return -99;", "decode: the plugin returned the unknown status -99: it gave no reason"),
    ("DECODE", "return mn_fail(error, MN_CORRUPT, \"a\\nb\\xff\");", "decode: corrupt data: a b\u{fffd}"),
    (
        "DECODE",
        "error->text_len = 501; return MN_CORRUPT;",
        "decode: corrupt data: it gave a reason of 501 bytes where",
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
    ("DEVICES", "list->add(list, NULL); return MN_OK;", "devices: it adds a device at NULL"),
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
        "devices: one of its devices has 9 rates at 0x0",
    ),
    (
        "DEVICES",
        "static const mn_device d = {sizeof d, 0, {NULL, 0}, {NULL, 0}, NULL, NULL, 0, 0}; \
         for (int i = 0; i < 2000; i++) list->add(list, &d); return MN_OK;",
        "devices: it has more than 1024 devices",
    ),
    ("OPEN", "return MN_OK;", "open: the plugin says that it made an instance, and gave none"),
    (
        "OPEN",
        "*output = malloc(4); return MN_OK;",
        "open: the plugin says 4294967295 to whether it plays in real time",
    ),
    (
        "OPEN",
        "*output = malloc(4); opened->is_realtime = 1; return MN_OK;",
        "open: the plugin opened 4294967295 Hz with 4294967295 channels",
    ),
    ("OPEN", "return mn_fail(error, MN_LOST, \"unplugged\");", "open: unplugged"),
    (
        "WRITE",
        "*taken = frames + 1; return MN_OK;",
        "write: the plugin claims 481 frames where there is room for 480",
    ),
    ("WRITE", "return MN_OK;", "write: the plugin claims 4294967295 frames where there is room for 480"),
    ("DRAIN", "*done = 2; return MN_OK;", "drain: the plugin says 2 to whether all is heard"),
    // Nobody can be told, so the node goes by what it has.
    ("DELAY", "return MN_FAILED;", "works"),
];

/// One library for each case, and how the line begins that it costs.
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
    let said = child::load(folder.path());
    for (line, statement) in expected {
        assert!(said.iter().any(|it| it.starts_with(&line)), "{statement}: no {line:?} in {said:#?}");
    }
    assert!(!said.iter().any(|line| line.starts_with("problem: ")), "{said:#?}");
}

#[test]
fn a_file_that_is_replaced_while_it_is_open_stays_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let library = compile(folder.path(), "it", &[]);
    let registry = super::common::load(&[&library]);
    let codec = registry.codec("c16").unwrap();
    // As `install` does it: another file takes the name. Writing into the open one would end the process.
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
