//! The outputs `file` (WAV and raw files) and `stdout` (raw samples on standard output).
//!
//! Neither plays in real time: they take frames as fast as those come, and written frames count as heard.
//!
//! # Formats
//! The ending of a path decides: `.wav` and `.wave` are WAV, or RF64 beyond 4 GiB. `.raw` and `.pcm` are interleaved
//! little-endian samples without a header, in the format of the option `format`: `s16`, `s24` (packed, 3 bytes) or `f32`.
//! Without that option the format is that of the first track. Any other ending is refused.
//!
//! # Unfinished files
//! A file is written as PATH with `.part` appended. [`Output::drain`](media_plugin_sdk::Output::drain) renames it to PATH.
//! It replaces an existing file only if `overwrite` is set. After a failed write, such as on a full disk, the output removes
//! the `.part` file. A player that a person quits completes the file. A player that is killed or loses its node leaves the
//! `.part` file. Its header covers at least all but the last second. The
//! next output for that path replaces that file. Pipes, devices and symbolic links are written directly; if a link's target
//! is a file, a failed write empties it.
//!
//! # Blocking
//! A write takes as long as the system's write. On a disk that is well below `MAX_WAIT`. A pipe blocks until its reader
//! reads, even for ever, and no portable call can interrupt that. [`WriterOutput::MAX_WRITE`] keeps the time short if the
//! reader plays in real time.

mod file;
mod file_target;
mod options;
mod output;
mod samples;
mod stdout;
mod wav;

pub use file::File;
pub use output::WriterOutput;
pub use stdout::Stdout;
