//! A view of a container without the artwork in it.
//!
//! Symphonia reads every picture when it opens a file, and keeps it until the reader is dropped. Each listener, and each idle
//! reader, would hold a copy. So the view replaces a long head by a short one that describes the audio in the same way. The
//! bytes of audio stay the same. A damaged head stays as it is, and Symphonia reports the damage. MP4 without fragments, WAV
//! and AIFF have readers of their own, which skip artwork.

mod flac;
mod head;
mod ogg;
mod spliced_file;

use std::{
    fs::File,
    io::{ErrorKind, Result, Seek, SeekFrom},
    ops::Range,
};

use symphonia::core::io::{MediaSourceStream, MediaSourceStreamOptions};

use head::read_array;
use spliced_file::Part;
pub(super) use spliced_file::SplicedFile;

/// Wraps the view on the container in `range` of `file` as a stream for Symphonia's readers.
///
/// # Errors
/// If the file cannot be read.
pub(super) fn stream(mut file: File, range: &Range<u64>) -> Result<MediaSourceStream<'static>> {
    let parts = match parts(&mut file, range) {
        Err(error) if error.kind() != ErrorKind::UnexpectedEof => return Err(error),
        // The head is cut off. Symphonia reports that.
        parts => parts.ok().flatten(),
    };
    let parts = parts.unwrap_or_else(|| vec![Part::File(range.clone())]);
    let spliced = Box::new(SplicedFile::new(file, parts));
    Ok(MediaSourceStream::new(spliced, MediaSourceStreamOptions::default()))
}

/// The bytes `range` of `file` as a file of their own.
pub(super) fn part_of_file(file: File, range: &Range<u64>) -> SplicedFile {
    SplicedFile::new(file, vec![Part::File(range.clone())])
}

/// The parts of the view on the container in `range`; `None` if the view is the container itself.
fn parts(file: &mut File, range: &Range<u64>) -> Result<Option<Vec<Part>>> {
    file.seek(SeekFrom::Start(range.start))?;
    match &read_array(file)? {
        b"fLaC" => flac::parts(file, range),
        b"OggS" => ogg::parts(file, range),
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    /// The view on a file of these `bytes`.
    fn view(bytes: &[u8]) -> Vec<u8> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        let mut read = Vec::new();
        stream(file, &(0..bytes.len() as u64)).unwrap().read_to_end(&mut read).unwrap();
        read
    }

    fn flac() -> (Vec<u8>, Vec<u8>) {
        let (info, cover) = ([[0, 0, 0, 34].as_slice(), &[7; 34]].concat(), [5; 20_000]);
        let before = [b"fLaC", &*info, &[0x86, 0, 0x4e, 0x20], &cover, b"sound"].concat();
        let after = [b"fLaC\x80".as_slice(), &info[1..], b"sound"].concat();
        (before, after)
    }

    #[test]
    fn a_flac_loses_its_picture_and_keeps_its_last_block_marked() {
        let (before, after) = flac();
        assert_eq!(view(&before), after);
    }

    /// If a file is cut within its head, the view equals the file. If the head is damaged, the view is no longer than the file
    /// and has the same last bytes.
    #[test]
    fn a_cut_or_damaged_head_is_left_alone_or_read_in_bounds() {
        let ogg =
            [b"OggS\0\x02".as_slice(), &[0; 20], b"\x01\x08OpusHeadOggS\0\0", &[0; 20], &[255; 255]].concat();
        for whole in [flac().0, ogg] {
            for length in (0..whole.len()).filter(|it| *it < 100 || it % 977 == 0) {
                assert!(view(&whole[..length]) == whole[..length], "cut at {length}");
            }
            for place in 0..whole.len().min(120) {
                let mut damaged = whole.clone();
                damaged[place] ^= 0xff;
                let view = view(&damaged);
                assert!(
                    view.len() <= damaged.len() && damaged.ends_with(&view[view.len().saturating_sub(4)..])
                );
            }
        }
    }
}
