//! What a listener hears through bad networks, over the peer-to-peer transport. Fast rows here, where playing takes as long
//! as fetching; those in real time are in `benches/networks.rs`.

#![cfg(feature = "fastn")]
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test says what it expects by failing there"
)]

mod exact;
#[path = "../common/fixtures.rs"]
mod fixtures;
mod matrix;
mod music;
mod net;
mod rows;
mod stage;
