//! What was learnt of the files that were used last, each once, and readers of theirs that nobody uses now.

use std::{
    collections::VecDeque,
    ops::Range,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak, mpsc},
    time::SystemTime,
};

use lru::LruCache;
use media_plugin_sdk::AudioFormat;
use media_protocol::{CHUNK_SECONDS, ChunkIndex, ErrorCode, Track, TrackSource, WireError};

use super::file::{File, nanos};
use crate::{
    server::negotiate::Material,
    source::{OpusPackets, OpusStream, Reader, Source, SourceError, SourceInfo, Window},
};

/// Of so many files it is remembered what opening them told, which for some is to read them whole. A file takes a few
/// kilobytes, a long MP3 some 50 for the places that seeks begin at; none of it is a descriptor.
const MAX_KNOWN: usize = 1024;
/// Readers that nobody uses, of all files together: each has a descriptor, a decoder and buffers, some 300 kB.
const MAX_IDLE: usize = 32;
/// In longer tracks, the places that seeks begin at are looked for once the track is opened, before anybody seeks: from a disk
/// that is a matter of seconds. In shorter ones the first seek that is far finds them.
const LONG_SECONDS: u64 = 1200;

/// Being opened, or open. Whoever comes while it is being opened waits for it.
type Slot = Arc<OnceLock<Result<Arc<OpenFile>, WireError>>>;

#[derive(Debug)]
pub(super) struct Sources {
    slots: Mutex<LruCache<PathBuf, Slot>>,
    idle: Arc<Idle>,
    /// Long tracks, to a thread that reads through one at a time and ends with this.
    long: mpsc::Sender<Weak<OpenFile>>,
}

impl Sources {
    pub(super) fn new() -> Self {
        let (long, opened) = mpsc::channel::<Weak<OpenFile>>();
        let find = move || opened.iter().filter_map(|it| it.upgrade()).for_each(|it| it.find_places());
        // Without it, seeks find the places.
        let _ = std::thread::Builder::new().name("places".into()).spawn(find);
        Self { slots: Mutex::new(LruCache::unbounded()), idle: Arc::default(), long }
    }

    /// The `track` of `file`, open; a failure is not remembered, and neither is a file that has gone since.
    ///
    /// # Errors
    /// `UnknownTrack` when the file is gone or another, `Unreadable` when it cannot be decoded.
    pub(super) fn open(&self, file: &File, track: &Track) -> Result<Arc<OpenTrack>, WireError> {
        let slot = self.slot(&file.at.path);
        let open = || {
            let opened = OpenFile::open(&file.at.path, &self.idle).map(Arc::new);
            if let Ok(opened) = &opened
                && opened.is_long()
            {
                let _ = self.long.send(Arc::downgrade(opened));
            }
            opened.map_err(|it| unreadable(&file.title, &it))
        };
        let opened = still_there(file).and_then(|()| slot.get_or_init(open).clone());
        let is_current = opened.as_ref().is_ok_and(|it| it.source.is_current());
        if !is_current {
            self.forget(&file.at.path, &slot);
        }
        // What was open was of the file before; another of the same size has taken its place.
        let opened = if opened.is_ok() && !is_current { open() } else { opened }?;
        Ok(Arc::new(OpenTrack::new(track, opened)))
    }

    /// Whether `file` is open, so that nobody has to wait for that.
    pub(super) fn is_open(&self, file: &File) -> bool {
        self.lock().peek(&file.at.path).is_some_and(|it| it.get().is_some_and(Result::is_ok))
    }

    fn slot(&self, path: &Path) -> Slot {
        let mut slots = self.lock();
        let slot = slots.get_or_insert(path.to_owned(), Slot::default).clone();
        while slots.len() > MAX_KNOWN {
            slots.pop_lru();
        }
        slot
    }

    /// Unless somebody tries again already.
    fn forget(&self, path: &Path, slot: &Slot) {
        let mut slots = self.lock();
        if slots.peek(path).is_some_and(|it| Arc::ptr_eq(it, slot)) {
            slots.pop(path);
        }
    }

    fn lock(&self) -> MutexGuard<'_, LruCache<PathBuf, Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the file that was found is where it was: not gone, not of another size, not a link to somewhere else.
fn still_there(file: &File) -> Result<(), WireError> {
    let at = &file.at;
    let real = at.path.canonicalize().and_then(|path| Ok((path.metadata()?.len(), path)));
    let title = &file.title;
    let why = match real {
        Ok((size, path)) if path == at.path && size == at.size => return Ok(()),
        Ok(_) => "has changed on the node's disk",
        Err(_) => "is no longer on the node's disk",
    };
    tracing::warn!(path = %at.path.display(), "this track {why}");
    let message = format!("{title:?} {why}; list the tracks again in a while");
    Err(WireError::new(ErrorCode::UnknownTrack, message))
}

/// A track and its source. Messages name its title, never its path.
#[derive(Debug)]
pub(in crate::server) struct OpenTrack {
    track: Track,
    file: Arc<OpenFile>,
}

/// What is found out once for all who use a file.
#[derive(Debug)]
struct OpenFile {
    source: Source,
    opus: Option<OpusStream>,
    idle: Arc<Idle>,
}

impl OpenFile {
    fn open(path: &Path, idle: &Arc<Idle>) -> Result<Self, SourceError> {
        let source = Source::open(path)?;
        Ok(Self { opus: source.opus_stream(), source, idle: Arc::clone(idle) })
    }

    fn is_long(&self) -> bool {
        let info = self.source.info();
        info.frames / u64::from(info.format.rate.max(1)) >= LONG_SECONDS
    }

    fn find_places(&self) {
        if let Err(error) = self.source.build_seek_index() {
            tracing::debug!("looking for places to seek to: {error}");
        }
    }
}

/// Readers that nobody uses now, with their files, the one that was used last at the end. Opening another takes up to
/// milliseconds.
#[derive(Debug, Default)]
struct Idle(Mutex<VecDeque<(Weak<OpenFile>, Reader)>>);

impl Idle {
    /// The one that stands nearest to `frame`: the next chunk begins where it stands, or a little before that.
    fn take(&self, file: &Arc<OpenFile>, frame: u64) -> Option<Reader> {
        let mut readers = self.lock();
        let of_file = readers.iter().enumerate();
        let of_file = of_file.filter(|(_, (of, _))| std::ptr::eq(of.as_ptr(), Arc::as_ptr(file)));
        let (nearest, _) = of_file.min_by_key(|(_, (_, reader))| reader.position().abs_diff(frame))?;
        readers.remove(nearest).map(|(_, reader)| reader)
    }

    fn put(&self, file: &Arc<OpenFile>, reader: Reader) {
        let mut readers = self.lock();
        // What is forgotten is no longer of use.
        readers.retain(|(of, _)| of.strong_count() > 0);
        if readers.len() == MAX_IDLE {
            readers.pop_front();
        }
        readers.push_back((Arc::downgrade(file), reader));
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<(Weak<OpenFile>, Reader)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OpenTrack {
    fn new(track: &Track, file: Arc<OpenFile>) -> Self {
        Self { track: exact(track, file.source.info()), file }
    }

    /// What it is called.
    pub(in crate::server) fn title(&self) -> &str {
        &self.track.title
    }

    /// The track, its duration exact.
    pub(in crate::server) fn track(&self) -> &Track {
        &self.track
    }

    /// What a choice of encoding depends on.
    pub(in crate::server) fn material(&self) -> Material {
        let info = self.file.source.info();
        Material { source: info.source_format(), frames: info.frames, opus: self.file.opus }
    }

    /// The file's size in bytes and when it was last written to, where the system says so.
    pub(in crate::server) fn stamp(&self) -> Option<(u64, SystemTime)> {
        self.file.source.stamp()
    }

    /// When the file was last written to, as [`super::Catalog::written`], when it was opened.
    pub(in crate::server) fn written(&self) -> u64 {
        nanos(self.stamp().map(|(_, written)| written))
    }

    /// Whether the file is still as it was when it was opened. Looks at the disk.
    pub(in crate::server) fn is_current(&self) -> bool {
        self.file.source.is_current()
    }

    /// A reader of its own, standing anywhere, for frames from `first` on at `rate`.
    ///
    /// # Errors
    /// `Unreadable`.
    pub(in crate::server) fn reader(&self, first: i64, rate: u32) -> Result<Reader, WireError> {
        let first = u64::try_from(first).unwrap_or(0);
        let frame = Window::frames(first, rate, self.file.source.info().format.rate);
        let idle = self.file.idle.take(&self.file, frame);
        idle.map_or_else(|| self.file.source.reader().map_err(|it| self.unreadable(&it)), Ok)
    }

    /// Takes a reader back for the next user.
    pub(in crate::server) fn keep(&self, reader: Reader) {
        self.file.idle.put(&self.file, reader);
    }

    /// The Opus packets of `stream`, which is this track's, from the one numbered `first` on.
    ///
    /// # Errors
    /// `Unreadable`.
    pub(in crate::server) fn opus_packets(
        &self,
        stream: OpusStream,
        first: u64,
    ) -> Result<OpusPackets, WireError> {
        self.file.source.opus_packets(stream, first).map_err(|it| self.unreadable(&it))
    }

    /// The frames `range` at the rate of `format`; silence outside of the track.
    ///
    /// # Errors
    /// `Unreadable`.
    pub(in crate::server) fn window<'a>(
        &self,
        reader: &'a mut Reader,
        format: AudioFormat,
        range: Range<i64>,
    ) -> Result<Window<'a>, WireError> {
        Window::new(reader, format, range).map_err(|it| self.unreadable(&it))
    }

    /// What a peer is told of a file that ends before chunk `index` begins.
    pub(in crate::server) fn cut_short(&self, index: ChunkIndex) -> WireError {
        let seconds = u64::from(index.0) * u64::from(CHUNK_SECONDS);
        let (title, minutes, seconds) = (self.title(), seconds / 60, seconds % 60);
        let message =
            format!("the file of {title:?} is cut short: nothing is left after {minutes}:{seconds:02}");
        WireError::new(ErrorCode::Unreadable, message)
    }

    /// What a peer is told of an error.
    pub(in crate::server) fn unreadable(&self, error: &SourceError) -> WireError {
        unreadable(&self.track.title, error)
    }
}

/// What the node's log says names the file, what the peer is told names the title.
fn unreadable(title: &str, error: &SourceError) -> WireError {
    tracing::warn!("{error}");
    WireError::new(ErrorCode::Unreadable, format!("cannot read {title:?}: {}", why(error)))
}

/// What is wrong with a file, without its path.
pub(super) fn why(error: &SourceError) -> String {
    match error {
        SourceError::Io { cause, .. } => cause.to_string(),
        SourceError::Unsupported { cause, .. } => format!("it is no audio that this node reads ({cause})"),
        SourceError::Damaged { cause, .. } => format!("the file is damaged ({cause})"),
        SourceError::Empty { .. } => "it holds no sound".into(),
        SourceError::Changed { .. } => "it has changed on the node's disk; ask again".into(),
        SourceError::Convert { cause, .. } => cause.to_string(),
    }
}

fn exact(track: &Track, info: &SourceInfo) -> Track {
    let rate = u128::from(info.format.rate).max(1);
    let millis = (u128::from(info.frames) * 1000 + rate / 2) / rate;
    let source = TrackSource {
        codec: info.codec.clone(),
        rate: info.format.rate,
        channels: info.format.channels,
        bits: track.source.bits.filter(|_| !info.lossy),
    };
    Track { duration_ms: u64::try_from(millis).unwrap_or(u64::MAX), source, ..track.clone() }
}

#[cfg(test)]
mod tests;
