use std::{path::Path, time::Duration};

use lofty::{
    config::ParseOptions,
    file::{FileType, TaggedFile},
    prelude::*,
    probe::Probe,
};

use super::{Result, SourceError, source_file::open_file};

/// Tags of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tags {
    /// The title, trimmed. This and the other texts are `None` if absent or blank.
    pub title: Option<String>,
    /// The artist of the track.
    pub artist: Option<String>,
    /// The album.
    pub album: Option<String>,
    /// The number of the track on its album.
    pub track: Option<u32>,
    /// The length that the headers claim. It may be an estimate.
    pub duration: Duration,
}

/// The result of scanning a file for the library, without opening it as a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scanned {
    /// Tags and length.
    pub tags: Tags,
    /// The kind of file: `flac`, `mp3`, `vorbis`, `opus`, `mp4`, `wav`, `aiff`, `aac`; `mp4` may hold AAC or ALAC.
    pub codec: String,
    /// Frames per second; 0 if the headers do not say it.
    pub rate: u32,
    /// Number of channels; 0 if the headers do not say it.
    pub channels: u16,
    /// Bits per sample of a lossless file.
    pub bits: Option<u8>,
}

/// Reads the tags of the file at `path`.
///
/// # Errors
/// Those of [`scan`].
pub fn tags(path: &Path) -> Result<Tags> {
    Ok(scan(path)?.tags)
}

/// Reads tags and stream headers, a few kilobytes, without decoding. Skips pictures. Blocks on the disk.
///
/// # Errors
/// `Io` if the file cannot be read, `Unsupported` if its kind is not supported, `Damaged` if its headers are. A file that
/// can be scanned may still fail to decode.
pub fn scan(path: &Path) -> Result<Scanned> {
    let unsupported =
        || SourceError::Unsupported { path: path.into(), cause: "an unknown kind of file".into() };
    let mut options = ParseOptions::new();
    options.read_cover_art(false);
    let (file, _) = open_file(path)?;
    let probe = Probe::new(std::io::BufReader::new(file))
        .options(options)
        .guess_file_type()
        .map_err(|error| SourceError::io(path, error))?;
    let codec = probe.file_type().and_then(name).ok_or_else(unsupported)?;
    let file = probe
        .read()
        .map_err(|error| SourceError::Damaged { path: path.into(), cause: one_line(&error.to_string()) })?;
    let properties = file.properties();
    Ok(Scanned {
        codec: codec.into(),
        rate: properties.sample_rate().unwrap_or(0),
        channels: properties.channels().unwrap_or(0).into(),
        bits: properties.bit_depth(),
        tags: read_tags(&file),
    })
}

fn name(kind: FileType) -> Option<&'static str> {
    Some(match kind {
        FileType::Aac => "aac",
        FileType::Aiff => "aiff",
        FileType::Flac => "flac",
        FileType::Mpeg => "mp3",
        FileType::Mp4 => "mp4",
        FileType::Opus => "opus",
        FileType::Vorbis => "vorbis",
        FileType::Wav => "wav",
        _ => return None,
    })
}

fn read_tags(file: &TaggedFile) -> Tags {
    // The format's native kind of tag comes before older ones (ID3v2 before ID3v1).
    let ordered = || file.primary_tag().into_iter().chain(file.tags());
    let text = |key: ItemKey| {
        let found = ordered().find_map(|tag| tag.get_string(key).map(one_line));
        found.filter(|text| !text.is_empty())
    };
    let number = || ordered().find_map(Accessor::track);
    Tags {
        title: text(ItemKey::TrackTitle),
        artist: text(ItemKey::TrackArtist),
        album: text(ItemKey::AlbumTitle),
        track: number(),
        duration: file.properties().duration(),
    }
}

/// Replaces control characters and line breaks, since tags come from strangers and are printed on terminals.
fn one_line(text: &str) -> String {
    let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    clean.trim().to_owned()
}
