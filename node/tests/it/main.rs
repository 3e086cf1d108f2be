//! Integration tests of the node that can share one process. `tests/process/` has those that cannot.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test says what it expects by failing"
)]

#[path = "../common/fixtures.rs"]
mod fixtures;
#[path = "../common/hostile_node.rs"]
mod hostile_node;
#[path = "../common/net/mod.rs"]
mod net;
#[path = "../common/ogg.rs"]
mod ogg;
#[path = "../common/program.rs"]
mod program;
#[path = "../common/rig.rs"]
mod rig;
#[path = "../common/tagged_flac.rs"]
mod tagged_flac;

mod access;
mod away;
mod bench_page;
mod borders;
mod browse;
mod disk_cache;
mod documentation;
mod exact;
mod examples;
mod fallback;
mod figures;
mod fuzz;
mod guide;
mod hostile;
mod lab;
mod library;
mod loss;
mod mix;
mod names;
mod output_formats;
mod passthrough;
mod provider;
mod rates;
mod refusals;
mod rooms;
mod scripts;
mod server;
mod source;
mod stats;
mod tickets;
