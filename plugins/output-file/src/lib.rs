//! WAV and raw files, and standard output.
//!
//! Two outputs: `file` stores at a path, `stdout` writes raw samples to standard output. Neither plays in real time:
//! they take frames as fast as those come, and what they took counts as heard.
//!
//! # Blocking
//! A write lasts as long as the system takes to store or to pass on. For a disk that is well under
//! `MAX_WAIT`; a pipe blocks until its reader reads, for ever if it never does, and
//! nothing portable can interrupt that. [`Store::STEP`] keeps it short when the reader is one that plays.

mod file;
mod options;
mod output;
mod samples;
mod stdout;
mod wav;

pub use file::File;
pub use output::Store;
pub use stdout::Stdout;
