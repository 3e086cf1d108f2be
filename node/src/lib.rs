//! A media node: serves a person's audio files to peers, and plays what another node serves.
//!
//! `README.md` beside this crate has the threads, the queues and the invariants.

pub mod client;
pub mod commands;
pub mod control;
pub mod convert;
pub mod fault;
pub mod files;
pub mod identity;
pub mod library;
pub mod plugins;
pub mod server;
pub mod source;
pub mod ui;
