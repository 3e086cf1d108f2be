//! Guard and registry with plugins that panic, return false lengths, or share an id.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "the plugins panic on purpose, and a test says what it expects by failing"
)]

use media_plugin_host::{HostError, Kind, Registry, guard_codec, guard_output};
use media_plugin_sdk::{
    AudioFormat, Choice, Codec, CodecInfo, Decoder, DeviceInfo, Encoder, Encoding, Limits, OpenRequest,
    Output, OutputInfo, OutputPlugin, PluginError, Result, SampleType, SourceFormat, transport::Transport,
};

const STEREO: AudioFormat = AudioFormat { rate: 48_000, channels: 2 };

/// Codec with a given id, version and encoding. It misbehaves on the packets below.
#[derive(Clone)]
struct Bad {
    id: &'static str,
    version: &'static str,
    params: &'static str,
    /// Answer of `encoding`; the requested choice replaces its own.
    encoding: Encoding,
}

const PANIC: u8 = 0;
const LIE: u8 = 1;
const NASTY: u8 = 2;

impl Bad {
    fn new(id: &'static str, version: &'static str) -> Self {
        let encoding = Encoding {
            choice: Choice { format: STEREO, params: String::new() },
            bitrate: 1,
            config: Vec::new(),
            packet_frames: 960,
            whole_packets: false,
            lead_in: 0,
            lookahead: 0,
            crossfade: 0,
            max_packet_bytes: 8,
            joinable: false,
        };
        Self { id, version, params: "", encoding }
    }
}

impl Codec for Bad {
    fn info(&self) -> CodecInfo {
        assert!(self.id != "speechless", "cannot say");
        CodecInfo {
            id: self.id.into(),
            version: self.version.into(),
            description: "bad".into(),
            lossless: false,
        }
    }
    fn propose(&self, source: &SourceFormat, _: &Limits, _: &str) -> Result<Choice> {
        Ok(Choice { format: source.format, params: self.params.into() })
    }
    fn encoding(&self, choice: &Choice) -> Result<Encoding> {
        Ok(Encoding { choice: choice.clone(), ..self.encoding.clone() })
    }
    fn encoder(&self, _: &Choice) -> Result<Box<dyn Encoder>> {
        Ok(Box::new(Worse))
    }
    fn decoder(&self, _: AudioFormat, _: &[u8]) -> Result<Box<dyn Decoder>> {
        Ok(Box::new(Worse))
    }
}

struct DropsBadly;
impl Drop for DropsBadly {
    fn drop(&mut self) {
        panic!("again");
    }
}

struct Worse;
impl Encoder for Worse {
    fn encode(&mut self, _: &[f32], packet: &mut [u8]) -> Result<usize> {
        Ok(packet.len() + 1)
    }
    fn reset(&mut self) -> Result<()> {
        Ok(())
    }
}
impl Decoder for Worse {
    fn decode(&mut self, packet: &[u8], pcm: &mut [f32]) -> Result<usize> {
        match packet[0] {
            PANIC => panic!("first line\nsecond line"),
            LIE => Ok(pcm.len()),
            NASTY => std::panic::panic_any(DropsBadly),
            _ => Ok(pcm.len() / 2),
        }
    }
    fn reset(&mut self) -> Result<()> {
        Ok(())
    }
}

impl OutputPlugin for Bad {
    fn info(&self) -> OutputInfo {
        OutputInfo {
            id: self.id.into(),
            version: self.version.into(),
            description: "bad".into(),
            target: String::new(),
        }
    }
    fn devices(&self) -> Result<Vec<DeviceInfo>> {
        panic!("no devices");
    }
    fn open(&self, _: &OpenRequest<'_>) -> Result<Box<dyn Output>> {
        Ok(Box::new(Worse))
    }
}
impl Output for Worse {
    fn format(&self) -> AudioFormat {
        STEREO
    }
    fn is_realtime(&self) -> bool {
        true
    }
    fn write(&mut self, frames: &[f32]) -> Result<usize> {
        Ok(frames.len())
    }
    fn delay(&self) -> u64 {
        panic!("no clock");
    }
    fn pause(&mut self, _: bool) -> Result<()> {
        Ok(())
    }
    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
    fn drain(&mut self) -> Result<bool> {
        Ok(true)
    }
}
impl Drop for Worse {
    fn drop(&mut self) {
        panic!("dropped");
    }
}

fn codec(bad: Bad) -> std::sync::Arc<dyn Codec> {
    guard_codec(|| Box::new(bad)).unwrap()
}

fn registry(codecs: &[Bad]) -> Registry {
    let make = codecs.iter().map(|c| || Box::new(c.clone()) as Box<dyn Codec>);
    let none_of = Vec::<fn() -> Box<dyn OutputPlugin>>::new();
    Registry::new(make, none_of, Vec::<fn() -> Box<dyn Transport>>::new())
}

#[test]
fn a_panic_poisons_that_instance_only() {
    let codec = codec(Bad::new("bad", "1"));
    for packet in [PANIC, NASTY] {
        let mut broken = codec.decoder(STEREO, &[]).unwrap();
        let mut other = codec.decoder(STEREO, &[]).unwrap();
        let error = broken.decode(&[packet], &mut [0.0; 4]).unwrap_err();
        let PluginError::Panicked(why) = &error else { panic!("{error}") };
        assert!(!why.contains('\n'), "{why}");
        assert_eq!(broken.decode(&[9], &mut [0.0; 4]).unwrap_err(), error);
        assert_eq!(broken.reset().unwrap_err(), error);
        assert_eq!(other.decode(&[9], &mut [0.0; 4]), Ok(2));
    }
}

#[test]
fn lengths_beyond_the_buffer_are_refused() {
    let codec = codec(Bad::new("bad", "1"));
    let mut decoder = codec.decoder(STEREO, &[]).unwrap();
    assert!(matches!(decoder.decode(&[LIE], &mut [0.0; 4]), Err(PluginError::Failed(_))));
    let mut encoder = codec.encoder(&Choice { format: STEREO, params: String::new() }).unwrap();
    assert!(matches!(encoder.encode(&[0.0; 4], &mut [0; 8]), Err(PluginError::Failed(_))));
}

#[test]
fn sizes_and_words_out_of_bounds_are_refused() {
    let choice = Choice { format: STEREO, params: "k96".into() };
    // Sets one size; then the values that are accepted and those that are refused.
    type Size = (fn(&mut Encoding, u32), &'static [u32], &'static [u32]);
    let sizes: [Size; 6] = [
        (|it, n| it.packet_frames = n, &[1, 65_536], &[0, 65_537]),
        (|it, n| it.max_packet_bytes = n, &[1, 1 << 20], &[0, (1 << 20) + 1]),
        (|it, n| it.config = vec![0; n as usize], &[0, 4_096], &[4_097]),
        (|it, n| it.lead_in = n, &[0, 65_536], &[65_537]),
        (|it, n| it.lookahead = n, &[0, 65_536], &[65_537]),
        (|it, n| it.crossfade = n, &[0, 65_536], &[65_537]),
    ];
    for (set, good, bad) in sizes {
        let outcome = |value| {
            let mut plugin = Bad::new("bad", "1");
            set(&mut plugin.encoding, value);
            codec(plugin).encoding(&choice)
        };
        assert!(good.iter().all(|&value| outcome(value).is_ok()), "{good:?}");
        assert!(bad.iter().all(|&value| matches!(outcome(value), Err(PluginError::Failed(_)))), "{bad:?}");
    }
    let codec = codec(Bad { params: "K 96", ..Bad::new("bad", "1") });
    assert!(codec.encoding(&choice).is_ok());
    let source = SourceFormat { format: STEREO, sample: SampleType::S16 };
    assert!(codec.propose(&source, &Limits::default(), "").is_err());
    assert!(codec.encoding(&Choice { params: "a_b".into(), ..choice.clone() }).is_err());
    for (length, is_valid) in [(32, true), (33, false)] {
        let params = "a".repeat(length);
        assert_eq!(codec.encoding(&Choice { params, ..choice.clone() }).is_ok(), is_valid, "{length}");
    }
    let silent = AudioFormat { rate: 48_000, channels: 0 };
    assert!(codec.encoder(&Choice { format: silent, ..choice }).is_err());
    assert!(codec.decoder(STEREO, &[0; 4096]).is_ok());
    assert!(codec.decoder(STEREO, &[0; 4097]).is_err());
}

#[test]
fn a_joinable_encoding_begins_and_ends_its_packets_at_borders() {
    let choice = Choice { format: STEREO, params: "k96".into() };
    let outcome = |lead_in, lookahead, packet_frames, whole_packets| {
        let mut plugin = Bad::new("bad", "1");
        let encoding = Encoding { lead_in, lookahead, packet_frames, whole_packets, ..plugin.encoding };
        plugin.encoding = Encoding { joinable: true, ..encoding };
        codec(plugin).encoding(&choice)
    };
    assert!(outcome(0, 0, 4_096, false).is_ok(), "without a tail packets may have any length");
    assert!(outcome(7_680, 312, 960, true).is_ok());
    for refused in [outcome(7_681, 312, 960, true), outcome(0, 312, 960, false), outcome(0, 312, 1_024, true)]
    {
        assert!(matches!(refused, Err(PluginError::Failed(_))), "{refused:?}");
    }
}

#[test]
fn an_output_is_guarded_too() {
    let output = guard_output(|| Box::new(Bad::new("bad", "1"))).unwrap();
    assert!(matches!(output.devices(), Err(PluginError::Panicked(_))));
    let open = OpenRequest { target: "", format: STEREO, sample: SampleType::S16, options: "" };
    let mut opened = output.open(&open).unwrap();
    assert!(matches!(opened.write(&[0.0; 4]), Err(PluginError::Failed(_))));
    assert_eq!(opened.delay(), 0);
    assert!(matches!(opened.drain(), Err(PluginError::Panicked(_))));
}

#[test]
fn the_registry_sorts_and_reports() {
    let plugins =
        [Bad::new("zeta", "1"), Bad::new("alpha", "2"), Bad::new("alpha", "1"), Bad::new("No!", "1")];
    let registry = registry(&[plugins.as_slice(), &[Bad::new("speechless", "1")]].concat());
    let ids: Vec<_> = registry.list().into_iter().map(|l| (l.kind, l.id, l.version)).collect();
    assert_eq!(ids, [(Kind::Codec, "alpha".into(), "1".into()), (Kind::Codec, "zeta".into(), "1".into())]);
    assert_eq!(registry.codecs().count(), 2);
    let [HostError::Refused { .. }, HostError::Refused { .. }, duplicate] = registry.problems() else {
        panic!("{:?}", registry.problems())
    };
    assert!(
        matches!(duplicate, HostError::Duplicate { kept, dropped, .. } if kept.version == "1" && dropped.version == "2")
    );
    let unknown = registry.codec("opsu").err().unwrap().to_string();
    assert_eq!(unknown, "there is no codec \"opsu\"; choose one of: alpha, zeta");
}
