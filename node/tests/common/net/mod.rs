//! A network in a box: a relay of UDP between two endpoints that delays, loses, reorders, throttles, falls silent and
//! changes its address, by a script of instants. Seeded, and without privileges.
//!
//! Bind the server to `[::1]` and the client to `127.0.0.1`, and give the client the relay's address alone: then there is
//! no way around it, which iroh would otherwise find. A test or benchmark takes it in by `#[path = "…/lab/net/mod.rs"]`.

#![allow(dead_code, unreachable_pub, reason = "each user takes a part of this")]
#![allow(clippy::expect_used, reason = "a relay that cannot be made fails the test")]

mod link;
mod relay;
mod rng;

pub use link::Link;
pub use relay::{Change, Relay};
