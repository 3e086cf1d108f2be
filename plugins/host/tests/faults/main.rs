//! Every way in which a library was seen to be bad: it costs one line, the host lives, and the others work.

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
