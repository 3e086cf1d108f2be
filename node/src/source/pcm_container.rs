//! WAV, RF64, BW64 and AIFF. These files consist of chunks, of which one holds plain samples or ADPCM blocks.
//!
//! Sizes in these files are only hints. A recorder that was killed leaves 0, a pipe leaves 0xffffffff, and a copy that was cut
//! claims more bytes than it has. The reader reads whole frames up to the end of the data chunk or of the file. Symphonia reads
//! the description of the samples, from a short header that this module makes of the file's own chunks.
//!
//! Sources: "Multimedia Programming Interface and Data Specifications 1.0" (RIFF), EBU Tech 3306 (RF64), ITU-R BS.2088
//! (BW64), "Audio Interchange File Format 1.3" (AIFF).

use std::{
    fs::File,
    io::{self, Cursor, ErrorKind, Read, Seek, SeekFrom},
    ops::Range,
};

use symphonia::{
    core::{
        codecs::{
            CodecParameters,
            audio::{
                AudioCodecParameters,
                well_known::{CODEC_ID_ADPCM_IMA_WAV, CODEC_ID_ADPCM_MS},
            },
        },
        errors::{Result, SeekErrorKind, decode_error, seek_error},
        formats::{FormatInfo, FormatOptions, FormatReader, MediaInfo, SeekMode, SeekTo, SeekedTo, Track},
        io::{MediaSourceStream, MediaSourceStreamOptions},
        meta::{Metadata, MetadataLog},
        packet::Packet,
        units::{Duration, Timestamp},
    },
    default::formats::{AiffReader, WavReader},
};

use super::{codecs, layout::read_at, packet::stream, read_limits::note_read};

/// Greatest number of chunks that are read, which bounds the time for a damaged file.
const MAX_CHUNKS: u32 = 1024;
/// Greatest number of bytes copied from a description. The longest known one, of MS ADPCM, has 50.
const MAX_DESCRIPTION: u64 = 4096;
/// Greatest number of bytes that are searched for the data if a chunk is damaged.
const MAX_SEARCH: u64 = 1 << 20;
/// Frames of a packet of plain samples.
const PACKET_FRAMES: u64 = 1152;
/// Smallest size that means "unknown". Programs write 0x7fffffff, 0x80000000 or 0xffffffff for it, or one of these less the
/// length of their header.
const UNKNOWN_SIZE: u64 = 0x7fff_f000;

/// The position and the description of the samples.
#[derive(Debug, Default)]
struct Chunks {
    /// The body of `fmt ` or `COMM`.
    description: Vec<u8>,
    data: Option<Range<u64>>,
    /// Size of the data according to RF64's `ds64`.
    long_size: Option<u64>,
}

/// Reads the chunks of a WAV, RF64 or BW64 that begins at `range.start`.
fn wave_chunks(file: &mut File, range: &Range<u64>) -> io::Result<Chunks> {
    let mut chunks = Chunks::default();
    let mut at = range.start + 12;
    // A chunk with a damaged size leads to a wrong place. Then the data is searched, once, behind `ds64` and `fmt `, which come
    // before it.
    let mut search_from = Some(at);
    for _ in 0..MAX_CHUNKS {
        let head = read_at(file, at, 8)?;
        let Some((name, size)) = split_head(&head, u32::from_le_bytes) else { break };
        let body = at + 8;
        match &name {
            b"ds64" => {
                let sizes = read_at(file, body, 16)?;
                chunks.long_size =
                    sizes.get(8..).and_then(|rest| rest.first_chunk()).map(|size| u64::from_le_bytes(*size));
            }
            b"fmt " => chunks.description = read_at(file, body, size.min(MAX_DESCRIPTION) as usize)?,
            b"data" => {
                let long = chunks.long_size.filter(|_| size == u64::from(u32::MAX));
                let is_unknown = long.is_none() && (size == 0 || size >= UNKNOWN_SIZE);
                // In a file of more than 4 GB, the header has only the lower 32 bits of the size.
                let is_wrapped = long.is_none() && range.end - body.min(range.end) > u64::from(u32::MAX);
                let claimed = if is_unknown || is_wrapped { u64::MAX } else { long.unwrap_or(size) };
                chunks.data = Some(body..body.saturating_add(claimed).min(range.end));
                break;
            }
            _ => {}
        }
        let next = body.saturating_add(size.next_multiple_of(2));
        let is_sound = name.iter().all(|byte| byte.is_ascii_graphic() || *byte == b' ') && next < range.end;
        if is_sound && matches!(&name, b"ds64" | b"fmt ") {
            search_from = Some(next);
        }
        at = match is_sound {
            true => next,
            false => match search_from.take() {
                Some(from) => match find_data(file, from, range.end)? {
                    Some(found) => found,
                    None => break,
                },
                None => break,
            },
        };
    }
    Ok(chunks)
}

/// Byte position of the first chunk `data` in the [`MAX_SEARCH`] bytes behind `from`.
fn find_data(file: &mut File, from: u64, end: u64) -> io::Result<Option<u64>> {
    let bytes = read_at(file, from, MAX_SEARCH.min(end.saturating_sub(from)) as usize)?;
    Ok(bytes.windows(4).position(|name| name == b"data").map(|at| from + at as u64))
}

/// Reads the chunks of an AIFF that begins at `range.start`.
fn aiff_chunks(file: &mut File, range: &Range<u64>) -> io::Result<Chunks> {
    let mut chunks = Chunks::default();
    let mut at = range.start + 12;
    for _ in 0..MAX_CHUNKS {
        let head = read_at(file, at, 16)?;
        let Some((name, size)) = split_head(&head, u32::from_be_bytes) else { break };
        let body = at + 8;
        match &name {
            b"COMM" => chunks.description = read_at(file, body, size.min(MAX_DESCRIPTION) as usize)?,
            b"SSND" => {
                let offset = head
                    .get(8..)
                    .and_then(|rest| rest.first_chunk())
                    .map_or(0, |word| u32::from_be_bytes(*word));
                let start = body + 8 + u64::from(offset);
                let is_unknown = size <= 8 || size >= UNKNOWN_SIZE;
                let end = if is_unknown { range.end } else { body.saturating_add(size).min(range.end) };
                chunks.data = Some(start.min(end)..end);
                if is_unknown {
                    break;
                }
            }
            _ => {}
        }
        at = body.saturating_add(size.next_multiple_of(2));
        let is_complete = chunks.data.is_some() && !chunks.description.is_empty();
        if is_complete || at >= range.end {
            break;
        }
    }
    Ok(chunks)
}

/// A chunk's name and size.
fn split_head(head: &[u8], number: fn([u8; 4]) -> u32) -> Option<([u8; 4], u64)> {
    let name = *head.first_chunk()?;
    Some((name, u64::from(number(*head.get(4..)?.first_chunk()?))))
}

/// A WAV header that Symphonia reads, made of a file's description. Lengthens or cuts the description to the size that
/// its kind must have.
fn wave_header(description: &[u8]) -> Vec<u8> {
    let mut description = description.to_vec();
    let word = |bytes: &[u8], at: usize| {
        bytes.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |word| u16::from_le_bytes(*word))
    };
    match word(&description, 0) {
        // PCM. Samples of an odd width, such as 20 bits, take whole bytes.
        1 => {
            description.resize(16, 0);
            let (channels, align, bits) =
                (word(&description, 2), word(&description, 12), word(&description, 14));
            if bits % 8 != 0 && channels > 0 {
                let container_bits = (align / channels).saturating_mul(8);
                description[14..16].copy_from_slice(&container_bits.to_le_bytes());
            }
        }
        // Float.
        3 => description.resize(16, 0),
        // A-law and mu-law.
        6 | 7 => {
            description.resize(18, 0);
            description[16..18].fill(0);
        }
        // Extensible.
        0xfffe => {
            description.resize(40, 0);
            description[16..18].copy_from_slice(&22u16.to_le_bytes());
        }
        _ => {}
    }
    let size = description.len() as u32;
    [b"RIFF", &(20 + size).to_le_bytes()[..], b"WAVEfmt ", &size.to_le_bytes(), &description, b"data\0\0\0\0"]
        .concat()
}

/// An AIFF header that Symphonia reads, made of a file's description. `form` is `AIFF` or `AIFC`.
fn aiff_header(form: &[u8], description: &[u8]) -> Vec<u8> {
    let size = description.len() as u32;
    let padding: &[u8] = if size % 2 == 1 { b"\0" } else { b"" };
    [
        b"FORM",
        &(28 + size + padding.len() as u32).to_be_bytes()[..],
        form,
        b"COMM",
        &size.to_be_bytes(),
        description,
        padding,
        b"SSND\0\0\0\x08\0\0\0\0\0\0\0\0",
    ]
    .concat()
}

/// Reader of plain samples or ADPCM blocks.
pub(super) struct PcmReader {
    file: File,
    info: FormatInfo,
    tracks: [Track; 1],
    metadata: MetadataLog,
    media: MediaInfo,
    /// Bytes of the file with audio: whole blocks only.
    data: Range<u64>,
    block_bytes: u64,
    block_frames: u64,
    packet_blocks: u64,
    /// Byte position of the next packet.
    at: u64,
}

impl PcmReader {
    /// Opens the WAV, RF64, BW64 or AIFF that takes up `range` of `file`.
    pub(super) fn open(mut file: File, range: &Range<u64>) -> Result<Self> {
        let head = read_at(&mut file, range.start, 12)?;
        let is_aiff = head.starts_with(b"FORM");
        let chunks = if is_aiff { aiff_chunks(&mut file, range)? } else { wave_chunks(&mut file, range)? };
        let Some(data) = chunks.data else { return decode_error("it has no audio data") };
        if chunks.description.len() < 16 {
            return decode_error("the description of its samples is missing");
        }
        let header = match is_aiff {
            true => aiff_header(head.get(8..).unwrap_or_default(), &chunks.description),
            false => wave_header(&chunks.description),
        };
        let source = Box::new(Cursor::new(header));
        let source = MediaSourceStream::new(source, MediaSourceStreamOptions::default());
        let options = FormatOptions::default();
        let described: Box<dyn FormatReader> = match is_aiff {
            true => Box::new(AiffReader::try_new(source, options)?),
            false => Box::new(WavReader::try_new(source, options)?),
        };
        let info = *described.format_info();
        let mut track = match described.tracks().first() {
            Some(track) => track.clone(),
            None => return decode_error("it has no audio track"),
        };
        let blocks = match &track.codec_params {
            Some(CodecParameters::Audio(params)) => block(params, &chunks.description),
            _ => None,
        };
        let Some((block_bytes, block_frames)) = blocks else {
            return decode_error("the size of its samples is unknown");
        };
        let count = data.end.saturating_sub(data.start) / block_bytes;
        let frames = count.saturating_mul(block_frames);
        track.with_num_frames(frames).with_duration(Duration::new(frames));
        Ok(Self {
            file,
            info,
            media: MediaInfo::from_track(&track),
            tracks: [track],
            metadata: MetadataLog::default(),
            data: data.start..data.start + count * block_bytes,
            block_bytes,
            block_frames,
            packet_blocks: (PACKET_FRAMES / block_frames).max(1),
            at: data.start,
        })
    }
}

/// Bytes and frames of a block: one frame of plain samples, or one block of ADPCM.
fn block(params: &AudioCodecParameters, description: &[u8]) -> Option<(u64, u64)> {
    if let Some(bytes) = codecs::pcm_frame_bytes(params).filter(|bytes| *bytes > 0) {
        return Some((bytes, 1));
    }
    let is_adpcm = matches!(params.codec, CODEC_ID_ADPCM_MS | CODEC_ID_ADPCM_IMA_WAV);
    let bytes = u16::from_le_bytes(*description.get(12..)?.first_chunk()?);
    let frames = params.frames_per_block.filter(|frames| *frames > 0)?;
    (is_adpcm && bytes > 0).then_some((bytes.into(), frames))
}

impl FormatReader for PcmReader {
    fn format_info(&self) -> &FormatInfo {
        &self.info
    }

    fn media_info(&self) -> &MediaInfo {
        &self.media
    }

    fn metadata(&mut self) -> Metadata<'_> {
        self.metadata.metadata()
    }

    fn tracks(&self) -> &[Track] {
        &self.tracks
    }

    fn seek(&mut self, _mode: SeekMode, to: SeekTo) -> Result<SeekedTo> {
        let track = &self.tracks[0];
        let ts = match to {
            SeekTo::Timestamp { ts, .. } => Some(ts),
            SeekTo::Time { time, .. } => track.time_base.and_then(|base| base.calc_timestamp(time)),
        };
        let frame =
            ts.and_then(|ts| u64::try_from(ts.get()).ok()).filter(|frame| Some(*frame) <= track.num_frames);
        let (Some(required_ts), Some(frame)) = (ts, frame) else {
            return seek_error(SeekErrorKind::OutOfRange);
        };
        // All packets begin at multiples of one length, so that packets after a seek equal those of reading through.
        let packet_frames = self.packet_blocks * self.block_frames;
        let start = frame / packet_frames * packet_frames;
        self.at = self.data.start + start / self.block_frames * self.block_bytes;
        let actual_ts = Timestamp::new(i64::try_from(start).unwrap_or(i64::MAX));
        Ok(SeekedTo { track_id: track.id, required_ts, actual_ts })
    }

    fn next_packet(&mut self) -> Result<Option<Packet>> {
        let blocks = (self.data.end - self.at) / self.block_bytes;
        let blocks = blocks.min(self.packet_blocks);
        if blocks == 0 {
            return Ok(None);
        }
        let frame = (self.at - self.data.start) / self.block_bytes * self.block_frames;
        let mut bytes = vec![0; (blocks * self.block_bytes) as usize];
        self.file.seek(SeekFrom::Start(self.at))?;
        self.at += bytes.len() as u64;
        match self.file.read_exact(&mut bytes) {
            // The file was cut after it had been opened.
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(None),
            read => read?,
        }
        note_read(bytes.len())?;
        let start = Timestamp::new(i64::try_from(frame).unwrap_or(i64::MAX));
        let duration = Duration::new(blocks * self.block_frames);
        Ok(Some(Packet::new(self.tracks[0].id, start, duration, bytes)))
    }

    fn into_inner<'s>(self: Box<Self>) -> MediaSourceStream<'s>
    where
        Self: 's,
    {
        stream(self.file)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;

    use super::*;

    fn open(bytes: &[u8]) -> Result<PcmReader> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        PcmReader::open(file, &(0..bytes.len() as u64))
    }

    /// A stereo WAV of 16 bits with these sizes, chunks before the data, and samples.
    fn wav(riff: u32, before: &[u8], data: u32, samples: &[u8]) -> Vec<u8> {
        let format = [1, 0, 2, 0, 0x44, 0xac, 0, 0, 0x10, 0xb1, 2, 0, 4, 0, 16, 0];
        [
            b"RIFF",
            &riff.to_le_bytes()[..],
            b"WAVEfmt \x10\0\0\0",
            &format,
            before,
            b"data",
            &data.to_le_bytes(),
            samples,
        ]
        .concat()
    }

    fn samples(bytes: &[u8]) -> Vec<u8> {
        let mut reader = open(bytes).unwrap();
        let packets = std::iter::from_fn(|| reader.next_packet().unwrap());
        packets.flat_map(|packet| packet.data.into_vec()).collect()
    }

    #[test]
    fn whole_frames_are_read_whatever_the_sizes_say() {
        let audio: Vec<u8> = (0..20_000u32).map(|n| (n * 7) as u8).collect();
        for riff in [0, 20_036, u32::MAX, 0x7fff_ffff] {
            for data in [0, 20_000, 0x7fff_ffff, u32::MAX, u32::MAX - 36, 30_000] {
                assert!(samples(&wav(riff, b"", data, &audio)) == audio, "{riff} {data}");
            }
        }
        for missing in 1..9 {
            let cut = &audio[..audio.len() - missing];
            assert!(samples(&wav(20_036, b"", 20_000, cut)) == audio[..cut.len() / 4 * 4], "{missing}");
        }
        // The length of the list, or of the chunk in it, is larger than the file.
        for size in [10, 60_000, 0xffff_fff0] {
            let list = [b"LIST", &u32::to_le_bytes(size)[..], b"INFOIN\xff\xff\xff\x7f"].concat();
            assert!(samples(&wav(20_036, &list, 20_000, &audio)) == audio, "{size}");
        }
        // The chunk behind the data is no audio.
        let tagged = [&wav(20_036, b"", 20_000, &audio)[..], b"LIST\x04\0\0\0INFO"].concat();
        assert!(samples(&tagged) == audio);
    }

    #[test]
    fn a_seek_finds_the_packets_of_reading_through() {
        let audio: Vec<u8> = (0..40_000u32).map(|n| (n * 7) as u8).collect();
        let mut reader = open(&wav(0, b"", 0, &audio)).unwrap();
        for frame in [0i64, 1151, 1152, 9999, 10_000] {
            let to = SeekTo::Timestamp { ts: Timestamp::new(frame), track_id: 0 };
            let start = reader.seek(SeekMode::Accurate, to).unwrap().actual_ts.get();
            assert!(start % 1152 == 0 && (0..1152).contains(&(frame - start)));
            let packet = reader.next_packet().unwrap().unwrap();
            assert_eq!(packet.pts.get(), start);
            assert!(audio[start as usize * 4..].starts_with(&packet.data));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_bytes_give_packets_within_the_file(
            is_aiff in any::<bool>(),
            flips in prop::collection::vec((0usize..80, any::<u8>()), 0..12),
            tail in prop::collection::vec(any::<u8>(), 0..300),
        ) {
            let mut bytes = if is_aiff {
                let common = [0, 2, 0, 0, 0, 9, 0, 16, 0x40, 0x0e, 0xac, 0x44, 0, 0, 0, 0, 0, 0];
                [&aiff_header(b"AIFF", &common), &tail[..]].concat()
            } else {
                wav(0, b"LIST\x04\0\0\0INFO", 0, &tail)
            };
            for (at, value) in flips {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= value;
                }
            }
            if let Ok(Ok(mut reader)) = std::panic::catch_unwind(|| open(&bytes)) {
                let mut total = 0;
                while let Some(packet) = reader.next_packet().unwrap() {
                    total += packet.data.len();
                }
                prop_assert!(total <= bytes.len());
            }
        }
    }
}
