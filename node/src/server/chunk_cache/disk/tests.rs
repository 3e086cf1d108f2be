use std::{
    ops::Range,
    time::{Duration, UNIX_EPOCH},
};

use media_protocol::Rendition;
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

#[path = "../../../../../protocol/fuzz/src/mutation.rs"]
mod mutation;

/// Size on disk of each file: a chunk of 4000 bytes, its silenced frames and its seal.
const EACH: u64 = 4096;

fn rendition() -> Rendition {
    Rendition {
        id: "t.opus.48000.2.k96".parse().unwrap(),
        bitrate: 96_000,
        lossless: false,
        config: vec![1, 2],
        frames: 144_001,
        chunks: 2,
        frames_per_chunk: 144_000,
        packet_frames: 960,
        lead_in: 1272,
        crossfade: 240,
        continuous: false,
        joinable: false,
    }
}

fn key(index: u32) -> DiskKey {
    DiskKey::new(&blake3::hash(b"a codec"), (1000, UNIX_EPOCH), &rendition(), ChunkIndex(index)).unwrap()
}

fn chunk(index: u32) -> CachedChunk {
    CachedChunk { bytes: vec![index as u8; 4000].into(), silenced: index }
}

/// Runs a writer with a capacity in bytes, which writes these chunks to the folder.
fn write(folder: &Path, bytes: u64, indices: Range<u32>) -> DiskStats {
    let counters = Arc::new(DiskCounters::default());
    let (queue, chunks) = sync_channel(indices.len());
    indices.for_each(|index| queue.send((key(index), chunk(index))).unwrap());
    drop(queue);
    Writer::new(DiskCacheConfig { folder: folder.into(), bytes }, counters.clone()).run(&chunks);
    counters.snapshot()
}

fn reader(folder: &Path) -> DiskCache {
    let queue = sync_channel(1).0;
    DiskCache { folder: folder.into(), fingerprints: HashMap::new(), counters: Arc::default(), queue }
}

/// Numbers of the chunks in the folder.
fn held(folder: &Path, indices: Range<u32>) -> Vec<u32> {
    indices.filter(|index| folder.join(key(*index).file()).exists()).collect()
}

/// Sets the time of a file's last use to `age` ago.
fn age(file: &Path, age: Duration) {
    OpenOptions::new().append(true).open(file).unwrap().set_modified(SystemTime::now() - age).unwrap();
}

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn count(folder: &Path) -> usize {
    fs::read_dir(folder).unwrap().count()
}

#[test]
fn what_is_written_is_read() {
    let folder = folder();
    let stats = write(folder.path(), 1 << 20, 0..3);
    assert_eq!(stats, DiskStats { writes: 3, bytes: 3 * EACH, ..DiskStats::default() });
    let reader = reader(folder.path());
    for index in 0..3 {
        assert_eq!(reader.load(&key(index), 4000), Some(chunk(index)));
    }
    assert_eq!(reader.load(&key(3), 4000), None);
    assert_eq!(reader.stats(), DiskStats { hits: 3, misses: 1, ..DiskStats::default() });
    assert_eq!(count(folder.path()), 3);
}

/// A change of anything that the bytes of a chunk depend on changes its key.
#[test]
fn a_key_depends_on_all_that_a_chunk_depends_on() {
    let codec = blake3::hash(b"a codec");
    let time = UNIX_EPOCH + Duration::from_nanos(1);
    let with = |change: fn(&mut Rendition)| {
        let mut other = rendition();
        change(&mut other);
        DiskKey::new(&codec, (1000, UNIX_EPOCH), &other, ChunkIndex(0))
    };
    let names = [
        with(|_| {}),
        with(|rendition| rendition.id.track = "u".parse().unwrap()),
        with(|rendition| rendition.id.codec = "sopu".into()),
        with(|rendition| rendition.id.rate = 44_100),
        with(|rendition| rendition.id.channels = 1),
        with(|rendition| rendition.id.params = "k64".into()),
        with(|rendition| rendition.config = vec![1]),
        with(|rendition| rendition.frames -= 1),
        with(|rendition| rendition.crossfade = 0),
        DiskKey::new(&codec, (1000, UNIX_EPOCH), &rendition(), ChunkIndex(1)),
        DiskKey::new(&codec, (1001, UNIX_EPOCH), &rendition(), ChunkIndex(0)),
        DiskKey::new(&codec, (1000, time), &rendition(), ChunkIndex(0)),
        DiskKey::new(&blake3::hash(b"it, updated"), (1000, UNIX_EPOCH), &rendition(), ChunkIndex(0)),
    ];
    for (place, name) in names.iter().enumerate() {
        assert!(name.is_some() && !names[..place].contains(name), "{place}");
    }
}

#[test]
fn each_codec_stands_for_itself() {
    let registry = crate::plugins::registry();
    let fingerprints = codec_fingerprints(&registry);
    assert_eq!(fingerprints.len(), registry.codecs().count());
    assert_eq!(fingerprints, codec_fingerprints(&registry));
    let apart: std::collections::HashSet<_> = fingerprints.values().collect();
    assert_eq!(apart.len(), fingerprints.len());
}

#[test]
fn the_capacity_holds_and_recently_used_chunks_stay() {
    let folder = folder();
    let room = 20 * EACH;
    for from in (0..100).step_by(5) {
        let stats = write(folder.path(), room, from..from + 5);
        assert!(count(folder.path()) as u64 * EACH <= room && stats.bytes <= room, "{stats:?}");
        assert_eq!(held(folder.path(), from..from + 5).len(), 5);
        for index in held(folder.path(), 0..100) {
            age(&folder.path().join(key(index).file()), Duration::from_secs(3600 - u64::from(index)));
        }
        // Chunk 0 is read in each round, so it counts as used.
        assert!(reader(folder.path()).load(&key(0), 4000).is_some(), "{from}");
    }
    assert_eq!(held(folder.path(), 90..100).len(), 10);
    // The next start has a smaller capacity.
    let stats = write(folder.path(), 8 * EACH, 0..0);
    assert!(stats.bytes <= 8 * EACH && stats.evictions >= 12, "{stats:?}");
    assert_eq!(held(folder.path(), 0..100), [0, 94, 95, 96, 97, 98, 99]);
}

#[test]
fn within_one_start_the_room_is_kept_after_every_write() {
    let folder = folder();
    for room in [0, 1, EACH, 3 * EACH, 100 * EACH] {
        let config = DiskCacheConfig { folder: folder.path().into(), bytes: room };
        let mut writer = Writer::new(config, Arc::default());
        for index in 0..250 {
            let kept = writer.store(&key(index), &chunk(index));
            assert_eq!(kept.is_ok(), room >= EACH);
            assert!(room < EACH || count(folder.path()) as u64 * EACH <= room, "{room}");
            assert!(kept.is_err() || reader(folder.path()).load(&key(index), 4000).is_some());
        }
    }
}

#[test]
fn a_listing_frees_a_sixteenth() {
    // A sixteenth is 4 chunks. The listing before chunk 60 finds enough room. The listing before chunk 64 frees 4
    // chunks.
    for (chunks, evictions, held) in [(64, 0, 64), (65, 4, 61), (68, 4, 64), (69, 8, 61)] {
        let stats = write(folder().path(), 64 * EACH, 0..chunks);
        assert_eq!((stats.evictions, stats.bytes), (evictions, held * EACH), "{chunks}");
    }
}

#[test]
fn chunks_are_dropped_once_the_queue_is_full() {
    let folder = folder();
    let (queue, chunks) = sync_channel(QUEUE);
    let cache = DiskCache { queue, ..reader(folder.path()) };
    (0..130).for_each(|index| cache.store(key(index), chunk(index)));
    assert_eq!(cache.stats().unwritten, 2);
    let queued: Vec<_> = chunks.try_iter().map(|(key, _)| key).collect();
    assert!(queued.len() == 128 && queued[127] == key(127));
}

#[test]
fn a_chunk_larger_than_the_room_leaves_the_others() {
    let folder = folder();
    let mut writer =
        Writer::new(DiskCacheConfig { folder: folder.path().into(), bytes: EACH }, Arc::default());
    writer.store(&key(0), &chunk(0)).unwrap();
    assert!(writer.store(&key(1), &CachedChunk { bytes: vec![0; 5000].into(), silenced: 0 }).is_err());
    assert_eq!(held(folder.path(), 0..2), [0]);
}

#[test]
fn leftovers_are_removed_and_other_files_stay() {
    let folder = folder();
    let (before, after) = key(0).part_file();
    let file = |name: &str| folder.path().join(name);
    let [old, young, ahead] = ["aaaaaa", "bbbbbb", "cccccc"].map(|random| format!("{before}{random}{after}"));
    let others =
        ["song.mp3", "a.part", "b.chunk", "media.part", &"0".repeat(64), &format!("{}.wav", "0".repeat(64))];
    for name in others.into_iter().chain([&*old, &*young]) {
        fs::write(file(name), "x").unwrap();
        age(&file(name), Duration::from_secs(601));
    }
    age(&file(&young), Duration::from_secs(590));
    // A part file of a node whose clock is ahead.
    let written = File::create(file(&ahead)).unwrap();
    written.set_len(1).unwrap();
    written.set_modified(SystemTime::now() + Duration::from_secs(3600)).unwrap();
    let stats = write(folder.path(), 3 * EACH, 0..10);
    assert!(!file(&old).exists() && file(&young).exists() && file(&ahead).exists());
    assert!(others.iter().all(|name| file(name).exists()));
    // Young part files take room: another node may be writing them.
    assert_eq!((stats.bytes, held(folder.path(), 0..10)), (3 * EACH, vec![9]));
}

#[test]
fn what_another_node_has_removed_is_gone() {
    let folder = folder();
    let file = folder.path().join(key(0).file());
    fs::write(&file, "x").unwrap();
    assert!(writer::remove(&file) && !file.exists());
    assert!(writer::remove(&file));
    fs::create_dir(&file).unwrap();
    assert!(!writer::remove(&file) && file.exists());
}

#[test]
fn a_folder_that_was_removed_is_made_again() {
    let home = folder();
    let path = home.path().join("chunks");
    let config = DiskCacheConfig { folder: path.clone(), bytes: 1 << 20 };
    let mut writer = Writer::new(config, Arc::default());
    for index in 0..3 {
        writer.store(&key(index), &chunk(index)).unwrap();
        assert_eq!(held(&path, 0..3), [index]);
        fs::remove_dir_all(&path).unwrap();
        assert_eq!(reader(&path).load(&key(index), 4000), None);
    }
}

#[test]
fn what_is_no_file_is_no_chunk() {
    let folder = folder();
    fs::create_dir(folder.path().join(key(0).file())).unwrap();
    let reader = reader(folder.path());
    assert_eq!(reader.load(&key(0), 4000), None);
    let stats = write(folder.path(), 1 << 20, 0..2);
    assert_eq!((stats.unwritten, stats.writes), (1, 1));
    #[cfg(unix)]
    {
        let pipe = folder.path().join(key(2).file());
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        assert_eq!(reader.load(&key(2), 4000), None);
        assert!(!pipe.exists());
    }
}

/// A damaged file of chunk 7.
fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let written = [&chunk(7).bytes[..], &key(7).appended(&chunk(7))].concat();
    let length = written.len();
    let whole = written.clone();
    let cut = written.clone();
    let longer = written;
    prop_oneof![
        (0..length, 0..8_u32).prop_map(move |(at, bit)| {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << bit;
            bytes
        }),
        (0..length).prop_map(move |length| cut[..length].to_vec()),
        prop::collection::vec(any::<u8>(), 1..100).prop_map(move |more| [longer.clone(), more].concat()),
        prop::collection::vec(any::<u8>(), 0..5000),
        // A whole file of another chunk.
        any::<u32>()
            .prop_filter("another", |index| *index != 7)
            .prop_map(|index| { [&chunk(7).bytes[..], &key(index).appended(&chunk(7))].concat() }),
    ]
}

proptest! {
    #[test]
    fn nothing_is_read_but_what_was_written(bytes in damaged()) {
        let folder = folder();
        let file = folder.path().join(key(7).file());
        fs::write(&file, bytes).unwrap();
        let reader = reader(folder.path());
        prop_assert_eq!(reader.load(&key(7), 4000), None);
        prop_assert!(!file.exists());
        prop_assert_eq!(reader.stats(), DiskStats { damaged: 1, misses: 1, ..DiskStats::default() });
    }

    #[test]
    fn only_names_of_ours_are_ours(text in "\\PC{0,90}", hash in "[0-9a-f]{64}", end in "[.a-z]{0,9}") {
        prop_assert_eq!(key::CacheFile::from_name(&text), None);
        let is_ours = end == ".chunk" || end.starts_with('.') && end.ends_with(".part");
        prop_assert_eq!(key::CacheFile::from_name(&(hash + &end)).is_some(), is_ours);
    }
}

/// A file of the cache is read only if it is what was written.
#[test]
fn any_file_is_the_chunk_or_is_removed() {
    let folder = folder();
    let file = folder.path().join(key(7).file());
    let written = [&chunk(7).bytes[..], &key(7).appended(&chunk(7))].concat();
    let other = [&chunk(8).bytes[..], &key(8).appended(&chunk(8))].concat();
    let reader = reader(folder.path());
    mutation::run("disk_cache", &[written.clone(), other], |input| {
        fs::write(&file, input).unwrap();
        let expected = (input == written).then(|| chunk(7));
        assert_eq!(reader.load(&key(7), 4000), expected);
    });
}
