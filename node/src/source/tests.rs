//! Files that claim more packets than they can hold.

use std::{
    fs::File,
    path::{Path, PathBuf},
};

use symphonia::core::{codecs::audio::AudioCodecParameters, formats::well_known::FORMAT_ID_ISOMP4};

use super::{
    ReadLimits, ReadStop, Source, container,
    demux::{Demuxer, Opener, SeekIndex},
    mp4::tests::{boxed, movie, words},
    packet::Clock,
};

/// Tables of 2^32 packets of one byte. Each chunk has 32,768 packets, and all chunks lie at the same position.
fn tables() -> [Vec<u8>; 3] {
    let offsets = words(&vec![100; 1 << 17]);
    let stsc = boxed(b"stsc", &[&words(&[0, 1, 1, 1 << 15, 1])]);
    let stsz = boxed(b"stsz", &[&words(&[0, 1, u32::MAX])]);
    [stsc, stsz, boxed(b"stco", &[&words(&[0, 1 << 17]), &offsets])]
}

/// Writes a file with the time scale `scale` and the runs of packets and ticks `times`.
fn write(folder: &Path, scale: u32, times: &[u32], tables: &[Vec<u8>], mvex: &[u8], moof: &[u8]) -> PathBuf {
    let stts = boxed(b"stts", &[&words(&[0, times.len() as u32 / 2]), &words(times)]);
    let tables: Vec<_> = std::iter::once(&stts).chain(tables).map(Vec::as_slice).collect();
    let path = folder.join("a.m4a");
    let parts = [boxed(b"ftyp", &[b"M4A \0\0\0\0"]), movie(scale, &tables, mvex), moof.to_vec()];
    std::fs::write(&path, [parts.concat(), boxed(b"mdat", &[&[7; 4096]])].concat()).unwrap();
    path
}

/// Asserts that the file has no more packets than bytes, also after a seek, and that it can be read.
fn check(path: &Path) {
    let bytes = path.metadata().unwrap().len();
    let format = container::open(File::open(path).unwrap(), FORMAT_ID_ISOMP4, &(0..bytes)).unwrap();
    let track = format.tracks()[0].clone();
    let opener = Opener { path: path.to_owned(), id: FORMAT_ID_ISOMP4, range: 0..bytes };
    let clock = Clock::new(8000, track.time_base).unwrap();
    let params = AudioCodecParameters::new();
    let mut demuxer = Demuxer::new(opener, format, track.id, clock, &params, SeekIndex::InContainer);
    for _ in 0..2 {
        let packets = (0..=bytes).take_while(|_| demuxer.next().unwrap().is_some()).count() as u64;
        assert!((1000..=bytes).contains(&packets), "{packets} packets in {bytes} bytes");
        demuxer.seek(0).unwrap();
    }
    let source = Source::open(path).unwrap();
    let mut reader = source.reader().unwrap();
    for from in [0, source.info().frames - 1000] {
        reader.seek(from).unwrap();
        assert!(reader.read(&mut [0.0; 5000]).unwrap() >= 1000);
    }
}

#[test]
fn packets_of_no_length_come_to_an_end() {
    let folder = tempfile::tempdir().unwrap();
    let times = [1, 1024, u32::MAX - 70_000, 0, 60_000, 1024];
    check(&write(folder.path(), 8000, &times, &tables(), &[], &[]));
}

#[test]
fn packets_of_no_length_come_to_an_end_while_the_length_is_measured() {
    let folder = tempfile::tempdir().unwrap();
    check(&write(folder.path(), 44_100, &[u32::MAX, 1], &tables(), &[], &[]));
}

#[test]
fn packets_of_no_length_in_a_fragment_come_to_an_end() {
    let folder = tempfile::tempdir().unwrap();
    let none = [
        boxed(b"stsc", &[&words(&[0, 0])]),
        boxed(b"stsz", &[&words(&[0, 0, 0])]),
        boxed(b"stco", &[&words(&[0, 0])]),
    ];
    let mvex = boxed(b"mvex", &[&boxed(b"trex", &[&words(&[0, 1, 1, 100, 0, 0])])]);
    let (tfhd, trun) = (boxed(b"tfhd", &[&words(&[0, 1])]), boxed(b"trun", &[&words(&[0, 1 << 24])]));
    let moof = boxed(b"moof", &[&boxed(b"mfhd", &[&words(&[0, 1])]), &boxed(b"traf", &[&tfhd, &trun])]);
    check(&write(folder.path(), 44_100, &[], &none, &mvex, &moof));
}

/// A FLAC of ten minutes by its header, with 1 GB of zeros behind it, is read no further than its opening may.
#[test]
fn junk_behind_a_flac_header_is_read_up_to_the_limit() {
    // Blocks of 4096 frames; 20 bits of rate, 3 of channels - 1, 5 of bits - 1, 36 of frames (RFC 9639, section 8.2).
    let format = 44_100_u64 << 44 | 1 << 41 | 15 << 36 | (600 * 44_100);
    let info = [&[0x10, 0, 0x10, 0, 0, 0, 0, 0, 0, 0], &format.to_be_bytes()[..], &[0; 16]].concat();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), [&b"fLaC\x80\0\0\x22"[..], &info].concat()).unwrap();
    file.as_file().set_len(1 << 30).unwrap();
    let limit = 8 << 20;
    let opened = ReadLimits::of_bytes(limit).run(|| Source::open(file.path()).is_ok());
    assert_eq!(opened, Err(ReadStop::Bytes(limit)));
}
