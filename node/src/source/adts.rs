//! AAC in ADTS: packets one after the other, and the damage between them.

use std::{
    fs::File,
    io::{Result as IoResult, Seek, SeekFrom},
    ops::Range,
};

use symphonia::core::{
    audio::{Channels, Position},
    codecs::{
        CodecParameters,
        audio::{AudioCodecParameters, well_known::CODEC_ID_AAC},
    },
    errors::{Result, SeekErrorKind, decode_error, seek_error},
    formats::{
        FormatInfo, FormatReader, MediaInfo, SeekMode, SeekTo, SeekedTo, Track, well_known::FORMAT_ID_ADTS,
    },
    io::MediaSourceStream,
    meta::{Metadata, MetadataLog},
    packet::Packet,
    units::{Duration, TimeBase, Timestamp},
};

use super::{
    layout::tag_bytes,
    mpeg_header::{ADTS_HEAD, AdtsHeader},
    packet::stream,
    read_buffer::ReadBuffer,
};

/// Size of one read, in bytes.
const READ: usize = 64 * 1024;
/// Frames of audio in a packet.
const PACKET_FRAMES: u64 = 1024;

static INFO: FormatInfo = FormatInfo { format: FORMAT_ID_ADTS, short_name: "aac", long_name: "AAC in ADTS" };

/// A walk from frame to frame.
pub(super) struct AdtsWalk {
    buffer: ReadBuffer,
    at: u64,
    end: u64,
    stream: AdtsHeader,
}

/// A frame of the stream.
pub(super) struct AdtsFrame {
    /// Bytes of the frame, with the header.
    pub(super) bytes: Range<u64>,
    /// Bytes of the header.
    pub(super) header_bytes: u64,
}

impl AdtsWalk {
    /// A walk through `range` from its first frame on. `None` if there is none.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub(super) fn new(file: &mut File, range: &Range<u64>) -> IoResult<Option<Self>> {
        let mut buffer = ReadBuffer::new(READ);
        let mut at = range.start;
        while at < range.end {
            if let Some(stream) = header_at(file, &mut buffer, at, range.end)? {
                let next = at + u64::from(stream.bytes);
                let is_followed = header_at(file, &mut buffer, next, range.end)?
                    .is_some_and(|header| header.is_same_stream(&stream));
                if next == range.end || is_followed {
                    return Ok(Some(Self { buffer, at, end: range.end, stream }));
                }
            }
            at = next_candidate(file, &mut buffer, at, range.end)?;
        }
        Ok(None)
    }

    /// The header of the first frame.
    pub(super) fn stream(&self) -> AdtsHeader {
        self.stream
    }

    /// Returns the next frame, or `None` at the end. Skips anything else.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub(super) fn next(&mut self, file: &mut File) -> IoResult<Option<AdtsFrame>> {
        while self.at < self.end {
            let header = header_at(file, &mut self.buffer, self.at, self.end)?;
            if let Some(header) = header.filter(|header| header.is_same_stream(&self.stream)) {
                let start = self.at;
                self.at += u64::from(header.bytes);
                let header_bytes = header.header_bytes();
                return Ok(Some(AdtsFrame { bytes: start..self.at, header_bytes }));
            }
            self.at = next_candidate(file, &mut self.buffer, self.at, self.end)?;
        }
        Ok(None)
    }

    /// Bytes of the tag at byte `at`; `None` if there is none.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub(super) fn tag_at(&mut self, file: &mut File, at: u64) -> IoResult<Option<u64>> {
        let head = self.buffer.get_some(file, at, 128)?;
        Ok(tag_bytes(head).filter(|bytes| at.saturating_add(*bytes) <= self.end))
    }
}

/// The header at byte `at`, if its frame ends before byte `end`.
fn header_at(file: &mut File, buffer: &mut ReadBuffer, at: u64, end: u64) -> IoResult<Option<AdtsHeader>> {
    let head = buffer.get_some(file, at, ADTS_HEAD)?;
    Ok(AdtsHeader::parse(head).filter(|header| at.saturating_add(header.bytes.into()) <= end))
}

/// Byte position of the next possible header behind byte `at`.
fn next_candidate(file: &mut File, buffer: &mut ReadBuffer, at: u64, end: u64) -> IoResult<u64> {
    let rest = buffer.get_some(file, at, READ.min((end - at) as usize))?;
    let place = rest.iter().skip(1).position(|byte| *byte == 0xff);
    Ok(at + place.map_or(rest.len(), |place| place + 1).max(1) as u64)
}

/// Reader of the packets. Its time stamps count packets, without the damage between them.
pub(super) struct AdtsReader {
    file: File,
    walk: AdtsWalk,
    tracks: [Track; 1],
    metadata: MetadataLog,
    media: MediaInfo,
    /// Time stamp of the next packet.
    next: i64,
}

impl AdtsReader {
    /// Opens the stream in `range` of `file`.
    ///
    /// # Errors
    /// `DecodeError` without a frame; errors of the system.
    pub(super) fn open(mut file: File, range: &Range<u64>) -> Result<Self> {
        let Some(walk) = AdtsWalk::new(&mut file, range)? else {
            return decode_error("aac: there is no frame");
        };
        let mut params = AudioCodecParameters::new();
        let stream = walk.stream();
        params.for_codec(CODEC_ID_AAC).with_sample_rate(stream.rate());
        params.with_extra_data(Box::new(stream.config()));
        match stream.channel_config() {
            1 => _ = params.with_channels(Channels::Positioned(Position::FRONT_LEFT)),
            2 => {
                let both = Position::FRONT_LEFT | Position::FRONT_RIGHT;
                params.with_channels(Channels::Positioned(both));
            }
            _ => {}
        }
        let mut track = Track::new(0);
        track.time_base = TimeBase::try_from_recip(stream.rate());
        track.with_codec_params(CodecParameters::Audio(params));
        Ok(Self {
            file,
            walk,
            tracks: [track],
            metadata: MetadataLog::default(),
            media: MediaInfo::new(),
            next: 0,
        })
    }
}

impl FormatReader for AdtsReader {
    fn format_info(&self) -> &FormatInfo {
        &INFO
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

    /// The caller opens a stream of bare packets again instead.
    fn seek(&mut self, _mode: SeekMode, _to: SeekTo) -> Result<SeekedTo> {
        seek_error(SeekErrorKind::Unseekable)
    }

    fn next_packet(&mut self) -> Result<Option<Packet>> {
        let Some(AdtsFrame { bytes, header_bytes }) = self.walk.next(&mut self.file)? else {
            return Ok(None);
        };
        let start = bytes.start + header_bytes;
        let data = self.walk.buffer.get(&mut self.file, start, (bytes.end - start) as usize)?;
        let packet = Packet::new(0, Timestamp::new(self.next), Duration::new(PACKET_FRAMES), data);
        self.next = self.next.saturating_add(PACKET_FRAMES as i64);
        Ok(Some(packet))
    }

    fn into_inner<'s>(mut self: Box<Self>) -> MediaSourceStream<'s>
    where
        Self: 's,
    {
        // If this fails, the next read of the stream fails too.
        let _ = self.file.seek(SeekFrom::Start(self.walk.at));
        stream(self.file)
    }
}
