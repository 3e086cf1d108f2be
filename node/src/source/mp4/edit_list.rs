//! The part of an MP4's audio that is presented, from the edit list or from iTunes' gapless note.
//!
//! ISO/IEC 14496-12, sections 8.6.5 and 8.6.6. The gapless note, `iTunSMPB`, holds hexadecimal words. The second is the
//! delay, the third the padding and the fourth the length, all in frames.

use std::{fs::File, path::Path};

use super::{
    boxes::{self, Track},
    sample_tables::RunTable,
    track_description,
};

/// The part of a track that is presented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Edit {
    /// The first frame.
    start: i64,
    /// Number of frames; 0 for the rest of the track.
    frames: i64,
    /// Greatest rounding error of `frames`.
    tolerance: i64,
}

impl Edit {
    /// Start and end of the presented part of a track that ends at `end`, and at `table_end` according to its time table.
    pub(in super::super) fn apply(self, end: i64, table_end: Option<i64>) -> (i64, i64) {
        let edit_end = self.start.saturating_add(self.frames);
        let table_end = table_end.unwrap_or(end);
        let is_all = self.frames == 0 || edit_end.saturating_add(self.tolerance) >= table_end;
        (self.start, if is_all { end } else { edit_end.min(end) })
    }
}

/// Facts about the audio track that the boxes hold and Symphonia does not report.
#[derive(Debug)]
pub(in super::super) struct Outline {
    /// `None` if the whole track is presented, or if the edit list is damaged.
    pub(in super::super) edit: Option<Edit>,
    /// True if fragments may follow the headers. Then no header gives the length: `mdhd` covers only the part before the
    /// fragments, and `sidx` perhaps only the first fragment.
    pub(in super::super) is_fragmented: bool,
    /// The end of the track according to its time table, in frames. `None` with fragments.
    pub(in super::super) table_end: Option<i64>,
}

impl Outline {
    /// Reads the file at `path`. `rate` is that of the track.
    pub(in super::super) fn read(path: &Path, rate: u32) -> std::io::Result<Self> {
        let mut file = File::open(path)?;
        let found = boxes::find(&mut file)?;
        let track = match track_description::read(&mut file, &found) {
            Some((_, track)) => Some(track),
            None => found.tracks.iter().find(|track| track.is_audio),
        };
        let note = found.gapless_note.as_deref().and_then(from_gapless_note);
        let edit = note.or_else(|| from_edit_list(track?, found.movie_scale, rate));
        let table_end = match track {
            Some(track) if !found.is_fragmented => table_end(&mut file, track, rate),
            _ => None,
        };
        Ok(Self { edit, is_fragmented: found.is_fragmented, table_end })
    }
}

/// The end of a track according to its time table, in frames.
fn table_end(file: &mut File, track: &Track, rate: u32) -> Option<i64> {
    let times = RunTable::times(file, track.body(b"stts")?).ok()?;
    scaled(times.end().1.into(), rate, track.media_scale)
}

/// Converts ticks of `scale` Hz to frames.
fn scaled(ticks: i128, rate: u32, scale: u32) -> Option<i64> {
    i64::try_from((ticks * i128::from(rate)).checked_div(i128::from(scale))?).ok()
}

fn from_gapless_note(text: &str) -> Option<Edit> {
    let words = text.split_once("iTunSMPB")?.1.split_once("data")?.1;
    let mut words = words
        .split(|letter: char| !letter.is_ascii_hexdigit())
        .filter(|word| word.len() >= 8)
        .filter_map(|word| i64::from_str_radix(word, 16).ok());
    let (_, delay, _, frames) = (words.next()?, words.next()?, words.next()?, words.next()?);
    Some(Edit { start: delay, frames, tolerance: 0 }).filter(|edit| edit.frames > 0)
}

fn from_edit_list(track: &Track, movie_scale: u32, rate: u32) -> Option<Edit> {
    let (duration, start) = track.edit?;
    Some(Edit {
        start: scaled(start.into(), rate, track.media_scale)?,
        frames: scaled(duration.into(), rate, movie_scale)?,
        tolerance: i64::from(rate.checked_div(movie_scale)?) + 1,
    })
}

#[cfg(test)]
mod tests {
    use super::{
        super::tests::{boxed, movie_head, track, words},
        *,
    };

    fn parse(bytes: &[u8], rate: u32) -> Option<Edit> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.m4a");
        std::fs::write(&path, bytes).unwrap();
        Outline::read(&path, rate).unwrap().edit
    }

    fn movie(udta: &[u8]) -> Vec<u8> {
        let mvhd = boxed(b"mvhd", &[&words(&[0, 0, 0, 1000, 10_000])]);
        let elst = boxed(b"elst", &[&words(&[0, 2, 500, u32::MAX, 1 << 16, 2000, 1024, 1 << 16])]);
        let mdhd = boxed(b"mdhd", &[&words(&[0, 0, 0, 44_100, 90_000])]);
        let hdlr = boxed(b"hdlr", &[&words(&[0, 0]), b"soun"]);
        let mdia = boxed(b"mdia", &[&mdhd, &hdlr]);
        let trak = boxed(b"trak", &[&boxed(b"edts", &[&elst]), &mdia]);
        boxed(b"moov", &[&mvhd, &trak, udta])
    }

    #[test]
    fn an_edit_list_is_read_past_its_empty_entries() {
        let edit = parse(&movie(&[]), 44_100).unwrap();
        assert_eq!(edit, Edit { start: 1024, frames: 88_200, tolerance: 45 });
        // The duration is rounded to milliseconds. So an end less than 1 ms before the track's end counts as the track's end.
        assert_eq!(edit.apply(89_240, None), (1024, 89_240));
        assert_eq!(edit.apply(100_000, None), (1024, 89_224));
    }

    /// An `edts` box with these durations and starts.
    fn edits(entries: &[[u32; 2]]) -> Vec<u8> {
        let rows: Vec<_> =
            entries.iter().flat_map(|[duration, start]| [*duration, *start, 1 << 16]).collect();
        boxed(b"edts", &[&boxed(b"elst", &[&words(&[0, entries.len() as u32]), &words(&rows)])])
    }

    #[test]
    fn the_edit_is_that_of_the_track_to_play() {
        let unknown = track(1, b"what", 8000, &[], &edits(&[[800, 80]]));
        let known = track(2, b"sowt", 8000, &[], &edits(&[[1600, 160]]));
        let moov = boxed(b"moov", &[&movie_head(), &unknown, &known]);
        let edit = parse(&[boxed(b"ftyp", &[b"M4A \0\0\0\0"]), moov].concat(), 8000).unwrap();
        assert_eq!((edit.start, edit.frames), (160, 1600));
    }

    #[test]
    fn of_several_edits_all_from_the_first_on_is_presented() {
        for (entries, frames) in [
            (&[[5, u32::MAX], [1600, 160]][..], 1600),
            (&[[1600, 160], [5, u32::MAX]], 1600),
            (&[[5, u32::MAX], [1600, 160], [800, 4000]], 0),
        ] {
            let moov = boxed(b"moov", &[&movie_head(), &track(1, b"sowt", 8000, &[], &edits(entries))]);
            let edit = parse(&moov, 8000).unwrap();
            assert_eq!((edit.start, edit.frames), (160, frames), "{entries:?}");
        }
    }

    #[test]
    fn the_note_of_itunes_counts_more() {
        let text = b" 00000000 00000840 000001CA 00000000000186A0 00000000 00000000";
        let data = boxed(b"data", &[&words(&[1, 0]), text]);
        let name = boxed(b"name", &[&words(&[0]), b"iTunSMPB"]);
        let note = boxed(b"----", &[&name, &data]);
        let meta = boxed(b"meta", &[&words(&[0]), &boxed(b"ilst", &[&note])]);
        let edit = parse(&movie(&boxed(b"udta", &[&meta])), 44_100).unwrap();
        assert_eq!(edit.apply(110_000, None), (2112, 102_112));
    }

    /// A file that is cut anywhere gives the edit list of the whole file, or none.
    #[test]
    fn a_damaged_edit_list_is_ignored() {
        let whole = movie(&[]);
        let expected = parse(&whole, 44_100);
        assert!(expected.is_some());
        for cut in 0..whole.len() {
            let edit = parse(&whole[..cut], 44_100);
            assert!(edit.is_none() || edit == expected, "cut at {cut}: {edit:?}");
        }
        // 44,100 is the time scale of the media, 1000 that of the movie.
        for scale in [44_100_u32, 1000] {
            let mut damaged = whole.clone();
            let at = damaged.windows(4).position(|word| word == scale.to_be_bytes()).unwrap();
            damaged[at..at + 4].fill(0);
            assert_eq!(parse(&damaged, 44_100), None, "0 in place of {scale}");
        }
        assert_eq!(parse(b"", 44_100), None);
        assert_eq!(parse(&[0xFF; 64], 44_100), None);
    }

    #[test]
    fn boxes_within_boxes_take_little_of_the_stack() {
        let nested = (0..4000).fold(Vec::new(), |inner, _| boxed(b"udta", &[&inner]));
        let deep = std::thread::Builder::new().stack_size(256 * 1024);
        let parsed = deep.spawn(move || parse(&[movie(&[]), nested].concat(), 44_100)).unwrap().join();
        assert!(parsed.unwrap().is_some());
    }
}
