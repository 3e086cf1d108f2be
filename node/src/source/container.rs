//! Opens a container.

use std::{fs::File, ops::Range};

use symphonia::{
    core::{
        errors::{Result, unsupported_error},
        formats::{FormatId, FormatOptions, FormatReader, well_known::*},
    },
    default::formats::{AdtsReader, CafReader, FlacReader, IsoMp4Reader, MkvReader, MpaReader, OggReader},
};

use super::{error::guarded, mp4::Mp4Reader, pcm_container::PcmReader, strip_artwork};

/// Opens the container of the kind `id` that takes up `range` of `file`.
pub(super) fn open(file: File, id: FormatId, range: &Range<u64>) -> Result<Box<dyn FormatReader>> {
    guarded(|| open_unguarded(file, id, range))
}

fn open_unguarded(mut file: File, id: FormatId, range: &Range<u64>) -> Result<Box<dyn FormatReader>> {
    if matches!(id, FORMAT_ID_WAVE | FORMAT_ID_AIFF) {
        return Ok(Box::new(PcmReader::open(file, range)?));
    }
    if id == FORMAT_ID_ISOMP4 && range.start == 0 {
        match Mp4Reader::open(file)? {
            Ok(reader) => return Ok(Box::new(reader)),
            Err(returned) => file = returned,
        }
    }
    let stream = strip_artwork::stream(file, range)?;
    let options = FormatOptions::default();
    let reader: Box<dyn FormatReader> = match id {
        FORMAT_ID_ADTS => Box::new(AdtsReader::try_new(stream, options)?),
        FORMAT_ID_CAF => Box::new(CafReader::try_new(stream, options)?),
        FORMAT_ID_FLAC => Box::new(FlacReader::try_new(stream, options)?),
        FORMAT_ID_ISOMP4 => Box::new(IsoMp4Reader::try_new(stream, options)?),
        FORMAT_ID_MKV => Box::new(MkvReader::try_new(stream, options)?),
        FORMAT_ID_MP3 => Box::new(MpaReader::try_new(stream, options)?),
        FORMAT_ID_OGG => Box::new(OggReader::try_new(stream, options)?),
        _ => return unsupported_error("a container without a reader"),
    };
    Ok(reader)
}
