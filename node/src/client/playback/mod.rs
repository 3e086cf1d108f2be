//! Playback: a thread that takes packets from the jitter buffer, decodes, joins and converts them, and writes to the output.

mod chunk_joiner;
mod dropouts;
mod format;
mod output_formats;
mod output_writer;
mod progress;
mod replay_buffer;
mod thread;
mod track_decoder;

pub use output_formats::OutputFormats;
pub(super) use output_writer::OutputWriter;
pub use output_writer::{OnLost, OutputChoice};
pub use progress::Progress;
pub(super) use thread::{PlaybackThread, ThreadState};
