//! Libraries that open and then give a wrong description.

use super::{child, common::compile};

/// Statement that runs before the entry returns, and the start of the problem line that it must cause.
const CASES: &[(&str, &str)] = &[
    ("return NULL;", "its entry returned NULL and logged no error"),
    (
        "host->log(host, MN_LOG_ERROR, mn_text(\"no licence\")); return NULL;",
        "its entry returned NULL: no licence",
    ),
    (
        "mn_str odd = {\"no\\n\\xff\", 4}; host->log(host, MN_LOG_ERROR, odd); return NULL;",
        "its entry returned NULL: no \u{fffd}",
    ),
    (
        "mn_str far = {NULL, 9}; host->log(host, MN_LOG_ERROR, far); return NULL;",
        "its entry returned NULL: its message has",
    ),
    ("plugin.struct_size = 8;", "its mn_plugin has only 8 bytes"),
    ("plugin.abi_major = 2;", "its mn_plugin is of ABI 2, its note of ABI 1"),
    ("plugin.id.len = 3;", "its mn_plugin says fix 1.0, its note fixture-c 1.0"),
    ("plugin.id.ptr = NULL;", "its id has 9 bytes at NULL"),
    ("plugin.version.ptr = \"2.0\";", "its mn_plugin says fixture-c 2.0, its note fixture-c 1.0"),
    ("plugin.build.len = 5000;", "its build has 5000 bytes, more than 4096"),
    ("plugin.codec_count = 65;", "it has 65 codecs, more than 64"),
    ("plugin.output_count = 0xffffffff;", "it has 4294967295 outputs, more than 64"),
    ("plugin.codecs = NULL;", "its 1 codecs are at NULL"),
    ("plugin.codec_stride = 0;", "the stride of its codecs is 0 bytes, outside"),
    ("plugin.codec_stride = 4097;", "the stride of its codecs is 4097 bytes, outside"),
    ("plugin.output_stride -= 16;", "the stride of its outputs is"),
    ("codec.struct_size = 16;", "one of its codecs has 16 bytes, fewer than"),
    ("codec.struct_size = 4096;", "one of its codecs has 4096 bytes, more than the stride of"),
    ("codec.id.len = 4097;", "its codec's id has 4097 bytes, more than 4096"),
    ("codec.id.ptr = \"C16\";", "the id \"C16\" is not 1 to 32 characters of a-z, 0-9 and -"),
    ("codec.id.len = 0;", "the id \"\" is not 1 to 32 characters of a-z, 0-9 and -"),
    (
        "codec.id.ptr = \"c17\";",
        "its mn_plugin provides codec:c17 output:sink, its note codec:c16 output:sink",
    ),
    ("plugin.codec_count = 0;", "its mn_plugin provides output:sink, its note codec:c16 output:sink"),
    (
        "codec.description.ptr = \"16\\xff bit PCM, in C\";",
        "its codec's description is not one line of UTF-8",
    ),
    ("codec.description.ptr = \"16\\nbit PCM, in C\";", "its codec's description is not one line of UTF-8"),
    ("output.target.ptr = NULL;", "its output's target has 4 bytes at NULL"),
    ("codec.propose = NULL;", "its codec c16 has no function propose"),
    ("codec.encoding = NULL;", "its codec c16 has no function encoding"),
    ("codec.encoder_new = NULL;", "its codec c16 has no function encoder_new"),
    ("codec.encode = NULL;", "its codec c16 has no function encode"),
    ("codec.encoder_reset = NULL;", "its codec c16 has no function encoder_reset"),
    ("codec.encoder_free = NULL;", "its codec c16 has no function encoder_free"),
    ("codec.decoder_new = NULL;", "its codec c16 has no function decoder_new"),
    ("codec.decode = NULL;", "its codec c16 has no function decode"),
    ("codec.decoder_reset = NULL;", "its codec c16 has no function decoder_reset"),
    ("codec.decoder_free = NULL;", "its codec c16 has no function decoder_free"),
    ("output.open = NULL;", "its output sink has no function open"),
    ("output.write = NULL;", "its output sink has no function write"),
    ("output.delay = NULL;", "its output sink has no function delay"),
    ("output.pause = NULL;", "its output sink has no function pause"),
    ("output.flush = NULL;", "its output sink has no function flush"),
    ("output.drain = NULL;", "its output sink has no function drain"),
    ("output.free = NULL;", "its output sink has no function free"),
];

#[test]
fn each_costs_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let mut cases: Vec<_> = CASES
        .iter()
        .enumerate()
        .map(|(n, (statement, why))| {
            (compile(folder.path(), &format!("{n:02}"), &[&format!("-DBREAK={statement}")]), *statement, *why)
        })
        .collect();
    let library = compile(folder.path(), "entry", &["-DNO_ENTRY"]);
    cases.push((library, "NO_ENTRY", "it has a note but does not export media_node_plugin_entry_v1"));
    let unresolved = "-DBREAK=extern void nobody_has_this(void); nobody_has_this();";
    let library = compile(folder.path(), "unresolved", &[unresolved]);
    cases.push((library, "unresolved", "it cannot be linked: "));

    let report = child::load(folder.path());
    for (library, statement, why) in &cases {
        let line = child::problem(&report, library);
        assert!(line.starts_with(why), "{statement} {line}");
    }
    let problems = report.iter().filter(|line| line.starts_with("problem: ")).count();
    assert_eq!(problems, cases.len(), "{report:#?}");
}

#[test]
fn fewer_functions_and_more_fields_are_as_good() {
    let folder = tempfile::tempdir().unwrap();
    // Sets optional functions to NULL, and uses the larger descriptors of a later version.
    let statement = "static struct { mn_codec now; void *more[2]; } later; later.now = codec; \
                     later.now.struct_size = plugin.codec_stride = sizeof later; plugin.codecs = &later.now; \
                     codec.get_extension = NULL; output.devices = NULL;";
    compile(folder.path(), "later", &[&format!("-DBREAK={statement}")]);
    let report = child::load(folder.path());
    for line in ["codec c16: works", "output sink: works"] {
        assert!(report.iter().any(|it| it == line), "{report:#?}");
    }
}
