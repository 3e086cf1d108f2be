//! The serving half, over the transport `memory`, with real files.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test says what it expects by failing there"
)]

#[path = "../common/fixtures.rs"]
mod fixtures;

mod catalog;
mod changes;
mod chunks;
mod encoders;
mod get_info;
mod library;
mod rig;
mod scripted;
mod sessions;
