//! Our choice and the published ones over the same traces.

use std::sync::{Arc, atomic::AtomicBool};

use media_node::client::{Adaptive, Budget, Policy};
use media_protocol::session::client::RateChoice;

use super::{
    model::{self, Heard},
    published::{Bba0, Bola, RobustMpc},
    traces,
};

pub(crate) const NAMES: [&str; 4] = ["ours", "BBA-0", "BOLA", "RobustMPC"];

fn choice(name: &str) -> Box<dyn RateChoice> {
    match name {
        "BBA-0" => Box::new(Bba0),
        "BOLA" => Box::new(Bola),
        "RobustMPC" => Box::<RobustMpc>::default(),
        _ => Box::new(Adaptive::new(Policy::auto(Budget::NONE), Arc::new(AtomicBool::new(true)))),
    }
}

/// Result of one algorithm on one path.
pub(crate) fn run_one(name: &str, kind: &str, seed: u64) -> Heard {
    model::play(&traces::trace(kind, seed), choice(name))
}

/// Sum of the results over this number of seeds.
pub(crate) fn run(name: &str, kind: &str, seeds: u64) -> Heard {
    let mut sum = Heard::default();
    for seed in 0..seeds {
        sum.add(&run_one(name, kind, seed));
    }
    sum
}
