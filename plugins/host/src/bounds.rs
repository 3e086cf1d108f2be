//! Bounds that the host enforces on values from a plugin, as the SDK documents them.

use media_plugin_sdk::{AudioFormat, Choice, Encoding, PluginError, Result};

/// A checked value, or its fault in one line.
pub(crate) type Checked<T> = std::result::Result<T, String>;

/// Longest lead-in, lookahead or crossfade of a codec, in frames (1.4 s at 48 kHz). Limits the extra work at the edges
/// of a chunk.
pub const MAX_EDGE: usize = 65_536;

/// Longest decoder configuration, in bytes: the size of `mn_encoding::config`. Tested by
/// `sizes_and_words_out_of_bounds_are_refused`.
const MAX_CONFIG: usize = 4096;
/// Longest packet, in bytes: 1 MiB, as `Encoding::max_packet_bytes` documents. Tested by
/// `sizes_and_words_out_of_bounds_are_refused`.
const MAX_PACKET_BYTES: usize = 1 << 20;
/// Most frames in a packet, as `Encoding::packet_frames` documents. Tested by `sizes_and_words_out_of_bounds_are_refused`.
const MAX_PACKET_FRAMES: usize = 65_536;

/// Longest id, and longest parameters of a choice, in characters. Tested by `sizes_and_words_out_of_bounds_are_refused`.
const MAX_WORD: usize = 32;

/// True for up to [`MAX_WORD`] characters from a-z, 0-9 and `-`.
fn is_word(text: &str) -> bool {
    text.len() <= MAX_WORD && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// Checks an id: `[a-z0-9-]`, 1 to 32 characters.
pub(crate) fn check_id(id: &str) -> Result<()> {
    if !id.is_empty() && is_word(id) {
        return Ok(());
    }
    Err(PluginError::BadArgument(format!("the id {id:?} is not 1 to 32 characters of a-z, 0-9 and -")))
}

/// Checks a choice: its format, and parameters that can be part of a rendition's id.
pub(crate) fn check_choice(choice: &Choice) -> Result<()> {
    check_format(choice.format)?;
    if is_word(&choice.params) {
        return Ok(());
    }
    let params = &choice.params;
    Err(PluginError::BadArgument(format!(
        "the parameters {params:?} are not 0 to 32 characters of a-z, 0-9 and -"
    )))
}

pub(crate) fn check_format(format: AudioFormat) -> Result<()> {
    if format.is_valid() {
        return Ok(());
    }
    Err(PluginError::BadArgument(format!(
        "the format {format} is outside 1 to {} Hz, 1 to {} channels",
        AudioFormat::MAX_RATE,
        AudioFormat::MAX_CHANNELS
    )))
}

/// Checks the length of a decoder configuration.
pub(crate) fn check_config(config: &[u8]) -> Result<()> {
    check_range("bytes of codec configuration", config.len(), 0, MAX_CONFIG).map_err(PluginError::BadArgument)
}

/// Checks that an encoding belongs to the `requested` choice and that its sizes are within their bounds.
pub(crate) fn check_encoding(encoding: &Encoding, requested: &Choice) -> Result<()> {
    if encoding.choice != *requested {
        return Err(PluginError::Failed(format!(
            "encoding() of {requested:?} returned the encoding of {:?}",
            encoding.choice
        )));
    }
    let sizes = [
        ("bytes of configuration", encoding.config.len(), 0, MAX_CONFIG),
        ("frames per packet", encoding.packet_frames as usize, 1, MAX_PACKET_FRAMES),
        ("bytes per packet", encoding.max_packet_bytes as usize, 1, MAX_PACKET_BYTES),
        ("frames of lead-in", encoding.lead_in as usize, 0, MAX_EDGE),
        ("frames of lookahead", encoding.lookahead as usize, 0, MAX_EDGE),
        ("frames of crossfade", encoding.crossfade as usize, 0, MAX_EDGE),
    ];
    sizes
        .iter()
        .try_for_each(|&(what, value, low, high)| check_range(what, value, low, high))
        .and_then(|()| check_joinable(encoding))
        .map_err(PluginError::Failed)
}

/// Checks that the packets of a joinable encoding begin at the border of a chunk, and that those of a chunk with a tail end at
/// the next border.
fn check_joinable(encoding: &Encoding) -> Checked<()> {
    let packet = encoding.packet_frames;
    if !encoding.joinable {
        return Ok(());
    }
    if !encoding.lead_in.is_multiple_of(packet) {
        return Err(format!("a joinable encoding needs a lead-in that is a multiple of {packet} frames"));
    }
    let has_tail = encoding.lookahead > 0 || encoding.crossfade > 0;
    let chunk = encoding.choice.format.rate.saturating_mul(3);
    if has_tail && !(encoding.whole_packets && chunk.is_multiple_of(packet)) {
        return Err(format!(
            "a joinable encoding with lookahead or crossfade needs whole packets and chunks of 3 s that are a multiple of \
             {packet} frames"
        ));
    }
    Ok(())
}

/// Checks the length that a plugin returned against the capacity of the host's buffer.
pub(crate) fn check_returned(unit: &str, returned: usize, capacity: usize) -> Result<usize> {
    if returned <= capacity {
        return Ok(returned);
    }
    Err(PluginError::Failed(format!(
        "the plugin returned {returned} {unit}, more than the {capacity} of the buffer"
    )))
}

fn check_range(what: &str, value: usize, low: usize, high: usize) -> Checked<()> {
    if (low..=high).contains(&value) {
        return Ok(());
    }
    Err(format!("{value} {what} is outside {low} to {high}"))
}
