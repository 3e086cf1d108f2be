//! Integration tests of the node that need a process of their own: a global allocator, libraries that stay loaded, and
//! nodes, players or sound servers that are stopped, killed or measured in real time.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test says what it expects by failing"
)]

#[path = "../common/fixtures.rs"]
mod fixtures;
#[path = "../../../plugins/host/tests/common/mod.rs"]
mod library;
#[path = "../common/program.rs"]
mod program;

mod allocations;
mod control;
mod crash;
mod descriptors;
mod killed;
mod loaded;
mod namespaces;
mod plugins;
mod shells;
mod sound;
mod terminal;
