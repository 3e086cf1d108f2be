//! Opens a container.

use std::{fs::File, ops::Range};

use symphonia::{
    core::{
        errors::{Result, decode_error, unsupported_error},
        formats::{FormatId, FormatOptions, FormatReader, well_known::*},
        io::MediaSourceStream,
    },
    default::formats::{CafReader, FlacReader, IsoMp4Reader, MkvReader, MpaReader, OggReader},
};

use super::{
    adts::AdtsReader,
    error::guarded,
    mp4::{FragmentTimes, Mp4Reader},
    pcm_container::PcmReader,
    read_limits::ReadLimits,
    strip_artwork,
};

/// Bytes that Symphonia may read to open a container, so that junk behind a good beginning costs little. Tested by
/// `junk_behind_a_good_beginning_costs_few_bytes_in_a_scan`.
const MAX_OPENED: u64 = 16 << 20;
/// The same for Matroska, whose reader also reads pictures and other attached files. No test fixes the value.
const MAX_OPENED_MATROSKA: u64 = 64 << 20;

/// Opens the container of the kind `id` that takes up `range` of `file`.
pub(super) fn open(file: File, id: FormatId, range: &Range<u64>) -> Result<Box<dyn FormatReader>> {
    guarded(|| open_unguarded(file, id, range))
}

fn open_unguarded(mut file: File, id: FormatId, range: &Range<u64>) -> Result<Box<dyn FormatReader>> {
    if matches!(id, FORMAT_ID_WAVE | FORMAT_ID_AIFF) {
        return Ok(Box::new(PcmReader::open(file, range)?));
    }
    if id == FORMAT_ID_ADTS {
        return Ok(Box::new(AdtsReader::open(file, range)?));
    }
    let mut times = FragmentTimes::default();
    if id == FORMAT_ID_ISOMP4 && range.start == 0 {
        match Mp4Reader::open(file)? {
            Ok(reader) => return Ok(Box::new(reader)),
            Err(returned) => file = returned,
        }
        times = FragmentTimes::read(&mut file)?;
    }
    let stream = strip_artwork::stream(file, range)?;
    let limits = ReadLimits::of_bytes(if id == FORMAT_ID_MKV { MAX_OPENED_MATROSKA } else { MAX_OPENED });
    let opened = limits.run(|| guarded(|| open_by_symphonia(stream, id)));
    let reader = opened.unwrap_or_else(|_| decode_error("no audio follows its headers"))?;
    Ok(times.wrap(reader))
}

fn open_by_symphonia(stream: MediaSourceStream<'static>, id: FormatId) -> Result<Box<dyn FormatReader>> {
    let options = FormatOptions::default();
    let reader: Box<dyn FormatReader> = match id {
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
