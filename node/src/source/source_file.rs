//! Facts about a file, learnt when it is opened.

use std::{
    fs::{File, Metadata},
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use media_plugin_sdk::AudioFormat;
use symphonia::core::{
    codecs::{
        CodecParameters,
        audio::{
            AudioCodecParameters, AudioDecoder,
            well_known::{CODEC_ID_MP3, CODEC_ID_OPUS},
        },
    },
    formats::{
        FormatReader, Track, TrackType,
        well_known::{FORMAT_ID_ADTS, FORMAT_ID_ISOMP4, FORMAT_ID_MP3, FORMAT_ID_OGG},
    },
};

use super::{
    Result, SourceError, SourceInfo, codecs, container,
    demux::Demuxer,
    formats::{self, Codec, Length},
    frame_stream::Checkpoints,
    mp4,
    packet::Clock,
};

/// An opened file. Holds no descriptor: each reader opens the file again.
pub(super) struct SourceFile {
    pub(super) path: PathBuf,
    pub(super) info: SourceInfo,
    pub(super) codec: &'static Codec,
    /// Position of the track's first frame on the codec's timeline. Earlier frames are encoder delay.
    pub(super) origin: i64,
    /// Rounding error of a packet's position, in frames.
    pub(super) slack: u64,
    /// Factor for every sample.
    pub(super) gain: f32,
    pub(super) params: AudioCodecParameters,
    track: u32,
    clock: Clock,
    checkpoints: Option<Arc<Checkpoints>>,
    stamp: FileStamp,
}

/// Size and time of modification, which tell whether a file was modified or replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FileStamp {
    bytes: u64,
    modified: Option<SystemTime>,
}

impl FileStamp {
    fn of(metadata: &Metadata) -> Self {
        Self { bytes: metadata.len(), modified: metadata.modified().ok() }
    }
}

impl SourceFile {
    /// True if the file is unchanged since it was opened.
    pub(super) fn is_current(&self) -> bool {
        std::fs::metadata(&self.path).is_ok_and(|metadata| FileStamp::of(&metadata) == self.stamp)
    }

    /// Size in bytes and time of modification.
    pub(super) fn stamp(&self) -> Option<(u64, SystemTime)> {
        Some((self.stamp.bytes, self.stamp.modified?))
    }

    /// Opens the file at `path` and measures its length.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let (format, stamp) = open_format(path)?;
        let (track, params) = choose_track(path, format.as_ref())?;
        let unsupported = |name: String| SourceError::Unsupported {
            path: path.into(),
            cause: format!("the codec {name} has no decoder here"),
        };
        let codec = formats::codec(params.codec).ok_or_else(|| unsupported(params.codec.to_string()))?;
        let decoder = codecs::decoder(&params).map_err(|error| SourceError::symphonia(path, error))?;
        // The container may call mono stereo, so the decoder's parameters count.
        let params = decoder.codec_params().clone();
        let audio = audio_format(path, &params)?;
        let clock = Clock::new(audio.rate, track.time_base)
            .ok_or_else(|| SourceError::Damaged { path: path.into(), cause: "its rate is 0".into() })?;
        let format_info = *format.format_info();
        let is_bare = matches!(format_info.format, FORMAT_ID_MP3 | FORMAT_ID_ADTS);

        let mut file = Self {
            path: path.to_owned(),
            info: SourceInfo {
                format: audio,
                sample: codecs::sample_type(&params, codec.is_lossy),
                frames: 0,
                codec: codec.name.into(),
                container: format_info.short_name.into(),
                bitrate: None,
                lossy: codec.is_lossy,
            },
            codec,
            origin: encoder_delay(&track, &params, format.as_ref()),
            slack: clock.slack().unsigned_abs(),
            gain: codecs::gain(&params),
            params,
            track: track.id,
            clock,
            checkpoints: is_bare.then(|| Arc::new(Checkpoints::new(path.to_owned()))),
            stamp,
        };
        file.measure(&track, format)?;
        Ok(file)
    }

    /// Finds the exact length, and the origin if the container has an edit list.
    fn measure(&mut self, track: &Track, format: Box<dyn FormatReader>) -> Result<()> {
        let is_mp4 = format.format_info().format == FORMAT_ID_ISOMP4;
        let outline = || mp4::Outline::read(&self.path, self.info.format.rate);
        let outline = is_mp4.then(outline).transpose().map_err(|error| SourceError::io(&self.path, error))?;
        let is_fragmented = outline.as_ref().is_some_and(|outline| outline.is_fragmented);
        let end = match self.declared_end(track, format.as_ref()).filter(|_| !is_fragmented) {
            Some(end) => end,
            None => self.measure_end(format)?,
        };
        let (start, end) = match outline.and_then(|outline| outline.edit) {
            Some(edit) => edit.apply(end),
            None => (self.origin, end),
        };
        self.origin = start;
        let frames = u64::try_from(end.saturating_sub(start)).unwrap_or(0);
        if frames == 0 {
            return Err(SourceError::Empty { path: self.path.clone() });
        }
        self.info.frames = frames;
        let bits = u128::from(self.stamp.bytes) * 8 * u128::from(self.info.format.rate);
        self.info.bitrate = u32::try_from(bits / u128::from(frames)).ok();
        Ok(())
    }

    /// Position behind the last frame according to the headers, if their length is reliable.
    fn declared_end(&self, track: &Track, format: &dyn FormatReader) -> Option<i64> {
        let frames = track.num_frames.filter(|&frames| frames > 0)?;
        let is_reliable = match formats::by_id(format.format_info().format)?.length {
            Length::Unknown => false,
            Length::ExactWithDelay => self.params.codec == CODEC_ID_MP3 && track.delay.is_some(),
            Length::Exact => codecs::pcm_frame_bytes(&self.params)
                .is_none_or(|bytes| frames.saturating_mul(bytes) <= self.stamp.bytes),
        };
        is_reliable.then(|| i64::try_from(frames).unwrap_or(i64::MAX))
    }

    /// Finds the end of the last packet. Reads all packets, except those of an MP3 that a header walk counts.
    fn measure_end(&self, format: Box<dyn FormatReader>) -> Result<i64> {
        let mut demuxer = self.demuxer_of(format);
        if demuxer.skip_to_last_checkpoint().is_err() {
            // Damage, which reading packet by packet skips.
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
        let (format, stamp) = open_format(&self.path)?;
        if stamp != self.stamp {
            return Err(SourceError::Changed { path: self.path.clone() });
        }
        Ok(self.demuxer_of(format))
    }

    fn demuxer_of(&self, format: Box<dyn FormatReader>) -> Demuxer {
        Demuxer::new(self.stamp.bytes, format, self.track, self.clock, self.checkpoints.clone())
    }

    /// A new decoder for the track.
    pub(super) fn decoder(&self) -> Result<Box<dyn AudioDecoder>> {
        codecs::decoder(&self.params).map_err(|error| SourceError::symphonia(&self.path, error))
    }
}

fn open_format(path: &Path) -> Result<(Box<dyn FormatReader>, FileStamp)> {
    let (file, metadata) = open_file(path)?;
    if metadata.len() == 0 {
        return Err(SourceError::Empty { path: path.into() });
    }
    let format = container::open(file, path).map_err(|error| SourceError::symphonia(path, error))?;
    Ok((format, FileStamp::of(&metadata)))
}

/// Opens a regular file. A pipe or a device is refused, since it could block the caller for ever.
pub(super) fn open_file(path: &Path) -> Result<(File, Metadata)> {
    let io = |error| SourceError::io(path, error);
    let metadata = std::fs::metadata(path).map_err(io)?;
    if !metadata.is_file() {
        return Err(SourceError::Unsupported { path: path.into(), cause: "not a file".into() });
    }
    Ok((File::open(path).map_err(io)?, metadata))
}

fn choose_track(path: &Path, format: &dyn FormatReader) -> Result<(Track, AudioCodecParameters)> {
    let unsupported = |cause: &str| SourceError::Unsupported { path: path.into(), cause: cause.into() };
    // Symphonia never returns from a seek in a multiplexed Ogg.
    if format.format_info().format == FORMAT_ID_OGG && format.tracks().len() > 1 {
        return Err(unsupported("several streams in one Ogg"));
    }
    let track = format.default_track(TrackType::Audio).ok_or_else(|| unsupported("no audio track"))?;
    match &track.codec_params {
        Some(CodecParameters::Audio(params)) => Ok((track.clone(), params.clone())),
        _ => Err(unsupported("an unknown codec")),
    }
}

fn audio_format(path: &Path, params: &AudioCodecParameters) -> Result<AudioFormat> {
    let channels = params.channels.as_ref().map_or(0, symphonia::core::audio::Channels::count);
    let format = AudioFormat {
        rate: params.sample_rate.unwrap_or(0),
        channels: u16::try_from(channels).unwrap_or(u16::MAX),
    };
    if format.is_valid() {
        return Ok(format);
    }
    Err(SourceError::Unsupported { path: path.into(), cause: format!("it claims {format}") })
}

/// Position of the first frame on the codec's timeline, before any edit list is applied.
fn encoder_delay(track: &Track, params: &AudioCodecParameters, format: &dyn FormatReader) -> i64 {
    if format.format_info().format != FORMAT_ID_OGG {
        return 0;
    }
    let delay = i64::from(track.delay.unwrap_or(0));
    if params.codec == CODEC_ID_OPUS {
        // Granule positions count the pre-skip (RFC 7845, section 4.3).
        track.start_ts.get().max(0).saturating_add(delay)
    } else {
        track.start_ts.get().saturating_add(delay).max(0)
    }
}
