//! The outputs `file` (WAV and raw files) and `stdout` (raw samples on standard output).
//!
//! Neither plays in real time: they take frames as fast as those come, and written frames count as heard.
//!
//! # Blocking
//! A write takes as long as the system's write. On a disk that is well below `MAX_WAIT`. A pipe blocks until its reader
//! reads, even for ever, and no portable call can interrupt that. [`WriterOutput::MAX_WRITE`] keeps the time short if the
//! reader plays in real time.

mod file;
mod options;
mod output;
mod samples;
mod stdout;
mod wav;

pub use file::File;
pub use output::WriterOutput;
pub use stdout::Stdout;
