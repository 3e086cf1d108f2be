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
    Result, SourceError, SourceInfo, codecs,
    demux::{Clock, Demux, probe},
    framed::Checkpoints,
    mp4,
};

/// What was learnt of a file when it was opened.
pub(super) struct Inner {
    pub(super) path: PathBuf,
    pub(super) info: SourceInfo,
    pub(super) traits: codecs::Traits,
    /// The first frame, on the codec's own timeline: what lies before it is encoder delay.
    pub(super) origin: i64,
    /// How far a packet may seem to be off, in frames.
    pub(super) slack: u64,
    /// What every sample is multiplied by.
    pub(super) gain: f32,
    pub(super) params: AudioCodecParameters,
    track: u32,
    clock: Clock,
    checkpoints: Option<Arc<Checkpoints>>,
    identity: Identity,
}

/// By which a file that was put in the place of another is noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Identity {
    bytes: u64,
    modified: Option<SystemTime>,
}

impl Identity {
    fn of(metadata: &Metadata) -> Self {
        Self { bytes: metadata.len(), modified: metadata.modified().ok() }
    }
}

impl Inner {
    /// Whether the file is still the one that was opened.
    pub(super) fn is_current(&self) -> bool {
        std::fs::metadata(&self.path).is_ok_and(|metadata| Identity::of(&metadata) == self.identity)
    }

    pub(super) fn stamp(&self) -> Option<(u64, SystemTime)> {
        Some((self.identity.bytes, self.identity.modified?))
    }

    pub(super) fn open(path: &Path) -> Result<Self> {
        let (format, identity) = open_format(path)?;
        let (track, params) = choose_track(path, format.as_ref())?;
        let decoder = codecs::decoder(&params).map_err(|error| SourceError::symphonia(path, error))?;
        // The decoder knows better than the container, which may call mono stereo.
        let params = decoder.codec_params().clone();
        let audio = audio_format(path, &params)?;
        let clock = Clock::new(audio.rate, track.time_base)
            .ok_or_else(|| SourceError::Damaged { path: path.into(), cause: "its rate is 0".into() })?;
        let traits = codecs::traits(params.codec, audio.rate);
        let format_info = *format.format_info();
        let is_framed = matches!(format_info.format, FORMAT_ID_MP3 | FORMAT_ID_ADTS);

        let mut inner = Self {
            path: path.to_owned(),
            info: SourceInfo {
                format: audio,
                sample: codecs::sample_type(&params, traits.lossy),
                frames: 0,
                codec: traits.name.into(),
                container: format_info.short_name.into(),
                bitrate: None,
                lossy: traits.lossy,
            },
            traits,
            origin: delay(&track, &params, format.as_ref()),
            slack: clock.slack().unsigned_abs(),
            gain: codecs::gain(&params),
            params,
            track: track.id,
            clock,
            checkpoints: is_framed.then(|| Arc::new(Checkpoints::new(path.to_owned()))),
            identity,
        };
        inner.measure(&track, format)?;
        Ok(inner)
    }

    /// Finds the exact length, and the origin where the container has an edit list.
    fn measure(&mut self, track: &Track, format: Box<dyn FormatReader>) -> Result<()> {
        let is_mp4 = format.format_info().format == FORMAT_ID_ISOMP4;
        let outline = || mp4::Outline::read(&self.path, self.info.format.rate);
        let outline = is_mp4.then(outline).transpose().map_err(|error| SourceError::io(&self.path, error))?;
        let is_fragmented = outline.as_ref().is_some_and(|it| it.is_fragmented);
        let end = match self.declared_end(track, format.as_ref()).filter(|_| !is_fragmented) {
            Some(end) => end,
            None => self.walk(format)?,
        };
        let (start, end) = match outline.and_then(|it| it.edit) {
            Some(edit) => edit.apply(end),
            None => (self.origin, end),
        };
        self.origin = start;
        let frames = u64::try_from(end.saturating_sub(start)).unwrap_or(0);
        if frames == 0 {
            return Err(SourceError::Empty { path: self.path.clone() });
        }
        self.info.frames = frames;
        let bits = u128::from(self.identity.bytes) * 8 * u128::from(self.info.format.rate);
        self.info.bitrate = u32::try_from(bits / u128::from(frames)).ok();
        Ok(())
    }

    /// Where the last frame ends on the codec's timeline, if the headers can be believed.
    fn declared_end(&self, track: &Track, format: &dyn FormatReader) -> Option<i64> {
        let frames = track.num_frames.filter(|&frames| frames > 0)?;
        let is_trusted = match format.format_info().format {
            // What looks like a length is an estimate from the bitrate, unless an encoder wrote what it added.
            FORMAT_ID_MP3 => self.params.codec == CODEC_ID_MP3 && track.delay.is_some(),
            FORMAT_ID_ADTS => false,
            _ => codecs::pcm_frame_bytes(&self.params)
                .is_none_or(|bytes| frames.saturating_mul(bytes) <= self.identity.bytes),
        };
        is_trusted.then(|| i64::try_from(frames).unwrap_or(i64::MAX))
    }

    /// Looks where the last packet ends: reads all packets, but for those of an MP3 that can be counted by their headers.
    fn walk(&self, format: Box<dyn FormatReader>) -> Result<i64> {
        let mut demux = self.demux_of(format);
        if demux.pass_most().is_err() {
            // Damage, which packet for packet is stepped over.
            demux = self.demux()?;
        }
        let frame_bytes = codecs::pcm_frame_bytes(&self.params);
        let mut end = 0;
        while let Some(packet) = demux.next().map_err(|error| SourceError::io(&self.path, error))? {
            // The last packet of PCM that is cut off is shorter than it claims.
            let held = frame_bytes.map_or(u64::MAX, |bytes| packet.packet.data.len() as u64 / bytes.max(1));
            end = end.max(packet.start.saturating_add_unsigned(packet.frames.min(held)));
        }
        Ok(end)
    }

    /// The packets from the first one on.
    pub(super) fn demux(&self) -> Result<Demux> {
        let (format, identity) = open_format(&self.path)?;
        if identity != self.identity {
            return Err(SourceError::Changed { path: self.path.clone() });
        }
        Ok(self.demux_of(format))
    }

    fn demux_of(&self, format: Box<dyn FormatReader>) -> Demux {
        Demux::new(self.identity.bytes, format, self.track, self.clock, self.checkpoints.clone())
    }

    pub(super) fn decoder(&self) -> Result<Box<dyn AudioDecoder>> {
        codecs::decoder(&self.params).map_err(|error| SourceError::symphonia(&self.path, error))
    }
}

fn open_format(path: &Path) -> Result<(Box<dyn FormatReader>, Identity)> {
    let (file, metadata) = open_file(path)?;
    if metadata.len() == 0 {
        return Err(SourceError::Empty { path: path.into() });
    }
    let format = probe(file, path).map_err(|error| SourceError::symphonia(path, error))?;
    Ok((format, Identity::of(&metadata)))
}

/// Opens a regular file; a pipe or a device could keep the caller waiting for ever.
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
    // Symphonia never comes back from a seek in a multiplexed Ogg.
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

/// Where the first frame lies on the codec's timeline, edit lists apart.
fn delay(track: &Track, params: &AudioCodecParameters, format: &dyn FormatReader) -> i64 {
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
