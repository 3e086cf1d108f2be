//! Jitter buffer: the received packets that are not played yet, with its target level and its start level.

mod buffer_input;
mod jitter_buffer;
mod start_level;
mod supply;
mod target_level;

pub(super) use buffer_input::BufferInput;
pub(super) use jitter_buffer::{Entry, JitterBuffer};
pub use start_level::StartLevel;
pub(super) use supply::Supply;
pub use target_level::{LevelChange, TargetLevel};
