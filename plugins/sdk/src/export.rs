//! What `export_plugin!` puts between the traits and the C ABI. Plugins use the macro and nothing of this.

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
    CodecRegistration, OutputRegistration,
    guard::caught,
    log::{Level, log, set_sink},
};

/// Exports everything that this library registers, so that a node can load it.
///
/// ```ignore
/// media_plugin_sdk::export_plugin! {
///     id: "codec-flac",
///     version: env!("CARGO_PKG_VERSION"),
///     provides: "codec:flac",
/// }
/// ```
///
/// `id`, `version` and `provides` can be read from the file without running it; `provides` names what is registered, with
/// one space between. A crate that is also linked into a node declares a feature `built-in`, with which nothing is
/// exported: two libraries that both export cannot be linked into one program.
#[macro_export]
macro_rules! export_plugin {
    (id: $id:expr, version: $version:expr, provides: $provides:expr $(,)?) => {
        #[allow(unexpected_cfgs, reason = "a plugin that is only ever loaded needs no such feature")]
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
                    // SAFETY: the host's table is what the ABI says.
                    unsafe { $crate::export::entry(host, $id, $version) }
                }
            };
        };
    };
}

/// The host's table, once `entry` has seen that it is one.
struct Host {
    pointer: *const mn_host,
    table: mn_host,
}
// SAFETY: the ABI says that the table stays as it is and that its functions may be called from any thread.
unsafe impl Send for Host {}
// SAFETY: as above.
unsafe impl Sync for Host {}

/// The table that `entry` gave out, leaked.
struct Exported(*const mn_plugin);
// SAFETY: nobody writes to the table after it is made.
unsafe impl Send for Exported {}
// SAFETY: as above.
unsafe impl Sync for Exported {}

static HOST: OnceLock<Host> = OnceLock::new();
static PLUGIN: OnceLock<Exported> = OnceLock::new();

/// The entry of a library: NULL if it cannot say what it is, after having logged why.
///
/// # Safety
/// `host` points to a table as the ABI says, which stays valid.
pub unsafe fn entry(host: *const mn_host, id: &'static str, version: &'static str) -> *const mn_plugin {
    if host.is_null() {
        return std::ptr::null();
    }
    // SAFETY: the caller vouches for it.
    let Ok(table) = (unsafe { abi::read(host) }) else { return std::ptr::null() };
    HOST.get_or_init(|| Host { pointer: host, table });
    set_sink(to_host);
    // This library's own standard library, hence its own hook: it must not write over a terminal that the node draws on.
    panic::set_hook(Box::new(|info| log(Level::Error, info.to_string().replace('\n', " "))));
    let made = || Ok(PLUGIN.get_or_init(|| Exported(Box::leak(Box::new(table_of(id, version))))).0);
    caught(made).unwrap_or_else(|why| {
        log(Level::Error, format_args!("{id} cannot be loaded: {why}"));
        std::ptr::null()
    })
}

fn table_of(id: &'static str, version: &'static str) -> mn_plugin {
    let codecs: Vec<mn_codec> =
        inventory::iter::<CodecRegistration>().map(|it| codec::table((it.0)())).collect();
    let outputs: Vec<mn_output> =
        inventory::iter::<OutputRegistration>().map(|it| output::table((it.0)())).collect();
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
    // SAFETY: the host's own function, with its own table and a text that lives until it returns.
    unsafe { log(*pointer, level, text) }
}
