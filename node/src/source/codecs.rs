//! Decoders, and facts about a stream that its codec parameters hold.

use std::sync::LazyLock;

use media_plugin_sdk::SampleType;
use symphonia::core::codecs::{
    audio::{AudioCodecId, AudioCodecParameters, AudioDecoder, AudioDecoderOptions, well_known::*},
    registry::CodecRegistry,
};

use super::{error::guarded, formats};

/// Symphonia's decoders, and libopus, which Symphonia lacks.
static REGISTRY: LazyLock<CodecRegistry> = LazyLock::new(|| {
    let mut registry = CodecRegistry::new();
    symphonia::default::register_enabled_codecs(&mut registry);
    registry.register_audio_decoder::<symphonia_adapter_libopus::OpusDecoder>();
    registry
});

/// A decoder that trims nothing. The reader trims by position.
pub(super) fn decoder(
    params: &AudioCodecParameters,
) -> symphonia::core::errors::Result<Box<dyn AudioDecoder>> {
    guarded(|| REGISTRY.make_audio_decoder(params, &AudioDecoderOptions::default().gapless(false)))
}

/// The smallest sample type that holds the stream's samples exactly; `F32` for a lossy codec.
pub(super) fn sample_type(params: &AudioCodecParameters, is_lossy: bool) -> SampleType {
    if is_lossy || is_float(params.codec) {
        return SampleType::F32;
    }
    let bits = match params.codec {
        // Byte 5 of the magic cookie, behind the frame length and the version.
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

/// Bytes of a frame of plain PCM; `None` for other codecs.
pub(super) fn pcm_frame_bytes(params: &AudioCodecParameters) -> Option<u64> {
    let bits = match params.codec {
        CODEC_ID_PCM_F64LE | CODEC_ID_PCM_F64BE => 64,
        CODEC_ID_PCM_ALAW | CODEC_ID_PCM_MULAW => 8,
        id if formats::codec(id).is_some_and(|codec| codec.name == "pcm") => {
            params.bits_per_coded_sample.or(params.bits_per_sample)?
        }
        _ => return None,
    };
    let channels = u64::try_from(params.channels.as_ref()?.count()).ok()?;
    Some(u64::from(bits.div_ceil(8)) * channels)
}

/// The factor that an Opus header asks for (RFC 7845, section 5.1: Q7.8 dB at byte 16); 1 for other codecs.
pub(super) fn gain(params: &AudioCodecParameters) -> f32 {
    let Some(&[low, high]) = params.extra_data.as_deref().and_then(|head| head.get(16..18)) else {
        return 1.0;
    };
    match (params.codec, i16::from_le_bytes([low, high])) {
        (CODEC_ID_OPUS, q8) if q8 != 0 => 10f32.powf(f32::from(q8) / (20.0 * 256.0)),
        _ => 1.0,
    }
}
