//! A simulated network: a UDP relay between two endpoints that delays, loses, reorders and throttles packets,
//! falls silent and changes its address. A script gives the times. It is seeded and needs no privileges.
//!
//! Bind the server to `[::1]` and the client to `127.0.0.1`, and give the client the relay's address alone.
//! Otherwise iroh finds a direct path. A test or benchmark includes it with `#[path =
//! "…/common/net/mod.rs"]`.

#![allow(dead_code, unreachable_pub, reason = "each user takes a part of this")]
#![allow(clippy::expect_used, reason = "a relay that cannot be made fails the test")]

mod link;
mod relay;
mod rng;

pub use link::Link;
pub use relay::{Change, Relay};
