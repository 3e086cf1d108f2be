//! Playback over bad networks and the peer-to-peer transport. The tests run as fast as possible;
//! `benches/networks/` plays the same rows in real time.

pub(crate) mod exact;
#[cfg(feature = "fastn")]
mod matrix;
pub(crate) mod music;
pub(crate) mod rows;
pub(crate) mod stage;
