use std::{
    collections::HashMap,
    fs,
    path::Path,
    sync::{LazyLock, Mutex},
};

use media_node::source::{Source, SourceError, scan, tags};
use proptest::prelude::*;

use super::read_all;
use crate::fixtures::{Kind, encode, music};

/// Most samples that a test reads of one track. Damaged headers can claim any length.
const MOST: usize = 4_000_000;

fn exhaust(path: &Path) -> Result<u64, SourceError> {
    let _ = scan(path);
    let source = Source::open(path)?;
    let mut reader = source.reader()?;
    let mut piece = vec![0.0; 8192];
    let mut samples = 0;
    while samples < MOST && reader.read(&mut piece)? > 0 {
        samples += piece.len();
    }
    reader.seek(source.info().frames / 2)?;
    reader.read(&mut piece)?;
    if let Some(stream) = source.opus_stream()? {
        let mut packets = source.opus_packets(stream, stream.packets / 2)?;
        while packets.next_packet()?.is_some() {}
    }
    Ok(source.info().frames)
}

/// Bytes of a short file.
fn small(kind: Kind) -> Vec<u8> {
    static MADE: LazyLock<Mutex<HashMap<Kind, Vec<u8>>>> = LazyLock::new(Mutex::default);
    let make = || {
        let dir = tempfile::tempdir().unwrap();
        fs::read(encode(dir.path(), kind, 44_100, 2, &music(44_100, 2, 1.1))).unwrap()
    };
    MADE.lock().unwrap().entry(kind).or_insert_with(make).clone()
}

#[test]
fn what_is_no_sound_is_one_clear_line() {
    let dir = tempfile::tempdir().unwrap();
    let cases: [(&str, &[u8]); 5] = [
        ("notes.mp3", b"This is a shopping list, not a song.\nMilk, bread, apples.\n"),
        ("empty.flac", b""),
        ("cut.flac", b"fLaC\0\0"),
        ("cut.wav", b"RIFF\x24\0\0\0WAVE"),
        ("noise.ogg", &[0xA5; 5000]),
    ];
    for (name, bytes) in cases {
        let path = dir.path().join(name);
        fs::write(&path, bytes).unwrap();
        let message = Source::open(&path).unwrap_err().to_string();
        println!("{message}");
        assert!(message.contains(name) && !message.contains('\n'), "{message}");
        if let Err(error) = scan(&path) {
            let message = error.to_string();
            assert!(message.contains(name) && !message.contains('\n'), "{message}");
        }
    }
    let gone = Source::open(&dir.path().join("gone.mp3")).unwrap_err().to_string();
    assert!(gone.contains("gone.mp3"), "{gone}");
    let folder = Source::open(dir.path()).unwrap_err().to_string();
    assert!(folder.contains("not a file"), "{folder}");
}

#[test]
fn a_file_that_vanished_or_changed_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let path = encode(dir.path(), Kind::FlacS16, 44_100, 2, &music(44_100, 2, 1.1));
    let source = Source::open(&path).unwrap();
    let mut bytes = fs::read(&path).unwrap();
    bytes.push(0);
    fs::write(&path, bytes).unwrap();
    assert!(matches!(source.reader().unwrap_err(), SourceError::Changed { .. }));
    fs::remove_file(&path).unwrap();
    assert!(matches!(source.reader().unwrap_err(), SourceError::Io { .. }));
}

#[test]
fn silence_takes_the_place_of_damage() {
    let dir = tempfile::tempdir().unwrap();
    for kind in [Kind::FlacS16, Kind::Vorbis, Kind::Mp3, Kind::AlacS16, Kind::Aac] {
        let samples = music(44_100, 2, 6.0);
        let path = encode(dir.path(), kind, 44_100, 2, &samples);
        let whole = read_all(&mut Source::open(&path).unwrap().reader().unwrap());
        let mut bytes = fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle..middle + 3000].fill(0x55);
        fs::write(&path, &bytes).unwrap();
        let damaged = read_all(&mut Source::open(&path).unwrap().reader().unwrap());
        assert_eq!(damaged.len(), whole.len(), "{kind:?}");
        assert!(
            damaged[..whole.len() / 3] == whole[..whole.len() / 3],
            "{kind:?}: the first third is untouched"
        );
        let last = whole.len() * 5 / 6;
        assert!(damaged[last..] == whole[last..], "{kind:?}: the last sixth is in its place");
    }
}

/// Reads a whole track. Returns the samples and the number of silent frames that are counted.
fn read_with_loss(path: &Path) -> (Vec<f32>, u64) {
    let mut reader = Source::open(path).unwrap().reader().unwrap();
    let samples = read_all(&mut reader);
    (samples, reader.silenced())
}

#[test]
fn lost_packets_of_adts_are_silence_that_counts() {
    let dir = tempfile::tempdir().unwrap();
    let path = encode(dir.path(), Kind::Adts, 44_100, 2, &music(44_100, 2, 30.0));
    let (whole, silenced) = read_with_loss(&path);
    assert_eq!(silenced, 0);
    let bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    for lost in [3000, 40_000] {
        let mut damaged = bytes.clone();
        damaged[middle..middle + lost].fill(0x55);
        fs::write(&path, &damaged).unwrap();
        let (heard, silenced) = read_with_loss(&path);
        let expected = (lost as f64 / bytes.len() as f64 * whole.len() as f64 / 2.0) as u64;
        assert!(silenced.abs_diff(expected) <= 3 * 1024, "{silenced} of about {expected} frames are silence");
        assert!(heard.len().abs_diff(whole.len()) <= 3 * 2048, "{} {}", heard.len(), whole.len());
        let (third, tail) = (whole.len() / 3, whole.len() / 4);
        assert!(
            heard[..third] == whole[..third] && heard[heard.len() - tail..] == whole[whole.len() - tail..]
        );
        let source = Source::open(&path).unwrap();
        let mut reader = source.reader().unwrap();
        for frame in [heard.len() / 2 * 3 / 4, heard.len() / 4, 0] {
            reader.seek(frame as u64).unwrap();
            assert!(super::read(&mut reader, 3000) == heard[frame * 2..frame * 2 + 6000], "seek to {frame}");
        }
    }
    // A tag between frames is no damage.
    let frame = bytes.windows(2).skip(middle).position(|head| head == [0xff, 0xf1]).unwrap() + middle;
    let tag = b"ID3\x04\0\0\0\0\0\x0aten bytes!";
    fs::write(&path, [&bytes[..frame], tag, &bytes[frame..]].concat()).unwrap();
    assert!(read_with_loss(&path) == (whole, 0));
}

#[test]
fn a_link_that_cannot_be_opened_is_silence_that_counts() {
    let dir = tempfile::tempdir().unwrap();
    let path = encode(dir.path(), Kind::Vorbis, 44_100, 2, &music(44_100, 2, 5.0));
    let (one, _) = read_with_loss(&path);
    let good = fs::read(&path).unwrap();
    let mut bad = good.clone();
    let header = bad.windows(7).position(|name| name == b"\x01vorbis").unwrap();
    bad[header..header + 30].fill(0);
    for (links, bad_at) in [([&good, &bad, &good], 1), ([&bad, &good, &good], 0), ([&good, &good, &bad], 2)] {
        fs::write(&path, links.map(Vec::as_slice).concat()).unwrap();
        let (heard, silenced) = read_with_loss(&path);
        assert_eq!((heard.len(), silenced), (3 * one.len(), one.len() as u64 / 2), "{bad_at}");
        for (index, part) in heard.chunks(one.len()).enumerate() {
            let is_right =
                if index == bad_at { part.iter().all(|sample| *sample == 0.0) } else { part == one };
            assert!(is_right, "link {index} of {bad_at}");
        }
        let mut reader = Source::open(&path).unwrap().reader().unwrap();
        reader.watch_silence(0..1000);
        reader.seek((one.len() / 2 * bad_at) as u64).unwrap();
        let part = super::read(&mut reader, 3000);
        assert!(part.len() == 6000 && reader.silenced() == if bad_at == 0 { 1000 } else { 0 });
    }
    fs::write(&path, &bad).unwrap();
    assert!(Source::open(&path).is_err());
}

#[test]
fn what_is_cut_off_ends_in_silence() {
    let dir = tempfile::tempdir().unwrap();
    for kind in [Kind::FlacS16, Kind::Mp3, Kind::Aac] {
        let path = encode(dir.path(), kind, 44_100, 2, &music(44_100, 2, 6.0));
        let whole = read_all(&mut Source::open(&path).unwrap().reader().unwrap());
        let mut bytes = fs::read(&path).unwrap();
        bytes.truncate(if kind == Kind::Aac { bytes.len() } else { bytes.len() * 2 / 3 });
        fs::write(&path, &bytes).unwrap();
        let source = Source::open(&path).unwrap();
        let cut = read_all(&mut source.reader().unwrap());
        assert_eq!(cut.len(), whole.len(), "{kind:?}");
        assert!(cut[..whole.len() / 2] == whole[..whole.len() / 2], "{kind:?}");
        if kind != Kind::Aac {
            assert!(cut[whole.len() * 5 / 6..].iter().all(|sample| *sample == 0.0), "{kind:?}");
        }
    }
    // Plain PCM ends with its data.
    let path = encode(dir.path(), Kind::WavS16, 44_100, 2, &music(44_100, 2, 6.0));
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    let frames = Source::open(&path).unwrap().info().frames;
    assert!((132_200..=132_300).contains(&frames), "{frames}");
}

#[test]
fn tags_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let wav = encode(dir.path(), Kind::WavS16, 44_100, 2, &music(44_100, 2, 1.5));
    for ending in ["mp3", "flac", "ogg", "m4a"] {
        let path = dir.path().join("tagged").with_extension(ending);
        crate::fixtures::tag(
            &wav,
            &path,
            &[("title", "Ein Lied"), ("artist", "Die Band"), ("album", "A"), ("track", "7")],
        );
        let tags = tags(&path).unwrap();
        assert_eq!(tags.title.as_deref(), Some("Ein Lied"), "{ending}");
        assert_eq!(tags.artist.as_deref(), Some("Die Band"), "{ending}");
        assert_eq!((tags.album.as_deref(), tags.more.track), (Some("A"), Some(7)), "{ending}");
        let seconds = tags.duration.unwrap().as_secs_f64();
        assert!((1.4..1.6).contains(&seconds), "{ending}: {seconds}");
    }
    let scanned = scan(&wav).unwrap();
    assert_eq!(
        (scanned.codec.as_str(), scanned.rate, scanned.channels, scanned.bits),
        ("wav", 44_100, 2, Some(16))
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damaged_files_neither_panic_nor_hang(
        kind in prop::sample::select(vec![
            Kind::WavS16, Kind::AiffS16, Kind::FlacS16, Kind::AlacS16, Kind::Mp3, Kind::Mp3Bare, Kind::Vorbis,
            Kind::Opus, Kind::Aac, Kind::Adts,
        ]),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..20),
        in_headers in prop::collection::vec((0usize..2000, any::<u8>()), 0..5),
        kept in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let mut bytes = small(kind);
        for (index, value) in &flips {
            let at = index.index(bytes.len());
            bytes[at] ^= value;
        }
        for (at, value) in &in_headers {
            bytes[*at] ^= value;
        }
        if let Some(kept) = kept {
            bytes.truncate(kept.index(bytes.len()));
        }
        let path = dir.path().join("damaged").with_extension(kind.extension());
        fs::write(&path, &bytes).unwrap();
        if let Err(error) = exhaust(&path) {
            prop_assert!(!error.to_string().contains('\n'), "{}", error);
        }
    }
}
