//! Opus of one to eight channels, decoded by libopus. Channels come out in WAVE order.

use std::sync::{Mutex, PoisonError};

use opus::MSDecoder;
use symphonia::core::{
    audio::{AsGenericAudioBufferRef, AudioBuffer, AudioMut, AudioSpec, Channels, GenericAudioBufferRef},
    codecs::{
        CodecInfo,
        audio::{AudioCodecParameters, AudioDecoder, FinalizeResult},
    },
    errors::{Result, decode_error, unsupported_error},
    packet::PacketRef,
};

/// Frames per second of the decoded audio.
const RATE: u32 = 48_000;
/// Frames of the longest packet: 120 ms.
const MAX_FRAMES: usize = 5760;

/// Opus stores channels in the order of Vorbis (RFC 7845, section 5.1.1.2). Each row is for one number of channels, and gives
/// for each channel of the WAVE order its place in the Vorbis order.
const VORBIS_PLACES: [&[usize]; 8] = [
    &[0],
    &[0, 1],
    &[0, 2, 1],
    &[0, 1, 2, 3],
    &[0, 2, 1, 3, 4],
    &[0, 2, 1, 5, 3, 4],
    &[0, 2, 1, 6, 5, 3, 4],
    &[0, 2, 1, 7, 5, 6, 3, 4],
];

static INFO: CodecInfo = CodecInfo { short_name: "opus", long_name: "Opus", profiles: &[] };

/// The streams that an identification header describes (RFC 7845, section 5.1).
#[derive(Debug, PartialEq, Eq)]
struct Streams {
    count: u8,
    coupled: u8,
    /// For each channel in WAVE order, the number of the decoder's channel that holds it.
    mapping: Vec<u8>,
}

impl Streams {
    /// Parses an identification header that begins with `OpusHead`. `None` if its channels cannot be mapped.
    fn parse(head: &[u8]) -> Option<Self> {
        let channels = usize::from(*head.get(9)?);
        match head.get(18)? {
            0 => {
                let coupled = u8::try_from(channels.checked_sub(1)?).ok().filter(|coupled| *coupled <= 1)?;
                Some(Self { count: 1, coupled, mapping: (0..=coupled).collect() })
            }
            1 => {
                let places = VORBIS_PLACES.get(channels.checked_sub(1)?)?;
                let table = head.get(21..21 + channels)?;
                let mapping = places.iter().map(|place| table[*place]).collect();
                Some(Self { count: *head.get(19)?, coupled: *head.get(20)?, mapping })
            }
            _ => None,
        }
    }
}

/// A decoder that returns all frames of each packet.
pub(super) struct OpusDecoder {
    params: AudioCodecParameters,
    /// The mutex is never locked. It makes the type `Sync`, as Symphonia demands of a decoder.
    decoder: Mutex<MSDecoder>,
    channels: usize,
    samples: Vec<f32>,
    buffer: AudioBuffer<f32>,
}

impl OpusDecoder {
    pub(super) fn new(params: &AudioCodecParameters) -> Result<Self> {
        let Some(streams) = params.extra_data.as_deref().and_then(Streams::parse) else {
            return unsupported_error("Opus with a channel mapping that is not supported");
        };
        let channels = streams.mapping.len();
        let Ok(decoder) = MSDecoder::new(RATE, streams.count, streams.coupled, &streams.mapping) else {
            return decode_error("its Opus header is damaged");
        };
        let layout = Channels::Discrete(channels as u16);
        let mut params = params.clone();
        params.with_sample_rate(RATE).with_channels(layout.clone());
        Ok(Self {
            params,
            decoder: Mutex::new(decoder),
            channels,
            samples: vec![0.0; MAX_FRAMES * channels],
            buffer: AudioBuffer::new(AudioSpec::new(RATE, layout), MAX_FRAMES),
        })
    }
}

impl OpusDecoder {
    fn decoder(&mut self) -> &mut MSDecoder {
        self.decoder.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    /// Decodes a packet into `samples`. Returns the number of frames.
    fn decode(&mut self, packet: &[u8]) -> Option<usize> {
        let decoder = self.decoder.get_mut().unwrap_or_else(PoisonError::into_inner);
        decoder.decode_float(packet, &mut self.samples, false).ok()
    }
}

impl AudioDecoder for OpusDecoder {
    fn codec_info(&self) -> &CodecInfo {
        &INFO
    }

    fn codec_params(&self) -> &AudioCodecParameters {
        &self.params
    }

    fn reset(&mut self) {
        // The reset fails for an invalid decoder only, and `new` returns valid ones.
        let _ = self.decoder().reset_state();
    }

    fn decode_ref(&mut self, packet: &PacketRef<'_>) -> Result<GenericAudioBufferRef<'_>> {
        self.buffer.clear();
        // libopus would take an empty packet for a lost one, and make up audio for it.
        let decoded = match packet.data.is_empty() {
            true => None,
            false => self.decode(packet.data),
        };
        let Some(frames) = decoded else { return decode_error("opus: a packet is damaged") };
        self.buffer.render_uninit(Some(frames));
        self.buffer.copy_from_slice_interleaved(&&self.samples[..frames * self.channels]);
        Ok(self.buffer.as_generic_audio_buffer_ref())
    }

    fn finalize(&mut self) -> FinalizeResult {
        FinalizeResult::default()
    }

    fn last_decoded(&self) -> GenericAudioBufferRef<'_> {
        self.buffer.as_generic_audio_buffer_ref()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use symphonia::core::codecs::audio::well_known::CODEC_ID_OPUS;

    use super::*;

    fn head(channels: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        [b"OpusHead\x01", &[channels, 56, 1, 0x80, 0xbb, 0, 0, 0, 0, family][..], rest].concat()
    }

    #[test]
    fn channels_come_in_the_wave_order() {
        let six = Streams::parse(&head(6, 1, &[4, 2, 0, 4, 1, 2, 3, 5])).unwrap();
        assert_eq!(six, Streams { count: 4, coupled: 2, mapping: vec![0, 1, 4, 5, 2, 3] });
        assert_eq!(Streams::parse(&head(2, 0, &[])).unwrap().mapping, [0, 1]);
        for bad in [
            head(3, 0, &[]),
            head(0, 0, &[]),
            head(6, 1, &[4, 2, 0]),
            head(9, 1, &[0; 20]),
            head(2, 255, &[0; 9]),
        ] {
            assert_eq!(Streams::parse(&bad), None);
        }
        for (index, places) in VORBIS_PLACES.iter().enumerate() {
            let mut sorted = places.to_vec();
            sorted.sort_unstable();
            assert!(sorted.into_iter().eq(0..=index));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_header_and_packet_are_decoded_or_refused(
            channels in 0u8..12, family in 0u8..3, rest in prop::collection::vec(any::<u8>(), 0..24),
            packet in prop::collection::vec(any::<u8>(), 0..300),
        ) {
            let mut params = AudioCodecParameters::new();
            params.for_codec(CODEC_ID_OPUS).with_extra_data(head(channels, family, &rest).into_boxed_slice());
            if let Ok(mut decoder) = OpusDecoder::new(&params) {
                let packet = symphonia::core::packet::Packet::new(0, 0.into(), 0u64.into(), packet);
                let _ = decoder.decode_ref(&packet.as_packet_ref());
            }
        }
    }
}
