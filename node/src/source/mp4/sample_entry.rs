//! The kind of a track's audio, by the name of its sample entry (ISO/IEC 14496-12, section 8.5.2).

use std::fs::File;

use super::{super::layout::read_at, boxes};

/// The kind of an MP4's audio, in words, if it is protected or a known codec that this node does not decode. `None` for any
/// other kind.
pub(in super::super) fn unsupported_kind(file: &mut File) -> Option<&'static str> {
    let found = boxes::find(file).ok()?;
    found.tracks.iter().filter(|track| track.is_audio).find_map(|track| {
        // The first entry's kind follows the version, the number of entries and the entry's size.
        let at = track.body(b"stsd")?.start + 12;
        Some(match read_at(file, at, 4).ok()?.as_slice() {
            b"drms" => "protected M4A (FairPlay)",
            b"enca" => "encrypted M4A",
            b"aavd" => "protected M4A (Audible)",
            b"ac-3" | b"sac3" => "AC-3 in MP4",
            b"ec-3" => "E-AC-3 in MP4",
            b"ac-4" => "AC-4 in MP4",
            b"dtsc" | b"dtsh" | b"dtsl" | b"dtse" => "DTS in MP4",
            b"mlpa" => "TrueHD in MP4",
            b"samr" | b"sawb" => "AMR in MP4",
            b"mha1" | b"mhm1" => "MPEG-H in MP4",
            _ => return None,
        })
    })
}
