//! What every codec keeps to.

mod buffers;
mod leaks;
mod speed;
mod threads;

use std::sync::Arc;

use media_plugin_host::guard_codec;
use media_plugin_sdk::{Choice, Codec, Encoding, Limits, PluginError, SourceFormat};

use crate::{
    During, Failure, chunks, require,
    signal::{self, Random},
};

pub use buffers::{check_decode_buffers, check_encode_buffers, check_inputs};
pub use leaks::check_leaks;
pub use speed::measure;
pub use threads::check_threads;

/// The seed of the damage that [`check`] does to packets.
const SEED: u64 = 3;

/// What to encode, and how well it must come back.
#[derive(Debug, Clone)]
pub struct Case<'a> {
    /// What the codec is told of the source.
    pub source: SourceFormat,
    /// What it must keep to.
    pub limits: Limits,
    /// Its options, a JSON object or nothing.
    pub options: &'a str,
    /// The least signal to noise, in dB; infinite where every sample must be the same.
    pub least_snr: f64,
}

/// Drives a codec through the guard: choices, round trip by chunks, resets, small buffers, damaged packets.
///
/// # Errors
/// The first rule that is broken.
pub fn check(make: impl FnOnce() -> Box<dyn Codec>, case: &Case<'_>) -> Result<(), Failure> {
    check_guarded(guard_codec(make).during("says what it is")?, case)
}

/// The same for a codec that a registry gave out, built in or loaded.
///
/// # Errors
/// As [`check`].
pub fn check_guarded(codec: Arc<dyn Codec>, case: &Case<'_>) -> Result<(), Failure> {
    check_seeded(codec, case, SEED)
}

/// As [`check_guarded`], with other damage: the same seed damages the same packets in the same way.
///
/// # Errors
/// As [`check`].
pub fn check_seeded(codec: Arc<dyn Codec>, case: &Case<'_>, seed: u64) -> Result<(), Failure> {
    let (encoding, track) = prepared(&codec, case)?;
    let second = encoding.choice.format.rate as usize;
    let suite = Suite { track, second, codec, encoding };
    suite.declares_its_delay()?;
    suite.comes_back(case.least_snr)?;
    let packets = suite.encodes_the_same_again()?;
    let pcm = suite.decodes_the_same_again(&packets)?;
    suite.needs_the_room_it_said(&packets[0])?;
    suite.survives_damage(&packets, &pcm, seed)?;
    suite.refuses_strangers()
}

/// What the codec chooses for this case, and a track of two seconds and a bit for it.
fn prepared(codec: &Arc<dyn Codec>, case: &Case<'_>) -> Result<(Encoding, Vec<f32>), Failure> {
    let choice = codec.propose(&case.source, &case.limits, case.options).during("proposes")?;
    let encoding = codec.encoding(&choice).during("knows its own choice")?;
    let again = codec.encoding(&choice).during("knows its own choice")?;
    require(encoding == again, "says the same of the same choice", format!("{encoding:?}, then {again:?}"))?;
    let allowed = case.limits.bitrate.unwrap_or(u32::MAX);
    require(encoding.bitrate <= allowed, "keeps to the bitrate", format!("{} bit/s", encoding.bitrate))?;

    let format = choice.format;
    let heard = SourceFormat { format, ..case.source };
    // Two chunks of a second and a third that is shorter and odd.
    Ok((encoding, signal::coloured(&heard, 2 * format.rate as usize + 1_237)))
}

struct Suite {
    codec: Arc<dyn Codec>,
    encoding: Encoding,
    track: Vec<f32>,
    second: usize,
}

impl Suite {
    fn channels(&self) -> usize {
        self.encoding.choice.format.channels.into()
    }

    fn pcm_room(&self) -> Vec<f32> {
        vec![0.0; self.encoding.packet_frames as usize * self.channels()]
    }

    fn comes_back(&self, least_snr: f64) -> Result<(), Failure> {
        let (copy, _) = chunks::round_trip(self.codec.as_ref(), &self.encoding, &self.track, self.second)
            .during("encodes and decodes by chunks")?;
        let (have, want) = (copy.len(), self.track.len());
        require(have == want, "keeps the length", format!("{have} samples of {want}"))?;
        let snr = signal::snr(&self.track, &copy);
        require(snr >= least_snr, "keeps the sound", format!("{snr:.1} dB of {least_snr} dB"))?;
        let exact = !self.codec.info().lossless || copy == self.track;
        require(exact, "is lossless as it says", format!("{snr:.1} dB"))
    }

    /// The second chunk, once decoded, lies on the track best where it is, not some frames earlier or later. What lies well
    /// nowhere is not late but wrong, and for the other rules.
    fn declares_its_delay(&self) -> Result<(), Failure> {
        const SEARCH: usize = 400;
        let check = "declares its delay";
        let mut encoder = self.codec.encoder(&self.encoding.choice).during(check)?;
        let packets =
            chunks::encode(encoder.as_mut(), &self.encoding, &self.track, self.second, 2 * self.second)
                .during(check)?;
        let mut decoder =
            self.codec.decoder(self.encoding.choice.format, &self.encoding.config).during(check)?;
        let chunk = chunks::decode(decoder.as_mut(), &self.encoding, &packets).during(check)?;
        let Some(chunk) = chunk.get(..8_192.min(self.second) * self.channels()) else { return Ok(()) };
        let likeness = |lag: usize| {
            let shifted = &self.track[(self.second + lag - SEARCH) * self.channels()..];
            signal::likeness(chunk, &shifted[..chunk.len()])
        };
        let all = (0..=2 * SEARCH).map(|lag| (lag, likeness(lag)));
        let (best, how) = all.max_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or((SEARCH, 0.0));
        let off = best.abs_diff(SEARCH);
        // A lossy codec's filters may bend the phase: 0.1 ms.
        let most =
            if self.codec.info().lossless { 0 } else { self.encoding.choice.format.rate as usize / 10_000 };
        let right = off <= most || how < 0.5;
        require(right, check, format!("the sound lies {off} frames beside where it was declared"))
    }

    fn encodes_the_same_again(&self) -> Result<Vec<Vec<u8>>, Failure> {
        let check = "encodes to the same bytes again";
        let (start, end) = (self.second, 2 * self.second);
        let mut first = self.codec.encoder(&self.encoding.choice).during(check)?;
        let packets =
            chunks::encode(first.as_mut(), &self.encoding, &self.track, start, end).during(check)?;
        let mut fresh = self.codec.encoder(&self.encoding.choice).during(check)?;
        let other = chunks::encode(fresh.as_mut(), &self.encoding, &self.track, start, end).during(check)?;
        require(other == packets, check, "a fresh encoder wrote others")?;
        let check = "a reset leaves nothing behind";
        for encoder in [&mut fresh, &mut first] {
            encoder.reset().during(check)?;
            let other =
                chunks::encode(encoder.as_mut(), &self.encoding, &self.track, start, end).during(check)?;
            require(other == packets, check, "the encoder wrote others after it")?;
        }
        Ok(packets)
    }

    fn decodes_the_same_again(&self, packets: &[Vec<u8>]) -> Result<Vec<f32>, Failure> {
        let check = "decodes to the same samples again";
        let (format, config) = (self.encoding.choice.format, &self.encoding.config);
        let mut decoder = self.codec.decoder(format, config).during(check)?;
        let pcm = chunks::decode(decoder.as_mut(), &self.encoding, packets).during(check)?;
        let mut fresh = self.codec.decoder(format, config).during(check)?;
        let other = chunks::decode(fresh.as_mut(), &self.encoding, packets).during(check)?;
        require(pcm == other, check, "a fresh decoder gave others")?;
        let check = "a reset leaves nothing behind";
        decoder.reset().during(check)?;
        let again = chunks::decode(decoder.as_mut(), &self.encoding, packets).during(check)?;
        require(pcm == again, check, "the decoder gave others after it")?;
        Ok(pcm)
    }

    fn needs_the_room_it_said(&self, packet: &[u8]) -> Result<(), Failure> {
        let check = "says NoSpace where the buffer is too small";
        let refused = |result: Result<usize, PluginError>| {
            let why = format!("{result:?}");
            require(matches!(result, Err(PluginError::NoSpace { .. })), check, why)
        };
        let (format, config) = (self.encoding.choice.format, &self.encoding.config);
        let mut decoder = self.codec.decoder(format, config).during(check)?;
        let mut pcm = self.pcm_room();
        let all = pcm.len();
        refused(decoder.decode(packet, &mut pcm[..all - self.channels()]))?;
        refused(decoder.decode(packet, &mut []))?;
        decoder.decode(packet, &mut pcm).during("goes on after NoSpace")?;
        let mut encoder = self.codec.encoder(&self.encoding.choice).during(check)?;
        refused(encoder.encode(&self.track[..all], &mut []))
    }

    /// Any bytes are decoded to finite samples or refused, and after a reset nothing is left of them.
    fn survives_damage(&self, packets: &[Vec<u8>], pcm: &[f32], seed: u64) -> Result<(), Failure> {
        let check = "survives damaged packets";
        let (format, config) = (self.encoding.choice.format, &self.encoding.config);
        let mut decoder = self.codec.decoder(format, config).during(check)?;
        let mut random = Random::new(seed);
        let mut room = self.pcm_room();
        for round in 0..2_000 {
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
            match decoder.decode(&packet, &mut room) {
                Err(PluginError::Panicked(why)) => {
                    return Err(Failure::new(check, format!("it panicked: {why}")));
                }
                Err(_) => {}
                Ok(frames) => {
                    let finite = room[..frames * self.channels()].iter().all(|x| x.is_finite());
                    require(finite, check, format!("round {round}: samples that are no numbers"))?;
                }
            }
        }
        decoder.reset().during(check)?;
        let again = chunks::decode(decoder.as_mut(), &self.encoding, packets).during(check)?;
        require(again == pcm, check, "damage is heard after a reset")
    }

    fn refuses_strangers(&self) -> Result<(), Failure> {
        let check = "refuses what it did not propose";
        let stranger = Choice { params: "no-such-parameters".into(), ..self.encoding.choice.clone() };
        require(self.codec.encoding(&stranger).is_err(), check, "it knows no-such-parameters")?;
        require(self.codec.encoder(&stranger).is_err(), check, "it encodes with no-such-parameters")?;
        let mut random = Random::new(5);
        for _ in 0..1_000 {
            let config: Vec<u8> = (0..random.below(16)).map(|_| random.bits() as u8).collect();
            if let Err(PluginError::Panicked(why)) = self.codec.decoder(self.encoding.choice.format, &config)
            {
                return Err(Failure::new(check, format!("it panicked: {why}")));
            }
        }
        Ok(())
    }
}
