use std::slice;

use media_plugin_abi::{MN_MAX_STRING, mn_error, mn_str};

use super::Checked;

/// A plugin's text: one line of UTF-8 within the bound of the ABI.
///
/// # Safety
/// As [`bytes`].
pub(super) unsafe fn bounded(what: &str, text: mn_str) -> Checked<String> {
    // SAFETY: the caller vouches for it.
    let bytes = unsafe { bytes(what, text) }?;
    let text = std::str::from_utf8(bytes).ok().filter(|text| !text.contains(char::is_control));
    text.map(Into::into).ok_or_else(|| format!("its {what} is no line of text in UTF-8"))
}

/// The bytes of a plugin's text, for the length of a call.
///
/// # Safety
/// If `text.ptr` is not NULL, it can be read for `text.len` bytes, for as long as that is within the bound of the ABI.
pub(super) unsafe fn bytes<'a>(what: &str, text: mn_str) -> Checked<&'a [u8]> {
    if text.len > MN_MAX_STRING {
        return Err(format!("its {what} claims {} bytes, more than {MN_MAX_STRING}", text.len));
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

/// The host's text for the length of a call, or `None` beyond the bound of the ABI.
pub(super) fn lent(text: &str) -> Option<mn_str> {
    let len = u32::try_from(text.len()).ok().filter(|len| *len <= MN_MAX_STRING)?;
    Some(mn_str { ptr: text.as_ptr().cast(), len })
}

/// What an error says, in one line.
pub(super) fn of_error(error: &mn_error) -> String {
    let bytes: Vec<u8> = error.text.iter().map(|c| *c as u8).collect();
    let Some(text) = bytes.get(..error.text_len as usize) else {
        return format!(
            "it gave a reason of {} bytes where there is room for {}",
            error.text_len,
            bytes.len()
        );
    };
    match one_line(&String::from_utf8_lossy(text)).trim() {
        "" => "it gave no reason".into(),
        text => text.into(),
    }
}

pub(super) fn one_line(text: &str) -> String {
    text.replace(char::is_control, " ")
}
