//! The codec suite passes a correct codec and names the rule that each faulty one breaks.

use media_plugin_conformance::codec::{Case, check, check_seeded};
use media_plugin_host::guard_codec;
use media_plugin_sdk::{
    AudioFormat, Choice, Codec, CodecInfo, Decoder, Encoder, Encoding, Limits, PluginError, Result,
    SampleType, SourceFormat,
};

#[derive(Clone, Copy, PartialEq)]
enum Fault {
    None,
    Late,
    Forgetful,
    Inexact,
    Overflowing,
    NotANumber,
    Panicking,
    Credulous,
    Unjoinable,
}

/// Codec that stores samples as `f32`, with one fault.
struct Floats(Fault);

impl Codec for Floats {
    fn info(&self) -> CodecInfo {
        CodecInfo {
            id: "floats".into(),
            version: "1".into(),
            description: "floats".into(),
            lossless: self.0 != Fault::Late,
        }
    }
    fn propose(&self, source: &SourceFormat, _: &Limits, _: &str) -> Result<Choice> {
        Ok(Choice { format: source.format, params: "f".into() })
    }
    fn encoding(&self, choice: &Choice) -> Result<Encoding> {
        if choice.params != "f" && self.0 != Fault::Credulous {
            return Err(PluginError::BadArgument("only f".into()));
        }
        Ok(Encoding {
            choice: choice.clone(),
            bitrate: 1,
            config: Vec::new(),
            packet_frames: 100,
            whole_packets: false,
            lead_in: if self.0 == Fault::Unjoinable { 0 } else { 10 },
            lookahead: 20 * u32::from(self.0 == Fault::Late),
            crossfade: 0,
            max_packet_bytes: 400,
            joinable: self.0 == Fault::Unjoinable,
        })
    }
    fn encoder(&self, choice: &Choice) -> Result<Box<dyn Encoder>> {
        self.encoding(choice)?;
        Ok(Box::new(Coder(self.0, 0)))
    }
    fn decoder(&self, _: AudioFormat, _: &[u8]) -> Result<Box<dyn Decoder>> {
        Ok(Box::new(Coder(self.0, 0)))
    }
}

/// The number counts packets.
struct Coder(Fault, u32);

impl Encoder for Coder {
    fn encode(&mut self, pcm: &[f32], packet: &mut [u8]) -> Result<usize> {
        let (have, need) = (packet.len(), pcm.len() * 4);
        let packet = packet.get_mut(..need).ok_or(PluginError::NoSpace { have, need })?;
        for (x, b) in pcm.iter().zip(packet.as_chunks_mut().0) {
            *b = x.to_le_bytes();
        }
        if self.0 == Fault::Forgetful {
            packet[0] = self.1 as u8;
            self.1 += 1;
        }
        Ok(need)
    }
    fn reset(&mut self) -> Result<()> {
        Ok(())
    }
}

impl Decoder for Coder {
    fn decode(&mut self, packet: &[u8], pcm: &mut [f32]) -> Result<usize> {
        let (have, need) = (pcm.len(), packet.len() / 4);
        if self.0 == Fault::Overflowing && have < need {
            return Ok(need);
        }
        assert!(self.0 != Fault::Panicking || packet.len().is_multiple_of(4), "odd");
        let pcm = pcm.get_mut(..need).ok_or(PluginError::NoSpace { have, need })?;
        self.1 += 1;
        for (b, x) in packet.as_chunks().0.iter().zip(pcm) {
            *x = f32::from_le_bytes(*b);
            if !x.is_finite() && self.0 != Fault::NotANumber {
                *x = 0.0;
            }
            if self.0 == Fault::Inexact {
                *x += 1e-4;
            }
            // More packets than a chunk of the suite has.
            if self.0 == Fault::Unjoinable && self.1 > 480 {
                *x = 0.0;
            }
        }
        Ok(need)
    }
    fn reset(&mut self) -> Result<()> {
        self.1 = 0;
        Ok(())
    }
}

#[test]
fn each_fault_is_named() {
    let source = SourceFormat { format: AudioFormat { rate: 48_000, channels: 1 }, sample: SampleType::F32 };
    for (fault, min_snr, rule) in [
        (Fault::None, f64::INFINITY, ""),
        (Fault::Late, f64::NEG_INFINITY, "the declared lead_in and lookahead are the codec's delay"),
        (Fault::Forgetful, f64::NEG_INFINITY, "a codec that declares itself lossless decodes exactly"),
        (Fault::Inexact, f64::INFINITY, "the decoded track has the required signal-to-noise ratio"),
        (Fault::Inexact, 20.0, "a codec that declares itself lossless decodes exactly"),
        (Fault::Overflowing, 20.0, "a buffer that is too small gives NoSpace"),
        (Fault::NotANumber, 20.0, "damaged packets are refused or decode to finite samples"),
        (Fault::Panicking, 20.0, "damaged packets are refused or decode to finite samples"),
        (Fault::Unjoinable, 20.0, "one decoder plays joinable chunks one after another"),
        (Fault::Credulous, 20.0, "unknown parameters and configurations are refused"),
    ] {
        let case = Case { source, limits: Limits::default(), options: "", min_snr };
        let found = check(|| Box::new(Floats(fault)), &case).err();
        assert_eq!(found.as_ref().map_or("", |failure| failure.rule), rule, "{found:?}");
    }
}

#[test]
fn a_seed_repeats_a_failure() {
    let source = SourceFormat { format: AudioFormat { rate: 8_000, channels: 1 }, sample: SampleType::F32 };
    let case = Case { source, limits: Limits::default(), options: "", min_snr: 20.0 };
    let found = |seed| {
        let codec = guard_codec(|| Box::new(Floats(Fault::NotANumber)));
        // The message contains the number of the damaged packet.
        codec.ok().and_then(|codec| check_seeded(codec, &case, seed).err()).map(|failure| failure.observed)
    };
    let rounds: Vec<_> = (0..4).map(found).collect();
    assert!(rounds.iter().all(Option::is_some) && rounds.iter().any(|it| *it != rounds[0]), "{rounds:?}");
    assert_eq!((0..4).map(found).collect::<Vec<_>>(), rounds);
}
