use serde::{Deserialize, Serialize};

use crate::{AudioFormat, Result, SampleType};

/// What an output says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputInfo {
    /// The id in config and on the command line: `[a-z0-9-]`, 1 to 32 characters.
    pub id: String,
    /// The plugin's version.
    pub version: String,
    /// One line for `plugins list`.
    pub description: String,
    /// What a target is, for `--output ID:TARGET`: "a device id or name", "a path".
    pub target: String,
}

/// One place where an output can play.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceInfo {
    /// What to write as the target, stable between runs.
    pub id: String,
    /// The name that the system shows.
    pub name: String,
    /// Whether it is where sound goes when no target is named.
    pub default: bool,
    /// The rates that it takes, in frames per second; empty when any.
    pub rates: Vec<u32>,
    /// The channel counts that it takes; empty when any.
    pub channels: Vec<u16>,
}

/// What to open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Open<'a> {
    /// The target after `ID:`, empty for the default.
    pub target: &'a str,
    /// The format that is wished for; the output may amend it.
    pub format: AudioFormat,
    /// What the samples fit into exactly: a file output stores them so.
    pub sample: SampleType,
    /// The `[output.ID]` table of the configuration as one JSON object, empty when there is none.
    pub options: &'a str,
}

/// A kind of output.
pub trait OutputPlugin: Send + Sync {
    /// What this output is.
    fn info(&self) -> OutputInfo;

    /// The places where it can play, the default first. May take a second; empty when there are none to choose from.
    ///
    /// # Errors
    /// `Failed` when the system cannot be asked.
    fn devices(&self) -> Result<Vec<DeviceInfo>>;

    /// Opens a target. It starts to sound with the first frames written.
    ///
    /// # Errors
    /// `BadArgument` for a target or an option that does not exist (the message lists those that do); `Lost` when the
    /// target is there no more; `Failed` for the rest.
    fn open(&self, open: &Open<'_>) -> Result<Box<dyn Output>>;
}

/// An open output. It clocks the playback thread, which is its one user. Dropping it stops at once; a file keeps what
/// was written.
///
/// No method blocks for longer than `MAX_WAIT`, so that a command is never late.
pub trait Output: Send {
    /// The format that [`Output::write`] takes, perhaps not the one that was asked for.
    fn format(&self) -> AudioFormat;

    /// Whether it plays in real time. One that does not (a file) has no underruns and takes frames as fast as they come.
    fn is_realtime(&self) -> bool;

    /// Hands over interleaved frames in [`Output::format`], nominal ±1. Returns how many frames were taken, maybe none
    /// when there was no room within `MAX_WAIT`. Takes none while paused, nor while the device is suspended and full.
    ///
    /// # Errors
    /// `Lost` when the device is gone: drop this output and open again. `Failed` for the rest (a full disk).
    fn write(&mut self, frames: &[f32]) -> Result<usize>;

    /// Frames handed over but not yet heard. 0 in a playing real-time output means that it has run dry; a write during which
    /// that happens takes nothing, so that it shows. After `Lost` it counts all that may not have been heard, which the next
    /// output is given again.
    fn delay(&self) -> u64;

    /// How often since the opening the sound system itself said that it ran out of frames: it was called too late, or they
    /// came to it too late. Where nobody can say, 0.
    fn xruns(&self) -> u64 {
        0
    }

    /// Falls silent at once and keeps what it was given (`true`), or goes on (`false`).
    ///
    /// # Errors
    /// As [`Output::write`].
    fn pause(&mut self, paused: bool) -> Result<()>;

    /// Throws away what was handed over and not yet heard; silence follows until the next write.
    ///
    /// # Errors
    /// As [`Output::write`].
    fn flush(&mut self) -> Result<()>;

    /// Waits until what was handed over is heard, or stored, for `MAX_WAIT` at most. Returns whether it is;
    /// call it again until then.
    ///
    /// # Errors
    /// As [`Output::write`].
    fn drain(&mut self) -> Result<bool>;
}

impl dyn Output {
    /// The longest that any call blocks.
    pub const MAX_WAIT: std::time::Duration = std::time::Duration::from_millis(50);
}
