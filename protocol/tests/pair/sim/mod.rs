//! Client and server in virtual time, on a seeded network that delays, breaks, damages and swallows. The node can be hostile.
//! [`listener::Listener`] checks the audio that arrives, [`world::World`] the requests that leave.
//!
//! A test includes it with `#[path = "…/pair/sim/mod.rs"]`.

#![allow(dead_code, reason = "each test uses a part of it")]

pub(crate) mod driver;
pub(crate) mod listener;
pub(crate) mod node;
pub(crate) mod random;
pub(crate) mod scripts;
pub(crate) mod world;
