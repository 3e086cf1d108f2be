//! Texts that cross the ABI.

use std::slice;

use media_plugin_abi::{MN_MAX_STRING, mn_error, mn_str};

use crate::bounds::Checked;

/// Copies a plugin's text: one line of UTF-8, at most `MN_MAX_STRING` bytes.
///
/// # Safety
/// As [`bytes`].
pub(super) unsafe fn one_line_of(what: &str, text: mn_str) -> Checked<String> {
    // SAFETY: the caller vouches for it.
    let bytes = unsafe { bytes(what, text) }?;
    let text = std::str::from_utf8(bytes).ok().filter(|text| !text.contains(char::is_control));
    text.map(Into::into).ok_or_else(|| format!("its {what} is not one line of UTF-8"))
}

/// Borrows the bytes of a plugin's text during a call.
///
/// # Safety
/// If `text.ptr` is not NULL and `text.len` is at most `MN_MAX_STRING`, `text.ptr` can be read for `text.len` bytes.
pub(super) unsafe fn bytes<'a>(what: &str, text: mn_str) -> Checked<&'a [u8]> {
    if text.len > MN_MAX_STRING {
        return Err(format!("its {what} has {} bytes, more than {MN_MAX_STRING}", text.len));
    }
    if text.len == 0 {
        return Ok(&[]);
    }
    if text.ptr.is_null() {
        return Err(format!("its {what} has {} bytes at NULL", text.len));
    }
    // SAFETY: the caller vouches for it.
    Ok(unsafe { slice::from_raw_parts(text.ptr.cast::<u8>(), text.len as usize) })
}

/// Lends a text of the host to a plugin. Valid as long as `text` is borrowed by the caller; `None` if it is longer than
/// `MN_MAX_STRING` bytes.
pub(super) fn to_abi(text: &str) -> Option<mn_str> {
    let len = u32::try_from(text.len()).ok().filter(|len| *len <= MN_MAX_STRING)?;
    Some(mn_str { ptr: text.as_ptr().cast(), len })
}

/// Text of a plugin's error, in one line.
pub(super) fn of_error(error: &mn_error) -> String {
    let bytes: Vec<u8> = error.text.iter().map(|c| *c as u8).collect();
    let Some(text) = bytes.get(..error.text_len as usize) else {
        return format!(
            "its error text has {} bytes, more than the {} of mn_error",
            error.text_len,
            bytes.len()
        );
    };
    match one_line(&String::from_utf8_lossy(text)).trim() {
        "" => "it gave no reason".into(),
        text => text.into(),
    }
}

/// Replaces control characters, such as line breaks, by spaces.
pub(super) fn one_line(text: &str) -> String {
    text.replace(char::is_control, " ")
}
