//! Decoders, and facts about a stream that its codec parameters hold.

use std::sync::LazyLock;

use media_plugin_sdk::SampleType;
use symphonia::core::{
    audio::Channels,
    codecs::{
        audio::{AudioCodecId, AudioCodecParameters, AudioDecoder, AudioDecoderOptions, well_known::*},
        registry::CodecRegistry,
    },
};

use super::{
    aac, error::guarded, formats, mpeg_header::MpegHeader, opus_decoder::OpusDecoder,
    wide_flac_decoder::WideFlacDecoder,
};

/// Symphonia's decoders.
static REGISTRY: LazyLock<CodecRegistry> = LazyLock::new(|| {
    let mut registry = CodecRegistry::new();
    symphonia::default::register_enabled_codecs(&mut registry);
    registry
});

/// Name, for people, of a codec that has no row in [`formats`].
pub(super) fn name(id: AudioCodecId) -> String {
    let name = match id {
        CODEC_ID_AC3 => "AC-3",
        CODEC_ID_EAC3 => "E-AC-3",
        CODEC_ID_AC4 => "AC-4",
        CODEC_ID_DCA => "DTS",
        CODEC_ID_TRUEHD => "TrueHD",
        CODEC_ID_WMA => "WMA",
        CODEC_ID_SPEEX => "Speex",
        CODEC_ID_MUSEPACK => "Musepack",
        CODEC_ID_WAVPACK => "WavPack",
        CODEC_ID_MONKEYS_AUDIO => "Monkey's Audio",
        CODEC_ID_TTA => "TTA",
        _ => return format!("audio of the unknown codec {id}"),
    };
    name.into()
}

/// Name of the kind of AAC with these parameters, if the node does not decode it. `None` for all other codecs.
pub(super) fn unsupported_kind(params: &AudioCodecParameters) -> Option<String> {
    if params.codec != CODEC_ID_AAC {
        return None;
    }
    if let Some(config) = &params.extra_data {
        return aac::unsupported_kind(config);
    }
    // Without a configuration, as in ADTS, Symphonia reports the channels.
    match params.channels.as_ref().map(Channels::count) {
        Some(1 | 2) | None => None,
        Some(8) => Some("AAC 7.1".into()),
        Some(count) => aac::unsupported_channels(count as u32).map(Into::into),
    }
}

/// A decoder that returns all frames of each packet. The reader drops the encoder's delay and padding by position.
pub(super) fn decoder(
    params: &AudioCodecParameters,
) -> symphonia::core::errors::Result<Box<dyn AudioDecoder>> {
    if params.codec == CODEC_ID_OPUS {
        return Ok(Box::new(OpusDecoder::new(params)?));
    }
    if WideFlacDecoder::is_needed(params) {
        return Ok(Box::new(WideFlacDecoder::new(params)?));
    }
    guarded(|| REGISTRY.make_audio_decoder(params, &AudioDecoderOptions::default().gapless(false)))
}

/// The smallest sample type that holds the stream's samples exactly; `F32` for a lossy codec.
pub(super) fn sample_type(params: &AudioCodecParameters, is_lossy: bool) -> SampleType {
    if is_lossy || is_float(params.codec) {
        return SampleType::F32;
    }
    let bits = match params.codec {
        // The bit depth follows the frame length (4 bytes) and the version (1 byte).
        CODEC_ID_ALAC => alac_cookie(params).and_then(|cookie| cookie.get(5)).map(|bits| u32::from(*bits)),
        _ => params.bits_per_sample.or(params.bits_per_coded_sample),
    };
    match bits {
        Some(0..=16) => SampleType::S16,
        Some(17..=24) => SampleType::S24,
        Some(_) => SampleType::S32,
        None => SampleType::F32,
    }
}

/// The magic cookie of ALAC, which CAF may store with the boxes `frma` and `alac` around it.
fn alac_cookie(params: &AudioCodecParameters) -> Option<&[u8]> {
    let mut cookie = params.extra_data.as_deref()?;
    for name in [b"frma", b"alac"] {
        if cookie.get(4..8) == Some(name) {
            cookie = cookie.get(12..)?;
        }
    }
    Some(cookie)
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

/// Factor of the output gain in an Opus header (RFC 7845, section 5.1: Q7.8 dB at byte 16); 1 for other codecs. The header
/// in MP4 has version 0 and is big-endian ("Encapsulation of Opus in ISO Base Media File Format", section 4.3.2).
pub(super) fn gain(params: &AudioCodecParameters) -> f32 {
    let head = params.extra_data.as_deref().unwrap_or_default();
    let (Some(&version), Some(&[low, high])) = (head.get(8), head.get(16..18)) else { return 1.0 };
    let q8 = if version == 0 { i16::from_be_bytes([low, high]) } else { i16::from_le_bytes([low, high]) };
    match params.codec {
        CODEC_ID_OPUS if q8 != 0 => 10f32.powf(f32::from(q8) / (20.0 * 256.0)),
        _ => 1.0,
    }
}

/// Frames in each packet of a codec whose packets all have the same length; `None` for other codecs. Packets of ALAC, and
/// the last packet of any stream, may be shorter.
pub(super) fn packet_frames(params: &AudioCodecParameters) -> Option<u64> {
    let is_mpeg1 = params.sample_rate? >= 32_000;
    match params.codec {
        CODEC_ID_MP1 => Some(384),
        CODEC_ID_MP2 => Some(1152),
        CODEC_ID_MP3 => Some(if is_mpeg1 { 1152 } else { 576 }),
        // The frame length flag is bit 5 of the second byte (ISO/IEC 14496-3, section 4.4.1), unless the rate is escaped.
        CODEC_ID_AAC => {
            let config = params.extra_data.as_deref().unwrap_or_default();
            let is_960 = matches!(config, [first, second, ..] if first >> 3 == 2 && (first & 7) << 1 | second >> 7 != 15 && second & 4 != 0);
            Some(if is_960 { 960 } else { 1024 })
        }
        // The cookie begins with the frame length.
        CODEC_ID_ALAC => {
            let frames = alac_cookie(params)?.first_chunk::<4>()?;
            Some(u64::from(u32::from_be_bytes(*frames))).filter(|frames| (1..=1 << 20).contains(frames))
        }
        _ => None,
    }
}

/// Frames in a packet, from the bytes of the packet or, if all packets of the codec are equal, from its parameters. `None`
/// if neither tells.
pub(super) fn frames_of_packet(params: &AudioCodecParameters, packet: &[u8]) -> Option<u64> {
    match params.codec {
        CODEC_ID_OPUS => opus_frames(packet).map(u64::from),
        CODEC_ID_MP1 | CODEC_ID_MP2 | CODEC_ID_MP3 => {
            MpegHeader::parse(packet).map(|header| header.frames.into())
        }
        CODEC_ID_FLAC => flac_frames(packet).map(u64::from),
        _ => match pcm_frame_bytes(params) {
            Some(bytes) if bytes > 0 => Some(packet.len() as u64 / bytes),
            _ => packet_frames(params),
        },
    }
}

/// Number of samples a channel in a FLAC frame (RFC 9639, section 9.1.1).
fn flac_frames(packet: &[u8]) -> Option<u32> {
    let [0xff, 0xf8 | 0xf9, codes, _, number, ..] = packet else { return None };
    // The length of the coded number, in bytes, is the number of leading 1 bits of its first byte.
    let behind = 4 + (number.leading_ones() as usize).max(1);
    match codes >> 4 {
        1 => Some(192),
        code @ 2..=5 => Some(144 << code),
        6 => packet.get(behind).map(|size| u32::from(*size) + 1),
        7 => {
            let size = packet.get(behind..)?.first_chunk::<2>()?;
            Some(u32::from(u16::from_be_bytes(*size)) + 1)
        }
        code @ 8..=15 => Some(1 << code),
        _ => None,
    }
}

/// Bytes of the longest Opus packet: 48 frames of 1275 bytes with their lengths (RFC 6716, section 3.4).
pub(super) const MAX_OPUS_PACKET: usize = 2 + 48 * (1275 + 2);

/// Frames of an Opus packet at 48 kHz; `None` for a malformed packet.
pub(super) fn opus_frames(packet: &[u8]) -> Option<u32> {
    let toc = *packet.first().filter(|_| packet.len() <= MAX_OPUS_PACKET)?;
    // RFC 6716, table 2: length of one Opus frame.
    let frame = match toc >> 3 {
        config @ ..12 => [480, 960, 1920, 2880][usize::from(config % 4)],
        config @ 12..16 => [480, 960][usize::from(config % 2)],
        config => 120 << (config % 4),
    };
    let frames = frame * u32::from(opus_frame_count(packet)?);
    (1..=5760).contains(&frames).then_some(frames)
}

/// Number of Opus frames in a packet (RFC 6716, section 3.2).
pub(super) fn opus_frame_count(packet: &[u8]) -> Option<u8> {
    match packet.first()? & 3 {
        0 => Some(1),
        1 | 2 => Some(2),
        _ => packet.get(1).map(|count| count & 0x3f),
    }
}
