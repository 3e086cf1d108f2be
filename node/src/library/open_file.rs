use std::{
    collections::VecDeque,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak, atomic::AtomicBool},
    time::Duration,
};

use crate::source::{OpusStream, ReadLimits, Reader, Source, SourceError};

/// Greatest number of idle readers, for all files together. Each holds a file descriptor, a decoder and buffers,
/// about 300 kB. Tested by `a_hundred_tracks_in_turn_are_opened_once_and_few_readers_wait`.
const MAX_IDLE: usize = 32;
/// Number of times that an opening may read through the file: an MP3 is walked twice, an Opus file is read once more
/// for its packets. The tests of `source::read_limits` show that such limits hold.
const MAX_PASSES: u64 = 4;
/// Bytes that an opening may read beyond that, for the heads of 4096 links.
const MAX_EXTRA_BYTES: u64 = 256 << 20;
/// Time that an opening may take: reading 2 GB from a slow network disk, twice.
const MAX_TIME: Duration = Duration::from_secs(120);
/// Track length, in seconds, from which the node builds the seek index as soon as it opens the track, since that
/// takes seconds on a disk drive. In shorter tracks the first distant seek builds the index. Tested by
/// `a_track_is_long_from_20_minutes_on`.
const LONG_SECONDS: u64 = 1200;

/// An open audio file, shared by all its users.
#[derive(Debug)]
pub(super) struct OpenFile {
    pub(super) source: Source,
    /// The file's Opus packets, if they can be sent unchanged.
    pub(super) opus: Option<OpusStream>,
    pub(super) idle: Arc<IdleReaders>,
}

impl OpenFile {
    /// Opens the file at `path`. Another thread ends the opening by setting `cancelled`.
    pub(super) fn open(
        path: &Path,
        idle: &Arc<IdleReaders>,
        cancelled: &Arc<AtomicBool>,
    ) -> Result<Self, SourceError> {
        let size = path.metadata().map_or(0, |metadata| metadata.len());
        let limits = ReadLimits {
            bytes: size.saturating_mul(MAX_PASSES).saturating_add(MAX_EXTRA_BYTES),
            time: MAX_TIME,
            cancelled: Some(Arc::clone(cancelled)),
        };
        let open = || {
            let source = Source::open(path)?;
            Ok(Self { opus: source.opus_stream()?, source, idle: Arc::clone(idle) })
        };
        let stopped = |stop| Err(SourceError::Stopped { path: path.to_owned(), stop });
        limits.run(open).unwrap_or_else(stopped)
    }

    pub(super) fn is_long(&self) -> bool {
        let info = self.source.info();
        info.frames / u64::from(info.format.rate.max(1)) >= LONG_SECONDS
    }

    pub(super) fn build_seek_index(&self) {
        if let Err(error) = self.source.build_seek_index() {
            tracing::debug!("cannot build the seek index: {error}");
        }
    }
}

/// Readers that nobody uses at the moment, the most recently used last. To use one again saves some milliseconds
/// for opening and seeking.
#[derive(Debug, Default)]
pub(super) struct IdleReaders(Mutex<VecDeque<(Weak<OpenFile>, Reader)>>);

impl IdleReaders {
    /// Takes the reader of `file` whose position is nearest to `frame`. The reader of the chunk before is usually
    /// there already, since the next chunk starts at the end of that one or slightly before it.
    pub(super) fn take(&self, file: &Arc<OpenFile>, frame: u64) -> Option<Reader> {
        let mut readers = self.lock();
        let of_file = readers
            .iter()
            .enumerate()
            .filter(|(_, (owner, _))| std::ptr::eq(owner.as_ptr(), Arc::as_ptr(file)));
        let (nearest, _) = of_file.min_by_key(|(_, (_, reader))| reader.position().abs_diff(frame))?;
        readers.remove(nearest).map(|(_, reader)| reader)
    }

    pub(super) fn put(&self, file: &Arc<OpenFile>, reader: Reader) {
        let mut readers = self.lock();
        // Drops the readers of files that nobody holds open any more.
        readers.retain(|(owner, _)| owner.strong_count() > 0);
        if readers.len() == MAX_IDLE {
            readers.pop_front();
        }
        readers.push_back((Arc::downgrade(file), reader));
    }

    /// Closes all idle readers. Returns true if there were any, so that file descriptors are free again.
    pub(super) fn close(&self) -> bool {
        !std::mem::take(&mut *self.lock()).is_empty()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<(Weak<OpenFile>, Reader)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
