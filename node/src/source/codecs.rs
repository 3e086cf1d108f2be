//! What is known of each codec beyond what Symphonia says.

use std::sync::LazyLock;

use media_plugin_sdk::SampleType;
use symphonia::core::codecs::{
    audio::{AudioCodecId, AudioCodecParameters, AudioDecoder, AudioDecoderOptions, well_known::*},
    registry::CodecRegistry,
};

use super::error::guarded;

/// Symphonia's decoders, and libopus, which it lacks.
static REGISTRY: LazyLock<CodecRegistry> = LazyLock::new(|| {
    let mut registry = CodecRegistry::new();
    symphonia::default::register_enabled_codecs(&mut registry);
    registry.register_audio_decoder::<symphonia_adapter_libopus::OpusDecoder>();
    registry
});

/// How a codec has to be treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Traits {
    /// Its name in a catalog: `flac`, `mp3`, `pcm`.
    pub(super) name: &'static str,
    pub(super) lossy: bool,
    /// Frames to decode and throw away before the first one that is wanted.
    pub(super) pre_roll: u32,
    /// Whether a decoder that started `pre_roll` frames earlier gives exactly what one gives that started at the
    /// beginning. Where it does not, a seek to the current position starts anew too, so that what follows a seek
    /// depends on the position alone.
    pub(super) converges: bool,
    /// Whether `reset` leaves something behind, so that only a new decoder starts anew.
    pub(super) needs_new_decoder: bool,
}

const EXACT: Traits =
    Traits { name: "pcm", lossy: false, pre_roll: 0, converges: true, needs_new_decoder: false };

/// How the codec `id` at `rate` has to be treated.
pub(super) fn traits(id: AudioCodecId, rate: u32) -> Traits {
    match id {
        CODEC_ID_FLAC => Traits { name: "flac", ..EXACT },
        CODEC_ID_ALAC => Traits { name: "alac", ..EXACT },
        CODEC_ID_PCM_ALAW => Traits { name: "alaw", lossy: true, ..EXACT },
        CODEC_ID_PCM_MULAW => Traits { name: "mulaw", lossy: true, ..EXACT },
        CODEC_ID_MP3 => Traits { name: "mp3", lossy: true, pre_roll: mp3_pre_roll(rate), ..EXACT },
        // The window of a long block, 8192 at most, overlaps one packet.
        CODEC_ID_VORBIS => Traits { name: "vorbis", lossy: true, pre_roll: 8192, ..EXACT },
        // The window overlaps one packet of 1024. Noise substitution draws from a generator that runs on from packet
        // to packet and that `reset` leaves as it is.
        CODEC_ID_AAC => {
            let traits = Traits { name: "aac", lossy: true, pre_roll: 4096, ..EXACT };
            Traits { converges: false, needs_new_decoder: true, ..traits }
        }
        CODEC_ID_OPUS => {
            Traits { name: "opus", lossy: true, pre_roll: OPUS_PRE_ROLL, converges: false, ..EXACT }
        }
        _ => EXACT,
    }
}

/// Opus predicts from all that came before, ever more faintly: after 200 ms of music at 128 kbit/s it was 59 dB below
/// the sound, after 500 ms 134 dB, after 1 s nothing. RFC 7845, section 4.6, asks for 80 ms at least.
const OPUS_PRE_ROLL: u32 = 48_000;

/// The main data of an MP3 frame may begin 511 bytes (MPEG-1) or 255 bytes (MPEG-2) earlier, in frames that hold at
/// least 58 (32 kbit/s at 48 kHz) or 5 bytes of it (8 kbit/s at 24 kHz). Three more frames fill the overlap of the
/// transform and the filter bank.
fn mp3_pre_roll(rate: u32) -> u32 {
    if rate >= 32_000 { 12 * 1152 } else { 54 * 576 }
}

/// A decoder that trims nothing; trimming is done by position.
pub(super) fn decoder(
    params: &AudioCodecParameters,
) -> symphonia::core::errors::Result<Box<dyn AudioDecoder>> {
    guarded(|| REGISTRY.make_audio_decoder(params, &AudioDecoderOptions::default().gapless(false)))
}

/// What the samples of this stream fit into exactly.
pub(super) fn sample_type(params: &AudioCodecParameters, lossy: bool) -> SampleType {
    if lossy || is_float(params.codec) {
        return SampleType::F32;
    }
    let bits = match params.codec {
        // The magic cookie: bytes of a frame, version, then the bits.
        CODEC_ID_ALAC => {
            params.extra_data.as_ref().and_then(|cookie| cookie.get(5)).map(|bits| u32::from(*bits))
        }
        _ => params.bits_per_sample.or(params.bits_per_coded_sample),
    };
    match bits {
        Some(0..=16) => SampleType::S16,
        Some(17..=24) => SampleType::S24,
        Some(_) => SampleType::S32,
        None => SampleType::F32,
    }
}

fn is_float(id: AudioCodecId) -> bool {
    matches!(id, CODEC_ID_PCM_F32LE | CODEC_ID_PCM_F32BE | CODEC_ID_PCM_F64LE | CODEC_ID_PCM_F64BE)
}

/// Bytes of a frame of plain PCM, nothing for other codecs.
pub(super) fn pcm_frame_bytes(params: &AudioCodecParameters) -> Option<u64> {
    let bits = match params.codec {
        CODEC_ID_PCM_F64LE | CODEC_ID_PCM_F64BE => 64,
        CODEC_ID_PCM_ALAW | CODEC_ID_PCM_MULAW => 8,
        id if traits(id, 0).name == "pcm" => params.bits_per_coded_sample.or(params.bits_per_sample)?,
        _ => return None,
    };
    let channels = u64::try_from(params.channels.as_ref()?.count()).ok()?;
    Some(u64::from(bits.div_ceil(8)) * channels)
}

/// The factor that an Opus header asks for (RFC 7845, section 5.1: Q7.8 dB at byte 16), 1 elsewhere.
pub(super) fn gain(params: &AudioCodecParameters) -> f32 {
    let Some(&[low, high]) = params.extra_data.as_deref().and_then(|head| head.get(16..18)) else {
        return 1.0;
    };
    match (params.codec, i16::from_le_bytes([low, high])) {
        (CODEC_ID_OPUS, q8) if q8 != 0 => 10f32.powf(f32::from(q8) / (20.0 * 256.0)),
        _ => 1.0,
    }
}
