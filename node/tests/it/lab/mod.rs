//! What a listener hears through bad networks, over the peer-to-peer transport. As fast as it goes here, where it can;
//! `benches/networks/` plays the same rows in real time.

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
