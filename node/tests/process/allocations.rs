//! Allocations of hot paths, counted on one thread.
//!
//! Serving a cached chunk allocates the same for a large chunk as for a small one. A reader of an M4A
//! allocates no more for a long file, and a reader of a file with a cover no more than without it. Finding
//! the length of an MP3 without a length header reads few packets.
//!
//! The transport here allocates nothing itself.

#![cfg(feature = "opus")]

use std::{
    alloc::System,
    sync::{Arc, Mutex as StdMutex},
};

use crate::fixtures::Kind;
use alloc_tracker::{Allocator, Session};
use bytes::Bytes;
use lofty::{
    config::WriteOptions,
    file::{AudioFile, TaggedFileExt},
    picture::{MimeType, Picture, PictureType},
    tag::Tag,
};
use media_node::{
    access::{Grant, Rights},
    library::Catalog,
    plugins,
    server::{Access, Server, ServerConfig},
    source::Source,
};
use media_plugin_sdk::transport::{
    BoxFuture, Connection, Endpoint, Incoming, Path, PathKind, PeerAddress, RecvStream, Result, SendStream,
    Stream,
};
use media_protocol::{Answer, ChunkIndex, ChunkRequest, CodecOffer, GetInfo, Info, List};
use tokio::sync::{Mutex, Semaphore, mpsc};

#[global_allocator]
static ALLOCATOR: Allocator<System> = Allocator::system();

/// Most allocations for one chunk in a session: a task, the names of the request, a few futures.
const MOST: u64 = 24;

/// A connection in memory: incoming streams on one side, sent bytes on the other.
struct Wire {
    requests: Mutex<mpsc::Receiver<Incoming>>,
    accepted: Semaphore,
}

/// Sending half of a stream. Keeps the sent bytes without a copy.
struct Sink {
    sent: Arc<StdMutex<Vec<Bytes>>>,
    finished: Arc<Semaphore>,
}

struct Nothing;

impl SendStream for Sink {
    fn send(&mut self, bytes: Bytes) -> BoxFuture<'_, Result<()>> {
        self.sent.lock().unwrap().push(bytes);
        Box::pin(async { Ok(()) })
    }

    fn finish(&mut self) -> Result<()> {
        self.finished.add_permits(1);
        Ok(())
    }
}

impl RecvStream for Nothing {
    fn recv(&mut self, _max: usize) -> BoxFuture<'_, Result<Option<Bytes>>> {
        Box::pin(async { Ok(None) })
    }
}

impl Connection for Wire {
    fn peer(&self) -> String {
        "peer".into()
    }

    fn grant(&self) -> Option<Arc<dyn std::any::Any + Send + Sync>> {
        Some(Arc::new(Grant::unbounded("peer", Rights::OWNER)))
    }

    fn path(&self) -> Path {
        Path { kind: PathKind::Memory, remote: String::new(), rtt: None, min_rtt: None, loss: None }
    }

    fn open<'a>(&'a self, _protocol: &'a str, _data: &'a str) -> BoxFuture<'a, Result<Stream>> {
        unreachable!("a node opens no streams")
    }

    fn accept(&self) -> BoxFuture<'_, Option<Incoming>> {
        Box::pin(async { self.requests.lock().await.recv().await })
    }

    fn ping(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async { Ok(()) })
    }

    fn closed(&self) -> BoxFuture<'_, String> {
        Box::pin(async { String::new() })
    }

    fn close(&self, _reason: &str) {}
}

/// An endpoint that accepts one peer.
struct Gate(Arc<Wire>);

impl Endpoint for Gate {
    fn address(&self) -> PeerAddress {
        PeerAddress { id: "node".into(), addresses: Vec::new() }
    }

    fn connect<'a>(
        &'a self,
        _peer: &'a PeerAddress,
        _token: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Arc<dyn Connection>>> {
        unreachable!("a node dials nobody")
    }

    fn accept(&self) -> BoxFuture<'_, Option<Arc<dyn Connection>>> {
        Box::pin(async {
            self.0.accepted.acquire().await.ok()?.forget();
            let wire: Arc<dyn Connection> = self.0.clone();
            Some(wire)
        })
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}

struct Peer {
    requests: mpsc::Sender<Incoming>,
    sent: Arc<StdMutex<Vec<Bytes>>>,
    finished: Arc<Semaphore>,
}

impl Peer {
    /// Serves `file` to one peer.
    fn meet(file: &std::path::Path) -> (Server, Self) {
        let catalog = Catalog::scan(&[file.into()], false).unwrap();
        let server = Server::start(ServerConfig::default(), plugins::registry(), catalog).unwrap();
        drop(server.admit(Access::default()));
        let (requests, incoming) = mpsc::channel(1);
        let wire = Wire { requests: Mutex::new(incoming), accepted: Semaphore::new(1) };
        tokio::spawn(server.serve(Arc::new(Gate(Arc::new(wire)))));
        let finished = Arc::new(Semaphore::new(0));
        (server, Self { requests, sent: Arc::new(StdMutex::new(Vec::with_capacity(1024))), finished })
    }

    /// Sends a request and waits for the end of its answer. Returns the answer's length and last piece.
    async fn ask(&self, protocol: &str, data: &str) -> (usize, Bytes) {
        let send = Sink { sent: self.sent.clone(), finished: self.finished.clone() };
        let stream = Stream { send: Box::new(send), recv: Box::new(Nothing) };
        let incoming = Incoming { protocol: protocol.into(), data: data.into(), stream };
        assert!(self.requests.send(incoming).await.is_ok());
        self.finished.acquire().await.unwrap().forget();
        let mut sent = self.sent.lock().unwrap();
        let length = sent.iter().map(Bytes::len).sum();
        let last = sent.last().cloned().unwrap();
        sent.clear();
        (length, last)
    }

    /// Returns a request for chunk 0 of the first track in `codec`, after that chunk has been encoded.
    async fn hot(&self, server: &Server, codec: &str) -> String {
        let page = server.catalog().list(&List { limit: 1, ..List::default() });
        let codecs = vec![CodecOffer { id: codec.into(), bitrate: None }];
        let (output, path) = Default::default();
        let track = page.tracks[0].id.clone();
        let get_info = GetInfo { track, codecs, output, path, then_chunk_at: None, report_loss: false };
        let (_, line) = self.ask("audio.get_info", &serde_json::to_string(&get_info).unwrap()).await;
        let info = std::result::Result::from(serde_json::from_slice::<Answer<Info>>(&line).unwrap()).unwrap();
        let request = ChunkRequest { rendition: info.rendition.id, index: ChunkIndex(0) };
        let request = serde_json::to_string(&request).unwrap();
        // Requests it twice: encoded, then from the cache. Meanwhile the next chunk is encoded ahead.
        self.ask("audio.request_chunk", &request).await;
        while server.stats().encoder.ahead == 0 {
            tokio::task::yield_now().await;
        }
        self.ask("audio.request_chunk", &request).await;
        request
    }
}

/// Serves a chunk `many` times from the cache. Returns the allocations of each, from the request to the end
/// of its answer, and the length of the chunk.
async fn served(file: &std::path::Path, codec: &str, many: usize) -> (Vec<u64>, usize) {
    let (server, peer) = Peer::meet(file);
    let request = peer.hot(&server, codec).await;
    let (mut counts, mut length) = (Vec::with_capacity(many), 0);
    for _ in 0..many {
        let session = Session::new();
        let operation = session.operation("one chunk");
        let span = operation.measure_thread();
        length = peer.ask("audio.request_chunk", &request).await.0;
        drop((span, operation));
        counts.push(session.to_report().operations().map(|(_, it)| it.total_allocations_count()).sum());
    }
    assert_eq!(server.stats().cache.hits as usize, many + 1);
    (counts, length)
}

/// The median, rounded up.
fn median(counts: &[u64]) -> u64 {
    let mut sorted = counts.to_vec();
    sorted.sort_unstable();
    sorted[sorted.len() / 2]
}

#[tokio::test]
async fn a_cached_chunk_allocates_a_constant_whatever_its_size_and_number() {
    let folder = tempfile::tempdir().unwrap();
    let file = |rate: u32| {
        let folder = folder.path().join(rate.to_string());
        std::fs::create_dir(&folder).unwrap();
        crate::fixtures::encode(&folder, Kind::FlacS16, rate, 2, &crate::fixtures::music(rate, 2, 6.0))
    };
    let (narrow, wide) = (file(8_000), file(96_000));
    let (small, small_length) = served(&narrow, "pcm", 300).await;
    let (large, large_length) = served(&wide, "pcm", 300).await;
    let (opus, _) = served(&wide, "opus", 300).await;
    assert!(large_length > 10 * small_length, "{large_length} and {small_length} bytes");
    let each = median(&small);
    assert_eq!(median(&large), each, "independent of the size");
    assert_eq!((median(&large[..100]), median(&large[200..])), (each, each), "and of the number");
    for counts in [&small, &large, &opus] {
        assert!((1..=MOST).contains(&median(counts)), "{counts:?}");
        // A tokio queue allocates a block for every 32 entries.
        assert!(counts.iter().all(|it| *it <= median(counts) + 2), "{counts:?}");
    }
}

/// Bytes allocated to open a reader of `file` and to read from its middle.
fn reading(file: &std::path::Path) -> u64 {
    let source = Source::open(file).unwrap();
    let session = Session::new();
    let operation = session.operation("one reader");
    let span = operation.measure_thread();
    let mut reader = source.reader().unwrap();
    reader.seek(source.info().frames / 2).unwrap();
    assert!(reader.read(&mut [0.0; 1024]).unwrap() > 0);
    drop((span, operation));
    session.to_report().operations().map(|(_, it)| it.total_bytes_allocated()).sum()
}

#[test]
fn a_reader_of_a_long_m4a_holds_no_table_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let short =
        crate::fixtures::encode(folder.path(), Kind::Aac, 8_000, 1, &crate::fixtures::music(8_000, 1, 60.0));
    let long = folder.path().join("long.m4a");
    let mut ffmpeg = std::process::Command::new("ffmpeg");
    ffmpeg.args(["-v", "error", "-stream_loop", "59", "-i"]).arg(&short).args(["-c", "copy"]).arg(&long);
    assert!(ffmpeg.status().unwrap().success());
    // 28,000 packets. A table of their sizes would take 112 kB.
    assert!(Source::open(&long).unwrap().info().frames > 59 * 60 * 8_000);
    // The first reader of a process allocates shared tables.
    reading(&short);
    let (of_short, of_long) = (reading(&short), reading(&long));
    assert!(of_long < of_short + 32 * 1024, "{of_long} and {of_short} bytes");
}

/// Bytes allocated to open `file`.
fn opening(file: &std::path::Path) -> u64 {
    let session = Session::new();
    let operation = session.operation("one file");
    let span = operation.measure_thread();
    Source::open(file).unwrap();
    drop((span, operation));
    session.to_report().operations().map(|(_, it)| it.total_bytes_allocated()).sum()
}

#[test]
fn to_know_its_length_few_packets_of_an_mp3_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let file = |seconds| {
        crate::fixtures::encode(
            folder.path(),
            Kind::Mp3Bare,
            44_100,
            1,
            &crate::fixtures::music(44_100, 1, seconds),
        )
    };
    let (short, long) = (file(30.0), file(300.0));
    opening(&short);
    let (of_short, of_long) = (opening(&short), opening(&long));
    assert!(of_long < 2 * of_short, "{of_long} and {of_short} bytes");
    // All frames are counted nevertheless: LAME adds less than three packets.
    let (frames, encoded) = (Source::open(&long).unwrap().info().frames, 300 * 44_100);
    assert!(frames % 1152 == 0 && (encoded..encoded + 3 * 1152).contains(&frames), "{frames}");
}

/// Copies `file` and adds a cover of 3 MB of noise.
fn with_cover(file: &std::path::Path) -> std::path::PathBuf {
    let mut name = std::ffi::OsString::from("cover-");
    name.push(file.file_name().unwrap());
    let covered = file.with_file_name(name);
    std::fs::copy(file, &covered).unwrap();
    let mut tagged = lofty::read_from_path(&covered).unwrap();
    if tagged.primary_tag().is_none() {
        tagged.insert_tag(Tag::new(tagged.primary_tag_type()));
    }
    let mut noise = 1_u32;
    let mut byte = || {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (noise >> 24) as u8
    };
    let bytes = std::iter::repeat_with(&mut byte).take(3 << 20).collect();
    let cover = Picture::unchecked(bytes).mime_type(MimeType::Jpeg).pic_type(PictureType::CoverFront);
    tagged.primary_tag_mut().unwrap().push_picture(cover.build());
    tagged.save_to_path(&covered, WriteOptions::default()).unwrap();
    assert!(covered.metadata().unwrap().len() > 3 << 20);
    covered
}

/// Reads all frames of a file.
fn frames(file: &std::path::Path) -> Vec<f32> {
    let source = Source::open(file).unwrap();
    let mut frames = vec![0.0; source.info().format.samples(source.info().frames as usize)];
    assert_eq!(source.reader().unwrap().read(&mut frames).unwrap() as u64, source.info().frames);
    frames
}

#[test]
fn a_reader_holds_no_cover() {
    let folder = tempfile::tempdir().unwrap();
    let music = crate::fixtures::music(44_100, 2, 4.0);
    for kind in [
        Kind::FlacS16,
        Kind::Mp3,
        Kind::Mp3Bare,
        Kind::Vorbis,
        Kind::Opus,
        Kind::Aac,
        Kind::Adts,
        Kind::AiffS16,
        Kind::WavS16,
    ] {
        let plain = crate::fixtures::encode(folder.path(), kind, 44_100, 2, &music);
        let covered = with_cover(&plain);
        assert!(frames(&plain) == frames(&covered), "{kind:?}");
        reading(&plain);
        let (of_plain, of_covered) = (reading(&plain), reading(&covered));
        assert!(of_covered < of_plain + 64 * 1024, "{kind:?}: {of_covered} and {of_plain} bytes");
    }
}
