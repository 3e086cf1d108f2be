//! Calls through the ABI: statuses, lengths and formats.

use media_plugin_abi::{
    MN_BAD_ARGUMENT, MN_CORRUPT, MN_FAILED, MN_LOST, MN_NO_SPACE, MN_OK, MN_OUT_OF_MEMORY, MN_PANICKED,
    MN_UNSUPPORTED, mn_error, mn_format, mn_status,
};
use media_plugin_sdk::{AudioFormat, PluginError, Result};

use super::text;

/// Preset of every number that a plugin must write. It is beyond every bound, so the host notices one that stays unset.
pub(super) const UNSET: u32 = u32::MAX;

/// Calls a function of a plugin's table, with a fresh [`mn_error`] as the last argument. `$have` is the capacity of the
/// buffer, for the message of `NoSpace`.
///
/// The caller states in a SAFETY comment why the arguments are as the header requires.
macro_rules! call {
    ($table:expr, $name:ident($($argument:expr),* $(,)?), have $have:expr) => {
        match $table.$name {
            Some(function) => {
                let mut error = $crate::loader::call::no_error();
                let status = function($($argument,)* &raw mut error);
                $crate::loader::call::outcome(status, &error, $have)
            }
            None => Err($crate::loader::call::missing(stringify!($name))),
        }
    };
    ($table:expr, $name:ident($($argument:expr),* $(,)?)) => {
        call!($table, $name($($argument),*), have 0)
    };
}
pub(super) use call;

pub(super) fn no_error() -> mn_error {
    mn_error { struct_size: size_of::<mn_error>() as u32, need: 0, text_len: 0, text: [0; 500] }
}

/// Error for a function that the table does not have. Required functions are checked when the library is opened.
#[cold]
pub(super) fn missing(name: &str) -> PluginError {
    PluginError::Unsupported(format!("the plugin has no function {name}"))
}

pub(super) fn outcome(status: mn_status, error: &mn_error, have: usize) -> Result<()> {
    if status == MN_OK { Ok(()) } else { Err(failure(status, error, have)) }
}

#[cold]
fn failure(status: mn_status, error: &mn_error, have: usize) -> PluginError {
    let text = text::of_error(error);
    match status {
        MN_BAD_ARGUMENT => PluginError::BadArgument(text),
        MN_NO_SPACE => PluginError::NoSpace { have, need: error.need as usize },
        MN_UNSUPPORTED => PluginError::Unsupported(text),
        MN_OUT_OF_MEMORY => PluginError::Failed(format!("out of memory: {text}")),
        MN_CORRUPT => PluginError::Corrupt(text),
        MN_LOST => PluginError::Lost(text),
        MN_FAILED => PluginError::Failed(text),
        MN_PANICKED => PluginError::Panicked(text),
        unknown => PluginError::Failed(format!("the plugin returned the unknown status {unknown}: {text}")),
    }
}

/// Converts a length for the ABI, which counts in 32 bits.
pub(super) fn number(what: &str, len: usize) -> Result<u32> {
    u32::try_from(len)
        .map_err(|_| PluginError::BadArgument(format!("{len} {what} are too many for one call")))
}

/// Number of whole frames in `samples`.
pub(super) fn frames(samples: usize, channels: u16) -> Result<u32> {
    if !samples.is_multiple_of(channels.into()) {
        return Err(PluginError::BadArgument(format!(
            "{samples} samples are not a whole number of frames of {channels} channels"
        )));
    }
    number("frames", samples / usize::from(channels))
}

/// Converts a flag that a plugin wrote.
pub(super) fn flag(field: &str, value: u32) -> Result<bool> {
    match value {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(PluginError::Failed(format!("the plugin set {field} to {value}, which is neither 0 nor 1"))),
    }
}

/// Checks the instance that a constructor wrote.
pub(super) fn not_null<T>(instance: *mut T) -> Result<*mut T> {
    if instance.is_null() {
        return Err(PluginError::Failed("the plugin returned MN_OK without an instance".into()));
    }
    Ok(instance)
}

pub(super) fn format_to_abi(format: AudioFormat) -> mn_format {
    mn_format { rate: format.rate, channels: format.channels.into() }
}

/// Converts a format that a plugin wrote; the guard checks it. A channel count beyond `u16` becomes 0, which is invalid.
pub(super) fn format_from_abi(format: mn_format) -> AudioFormat {
    AudioFormat { rate: format.rate, channels: u16::try_from(format.channels).unwrap_or(0) }
}
