//! Client and server on virtual time, with a seeded network between them that delays, breaks, damages and swallows.
//! [`listener::Listener`] checks what arrives, [`world::World`] what leaves.
//!
//! A test takes it in by `#[path = "…/pair/sim/mod.rs"]`.

#![allow(dead_code, reason = "each user takes a part of this")]

pub(crate) mod driver;
pub(crate) mod listener;
pub(crate) mod node;
pub(crate) mod random;
pub(crate) mod scripts;
pub(crate) mod world;
