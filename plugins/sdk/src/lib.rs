//! Traits that codecs, outputs and transports implement, and their registration.
//!
//! A codec or an output is written once against these traits, and either linked into the node or loaded from
//! a shared library. The traits keep to the terms of a C ABI:
//!
//! - Buffers belong to the host and are valid during the call only.
//! - Audio is interleaved `f32` with the nominal range ±1. Lengths of audio are counted in frames: one sample
//!   per channel.
//! - Options are one JSON object, passed as text.
//! - Codecs and outputs are not async.
//!
//! A plugin registers its object with [`CodecRegistration`] or [`OutputRegistration`]; a loaded one calls
//! [`export_plugin!`] as well.
//!
//! # Threads
//!
//! | object | thread model |
//! |---|---|
//! | [`Codec`], [`OutputPlugin`] | shared: any thread, several at the same time |
//! | [`Encoder`], [`Decoder`], [`Output`] | one thread at a time, not always the same one (`Send`, not `Sync`) |
//!
//! Encoders, decoders and outputs never run on the async reactor or in a sound callback. Each method states
//! its real-time rules.
//!
//! # Errors
//!
//! A call that fails returns a [`PluginError`] with one line for a person. A panic ends the instance, not the
//! node.

mod codec;
mod error;
#[doc(hidden)]
pub mod export;
mod format;
#[doc(hidden)]
pub mod guard;
pub mod log;
mod output;
mod registration;
#[cfg(feature = "transport")]
pub mod transport;

pub use codec::{Choice, Codec, CodecInfo, Decoder, Encoder, Encoding, Limits};
pub use error::{PluginError, Result};
pub use format::{AudioFormat, SampleType, SourceFormat};
pub use inventory;
pub use output::{DeviceInfo, OpenRequest, Output, OutputInfo, OutputPlugin};
pub use registration::{CodecRegistration, OutputRegistration};
