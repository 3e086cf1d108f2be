//! What every call through the ABI needs: buffers as slices, results as a status, and no panic beyond this point.

use std::{
    ffi::{c_char, c_void},
    slice,
};

use media_plugin_abi::{
    MN_BAD_ARGUMENT, MN_CORRUPT, MN_FAILED, MN_LOST, MN_MAX_STRING, MN_NO_SPACE, MN_OK, MN_PANICKED,
    MN_UNSUPPORTED, mn_error, mn_format, mn_status, mn_str,
};

use crate::{AudioFormat, PluginError, Result, SampleType, guard::caught};

/// Runs `call` and turns what it returns into a status, with the text in the host's `error`.
///
/// # Safety
/// `error` is the host's, or NULL.
pub(super) unsafe fn status(error: *mut mn_error, call: impl FnOnce() -> Result<()>) -> mn_status {
    match caught(call) {
        Ok(()) => MN_OK,
        // SAFETY: the caller vouches for `error`.
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
        // SAFETY: the host's struct is at least as long as version 1.0, which these fields are of; `text` is cut to its
        // field.
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

/// A length as the ABI counts it. What does not fit is beyond any buffer and is refused by the host.
pub(super) fn number(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

/// An instance behind the ABI. The first panic poisons it.
pub(super) struct Instance<T: ?Sized> {
    inner: Box<T>,
    pub(super) channels: usize,
    poisoned: bool,
}

impl<T: ?Sized> Instance<T> {
    /// Hands an instance over to the host.
    pub(super) fn leak(inner: Box<T>, channels: u16) -> *mut c_void {
        Box::into_raw(Box::new(Self { inner, channels: channels.into(), poisoned: false })).cast()
    }

    /// Runs one call on an instance that the host gives back.
    ///
    /// # Safety
    /// `instance` is of [`Instance::leak`] with the same `T`, not yet freed, and nobody else uses it; `error` is the
    /// host's.
    pub(super) unsafe fn call(
        instance: *mut c_void,
        error: *mut mn_error,
        call: impl FnOnce(&mut T, usize) -> Result<()>,
    ) -> mn_status {
        // SAFETY: the caller vouches for it.
        let it = unsafe { &mut *instance.cast::<Self>() };
        let poisoned = &mut it.poisoned;
        let inner = &mut it.inner;
        // SAFETY: as above.
        let code = unsafe {
            status(error, || {
                if *poisoned {
                    return Err(PluginError::Panicked("in an earlier call".into()));
                }
                call(inner, it.channels)
            })
        };
        *poisoned |= code == MN_PANICKED;
        code
    }

    /// Drops an instance.
    ///
    /// # Safety
    /// As [`Instance::call`]; the host does not use it again.
    pub(super) unsafe fn free(instance: *mut c_void) {
        // SAFETY: the caller vouches for it.
        let it = unsafe { Box::from_raw(instance.cast::<Self>()) };
        // The panic hook has told the host.
        let _ = caught(|| {
            drop(it);
            Ok(())
        });
    }
}

/// The host's input as a slice.
///
/// # Safety
/// `data` can be read for `len` items during the call, or `len` is 0.
pub(super) unsafe fn input<'a, T>(data: *const T, len: usize) -> &'a [T] {
    // SAFETY: the caller vouches for it.
    if len == 0 { &[] } else { unsafe { slice::from_raw_parts(data, len) } }
}

/// The host's buffer as a slice.
///
/// # Safety
/// `data` can be written for `len` items during the call and holds valid ones, or `len` is 0.
pub(super) unsafe fn room<'a, T>(data: *mut T, len: usize) -> &'a mut [T] {
    // SAFETY: the caller vouches for it.
    if len == 0 { &mut [] } else { unsafe { slice::from_raw_parts_mut(data, len) } }
}

/// The host's text.
///
/// # Safety
/// As [`input`].
pub(super) unsafe fn text<'a>(text: mn_str) -> Result<&'a str> {
    // SAFETY: the caller vouches for it.
    let bytes = unsafe { input(text.ptr.cast::<u8>(), text.len as usize) };
    std::str::from_utf8(bytes)
        .map_err(|e| PluginError::BadArgument(format!("a text of the host is no UTF-8: {e}")))
}

/// A text for the duration of a call, cut to what the ABI allows.
pub(super) fn str_of(text: &str) -> mn_str {
    let text = &text[..text.floor_char_boundary(MN_MAX_STRING as usize)];
    mn_str { ptr: text.as_ptr().cast::<c_char>(), len: number(text.len()) }
}

pub(super) fn format(format: mn_format) -> Result<AudioFormat> {
    let channels = u16::try_from(format.channels);
    let format = channels.ok().map(|channels| AudioFormat { rate: format.rate, channels });
    format
        .filter(AudioFormat::is_valid)
        .ok_or_else(|| PluginError::BadArgument("the format is outside what a node handles".into()))
}

pub(super) fn sample(sample: u32) -> Result<SampleType> {
    SampleType::from_abi(sample)
        .ok_or_else(|| PluginError::BadArgument(format!("there is no sample type {sample}")))
}

/// A struct of the host's, as this version knows it.
///
/// # Safety
/// As [`media_plugin_abi::read`].
pub(super) unsafe fn read<T: media_plugin_abi::Versioned>(from: *const T) -> Result<T> {
    // SAFETY: the caller vouches for it.
    unsafe { media_plugin_abi::read(from) }
        .map_err(|size| PluginError::BadArgument(format!("a struct of the host has only {size} bytes")))
}
