//! The host under valgrind, while libraries load, work, fail and panic.

use std::{
    env::consts::DLL_EXTENSION,
    io::{Write, stderr},
    path::{Path, PathBuf},
    process::Command,
};

use media_plugin_conformance::{
    Edge,
    codec::{Case, check_decode_buffers, check_encode_buffers, check_guarded},
};
use media_plugin_host::{inspect, inspect_again};
use media_plugin_sdk::{AudioFormat, Limits, SampleType, SourceFormat};

use super::{
    calls, child,
    common::{built, compile, lines, load},
};

const FOLDER: &str = "MEDIA_NODE_TEST_FOLDER";

#[test]
fn valgrind_has_nothing_to_say() {
    if Command::new("valgrind").arg("--version").output().is_err() {
        // `eprintln!` would be captured, because the test passes.
        writeln!(stderr(), "skipped: valgrind is not installed (.ci/setup test installs it)").unwrap();
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    calls::compile_all(folder.path());
    compile(folder.path(), "refuses", &["-DNOTE_ID=\"refuses\"", "-DBREAK=return NULL;"]);
    make_adpcm(folder.path());
    let output = Command::new("valgrind")
        .args(["--quiet", "--error-exitcode=99", "--leak-check=full", "--errors-for-leak-kinds=definite"])
        .args(["--show-leak-kinds=definite"])
        .arg(format!("--suppressions={}/tests/faults/valgrind.supp", env!("CARGO_MANIFEST_DIR")))
        .arg(std::env::current_exe().unwrap())
        .args(["--include-ignored", "--test-threads=1", "panics::", "memory::what_it_watches"])
        .env(FOLDER, folder.path())
        .env("RUST_BACKTRACE", "0")
        .output()
        .unwrap();
    let (report, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}\n{report}\n{errors}", output.status);
    assert!(report.contains("5 passed"), "{report}");
}

fn make_adpcm(folder: &Path) {
    let done = Command::new("make")
        .arg("-C")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/codec-adpcm"))
        .args([format!("SO={DLL_EXTENSION}"), format!("OUT={}/", folder.display())])
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

#[test]
#[ignore = "valgrind_has_nothing_to_say runs it under valgrind"]
fn what_it_watches() {
    let folder = PathBuf::from(std::env::var_os(FOLDER).unwrap());
    let report = child::use_all(&folder);
    assert!(report.iter().any(|it| it == "output o-codec0: works"), "{report:#?}");
    let adpcm = folder.join(format!("libmedia_node_adpcm.{DLL_EXTENSION}"));
    for file in [adpcm.as_path(), &built("pcm")] {
        assert_eq!(inspect(file).unwrap(), inspect_again(file).unwrap());
    }
    assert!(inspect(&built("panics_at_entry")).is_err());

    let registry = load(&[&adpcm]);
    assert_eq!(lines(registry.problems()), [""; 0]);
    let codec = registry.codec("adpcm").unwrap();
    // The format with the fewest samples, because valgrind makes the suite about fifty times slower.
    let source = SourceFormat { format: AudioFormat { rate: 8_000, channels: 1 }, sample: SampleType::S16 };
    let case = Case { source, limits: Limits::default(), options: "", min_snr: 6.0 };
    check_encode_buffers(&codec, &case, Edge::End).unwrap();
    check_decode_buffers(&codec, &case, Edge::End).unwrap();
    check_guarded(codec, &case).unwrap();
}
