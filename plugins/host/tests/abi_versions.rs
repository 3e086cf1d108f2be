//! Libraries and hosts of different minor ABI versions work together.

#![cfg(unix)]
#![allow(unsafe_code, reason = "the test acts as a host of a later version")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what it expects by failing")]

mod common;

use std::{ffi::c_void, fs, path::Path, ptr};

use common::{compile, lines, load};
use media_plugin_abi::*;
use media_plugin_conformance::codec::{Case, check_guarded};
use media_plugin_sdk::{AudioFormat, Limits, OpenRequest, SampleType, SourceFormat};

/// Header of ABI 1.0, which never changes.
const FIRST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/abi-1.0");
const FORMAT: AudioFormat = AudioFormat { rate: 48_000, channels: 2 };

/// Uses the library's codec and output. Its output must report `xruns`: 0 for a library of ABI 1.0, which has no such
/// function.
fn assert_works(library: &Path, xruns: u64) {
    let registry = load(&[library]);
    assert_eq!(lines(registry.problems()), [""; 0]);
    let source = SourceFormat { format: FORMAT, sample: SampleType::S16 };
    let case = Case { source, limits: Limits::default(), options: "", min_snr: f64::INFINITY };
    check_guarded(registry.codec("c16").unwrap(), &case).unwrap();
    let sink = registry.output("sink").unwrap();
    assert_eq!(sink.devices().unwrap().len(), 1);
    let open = OpenRequest { target: "hole", format: FORMAT, sample: SampleType::S16, options: "" };
    let mut sink = sink.open(&open).unwrap();
    assert_eq!((sink.write(&[0.5; 8]), sink.xruns()), (Ok(4), xruns));
}

#[test]
fn a_library_of_the_first_version_loads() {
    let folder = tempfile::tempdir().unwrap();
    assert_works(&compile(folder.path(), "first", &[&format!("-I{FIRST}")]), 0);
}

#[test]
fn a_library_of_this_version_loads() {
    let folder = tempfile::tempdir().unwrap();
    assert_works(&compile(folder.path(), "now", &[]), 3);
}

/// The current header with one more field at the end of each versioned struct.
fn later_header() -> String {
    let today = Path::new(env!("CARGO_MANIFEST_DIR")).join("../abi/include/media_node_plugin.h");
    let text = fs::read_to_string(today).unwrap();
    let mut later = String::new();
    for it in text.split_inclusive("\n} mn_") {
        let body = it.strip_suffix("\n} mn_").unwrap_or(it);
        let grows =
            body.rsplit_once("typedef struct").is_some_and(|it| it.1.contains("uint32_t struct_size;"));
        later += body;
        if body.len() < it.len() {
            later += if grows { "\n  uint64_t appended;\n} mn_" } else { "\n} mn_" };
        }
    }
    assert_eq!(later.matches("appended;").count(), 14);
    let minor = format!("#define MN_ABI_MINOR {MN_ABI_MINOR}");
    assert!(later.contains(&minor));
    later.replace(&minor, &format!("#define MN_ABI_MINOR {}", MN_ABI_MINOR + 1))
}

#[test]
fn a_library_of_a_later_version_loads() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("media_node_plugin.h"), later_header()).unwrap();
    // The library checks that the host is older than itself, and fills in fields that the host does not know.
    let statement = "if (host->struct_size >= sizeof *host || host->abi_minor >= MN_ABI_MINOR) return NULL; \
                     plugin.appended = codec.appended = output.appended = UINT64_MAX;";
    let include = format!("-I{}", folder.path().display());
    let flags = [&include, &format!("-DBREAK={statement}"), "-Wno-missing-field-initializers"];
    assert_works(&compile(folder.path(), "later", &flags), 3);
}

/// Struct of a later version: the current one with more fields at the end.
#[repr(C)]
#[derive(Clone, Copy)]
struct Later<T> {
    now: T,
    appended: [u64; 4],
}

impl<T> Later<T> {
    /// Sets the size field, which comes first in each of these structs.
    fn new(now: T) -> Self {
        let mut later = Self { now, appended: [7; 4] };
        // SAFETY: the first field of each of these structs is its size as a `u32`.
        unsafe { (&raw mut later).cast::<u32>().write(size_of::<Self>() as u32) };
        later
    }
}

// SAFETY: `T` is versioned, and any bits are valid in the numbers after it.
unsafe impl<T: Versioned> Versioned for Later<T> {
    const FIRST_SIZE: usize = T::FIRST_SIZE;
}

unsafe extern "C" fn log(_: *const mn_host, _: u32, _: mn_str) {}

/// Reads a table as a later host would. Fields that the library does not have must be zero.
unsafe fn read_later<T: Versioned>(from: *const T) -> T {
    // SAFETY: the library's table can be read for the size that it declares.
    let later = unsafe { read(from.cast::<Later<T>>()) }.unwrap();
    assert_eq!(later.appended, [0; 4]);
    later.now
}

#[test]
fn a_library_of_the_first_version_works_in_a_later_host() {
    let folder = tempfile::tempdir().unwrap();
    let file = compile(folder.path(), "first", &[&format!("-I{FIRST}")]);
    let (abi_major, abi_minor) = (MN_ABI_MAJOR, MN_ABI_MINOR + 1);
    let table = mn_host { struct_size: 0, abi_major, abi_minor, log: Some(log), get_extension: None };
    let host = Box::leak(Box::new(Later::new(table)));
    // SAFETY: the test's own library keeps to the ABI and stays open.
    unsafe {
        let library = Box::leak(Box::new(libloading::Library::new(file).unwrap()));
        let entry = library.get::<mn_entry_v1>(c"media_node_plugin_entry_v1").unwrap();
        let plugin = read_later(entry((&raw const *host).cast()));
        let codec = read_later(plugin.codecs);
        assert_eq!((plugin.codec_count, read_later(plugin.outputs).free.is_some()), (1, true));
        accepts_later_structs(&codec);
    }
}

/// Passes structs of a later version to a codec of ABI 1.0.
///
/// # Safety
/// The table is a codec's.
unsafe fn accepts_later_structs(codec: &mn_codec) {
    let format = mn_format { rate: FORMAT.rate, channels: FORMAT.channels.into() };
    let source = Later::new(mn_source { struct_size: 0, sample: MN_S16, format });
    let (bitrate, channels) = (MN_NO_LIMIT, MN_NO_LIMIT);
    let limits =
        Later::new(mn_limits { struct_size: 0, bitrate, channels, rate_count: 0, rates: ptr::null() });
    let mut choice = Later::new(mn_choice { struct_size: 0, params_len: 0, format, params: [0; 32] });
    let mut error = Later::new(mn_error { struct_size: 0, need: 0, text_len: 0, text: [0; 500] });
    // SAFETY: the struct holds only numbers, in which any bits are valid.
    let mut encoding = Later::new(unsafe { std::mem::zeroed::<mn_encoding>() });
    let (mut encoder, mut packet, mut len): (*mut c_void, _, _) = (ptr::null_mut(), [0_u8; 8], 0);
    let none = mn_str { ptr: ptr::null(), len: 0 };
    let error_to = (&raw mut error).cast::<mn_error>();
    // SAFETY: structs and buffers of the test, each of the declared size.
    unsafe {
        let (source, limits) = ((&raw const source).cast(), (&raw const limits).cast());
        let choice_to = (&raw mut choice).cast::<mn_choice>();
        let object = codec.object;
        assert_eq!(codec.propose.unwrap()(object, source, limits, none, choice_to, error_to), MN_OK);
        let encoding_to = (&raw mut encoding).cast::<mn_encoding>();
        assert_eq!(codec.encoding.unwrap()(object, choice_to, encoding_to, error_to), MN_OK);
        assert_eq!(codec.encoder_new.unwrap()(object, choice_to, &raw mut encoder, error_to), MN_OK);
        let (pcm, to) = ([0.5_f32; 4], packet.as_mut_ptr());
        let status = codec.encode.unwrap()(encoder, pcm.as_ptr(), 2, to, 8, &raw mut len, error_to);
        assert_eq!((status, len), (MN_OK, 8));
        codec.encoder_free.unwrap()(encoder);
    }
    assert_eq!((choice.now.params_len, encoding.now.packet_frames), (3, 960));
    // The library must not write beyond the fields that it knows.
    assert_eq!([choice.appended, encoding.appended, error.appended], [[7; 4]; 3]);
}
