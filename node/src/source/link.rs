//! One link of a file: a container with one track. Most files have a single link, which is the whole file.

use std::{
    fs::File,
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
};

use media_plugin_sdk::{AudioFormat, SampleType};
use symphonia::core::{
    codecs::{
        CodecParameters,
        audio::{
            AudioCodecParameters, AudioDecoder,
            well_known::{CODEC_ID_AAC, CODEC_ID_OPUS},
        },
    },
    formats::{
        FormatId, FormatReader, Track, TrackType,
        well_known::{
            FORMAT_ID_ADTS, FORMAT_ID_FLAC, FORMAT_ID_ISOMP4, FORMAT_ID_MKV, FORMAT_ID_MP1, FORMAT_ID_MP2,
            FORMAT_ID_MP3, FORMAT_ID_OGG,
        },
    },
};

use super::{
    Result, SourceError, aac,
    chain::{Gap, LinkRange},
    codecs, container,
    demux::{Demuxer, Opener, SeekIndex},
    error::guarded,
    file_stamp::{FileStamp, open_file},
    flac_length,
    formats::{self, Codec, Length, Support},
    frame_stream::Checkpoints,
    matroska, mp4,
    packet::Clock,
};

/// An opened link. Holds no file descriptor: each reader opens the file again.
pub(super) struct Link {
    pub(super) path: PathBuf,
    pub(super) format: AudioFormat,
    pub(super) sample: SampleType,
    /// Exact length in frames, without encoder delay and padding; at least 1.
    pub(super) frames: u64,
    /// The container, in Symphonia's short names.
    pub(super) container: &'static str,
    pub(super) codec: &'static Codec,
    /// Position of the link's first frame on the codec's timeline, which begins with the first packet. Frames before it are
    /// the encoder's delay.
    pub(super) origin: i64,
    /// Greatest rounding error of a packet's position, in frames.
    pub(super) slack: u64,
    /// Factor for every sample.
    pub(super) gain: f32,
    pub(super) params: AudioCodecParameters,
    /// Frames in each packet, for codecs with packets of equal length.
    pub(super) packet_frames: Option<u64>,
    support: Support,
    range: Range<u64>,
    stamp: FileStamp,
    track: u32,
    clock: Clock,
    index: SeekIndex,
}

impl Link {
    /// Opens the link at `place` in the file at `path` and measures its length.
    pub(super) fn open(path: &Path, stamp: FileStamp, support: Support, place: &LinkRange) -> Result<Self> {
        let Opened { container, track, params, codec } = open_container(path, support.id, &place.range)?;
        let damaged = |error| SourceError::symphonia(path, error);
        let decoder = codecs::decoder(&params).map_err(damaged)?;
        // The container may declare a mono stream as stereo. The decoder's parameters are right.
        let params = decoder.codec_params().clone();
        let format = audio_format(path, &params)?;
        let clock = Clock::new(format.rate, track.time_base)
            .ok_or_else(|| SourceError::Damaged { path: path.into(), cause: "its rate is 0".into() })?;
        let packet_frames = codecs::packet_frames(&params);
        let info = *container.format_info();
        let index = match info.format {
            FORMAT_ID_MP1 | FORMAT_ID_MP2 | FORMAT_ID_MP3 | FORMAT_ID_ADTS => {
                let frames = packet_frames.unwrap_or(1152);
                let gaps = bounded_gaps(place, declared_packets(&track, packet_frames));
                let checkpoints = Checkpoints::new(path.to_owned(), place, gaps, frames);
                SeekIndex::Checkpoints(Arc::new(checkpoints))
            }
            FORMAT_ID_MKV => SeekIndex::Anchors(Arc::default()),
            _ => SeekIndex::InContainer,
        };

        let mut link = Self {
            path: path.to_owned(),
            format,
            sample: codecs::sample_type(&params, codec.is_lossy),
            frames: 0,
            container: info.short_name,
            codec,
            origin: encoder_delay(&track, &params, container.as_ref()),
            slack: clock.slack().unsigned_abs(),
            gain: codecs::gain(&params),
            params,
            packet_frames,
            support,
            range: place.range.clone(),
            stamp,
            track: track.id,
            clock,
            index,
        };
        link.measure(&track, container, place.packets)?;
        Ok(link)
    }

    /// Finds the exact length, and the origin if the container has an edit list. `packets` is the number of packets, if they
    /// were counted.
    fn measure(
        &mut self,
        track: &Track,
        container: Box<dyn FormatReader>,
        packets: Option<u64>,
    ) -> Result<()> {
        let is_mp4 = container.format_info().format == FORMAT_ID_ISOMP4;
        let outline = || mp4::Outline::read(&self.path, self.format.rate);
        let outline = is_mp4.then(outline).transpose().map_err(|error| SourceError::io(&self.path, error))?;
        let is_fragmented = outline.as_ref().is_some_and(|outline| outline.is_fragmented);
        let end = match self.declared_end(track, packets)?.filter(|_| !is_fragmented) {
            Some(end) => end,
            None => {
                // The header's padding at the end is right even if its number of packets is wrong.
                let padding = if packets.is_some() { track.padding.unwrap_or(0) } else { 0 };
                self.measure_end(container)?.saturating_sub(padding.into())
            }
        };
        let table_end = outline.as_ref().and_then(|outline| outline.table_end);
        let (start, end) = match outline.and_then(|outline| outline.edit) {
            Some(edit) => edit.apply(end, table_end),
            None => (self.origin, end),
        };
        let (start, end) = self.without_matroska_trim(start, end)?;
        self.origin = start;
        self.frames = u64::try_from(end.saturating_sub(start)).unwrap_or(0);
        if self.frames == 0 {
            return Err(SourceError::Empty { path: self.path.clone() });
        }
        Ok(())
    }

    /// Start and end of the presented part of a Matroska track, whose packets start at `start` and end at `end`. Both as they
    /// are in other containers.
    fn without_matroska_trim(&self, start: i64, end: i64) -> Result<(i64, i64)> {
        if self.support.id != FORMAT_ID_MKV {
            return Ok((start, end));
        }
        let io = |error| SourceError::io(&self.path, error);
        let mut file = File::open(&self.path).map_err(io)?;
        let outline = matroska::Outline::read(&mut file, &self.range, self.track).map_err(io)?;
        let start = outline.delay_frames(self.format.rate).unwrap_or(start);
        Ok((start, end.saturating_sub(outline.padding_frames(self.format.rate))))
    }

    /// Position behind the last frame according to the headers (in a FLAC, also to its last FLAC frame). `None` if they are
    /// not reliable.
    ///
    /// # Errors
    /// If the file cannot be read.
    fn declared_end(&self, track: &Track, packets: Option<u64>) -> Result<Option<i64>> {
        let declared = track.num_frames.filter(|frames| *frames > 0);
        if self.support.id != FORMAT_ID_FLAC {
            return Ok(declared.and_then(|frames| self.reliable_end(track, frames, packets)));
        }
        let io = |error| SourceError::io(&self.path, error);
        let mut file = File::open(&self.path).map_err(io)?;
        let last = flac_length::frames(&mut file, &self.range).map_err(io)?;
        // A file that was cut keeps its declared length.
        Ok(declared.max(last).map(|frames| i64::try_from(frames).unwrap_or(i64::MAX)))
    }

    fn reliable_end(&self, track: &Track, frames: u64, packets: Option<u64>) -> Option<i64> {
        let is_reliable = match self.support.length {
            Length::Unknown => false,
            Length::Counted => {
                let declared = declared_packets(track, self.packet_frames)?;
                // A file that was cut keeps its declared length.
                packets? <= declared
            }
            Length::Exact => codecs::pcm_frame_bytes(&self.params)
                .is_none_or(|bytes| frames.saturating_mul(bytes) <= self.stamp.bytes),
        };
        is_reliable.then(|| i64::try_from(frames).unwrap_or(i64::MAX))
    }

    /// Finds the end of the last packet. Reads all packets. In an MP3, the header walk passes most of them.
    fn measure_end(&self, container: Box<dyn FormatReader>) -> Result<i64> {
        let mut demuxer = self.demuxer_of(container);
        if demuxer.skip_to_last_checkpoint().is_err() {
            // The file is damaged. Reading packet by packet skips the damage.
            demuxer = self.demuxer()?;
        }
        let frame_bytes = codecs::pcm_frame_bytes(&self.params);
        let mut end = 0;
        while let Some(timed) = demuxer.next().map_err(|error| SourceError::io(&self.path, error))? {
            // The last packet of a PCM file that was cut holds fewer frames than it claims.
            let present = frame_bytes.map_or(u64::MAX, |bytes| timed.packet.data.len() as u64 / bytes.max(1));
            end = end.max(timed.start.saturating_add_unsigned(timed.frames.min(present)));
        }
        Ok(end)
    }

    /// A demuxer at the first packet.
    ///
    /// # Errors
    /// `Io` if the file is gone, `Changed` if it was modified or replaced.
    pub(super) fn demuxer(&self) -> Result<Demuxer> {
        let (file, stamp) = open_file(&self.path)?;
        if stamp != self.stamp {
            return Err(SourceError::Changed { path: self.path.clone() });
        }
        let container = container::open(file, self.support.id, &self.range);
        Ok(self.demuxer_of(container.map_err(|error| SourceError::symphonia(&self.path, error))?))
    }

    fn demuxer_of(&self, container: Box<dyn FormatReader>) -> Demuxer {
        let opener = Opener { path: self.path.clone(), id: self.support.id, range: self.range.clone() };
        Demuxer::new(opener, container, self.track, self.clock, &self.params, self.index.clone())
    }

    /// A new decoder for the track.
    pub(super) fn decoder(&self) -> Result<Box<dyn AudioDecoder>> {
        codecs::decoder(&self.params).map_err(|error| SourceError::symphonia(&self.path, error))
    }

    /// Frames to decode and drop before the first wanted one.
    pub(super) fn pre_roll(&self) -> u32 {
        self.codec.pre_roll(self.format.rate)
    }
}

/// The number of packets that an encoder noted together with its delay.
fn declared_packets(track: &Track, packet_frames: Option<u64>) -> Option<u64> {
    let trimmed = u64::from(track.delay?) + u64::from(track.padding.unwrap_or(0));
    track.num_frames?.saturating_add(trimmed).checked_div(packet_frames?)
}

/// The gaps of a link. Together they lack no more packets than the declared number says.
fn bounded_gaps(place: &LinkRange, declared: Option<u64>) -> Vec<Gap> {
    let missing = declared.zip(place.packets).and_then(|(declared, packets)| declared.checked_sub(packets));
    let mut left = missing.unwrap_or(u64::MAX);
    let mut gaps = place.gaps.clone();
    for gap in &mut gaps {
        gap.packets = gap.packets.min(left);
        left -= gap.packets;
    }
    gaps
}

/// A container, and its audio track that the node can decode.
pub(super) struct Opened {
    pub(super) container: Box<dyn FormatReader>,
    pub(super) track: Track,
    pub(super) params: AudioCodecParameters,
    pub(super) codec: &'static Codec,
}

/// Opens the container of the kind `id` in `range` of the file at `path`.
///
/// # Errors
/// `Unsupported` with the name of the kind if the node has no decoder for its audio, `Damaged` or `Io`.
pub(super) fn open_container(path: &Path, id: FormatId, range: &Range<u64>) -> Result<Opened> {
    let io = |error| SourceError::io(path, error);
    let opened = container::open(File::open(path).map_err(io)?, id, range)
        .map_err(|error| SourceError::symphonia(path, error))
        .and_then(|container| {
            let (track, params) = choose_track(path, container.as_ref())?;
            let codec = playable_codec(path, &params)?;
            Ok(Opened { container, track, params, codec })
        });
    if id == FORMAT_ID_ISOMP4
        && opened.is_err()
        && let Some(kind) = mp4::unsupported_kind(&mut File::open(path).map_err(io)?)
    {
        return Err(SourceError::unsupported(path, kind));
    }
    let opened = opened?;
    let is_core = opened.params.sample_rate.is_some_and(|rate| rate <= aac::MAX_CORE_RATE);
    if opened.params.codec == CODEC_ID_AAC && is_core && carries_sbr(path, id, range, opened.track.id)? {
        return Err(SourceError::unsupported(path, "HE-AAC"));
    }
    Ok(opened)
}

/// True if at least half of a track's first packets carry spectral band replication. A decoder without it returns only the
/// lower half of the spectrum.
fn carries_sbr(path: &Path, id: FormatId, range: &Range<u64>, track: u32) -> Result<bool> {
    let file = File::open(path).map_err(|error| SourceError::io(path, error))?;
    let Ok(mut container) = container::open(file, id, range) else { return Ok(false) };
    let mut packets = 0;
    let mut with_sbr = 0;
    while packets < aac::EXAMINED_PACKETS {
        let Ok(Some(packet)) = guarded(|| container.next_packet()) else { break };
        if packet.track_id == track {
            packets += 1;
            with_sbr += usize::from(aac::carries_sbr(&packet.data));
        }
    }
    // An encoder may begin with a few packets without it.
    Ok(packets > 0 && with_sbr * 2 >= packets)
}

fn choose_track(path: &Path, container: &dyn FormatReader) -> Result<(Track, AudioCodecParameters)> {
    // Symphonia never returns from a seek in a multiplexed Ogg.
    if container.format_info().format == FORMAT_ID_OGG && container.tracks().len() > 1 {
        return Err(SourceError::unsupported(path, "several streams in one Ogg"));
    }
    let track = container.default_track(TrackType::Audio);
    let track =
        track.ok_or_else(|| SourceError::unsupported(path, "a file without a known kind of audio"))?;
    match &track.codec_params {
        Some(CodecParameters::Audio(params)) => Ok((track.clone(), params.clone())),
        _ => Err(SourceError::unsupported(path, "a file with an unknown codec")),
    }
}

/// The row of the codec with these parameters.
fn playable_codec(path: &Path, params: &AudioCodecParameters) -> Result<&'static Codec> {
    if let Some(kind) = codecs::unsupported_kind(params) {
        return Err(SourceError::unsupported(path, kind));
    }
    formats::codec(params.codec).ok_or_else(|| SourceError::unsupported(path, codecs::name(params.codec)))
}

/// The rate and channels of a track.
pub(super) fn audio_format(path: &Path, params: &AudioCodecParameters) -> Result<AudioFormat> {
    let channels = params.channels.as_ref().map_or(0, symphonia::core::audio::Channels::count);
    let format = AudioFormat {
        rate: params.sample_rate.unwrap_or(0),
        channels: u16::try_from(channels).unwrap_or(u16::MAX),
    };
    if format.is_valid() {
        return Ok(format);
    }
    Err(SourceError::unsupported(path, format!("audio of {format}")))
}

/// Position of the first frame on the codec's timeline, before any edit list is applied.
fn encoder_delay(track: &Track, params: &AudioCodecParameters, container: &dyn FormatReader) -> i64 {
    match container.format_info().format {
        FORMAT_ID_OGG => {}
        // The pre-skip of the identification header (RFC 7845, section 5.1). Matroska repeats it as `CodecDelay`, which counts
        // more.
        FORMAT_ID_MKV if params.codec == CODEC_ID_OPUS => {
            let head = params.extra_data.as_deref().unwrap_or_default();
            let pre_skip = head.get(10..).and_then(|rest| rest.first_chunk());
            return pre_skip.map_or(0, |bytes| u16::from_le_bytes(*bytes).into());
        }
        _ => return 0,
    }
    let delay = i64::from(track.delay.unwrap_or(0));
    if params.codec == CODEC_ID_OPUS {
        // Granule positions count the pre-skip (RFC 7845, section 4.3).
        track.start_ts.get().max(0).saturating_add(delay)
    } else {
        track.start_ts.get().saturating_add(delay).max(0)
    }
}
