//! The packets of an MP4 without fragments.

use std::{
    fs::File,
    io::{ErrorKind, Read, Seek, SeekFrom},
};

use symphonia::core::{
    codecs::CodecParameters,
    errors::{Result, SeekErrorKind, decode_error, seek_error},
    formats::{
        FormatInfo, FormatReader, MediaInfo, SeekMode, SeekTo, SeekedTo, Track, well_known::FORMAT_ID_ISOMP4,
    },
    io::MediaSourceStream,
    meta::{Metadata, MetadataLog},
    packet::Packet,
    units::{Duration, TimeBase, Timestamp},
};

use super::{
    super::{codecs, packet::stream, read_buffer::ReadBuffer},
    boxes::{self, Found},
    sample_tables::{NumberTable, Run, RunTable, Spacing},
    track_description,
};

/// Size of the largest packet, in bytes. Larger ones are skipped as damaged. A packet of ALAC with 8 channels has 131 kB.
const MAX_PACKET: u64 = 1 << 20;
/// Size of one read of packets, in bytes.
const READ: usize = 16 * 1024;

static INFO: FormatInfo =
    FormatInfo { format: FORMAT_ID_ISOMP4, short_name: "isomp4", long_name: "ISO Base Media File Format" };

/// Reader of an MP4's audio track. Holds a part of each table, 1024 runs of each run table at most, and one packet: with any
/// length of the file at most 130 kB and that packet. A seek also reads the sizes of all packets that come before its target
/// in the same chunk.
pub(in super::super) struct Mp4Reader {
    file: File,
    tracks: [Track; 1],
    metadata: MetadataLog,
    media: MediaInfo,
    times: RunTable,
    chunks: RunTable,
    sizes: NumberTable,
    offsets: NumberTable,
    data: ReadBuffer,
    /// Number of packets.
    packets: u32,
    /// Number of the next packet.
    next: u32,
    /// Chunk of the previous packet, and the byte position behind that packet.
    previous: Option<(u64, u64)>,
}

impl Mp4Reader {
    /// Opens `file`. Returns it, at its beginning, if it is not an MP4 or has fragments or damaged tables.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub(in super::super) fn open(mut file: File) -> std::io::Result<std::result::Result<Self, File>> {
        let mut first = [0; 8];
        let is_mp4 = match file.read_exact(&mut first) {
            Ok(()) => first.ends_with(b"ftyp"),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => false,
            Err(error) => return Err(error),
        };
        if is_mp4 {
            let found = boxes::find(&mut file)?;
            if let Some(tables) = Tables::read(&mut file, &found) {
                return Ok(Ok(Self::new(file, tables)));
            }
        }
        file.seek(SeekFrom::Start(0))?;
        Ok(Err(file))
    }

    fn new(file: File, tables: Tables) -> Self {
        let Tables { track, times, chunks, sizes, offsets } = tables;
        let packets = times.end().0.min(chunks.end().0).min(sizes.entries.into());
        Self {
            file,
            tracks: [track],
            metadata: MetadataLog::default(),
            media: MediaInfo::new(),
            // The minimum fits, because `sizes.entries` is a `u32`.
            packets: u32::try_from(packets).unwrap_or(u32::MAX),
            times,
            chunks,
            sizes,
            offsets,
            data: ReadBuffer::new(READ),
            next: 0,
            previous: None,
        }
    }

    /// Byte position and size of a packet; `None` if the tables have no such packet.
    fn place(&mut self, packet: u32) -> Result<Option<(u64, usize)>> {
        let Some(run) = self.chunks.find(&mut self.file, packet.into(), Run::packets)? else {
            return Ok(None);
        };
        let within = u64::from(packet) - run.first;
        let chunk = run.base + within / u64::from(run.value);
        let at = match self.previous {
            Some((previous_chunk, end)) if previous_chunk == chunk => end,
            _ => {
                let first = packet - (within % u64::from(run.value)) as u32;
                let entry = u32::try_from(chunk).ok().filter(|entry| *entry < self.offsets.entries);
                let Some(entry) = entry else { return Ok(None) };
                let offset = self.offsets.get(&mut self.file, entry)?;
                offset.saturating_add(self.sizes.sum(&mut self.file, first..packet)?)
            }
        };
        let size = self.sizes.get(&mut self.file, packet)?;
        self.previous = Some((chunk, at.saturating_add(size)));
        Ok(usize::try_from(size).ok().filter(|_| size <= MAX_PACKET).map(|size| (at, size)))
    }
}

/// The tables that locate packets.
struct Tables {
    track: Track,
    times: RunTable,
    chunks: RunTable,
    sizes: NumberTable,
    offsets: NumberTable,
}

impl Tables {
    fn read(file: &mut File, found: &Found) -> Option<Self> {
        if found.is_fragmented {
            return None;
        }
        let (mut track, boxes) = track_description::read(file, found)?;
        let sizes = match boxes.body(b"stsz") {
            Some(body) => NumberTable::sizes(file, body).ok()?,
            None => NumberTable::small_sizes(file, boxes.body(b"stz2")?).ok()?,
        };
        let offsets = match boxes.body(b"stco") {
            Some(body) => NumberTable::offsets(file, body, 32).ok()?,
            None => NumberTable::offsets(file, boxes.body(b"co64")?, 64).ok()?,
        };
        let spacing = spacing(&track);
        let body = boxes.body(b"stts")?;
        let spaced = spacing.and_then(|spacing| RunTable::spaced_times(file, body.clone(), spacing).ok());
        if let (Some(spacing), Some(_)) = (spacing, &spaced) {
            track.time_base = TimeBase::try_from_recip(spacing.rate);
        }
        let times = match spaced {
            Some(times) => times,
            None => RunTable::times(file, body).ok()?,
        };
        let chunks = RunTable::chunks(file, boxes.body(b"stsc")?, offsets.entries).ok()?;
        let ticks = times.end().1;
        track.with_duration(Duration::new(ticks));
        let rate = match &track.codec_params {
            Some(CodecParameters::Audio(params)) => params.sample_rate,
            _ => None,
        };
        track.num_frames = None;
        // A tick is a frame only with this time base. Otherwise the number of frames stays unknown.
        if track.time_base.is_some_and(|base| base.numer.get() == 1 && Some(base.denom.get()) == rate) {
            track.with_num_frames(ticks);
        }
        Some(Self { track, times, chunks, sizes, offsets })
    }
}

/// The spacing of a track's packets, if they all have the same number of frames.
fn spacing(track: &Track) -> Option<Spacing> {
    let Some(CodecParameters::Audio(params)) = &track.codec_params else { return None };
    let packet_frames = u32::try_from(codecs::packet_frames(params)?).ok()?;
    let base = track.time_base.filter(|base| base.numer.get() == 1)?;
    Some(Spacing { packet_frames, rate: params.sample_rate?, scale: base.denom.get() })
}

impl FormatReader for Mp4Reader {
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

    fn seek(&mut self, _mode: SeekMode, to: SeekTo) -> Result<SeekedTo> {
        let track = &self.tracks[0];
        let ts = match to {
            SeekTo::Timestamp { ts, .. } => Some(ts),
            SeekTo::Time { time, .. } => track.time_base.and_then(|base| base.calc_timestamp(time)),
        };
        let (id, ticks) = (track.id, ts.and_then(|ts| u64::try_from(ts.get()).ok()));
        let (Some(required_ts), Some(ticks)) = (ts, ticks) else {
            return seek_error(SeekErrorKind::OutOfRange);
        };
        let Some(run) = self.times.find(&mut self.file, ticks, Run::bases)? else {
            return seek_error(SeekErrorKind::OutOfRange);
        };
        // A run whose packets have no length covers no tick, so `find` never returns it. `max` only rules out a division by zero.
        let within = (ticks - run.base) / u64::from(run.value.max(1));
        let packet = u32::try_from(run.first + within).ok().filter(|packet| *packet < self.packets);
        let start = i64::try_from(run.base + within * u64::from(run.value)).ok();
        let (Some(packet), Some(start)) = (packet, start) else {
            return seek_error(SeekErrorKind::OutOfRange);
        };
        self.next = packet;
        self.previous = None;
        Ok(SeekedTo { track_id: id, required_ts, actual_ts: Timestamp::new(start) })
    }

    fn next_packet(&mut self) -> Result<Option<Packet>> {
        if self.next >= self.packets {
            return Ok(None);
        }
        let packet = self.next;
        // The caller skips a packet that cannot be read.
        self.next += 1;
        let Some(time) = self.times.find(&mut self.file, packet.into(), Run::packets)? else {
            return Ok(None);
        };
        let ticks = time.base + (u64::from(packet) - time.first) * u64::from(time.value);
        let Ok(start) = i64::try_from(ticks) else { return Ok(None) };
        let Some((at, size)) = self.place(packet)? else {
            return decode_error("mp4: the tables do not locate a packet");
        };
        let data = self.data.get(&mut self.file, at, size)?;
        let duration = Duration::new(u64::from(time.value).min(time.bases().end.saturating_sub(ticks)));
        Ok(Some(Packet::new(self.tracks[0].id, Timestamp::new(start), duration, data)))
    }

    fn into_inner<'s>(self: Box<Self>) -> MediaSourceStream<'s>
    where
        Self: 's,
    {
        stream(self.file)
    }
}
