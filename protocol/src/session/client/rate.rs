//! In which rendition the next chunk is asked for. The session knows when to ask; who chooses is plugged in.

use std::{fmt, time::Duration};

use crate::{PathReport, Rendition};

/// What is known when a chunk is about to be asked for.
#[derive(Debug)]
pub struct Situation<'a> {
    /// The session's clock, counted from any fixed instant.
    pub now: Duration,
    /// Audio that is held.
    pub buffer_level: Duration,
    /// The level at which a chunk is asked for.
    pub target: Duration,
    /// The rendition that the track comes in.
    pub current: &'a Rendition,
    /// All renditions of the track, the current one among them. Each cuts its chunks at the same instants.
    pub all: &'a [std::sync::Arc<Rendition>],
    /// The path, as last reported.
    pub path: &'a PathReport,
}

/// How a chunk came.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Delivery {
    /// Bytes of its packets, with what is there of one that has not come whole ([`super::ClientInput::PartialPacket`]).
    pub bytes: u64,
    /// From the request to the first of them.
    pub waited: Duration,
    /// From the first to the last.
    pub took: Duration,
    /// Whether what comes now is none of it that can be read ([`super::ClientInput::HeadOfLineBlocked`]).
    pub head_of_line_blocked: bool,
}

/// A change of rendition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Switch {
    /// The place of the new one in [`Situation::all`].
    pub to: usize,
    /// Why, in words.
    pub reason: String,
}

/// Chooses renditions. Pure: it knows no more than it is told.
pub trait RateChoice: fmt::Debug + Send + Sync {
    /// Whether the next chunk is better asked for in another rendition.
    fn choose(&mut self, situation: &Situation<'_>) -> Option<Switch>;

    /// Whether the rest of the chunk that is coming is better asked for in another rendition, after each of its packets, each
    /// time that more of a large one is there, and now and then while nothing comes. `so_far` has what came of it; while that
    /// is nothing, its `took` is zero.
    fn reconsider(&mut self, situation: &Situation<'_>, so_far: Delivery) -> Option<Switch>;

    /// A chunk came whole.
    fn delivered(&mut self, delivery: Delivery);

    /// So many bytes of a chunk's packets came, of whole ones and of a part of one, and no more of them come: it was given up,
    /// for another rendition or for a jump, or its request failed. What is asked for again comes, and counts, from its
    /// beginning.
    fn abandoned(&mut self, bytes: u64);
}

/// Stays with what `get_info` chose.
#[derive(Debug, Clone, Copy)]
pub struct FixedRendition;

impl RateChoice for FixedRendition {
    fn choose(&mut self, _: &Situation<'_>) -> Option<Switch> {
        None
    }

    fn reconsider(&mut self, _: &Situation<'_>, _: Delivery) -> Option<Switch> {
        None
    }

    fn delivered(&mut self, _: Delivery) {}

    fn abandoned(&mut self, _: u64) {}
}
