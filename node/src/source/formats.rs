//! The file formats and codecs that the node knows: one row each.
//!
//! A new format or codec is a new row here, plus a Symphonia feature or a reader of its own.

use std::path::Path;

use symphonia::core::{
    codecs::audio::{AudioCodecId, well_known::*},
    formats::{FormatId, well_known::*},
};

/// A file format that the node recognises.
#[derive(Debug)]
pub struct Format {
    /// Name for people.
    pub name: &'static str,
    /// Endings of file names, in lower case, without the dot.
    pub endings: &'static [&'static str],
    /// Patterns of which one stands at the beginning of such a file, behind any tags. Empty for formats that begin with
    /// a frame of audio.
    magic: &'static [Magic],
    /// Facts that the node needs to read the format; `None` if it does not play it.
    pub(super) support: Option<Support>,
}

/// Bytes at their offsets, all of which must match.
type Magic = &'static [(usize, &'static [u8])];

/// Facts that the node needs to read a format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Support {
    /// Symphonia's name for the container.
    pub(super) id: FormatId,
    /// Reliability of the length that the headers claim.
    pub(super) length: Length,
    /// True if tags may follow the audio. The node does not read them as audio.
    pub(super) has_trailing_tags: bool,
}

/// Reliability of a length in a file's headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Length {
    /// Headers give the exact length.
    Exact,
    /// The length is exact if the encoder also noted its delay, and if the file has as many packets as its header says.
    Counted,
    /// No header gives a reliable length.
    Unknown,
}

const fn plays(id: FormatId, length: Length, has_trailing_tags: bool) -> Option<Support> {
    Some(Support { id, length, has_trailing_tags })
}

const fn unsupported(
    name: &'static str,
    endings: &'static [&'static str],
    magic: &'static [Magic],
) -> Format {
    Format { name, endings, magic, support: None }
}

/// All formats, in the order in which they are tested.
const FORMATS: &[Format] = &[
    Format {
        name: "FLAC",
        endings: &["flac"],
        magic: &[&[(0, b"fLaC")]],
        support: plays(FORMAT_ID_FLAC, Length::Exact, true),
    },
    unsupported("Speex", &["spx"], &[&[(0, b"OggS"), (28, b"Speex   ")]]),
    Format {
        name: "Ogg",
        endings: &["oga", "ogg", "opus"],
        magic: &[&[(0, b"OggS")]],
        support: plays(FORMAT_ID_OGG, Length::Exact, true),
    },
    Format {
        name: "M4A",
        endings: &["m4a", "m4b", "mp4"],
        magic: &[&[(4, b"ftyp")]],
        support: plays(FORMAT_ID_ISOMP4, Length::Exact, false),
    },
    Format {
        name: "WAV",
        endings: &["bwf", "rf64", "wav", "wave"],
        magic: &[&[(0, b"RIFF"), (8, b"WAVE")], &[(0, b"RF64"), (8, b"WAVE")], &[(0, b"BW64"), (8, b"WAVE")]],
        support: plays(FORMAT_ID_WAVE, Length::Exact, false),
    },
    Format {
        name: "AIFF",
        endings: &["aif", "aifc", "aiff"],
        magic: &[&[(0, b"FORM"), (8, b"AIFF")], &[(0, b"FORM"), (8, b"AIFC")]],
        support: plays(FORMAT_ID_AIFF, Length::Exact, false),
    },
    Format {
        name: "Matroska",
        endings: &["mka", "weba", "webm"],
        magic: &[&[(0, &[0x1a, 0x45, 0xdf, 0xa3])]],
        support: plays(FORMAT_ID_MKV, Length::Unknown, false),
    },
    Format {
        name: "CAF",
        endings: &["caf"],
        magic: &[&[(0, b"caff")]],
        support: plays(FORMAT_ID_CAF, Length::Exact, false),
    },
    unsupported("WMA", &["wma"], &[&[(0, &[0x30, 0x26, 0xb2, 0x75, 0x8e, 0x66, 0xcf, 0x11])]]),
    unsupported("WavPack", &["wv"], &[&[(0, b"wvpk")]]),
    unsupported("Monkey's Audio", &["ape"], &[&[(0, b"MAC ")], &[(0, b"MACF")]]),
    unsupported("DSD", &["dff", "dsf"], &[&[(0, b"DSD ")], &[(0, b"FRM8"), (12, b"DSD ")]]),
    unsupported("TTA", &["tta"], &[&[(0, b"TTA1")], &[(0, b"TTA2")]]),
    unsupported("AU", &["au", "snd"], &[&[(0, b".snd")]]),
    unsupported("Wave64", &["w64"], &[&[(0, b"riff"), (4, &[0x2e, 0x91, 0xcf, 0x11])]]),
    unsupported("Musepack", &["mpc"], &[&[(0, b"MPCK")], &[(0, b"MP+")]]),
    unsupported("OptimFROG", &["ofr"], &[&[(0, b"OFR ")]]),
    unsupported("TAK", &["tak"], &[&[(0, b"tBaK")]]),
    unsupported("Shorten", &["shn"], &[&[(0, b"ajkg")]]),
    unsupported("AC-3", &["ac3", "eac3"], &[&[(0, &[0x0b, 0x77])]]),
    unsupported("DTS", &["dts"], &[&[(0, &[0x7f, 0xfe, 0x80, 0x01])], &[(0, &[0xfe, 0x7f, 0x01, 0x80])]]),
    unsupported("RealAudio", &["ra", "rm"], &[&[(0, b".RMF")], &[(0, b".ra\xfd")]]),
    unsupported("AMR", &["amr", "awb"], &[&[(0, b"#!AMR")]]),
    unsupported("ATRAC", &["aa3", "oma"], &[&[(0, b"EA3")], &[(0, b"ea3")]]),
    unsupported("Audible", &["aa", "aax", "aaxc"], &[&[(4, &[0x57, 0x90, 0x75, 0x36])]]),
    unsupported("AAC in ADIF", &[], &[&[(0, b"ADIF")]]),
    unsupported("Creative Voice", &["voc"], &[&[(0, b"Creative Voice File")]]),
    unsupported("MIDI", &["mid", "midi"], &[&[(0, b"MThd")]]),
    unsupported("AVI", &[], &[&[(0, b"RIFF"), (8, b"AVI ")]]),
    unsupported("MPEG program stream", &[], &[&[(0, &[0, 0, 1, 0xba])]]),
    AAC,
    MPEG,
];

/// AAC in ADTS, which begins with a frame of audio.
pub(super) const AAC: Format = Format {
    name: "AAC",
    endings: &["aac"],
    magic: &[],
    support: plays(FORMAT_ID_ADTS, Length::Unknown, true),
};

/// MPEG audio of layers I to III, which begins with a frame of audio.
pub(super) const MPEG: Format = Format {
    name: "MP3",
    endings: &["mp1", "mp2", "mp3", "mpga"],
    magic: &[],
    support: plays(FORMAT_ID_MP3, Length::Counted, true),
};

/// Bytes at the beginning of a file that [`by_magic`] needs.
pub(super) const MAGIC_BYTES: usize = 64;

/// The row whose pattern `head`, the first bytes of a file behind its tags, matches.
pub(super) fn by_magic(head: &[u8]) -> Option<&'static Format> {
    let matches = |magic: &Magic| {
        magic.iter().all(|(at, bytes)| head.get(*at..).is_some_and(|rest| rest.starts_with(bytes)))
    };
    FORMATS.iter().find(|format| format.magic.iter().any(matches))
}

/// The row that has the ending of `path`, in any case. Does not touch the disk.
#[must_use]
pub fn by_ending(path: &Path) -> Option<&'static Format> {
    let ending = path.extension()?.to_string_lossy().to_ascii_lowercase();
    FORMATS.iter().find(|format| format.endings.contains(&ending.as_str()))
}

/// Endings of the names of files that the node plays, in lower case and without the dot.
pub fn endings() -> impl Iterator<Item = &'static str> {
    FORMATS.iter().filter(|format| format.plays()).flat_map(|format| format.endings).copied()
}

/// True if the ending of `path` is one of [`endings`], in any case. Does not touch the disk.
#[must_use]
pub fn is_audio(path: &Path) -> bool {
    by_ending(path).is_some_and(Format::plays)
}

impl Format {
    /// True if the node plays files of this format.
    #[must_use]
    pub fn plays(&self) -> bool {
        self.support.is_some()
    }
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
    /// True if a reset does not clear all state of the decoder, so that a restart needs a new decoder.
    pub(super) needs_new_decoder: bool,
    /// True if the number of channels may change from packet to packet. The node then makes a new decoder at each change.
    pub(super) may_change_channels: bool,
    /// True if the decoder returns frames for the first packet that come before those of the packet, since it has nothing to
    /// overlap them with.
    pub(super) has_long_start: bool,
    /// Frames to decode and drop before the first wanted one, at this rate.
    pre_roll: fn(u32) -> u32,
}

impl Codec {
    /// Frames of `rate` Hz to decode and drop before the first wanted one.
    pub(super) fn pre_roll(&self, rate: u32) -> u32 {
        (self.pre_roll)(rate)
    }
}

/// Template for the rows of [`CODECS`]: a lossless codec whose packets do not depend on each other.
const INDEPENDENT: Codec = Codec {
    name: "",
    ids: &[],
    is_lossy: false,
    converges: true,
    needs_new_decoder: false,
    may_change_channels: false,
    has_long_start: false,
    pre_roll: |_| 0,
};

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
    Codec {
        name: "mp3",
        ids: &[CODEC_ID_MP3],
        is_lossy: true,
        may_change_channels: true,
        pre_roll: mp3_pre_roll,
        ..INDEPENDENT
    },
    Codec {
        name: "mp2",
        ids: &[CODEC_ID_MP2],
        is_lossy: true,
        may_change_channels: true,
        // The filter bank overlaps one frame of 1152.
        pre_roll: |_| 3 * 1152,
        ..INDEPENDENT
    },
    Codec {
        name: "mp1",
        ids: &[CODEC_ID_MP1],
        is_lossy: true,
        may_change_channels: true,
        // The filter bank overlaps two frames of 384.
        pre_roll: |_| 5 * 384,
        ..INDEPENDENT
    },
    Codec {
        name: "adpcm",
        ids: &[CODEC_ID_ADPCM_MS, CODEC_ID_ADPCM_IMA_WAV, CODEC_ID_ADPCM_IMA_QT],
        is_lossy: true,
        ..INDEPENDENT
    },
    Codec {
        name: "vorbis",
        ids: &[CODEC_ID_VORBIS],
        is_lossy: true,
        has_long_start: true,
        // The window of a long block, 8192 at most, overlaps one packet.
        pre_roll: |_| 8192,
        ..INDEPENDENT
    },
    Codec {
        name: "aac",
        ids: &[CODEC_ID_AAC],
        is_lossy: true,
        converges: false,
        // The random generator for noise substitution continues from packet to packet, and a reset does not restart it.
        needs_new_decoder: true,
        // The window overlaps one packet of 1024.
        pre_roll: |_| 4096,
        ..INDEPENDENT
    },
    Codec {
        name: "opus",
        ids: &[CODEC_ID_OPUS],
        is_lossy: true,
        converges: false,
        // Opus predicts from all earlier packets, ever more faintly. The error was 59 dB below music of 128 kbit/s after
        // 200 ms, 134 dB after 500 ms, and none after 1 s (measured). RFC 7845, section 4.6, asks for 80 ms at least. Tested
        // by `restarted_codecs_come_close_to_reading_through`.
        pre_roll: |_| 48_000,
        ..INDEPENDENT
    },
];

/// The row of the codec that Symphonia calls `id`; `None` for a codec that the node does not decode.
pub(super) fn codec(id: AudioCodecId) -> Option<&'static Codec> {
    CODECS.iter().find(|codec| codec.ids.contains(&id))
}

/// Frames to decode before the first wanted one in an MP3. The main data of an MP3 frame may begin up to 511 bytes (MPEG-1) or
/// 255 bytes (MPEG-2) earlier, in the MP3 frames before it. The smallest of these hold 58 bytes of main data (32 kbit/s at
/// 48 kHz) or 5 bytes (8 kbit/s at 24 kHz). Three more fill the overlap of the transform and the filter bank.
/// Tested by `seeks_are_exact_where_mp3_frames_are_smallest`.
fn mp3_pre_roll(rate: u32) -> u32 {
    if rate >= 32_000 { 12 * 1152 } else { 54 * 576 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_first_bytes_tell_the_format() {
        assert!(is_audio(Path::new("a/b.FLAC")) && is_audio(Path::new("b.m4b")));
        assert!(
            !is_audio(Path::new("flac")) && !is_audio(Path::new("a.txt")) && !is_audio(Path::new("a.wma"))
        );
        assert_eq!(by_ending(Path::new("a.WMA")).map(|format| format.name), Some("WMA"));
        for (head, name) in [
            (&b"fLaC\0"[..], Some("FLAC")),
            (b"RIFF\0\0\0\0WAVEfmt ", Some("WAV")),
            (b"RF64\xff\xff\xff\xffWAVEds64", Some("WAV")),
            (b"RIFF\0\0\0\0AVI ", Some("AVI")),
            (b"\0\0\0\x1cftypM4A ", Some("M4A")),
            (b"wvpk", Some("WavPack")),
            (b"\xff\xfb\x90\x64", None),
            (b"", None),
        ] {
            assert_eq!(by_magic(head).map(|format| format.name), name, "{head:?}");
        }
    }

    #[test]
    fn patterns_fit_into_the_bytes_that_are_read() {
        for format in FORMATS {
            let longest =
                format.magic.iter().flat_map(|magic| *magic).map(|(at, bytes)| at + bytes.len()).max();
            assert!(longest.unwrap_or(0) <= MAGIC_BYTES, "{}", format.name);
        }
    }

    #[test]
    fn a_codec_without_a_row_is_unknown() {
        assert_eq!(codec(CODEC_ID_PCM_S24BE).map(|codec| codec.name), Some("pcm"));
        assert!(codec(CODEC_ID_WMA).is_none() && codec(CODEC_ID_PCM_S16LE_PLANAR).is_none());
    }
}
