//! Libraries of one minor version and hosts of another understand each other.

#![cfg(unix)]
#![allow(unsafe_code, reason = "a host of a later version is played here")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what it expects by failing")]

mod common;

use std::{ffi::c_void, fs, path::Path, ptr};

use common::{compile, lines, load};
use media_plugin_abi::*;
use media_plugin_conformance::codec::{Case, check_guarded};
use media_plugin_sdk::{AudioFormat, Limits, Open, SampleType, SourceFormat};

/// The header that this ABI began with, which never changes.
const FIRST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/abi-1.0");
const FORMAT: AudioFormat = AudioFormat { rate: 48_000, channels: 2 };

/// `xruns` is what its output reports, which a library of the first version can't.
fn works(library: &Path, xruns: u64) {
    let registry = load(&[library]);
    assert_eq!(lines(registry.problems()), [""; 0]);
    let source = SourceFormat { format: FORMAT, sample: SampleType::S16 };
    let case = Case { source, limits: Limits::default(), options: "", least_snr: f64::INFINITY };
    check_guarded(registry.codec("c16").unwrap(), &case).unwrap();
    let sink = registry.output("sink").unwrap();
    assert_eq!(sink.devices().unwrap().len(), 1);
    let open = Open { target: "hole", format: FORMAT, sample: SampleType::S16, options: "" };
    let mut sink = sink.open(&open).unwrap();
    assert_eq!((sink.write(&[0.5; 8]), sink.xruns()), (Ok(4), xruns));
}

#[test]
fn a_library_of_the_first_version_loads() {
    let folder = tempfile::tempdir().unwrap();
    works(&compile(folder.path(), "first", &[&format!("-I{FIRST}")]), 0);
}

#[test]
fn a_library_of_this_version_loads() {
    let folder = tempfile::tempdir().unwrap();
    works(&compile(folder.path(), "now", &[]), 3);
}

/// Today's header with one more field at the end of each struct that can grow.
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
    later.replace("#define MN_ABI_MINOR 1", "#define MN_ABI_MINOR 2")
}

#[test]
fn a_library_of_a_later_version_loads() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("media_node_plugin.h"), later_header()).unwrap();
    // It sees that the host is an earlier one, and gives out fields that this one does not know.
    let statement = "if (host->struct_size >= sizeof *host || host->abi_minor >= MN_ABI_MINOR) return NULL; \
                     plugin.appended = codec.appended = output.appended = UINT64_MAX;";
    let include = format!("-I{}", folder.path().display());
    let flags = [&include, &format!("-DBREAK={statement}"), "-Wno-missing-field-initializers"];
    works(&compile(folder.path(), "later", &flags), 3);
}

/// A struct as a later version has it.
#[repr(C)]
#[derive(Clone, Copy)]
struct Later<T> {
    now: T,
    appended: [u64; 4],
}

impl<T> Later<T> {
    /// What the host hands out says how large it is.
    fn new(now: T) -> Self {
        let mut later = Self { now, appended: [7; 4] };
        // SAFETY: each of these structs begins with its size.
        unsafe { (&raw mut later).cast::<u32>().write(size_of::<Self>() as u32) };
        later
    }
}

// SAFETY: what `T` is, with numbers after it.
unsafe impl<T: Versioned> Versioned for Later<T> {
    const FIRST_SIZE: usize = T::FIRST_SIZE;
}

unsafe extern "C" fn log(_: *const mn_host, _: u32, _: mn_str) {}

/// Reads a table as a later host would: what the library does not have is zero.
unsafe fn read_later<T: Versioned>(from: *const T) -> T {
    // SAFETY: the library's own, of the size that it declares.
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
    // SAFETY: a library of our own, which stays open and keeps to the ABI.
    unsafe {
        let library = Box::leak(Box::new(libloading::Library::new(file).unwrap()));
        let entry = library.get::<mn_entry_v1>(c"media_node_plugin_entry_v1").unwrap();
        let plugin = read_later(entry((&raw const *host).cast()));
        let codec = read_later(plugin.codecs);
        assert_eq!((plugin.codec_count, read_later(plugin.outputs).free.is_some()), (1, true));
        passes(&codec);
    }
}

/// Hands later structs to an earlier codec.
///
/// # Safety
/// The table is a codec's.
unsafe fn passes(codec: &mn_codec) {
    let format = mn_format { rate: FORMAT.rate, channels: FORMAT.channels.into() };
    let source = Later::new(mn_source { struct_size: 0, sample: MN_S16, format });
    let (bitrate, channels) = (MN_NO_LIMIT, MN_NO_LIMIT);
    let limits =
        Later::new(mn_limits { struct_size: 0, bitrate, channels, rate_count: 0, rates: ptr::null() });
    let mut choice = Later::new(mn_choice { struct_size: 0, params_len: 0, format, params: [0; 32] });
    let mut error = Later::new(mn_error { struct_size: 0, need: 0, text_len: 0, text: [0; 500] });
    // SAFETY: numbers, of which any bits are valid.
    let mut encoding = Later::new(unsafe { std::mem::zeroed::<mn_encoding>() });
    let (mut encoder, mut packet, mut len): (*mut c_void, _, _) = (ptr::null_mut(), [0_u8; 8], 0);
    let none = mn_str { ptr: ptr::null(), len: 0 };
    let error_to = (&raw mut error).cast::<mn_error>();
    // SAFETY: structs and buffers of our own, each of the size that it says.
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
    // Whoever fills a struct writes no further than it knows.
    assert_eq!([choice.appended, encoding.appended, error.appended], [[7; 4]; 3]);
}
