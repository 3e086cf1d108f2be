//! The control socket: commands on the same machine reach a running process through it.
//!
//! A request and its reply are one JSON object a line each ([`Request`], [`Reply`]). `docs/control-socket.md` has the
//! requests. The socket lies in a folder of its owner alone, and the process checks the user of each connection.
//!
//! # Bounds
//!
//! Connections at once, bytes of a line, time for a line, requests that wait for the process, and time for an answer.
//! A connection beyond them is closed; the process itself never waits for one.

mod folder;
mod lines;
mod message;

#[cfg(unix)]
mod client;
#[cfg(unix)]
mod listener;
#[cfg(not(unix))]
mod unsupported;

pub use folder::{open_folder, socket_name, socket_paths};
pub use message::{Call, ControlError, Reply, Request};

#[cfg(unix)]
pub use client::request;
#[cfg(unix)]
pub use listener::ControlSocket;
#[cfg(not(unix))]
pub use unsupported::{ControlSocket, request};

#[cfg(test)]
mod tests;
