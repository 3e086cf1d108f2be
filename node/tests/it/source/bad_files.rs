//! Files whose tags, headers, counts or time stamps are wrong, and rarer formats. Each kind is made here and compared with
//! its reference.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use media_node::source::{Source, SourceError, scan};
use tempfile::TempDir;

use super::{read, read_all};
use crate::fixtures::{Kind, encode, ffmpeg_decode, music, snr, stored, tag};

/// Not a whole number of any codec's packets.
const SECONDS: f64 = 5.123;

/// A folder with the files of one test.
struct Files(TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, parts: &[&[u8]]) -> PathBuf {
        fs::write(self.path(name), parts.concat()).unwrap();
        self.path(name)
    }

    fn encode(&self, kind: Kind, rate: u32, channels: u16, seconds: f64) -> PathBuf {
        encode(self.0.path(), kind, rate, channels, &music(rate, channels, seconds))
    }

    /// Converts `input` with ffmpeg into the file `name`.
    fn convert(&self, input: &Path, options: &[&str], name: &str) -> PathBuf {
        let output = self.path(name);
        run(Command::new("ffmpeg").args(["-v", "error", "-y", "-i"]).arg(input).args(options).arg(&output));
        output
    }
}

fn run(command: &mut Command) -> Vec<u8> {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn decode(path: &Path) -> Vec<f32> {
    let source = Source::open(path).unwrap();
    let samples = read_all(&mut source.reader().unwrap());
    assert_eq!(samples.len() as u64, source.info().frames * u64::from(source.info().format.channels));
    samples
}

/// Decodes with ffmpeg, Opus by libopus as floats.
fn reference(path: &Path, options: &[&str]) -> Vec<f32> {
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error"]).args(options).arg("-i").arg(path);
    let bytes = run(command.args(["-f", "f32le", "-c:a", "pcm_f32le", "-"]));
    bytes.chunks_exact(4).map(|sample| f32::from_le_bytes(sample.try_into().unwrap())).collect()
}

/// Asserts that a seek to several frames gives what reading through gave.
fn assert_seeks(path: &Path, whole: &[f32]) {
    let source = Source::open(path).unwrap();
    let channels = usize::from(source.info().format.channels);
    let frames = source.info().frames;
    let mut reader = source.reader().unwrap();
    for frame in [frames / 2, 1, frames - 700, frames / 3, frames * 3 / 4, 0] {
        reader.seek(frame).unwrap();
        let part = read(&mut reader, 3000);
        let from = frame as usize * channels;
        let expected = &whole[from..whole.len().min(from + 3000 * channels)];
        let is_close = part == expected || snr(expected, &part) > 80.0;
        assert!(part.len() == expected.len() && is_close, "{}: seek to {frame}", path.display());
    }
}

/// A WAV's header with these sizes, and its samples.
fn wav_parts(wav: &[u8], riff: u32, data: u32) -> [Vec<u8>; 2] {
    let at = wav.windows(4).position(|name| name == b"data").unwrap();
    let mut head = wav[..at + 8].to_vec();
    head[4..8].copy_from_slice(&riff.to_le_bytes());
    head[at + 4..].copy_from_slice(&data.to_le_bytes());
    [head, wav[at + 8..].to_vec()]
}

#[test]
fn wav_is_exact_whatever_its_sizes_say() {
    let files = Files::new();
    for (kind, channels) in [(Kind::WavS16, 2), (Kind::WavS24, 1)] {
        let samples = music(44_100, channels, SECONDS);
        let original = files.encode(kind, 44_100, channels, SECONDS);
        let expected = stored(kind, &samples);
        let wav = fs::read(&original).unwrap();
        for (riff, data) in [(u32::MAX, u32::MAX), (0, 0), (0x7fff_ffff, 0x7fff_ffff), (1000, u32::MAX - 44)]
        {
            let [head, pcm] = wav_parts(&wav, riff, data);
            let path = files.write("sizes.wav", &[&head, &pcm]);
            assert!(decode(&path) == expected, "{kind:?} {riff} {data}");
            let seconds = scan(&path).unwrap().tags.duration.unwrap().as_secs_f64();
            assert!((seconds - SECONDS).abs() < 1e-4, "{seconds}");
        }
        // Cut by a byte, a frame, a half.
        for kept in [wav.len() - 1, wav.len() - 6, wav.len() / 2] {
            let cut = decode(&files.write("cut.wav", &[&wav[..kept]]));
            let whole_frames = cut.len() / usize::from(channels);
            assert!(cut == expected[..cut.len()] && whole_frames > 0, "{kind:?} {kept}");
            assert!(wav.len() - kept > 6 || expected.len() - cut.len() <= 4, "{kind:?} {kept}");
        }
        let rf64 = files.convert(&original, &["-rf64", "always", "-c:a", "copy"], "rf64.wav");
        assert!(fs::read(&rf64).unwrap().starts_with(b"RF64") && decode(&rf64) == expected);
        let mut bw64 = fs::read(&rf64).unwrap();
        bw64[..4].copy_from_slice(b"BW64");
        assert!(decode(&files.write("bw64.wav", &[&bw64])) == expected);
        assert_seeks(&rf64, &expected);
    }
}

#[test]
fn wav_and_aiff_are_exact_with_damaged_lists_and_without_a_length() {
    let files = Files::new();
    let samples = music(44_100, 2, SECONDS);
    let wav = fs::read(files.encode(Kind::WavS16, 44_100, 2, SECONDS)).unwrap();
    let at = wav.windows(4).position(|name| name == b"data").unwrap();
    for list in [
        &b"LIST\x10\0\0\0INFOINAM\xff\xff\0\0abcd"[..],
        b"LIST\xff\xff\0\0INFOINAM",
        b"LIST\xf0\xff\xff\xffINFO",
    ] {
        let path = files.write("list.wav", &[&wav[..at], list, &wav[at..]]);
        assert!(decode(&path) == stored(Kind::WavS16, &samples), "{list:?}");
        assert!(scan(&path).is_ok());
    }
    let mut aiff = fs::read(files.encode(Kind::AiffS24, 44_100, 2, SECONDS)).unwrap();
    let at = aiff.windows(4).position(|name| name == b"SSND").unwrap();
    for size in [0u32, u32::MAX, 0x7fff_ffff] {
        aiff[4..8].copy_from_slice(&size.to_be_bytes());
        aiff[at + 4..at + 8].copy_from_slice(&size.to_be_bytes());
        let path = files.write("size.aiff", &[&aiff]);
        assert!(decode(&path) == stored(Kind::AiffS24, &samples), "{size}");
    }
}

#[test]
fn flac_is_exact_with_tags_around_it_and_without_a_length() {
    let files = Files::new();
    let expected = stored(Kind::FlacS16, &music(44_100, 2, SECONDS));
    let flac = fs::read(files.encode(Kind::FlacS16, 44_100, 2, SECONDS)).unwrap();
    let id3v1 = [b"TAG".as_slice(), &[b' '; 125]].concat();
    let ape = [b"APETAGEX\xd0\x07\0\0\x20\0\0\0\0\0\0\0\0\0\0\0", &[0; 8][..]].concat();
    let two = [id3v2(&[(b"TIT2", b"\x03one")]), id3v2(&[(b"TIT2", b"\x03two")])].concat();
    for (name, before, behind) in [
        ("two-id3.flac", &two[..], &b""[..]),
        ("id3v1.flac", b"", &id3v1),
        ("ape.flac", b"", &ape),
        ("all.flac", &two, &[&ape[..], &id3v1].concat()),
    ] {
        let path = files.write(name, &[before, &flac, behind]);
        assert!(decode(&path) == expected, "{name}");
        let scanned = scan(&path).unwrap();
        assert_eq!(
            (scanned.codec.as_str(), scanned.rate, scanned.bits),
            ("flac", 44_100, Some(16)),
            "{name}"
        );
    }
    // The number of frames: 36 bits from byte 21 on.
    for total in [0u8, 1] {
        let mut unknown = flac.clone();
        unknown[21] &= 0xf0;
        unknown[22..26].copy_from_slice(&[0, 0, 0, total]);
        let path = files.write("length.flac", &[&unknown]);
        assert!(decode(&path) == expected, "{total}");
        assert_seeks(&path, &expected);
    }
    let ogg = files.convert(&files.write("plain.flac", &[&flac]), &["-c:a", "flac"], "flac.oga");
    assert!(decode(&ogg) == expected);
    assert_eq!(scan(&ogg).unwrap().codec, "flac");
    assert_seeks(&ogg, &expected);
}

#[test]
fn flac_of_32_bits_is_exact_within_f32() {
    let files = Files::new();
    // Two channels of full-scale noise whose difference has 33 bits.
    let mut state = 1u32;
    let samples: Vec<i32> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.cast_signed()
    })
    .take(2 * 44_100)
    .flat_map(|noise| [noise, noise.wrapping_neg().saturating_sub(1)])
    .collect();
    let raw: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    let raw = files.write("wide.raw", &[&raw]);
    let path = files.path("wide.flac");
    let options = [
        "-s",
        "-f",
        "--force-raw-format",
        "--endian=little",
        "--sign=signed",
        "--channels=2",
        "--bps=32",
        "--sample-rate=44100",
    ];
    run(Command::new("flac").args(options).arg(&raw).arg("-o").arg(&path));
    let expected: Vec<f32> =
        samples.iter().map(|sample| (f64::from(*sample) / 2f64.powi(31)) as f32).collect();
    assert!(decode(&path) == expected);
    assert_seeks(&path, &expected);
}

/// An ID3v2 tag of version 2.3.
fn id3v2(frames: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
    let frame = |(name, body): &(&[u8; 4], &[u8])| {
        [&name[..], &(body.len() as u32).to_be_bytes(), &[0, 0], body].concat()
    };
    let body = frames.iter().map(frame).collect::<Vec<_>>().concat();
    let size = [(body.len() >> 7) as u8, (body.len() & 127) as u8];
    [b"ID3\x03\0\0\0\0".as_slice(), &size, &body].concat()
}

#[test]
fn tags_and_junk_before_an_mp3_do_not_decide_if_it_plays() {
    let files = Files::new();
    let mp3 = fs::read(files.encode(Kind::Mp3Vbr, 44_100, 2, SECONDS)).unwrap();
    let expected = decode(&files.write("plain.mp3", &[&mp3]));
    let odd = id3v2(&[(b"TIT2", b"\x01\xff\xfeo\0d\0d\0\0")]);
    let short = id3v2(&[(b"TIT2", b"\0before"), (b"COMM", b"\x01en"), (b"TPE1", b"\0After")]);
    let mut beyond = id3v2(&[(b"TIT2", b"\x03beyond")]);
    beyond[7] = 127;
    let mut zeros = id3v2(&[(b"TIT2", b"\x03padded")]);
    zeros.extend([0; 4000]);
    let mut garbage = id3v2(&[(b"TIT2", b"\x09strange")]);
    garbage.extend((0..100_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8 & 0x7f));
    for (name, before, title) in [
        ("odd.mp3", odd, Some("odd")),
        ("short.mp3", short, Some("before")),
        ("beyond.mp3", beyond, Some("beyond")),
        ("zeros.mp3", zeros, Some("padded")),
        ("garbage.mp3", garbage, Some("strange")),
        ("nothing.mp3", vec![0; 1000], None),
    ] {
        let path = files.write(name, &[&before, &mp3]);
        assert!(decode(&path) == expected, "{name}");
        let scanned = scan(&path).unwrap();
        assert_eq!(scanned.tags.title.as_deref(), title, "{name}");
        assert_eq!((scanned.codec.as_str(), scanned.rate, scanned.channels), ("mp3", 44_100, 2), "{name}");
    }
}

/// The checksum of LAME's tag: polynomial x^16 + x^15 + x^2 + 1, least significant bit first.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xa001 } else { crc >> 1 })
    })
}

#[test]
fn counts_in_an_mp3_are_hints() {
    let files = Files::new();
    let path = files.encode(Kind::Mp3Vbr, 44_100, 2, SECONDS);
    let expected = decode(&path);
    assert_eq!(expected.len(), music(44_100, 2, SECONDS).len());
    let mut mp3 = fs::read(&path).unwrap();
    let at = mp3.windows(4).position(|mark| mark == b"Xing").unwrap() + 8;
    let count = u32::from_be_bytes(mp3[at..at + 4].try_into().unwrap());
    for wrong in [1, count / 3, count - 1] {
        mp3[at..at + 4].copy_from_slice(&wrong.to_be_bytes());
        // LAME's checksum of the tag.
        let checksum = crc16(&mp3[..190]);
        mp3[190..192].copy_from_slice(&checksum.to_be_bytes());
        let path = files.write("count.mp3", &[&mp3]);
        assert!(decode(&path) == expected, "{wrong} of {count}");
        let claimed = scan(&path).unwrap().tags.duration;
        assert!(claimed.is_none_or(|duration| duration.as_secs_f64() > SECONDS * 0.9), "{claimed:?}");
    }
    let bare = files.encode(Kind::Mp3Bare, 44_100, 2, SECONDS);
    let lengths = (decode(&bare).len(), reference(&bare, &[]).len());
    assert!(lengths.0.abs_diff(lengths.1) <= 2 * 1152, "{lengths:?}");
    assert_eq!(scan(&bare).unwrap().tags.duration, None);
}

#[test]
fn joined_mp3s_play_through_and_are_converted() {
    let files = Files::new();
    let one = files.encode(Kind::Mp3, 44_100, 2, SECONDS);
    let two = files.encode(Kind::Mp3Vbr, 44_100, 2, 3.3);
    let (first, second) = (decode(&one), decode(&two));
    let bytes = [fs::read(&one).unwrap(), fs::read(&two).unwrap()];
    let tags = [b"TAG".as_slice(), &[b' '; 125], &id3v2(&[(b"TIT2", b"\x03second")])].concat();
    for between in [&b""[..], &tags] {
        let path = files.write("joined.mp3", &[&bytes[0], between, &bytes[1]]);
        let expected = [&first[..], &second].concat();
        assert!(decode(&path) == expected);
        assert_seeks(&path, &expected);
    }
    // From stereo to mono and to another rate.
    let mono = files.encode(Kind::Mp3, 44_100, 1, 3.3);
    let spread: Vec<f32> = decode(&mono).iter().flat_map(|sample| [*sample, *sample]).collect();
    let path = files.write("mono.mp3", &[&bytes[0], &fs::read(&mono).unwrap()]);
    assert!(decode(&path) == [&first[..], &spread].concat());
    let bare = files.encode(Kind::Mp3Bare, 44_100, 1, 3.3);
    let path = files.write("bare.mp3", &[&bytes[0], &fs::read(&bare).unwrap()]);
    let whole = decode(&path);
    assert!(
        whole[first.len()..].chunks_exact(2).filter(|frame| frame[0] != 0.0 && frame[0] == frame[1]).count()
            > 100_000
    );
    let other = files.encode(Kind::Mp3, 48_000, 2, 3.3);
    let path = files.write("rates.mp3", &[&bytes[0], &fs::read(&other).unwrap()]);
    let whole = decode(&path);
    assert!(
        whole[..first.len()] == first
            && whole.len().abs_diff(first.len() + 2 * (3.3 * 44_100.0) as usize) <= 2
    );
    assert_seeks(&path, &whole);
    let tone = snr(&music(44_100, 2, 3.3)[20_000..], &whole[first.len() + 20_000..]);
    assert!(tone > 10.0, "the second part is {tone:.1} dB from the original");
}

#[test]
fn all_links_of_a_chained_ogg_play() {
    let files = Files::new();
    let one = files.encode(Kind::Vorbis, 44_100, 2, SECONDS);
    let two = files.convert(
        &files.encode(Kind::WavS16, 44_100, 2, 3.3),
        &["-c:a", "libvorbis", "-serial_offset", "9"],
        "two.ogg",
    );
    let other = files.convert(
        &files.encode(Kind::WavS16, 48_000, 1, 3.3),
        &["-c:a", "libvorbis", "-serial_offset", "7"],
        "other.ogg",
    );
    let read_file = |path: &Path| fs::read(path).unwrap();
    let (first, second) = (decode(&one), decode(&two));
    for (name, parts, expected) in [
        ("two-links.ogg", vec![read_file(&one), read_file(&two)], [&first[..], &second].concat()),
        ("same-serial.ogg", vec![read_file(&one), read_file(&one)], [&first[..], &first].concat()),
    ] {
        let path = files.write(name, &[&parts.concat()]);
        assert!(decode(&path) == expected, "{name}");
        assert_seeks(&path, &expected);
        assert_eq!(scan(&path).unwrap().tags.duration, None, "{name}");
    }
    let path = files.write("formats.ogg", &[&read_file(&one), &read_file(&other)]);
    let whole = decode(&path);
    assert!(
        whole[..first.len()] == first
            && whole.len().abs_diff(first.len() + 2 * (3.3 * 44_100.0) as usize) <= 2
    );
    assert!(whole[first.len()..].chunks_exact(2).all(|frame| frame[0] == frame[1]));
    let tone =
        snr(&music(44_100, 1, 3.3), &whole[first.len()..].iter().step_by(2).copied().collect::<Vec<_>>());
    assert!(tone > 10.0, "the second part is {tone:.1} dB from the original");
    assert_seeks(&path, &whole);
    let opus = [
        files.encode(Kind::Opus, 48_000, 2, SECONDS),
        files.convert(&one, &["-c:a", "libopus", "-serial_offset", "5"], "o.opus"),
    ];
    let path = files.write("links.opus", &[&read_file(&opus[0]), &read_file(&opus[1])]);
    assert_eq!(decode(&path).len(), decode(&opus[0]).len() + decode(&opus[1]).len());
    assert!(Source::open(&path).unwrap().opus_stream().unwrap().is_none());
}

#[test]
fn a_jittering_time_table_of_an_m4a_is_a_hint() {
    let files = Files::new();
    let vorbis = files.encode(Kind::Vorbis, 44_100, 2, 20.3);
    let m4a = files.convert(&vorbis, &["-c:a", "aac", "-aac_pns", "0", "-b:a", "160k"], "jitter.m4a");
    let adts = files.convert(&m4a, &["-c", "copy", "-f", "adts"], "same.aac");
    let same = decode(&adts);
    let played = decode(&m4a);
    // Without the first packet, which an edit list removes.
    let (snr, missing) = (snr(&same[2048..], &played), (same.len() - 2048).abs_diff(played.len()));
    assert!(snr > 80.0 && missing <= 2 * 1024, "{snr:.1} dB, {missing} samples");
    assert_seeks(&m4a, &played);
}

#[test]
fn opus_plays_from_its_first_sample_in_mp4_and_matroska() {
    let files = Files::new();
    let opus = files.encode(Kind::Opus, 48_000, 2, SECONDS);
    let expected = decode(&opus);
    for name in ["opus.mp4", "opus.mka", "opus.webm"] {
        let path = files.convert(&opus, &["-c", "copy"], name);
        let played = decode(&path);
        assert_eq!(played.len(), expected.len(), "{name}");
        let by_ffmpeg = reference(&path, &["-c:a", "libopus", "-request_sample_fmt", "flt"]);
        if name != "opus.mp4" {
            assert_eq!(played.len(), by_ffmpeg.len(), "{name}");
        }
        let differences = [snr(&expected, &played), snr(&by_ffmpeg[..played.len()], &played)];
        assert!(differences.iter().all(|snr| *snr > 100.0), "{name}: {differences:.1?} dB");
        assert_seeks(&path, &played);
    }
}

/// Encoders add audio at both ends; Matroska tells how much. A live recording has no index.
#[test]
fn matroska_plays_exactly_what_was_encoded() {
    let files = Files::new();
    for seconds in [SECONDS, 0.7] {
        for kind in [Kind::Vorbis, Kind::Opus] {
            let original = files.encode(kind, 48_000, 2, seconds);
            let expected = decode(&original);
            for options in [&["-c", "copy"][..], &["-c", "copy", "-live", "1"]] {
                let path = files.convert(&original, options, "copy.mka");
                let played = decode(&path);
                assert_eq!(played.len(), expected.len(), "{kind:?} of {seconds} s {options:?}");
                let snr = snr(&expected, &played);
                assert!(snr > 100.0, "{kind:?} of {seconds} s {options:?}: {snr:.1} dB");
                assert_seeks(&path, &played);
            }
        }
        let wav = files.encode(Kind::WavS16, 44_100, 2, seconds);
        for codec in ["libmp3lame", "aac"] {
            let path = files.convert(&wav, &["-c:a", codec, "-aac_pns", "0"], "encoded.mka");
            let expected = reference(&path, &[]);
            let played = decode(&path);
            assert_eq!(played.len(), expected.len(), "{codec} of {seconds} s");
            let snr = snr(&expected, &played);
            assert!(snr > 80.0, "{codec} of {seconds} s: {snr:.1} dB");
            assert_seeks(&path, &played);
        }
    }
}

/// Frames of MPEG-1 layer I of 44.1 kHz stereo with 384 kbit/s, which hold noise in the lower subbands.
fn layer_1(frames: usize) -> Vec<u8> {
    const SUBBANDS: usize = 8;
    let mut state = 1u32;
    let mut random = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state >> 16
    };
    let mut bytes = Vec::new();
    for _ in 0..frames {
        let mut bits: Vec<bool> = Vec::new();
        let mut push =
            |number: u32, count: u32| bits.extend((0..count).rev().map(|bit| number >> bit & 1 == 1));
        // Four bytes of header; 8 bits a sample in the lower subbands; then scale factors and samples.
        push(0xffff_c000, 32);
        (0..32 * 2).for_each(|place| push(if place / 2 < SUBBANDS { 7 } else { 0 }, 4));
        (0..SUBBANDS * 2).for_each(|_| push(12 + random() % 20, 6));
        (0..12 * SUBBANDS * 2).for_each(|_| push(random() % 255, 8));
        let mut frame: Vec<u8> =
            bits.chunks(8).map(|bits| bits.iter().fold(0, |byte, bit| byte << 1 | u8::from(*bit))).collect();
        frame.resize(12 * 384_000 / 44_100 * 4, 0);
        bytes.extend(frame);
    }
    bytes
}

#[test]
fn mpeg_layer_1_sounds_as_ffmpeg_decodes_it() {
    let files = Files::new();
    let path = files.write("noise.mp1", &[&layer_1(300)]);
    let expected = reference(&path, &["-f", "mp3", "-c:a", "mp1float"]);
    let played = decode(&path);
    let snr = snr(&expected, &played);
    assert!(played.len() == expected.len() && snr > 80.0, "{snr:.1} dB, {} {}", played.len(), expected.len());
    let source = Source::open(&path).unwrap();
    assert_eq!((source.info().codec.as_str(), source.info().frames), ("mp1", 300 * 384));
    assert_eq!(scan(&path).unwrap().codec, "mp1");
    assert_seeks(&path, &played);
}

#[test]
fn surround_opus_comes_in_the_wave_order() {
    let files = Files::new();
    let wav = files.encode(Kind::WavS16, 48_000, 6, 1.5);
    let opus = files.convert(&wav, &["-c:a", "libopus", "-b:a", "512k", "-mapping_family", "1"], "six.opus");
    let expected = reference(&opus, &["-c:a", "libopus", "-request_sample_fmt", "flt"]);
    let played = decode(&opus);
    let snr = snr(&expected, &played);
    assert!(played.len() == expected.len() && snr > 100.0, "{snr:.1} dB");
}

#[test]
fn further_containers_and_codecs_play() {
    let files = Files::new();
    let wav = files.encode(Kind::WavS16, 44_100, 2, SECONDS);
    let exact = stored(Kind::WavS16, &music(44_100, 2, SECONDS));
    for (name, options) in [
        ("flac.mka", ["-c:a", "flac"]),
        ("pcm.mka", ["-c:a", "pcm_s16le"]),
        ("pcm.caf", ["-c:a", "pcm_s16be"]),
        ("alac.caf", ["-c:a", "alac"]),
    ] {
        let path = files.convert(&wav, &options, name);
        let played = decode(&path);
        assert!(
            played.len() >= exact.len() && played[..exact.len()] == exact,
            "{name}: {} {}",
            played.len(),
            exact.len()
        );
        assert_seeks(&path, &played);
        assert!(scan(&path).is_ok());
    }
    for (name, options) in [
        ("layer2.mp2", &["-c:a", "mp2", "-b:a", "256k"][..]),
        ("adpcm-ms.wav", &["-c:a", "adpcm_ms"]),
        ("adpcm-ima.wav", &["-c:a", "adpcm_ima_wav"]),
        ("mp3.mka", &["-c:a", "libmp3lame"]),
    ] {
        let path = files.convert(&wav, options, name);
        let expected = reference(&path, &[]);
        let played = decode(&path);
        let common = played.len().min(expected.len());
        // ffmpeg leaves out the encoder's delay in some of them.
        let lead = if name == "mp3.mka" { 2 * 1105 } else { 0 };
        let snr = snr(&expected[..common - lead], &played[lead..common])
            .max(snr(&expected[..common], &played[..common]));
        assert!(
            snr > 70.0 && played.len().abs_diff(expected.len()) <= 2 * 3500,
            "{name}: {snr:.1} dB, {} {}",
            played.len(),
            expected.len()
        );
        assert_seeks(&path, &played);
        assert!(scan(&path).is_ok());
    }
}

#[test]
fn unsupported_kinds_are_named() {
    let files = Files::new();
    let wav = files.encode(Kind::WavS16, 44_100, 2, 1.0);
    let six = files.encode(Kind::WavS16, 48_000, 6, 1.0);
    let mut cases = vec![
        (files.convert(&six, &["-c:a", "aac"], "six.m4a"), "AAC 5.1"),
        (files.convert(&six, &["-c:a", "aac"], "six.aac"), "AAC 5.1"),
        (files.write("dsd.dsf", &[b"DSD \x1c\0\0\0", &[0; 200]]), "DSD"),
        (files.write("monkey.ape", &[b"MAC \x96\x0f", &[0; 200]]), "Monkey's Audio"),
        (files.write("speech.spx", &[b"OggS\0\x02", &[0; 21], b"\x50Speex   1.2", &[0; 100]]), "Speex"),
        (files.write("noise.mp3", &[&[0xa5; 100_000]]), "an unknown kind of file"),
    ];
    for (codec, name, kind) in [
        ("wavpack", "a.wv", "WavPack"),
        ("tta", "a.tta", "TTA"),
        ("wmav2", "a.wma", "WMA"),
        ("pcm_s16be", "a.au", "AU"),
        ("pcm_s16le", "a.w64", "Wave64"),
        ("ac3", "a.ac3", "AC-3"),
        ("ac3", "ac3.m4a", "AC-3"),
        ("ac3", "ac3.mka", "AC-3"),
    ] {
        cases.push((files.convert(&wav, &["-c:a", codec], name), kind));
    }
    // A protected M4A: its sample entry is `drms`.
    let m4a = fs::read(files.encode(Kind::Aac, 44_100, 2, 1.0)).unwrap();
    let at = m4a.windows(4).position(|kind| kind == b"mp4a").unwrap();
    let protected = [&m4a[..at], b"drms", &m4a[at + 4..]].concat();
    cases.push((files.write("protected.m4a", &[&protected]), "protected M4A"));
    for (path, kind) in cases {
        for error in [Source::open(&path).map(|_| ()).unwrap_err(), scan(&path).map(|_| ()).unwrap_err()] {
            let is_named =
                matches!(&error, SourceError::Unsupported { kind: found, .. } if found.contains(kind));
            assert!(is_named, "{}: {error:?}", path.display());
        }
    }
}

#[test]
fn junk_costs_bounded_time() {
    let files = Files::new();
    let mut state = 1u32;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    })
    .take(30 << 20)
    .collect();
    for name in ["noise.mp3", "noise.flac", "noise.aac"] {
        let path = files.write(name, &[&noise]);
        let start = Instant::now();
        assert!(scan(&path).is_err() && Source::open(&path).is_err());
        assert!(start.elapsed() < Duration::from_secs(2), "{name}: {:?}", start.elapsed());
    }
}

/// Bytes that this thread has read so far.
#[cfg(target_os = "linux")]
fn bytes_read() -> u64 {
    let counters = fs::read_to_string("/proc/thread-self/io").unwrap();
    let line = counters.lines().find_map(|line| line.strip_prefix("rchar: ")).unwrap();
    line.parse().unwrap()
}

/// A scan reads little of a file whose beginning is good, however much junk follows.
#[cfg(target_os = "linux")]
#[test]
fn junk_behind_a_good_beginning_costs_few_bytes_in_a_scan() {
    const JUNK: u64 = 256 << 20;
    const MOST: u64 = 20 << 20;
    let files = Files::new();
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let mut slow = Vec::new();
    for entry in fs::read_dir(corpus).unwrap() {
        let seed = entry.unwrap().path();
        let name = seed.file_name().unwrap().to_str().unwrap().to_owned();
        let good = fs::read(seed).unwrap();
        for kept in [good.len(), good.len() / 2, 200] {
            let path = files.write(&name, &[&good[..kept]]);
            // A hole: as many zeros, without the room on the disk.
            fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(JUNK).unwrap();
            let before = bytes_read();
            let scanned = scan(&path).is_ok();
            let bytes = bytes_read() - before;
            if bytes > MOST {
                slow.push(format!("{name}, {kept} bytes kept: {} kB read, {scanned}", bytes >> 10));
            }
        }
    }
    assert!(slow.is_empty(), "{}", slow.join("\n"));
}

#[test]
fn good_tags_are_read_as_before() {
    let files = Files::new();
    let wav = files.encode(Kind::WavS16, 44_100, 2, 1.5);
    for ending in ["mp3", "flac", "ogg", "opus", "m4a", "mka"] {
        let path = files.path(&format!("tagged.{ending}"));
        tag(
            &wav,
            &path,
            &[("title", "Ein Lied"), ("artist", "Die Band"), ("album", "Das Album"), ("track", "7")],
        );
        let scanned = scan(&path).unwrap();
        let tags = &scanned.tags;
        assert_eq!(tags.title.as_deref(), Some("Ein Lied"), "{ending}");
        assert_eq!(
            (tags.artist.as_deref(), tags.album.as_deref()),
            (Some("Die Band"), Some("Das Album")),
            "{ending}"
        );
        assert_eq!(tags.more.track, Some(7), "{ending}");
        let seconds = scanned.tags.duration.unwrap().as_secs_f64();
        assert!((1.4..1.6).contains(&seconds), "{ending}: {seconds}");
        assert_eq!(ffmpeg_decode(&path).is_empty(), decode(&path).is_empty());
    }
}
