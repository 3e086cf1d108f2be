use crate::{Codec, OutputPlugin};

/// A codec that is linked in. Register one with
/// `inventory::submit! { CodecRegistration(|| Box::new(MyCodec)) }`.
pub struct CodecRegistration(
    /// Makes the plugin object, once per process.
    pub fn() -> Box<dyn Codec>,
);
inventory::collect!(CodecRegistration);

/// An output that is linked in.
pub struct OutputRegistration(
    /// Makes the plugin object, once per process.
    pub fn() -> Box<dyn OutputPlugin>,
);
inventory::collect!(OutputRegistration);
