//! Symphonia's own search for the reader of a stream.

use symphonia::core::{
    errors::Result,
    formats::{FormatOptions, FormatReader, probe::Hint},
    io::MediaSourceStream,
    meta::MetadataOptions,
};

use super::error::guarded;

/// Opens `stream` with the reader that Symphonia chooses. `ending`, the end of the file's name, is only a hint.
pub(super) fn probe_stream(
    stream: MediaSourceStream<'static>,
    ending: Option<&str>,
) -> Result<Box<dyn FormatReader>> {
    let mut hint = Hint::new();
    if let Some(ending) = ending {
        hint.with_extension(ending);
    }
    let (format, metadata) = (FormatOptions::default(), MetadataOptions::default());
    guarded(|| symphonia::default::get_probe().probe(&hint, stream, format, metadata))
}
