//! What a plugin claims, held against the bounds that the SDK documents.

use media_plugin_sdk::{AudioFormat, Choice, Encoding, PluginError, Result};

/// The longest lead-in, lookahead or crossfade that the host grants a codec, in frames (1.4 s at 48 kHz): it bounds what
/// the edges of a chunk can cost.
pub const MAX_EDGE: usize = 65_536;

const MAX_CONFIG: usize = 4096;
const MAX_PACKET_BYTES: usize = 1 << 20;
const MAX_PACKET_FRAMES: usize = 65_536;

fn is_word(text: &str) -> bool {
    text.len() <= 32 && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// An id is `[a-z0-9-]`, 1 to 32 characters.
pub(crate) fn id(id: &str) -> Result<()> {
    if !id.is_empty() && is_word(id) {
        return Ok(());
    }
    Err(PluginError::BadArgument(format!("the id {id:?} is not 1 to 32 characters of a-z, 0-9 and -")))
}

/// A choice names a format that a node handles, and parameters that can stand in a rendition's id.
pub(crate) fn choice(choice: &Choice) -> Result<()> {
    format(choice.format)?;
    if is_word(&choice.params) {
        return Ok(());
    }
    let params = &choice.params;
    Err(PluginError::BadArgument(format!(
        "the parameters {params:?} are not 0 to 32 characters of a-z, 0-9 and -"
    )))
}

pub(crate) fn format(format: AudioFormat) -> Result<()> {
    if format.is_valid() {
        return Ok(());
    }
    Err(PluginError::BadArgument(format!(
        "the format {format} is outside 1 to {} Hz, 1 to {} channels",
        AudioFormat::MAX_RATE,
        AudioFormat::MAX_CHANNELS
    )))
}

pub(crate) fn config(config: &[u8]) -> Result<()> {
    bound("bytes of codec configuration", config.len(), 0, MAX_CONFIG).map_err(PluginError::BadArgument)
}

/// An encoding is of the choice that was asked about, and every size in it is within its bounds.
pub(crate) fn encoding(encoding: &Encoding, asked: &Choice) -> Result<()> {
    if encoding.choice != *asked {
        return Err(PluginError::Failed(format!(
            "asked about {asked:?}, the codec answered about {:?}",
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
        .try_for_each(|&(what, value, low, high)| bound(what, value, low, high))
        .map_err(PluginError::Failed)
}

/// `returned` of what the host gave room for, or handed over.
pub(crate) fn returned(what: &str, returned: usize, room: usize) -> Result<usize> {
    if returned <= room {
        return Ok(returned);
    }
    Err(PluginError::Failed(format!("the plugin claims {returned} {what} where there is room for {room}")))
}

fn bound(what: &str, value: usize, low: usize, high: usize) -> std::result::Result<(), String> {
    if (low..=high).contains(&value) {
        return Ok(());
    }
    Err(format!("{value} {what} is outside {low} to {high}"))
}
