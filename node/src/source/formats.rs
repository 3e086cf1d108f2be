//! The file formats and codecs that the node knows: one row each.
//!
//! A new format or codec is a new row here, plus a Symphonia feature or a reader of its own.

use std::path::Path;

use symphonia::core::{
    codecs::audio::{AudioCodecId, well_known::*},
    formats::{FormatId, well_known::*},
};

/// A file format that the node plays.
#[derive(Debug)]
pub(super) struct Format {
    /// Name for people.
    #[cfg_attr(not(test), expect(dead_code, reason = "errors will name the format"))]
    pub(super) name: &'static str,
    /// Endings of file names, in lower case, without the dot.
    pub(super) endings: &'static [&'static str],
    /// Patterns of which one stands at the beginning of such a file, behind any tags.
    #[cfg_attr(not(test), expect(dead_code, reason = "the probe will use it"))]
    magic: &'static [Magic],
    /// Symphonia's name for the container.
    id: FormatId,
    /// Reliability of the length that the headers claim.
    pub(super) length: Length,
}

/// Bytes at their offsets, all of which must match.
type Magic = &'static [(usize, &'static [u8])];

/// Reliability of a length in a file's headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Length {
    /// Headers give the exact length.
    Exact,
    /// The length is exact if the encoder also noted its delay. Otherwise it is an estimate from the bitrate.
    ExactWithDelay,
    /// No header gives the length.
    Unknown,
}

/// All formats, in the order in which they are tested.
pub(super) const FORMATS: &[Format] = &[
    Format {
        name: "FLAC",
        endings: &["flac"],
        magic: &[&[(0, b"fLaC")]],
        id: FORMAT_ID_FLAC,
        length: Length::Exact,
    },
    Format {
        name: "Ogg",
        endings: &["oga", "ogg", "opus"],
        magic: &[&[(0, b"OggS")]],
        id: FORMAT_ID_OGG,
        length: Length::Exact,
    },
    Format {
        name: "M4A",
        endings: &["m4a", "m4b", "mp4"],
        magic: &[&[(4, b"ftyp")]],
        id: FORMAT_ID_ISOMP4,
        length: Length::Exact,
    },
    Format {
        name: "WAV",
        endings: &["wav", "wave"],
        magic: &[&[(0, b"RIFF"), (8, b"WAVE")]],
        id: FORMAT_ID_WAVE,
        length: Length::Exact,
    },
    Format {
        name: "AIFF",
        endings: &["aif", "aifc", "aiff"],
        magic: &[&[(0, b"FORM"), (8, b"AIFF")], &[(0, b"FORM"), (8, b"AIFC")]],
        id: FORMAT_ID_AIFF,
        length: Length::Exact,
    },
    Format {
        name: "AAC",
        endings: &["aac"],
        magic: &[&[(0, &[0xff, 0xf1])], &[(0, &[0xff, 0xf9])]],
        id: FORMAT_ID_ADTS,
        length: Length::Unknown,
    },
    Format {
        name: "MP3",
        endings: &["mp3"],
        magic: &[&[(0, &[0xff, 0xfb])], &[(0, &[0xff, 0xf3])], &[(0, &[0xff, 0xe3])]],
        id: FORMAT_ID_MP3,
        length: Length::ExactWithDelay,
    },
];

/// The row of the container that Symphonia calls `id`.
pub(super) fn by_id(id: FormatId) -> Option<&'static Format> {
    FORMATS.iter().find(|format| format.id == id)
}

/// The row whose pattern `head`, the first bytes of a file behind its tags, matches.
#[cfg(test)]
pub(super) fn by_magic(head: &[u8]) -> Option<&'static Format> {
    let matches = |magic: &Magic| {
        magic.iter().all(|(at, bytes)| head.get(*at..).is_some_and(|rest| rest.starts_with(bytes)))
    };
    FORMATS.iter().find(|format| format.magic.iter().any(matches))
}

/// Endings of the names of audio files, in lower case and without the dot.
pub fn endings() -> impl Iterator<Item = &'static str> {
    FORMATS.iter().flat_map(|format| format.endings).copied()
}

/// True if the ending of `path` is one of [`endings`], in any case. Does not touch the disk.
#[must_use]
pub fn is_audio(path: &Path) -> bool {
    let ending = path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    endings().any(|known| known == ending)
}

/// A codec that the node decodes.
#[derive(Debug)]
pub(super) struct Codec {
    /// Name in the list of tracks.
    pub(super) name: &'static str,
    /// Symphonia's names.
    ids: &'static [AudioCodecId],
    /// True if the codec loses anything.
    pub(super) is_lossy: bool,
    /// True if a decoder that started [`Codec::pre_roll`] frames earlier returns exactly the frames of one that started
    /// at the beginning. If not, a seek restarts the decoder even at the current position, so that the frames after a
    /// seek depend on the position alone.
    pub(super) converges: bool,
    /// True if a decoder keeps state over a reset, so that only a new one starts afresh.
    pub(super) needs_new_decoder: bool,
    /// Frames to decode and drop before the first wanted one, at this rate.
    pre_roll: fn(u32) -> u32,
}

impl Codec {
    /// Frames of `rate` Hz to decode and drop before the first wanted one.
    pub(super) fn pre_roll(&self, rate: u32) -> u32 {
        (self.pre_roll)(rate)
    }
}

/// A lossless codec whose packets do not depend on each other.
const INDEPENDENT: Codec =
    Codec { name: "", ids: &[], is_lossy: false, converges: true, needs_new_decoder: false, pre_roll: |_| 0 };

const CODECS: &[Codec] = &[
    Codec {
        name: "pcm",
        ids: &[
            CODEC_ID_PCM_S8,
            CODEC_ID_PCM_S16LE,
            CODEC_ID_PCM_S16BE,
            CODEC_ID_PCM_S24LE,
            CODEC_ID_PCM_S24BE,
            CODEC_ID_PCM_S32LE,
            CODEC_ID_PCM_S32BE,
            CODEC_ID_PCM_U8,
            CODEC_ID_PCM_U16LE,
            CODEC_ID_PCM_U16BE,
            CODEC_ID_PCM_U24LE,
            CODEC_ID_PCM_U24BE,
            CODEC_ID_PCM_U32LE,
            CODEC_ID_PCM_U32BE,
            CODEC_ID_PCM_F32LE,
            CODEC_ID_PCM_F32BE,
            CODEC_ID_PCM_F64LE,
            CODEC_ID_PCM_F64BE,
        ],
        ..INDEPENDENT
    },
    Codec { name: "alaw", ids: &[CODEC_ID_PCM_ALAW], is_lossy: true, ..INDEPENDENT },
    Codec { name: "mulaw", ids: &[CODEC_ID_PCM_MULAW], is_lossy: true, ..INDEPENDENT },
    Codec { name: "flac", ids: &[CODEC_ID_FLAC], ..INDEPENDENT },
    Codec { name: "alac", ids: &[CODEC_ID_ALAC], ..INDEPENDENT },
    Codec { name: "mp3", ids: &[CODEC_ID_MP3], is_lossy: true, pre_roll: mp3_pre_roll, ..INDEPENDENT },
    Codec {
        name: "vorbis",
        ids: &[CODEC_ID_VORBIS],
        is_lossy: true,
        // The window of a long block, 8192 at most, overlaps one packet.
        pre_roll: |_| 8192,
        ..INDEPENDENT
    },
    Codec {
        name: "aac",
        ids: &[CODEC_ID_AAC],
        is_lossy: true,
        converges: false,
        // Noise substitution draws from a generator that runs on from packet to packet and that survives a reset.
        needs_new_decoder: true,
        // The window overlaps one packet of 1024.
        pre_roll: |_| 4096,
    },
    Codec {
        name: "opus",
        ids: &[CODEC_ID_OPUS],
        is_lossy: true,
        converges: false,
        // Opus predicts from all earlier packets, ever more faintly. The error was 59 dB below music of 128 kbit/s after
        // 200 ms, 134 dB after 500 ms, and none after 1 s (measured; bounded by the test
        // `restarted_codecs_come_close_to_reading_through`). RFC 7845, section 4.6, asks for 80 ms at least.
        pre_roll: |_| 48_000,
        ..INDEPENDENT
    },
];

/// The row of the codec that Symphonia calls `id`; `None` for a codec that the node does not decode.
pub(super) fn codec(id: AudioCodecId) -> Option<&'static Codec> {
    CODECS.iter().find(|codec| codec.ids.contains(&id))
}

/// The main data of an MP3 frame may begin 511 bytes (MPEG-1) or 255 bytes (MPEG-2) earlier, in frames with at least 58
/// bytes (32 kbit/s at 48 kHz) or 5 bytes (8 kbit/s at 24 kHz) of it. Three more frames fill the overlap of the
/// transform and the filter bank. Test: `seeks_are_exact_where_mp3_frames_are_smallest`.
fn mp3_pre_roll(rate: u32) -> u32 {
    if rate >= 32_000 { 12 * 1152 } else { 54 * 576 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_first_bytes_tell_the_format() {
        assert!(is_audio(Path::new("a/b.FLAC")) && is_audio(Path::new("b.m4b")));
        assert!(!is_audio(Path::new("flac")) && !is_audio(Path::new("a.txt")));
        for (head, name) in [
            (&b"fLaC\0"[..], Some("FLAC")),
            (b"RIFF\0\0\0\0WAVEfmt ", Some("WAV")),
            (b"RIFF\0\0\0\0AVI ", None),
            (b"\0\0\0\x1cftypM4A ", Some("M4A")),
            (b"\xff\xfb\x90\x64", Some("MP3")),
            (b"", None),
        ] {
            assert_eq!(by_magic(head).map(|format| format.name), name, "{head:?}");
        }
    }

    #[test]
    fn a_codec_without_a_row_is_unknown() {
        assert_eq!(codec(CODEC_ID_PCM_S24BE).map(|codec| codec.name), Some("pcm"));
        assert!(codec(CODEC_ID_WMA).is_none() && codec(CODEC_ID_PCM_S16LE_PLANAR).is_none());
    }
}
