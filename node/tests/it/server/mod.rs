//! The server over the transport `memory`, with real files.

mod bad_file;
mod catalog;
mod changes;
mod chunks;
mod encoders;
mod get_info;
mod library;
mod scripted;
mod sessions;
