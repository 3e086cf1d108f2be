//! Opens a file's container.

use std::{fs::File, path::Path};

use symphonia::core::{errors::Result, formats::FormatReader};

use super::{mp4, probe::probe_stream, strip_artwork};

/// Opens `file` with the reader for its container: [`mp4::Mp4Reader`] for an MP4 without fragments, one of Symphonia's
/// for everything else. The ending of `path` is a hint only.
pub(super) fn open(file: File, path: &Path) -> Result<Box<dyn FormatReader>> {
    match mp4::Mp4Reader::open(file)? {
        Ok(reader) => Ok(Box::new(reader)),
        Err(file) => {
            let ending = path.extension().and_then(|ending| ending.to_str());
            probe_stream(strip_artwork::stream(file)?, ending)
        }
    }
}
