//! Switches between a stream that passes through and encoded chunks, at borders and in the middle of a chunk.

use bytes::Bytes;
use media_plugin_sdk::{AudioFormat, Choice, Codec};
use tempfile::TempDir;

use super::*;
use crate::client::{OnLost, OutputChoice, OutputFormats, test_support};

const FORMAT: AudioFormat = AudioFormat { rate: 48_000, channels: 2 };
const CHUNK: usize = 144_000;
/// Five chunks, the last one shorter.
const FRAMES: usize = 4 * CHUNK + 100_000;
const PACKET: usize = 960;
/// Frames of the stream before the track.
const SKIP: usize = 312;
/// Encoding that `server/negotiate/passthrough.rs` gives for such a stream.
const LEAD_IN: usize = 4 * PACKET + SKIP;
const TAIL: usize = 2 * PACKET - SKIP;

/// A track in two renditions: one stream of packets, and the decoded stream encoded chunk by chunk.
struct Track {
    codec: Arc<dyn Codec>,
    stream: Vec<Vec<u8>>,
    decoded: Vec<f32>,
    copy: Arc<Rendition>,
    encoded: Arc<Rendition>,
}

impl Track {
    fn new() -> Self {
        let codec = crate::plugins::registry().codec("opus").unwrap();
        let tone = |frame: usize, hertz: f64| (frame as f64 * hertz / 48_000.0 * std::f64::consts::TAU).sin();
        let sample = |frame: usize| (0.3 * tone(frame, 220.0) + 0.2 * tone(frame, 1234.5)) as f32;
        let sound: Vec<f32> = (0..FRAMES).flat_map(|frame| [sample(frame); 2]).collect();
        let stream = encode(codec.as_ref(), &sound, 0, FRAMES + SKIP);
        let decoded = decode(codec.as_ref(), &stream);
        let decoded = decoded[SKIP * 2..(SKIP + FRAMES) * 2].to_vec();
        let plain = test_support::info(48_000, 2, FRAMES as u64).rendition;
        let encoding = codec.encoding(&choice()).unwrap();
        let named = |params: &str| format!("0123456789abcdef.opus.48000.2.{params}").parse().unwrap();
        let encoded = Rendition {
            id: named("k96c10"),
            config: encoding.config,
            lead_in: encoding.lead_in + encoding.lookahead,
            crossfade: encoding.crossfade,
            ..plain
        };
        let copy = Rendition {
            id: named("copy"),
            lead_in: LEAD_IN as u32,
            crossfade: TAIL as u32,
            continuous: true,
            ..encoded.clone()
        };
        copy.check().unwrap();
        Self { codec, stream, decoded, copy: Arc::new(copy), encoded: Arc::new(encoded) }
    }

    fn packets(&self, rendition: &Rendition, index: usize) -> Vec<Vec<u8>> {
        if !rendition.continuous {
            let before = self.encoded.lead_in as usize - SKIP;
            let frames = (FRAMES - index * CHUNK).min(CHUNK) + self.encoded.lead_in as usize + PACKET;
            let start = (index * CHUNK) as i64 - before as i64;
            return encode(self.codec.as_ref(), &self.decoded, start, frames);
        }
        let nothing = vec![self.stream[0][0] | 3, 1];
        let (first, end) = (150 * index as i64 - 4, (150 * (index + 1) + 2).min(self.stream.len()));
        let packet = |number| usize::try_from(number).map_or(&nothing, |number| &self.stream[number]).clone();
        (first..end as i64).map(packet).collect()
    }
}

fn choice() -> Choice {
    Choice { format: FORMAT, params: "k96c10".into() }
}

/// Encodes `frames` frames from `start` on with one encoder. The last packet is filled up with more.
fn encode(codec: &dyn Codec, sound: &[f32], start: i64, frames: usize) -> Vec<Vec<u8>> {
    let mut encoder = codec.encoder(&choice()).unwrap();
    let mut packet = vec![0; codec.encoding(&choice()).unwrap().max_packet_bytes as usize];
    let sample = |at: i64| usize::try_from(at).ok().and_then(|at| sound.get(at)).copied().unwrap_or(0.0);
    let packets = (0..frames.div_ceil(PACKET)).map(|number| {
        let first = (start + (number * PACKET) as i64) * 2;
        let pcm: Vec<f32> = (first..first + 2 * PACKET as i64).map(sample).collect();
        let length = encoder.encode(&pcm, &mut packet).unwrap();
        packet[..length].to_vec()
    });
    packets.collect()
}

fn decode(codec: &dyn Codec, packets: &[Vec<u8>]) -> Vec<f32> {
    let config = codec.encoding(&choice()).unwrap().config;
    let mut decoder = codec.decoder(FORMAT, &config).unwrap();
    let mut pcm = vec![0.0; PACKET * 2];
    let one = |packet: &Vec<u8>| {
        assert_eq!(decoder.decode(packet, &mut pcm).unwrap(), PACKET);
        pcm.clone()
    };
    packets.iter().flat_map(one).collect()
}

/// Plays pieces of chunks, each from a packet and with a number of packets, into a file. Returns its samples.
fn heard(track: &Track, pieces: &[(usize, &Arc<Rendition>, usize, usize)]) -> Vec<f32> {
    let (folder, registry) = (TempDir::new().unwrap(), crate::plugins::registry());
    let path = folder.path().join("heard.wav");
    let output = OutputChoice {
        plugin: registry.output("file").unwrap(),
        target: path.to_str().unwrap().into(),
        options: r#"{"format": "f32"}"#.into(),
        on_lost: OnLost::Wait,
        formats: OutputFormats::default(),
    };
    let mut output = OutputWriter::new(output, 1.0, Arc::default());
    let info = test_support::info(48_000, 2, FRAMES as u64);
    let info = Info { rendition: (*track.copy).clone(), ..info };
    output.prepare(&info).unwrap();
    let mut decoder = TrackDecoder::new(PlayId(0), &info, FrameIndex(0), &registry, &output).unwrap();
    for &(index, rendition, from, packets) in pieces {
        let first = FrameIndex((index * CHUNK + from) as u64);
        decoder.start_chunk(ChunkIndex(index as u32), first, Arc::clone(rendition), &mut output).unwrap();
        for packet in track.packets(rendition, index).into_iter().take(packets) {
            decoder.decode(&Bytes::from(packet), &mut output).unwrap();
        }
        if packets == usize::MAX {
            decoder.end_chunk(0, &mut output).unwrap();
        }
    }
    decoder.end(&mut output).unwrap();
    while output.has_pending(false) {
        output.write(false).unwrap();
    }
    assert_eq!(decoder.damaged, 0);
    // The file gets its name.
    assert!(output.drain().unwrap());
    hound::WavReader::open(path).unwrap().samples::<f32>().map(Result::unwrap).collect()
}

/// Largest second difference of the left channel between two frames.
fn bend(sound: &[f32], from: usize, to: usize) -> f32 {
    let left: Vec<f32> = sound[from * 2..to * 2].iter().step_by(2).copied().collect();
    left.windows(3).map(|it| (it[0] - 2.0 * it[1] + it[2]).abs()).fold(0.0, f32::max)
}

#[test]
fn a_stream_is_exact_and_joins_what_is_encoded_without_a_click() {
    let track = Track::new();
    let (copy, encoded, all) = (&track.copy, &track.encoded, usize::MAX);
    // The rendition of the last chunk changes after 60 packets.
    let had = 60 * PACKET - LEAD_IN;
    let pieces = [
        (0, copy, 0, all),
        (1, copy, 0, all),
        (2, encoded, 0, all),
        (3, copy, 0, all),
        (4, copy, 0, 60),
        (4, encoded, had, all),
    ];
    let heard = heard(&track, &pieces);
    assert_eq!(heard.len(), track.decoded.len(), "no frame lost or repeated");
    let error: Vec<f32> = heard.iter().zip(&track.decoded).map(|(a, b)| a - b).collect();
    assert!(error[..2 * CHUNK * 2].iter().all(|it| *it == 0.0), "the stream's own border is exact");
    let own = bend(&track.decoded, 2 * CHUNK, 3 * CHUNK);
    for border in [2 * CHUNK, 3 * CHUNK] {
        let sharpest = bend(&error, border - 1000, border + 2000);
        assert!(sharpest < 0.1 * own, "at frame {border}: {sharpest}, the sound itself bends by {own}");
    }
    // Half a second after its reset the decoder has settled, and the stream's next border is exact again.
    let settled = &error[(3 * CHUNK + 24_000) * 2..(4 * CHUNK + had) * 2];
    let loudest = settled.iter().fold(0.0, |most: f32, it| most.max(it.abs()));
    assert!(loudest < 1e-4, "{loudest}");
    let rest = &error[(4 * CHUNK + had) * 2..];
    let power = rest.iter().map(|it| it * it).sum::<f32>() / rest.len() as f32;
    assert!(power.sqrt() < 0.02, "the rest is in its place: {}", power.sqrt());
}
