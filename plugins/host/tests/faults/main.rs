//! Faulty libraries. Each must cost one problem line; the host and the other plugins must keep working.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what it expects by failing")]

#[path = "../common/mod.rs"]
mod common;

mod calls;
mod child;
mod description;
mod files;
mod memory;
mod panics;
