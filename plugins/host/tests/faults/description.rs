//! Libraries that open and then describe themselves wrongly.

use super::{child, common::compile};

/// A statement before the tables are given out, and how the line begins that it costs.
const CASES: &[(&str, &str)] = &[
    ("return NULL;", "it refuses to be loaded and does not log why"),
    (
        "host->log(host, MN_LOG_ERROR, mn_text(\"no licence\")); return NULL;",
        "it refuses to be loaded: no licence",
    ),
    (
        "mn_str odd = {\"no\\n\\xff\", 4}; host->log(host, MN_LOG_ERROR, odd); return NULL;",
        "it refuses to be loaded: no \u{fffd}",
    ),
    (
        "mn_str far = {NULL, 9}; host->log(host, MN_LOG_ERROR, far); return NULL;",
        "it refuses to be loaded: its message has",
    ),
    ("plugin.struct_size = 8;", "its description has only 8 bytes"),
    ("plugin.abi_major = 2;", "its description is of ABI 2, its note of ABI 1"),
    ("plugin.id.len = 3;", "it is fix 1.0 and its note says fixture-c 1.0"),
    ("plugin.id.ptr = NULL;", "its id has 9 bytes at NULL"),
    ("plugin.version.ptr = \"2.0\";", "it is fixture-c 2.0 and its note says fixture-c 1.0"),
    ("plugin.build.len = 5000;", "its build claims 5000 bytes, more than 4096"),
    ("plugin.codec_count = 1000000;", "it claims 1000000 codecs, more than 64"),
    ("plugin.output_count = 0xffffffff;", "it claims 4294967295 outputs, more than 64"),
    ("plugin.codecs = NULL;", "its 1 codecs are at NULL"),
    ("plugin.codec_stride = 0;", "its codecs are 0 bytes apart, which is not"),
    ("plugin.codec_stride = 5000;", "its codecs are 5000 bytes apart, which is not"),
    ("plugin.output_stride -= 16;", "its outputs are"),
    ("codec.struct_size = 16;", "one of its codecs has 16 bytes, at least"),
    ("codec.struct_size = 4096;", "one of its codecs has 4096 bytes, and they are"),
    ("codec.id.len = 4097;", "its codec's id claims 4097 bytes, more than 4096"),
    ("codec.id.ptr = \"C16\";", "the id \"C16\" is not 1 to 32 characters of a-z, 0-9 and -"),
    ("codec.id.len = 0;", "the id \"\" is not 1 to 32 characters of a-z, 0-9 and -"),
    ("codec.id.ptr = \"c17\";", "it provides codec:c17 output:sink and its note says codec:c16 output:sink"),
    ("plugin.codec_count = 0;", "it provides output:sink and its note says codec:c16 output:sink"),
    (
        "codec.description.ptr = \"16\\xff bit PCM, in C\";",
        "its codec's description is no line of text in UTF-8",
    ),
    (
        "codec.description.ptr = \"16\\nbit PCM, in C\";",
        "its codec's description is no line of text in UTF-8",
    ),
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
    cases.push((library, "NO_ENTRY", "it has a note but no media_node_plugin_entry_v1"));
    let unresolved = "-DBREAK=extern void nobody_has_this(void); nobody_has_this();";
    let library = compile(folder.path(), "unresolved", &[unresolved]);
    cases.push((library, "unresolved", "it cannot be linked: "));

    let said = child::load(folder.path());
    for (library, statement, why) in &cases {
        let line = child::problem(&said, library);
        assert!(line.starts_with(why), "{statement} {line}");
    }
    let problems = said.iter().filter(|line| line.starts_with("problem: ")).count();
    assert_eq!(problems, cases.len(), "{said:#?}");
}

#[test]
fn fewer_functions_and_more_fields_are_as_good() {
    let folder = tempfile::tempdir().unwrap();
    // What may be missing, and descriptors of a later version, which are further apart.
    let statement = "static struct { mn_codec now; void *more[2]; } later; later.now = codec; \
                     later.now.struct_size = plugin.codec_stride = sizeof later; plugin.codecs = &later.now; \
                     codec.get_extension = NULL; output.devices = NULL;";
    compile(folder.path(), "later", &[&format!("-DBREAK={statement}")]);
    let said = child::load(folder.path());
    for line in ["codec c16: works", "output sink: works"] {
        assert!(said.iter().any(|it| it == line), "{said:#?}");
    }
}
