//! What a listener hears through bad networks, over the peer-to-peer transport. As fast as it goes here, where it can;
//! `benches/networks/` plays the same rows in real time.

pub(crate) mod exact;
#[cfg(feature = "fastn")]
mod matrix;
pub(crate) mod music;
pub(crate) mod rows;
pub(crate) mod stage;
