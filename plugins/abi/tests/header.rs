//! The committed header is the one generated from the crate's source, and C and C++ compile it to the same
//! layout.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::{fs, path::Path};

const HEADER: &str = "include/media_node_plugin.h";

#[test]
fn the_header_is_up_to_date() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let config = cbindgen::Config::from_file(here.join("cbindgen.toml")).unwrap();
    let bindings = cbindgen::generate_with_config(here, config).unwrap();
    let mut made = Vec::new();
    bindings.write(&mut made);
    if std::env::var_os("UPDATE_HEADER").is_some() {
        fs::write(here.join(HEADER), &made).unwrap();
    }
    let kept = fs::read(here.join(HEADER)).unwrap_or_default();
    let same = String::from_utf8_lossy(&made) == String::from_utf8_lossy(&kept).replace("\r\n", "\n");
    assert!(
        same,
        "{HEADER} differs from the source; update it with UPDATE_HEADER=1 cargo test -p media-plugin-abi"
    );
}

#[cfg(unix)]
mod compiled {
    use std::{fs, mem::offset_of, path::Path, process::Command};

    use media_plugin_abi::*;

    /// C expressions with their expected values: the size of each struct and the offset of each field.
    macro_rules! layout {
        ($($name:ident { $($field:ident),* })*) => {
            vec![$(
                (format!("sizeof({})", stringify!($name)), size_of::<$name>()),
                $((
                    format!("offsetof({}, {})", stringify!($name), stringify!($field)),
                    offset_of!($name, $field),
                ),)*
            )*]
        };
    }

    fn layout() -> Vec<(String, usize)> {
        layout! {
            mn_abi_note { struct_size, abi_major, abi_minor, magic, flags, id, version, provides }
            mn_str { ptr, len }
            mn_format { rate, channels }
            mn_error { struct_size, need, text_len, text }
            mn_host { struct_size, abi_major, abi_minor, log, get_extension }
            mn_plugin {
                struct_size, abi_major, abi_minor, id, version, build, codecs, codec_count, codec_stride, outputs,
                output_count, output_stride, get_extension
            }
            mn_source { struct_size, sample, format }
            mn_limits { struct_size, bitrate, channels, rate_count, rates }
            mn_choice { struct_size, params_len, format, params }
            mn_encoding {
                struct_size, bitrate, packet_frames, whole_packets, lead_in, lookahead, crossfade, max_packet_bytes,
                config_len, config, joinable
            }
            mn_codec {
                struct_size, flags, object, id, version, description, propose, encoding, encoder_new, encode, flush,
                encoder_reset, encoder_free, decoder_new, decode, decoder_reset, decoder_free, get_extension
            }
            mn_device { struct_size, is_default, id, name, rates, channels, rate_count, channels_count }
            mn_device_list { struct_size, add }
            mn_open { struct_size, sample, format, target, options }
            mn_opened { struct_size, is_realtime, format }
            mn_output {
                struct_size, flags, object, id, version, description, target, devices, open, write, delay, pause, flush,
                drain, free, get_extension, xruns
            }
        }
    }

    fn compiles(compiler: &str, standard: &str, suffix: &str, assert: &str) {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("layout").with_extension(suffix);
        // Included twice, to test the include guard.
        let mut text = "#include \"media_node_plugin.h\"\n".repeat(2);
        for (expression, value) in layout() {
            text += &format!("{assert}({expression} == {value}, \"{expression}\");\n");
        }
        text += "MN_NOTE(MN_NOTE_PANIC_ABORT, \"id\", \"1\", \"codec:id\");\n\
                 MN_EXPORT const mn_plugin *media_node_plugin_entry_v1(const mn_host *host) {\n\
                 host->log(host, MN_LOG_ERROR, mn_text(\"no\"));\nreturn NULL;\n}\n";
        fs::write(&source, text).unwrap();
        let output = Command::new(compiler)
            .args([standard, "-Wall", "-Wextra", "-Wno-unused-function", "-Werror", "-fsyntax-only", "-I"])
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("include"))
            .arg(&source)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    #[test]
    fn c_lays_it_out_as_rust_does() {
        compiles("cc", "-std=c11", "c", "_Static_assert");
    }

    #[test]
    fn cpp_lays_it_out_as_rust_does() {
        compiles("c++", "-std=c++11", "cpp", "static_assert");
    }
}
