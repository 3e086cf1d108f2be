//! Facts about a Matroska or WebM file that Symphonia does not report (RFC 9559): the title, and the audio that an encoder added
//! at both ends of a track.

use std::{fs::File, io::Result, ops::Range};

use super::read_buffer::ReadBuffer;

/// Size of one read, in bytes.
const READ: usize = 4096;
/// Greatest length of a title that is read, in bytes.
const MAX_TITLE: u64 = 4096;
/// Greatest depth of nested elements, which bounds the stack. The wanted elements lie 4 deep.
const MAX_DEPTH: u32 = 8;

const SEGMENT: u32 = 0x1853_8067;
const INFO: u32 = 0x1549_a966;
const TITLE: u32 = 0x7ba9;
const TRACKS: u32 = 0x1654_ae6b;
const TRACK_ENTRY: u32 = 0xae;
const TRACK_NUMBER: u32 = 0xd7;
const CODEC_DELAY: u32 = 0x56aa;
const CLUSTER: u32 = 0x1f43_b675;
const SIMPLE_BLOCK: u32 = 0xa3;
const BLOCK_GROUP: u32 = 0xa0;
const BLOCK: u32 = 0xa1;
const DISCARD_PADDING: u32 = 0x75a2;

/// Facts about a file and one of its tracks.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Outline {
    pub(super) title: Option<String>,
    /// Nanoseconds of audio before the track's first frame; `None` if the file does not tell.
    delay: Option<u64>,
    /// Nanoseconds of audio behind the track's last frame.
    padding: u64,
}

impl Outline {
    /// Reads the headers in `range` of `file`, and the last cluster for the end of the track with this number.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub(super) fn read(file: &mut File, range: &Range<u64>, track: u32) -> Result<Self> {
        let mut walk = ElementWalk::new(file, track);
        walk.visit(range.clone(), 0)?;
        if let Some(cluster) = walk.last_cluster.take() {
            walk.visit(cluster, 1)?;
        }
        Ok(walk.outline)
    }

    /// Reads the title from the headers before the first cluster.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub(super) fn read_title(file: &mut File, range: &Range<u64>) -> Result<Option<String>> {
        let mut walk = ElementWalk { is_headers_only: true, ..ElementWalk::new(file, 0) };
        walk.visit(range.clone(), 0)?;
        Ok(walk.outline.title)
    }

    /// Frames of `rate` Hz before the track's first frame; `None` if the file does not tell.
    pub(super) fn delay_frames(&self, rate: u32) -> Option<i64> {
        self.delay.map(|delay| frames(delay, rate))
    }

    /// Frames of `rate` Hz behind the track's last frame.
    pub(super) fn padding_frames(&self, rate: u32) -> i64 {
        frames(self.padding, rate)
    }
}

/// Converts nanoseconds to frames, rounded.
fn frames(nanos: u64, rate: u32) -> i64 {
    let frames = (u128::from(nanos) * u128::from(rate) + 500_000_000) / 1_000_000_000;
    i64::try_from(frames).unwrap_or(i64::MAX)
}

struct ElementWalk<'a> {
    file: &'a mut File,
    buffer: ReadBuffer,
    /// Number of the wanted track.
    track: u64,
    /// Number and delay of the track entry that is being read.
    entry: (u64, Option<u64>),
    /// The last cluster that tells its size.
    last_cluster: Option<Range<u64>>,
    /// True if the walk ends at the first cluster.
    is_headers_only: bool,
    has_ended: bool,
    outline: Outline,
}

/// An element of the file.
struct Element {
    id: u32,
    body: Range<u64>,
    /// False if the element does not tell its size. Its body then seems to end with its parent.
    is_sized: bool,
}

impl<'a> ElementWalk<'a> {
    fn new(file: &'a mut File, track: u32) -> Self {
        Self {
            file,
            buffer: ReadBuffer::new(READ),
            track: track.into(),
            entry: (0, None),
            last_cluster: None,
            is_headers_only: false,
            has_ended: false,
            outline: Outline::default(),
        }
    }

    /// Reads the elements in `range` and those in them, up to a damaged one.
    fn visit(&mut self, range: Range<u64>, depth: u32) -> Result<()> {
        let mut at = range.start;
        while at < range.end && !self.has_ended && depth < MAX_DEPTH {
            let Some(element) = self.element(at, range.end)? else { break };
            at = match element.id {
                // A live recording. The elements in it are read as if they stood beside it.
                CLUSTER if !element.is_sized => element.body.start,
                _ => element.body.end,
            };
            self.read_element(&element, depth)?;
        }
        Ok(())
    }

    fn read_element(&mut self, element: &Element, depth: u32) -> Result<()> {
        let Element { id, body, is_sized } = element;
        match *id {
            CLUSTER if self.is_headers_only => self.has_ended = true,
            CLUSTER => self.last_cluster = is_sized.then(|| body.clone()),
            SEGMENT | INFO | TRACKS => self.visit(body.clone(), depth + 1)?,
            TRACK_ENTRY => {
                self.entry = (0, None);
                self.visit(body.clone(), depth + 1)?;
                let (number, delay) = self.entry;
                if number == self.track {
                    self.outline.delay = delay;
                }
            }
            TRACK_NUMBER => self.entry.0 = self.number(body)?,
            CODEC_DELAY => self.entry.1 = Some(self.number(body)?),
            TITLE => {
                let bytes = (body.end - body.start).min(MAX_TITLE);
                let text = self.buffer.get_some(self.file, body.start, bytes as usize)?;
                self.outline.title = Some(String::from_utf8_lossy(text).trim_end_matches('\0').to_owned());
            }
            BLOCK_GROUP => self.block_group(body)?,
            SIMPLE_BLOCK if self.is_of_track(body.start)? => self.outline.padding = 0,
            _ => {}
        }
        Ok(())
    }

    /// Reads the padding of a block. Only that of the track's last block counts.
    fn block_group(&mut self, body: &Range<u64>) -> Result<()> {
        let mut at = body.start;
        let mut is_of_track = false;
        let mut padding = 0;
        while at < body.end {
            let Some(element) = self.element(at, body.end)? else { break };
            at = element.body.end;
            match element.id {
                BLOCK => is_of_track = self.is_of_track(element.body.start)?,
                DISCARD_PADDING => padding = self.number(&element.body)?,
                _ => {}
            }
        }
        if is_of_track {
            // A negative number is padding before the block.
            self.outline.padding = if padding >> 63 == 0 { padding } else { 0 };
        }
        Ok(())
    }

    /// True if the block at byte `at` belongs to the wanted track.
    fn is_of_track(&mut self, at: u64) -> Result<bool> {
        let head = self.buffer.get_some(self.file, at, 8)?;
        Ok(variable_number(head, 8).is_some_and(|(number, ..)| number == self.track))
    }

    /// The element at byte `at` of a parent that ends at `end`. `None` if it is damaged, or longer than the parent.
    fn element(&mut self, at: u64, end: u64) -> Result<Option<Element>> {
        let head = self.buffer.get_some(self.file, at, 12.min((end - at) as usize))?;
        let parse = || {
            let (id, id_bytes, _) = variable_number(head, 4)?;
            let (size, size_bytes, is_sized) = variable_number(head.get(id_bytes..)?, 8)?;
            // An id is written with its length mark.
            let id = u32::try_from(id).ok()? | 1 << (7 * id_bytes);
            let start = at + (id_bytes + size_bytes) as u64;
            let body_end = if is_sized { start.checked_add(size)? } else { end };
            (start <= body_end && body_end <= end).then_some(Element { id, body: start..body_end, is_sized })
        };
        Ok(parse())
    }

    /// A number of up to 8 bytes. A negative one has its highest bit set.
    fn number(&mut self, body: &Range<u64>) -> Result<u64> {
        let count = (body.end - body.start).min(8) as usize;
        let bytes = self.buffer.get_some(self.file, body.start, count)?;
        let sign = if bytes.first().is_some_and(|first| first >> 7 == 1) && count < 8 { u64::MAX } else { 0 };
        Ok(bytes.iter().fold(sign, |number, byte| number << 8 | u64::from(*byte)))
    }
}

/// The number of variable length at the beginning of `head`: its value, its length in bytes, and false if all its bits are 1,
/// which stands for an unknown size (RFC 8794, section 4).
fn variable_number(head: &[u8], longest: usize) -> Option<(u64, usize, bool)> {
    let first = *head.first()?;
    let count = first.leading_zeros() as usize + 1;
    if count > longest {
        return None;
    }
    let start = u64::from(first) & ((1 << (8 - count)) - 1);
    let value = head.get(1..count)?.iter().fold(start, |value, byte| value << 8 | u64::from(*byte));
    Some((value, count, value != (1 << (7 * count)) - 1))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;

    use super::*;

    fn element(id: u32, parts: &[&[u8]]) -> Vec<u8> {
        let body = parts.concat();
        let id = id.to_be_bytes();
        let id = &id[id.iter().position(|byte| *byte != 0).unwrap()..];
        [id, &(1 << 56 | body.len() as u64).to_be_bytes(), &body].concat()
    }

    fn unsized_element(id: u32, parts: &[&[u8]]) -> Vec<u8> {
        let mut bytes = element(id, parts);
        let size = if id > 0xff_ffff { 4..12 } else { 1..9 };
        bytes[size].copy_from_slice(&[1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
        bytes
    }

    fn outline(bytes: &[u8]) -> Outline {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        Outline::read(&mut file, &(0..bytes.len() as u64), 2).unwrap()
    }

    fn headers() -> [Vec<u8>; 2] {
        let entry = |number: u8, delay: &[u8]| {
            element(TRACK_ENTRY, &[&element(TRACK_NUMBER, &[&[number]]), &element(CODEC_DELAY, &[delay])])
        };
        let info = element(INFO, &[&element(TITLE, &[b"A song"])]);
        [info, element(TRACKS, &[&entry(1, &[1]), &entry(2, &[0x63, 0x2e, 0xa0])])]
    }

    /// A group with a block of this track.
    fn group(track: u8, padding: &[u8]) -> Vec<u8> {
        let block = element(BLOCK, &[&[0x80 | track, 0, 0, 0, 7, 7]]);
        element(BLOCK_GROUP, &[&block, &element(DISCARD_PADDING, &[padding])])
    }

    #[test]
    fn the_last_block_of_the_track_tells_the_padding() {
        let simple = element(SIMPLE_BLOCK, &[&[0x82, 0, 0, 0x80, 7]]);
        let padded = group(2, &[0x00, 0xf0, 0x00]);
        for (blocks, padding) in [
            (vec![&simple, &padded], 0xf000),
            (vec![&padded, &group(1, &[9])], 0xf000),
            (vec![&padded, &simple], 0),
            (vec![&group(2, &[0xff, 0xf0])], 0),
        ] {
            let blocks: Vec<_> = blocks.into_iter().map(Vec::as_slice).collect();
            for last in [element(CLUSTER, &blocks), unsized_element(CLUSTER, &blocks)] {
                let [info, tracks] = headers();
                let first = element(CLUSTER, &[&group(2, &[1])]);
                let segment = element(SEGMENT, &[&info, &tracks, &first, &last]);
                let found = outline(&segment);
                let expected = Outline { title: Some("A song".into()), delay: Some(6_500_000), padding };
                assert_eq!(found, expected);
                assert_eq!(found.delay_frames(48_000), Some(312));
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_bytes_have_an_outline(
            flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
            kept in any::<prop::sample::Index>(),
        ) {
            let [info, tracks] = headers();
            let cluster = unsized_element(CLUSTER, &[&group(2, &[5])]);
            let mut bytes = unsized_element(SEGMENT, &[&info, &tracks, &cluster]);
            for (at, value) in flips {
                let at = at.index(bytes.len());
                bytes[at] = value;
            }
            bytes.truncate(kept.index(bytes.len() + 1));
            outline(&bytes).delay_frames(u32::MAX);
        }
    }
}
