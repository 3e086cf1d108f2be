//! Counters of one player.

mod audio_loss;
mod counts;
mod event_log;
mod level_histogram;
mod underrun;

pub use audio_loss::AudioLoss;
pub use counts::{Counts, RenditionChange, TargetChange};
pub use event_log::EventLog;
pub use level_histogram::LevelHistogram;
pub use underrun::{UnderrunCause, UnderrunCounts};
