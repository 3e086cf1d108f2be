//! The choice of a rendition for each chunk. The session knows when to choose; an implementation of
//! [`RateChoice`] decides.

use std::{fmt, time::Duration};

use crate::{PathReport, Rendition};

/// The data that a choice is based on.
#[derive(Debug)]
pub struct Situation<'a> {
    /// Time since any fixed instant.
    pub now: Duration,
    /// Length of the received audio that is not played yet.
    pub buffer_level: Duration,
    /// Buffer level below which the client requests the next chunk.
    pub target: Duration,
    /// Present rendition of the track.
    pub current: &'a Rendition,
    /// All renditions of the track, including the present one. All have the same chunk borders.
    pub all: &'a [std::sync::Arc<Rendition>],
    /// The path, as last reported.
    pub path: &'a PathReport,
}

/// Size and timing of a chunk's delivery.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Delivery {
    /// Bytes of the chunk's packets, including those of a partial one ([`super::ClientInput::PartialPacket`]).
    pub bytes: u64,
    /// Time from the request to the chunk's header, or until now if it has not come.
    pub waited: Duration,
    /// Time from the header until now. Zero before the header.
    pub took: Duration,
    /// True if the connection carries bytes, but none of this chunk
    /// ([`super::ClientInput::HeadOfLineBlocked`]).
    pub head_of_line_blocked: bool,
}

/// A change of rendition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Switch {
    /// Index of the new rendition in [`Situation::all`].
    pub to: usize,
    /// The reason in words.
    pub reason: String,
}

/// Chooses renditions from the data it is given; it reads no clock.
pub trait RateChoice: fmt::Debug + Send + Sync {
    /// Returns the change of rendition to make before the next chunk is requested, if any.
    fn choose(&mut self, situation: &Situation<'_>) -> Option<Switch>;

    /// Returns the rendition in which to request the rest of the chunk in flight, if that is better than to
    /// wait for it.
    ///
    /// The session calls it after each packet, after each part of a large packet, and every 200 ms while
    /// nothing arrives. `so_far` is the delivery up to now.
    fn reconsider(&mut self, situation: &Situation<'_>, so_far: Delivery) -> Option<Switch>;

    /// Notes that a chunk was received whole.
    fn delivered(&mut self, delivery: Delivery);

    /// Notes that `bytes` of a chunk's packets were received before its request failed or was abandoned: for
    /// another rendition or for a seek. If the client requests the chunk again, all of its bytes count again.
    fn abandoned(&mut self, bytes: u64);
}

/// Keeps the rendition that the node chose.
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
