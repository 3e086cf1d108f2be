use serde::{Deserialize, Serialize};

use crate::{
    error::Result,
    format::{AudioFormat, SampleType},
};

/// Description of an output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputInfo {
    /// Id in the configuration and on the command line: 1 to 32 characters of `[a-z0-9-]`.
    pub id: String,
    /// Version of the plugin, for people to read.
    pub version: String,
    /// One line for `plugins list`.
    pub description: String,
    /// Meaning of TARGET in `--output ID:TARGET`, such as "a device id or name" or "a path".
    pub target: String,
}

/// One device of an output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceInfo {
    /// Target that opens the device. It stays the same between runs.
    pub id: String,
    /// Name shown by the system.
    pub name: String,
    /// True if the output opens this device for an empty target.
    pub default: bool,
    /// Supported rates in frames per second, empty for any.
    pub rates: Vec<u32>,
    /// Supported channel counts, empty for any.
    pub channels: Vec<u16>,
}

/// Request to open an output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenRequest<'a> {
    /// Target after `ID:`, empty for the default.
    pub target: &'a str,
    /// Preferred format. The output may open another one; see [`Output::format`].
    pub format: AudioFormat,
    /// Sample type that holds the source's samples exactly. A file output stores this type.
    pub sample: SampleType,
    /// The table `[output.ID]` of the configuration as one JSON object, empty if there is no such table.
    pub options: &'a str,
}

/// A kind of output, such as sound devices or files.
///
/// # Threads
///
/// One object serves the whole process. The host calls its methods from any thread, several at the same time.
/// They may allocate, lock and wait for the system.
pub trait OutputPlugin: Send + Sync {
    /// Describes the output. Always returns the same values.
    fn info(&self) -> OutputInfo;

    /// Lists the devices, the default first. Returns an empty list if the output has no devices to choose
    /// from.
    ///
    /// Real time: may take up to a second.
    ///
    /// # Errors
    /// `Failed` if the system cannot list its devices.
    fn devices(&self) -> Result<Vec<DeviceInfo>>;

    /// Checks options without opening anything. `options` is the table `[output.ID]` of the configuration as one JSON object,
    /// empty if there is no such table. The default accepts any options, and [`OutputPlugin::open`] refuses wrong ones.
    ///
    /// # Errors
    /// `BadArgument` names the wrong option and the permitted values.
    fn check_options(&self, options: &str) -> Result<()> {
        let _ = options;
        Ok(())
    }

    /// Opens a target. Sound starts with the first frames written.
    ///
    /// # Errors
    /// `BadArgument` if the target or an option does not exist; the message lists those that do. `Lost` if
    /// the target existed and is gone. `Failed` for anything else.
    fn open(&self, open: &OpenRequest<'_>) -> Result<Box<dyn Output>>;
}

/// An open output. It sets the pace of playback: the playback thread writes as fast as the output takes
/// frames.
///
/// Dropping it stops the sound at once. A file output keeps the frames written before.
///
/// # Threads
///
/// One thread at a time uses an output; different calls may come from different threads. During playback this
/// is the playback thread. It is never the async reactor or a sound callback.
///
/// Real time: no method blocks for longer than `MAX_WAIT`, 50 ms, so that the playback thread obeys commands
/// in time.
pub trait Output: Send {
    /// Returns the format that [`Output::write`] takes, which may differ from [`OpenRequest::format`]. It never
    /// changes.
    ///
    /// Real time: returns at once.
    fn format(&self) -> AudioFormat;

    /// Returns true if the output plays in real time. An output that does not, such as a file, takes frames
    /// as fast as they come and has no underruns. The value never changes.
    ///
    /// Real time: returns at once.
    fn is_realtime(&self) -> bool;

    /// Takes interleaved samples in [`Output::format`], nominal range ±1, whole frames only.
    ///
    /// Returns the number of frames taken. That is 0 while the output is paused, and if it had no room for
    /// `MAX_WAIT`, as with a suspended device.
    ///
    /// Real time: blocks for `MAX_WAIT` at most. Should not allocate after the first calls.
    ///
    /// # Errors
    /// `Lost` if the device is gone; the host drops this output and opens another. `Failed` for anything
    /// else, such as a full disk.
    fn write(&mut self, frames: &[f32]) -> Result<usize>;

    /// Returns the number of frames taken but not yet heard.
    ///
    /// 0 in a real-time output that is not paused means an underrun. A write during which the output runs out
    /// of frames takes none, so that the host sees the 0. After `Lost`, the result counts all frames that may
    /// not have been heard. The host writes those again to the next output.
    ///
    /// Real time: returns at once.
    fn delay(&self) -> u64;

    /// Returns the number of underruns that the sound system itself has reported since `open`, 0 if it
    /// reports none.
    ///
    /// Real time: returns at once.
    fn xruns(&self) -> u64 {
        0
    }

    /// Pauses or resumes. A paused output falls silent at once and keeps its frames.
    ///
    /// Real time: blocks for `MAX_WAIT` at most.
    ///
    /// # Errors
    /// As [`Output::write`].
    fn pause(&mut self, paused: bool) -> Result<()>;

    /// Drops all frames not yet heard. Silence follows until the next write.
    ///
    /// Real time: blocks for `MAX_WAIT` at most.
    ///
    /// # Errors
    /// As [`Output::write`].
    fn flush(&mut self) -> Result<()>;

    /// Waits until all frames are heard, or stored in a file. Returns false after `MAX_WAIT`; the host then
    /// calls again.
    ///
    /// Real time: blocks for `MAX_WAIT` at most.
    ///
    /// # Errors
    /// As [`Output::write`].
    fn drain(&mut self) -> Result<bool>;
}

impl dyn Output {
    /// Longest time that any method of an output blocks. Tested by `it_takes_a_buffer_at_once_and_then_plays_at_its_rate` and
    /// `a_drain_waits_in_steps_until_all_is_heard`.
    pub const MAX_WAIT: std::time::Duration = std::time::Duration::from_millis(50);
}
