use std::{path::Path, sync::LazyLock};

use media_node::source::Source;
use proptest::prelude::*;

use super::{kept, read, read_all};
use crate::fixtures::{Kind, encode, music, snr};

/// Kinds whose frames are bit-exact after any seek.
const EXACT: [Kind; 13] = [
    Kind::WavS16,
    Kind::WavF64,
    Kind::AiffS24,
    Kind::FlacS16,
    Kind::FlacS24,
    Kind::AlacS16,
    Kind::AlacS24,
    Kind::Mp3,
    Kind::Mp3Vbr,
    Kind::Mp3Bare,
    Kind::Mp3Low,
    Kind::Vorbis,
    Kind::VorbisLongPages,
];

/// Kinds whose decoder keeps some state of its start.
const RESTARTED: [Kind; 5] = [Kind::Opus, Kind::OpusLow, Kind::Aac, Kind::AacNoise, Kind::Adts];

const RATE: u32 = 48_000;

struct Track {
    source: Source,
    whole: Vec<f32>,
}

impl Track {
    fn new(dir: &Path, kind: Kind) -> Self {
        let samples = music(RATE, 2, 20.3);
        let source = Source::open(&encode(dir, kind, RATE, 2, &samples)).unwrap();
        let whole = read_all(&mut source.reader().unwrap());
        Self { source, whole }
    }

    fn slice(&self, frame: u64, frames: usize) -> &[f32] {
        let end = self.whole.len();
        let from = (frame as usize * 2).min(end);
        &self.whole[from..(from + frames * 2).min(end)]
    }
}

fn tracks<const N: usize>(kinds: [Kind; N]) -> Vec<(Kind, Track)> {
    let dir = kept("seek");
    kinds.into_iter().map(|kind| (kind, Track::new(&dir, kind))).collect()
}

static EXACT_TRACKS: LazyLock<Vec<(Kind, Track)>> = LazyLock::new(|| tracks(EXACT));
static RESTARTED_TRACKS: LazyLock<Vec<(Kind, Track)>> = LazyLock::new(|| tracks(RESTARTED));

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_seek_gives_what_reading_through_gives(
        steps in prop::collection::vec((0u64..=1_000_000, 0usize..6000), 1..5)
    ) {
        for (kind, track) in EXACT_TRACKS.iter() {
            let mut reader = track.source.reader().unwrap();
            for (millionths, frames) in &steps {
                let frame = track.source.info().frames * millionths / 1_000_000;
                reader.seek(frame).unwrap();
                prop_assert!(read(&mut reader, *frames) == track.slice(frame, *frames), "{:?} at {}", kind, frame);
            }
        }
    }

    #[test]
    fn what_follows_a_seek_does_not_depend_on_what_came_before(
        frame in 0u64..970_000,
        before in 0u64..970_000,
        frames in 0usize..9000,
    ) {
        for (kind, track) in RESTARTED_TRACKS.iter() {
            let mut fresh = track.source.reader().unwrap();
            fresh.seek(frame).unwrap();
            let expected = read(&mut fresh, frames);
            let mut used = track.source.reader().unwrap();
            used.seek(before).unwrap();
            read(&mut used, 3000);
            used.seek(frame).unwrap();
            prop_assert!(read(&mut used, frames) == expected, "{:?} at {} after {}", kind, frame, before);
        }
    }
}

#[test]
fn restarted_codecs_come_close_to_reading_through() {
    for (kind, track) in RESTARTED_TRACKS.iter().filter(|(kind, _)| *kind != Kind::AacNoise) {
        let mut reader = track.source.reader().unwrap();
        let mut worst = f64::INFINITY;
        for frame in (0..track.source.info().frames).step_by(37_777) {
            reader.seek(frame).unwrap();
            worst = worst.min(snr(track.slice(frame, 4800), &read(&mut reader, 4800)));
        }
        println!("{kind:?}: worst of the first 100 ms after a seek {worst:.1} dB");
        assert!(worst > 80.0, "{kind:?}: {worst:.1} dB");
    }
}

#[test]
fn seeks_near_the_end_are_exact() {
    for (kind, track) in
        EXACT_TRACKS.iter().chain(RESTARTED_TRACKS.iter().filter(|(kind, _)| *kind != Kind::AacNoise))
    {
        let mut reader = track.source.reader().unwrap();
        let end = track.source.info().frames;
        for back in [1u64, 2, 17, 500, 1152, 4000, 10_007, 20_011, 40_009, 80_021] {
            reader.seek(end - back).unwrap();
            let tail = read(&mut reader, 100_000);
            assert_eq!(tail.len() as u64, back * 2, "{kind:?}");
            let snr = snr(track.slice(end - back, 100_000), &tail);
            assert!(
                snr > 80.0 || tail == track.slice(end - back, 100_000),
                "{kind:?}, {back} before the end: {snr:.1} dB"
            );
        }
    }
}

#[test]
fn seeks_are_exact_where_mp3_frames_are_smallest() {
    let dir = tempfile::tempdir().unwrap();
    for (rate, channels) in [(24_000, 1), (22_050, 2), (8_000, 1), (32_000, 2)] {
        let samples = music(rate, channels, 12.0);
        let source = Source::open(&encode(dir.path(), Kind::Mp3Low, rate, channels, &samples)).unwrap();
        let whole = read_all(&mut source.reader().unwrap());
        let mut reader = source.reader().unwrap();
        for frame in (0..source.info().frames).step_by(9973) {
            reader.seek(frame).unwrap();
            let from = frame as usize * usize::from(channels);
            let part = read(&mut reader, 2000);
            assert!(part == whole[from..from + part.len()], "{rate} Hz, {channels} channels, at {frame}");
        }
    }
}

/// Seeks that skip from header to header find the same packets as reading through, even if the file has
/// foreign bytes or an encoder's tag in the middle.
#[test]
fn a_seek_far_ahead_in_an_mp3_is_exact() {
    let folder = tempfile::tempdir().unwrap();
    for kind in [Kind::Mp3, Kind::Mp3Vbr, Kind::Mp3Bare] {
        let path = encode(folder.path(), kind, 44_100, 1, &music(44_100, 1, 80.0));
        let bytes = std::fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        let with = |more: &[u8]| [&bytes[..middle], more, &bytes[middle..]].concat();
        for (name, bytes) in
            [("plain", bytes.clone()), ("broken", with(&[0x55; 1000])), ("tag", with(&bytes[..2000]))]
        {
            let path = folder.path().join(format!("{kind:?}-{name}.mp3"));
            std::fs::write(&path, bytes).unwrap();
            let through = Source::open(&path).unwrap();
            let frames = through.info().frames;
            let whole = read(&mut through.reader().unwrap(), frames as usize);
            for seconds in [75u64, 30, 50, 14, 60] {
                let frame = (seconds * 44_100).min(frames - 5000);
                let here = &whole[frame as usize..][..5000];
                // A fresh source has no index of the file yet.
                let source = Source::open(&path).unwrap();
                let seek = || {
                    let mut reader = source.reader().unwrap();
                    reader.seek(frame).unwrap();
                    assert!(read(&mut reader, 5000) == here, "{kind:?}, {name}, at {seconds} s");
                };
                if seconds == 75 {
                    seek();
                    continue;
                }
                std::thread::scope(|scope| {
                    scope.spawn(|| source.build_seek_index().unwrap());
                    seek();
                });
                seek();
            }
        }
    }
}
