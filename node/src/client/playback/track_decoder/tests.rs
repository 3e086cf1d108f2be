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
    pcm: Arc<Rendition>,
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
            id: named("k96c10-join"),
            lead_in: encoding.dropped_frames(),
            config: encoding.config,
            crossfade: encoding.crossfade,
            joinable: true,
            ..plain
        };
        let copy = Rendition {
            id: named("copy"),
            lead_in: LEAD_IN as u32,
            crossfade: TAIL as u32,
            continuous: true,
            joinable: false,
            ..encoded.clone()
        };
        let pcm = Rendition {
            id: "0123456789abcdef.pcm.48000.2.f32".parse().unwrap(),
            config: b"f32".into(),
            lead_in: 0,
            crossfade: 0,
            ..encoded.clone()
        };
        for rendition in [&encoded, &copy, &pcm] {
            rendition.check().unwrap();
        }
        let [copy, encoded, pcm] = [copy, encoded, pcm].map(Arc::new);
        Self { codec, stream, decoded, copy, encoded, pcm }
    }

    fn packets(&self, rendition: &Rendition, index: usize) -> Vec<Vec<u8>> {
        if rendition.id.codec == "pcm" {
            let own = &self.decoded[index * CHUNK * 2..FRAMES.min((index + 1) * CHUNK) * 2];
            let packet = |pcm: &[f32]| pcm.iter().flat_map(|it| it.to_le_bytes()).collect();
            return own.chunks(2 * PACKET).map(packet).collect();
        }
        if !rendition.continuous {
            let left = FRAMES - index * CHUNK;
            let crossfade = if left > CHUNK { rendition.crossfade as usize } else { 0 };
            let frames = left.min(CHUNK) + rendition.lead_in as usize + crossfade;
            return encode(self.codec.as_ref(), &self.decoded, index * CHUNK, frames);
        }
        let nothing = vec![self.stream[0][0] | 3, 1];
        let (first, end) = (150 * index as i64 - 4, (150 * (index + 1) + 2).min(self.stream.len()));
        let packet = |number| usize::try_from(number).map_or(&nothing, |number| &self.stream[number]).clone();
        (first..end as i64).map(packet).collect()
    }
}

fn choice() -> Choice {
    Choice { format: FORMAT, params: "k96c10-join".into() }
}

/// Encodes `frames` frames from `start` on with one encoder, after its lead-in. The last packet is filled up with more.
fn encode(codec: &dyn Codec, sound: &[f32], start: usize, frames: usize) -> Vec<Vec<u8>> {
    let lead_in = codec.encoding(&choice()).unwrap().lead_in as usize;
    let (start, frames) = (start as i64 - lead_in as i64, frames + lead_in);
    let mut encoder = codec.encoder(&choice()).unwrap();
    let mut packet = vec![0; codec.encoding(&choice()).unwrap().max_packet_bytes as usize];
    let sample = |at: i64| usize::try_from(at).ok().and_then(|at| sound.get(at)).copied().unwrap_or(0.0);
    let packets = (0..frames.div_ceil(PACKET)).map(|number| {
        let first = (start + (number * PACKET) as i64) * 2;
        let pcm: Vec<f32> = (first..first + 2 * PACKET as i64).map(sample).collect();
        let length = encoder.encode(&pcm, &mut packet).unwrap();
        packet[..length].to_vec()
    });
    packets.filter(|packet| !packet.is_empty()).collect()
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
        // The decoder of the stream has not settled after its lead-in of 80 ms.
        assert!(sharpest < 0.15 * own, "at frame {border}: {sharpest}, the sound itself bends by {own}");
    }
    // Half a second after its reset the decoder has settled, and the stream's next border is exact again.
    let settled = &error[(3 * CHUNK + 24_000) * 2..(4 * CHUNK + had) * 2];
    let loudest = settled.iter().fold(0.0, |most: f32, it| most.max(it.abs()));
    assert!(loudest < 1e-4, "{loudest}");
    let rest = &error[(4 * CHUNK + had) * 2..];
    let power = rest.iter().map(|it| it * it).sum::<f32>() / rest.len() as f32;
    assert!(power.sqrt() < 0.02, "the rest is in its place: {}", power.sqrt());
}

#[test]
fn joinable_chunks_are_played_through_as_one_stream() {
    let track = Track::new();
    let (encoded, all) = (&track.encoded, usize::MAX);
    let pieces: Vec<_> = (0..5).map(|index| (index, encoded, 0, all)).collect();
    let own = |index| track.packets(encoded, index).into_iter().take(if index < 4 { 150 } else { all });
    let stream: Vec<_> = (0..5).flat_map(own).collect();
    let expected = &decode(track.codec.as_ref(), &stream)[SKIP * 2..(SKIP + FRAMES) * 2];
    assert!(heard(&track, &pieces) == expected, "one decoder, no reset, no crossfade");
}

#[test]
fn a_joinable_chunk_that_others_do_not_follow_is_completed_from_its_tail() {
    let track = Track::new();
    let (encoded, all) = (&track.encoded, usize::MAX);
    // The end of chunk 1 is cut off, so that chunk 2 begins with a reset decoder.
    let heard_cut = heard(&track, &[(0, encoded, 0, all), (1, encoded, 0, 100), (2, encoded, 0, all)]);
    let chunk_0 = decode(track.codec.as_ref(), &track.packets(encoded, 0));
    // The first packet of chunk 1 gives the last frames of chunk 0.
    assert_eq!(heard_cut.len(), (100 * PACKET - SKIP + 2 * CHUNK) * 2);
    // Chunk 0 plays through into chunk 1; alone it would end with the frames of its tail.
    assert!(heard_cut[..1000] == chunk_0[SKIP * 2..SKIP * 2 + 1000]);
    let alone = heard(&track, &[(0, encoded, 0, all)]);
    assert_eq!(alone.len(), CHUNK * 2);
    assert!(alone == chunk_0[SKIP * 2..(SKIP + CHUNK) * 2], "whole to the last frame");
}

#[test]
fn a_seek_to_the_border_of_a_joinable_chunk_fades_in() {
    let track = Track::new();
    let (encoded, all) = (&track.encoded, usize::MAX);
    let through = heard(&track, &[(0, encoded, 0, all), (1, encoded, 0, all)]);
    let sought = heard(&track, &[(1, encoded, 0, all)]);
    let alone = decode(track.codec.as_ref(), &track.packets(encoded, 1));
    let alone = &alone[SKIP * 2..(SKIP + CHUNK) * 2];
    assert_eq!(sought.len(), alone.len());
    let fade = 240 * 2;
    assert!(sought[fade..] == alone[fade..], "5 ms");
    let gain = |sample: usize| sought[sample] / alone[sample];
    assert!(gain(0) < 0.01 && (0.4..0.6).contains(&gain(fade / 2)) && gain(fade - 1) < 1.0);
    let settled = through[CHUNK * 2..].iter().zip(&sought).skip(2 * PACKET).map(|(a, b)| (a - b).abs());
    let error = settled.fold(0.0, f32::max);
    assert!(error < 1e-3, "as if played through after 20 ms: {error}");
    // The start of a track, a lossless chunk, and the middle of a chunk need no fade.
    let alone = decode(track.codec.as_ref(), &track.packets(encoded, 0));
    assert!(heard(&track, &[(0, encoded, 0, all)])[..100] == alone[SKIP * 2..][..100]);
    assert!(heard(&track, &[(1, &track.pcm, 0, all)])[..100] == track.decoded[CHUNK * 2..][..100]);
}

#[test]
fn a_switch_between_pcm_and_joinable_chunks_has_no_click() {
    let track = Track::new();
    let (encoded, pcm, all) = (&track.encoded, &track.pcm, usize::MAX);
    // A decoder of Opus that played the chunk before gives the least click that a switch from PCM can have.
    let through = heard(&track, &[(1, encoded, 0, all), (2, encoded, 0, all)]);
    let warm = [&track.decoded[CHUNK * 2..2 * CHUNK * 2], &through[CHUNK * 2..]].concat();
    let heard = heard(&track, &[(0, pcm, 0, all), (1, pcm, 0, all), (2, encoded, 0, all), (3, pcm, 0, all)]);
    assert!(heard[..2 * CHUNK * 2] == track.decoded[..2 * CHUNK * 2], "PCM plays through");
    let error = |heard: &[f32], from: usize| -> Vec<f32> {
        heard.iter().zip(&track.decoded[from * 2..]).map(|(a, b)| a - b).collect()
    };
    let sharpest = |error: &[f32], border| bend(error, border - 1000, border + 2000);
    let (cold, least) = (sharpest(&error(&heard, 0), 2 * CHUNK), sharpest(&error(&warm, CHUNK), CHUNK));
    let back = sharpest(&error(&heard, 0), 3 * CHUNK);
    let own = bend(&track.decoded, 2 * CHUNK, 3 * CHUNK);
    assert!(cold < 1.5 * least && back < 0.15 * own, "{cold}, {least}, {back}; the sound bends by {own}");
}
