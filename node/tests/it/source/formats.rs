use media_node::source::Source;
use media_plugin_sdk::SampleType;

use super::read_all;
use crate::fixtures::{Kind, encode, ffmpeg_decode, music, snr, stored};

/// No whole number of any codec's packets.
const SECONDS: f64 = 4.123;

#[test]
fn lossless_files_are_exact() {
    let dir = tempfile::tempdir().unwrap();
    for kind in Kind::LOSSLESS {
        for (rate, channels) in [(44_100, 2), (96_000, 1)] {
            let samples = music(rate, channels, SECONDS);
            let path = encode(dir.path(), kind, rate, channels, &samples);
            let source = Source::open(&path).unwrap();
            let decoded = read_all(&mut source.reader().unwrap());
            assert_eq!(decoded.len(), samples.len(), "{kind:?}");
            if kind != Kind::WavU8 {
                assert!(decoded == stored(kind, &samples), "{kind:?} at {rate} Hz differs from what went in");
            }
            assert!(decoded == ffmpeg_decode(&path), "{kind:?} at {rate} Hz differs from ffmpeg");
            assert!(!source.info().lossy);
        }
    }
}

#[test]
fn sample_types_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let samples = music(44_100, 2, 0.5);
    for (kind, sample, codec) in [
        (Kind::WavU8, SampleType::S16, "pcm"),
        (Kind::WavS24, SampleType::S24, "pcm"),
        (Kind::WavS32, SampleType::S32, "pcm"),
        (Kind::WavF32, SampleType::F32, "pcm"),
        (Kind::WavF64, SampleType::F32, "pcm"),
        (Kind::AiffS24, SampleType::S24, "pcm"),
        (Kind::FlacS16, SampleType::S16, "flac"),
        (Kind::FlacS24, SampleType::S24, "flac"),
        (Kind::AlacS16, SampleType::S16, "alac"),
        (Kind::AlacS24, SampleType::S24, "alac"),
        (Kind::Mp3, SampleType::F32, "mp3"),
        (Kind::Opus, SampleType::F32, "opus"),
    ] {
        let source = Source::open(&encode(dir.path(), kind, 44_100, 2, &samples)).unwrap();
        assert_eq!((source.info().sample, source.info().codec.as_str()), (sample, codec), "{kind:?}");
    }
}

#[test]
fn lossy_files_sound_as_ffmpeg_decodes_them() {
    let dir = tempfile::tempdir().unwrap();
    for kind in Kind::LOSSY {
        for (rate, channels) in [(44_100, 2), (48_000, 1)] {
            let path = encode(dir.path(), kind, rate, channels, &music(rate, channels, SECONDS));
            let decoded = read_all(&mut Source::open(&path).unwrap().reader().unwrap());
            let reference = ffmpeg_decode(&path);
            // ffmpeg keeps the padding of the last AAC packet.
            let common = reference.len().min(decoded.len());
            assert!(common + 1024 * usize::from(channels) >= reference.len(), "{kind:?}: ends too early");
            let snr = snr(&reference[..common], &decoded[..common]);
            assert!(snr > 80.0, "{kind:?} at {rate} Hz is {snr:.1} dB from ffmpeg");
        }
    }
}

#[test]
fn lossy_files_are_as_long_as_their_original_and_aligned_with_it() {
    let dir = tempfile::tempdir().unwrap();
    for kind in [Kind::Mp3, Kind::Mp3Vbr, Kind::Vorbis, Kind::VorbisLongPages, Kind::Opus, Kind::Aac] {
        for seconds in [0.05, 0.5, 1.0, SECONDS, 7.77] {
            let samples = music(48_000, 2, seconds);
            let path = encode(dir.path(), kind, 48_000, 2, &samples);
            let decoded = read_all(&mut Source::open(&path).unwrap().reader().unwrap());
            assert_eq!(decoded.len(), samples.len(), "{kind:?} of {seconds} s");
            let snr = snr(&samples, &decoded);
            assert!(snr > 10.0, "{kind:?} of {seconds} s is {snr:.1} dB from the original: not aligned");
        }
    }
}

/// Samples in `moov` with fragments after it, an index for each fragment, or no samples in `moov`.
#[test]
fn fragments_are_read_to_the_last() {
    let dir = tempfile::tempdir().unwrap();
    let plain = encode(dir.path(), Kind::Aac, 44_100, 2, &music(44_100, 2, SECONDS));
    let whole = read_all(&mut Source::open(&plain).unwrap().reader().unwrap());
    for flags in
        ["frag_keyframe", "frag_keyframe+dash", "frag_keyframe+empty_moov", "frag_keyframe+delay_moov"]
    {
        let path = dir.path().join(format!("{flags}.m4a"));
        let mut ffmpeg = std::process::Command::new("ffmpeg");
        ffmpeg.args(["-v", "error", "-i"]).arg(&plain).args(["-c", "copy", "-frag_duration", "1000000"]);
        assert!(ffmpeg.args(["-movflags", flags]).arg(&path).status().unwrap().success());
        let read = read_all(&mut Source::open(&path).unwrap().reader().unwrap());
        // Without an edit list the delay and padding of the encoder are included.
        let over = read.len().checked_sub(whole.len()).expect(flags);
        assert!(over <= 2 * 2 * 1024, "{flags}: {over} samples too many");
        assert!(read.windows(whole.len()).step_by(2).any(|it| it == whole), "{flags}: it sounds otherwise");
    }
}

/// Byte ranges of the top-level boxes of an MP4, with their kinds.
fn boxes(bytes: &[u8]) -> Vec<(String, std::ops::Range<usize>)> {
    let mut boxes = Vec::new();
    let mut at = 0;
    while let Some(head) = bytes.get(at..at + 8) {
        let size = u32::from_be_bytes(head[..4].try_into().unwrap()) as usize;
        boxes.push((String::from_utf8_lossy(&head[4..]).into_owned(), at..at + size));
        at += size;
    }
    boxes
}

/// A recording of a stream lacks some fragments.
#[test]
fn fragments_are_heard_at_their_times() {
    let dir = tempfile::tempdir().unwrap();
    let plain = encode(dir.path(), Kind::Aac, 44_100, 2, &music(44_100, 2, 8.0));
    let path = dir.path().join("fragments.m4a");
    let mut ffmpeg = std::process::Command::new("ffmpeg");
    ffmpeg.args(["-v", "error", "-i"]).arg(&plain).args(["-c", "copy", "-frag_duration", "1000000"]);
    let flags = "frag_keyframe+empty_moov+default_base_moof";
    assert!(ffmpeg.args(["-movflags", flags]).arg(&path).status().unwrap().success());
    let read_with_loss = || {
        let mut reader = Source::open(&path).unwrap().reader().unwrap();
        (read_all(&mut reader), reader.silenced())
    };
    let (whole, silenced) = read_with_loss();
    assert_eq!(silenced, 0);
    let bytes = std::fs::read(&path).unwrap();
    let fragments: Vec<_> = boxes(&bytes)
        .windows(2)
        .filter(|two| two[0].0 == "moof" && two[1].0 == "mdat")
        .map(|two| two[0].1.start..two[1].1.end)
        .collect();
    assert!(fragments.len() >= 7, "{}", fragments.len());
    let lost = fragments[3].clone();
    std::fs::write(&path, [&bytes[..lost.start], &bytes[lost.end..]].concat()).unwrap();
    let (heard, silenced) = read_with_loss();
    assert_eq!(heard.len(), whole.len());
    assert!(silenced.abs_diff(44_100) <= 2 * 1024, "{silenced} frames are silence");
    let part = |seconds: f64| (seconds * 44_100.0) as usize * 2;
    for range in [0..part(2.9), part(4.2)..whole.len()] {
        assert!(heard[range.clone()] == whole[range.clone()], "{range:?}");
    }
    assert!(heard[part(3.2)..part(3.9)].iter().all(|sample| *sample == 0.0));
    let mut reader = Source::open(&path).unwrap().reader().unwrap();
    for seconds in [6.0, 3.5, 1.0, 4.5] {
        reader.seek(part(seconds) as u64 / 2).unwrap();
        let sought = super::read(&mut reader, 3000);
        assert!(sought == heard[part(seconds)..part(seconds) + 6000], "seek to {seconds} s");
    }
    // The same stream as it was recorded an hour later: each time is greater.
    let mut later = bytes.clone();
    for at in (0..later.len() - 20).filter(|at| &bytes[*at..at + 4] == b"tfdt") {
        let is_long = later[at + 4] == 1;
        let place = if is_long { at + 12..at + 16 } else { at + 8..at + 12 };
        let time = u32::from_be_bytes(later[place.clone()].try_into().unwrap());
        later[place].copy_from_slice(&(time + 3600 * 44_100).to_be_bytes());
    }
    assert!(later != bytes);
    std::fs::write(&path, later).unwrap();
    assert!(read_with_loss() == (whole, 0));
}

#[test]
fn surround_comes_in_the_wave_order() {
    let dir = tempfile::tempdir().unwrap();
    let samples = music(48_000, 6, 1.0);
    for kind in [Kind::WavS24, Kind::AiffS24, Kind::FlacS16, Kind::AlacS16] {
        let path = encode(dir.path(), kind, 48_000, 6, &samples);
        let decoded = read_all(&mut Source::open(&path).unwrap().reader().unwrap());
        assert!(decoded == stored(kind, &samples), "{kind:?}");
    }
    let path = encode(dir.path(), Kind::Vorbis, 48_000, 6, &samples);
    let decoded = read_all(&mut Source::open(&path).unwrap().reader().unwrap());
    let snr = snr(&ffmpeg_decode(&path), &decoded);
    assert!(decoded.len() == samples.len() && snr > 80.0, "{snr:.1} dB from ffmpeg");
}
