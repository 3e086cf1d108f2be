use std::fs::File;

use proptest::prelude::*;
use symphonia::core::{
    formats::{FormatReader, SeekMode, SeekTo},
    units::Timestamp,
};

use super::{
    super::{packet::stream, probe::probe_stream},
    Mp4Reader,
};

pub(in super::super) fn boxed(kind: &[u8; 4], parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    [&u32::try_from(body.len() + 8).unwrap().to_be_bytes()[..], kind, &body].concat()
}

pub(in super::super) fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

/// A `moov` box with a track of 8 kHz with these `tables`, and further boxes.
pub(in super::super) fn movie(scale: u32, tables: &[&[u8]], more: &[u8]) -> Vec<u8> {
    boxed(b"moov", &[&movie_head(), &track(1, b"sowt", scale, tables, &[]), more])
}

pub(super) fn movie_head() -> Vec<u8> {
    boxed(b"mvhd", &[&words(&[0, 0, 0, 8000, 0]), &[0; 80]])
}

/// A track of 8 kHz in `codec`, with further boxes.
pub(super) fn track(id: u32, codec: &[u8; 4], scale: u32, tables: &[&[u8]], more: &[u8]) -> Vec<u8> {
    let entry = [
        &[0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 16, 0, 0, 0, 0][..],
        &words(&[8000 << 16]),
    ];
    let stsd = boxed(b"stsd", &[&words(&[0, 1]), &boxed(codec, &entry)]);
    let stbl = boxed(b"stbl", &[&[&stsd[..]], tables].concat());
    let mdhd = boxed(b"mdhd", &[&words(&[0, 0, 0, scale, 0, 0])]);
    let hdlr = boxed(b"hdlr", &[&words(&[0, 0]), b"soun", &[0; 13]]);
    let mdia = boxed(b"mdia", &[&mdhd, &hdlr, &boxed(b"minf", &[&stbl])]);
    boxed(b"trak", &[&boxed(b"tkhd", &[&words(&[0, 0, 0, id]), &[0; 68]]), &mdia, more])
}

/// The layout of a file.
#[derive(Debug, Clone)]
struct Layout {
    /// Ticks and bytes of each packet, by chunk.
    chunks: Vec<Vec<(u32, u32)>>,
    /// Bits of a packet size in the table: 4, 8 and 16 make `stz2`, 32 makes `stsz`. With 0, all packets have the size of the
    /// first.
    size_bits: u32,
    is_long: bool,
    /// Bytes between chunks.
    gap: usize,
}

/// Start in ticks, length in ticks, and bytes of a packet.
type ExpectedPacket = (i64, u64, Vec<u8>);

impl Layout {
    /// Returns the file and its packets.
    fn make(mut self) -> (Vec<u8>, Vec<ExpectedPacket>) {
        let first = self.chunks[0][0].1;
        for (_, size) in self.chunks.iter_mut().flatten() {
            *size = if self.size_bits == 0 { first } else { *size & (((1u64 << self.size_bits) - 1) as u32) };
        }
        let mut bytes = boxed(b"ftyp", &[b"M4A \0\0\0\0"]);
        let start = bytes.len();
        bytes.extend([0; 8]);
        let mut expected = Vec::new();
        let mut offsets = Vec::new();
        let mut time = 0;
        for chunk in &self.chunks {
            bytes.extend(vec![0xEE; self.gap]);
            offsets.push(bytes.len());
            for (ticks, size) in chunk {
                let data: Vec<_> = (0..*size as usize).map(|at| (at + expected.len() * 7) as u8).collect();
                bytes.extend(&data);
                expected.push((time, u64::from(*ticks), data));
                time += i64::from(*ticks);
            }
        }
        let media = boxed(b"mdat", &[&bytes[start + 8..]]);
        bytes.truncate(start);
        bytes.extend(media);
        bytes.extend(self.movie(&offsets));
        (bytes, expected)
    }

    fn movie(&self, offsets: &[usize]) -> Vec<u8> {
        movie(8000, &[&self.times(), &self.groups(), &self.sizes(), &self.offsets(offsets)], &[])
    }

    /// Runs of equal lengths, as a muxer writes them.
    fn times(&self) -> Vec<u8> {
        let ticks: Vec<_> = self.chunks.iter().flatten().map(|(ticks, _)| *ticks).collect();
        let runs: Vec<_> = ticks.chunk_by(|a, b| a == b).collect();
        let entries: Vec<_> = runs.iter().flat_map(|run| [run.len() as u32, run[0]]).collect();
        boxed(b"stts", &[&words(&[0, runs.len() as u32]), &words(&entries)])
    }

    fn groups(&self) -> Vec<u8> {
        let mut entries: Vec<[u32; 3]> = Vec::new();
        for (chunk, packets) in self.chunks.iter().enumerate() {
            if entries.last().is_none_or(|last| last[1] as usize != packets.len()) {
                entries.push([chunk as u32 + 1, packets.len() as u32, 1]);
            }
        }
        boxed(b"stsc", &[&words(&[0, entries.len() as u32]), &words(entries.as_flattened())])
    }

    fn sizes(&self) -> Vec<u8> {
        let sizes: Vec<_> = self.chunks.iter().flatten().map(|(_, size)| *size).collect();
        let count = sizes.len() as u32;
        let bytes: Vec<u8> = match self.size_bits {
            0 => return boxed(b"stsz", &[&words(&[0, sizes[0], count])]),
            4 => sizes.chunks(2).map(|two| (two[0] << 4 | two.get(1).unwrap_or(&0)) as u8).collect(),
            8 => sizes.iter().map(|size| *size as u8).collect(),
            16 => sizes.iter().flat_map(|size| (*size as u16).to_be_bytes()).collect(),
            _ => return boxed(b"stsz", &[&words(&[0, 0, count]), &words(&sizes)]),
        };
        boxed(b"stz2", &[&words(&[0, self.size_bits, count]), &bytes])
    }

    fn offsets(&self, offsets: &[usize]) -> Vec<u8> {
        let head = words(&[0, offsets.len() as u32]);
        if self.is_long {
            let entries: Vec<u8> = offsets.iter().flat_map(|at| (*at as u64).to_be_bytes()).collect();
            return boxed(b"co64", &[&head, &entries]);
        }
        boxed(b"stco", &[&head, &words(&offsets.iter().map(|at| *at as u32).collect::<Vec<_>>())])
    }
}

fn layout() -> impl Strategy<Value = Layout> {
    // No size is 0, since a common size of 0 means that a table of sizes follows.
    let packets = prop::collection::vec((prop::sample::select(vec![1u32, 160, 1024]), 1u32..2000), 1..6);
    (
        prop::collection::vec(packets, 1..20),
        prop::sample::select(vec![0, 4, 8, 16, 32]),
        any::<bool>(),
        0usize..50,
    )
        .prop_map(|(chunks, size_bits, is_long, gap)| Layout { chunks, size_bits, is_long, gap })
}

fn file(bytes: &[u8]) -> File {
    let path = tempfile::NamedTempFile::new().unwrap().into_temp_path();
    std::fs::write(&path, bytes).unwrap();
    File::open(&path).unwrap()
}

fn ours(bytes: &[u8]) -> Mp4Reader {
    Mp4Reader::open(file(bytes)).unwrap().expect("a plain MP4")
}

fn next(format: &mut dyn FormatReader) -> Option<ExpectedPacket> {
    // Symphonia fails if it is called again after the end.
    let packet = format.next_packet().ok()??;
    Some((packet.pts.get(), packet.dur.get(), packet.data.into()))
}

fn rest(format: &mut dyn FormatReader) -> Vec<ExpectedPacket> {
    std::iter::from_fn(|| next(format)).collect()
}

fn seek(format: &mut dyn FormatReader, ticks: i64) -> Option<i64> {
    let to = SeekTo::Timestamp { ts: Timestamp::new(ticks), track_id: 1 };
    format.seek(SeekMode::Accurate, to).ok().map(|seeked| seeked.actual_ts.get())
}

/// Asserts that our reader and Symphonia's return the packets of the layout, from the start on and after seeks to `places`.
fn check(layout: Layout, places: &[usize]) {
    let is_small = matches!(layout.size_bits, 4..=16);
    let (bytes, expected) = layout.make();
    let mut ours = ours(&bytes);
    let mut theirs = (!is_small).then(|| probe_stream(stream(file(&bytes)), Some("m4a")).unwrap());
    let end = expected.last().map_or(0, |(start, ticks, _)| start + *ticks as i64);
    assert_eq!(ours.tracks()[0].num_frames, Some(end as u64));
    assert!(rest(&mut ours) == expected);
    if let Some(theirs) = &mut theirs {
        assert_eq!(format!("{:?}", ours.tracks()), format!("{:?}", theirs.tracks()));
        assert!(rest(theirs.as_mut()) == expected);
    }
    for place in places {
        let ticks = (*place as i64).rem_euclid(end + 3);
        let index = expected.partition_point(|(start, ..)| *start <= ticks) - 1;
        let start = (ticks < end).then(|| expected[index].0);
        assert_eq!(seek(&mut ours, ticks), start);
        if let Some(theirs) = &mut theirs {
            assert_eq!(seek(theirs.as_mut(), ticks), start);
        }
        if start.is_some() {
            let some: Vec<_> = (0..4).map_while(|_| next(&mut ours)).collect();
            assert!(some == expected[index..expected.len().min(index + 4)]);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn packets_are_found(layout in layout(), places in prop::collection::vec(any::<usize>(), 10)) {
        check(layout, &places);
    }

    #[test]
    fn bad_bytes_come_to_an_end(
        layout in layout(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..30),
        kept in prop::option::of(any::<prop::sample::Index>()),
        place in 0i64..100_000,
    ) {
        let (mut bytes, expected) = layout.make();
        // The damage is in the headers, which follow the media data.
        let media: usize = expected.iter().map(|(_, _, data)| data.len()).sum();
        for (index, value) in flips {
            let at = media + index.index(bytes.len() - media);
            bytes[at] ^= value;
        }
        bytes.truncate(kept.map_or(bytes.len(), |kept| kept.index(bytes.len())));
        if let Ok(mut packets) = Mp4Reader::open(file(&bytes)).unwrap() {
            for _ in 0..2 {
                let most = bytes.len() + 10;
                let read = (0..most).take_while(|_| !matches!(packets.next_packet(), Ok(None))).count();
                prop_assert!(read < most, "more packets than bytes");
                let _ = seek(&mut packets, place);
            }
        }
    }
}

/// The tables have more runs than [`super::sample_tables`] keeps as starting points.
#[test]
fn packets_are_found_in_long_tables() {
    let packet = |n: u32| (if n.is_multiple_of(3) { 160 } else { 1024 }, 1 + n % 13);
    let chunks = (0..4000).map(|n| (0..1 + n % 2).map(|at| packet(n + at)).collect()).collect();
    let places: Vec<_> = (0..60).map(|n| n * 77_777_777).collect();
    check(Layout { chunks, size_bits: 32, is_long: false, gap: 3 }, &places);
}

#[test]
fn files_with_fragments_are_left_to_symphonia() {
    let layout = Layout { chunks: vec![vec![(1024, 9); 5]], size_bits: 32, is_long: false, gap: 0 };
    let (mut bytes, _) = layout.make();
    let at = bytes.windows(4).position(|kind| kind == b"moov").unwrap();
    bytes.extend(boxed(b"mvex", &[]));
    let size = u32::try_from(bytes.len() - (at - 4)).unwrap();
    bytes[at - 4..at].copy_from_slice(&size.to_be_bytes());
    assert!(Mp4Reader::open(file(&bytes)).unwrap().is_err());
    assert!(Mp4Reader::open(file(b"RIFF")).unwrap().is_err());
}
