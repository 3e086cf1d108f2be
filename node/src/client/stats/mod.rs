//! Counters of one player.

mod counts;
mod event_log;
mod level_histogram;
mod underrun;

pub use counts::{Counts, RenditionChange, TargetChange};
pub use event_log::EventLog;
pub use level_histogram::LevelHistogram;
pub use underrun::{UnderrunCause, UnderrunCounts};
