//! Stripped artwork in Ogg (RFC 3533) with Vorbis or Opus: a comment header of more than 16 KiB is replaced by
//! an empty one.

use std::{
    fs::File,
    io::{BufReader, Read, Result, Seek, SeekFrom},
    ops::Range,
};

use symphonia::core::{checksum::Crc32, io::Monitor};

use super::{
    head::{MAX_HEAD, SHORT, read_array, read_vec},
    spliced_file::Part,
};

/// Bytes of a page's header before the segment table.
const HEADER: usize = 27;
/// Greatest number of pages of a comment header that is removed. A longer one stays.
const MAX_PAGES: u32 = 16 * 1024;
const CONTINUED: u8 = 1;
const FIRST: u8 = 2;

/// A page's header and the sizes of its segments.
struct Page {
    header: [u8; HEADER],
    sizes: Vec<u8>,
}

impl Page {
    /// Reads the next page's header; `None` if no page begins here.
    fn read(file: &mut impl Read) -> Result<Option<Self>> {
        let header: [u8; HEADER] = read_array(file)?;
        if !header.starts_with(b"OggS\0") {
            return Ok(None);
        }
        Ok(Some(Self { header, sizes: read_vec(file, header[26].into())? }))
    }

    /// For each packet of the page: its number of bytes on the page, and true if it ends there.
    fn packets(&self) -> impl Iterator<Item = (u64, bool)> {
        let sum = |sizes: &[u8]| sizes.iter().map(|size| u64::from(*size)).sum();
        self.sizes
            .split_inclusive(|size| *size < 255)
            .map(move |sizes| (sum(sizes), sizes.last().is_some_and(|size| *size < 255)))
    }

    fn is_first(&self) -> bool {
        self.header[5] & FIRST != 0
    }

    fn number(&self) -> u32 {
        self.word(18)
    }

    fn serial(&self) -> u32 {
        self.word(14)
    }

    fn word(&self, at: usize) -> u32 {
        self.header[at..].first_chunk().map_or(0, |word| u32::from_le_bytes(*word))
    }

    /// The page with `body` and a correct checksum.
    fn bytes(&self, body: &[u8]) -> Vec<u8> {
        let mut page = [&self.header, &*self.sizes, body].concat();
        page[22..26].fill(0);
        let mut crc = Crc32::new(0);
        crc.process_buf_bytes(&page);
        page[22..26].copy_from_slice(&crc.crc().to_le_bytes());
        page
    }
}

/// Parts of the view on the container in `range`; `None` if the view is the container itself.
pub(super) fn parts(file: &mut File, range: &Range<u64>) -> Result<Option<Vec<Part>>> {
    file.seek(SeekFrom::Start(range.start))?;
    let mut reader = BufReader::new(&mut *file);
    let Some(first) = Page::read(&mut reader)? else { return Ok(None) };
    let identification = read_vec(&mut reader, first.packets().map(|(bytes, _)| bytes).sum())?;
    let empty: &[u8] = match &*identification {
        [1, b'v', b'o', b'r', b'b', b'i', b's', ..] => b"\x03vorbis\0\0\0\0\0\0\0\0\x01",
        [b'O', b'p', b'u', b's', b'H', b'e', b'a', b'd', ..] => b"OpusTags\0\0\0\0\0\0\0\0",
        _ => return Ok(None),
    };
    // In Vorbis, the codebooks follow the comments.
    let headers = if empty.starts_with(b"O") { 1 } else { 2 };
    let Some((setup, comments, last)) = headers_after(&mut reader, &first, headers)? else { return Ok(None) };
    let end = reader.stream_position()?;
    let packets = if headers == 1 { vec![empty] } else { vec![empty, &setup] };
    let pages = pages(&last, &packets);
    let is_room =
        last.number().checked_sub(first.number()).is_some_and(|room| pages.len() as u64 <= room.into());
    if comments <= SHORT || !is_room || end >= range.end {
        return Ok(None);
    }
    let head = [vec![first.bytes(&identification)], pages].concat().concat();
    Ok(Some(vec![Part::Bytes(head), Part::File(end..range.end)]))
}

/// Reads the `count` header packets behind the first page: the comments, and in Vorbis the setup. Returns the setup, the
/// length of the comments in bytes, and the page on which the headers end. `None` if they are damaged or do not end together
/// with a page.
fn headers_after(
    reader: &mut BufReader<&mut File>,
    first: &Page,
    count: usize,
) -> Result<Option<(Vec<u8>, u64, Page)>> {
    let mut ended = 0;
    let mut comments = 0;
    let mut setup = Vec::new();
    for _ in 0..MAX_PAGES {
        let Some(page) =
            Page::read(reader)?.filter(|page| page.serial() == first.serial() && !page.is_first())
        else {
            return Ok(None);
        };
        for (bytes, is_end) in page.packets() {
            match ended {
                0 => {
                    comments += bytes;
                    reader.seek_relative(bytes as i64)?;
                }
                _ if ended < count && setup.len() as u64 + bytes <= MAX_HEAD => {
                    setup.extend(read_vec(reader, bytes)?);
                }
                _ => return Ok(None),
            }
            ended += usize::from(is_end);
        }
        if ended == count {
            return Ok(Some((setup, comments, page)));
        }
    }
    Ok(None)
}

/// Pages that hold `packets`. The last of them gets the page number of `last`, so that the numbers behind it stay right.
fn pages(last: &Page, packets: &[&[u8]]) -> Vec<Vec<u8>> {
    let mut segments: Vec<&[u8]> = Vec::new();
    for packet in packets {
        segments.extend(packet.chunks(255));
        if packet.len().is_multiple_of(255) {
            segments.push(&[]);
        }
    }
    let page_count = segments.chunks(255).len() as u32;
    let mut is_continued = false;
    let page = |(place, segments): (usize, &[&[u8]])| {
        let mut header = last.header;
        header[5] = if is_continued { CONTINUED } else { 0 };
        // If all segments are full, no packet ends on the page, and its position is -1.
        let is_open = segments.iter().all(|segment| segment.len() == 255);
        header[6..14].fill(if is_open { 0xff } else { 0 });
        let number = last.number().wrapping_sub(page_count - 1 - place as u32);
        header[18..22].copy_from_slice(&number.to_le_bytes());
        header[26] = segments.len() as u8;
        is_continued = segments.last().is_some_and(|segment| segment.len() == 255);
        let sizes = segments.iter().map(|segment| segment.len() as u8).collect();
        Page { header, sizes }.bytes(&segments.concat())
    };
    segments.chunks(255).enumerate().map(page).collect()
}
