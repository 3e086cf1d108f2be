//! The traits that a codec, an output or a transport implements, and how it registers.
//!
//! A plugin is written once against these traits. The shapes are those of a C ABI: buffers belong to the host and are
//! valid during the call only, audio is interleaved `f32`, configuration is data, nothing in a codec or an output is
//! async. So the same source can be linked into the node or loaded from a shared library.
//!
//! # Threads
//!
//! A plugin object ([`Codec`], [`OutputPlugin`]) is shared: every method may be called from any thread, at once. An
//! instance ([`Encoder`], [`Decoder`], [`Output`]) has one user at a time, on any thread (`Send`, not `Sync`). Encoders,
//! decoders and outputs never run on the async reactor nor in a sound callback.

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
pub use output::{DeviceInfo, Open, Output, OutputInfo, OutputPlugin};
pub use registration::{CodecRegistration, OutputRegistration};
