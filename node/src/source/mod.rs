//! Files to frames: open, read, seek. Only the server imports this.
//!
//! A [`Source`] is a file that was opened once. It knows the codec, the format, and the exact length in frames without
//! the delay and padding that an encoder added. All listeners share it. Each listener reads through a [`Reader`], or
//! through a [`Window`], which also converts rate and channels. [`scan`] reads the tags for the library without decoding.
//!
//! # Damage
//! A packet that cannot be decoded becomes silence of its length, and so does a link of a chained Ogg that cannot be opened. If the data ends before the length that the headers
//! give, silence follows up to that length; plain PCM ends with its data. So a position always means the same instant.
//! Only a damaged beginning, or a file that cannot be read, is an error.

mod aac;
mod adts;
mod bounded_read;
mod chain;
mod codecs;
mod container;
mod conversion;
mod cover;
mod demux;
mod error;
mod file_stamp;
mod flac_length;
pub mod formats;
mod frame_stream;
mod id3;
mod layout;
mod link;
mod link_reader;
mod matroska;
mod mp3_header_walk;
mod mp4;
mod mpeg_header;
mod opus_decoder;
mod opus_packets;
mod packet;
mod pcm_container;
mod probe;
mod read_buffer;
mod read_limits;
mod reader;
mod source_file;
mod source_info;
mod strip_artwork;
mod tag_text;
mod tag_values;
mod tags;
#[cfg(test)]
mod tests;
mod timeline;
mod vorbis_blocks;
mod wide_flac_decoder;
mod window;

use std::{path::Path, sync::Arc, time::SystemTime};

pub use error::{Result, SourceError};
pub use opus_packets::{OpusPackets, OpusStream};
pub use read_limits::{ReadLimits, ReadStop};
pub use reader::Reader;
pub use source_info::SourceInfo;
pub use tag_values::Tags;
pub use tags::{Scanned, scan, tags};
pub use window::Window;

use source_file::SourceFile;

/// An opened file. Cheap to clone, shared by all its listeners, usable on any thread.
#[derive(Clone)]
pub struct Source {
    file: Arc<SourceFile>,
}

impl Source {
    /// Opens a file. If the headers do not give the exact length, reads through the file once. Blocks on the disk; decodes
    /// nothing.
    ///
    /// # Errors
    /// A [`SourceError`], one line that names the file.
    pub fn open(path: &Path) -> Result<Self> {
        Ok(Self { file: Arc::new(SourceFile::open(path)?) })
    }

    /// Facts about the source.
    #[must_use]
    pub fn info(&self) -> &SourceInfo {
        &self.file.info
    }

    /// True if the file is unchanged since it was opened, by size and time of modification.
    #[must_use]
    pub fn is_current(&self) -> bool {
        self.file.is_current()
    }

    /// Size in bytes and time of modification when the file was opened. `None` if the system does not keep that time.
    #[must_use]
    pub fn stamp(&self) -> Option<(u64, SystemTime)> {
        self.file.stamp()
    }

    /// The file's Opus packets, if they can be sent unchanged. Reads through the whole file.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn opus_stream(&self) -> Result<Option<OpusStream>> {
        self.file.only_link().map_or(Ok(None), |link| OpusStream::find(link))
    }

    /// A reader of the packets of `stream`, which [`Source::opus_stream`] returned, from packet number `first` on.
    ///
    /// # Errors
    /// `Io` if the file is gone or cannot be read, `Changed` or `Damaged` if it was modified.
    pub fn opus_packets(&self, stream: OpusStream, first: u64) -> Result<OpusPackets> {
        let link =
            self.file.only_link().ok_or_else(|| SourceError::Empty { path: self.file.path.clone() })?;
        OpusPackets::new(Arc::clone(link), stream, first)
    }

    /// Learns the seek points of an MP3 in advance. Reads through the file once, unless [`Source::open`] has done so. Returns
    /// at once for containers with an index. Does not delay readers.
    ///
    /// # Errors
    /// `Io` if the file is gone or cannot be read, `Changed` if it was modified.
    pub fn build_seek_index(&self) -> Result<()> {
        for link in self.file.links.iter().filter_map(|placed| placed.link.as_ref()) {
            let built = link.demuxer()?.build_seek_index();
            built.map_err(|error| SourceError::symphonia(&self.file.path, error))?;
        }
        Ok(())
    }

    /// A reader at the first frame. Opens the file again, so it may fail although [`Source::open`] succeeded.
    ///
    /// # Errors
    /// `Io` if the file is gone, `Changed` if it was modified.
    pub fn reader(&self) -> Result<Reader> {
        Reader::new(Arc::clone(&self.file))
    }
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Source").field("path", &self.file.path).field("info", &self.file.info).finish()
    }
}
