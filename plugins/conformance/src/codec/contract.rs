use std::sync::Arc;

use media_plugin_host::guard_codec;
use media_plugin_sdk::{Choice, Codec, Decoder, Encoder, Encoding, PluginError};

use super::case::Case;
use crate::{
    chunks,
    failure::{Breaks, Failure, require},
    signal::{self, Random},
};

/// Seed of the damaged packets in [`check`].
const SEED: u64 = 3;

/// Damaged packets that the decoder gets.
const DAMAGED_PACKETS: usize = 2_000;

/// Runs the suite on a codec behind the guard: choices, round trip by chunks, resets, small buffers, damaged packets.
///
/// # Errors
/// The first broken rule.
pub fn check(make: impl FnOnce() -> Box<dyn Codec>, case: &Case<'_>) -> Result<(), Failure> {
    check_guarded(guard_codec(make).breaks("info() returns a valid id")?, case)
}

/// As [`check`], for a codec from a registry, built in or loaded.
///
/// # Errors
/// As [`check`].
pub fn check_guarded(codec: Arc<dyn Codec>, case: &Case<'_>) -> Result<(), Failure> {
    check_seeded(codec, case, SEED)
}

/// As [`check_guarded`], with a seed. The same seed damages the same packets in the same way.
///
/// # Errors
/// As [`check`].
pub fn check_seeded(codec: Arc<dyn Codec>, case: &Case<'_>, seed: u64) -> Result<(), Failure> {
    let (encoding, track) = case.prepare(&codec)?;
    let second = encoding.choice.format.rate as usize;
    let suite = Suite { track, second, codec, encoding };
    suite.check_lookahead()?;
    suite.check_round_trip(case.min_snr)?;
    suite.check_joinable(case.min_snr)?;
    let packets = suite.check_same_bytes()?;
    let pcm = suite.check_same_samples(&packets)?;
    suite.check_no_space(&packets[0])?;
    suite.check_damaged_packets(&packets, &pcm, seed)?;
    suite.check_unknown_input()
}

struct Suite {
    codec: Arc<dyn Codec>,
    encoding: Encoding,
    track: Vec<f32>,
    /// Frames in a second, which is the length of a chunk here.
    second: usize,
}

impl Suite {
    fn channels(&self) -> usize {
        self.encoding.choice.format.channels.into()
    }

    /// Buffer for the samples of one packet.
    fn pcm_buffer(&self) -> Vec<f32> {
        vec![0.0; self.encoding.packet_frames as usize * self.channels()]
    }

    fn encoder(&self) -> Result<Box<dyn Encoder>, Failure> {
        self.codec.encoder(&self.encoding.choice).breaks("encoder() makes an encoder")
    }

    fn decoder(&self) -> Result<Box<dyn Decoder>, Failure> {
        self.codec
            .decoder(self.encoding.choice.format, &self.encoding.config)
            .breaks("decoder() makes a decoder")
    }

    /// Encodes the second chunk of the track.
    fn encode(&self, encoder: &mut dyn Encoder) -> Result<Vec<Vec<u8>>, Failure> {
        chunks::encode(encoder, &self.encoding, &self.track, self.second, 2 * self.second)
            .breaks("encode() encodes a chunk")
    }

    fn decode(&self, decoder: &mut dyn Decoder, packets: &[Vec<u8>]) -> Result<Vec<f32>, Failure> {
        chunks::decode(decoder, &self.encoding, packets).breaks("decode() decodes the encoder's packets")
    }

    fn check_round_trip(&self, min_snr: f64) -> Result<(), Failure> {
        let (copy, _) = chunks::round_trip(self.codec.as_ref(), &self.encoding, &self.track, self.second)
            .breaks("encodes and decodes chunk by chunk")?;
        let (decoded, encoded) = (copy.len(), self.track.len());
        let observed = format!("{encoded} samples were encoded, {decoded} decoded");
        require(decoded == encoded, "the decoded track is as long as the encoded one", observed)?;
        let snr = signal::snr(&self.track, &copy);
        let required =
            if min_snr.is_finite() { format!("at least {min_snr} dB") } else { "every sample exact".into() };
        let observed = format!("it has {snr:.1} dB; required is {required}");
        require(snr >= min_snr, "the decoded track has the required signal-to-noise ratio", observed)?;
        let is_as_declared = !self.codec.info().lossless || copy == self.track;
        let observed = format!("it differs from the encoded track, at {snr:.1} dB");
        require(is_as_declared, "a codec that declares itself lossless decodes exactly", observed)
    }

    /// Plays the joinable chunks of the track through one decoder.
    fn check_joinable(&self, min_snr: f64) -> Result<(), Failure> {
        if !self.encoding.joinable {
            return Ok(());
        }
        let rule = "one decoder plays joinable chunks one after another";
        let (codec, frames) = (self.codec.as_ref(), self.track.len() / self.channels());
        let chunks =
            chunks::encode_track(codec, &self.encoding, &self.track, self.second).breaks("encodes chunks")?;
        let played =
            chunks::play_through(codec, &self.encoding, &chunks, frames, self.second).breaks(rule)?;
        let (decoded, encoded) = (played.len(), self.track.len());
        let observed = format!("{encoded} samples were encoded, {decoded} decoded");
        require(decoded == encoded, rule, observed)?;
        let snr = signal::snr(&self.track, &played);
        let is_exact = !self.codec.info().lossless || played == self.track;
        require(is_exact && snr >= min_snr, rule, format!("the decoded track has {snr:.1} dB"))
    }

    /// Compares the second chunk, decoded, with the track at offsets of up to 400 frames. It must be most similar at the
    /// declared delay. Other checks find a chunk that is not similar at any offset.
    fn check_lookahead(&self) -> Result<(), Failure> {
        const SEARCH: usize = 400;
        let rule = "the declared lead_in and lookahead are the codec's delay";
        let packets = self.encode(self.encoder()?.as_mut())?;
        let chunk = self.decode(self.decoder()?.as_mut(), &packets)?;
        let Some(chunk) = chunk.get(..8_192.min(self.second) * self.channels()) else { return Ok(()) };
        let correlation_at = |offset: usize| {
            let shifted = &self.track[(self.second + offset - SEARCH) * self.channels()..];
            signal::correlation(chunk, &shifted[..chunk.len()])
        };
        let correlations = (0..=2 * SEARCH).map(|offset| (offset, correlation_at(offset)));
        let (best, correlation) = correlations.max_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or((SEARCH, 0.0));
        let error = best.abs_diff(SEARCH);
        // The filters of a lossy codec may shift the phase by 0.1 ms.
        let tolerance =
            if self.codec.info().lossless { 0 } else { self.encoding.choice.format.rate as usize / 10_000 };
        let observed = format!("the decoded chunk lies {error} frames away from its declared place");
        require(error <= tolerance || correlation < 0.5, rule, observed)
    }

    fn check_same_bytes(&self) -> Result<Vec<Vec<u8>>, Failure> {
        let rule = "the same frames give the same packets";
        let mut first = self.encoder()?;
        let packets = self.encode(first.as_mut())?;
        let mut second = self.encoder()?;
        let other = self.encode(second.as_mut())?;
        require(other == packets, rule, "two new encoders wrote different packets")?;
        let rule = "reset() clears all state";
        for encoder in [&mut second, &mut first] {
            encoder.reset().breaks(rule)?;
            let other = self.encode(encoder.as_mut())?;
            require(other == packets, rule, "after a reset the encoder wrote different packets")?;
        }
        Ok(packets)
    }

    fn check_same_samples(&self, packets: &[Vec<u8>]) -> Result<Vec<f32>, Failure> {
        let rule = "the same packets give the same samples";
        let mut decoder = self.decoder()?;
        let pcm = self.decode(decoder.as_mut(), packets)?;
        let other = self.decode(self.decoder()?.as_mut(), packets)?;
        require(pcm == other, rule, "two new decoders returned different samples")?;
        let rule = "reset() clears all state";
        decoder.reset().breaks(rule)?;
        let again = self.decode(decoder.as_mut(), packets)?;
        require(pcm == again, rule, "after a reset the decoder returned different samples")?;
        Ok(pcm)
    }

    fn check_no_space(&self, packet: &[u8]) -> Result<(), Failure> {
        let rule = "a buffer that is too small gives NoSpace";
        let refused = |call: &str, result: Result<usize, PluginError>| {
            let observed = format!("{call} returned {result:?}");
            require(matches!(result, Err(PluginError::NoSpace { .. })), rule, observed)
        };
        let mut decoder = self.decoder()?;
        let mut pcm = self.pcm_buffer();
        let all = pcm.len();
        let one_frame_less = &mut pcm[..all - self.channels()];
        refused("decode() into one frame less than a packet", decoder.decode(packet, one_frame_less))?;
        refused("decode() into an empty buffer", decoder.decode(packet, &mut []))?;
        decoder.decode(packet, &mut pcm).breaks("decode() works after NoSpace")?;
        let mut encoder = self.encoder()?;
        refused("encode() into an empty buffer", encoder.encode(&self.track[..all], &mut []))
    }

    /// Damaged and random packets are refused or decode to finite samples, and a reset clears their effect.
    fn check_damaged_packets(&self, packets: &[Vec<u8>], pcm: &[f32], seed: u64) -> Result<(), Failure> {
        let rule = "damaged packets are refused or decode to finite samples";
        let mut decoder = self.decoder()?;
        let mut random = Random::new(seed);
        let mut buffer = self.pcm_buffer();
        for round in 0..DAMAGED_PACKETS {
            let mut packet = packets[random.below(packets.len())].clone();
            match round % 3 {
                0 => packet.truncate(random.below(packet.len() + 1)),
                1 => packet = (0..random.below(1_500)).map(|_| random.bits() as u8).collect(),
                _ => {
                    for _ in 0..=random.below(8) {
                        let at = random.below(packet.len());
                        packet[at] = random.bits() as u8;
                    }
                }
            }
            match decoder.decode(&packet, &mut buffer) {
                Err(PluginError::Panicked(why)) => {
                    return Err(Failure::new(rule, format!("packet {round}: decode() panicked: {why}")));
                }
                Err(_) => {}
                Ok(frames) => {
                    let is_finite = buffer[..frames * self.channels()].iter().all(|x| x.is_finite());
                    require(is_finite, rule, format!("packet {round}: decode() returned NaN or infinity"))?;
                }
            }
        }
        decoder.reset().breaks("reset() works after damaged packets")?;
        let again = self.decode(decoder.as_mut(), packets)?;
        let observed = "after damaged packets and a reset the decoder returned different samples";
        require(again == pcm, "reset() clears all state", observed)
    }

    fn check_unknown_input(&self) -> Result<(), Failure> {
        let rule = "unknown parameters and configurations are refused";
        let unknown = Choice { params: "no-such-parameters".into(), ..self.encoding.choice.clone() };
        let observed = "encoding() accepted the parameters no-such-parameters";
        require(self.codec.encoding(&unknown).is_err(), rule, observed)?;
        let observed = "encoder() accepted the parameters no-such-parameters";
        require(self.codec.encoder(&unknown).is_err(), rule, observed)?;
        let mut random = Random::new(5);
        for _ in 0..1_000 {
            let config: Vec<u8> = (0..random.below(16)).map(|_| random.bits() as u8).collect();
            if let Err(PluginError::Panicked(why)) = self.codec.decoder(self.encoding.choice.format, &config)
            {
                return Err(Failure::new(rule, format!("decoder() panicked on {config:02x?}: {why}")));
            }
        }
        Ok(())
    }
}
