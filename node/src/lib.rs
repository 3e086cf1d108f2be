//! A media node: serves a person's audio files to their other devices, and plays audio that another node serves.
//!
//! The `README.md` of this crate describes the rooms. `docs/` has pages about threads, networks and other subjects.

pub mod access;
pub mod asking;
pub mod client;
pub mod commands;
pub mod control;
pub mod control_socket;
pub mod convert;
pub mod device_proof;
pub mod exit;
pub mod files;
pub mod identity;
pub mod library;
pub mod machine_identity;
pub mod node_book;
mod path_kind;
pub mod plugins;
pub mod process_lock;
pub mod server;
pub mod source;
mod text_line;
pub mod ui;
