use crate::{codec::Codec, output::OutputPlugin};

/// Registration of a codec. `inventory::submit! { CodecRegistration(|| Box::new(MyCodec)) }` adds the codec
/// to the node that links the crate, or to the library that the crate exports.
pub struct CodecRegistration(
    /// Creates the plugin object. Called once per process.
    pub fn() -> Box<dyn Codec>,
);
inventory::collect!(CodecRegistration);

/// Registration of an output, used like [`CodecRegistration`].
pub struct OutputRegistration(
    /// Creates the plugin object. Called once per process.
    pub fn() -> Box<dyn OutputPlugin>,
);
inventory::collect!(OutputRegistration);
