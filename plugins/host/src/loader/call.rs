use media_plugin_abi::{
    MN_BAD_ARGUMENT, MN_CORRUPT, MN_FAILED, MN_LOST, MN_NO_SPACE, MN_OK, MN_OUT_OF_MEMORY, MN_PANICKED,
    MN_UNSUPPORTED, mn_error, mn_format, mn_status,
};
use media_plugin_sdk::{AudioFormat, PluginError, Result};

use super::text;

/// What a number is before the plugin has set it: beyond every bound.
pub(super) const UNSET: u32 = u32::MAX;

/// Calls a function of a plugin's table, with a fresh [`mn_error`] as the last argument; `$have` is what the buffer holds,
/// for the message of `NoSpace`.
///
/// The caller states in a SAFETY comment why the arguments are what the header asks for.
macro_rules! call {
    ($table:expr, $name:ident($($argument:expr),* $(,)?), have $have:expr) => {
        match $table.$name {
            Some(function) => {
                let mut error = $crate::load::call::no_error();
                let status = function($($argument,)* &raw mut error);
                $crate::load::call::outcome(status, &error, $have)
            }
            None => Err($crate::load::call::missing(stringify!($name))),
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

/// A function that the table was checked to have, or that may be missing and was called all the same.
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

/// A length for the plugin. Nothing in a node is longer than 4 GiB.
pub(super) fn number(what: &str, len: usize) -> Result<u32> {
    u32::try_from(len)
        .map_err(|_| PluginError::BadArgument(format!("{len} {what} are too many for one call")))
}

/// Whole frames in `samples`.
pub(super) fn frames(samples: usize, channels: u16) -> Result<u32> {
    if !samples.is_multiple_of(channels.into()) {
        return Err(PluginError::BadArgument(format!("{samples} samples are no whole frames of {channels}")));
    }
    number("frames", samples / usize::from(channels))
}

/// A 0 or 1 that a plugin gave.
pub(super) fn flag(what: &str, value: u32) -> Result<bool> {
    match value {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(PluginError::Failed(format!(
            "the plugin says {value} to whether {what}, which is neither 0 nor 1"
        ))),
    }
}

pub(super) fn to_abi(format: AudioFormat) -> mn_format {
    mn_format { rate: format.rate, channels: format.channels.into() }
}

/// A format that a plugin gave, to be checked by the guard; more channels than fit are none.
pub(super) fn from_abi(format: mn_format) -> AudioFormat {
    AudioFormat { rate: format.rate, channels: u16::try_from(format.channels).unwrap_or(0) }
}
