//! Adapter between the traits and the C ABI, used by `export_plugin!` only.

#![allow(unsafe_code, reason = "this is the plugin's side of the C ABI")]

mod call;
mod codec;
mod output;

use std::{panic, sync::OnceLock};

pub use media_plugin_abi as abi;
use media_plugin_abi::{
    MN_ABI_MAJOR, MN_ABI_MINOR, MN_LOG_DEBUG, MN_LOG_ERROR, MN_LOG_INFO, MN_LOG_WARN, mn_codec, mn_host,
    mn_output, mn_plugin, mn_str,
};

use crate::{
    guard::catch_panic,
    log::{Level, log, set_sink},
    registration::{CodecRegistration, OutputRegistration},
};

/// Exports all codecs and outputs that this library registers, so that a node can load it.
///
/// ```ignore
/// media_plugin_sdk::export_plugin! {
///     id: "codec-flac",
///     version: env!("CARGO_PKG_VERSION"),
///     provides: "codec:flac",
/// }
/// ```
///
/// - `id`: id of the whole library, 1 to 32 characters of `[a-z0-9-]`.
/// - `version`: its version, 1 to 32 characters.
/// - `provides`: the registered codecs and outputs as `codec:ID` or `output:ID`, separated by one space, 256
///   bytes at most.
///
/// The node reads these from the file without running its code. A longer text stops the build.
///
/// A crate that is also linked into a node declares a feature `built-in`, with which the macro exports
/// nothing. Two crates that export the same symbols cannot be linked into one program.
#[macro_export]
macro_rules! export_plugin {
    (id: $id:expr, version: $version:expr, provides: $provides:expr $(,)?) => {
        #[allow(unexpected_cfgs, reason = "a plugin that is never linked into a node has no such feature")]
        const _: () = {
            #[cfg(not(feature = "built-in"))]
            const _: () = {
                use $crate::export::abi;

                #[used]
                #[unsafe(no_mangle)]
                #[cfg_attr(target_vendor = "apple", unsafe(link_section = "__DATA,__mn_abi"))]
                #[cfg_attr(not(target_vendor = "apple"), unsafe(link_section = ".mn_abi"))]
                static media_node_plugin_abi: abi::mn_abi_note = abi::mn_abi_note::new(
                    if cfg!(panic = "abort") { abi::MN_NOTE_PANIC_ABORT } else { 0 },
                    $id,
                    $version,
                    $provides,
                );

                #[unsafe(no_mangle)]
                unsafe extern "C" fn media_node_plugin_entry_v1(
                    host: *const abi::mn_host,
                ) -> *const abi::mn_plugin {
                    // SAFETY: the host passes a table that keeps to the ABI.
                    unsafe { $crate::export::entry(host, $id, $version) }
                }
            };
        };
    };
}

/// The host's table, checked and copied by `entry`.
struct Host {
    pointer: *const mn_host,
    table: mn_host,
}
// SAFETY: by the ABI the table never changes, and any thread may call its functions.
unsafe impl Send for Host {}
// SAFETY: as above.
unsafe impl Sync for Host {}

/// The leaked table that `entry` returns.
struct Exported(*const mn_plugin);
// SAFETY: the table never changes after its creation.
unsafe impl Send for Exported {}
// SAFETY: as above.
unsafe impl Sync for Exported {}

static HOST: OnceLock<Host> = OnceLock::new();
static PLUGIN: OnceLock<Exported> = OnceLock::new();

/// Entry of a library. Returns its table, or NULL after logging why the library cannot describe itself.
///
/// # Safety
/// `host` is NULL, or points to a table that keeps to the ABI and stays valid.
pub unsafe fn entry(host: *const mn_host, id: &'static str, version: &'static str) -> *const mn_plugin {
    if host.is_null() {
        return std::ptr::null();
    }
    // SAFETY: guaranteed by the caller.
    let Ok(table) = (unsafe { abi::read(host) }) else { return std::ptr::null() };
    HOST.get_or_init(|| Host { pointer: host, table });
    set_sink(to_host);
    // A loaded library has a standard library of its own, and so a panic hook of its own. The default hook
    // would write to the terminal, on which the node may be drawing.
    panic::set_hook(Box::new(|info| log(Level::Error, info.to_string().replace('\n', " "))));
    let create = || Ok(PLUGIN.get_or_init(|| Exported(Box::leak(Box::new(table_of(id, version))))).0);
    catch_panic(create).unwrap_or_else(|why| {
        log(Level::Error, format_args!("{id} cannot be loaded: {why}"));
        std::ptr::null()
    })
}

fn table_of(id: &'static str, version: &'static str) -> mn_plugin {
    let codecs: Vec<mn_codec> =
        inventory::iter::<CodecRegistration>().map(|codec| codec::table((codec.0)())).collect();
    let outputs: Vec<mn_output> =
        inventory::iter::<OutputRegistration>().map(|output| output::table((output.0)())).collect();
    mn_plugin {
        struct_size: size_of::<mn_plugin>() as u32,
        abi_major: MN_ABI_MAJOR,
        abi_minor: MN_ABI_MINOR,
        id: mn_str::new(id),
        version: mn_str::new(version),
        build: mn_str::new(concat!("media-plugin-sdk ", env!("CARGO_PKG_VERSION"))),
        codec_count: call::number(codecs.len()),
        codec_stride: size_of::<mn_codec>() as u32,
        codecs: Vec::leak(codecs).as_ptr(),
        output_count: call::number(outputs.len()),
        output_stride: size_of::<mn_output>() as u32,
        outputs: Vec::leak(outputs).as_ptr(),
        get_extension: None,
    }
}

/// Sends a message through the host's table.
fn to_host(level: Level, text: &str) {
    let Some(Host { pointer, table: mn_host { log: Some(log), .. } }) = HOST.get() else { return };
    let level = match level {
        Level::Error => MN_LOG_ERROR,
        Level::Warn => MN_LOG_WARN,
        Level::Info => MN_LOG_INFO,
        Level::Debug => MN_LOG_DEBUG,
    };
    let text = call::str_of(text);
    // SAFETY: the function and its argument `pointer` are the host's, and `text` outlives the call.
    unsafe { log(*pointer, level, text) }
}
