//! Client half of the node: requests a track from another node, buffers a few seconds of it and plays it.
//!
//! `fetch` sends requests, `buffer` holds the received packets, `playback` decodes and writes them to the output. Data flows
//! in that order. Two things flow back: the buffer level, and the failure of a decoder. `rate_choice` selects the rendition
//! of each chunk; `stats` counts. The session and its requests are async tasks; playback is a thread of its own.

mod buffer;
mod event;
mod fetch;
mod orders;
mod playback;
mod player;
mod rate_choice;
mod remote_library;
#[cfg(feature = "simulation")]
mod simulated_listener;
mod stats;
#[cfg(test)]
mod test_support;

pub use media_protocol::session::client::PlayId;

pub use buffer::{LevelChange, StartLevel, TargetLevel};
pub use event::{Event, PauseMode};
pub use fetch::{ConnectionPool, FetchError, NodeAddress, NodeLink, PathChange, list};
pub use playback::{OnLost, OutputChoice, OutputFormats, Progress};
pub use player::{Player, Setup};
pub use rate_choice::{Adaptive, Budget, CodecChoice, Policy};
pub use remote_library::RemoteLibrary;
#[cfg(feature = "simulation")]
pub use simulated_listener::{SimulatedListener, SimulatedStats};
pub use stats::{
    AudioLoss, Counts, EventLog, LevelHistogram, RenditionChange, TargetChange, UnderrunCause, UnderrunCounts,
};
