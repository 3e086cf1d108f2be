//! Tags and headers for the library.
//!
//! A damaged tag never keeps a file from playing. If the tag reader (lofty) fails, the node opens the container as for
//! playing, and takes the texts that a forgiving reader finds.

use std::{fs::File, io::BufReader, ops::Range, path::Path, time::Duration};

use lofty::{
    config::ParseOptions,
    file::{FileType, TaggedFile},
    prelude::*,
    probe::Probe,
};
use media_plugin_sdk::SampleType;
use media_protocol::TrackTags;
use symphonia::core::{
    formats::well_known::{
        FORMAT_ID_ADTS, FORMAT_ID_FLAC, FORMAT_ID_ISOMP4, FORMAT_ID_MKV, FORMAT_ID_MP3, FORMAT_ID_OGG,
    },
    meta::{MetadataRevision, Tag},
};

use super::{
    Result, SourceError,
    bounded_read::BoundedRead,
    chain, codecs,
    cover::has_cover,
    file_stamp::open_file,
    flac_length,
    formats::Support,
    id3::Id3Texts,
    layout::{Layout, read_at},
    link::{self, Opened},
    matroska, mp4,
    mpeg_header::MpegHeader,
    strip_artwork::part_of_file,
    tag_text::{clean, date, flag, number_of_total, track_number},
    tag_values::{Tags, tags_of},
};

/// The result of scanning a file for the library, without opening it as a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scanned {
    /// Tags and length.
    pub tags: Tags,
    /// The kind of file: `flac`, `mp3`, `vorbis`, `opus`, `mp4`, `wav`, `aiff`, `aac`, or the codec's name. `mp4` may hold
    /// AAC or ALAC.
    pub codec: String,
    /// Frames per second; 0 if the headers do not tell.
    pub rate: u32,
    /// Number of channels; 0 if the headers do not tell.
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

/// Reads tags and stream headers, some kilobytes, without decoding. Skips pictures. Blocks on the disk.
///
/// # Errors
/// `Io` if the file cannot be read, `Unsupported` with the name of the kind if the node does not play it, `Damaged` if its
/// headers are damaged. A file that can be scanned may still fail to decode.
pub fn scan(path: &Path) -> Result<Scanned> {
    let (mut file, _) = open_file(path)?;
    let io = |error| SourceError::io(path, error);
    let layout = Layout::find(&mut file).map_err(io)?;
    let layout = layout.ok_or_else(|| SourceError::unsupported(path, "an unknown kind of file"))?;
    let support = layout.format.support.ok_or_else(|| SourceError::unsupported(path, layout.format.name))?;
    let tagged = read_with_lofty(path, support, &layout.range).map_err(io)?;
    let mut scanned = match (support.id, &tagged) {
        (FORMAT_ID_MP3, _) => scan_mpeg(&mut file, &layout.range).map_err(io)?,
        (FORMAT_ID_FLAC | FORMAT_ID_OGG, Some(tagged)) => scan_by_lofty(tagged),
        _ => None,
    };
    if scanned.is_none() {
        scanned = Some(scan_container(path, support, &layout.range)?);
    }
    let mut scanned = scanned.ok_or_else(|| SourceError::unsupported(path, "an unknown kind of file"))?;
    if support.id == FORMAT_ID_OGG && chain::is_chained(&mut file, &layout.range).map_err(io)? {
        scanned.tags.duration = None;
    }
    if support.id == FORMAT_ID_FLAC && scanned.tags.duration.is_none() {
        let frames = flac_length::frames(&mut file, &layout.range).map_err(io)?;
        scanned.tags.duration =
            frames.map(|frames| Duration::from_secs_f64(frames as f64 / f64::from(scanned.rate.max(1))));
    }
    let duration = scanned.tags.duration;
    scanned.tags = match &tagged {
        Some(tagged) => tags_of(tagged),
        None if support.id == FORMAT_ID_MKV => {
            let title = matroska::Outline::read_title(&mut file, &layout.range).map_err(io)?;
            Tags { title: title.as_deref().and_then(clean).or(scanned.tags.title), ..scanned.tags }
        }
        None => forgiving_tags(&mut file).map_err(io)?,
    };
    scanned.tags.duration = duration;
    scanned.tags.more.cover = has_cover(&mut file, &layout.range).map_err(io)?;
    Ok(scanned)
}

/// Bytes that the tag reader may read of a file. A longer tag, or junk in place of one, is left to [`Id3Texts`]. Pictures that the
/// reader skips do not count. Tested by `junk_behind_a_good_beginning_costs_few_bytes_in_a_scan`.
const MAX_TAG_BYTES: u64 = 8 << 20;

/// Reads the file's tags with the strict reader. If it fails on a FLAC, it reads the FLAC again without the tags around it. A
/// panic in the reader counts as a failure.
///
/// # Errors
/// If the file cannot be opened.
fn read_with_lofty(path: &Path, support: Support, range: &Range<u64>) -> std::io::Result<Option<TaggedFile>> {
    let options = ParseOptions::new().read_cover_art(false);
    let whole = |file| {
        let file = BoundedRead::new(file, MAX_TAG_BYTES);
        let probe = Probe::new(BufReader::new(file)).options(options);
        probe.guess_file_type().ok()?.read().ok()
    };
    let part = |file| {
        let part = BoundedRead::new(part_of_file(file, range), MAX_TAG_BYTES);
        Probe::with_file_type(BufReader::new(part), FileType::Flac).options(options).read().ok()
    };
    let read = || match whole(File::open(path)?) {
        None if support.id == FORMAT_ID_FLAC => Ok(part(File::open(path)?)),
        whole => Ok(whole),
    };
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(read)).unwrap_or(Ok(None))
}

/// Facts from the headers that the tag reader has read. `None` if they are not FLAC, Opus or Vorbis, or have no rate.
fn scan_by_lofty(file: &TaggedFile) -> Option<Scanned> {
    let codec = match file.file_type() {
        FileType::Flac => "flac",
        FileType::Opus => "opus",
        FileType::Vorbis => "vorbis",
        _ => return None,
    };
    let properties = file.properties();
    let duration = Some(properties.duration()).filter(|duration| !duration.is_zero());
    Some(Scanned {
        codec: codec.into(),
        rate: properties.sample_rate().filter(|rate| *rate > 0)?,
        channels: properties.channels()?.into(),
        bits: properties.bit_depth(),
        tags: Tags { duration, ..Tags::default() },
    })
}

/// Facts about MPEG audio, from its first frame and from some frames in the middle.
fn scan_mpeg(file: &mut File, range: &Range<u64>) -> std::io::Result<Option<Scanned>> {
    let head = read_at(file, range.start, 2048)?;
    let Some(header) = MpegHeader::parse(&head) else { return Ok(None) };
    let codec = ["mp1", "mp2", "mp3"][header.layer as usize - 1];
    let frames = mpeg_frames(file, range, &head, &header)?;
    let seconds = frames.map(|frames| frames as f64 / f64::from(header.rate));
    let tags = Tags { duration: seconds.map(Duration::from_secs_f64), ..Tags::default() };
    let channels = header.channels;
    Ok(Some(Scanned { codec: codec.into(), rate: header.rate, channels, bits: None, tags }))
}

/// Number of bytes in the middle of MPEG audio whose frames are compared with the first one.
const SAMPLE: usize = 16 * 1024;

/// Length of MPEG audio in frames, from the number of packets that its encoder noted, or from the bytes of the file if the
/// bitrate is constant. `None` if neither fits to the frames in the middle of the file.
fn mpeg_frames(
    file: &mut File,
    range: &Range<u64>,
    head: &[u8],
    first: &MpegHeader,
) -> std::io::Result<Option<u64>> {
    let bytes = range.end - range.start;
    let middle = read_at(file, range.start + bytes / 2, SAMPLE.min((bytes / 2) as usize))?;
    let frames = frames_in(&middle, first);
    let Some(longest) = frames.iter().max() else { return Ok(None) };
    let mean = f64::from(frames.iter().sum::<u32>()) / frames.len() as f64;
    let estimate = bytes as f64 / mean;
    if let Some(counted) = counted_packets(head, first) {
        let ratio = counted as f64 / estimate;
        let trimmed = trimmed_frames(head, first);
        let length = (counted * u64::from(first.frames)).saturating_sub(trimmed);
        // The bounds are wide, since the middle of a file with a variable bitrate may differ from the mean.
        return Ok((0.6..1.7).contains(&ratio).then_some(length).filter(|length| *length > 0));
    }
    // With a constant bitrate, frames differ by a padding byte at most.
    let shortest = frames.iter().min().unwrap_or(longest);
    let is_constant = longest - shortest <= 4 && first.bytes.abs_diff(*longest) <= 4;
    let length = first.kbit() as u64 * 1000;
    let by_bitrate = (u128::from(bytes) * 8 * u128::from(first.rate)).checked_div(u128::from(length));
    Ok(by_bitrate.filter(|_| is_constant).and_then(|frames| u64::try_from(frames).ok()))
}

/// Lengths in bytes of the frames in `bytes` that belong to the stream of `first`.
fn frames_in(bytes: &[u8], first: &MpegHeader) -> Vec<u32> {
    let frame = |at: usize| {
        bytes
            .get(at..)
            .and_then(MpegHeader::parse)
            .filter(|header| header.is_same_stream(first))
            .map(|header| header.bytes)
    };
    let is_start = |at: &usize| {
        let next = frame(*at).map(|length| at + length as usize);
        next.is_some_and(|next| frame(next).is_some())
    };
    let mut at = (0..bytes.len()).find(is_start);
    let lengths = std::iter::from_fn(|| {
        let length = frame(at?)?;
        at = at.map(|at| at + length as usize);
        Some(length)
    });
    lengths.collect()
}

/// The number of packets in the Xing, Info or VBRI tag of the first frame.
fn counted_packets(head: &[u8], first: &MpegHeader) -> Option<u64> {
    let number = |at: usize| head.get(at..)?.first_chunk().map(|word| u32::from_be_bytes(*word));
    let frame = head.get(..first.bytes as usize).unwrap_or(head);
    if head.get(36..40) == Some(b"VBRI") {
        return number(50).map(u64::from);
    }
    let at = first.encoder_tag_at(frame)?;
    (number(at + 4)? & 1 == 1).then(|| number(at + 8)).flatten().map(u64::from)
}

/// Encoder delay and padding in the LAME part of the first frame's tag: 12 bits each, 21 bytes behind the encoder's name.
fn trimmed_frames(head: &[u8], first: &MpegHeader) -> u64 {
    let Some(at) = first.encoder_tag_at(head) else { return 0 };
    let number = |at: usize| {
        head.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |word| u32::from_be_bytes(*word))
    };
    let flags = number(at + 4);
    let optional = 4 * (flags & 1) + 4 * (flags >> 1 & 1) + 100 * (flags >> 2 & 1) + 4 * (flags >> 3 & 1);
    let name = at + 8 + optional as usize;
    let is_gapless =
        head.get(name..).is_some_and(|rest| rest.starts_with(b"LAME") || rest.starts_with(b"Lav"));
    match head.get(name + 21..name + 24) {
        Some([a, b, c]) if is_gapless => {
            let delay = u64::from(*a) << 4 | u64::from(b >> 4);
            let padding = u64::from(b & 15) << 8 | u64::from(*c);
            delay + padding
        }
        _ => 0,
    }
}

/// Facts about any other container, which is opened as for playing.
fn scan_container(path: &Path, support: Support, range: &Range<u64>) -> Result<Scanned> {
    let Opened { track, params, codec, mut container } = link::open_container(path, support.id, range)?;
    let format = link::audio_format(path, &params)?;
    let is_fragmented = support.id == FORMAT_ID_ISOMP4
        && mp4::Outline::read(path, format.rate).is_ok_and(|outline| outline.is_fragmented);
    let by_frames = track.num_frames.map(|frames| frames as f64 / f64::from(format.rate));
    let by_header = || {
        let info = container.media_info();
        let time = info.time_base.zip(info.duration)?;
        Some(time.1.get() as f64 * f64::from(time.0.numer.get()) / f64::from(time.0.denom.get()))
    };
    let seconds = match support.id {
        FORMAT_ID_ADTS => None,
        FORMAT_ID_ISOMP4 if is_fragmented => None,
        _ => by_frames.or_else(by_header),
    };
    let seconds = seconds.filter(|seconds| (0.001..1e9).contains(seconds));
    let bits = match codecs::sample_type(&params, codec.is_lossy) {
        _ if codec.is_lossy => None,
        SampleType::S16 => Some(16),
        SampleType::S24 => Some(24),
        _ => Some(32),
    };
    let name = match container.format_info().short_name {
        "wave" => "wav",
        "aiff" => "aiff",
        "isomp4" => "mp4",
        _ => codec.name,
    };
    let mut tags = container.metadata().skip_to_latest().map_or_else(Tags::default, tags_of_matroska);
    tags.duration = seconds.map(Duration::from_secs_f64);
    Ok(Scanned { codec: name.into(), rate: format.rate, channels: format.channels, bits, tags })
}

/// Tags that Symphonia reads of Matroska. A name there has a target before it, as in `TRACK@ARTIST`. Programs that know no
/// targets give their tags none, which stands for `ALBUM`.
fn tags_of_matroska(revision: &MetadataRevision) -> Tags {
    let find = |target: &str, name: &str| {
        let is_wanted = |tag: &&Tag| match tag.raw.key.rsplit_once('@') {
            Some((found, key)) => found == target && key.eq_ignore_ascii_case(name),
            None => target.is_empty() && tag.raw.key.eq_ignore_ascii_case(name),
        };
        let tag = revision.media.tags.iter().find(is_wanted)?;
        clean(&tag.raw.value.to_string())
    };
    let of_track = |name| ["TRACK", "SONG", "", "ALBUM"].iter().find_map(|target| find(target, name));
    let artist = of_track("ARTIST");
    let number = track_number(&of_track("PART_NUMBER").unwrap_or_default());
    let album_artist = find("ALBUM", "ARTIST").filter(|_| find("TRACK", "ARTIST").is_some());
    let more = TrackTags {
        artists: artist.iter().cloned().collect(),
        album_artists: album_artist.into_iter().collect(),
        genres: of_track("GENRE").into_iter().collect(),
        date: of_track("DATE_RELEASED").or_else(|| of_track("DATE")).and_then(|text| date(&text)),
        side: number.side,
        track: number.track,
        track_total: number.total,
        ..TrackTags::default()
    };
    Tags {
        title: ["TRACK", "SONG", ""].iter().find_map(|target| find(target, "TITLE")),
        artist,
        album: of_track("ALBUM").or_else(|| find("ALBUM", "TITLE")),
        duration: None,
        more,
    }
}

/// Tags of a file on which the strict reader fails.
fn forgiving_tags(file: &mut File) -> std::io::Result<Tags> {
    let texts = Id3Texts::read(file)?;
    let number = track_number(&texts.track);
    let (disc, disc_total) = number_of_total(&texts.disc);
    let list = |text: &str| clean(text).into_iter().collect();
    let more = TrackTags {
        artists: list(&texts.artist),
        album_artists: list(&texts.album_artist),
        genres: list(&texts.genre),
        date: date(&texts.date),
        disc,
        disc_total,
        side: number.side,
        track: number.track,
        track_total: number.total,
        compilation: flag(&texts.compilation),
        ..TrackTags::default()
    };
    Ok(Tags {
        title: clean(&texts.title),
        artist: clean(&texts.artist),
        album: clean(&texts.album),
        duration: None,
        more,
    })
}
