//! Choice of the codec and bitrate: the offers that a request for a track carries, and the rendition of each next chunk.
//!
//! A person chooses a [`CodecChoice`]. Its [`Policy`] limits the cost per kind of path. [`Adaptive`] chooses within it.

mod abandonment;
mod adaptive;
mod codec_choice;
mod offer_builder;
mod policy;
#[cfg(test)]
mod tests;
mod throughput;

pub use adaptive::Adaptive;
pub use codec_choice::CodecChoice;
pub(super) use codec_choice::chooser;
pub(super) use offer_builder::OfferBuilder;
pub use policy::{Budget, Policy};
