//! FLAC of more than 24 bits. Symphonia's decoder overflows on such samples, so the crate flac-codec decodes them.

use flac_codec::decode::FlacStreamReader;
use symphonia::core::{
    audio::{AsGenericAudioBufferRef, AudioBuffer, AudioMut, AudioSpec, Channels, GenericAudioBufferRef},
    codecs::{
        CodecInfo,
        audio::{AudioCodecParameters, AudioDecoder, FinalizeResult, well_known::CODEC_ID_FLAC},
    },
    errors::{Result, decode_error, unsupported_error},
    packet::PacketRef,
};

/// Frames of the largest block (RFC 9639, section 8.2).
const MAX_FRAMES: usize = 65_535;

static INFO: CodecInfo =
    CodecInfo { short_name: "flac", long_name: "Free Lossless Audio Codec", profiles: &[] };

/// A decoder of one FLAC frame at a time.
pub(super) struct WideFlacDecoder {
    params: AudioCodecParameters,
    channels: usize,
    samples: Vec<f32>,
    buffer: AudioBuffer<f32>,
}

impl WideFlacDecoder {
    /// True if a stream needs this decoder.
    pub(super) fn is_needed(params: &AudioCodecParameters) -> bool {
        params.codec == CODEC_ID_FLAC && params.bits_per_sample.is_some_and(|bits| bits > 24)
    }

    pub(super) fn new(params: &AudioCodecParameters) -> Result<Self> {
        let channels = params.channels.as_ref().map_or(0, Channels::count);
        let (Some(rate), 1..=8) = (params.sample_rate, channels) else {
            return unsupported_error("FLAC without a rate or channels");
        };
        let layout = Channels::Discrete(channels as u16);
        let frames = params.max_frames_per_packet.map_or(MAX_FRAMES, |frames| frames as usize);
        Ok(Self {
            params: params.clone(),
            channels,
            samples: Vec::new(),
            buffer: AudioBuffer::new(AudioSpec::new(rate, layout), frames.clamp(1, MAX_FRAMES)),
        })
    }
}

impl AudioDecoder for WideFlacDecoder {
    fn codec_info(&self) -> &CodecInfo {
        &INFO
    }

    fn codec_params(&self) -> &AudioCodecParameters {
        &self.params
    }

    fn reset(&mut self) {
        self.buffer.clear();
    }

    fn decode_ref(&mut self, packet: &PacketRef<'_>) -> Result<GenericAudioBufferRef<'_>> {
        self.buffer.clear();
        let mut reader = FlacStreamReader::new(packet.data);
        let Ok(frame) = reader.read() else { return decode_error("flac: a frame is damaged") };
        let frames = frame.samples.len() / self.channels;
        if usize::from(frame.channels) != self.channels || frames > self.buffer.capacity() {
            return decode_error("flac: a frame contradicts the stream's header");
        }
        let scale = 2f64.powi(1 - frame.bits_per_sample as i32);
        self.samples.clear();
        self.samples.extend(frame.samples.iter().map(|sample| (f64::from(*sample) * scale) as f32));
        self.buffer.render_uninit(Some(frames));
        self.buffer.copy_from_slice_interleaved(&self.samples);
        Ok(self.buffer.as_generic_audio_buffer_ref())
    }

    fn finalize(&mut self) -> FinalizeResult {
        FinalizeResult::default()
    }

    fn last_decoded(&self) -> GenericAudioBufferRef<'_> {
        self.buffer.as_generic_audio_buffer_ref()
    }
}
