//! Parts that all calls through the ABI share: buffers as slices, errors as a status, and the guard against
//! panics.

use std::{
    ffi::{c_char, c_void},
    slice,
};

use media_plugin_abi::{
    MN_BAD_ARGUMENT, MN_CORRUPT, MN_FAILED, MN_LOST, MN_MAX_STRING, MN_NO_SPACE, MN_OK, MN_PANICKED,
    MN_UNSUPPORTED, mn_error, mn_format, mn_status, mn_str,
};

use crate::{
    error::{PluginError, Result},
    format::{AudioFormat, SampleType},
    guard::catch_panic,
};

/// Runs `call` and returns its status. Writes the text of an error into the host's `error`.
///
/// # Safety
/// `error` is a struct of the host, or NULL.
pub(super) unsafe fn status(error: *mut mn_error, call: impl FnOnce() -> Result<()>) -> mn_status {
    match catch_panic(call) {
        Ok(()) => MN_OK,
        // SAFETY: guaranteed by the caller.
        Err(why) => unsafe { fail(error, &why) },
    }
}

unsafe fn fail(error: *mut mn_error, why: &PluginError) -> mn_status {
    let (code, need, text) = match why {
        PluginError::BadArgument(text) => (MN_BAD_ARGUMENT, 0, text.as_str()),
        PluginError::NoSpace { need, .. } => (MN_NO_SPACE, number(*need), ""),
        PluginError::Unsupported(text) => (MN_UNSUPPORTED, 0, text.as_str()),
        PluginError::Corrupt(text) => (MN_CORRUPT, 0, text.as_str()),
        PluginError::Lost(text) => (MN_LOST, 0, text.as_str()),
        PluginError::Failed(text) => (MN_FAILED, 0, text.as_str()),
        PluginError::Panicked(text) => (MN_PANICKED, 0, text.as_str()),
    };
    if !error.is_null() {
        // SAFETY: the host's struct has at least the fields of version 1.0, which these are. `text` is cut to
        // its field.
        unsafe {
            let room = (*error).text.len();
            let text = &text[..text.floor_char_boundary(room)];
            (*error).need = need;
            (*error).text_len = number(text.len());
            let field = (&raw mut (*error).text).cast::<u8>();
            field.copy_from_nonoverlapping(text.as_ptr(), text.len());
        }
    }
    code
}

/// Converts a length for the ABI. A length beyond `u32` exceeds any buffer, so the host refuses `u32::MAX`.
pub(super) fn number(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

/// An encoder, decoder or output behind the ABI. The first panic poisons it.
pub(super) struct Instance<T: ?Sized> {
    inner: Box<T>,
    pub(super) channels: usize,
    poisoned: bool,
}

impl<T: ?Sized> Instance<T> {
    /// Passes an instance to the host, which owns it until [`Instance::free`].
    pub(super) fn leak(inner: Box<T>, channels: u16) -> *mut c_void {
        Box::into_raw(Box::new(Self { inner, channels: channels.into(), poisoned: false })).cast()
    }

    /// Runs one call on an instance.
    ///
    /// # Safety
    /// `instance` comes from [`Instance::leak`] with the same `T`, is not freed, and is not in use by another
    /// call. `error` is a struct of the host, or NULL.
    pub(super) unsafe fn call(
        instance: *mut c_void,
        error: *mut mn_error,
        call: impl FnOnce(&mut T, usize) -> Result<()>,
    ) -> mn_status {
        // SAFETY: guaranteed by the caller.
        let instance = unsafe { &mut *instance.cast::<Self>() };
        let poisoned = &mut instance.poisoned;
        let inner = &mut instance.inner;
        // SAFETY: as above.
        let code = unsafe {
            status(error, || {
                if *poisoned {
                    return Err(PluginError::Panicked("in an earlier call".into()));
                }
                call(inner, instance.channels)
            })
        };
        *poisoned |= code == MN_PANICKED;
        code
    }

    /// Drops an instance.
    ///
    /// # Safety
    /// As [`Instance::call`]. The host does not use the instance again.
    pub(super) unsafe fn free(instance: *mut c_void) {
        // SAFETY: guaranteed by the caller.
        let instance = unsafe { Box::from_raw(instance.cast::<Self>()) };
        // A panic in `drop` has no status to return; the panic hook logs it.
        let _ = catch_panic(|| {
            drop(instance);
            Ok(())
        });
    }
}

/// Returns an input buffer of the host as a slice.
///
/// # Safety
/// `data` can be read for `len` items during the call, or `len` is 0.
pub(super) unsafe fn input<'a, T>(data: *const T, len: usize) -> &'a [T] {
    // SAFETY: guaranteed by the caller.
    if len == 0 { &[] } else { unsafe { slice::from_raw_parts(data, len) } }
}

/// Returns an output buffer of the host as a slice.
///
/// # Safety
/// `data` can be written for `len` items during the call and holds valid items, or `len` is 0.
pub(super) unsafe fn room<'a, T>(data: *mut T, len: usize) -> &'a mut [T] {
    // SAFETY: guaranteed by the caller.
    if len == 0 { &mut [] } else { unsafe { slice::from_raw_parts_mut(data, len) } }
}

/// Returns a text of the host.
///
/// # Safety
/// As [`input`].
pub(super) unsafe fn text<'a>(text: mn_str) -> Result<&'a str> {
    // SAFETY: guaranteed by the caller.
    let bytes = unsafe { input(text.ptr.cast::<u8>(), text.len as usize) };
    std::str::from_utf8(bytes)
        .map_err(|e| PluginError::BadArgument(format!("a text of the host is not UTF-8: {e}")))
}

/// Converts a text for the duration of a call. Cuts it to the ABI's limit.
pub(super) fn str_of(text: &str) -> mn_str {
    let text = &text[..text.floor_char_boundary(MN_MAX_STRING as usize)];
    mn_str { ptr: text.as_ptr().cast::<c_char>(), len: number(text.len()) }
}

pub(super) fn format(format: mn_format) -> Result<AudioFormat> {
    let channels = u16::try_from(format.channels);
    let format = channels.ok().map(|channels| AudioFormat { rate: format.rate, channels });
    format
        .filter(AudioFormat::is_valid)
        .ok_or_else(|| PluginError::BadArgument("the format is outside the limits of a node".into()))
}

pub(super) fn abi_format(format: AudioFormat) -> mn_format {
    mn_format { rate: format.rate, channels: format.channels.into() }
}

pub(super) fn sample(sample: u32) -> Result<SampleType> {
    SampleType::from_abi(sample)
        .ok_or_else(|| PluginError::BadArgument(format!("there is no sample type {sample}")))
}

/// Reads a struct of the host with the fields of this version.
///
/// # Safety
/// As [`media_plugin_abi::read`].
pub(super) unsafe fn read<T: media_plugin_abi::Versioned>(from: *const T) -> Result<T> {
    // SAFETY: guaranteed by the caller.
    unsafe { media_plugin_abi::read(from) }.map_err(|size| {
        PluginError::BadArgument(format!(
            "a struct of the host has only {size} bytes, fewer than in version 1.0 of the ABI"
        ))
    })
}
