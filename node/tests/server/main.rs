//! The serving half, over the transport `memory`, with real files.

#[path = "../common/fixtures.rs"]
mod fixtures;

mod catalog;
mod chunks;
mod encoders;
mod get_info;
mod rig;
mod scripted;
mod sessions;
