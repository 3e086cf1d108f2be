//! A media node: serves a person's audio files to peers, and plays what another node serves.

pub mod convert;
pub mod server;
pub mod source;
