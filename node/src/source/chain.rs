//! The links of a chained file: Ogg streams that follow each other (RFC 3533, section 4), joined MP3s, and MP3s whose rate
//! changes. Each link is a container of its own.

use std::{fs::File, io::Result, ops::Range};

use symphonia::core::formats::well_known::{FORMAT_ID_ADTS, FORMAT_ID_MP3, FORMAT_ID_OGG};

use super::{
    adts::AdtsWalk,
    layout::{Layout, read_at, tag_bytes},
    mpeg_header::{MPEG_HEAD, MpegHeader},
    read_buffer::ReadBuffer,
};

/// Greatest number of links in a file. The last of them takes in all that follow.
const MAX_LINKS: usize = 4096;
/// Size of one read, in bytes.
const READ: usize = 256 * 1024;
/// Largest Ogg file, in bytes, of which the node always visits all pages. In a larger one it visits them only if
/// [`is_chained`] is true.
const MAX_PAGE_WALK: u64 = 64 << 20;
/// Packets that count as lost in one link at most: 26 s. More damaged bytes than those are hardly audio.
const MAX_LOST_PACKETS: u64 = 1000;
/// Gaps of one link at most. Later damage is left out.
const MAX_GAPS: usize = 4096;
/// Bytes of a page's header before the segment table.
const PAGE_HEADER: usize = 27;
/// Bytes of the longest page.
const MAX_PAGE: u64 = 65_307;

/// A link: a part of the file, and facts about its packets if they were counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LinkRange {
    pub(super) range: Range<u64>,
    pub(super) packets: Option<u64>,
    /// Byte position of the first packet.
    pub(super) first_packet: u64,
    /// Bytes of a packet that its reader does not return: the header of ADTS.
    pub(super) packet_overhead: u64,
    /// Damaged bytes between packets, in order.
    pub(super) gaps: Vec<Gap>,
}

/// Bytes between two packets that are neither packets nor tags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Gap {
    pub(super) bytes: Range<u64>,
    /// Number of packets that were there, by their mean length.
    pub(super) packets: u64,
}

impl LinkRange {
    /// A link whose packets were not counted.
    fn uncounted(range: Range<u64>) -> Self {
        Self { first_packet: range.start, packet_overhead: 0, range, packets: None, gaps: Vec::new() }
    }
}

/// Finds the links of `file`. Visits all pages of an Ogg, and all frames of an MP3, without decoding.
///
/// # Errors
/// If the file cannot be read.
pub(super) fn links(file: &mut File, layout: &Layout) -> Result<Vec<LinkRange>> {
    let id = layout.format.support.map(|support| support.id);
    let starts = match id {
        Some(FORMAT_ID_MP3) => return mpeg_links(file, &layout.range),
        Some(FORMAT_ID_ADTS) => return Ok(vec![adts_link(file, &layout.range)?]),
        Some(FORMAT_ID_OGG) => ogg_link_starts(file, &layout.range)?,
        _ => vec![layout.range.start],
    };
    let ends = starts.iter().skip(1).copied().chain([layout.range.end]);
    let ranges = starts.iter().zip(ends).map(|(start, end)| LinkRange::uncounted(*start..end));
    Ok(ranges.collect())
}

/// Byte positions at which Ogg links begin. A link begins with a page that is marked as first and follows a page without
/// that mark.
fn ogg_link_starts(file: &mut File, range: &Range<u64>) -> Result<Vec<u64>> {
    if range.end - range.start > MAX_PAGE_WALK && !is_chained(file, range)? {
        return Ok(vec![range.start]);
    }
    walk_pages(file, range)
}

/// Byte positions at which Ogg links begin, found by a visit to every page.
fn walk_pages(file: &mut File, range: &Range<u64>) -> Result<Vec<u64>> {
    let mut starts = vec![range.start];
    let mut buffer = ReadBuffer::new(READ);
    let mut at = range.start;
    let mut was_first = true;
    while at < range.end && starts.len() < MAX_LINKS {
        let head = buffer.get_some(file, at, PAGE_HEADER + 255)?;
        let Some(page) = OggPage::parse(head) else {
            match find(file, &mut buffer, at + 1, range.end, b"OggS")? {
                Some(found) => at = found,
                None => break,
            }
            continue;
        };
        if page.is_first && !was_first {
            starts.push(at);
        }
        was_first = page.is_first;
        at += page.bytes;
    }
    Ok(starts)
}

/// Largest Ogg file, in bytes, of which [`is_chained`] visits all pages.
const MAX_SCANNED: u64 = 512 << 10;
/// Places at which [`is_chained`] compares a page with the first one, in quarters of the file.
const SAMPLED_QUARTERS: [u64; 3] = [1, 2, 3];

/// True if the file seems to be chained: if its last page is of another stream than the first, or if the numbers of pages
/// do not grow evenly. Reads only some pages, or all pages of a short file. May be true for a single stream.
pub(super) fn is_chained(file: &mut File, range: &Range<u64>) -> Result<bool> {
    let length = range.end - range.start;
    if length <= MAX_SCANNED {
        return Ok(walk_pages(file, range)?.len() > 1);
    }
    let first = page_behind(file, range.start, range.end)?;
    let tail = range.end - MAX_PAGE.min(length);
    let mut last = None;
    let mut at = tail;
    while let Some((found, page)) = page_behind(file, at, range.end)? {
        last = Some(page);
        at = found + page.bytes;
    }
    let (Some((_, first)), Some(last)) = (first, last) else { return Ok(true) };
    if first.serial != last.serial || u64::from(last.number) < length / MAX_PAGE {
        return Ok(true);
    }
    for quarter in SAMPLED_QUARTERS {
        let at = range.start + length / 4 * quarter;
        let Some((_, page)) = page_behind(file, at, range.end)? else { return Ok(true) };
        let expected = u64::from(last.number) * quarter / 4;
        // The bitrate varies within a stream, so page numbers do not grow quite evenly.
        let tolerance = u64::from(last.number) / 4 + 2;
        if page.serial != first.serial || u64::from(page.number).abs_diff(expected) > tolerance {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The first page at or behind byte `at`, and its position. Pages have 65 kB at most.
fn page_behind(file: &mut File, at: u64, end: u64) -> Result<Option<(u64, OggPage)>> {
    let bytes = read_at(file, at, (MAX_PAGE * 2).min(end.saturating_sub(at)) as usize)?;
    let pages = (0..bytes.len()).filter(|place| bytes[*place] == b'O');
    Ok(pages.filter_map(|place| Some((at + place as u64, OggPage::parse(&bytes[place..])?))).next())
}

/// Facts in a page's header (RFC 3533, section 6).
#[derive(Debug, Clone, Copy)]
struct OggPage {
    is_first: bool,
    serial: u32,
    number: u32,
    bytes: u64,
}

impl OggPage {
    fn parse(head: &[u8]) -> Option<Self> {
        let header = head.first_chunk::<PAGE_HEADER>()?;
        if !header.starts_with(b"OggS\0") {
            return None;
        }
        let table = head.get(PAGE_HEADER..PAGE_HEADER + usize::from(header[26]))?;
        let body: u64 = table.iter().map(|size| u64::from(*size)).sum();
        let word = |at: usize| header[at..].first_chunk().map_or(0, |word| u32::from_le_bytes(*word));
        Some(Self {
            is_first: header[5] & 2 != 0,
            serial: word(14),
            number: word(18),
            bytes: (PAGE_HEADER + table.len()) as u64 + body,
        })
    }
}

/// Byte position of `mark` between `at` and `end`.
fn find(file: &mut File, buffer: &mut ReadBuffer, mut at: u64, end: u64, mark: &[u8]) -> Result<Option<u64>> {
    while at < end {
        let bytes = buffer.get_some(file, at, READ.min((end - at) as usize))?;
        if let Some(place) = bytes.windows(mark.len()).position(|window| window == mark) {
            return Ok(Some(at + place as u64));
        }
        let step = bytes.len().saturating_sub(mark.len() - 1);
        if step == 0 {
            break;
        }
        at += step as u64;
    }
    Ok(None)
}

/// Links of MPEG audio. A link ends before an encoder's tag, before other tags, and if version, layer or rate change.
fn mpeg_links(file: &mut File, range: &Range<u64>) -> Result<Vec<LinkRange>> {
    let mut walk = MpegWalk {
        file,
        buffer: ReadBuffer::new(READ),
        end: range.end,
        links: Vec::new(),
        start: range.start,
        at: range.start,
        packets: 0,
        audio_bytes: 0,
        first_packet: range.start,
        frame_end: range.start,
        gaps: Vec::new(),
        stream: None,
    };
    walk.run()?;
    let mut links = walk.links;
    if links.is_empty() {
        links.push(LinkRange::uncounted(range.clone()));
    }
    Ok(links)
}

struct MpegWalk<'a> {
    file: &'a mut File,
    buffer: ReadBuffer,
    end: u64,
    links: Vec<LinkRange>,
    /// Byte position at which the link begins.
    start: u64,
    at: u64,
    /// Frames of the link so far, without encoders' tags.
    packets: u64,
    /// Bytes of these frames.
    audio_bytes: u64,
    /// Byte position of the first of these frames.
    first_packet: u64,
    /// Byte position behind the last frame.
    frame_end: u64,
    gaps: Vec<Gap>,
    /// The link's first header.
    stream: Option<MpegHeader>,
}

impl MpegWalk<'_> {
    fn run(&mut self) -> Result<()> {
        while self.at < self.end {
            let head = self.buffer.get_some(self.file, self.at, MPEG_HEAD)?;
            let header = MpegHeader::parse(head);
            let is_tag = header.is_some_and(|header| header.is_encoder_tag(head));
            match header {
                Some(header)
                    if self.at + u64::from(header.bytes) <= self.end && self.accepts(&header, is_tag)? =>
                {
                    self.take_frame(header.bytes.into(), is_tag);
                }
                _ => self.skip_other()?,
            }
        }
        self.close(self.end);
        Ok(())
    }

    /// Passes a frame of the link. Bytes between it and the frame before it are damaged.
    fn take_frame(&mut self, bytes: u64, is_tag: bool) {
        if !is_tag {
            if self.packets == 0 {
                self.first_packet = self.at;
            } else if self.frame_end < self.at && self.gaps.len() < MAX_GAPS {
                self.gaps.push(Gap { bytes: self.frame_end..self.at, packets: 0 });
            }
            self.packets += 1;
            self.audio_bytes += bytes;
        }
        self.at += bytes;
        self.frame_end = self.at;
    }

    /// True if the frame with this header belongs to the audio. Begins a new link with the frame if the frame is an encoder's
    /// tag or of another stream.
    fn accepts(&mut self, header: &MpegHeader, is_tag: bool) -> Result<bool> {
        let is_same = self.stream.is_none_or(|stream| stream.is_same_stream(header));
        if !is_same && !self.is_followed(header)? {
            return Ok(false);
        }
        if (!is_same || is_tag) && self.packets > 0 {
            self.close(self.at);
        }
        if self.stream.is_none_or(|stream| !stream.is_same_stream(header)) {
            self.stream = Some(*header);
        }
        Ok(true)
    }

    /// True if another frame of the same stream follows.
    fn is_followed(&mut self, header: &MpegHeader) -> Result<bool> {
        let next = self.buffer.get_some(self.file, self.at + u64::from(header.bytes), MPEG_HEAD)?;
        Ok(MpegHeader::parse(next).is_some_and(|next| next.is_same_stream(header)))
    }

    /// Skips a tag and ends the link before it. If there is no tag, skips the bytes up to the next possible frame or tag.
    fn skip_other(&mut self) -> Result<()> {
        let head = self.buffer.get_some(self.file, self.at, 128)?;
        if let Some(bytes) = tag_bytes(head).filter(|bytes| self.at + bytes <= self.end) {
            self.close(self.at);
            self.at += bytes;
            self.start = self.at;
            return Ok(());
        }
        let rest = self.buffer.get_some(self.file, self.at, READ.min((self.end - self.at) as usize))?;
        let is_candidate = |byte: &u8| matches!(byte, 0xff | b'I' | b'T' | b'A');
        let skipped = rest.iter().skip(1).position(is_candidate).map_or(rest.len(), |place| place + 1);
        self.at += skipped.max(1) as u64;
        Ok(())
    }

    /// Ends the link at byte `end`, if it has a frame, and begins the next one there.
    fn close(&mut self, end: u64) {
        if self.packets > 0 && self.links.len() < MAX_LINKS {
            let mut gaps = std::mem::take(&mut self.gaps);
            count_lost_packets(&mut gaps, self.packets, self.audio_bytes);
            let range = self.start..end;
            let (first_packet, packets) = (self.first_packet, Some(self.packets));
            self.links.push(LinkRange { range, packets, first_packet, packet_overhead: 0, gaps });
        }
        self.start = end;
        self.packets = 0;
        self.audio_bytes = 0;
        self.gaps.clear();
        self.stream = None;
    }
}

/// Sets the number of packets that were in each gap, by the mean length of the `packets` packets in `audio_bytes` bytes.
fn count_lost_packets(gaps: &mut [Gap], packets: u64, audio_bytes: u64) {
    let mut left = MAX_LOST_PACKETS;
    for gap in gaps {
        let bytes = gap.bytes.end - gap.bytes.start;
        let rounded = bytes.saturating_mul(packets).saturating_add(audio_bytes / 2).checked_div(audio_bytes);
        gap.packets = rounded.unwrap_or(0).min(left);
        left -= gap.packets;
    }
}

/// AAC in ADTS, which is one link, with the damage between its frames. Visits all frames.
fn adts_link(file: &mut File, range: &Range<u64>) -> Result<LinkRange> {
    let Some(mut walk) = AdtsWalk::new(file, range)? else { return Ok(LinkRange::uncounted(range.clone())) };
    let mut link = LinkRange::uncounted(range.clone());
    let (mut packets, mut audio_bytes, mut end) = (0, 0, None);
    while let Some(frame) = walk.next(file)? {
        match end {
            None => {
                link.first_packet = frame.bytes.start;
                link.packet_overhead = frame.header_bytes;
            }
            Some(end) if end < frame.bytes.start && link.gaps.len() < MAX_GAPS => {
                let tag = walk.tag_at(file, end)?.unwrap_or(0);
                if end + tag < frame.bytes.start {
                    link.gaps.push(Gap { bytes: end + tag..frame.bytes.start, packets: 0 });
                }
            }
            Some(_) => {}
        }
        packets += 1;
        audio_bytes += frame.bytes.end - frame.bytes.start;
        end = Some(frame.bytes.end);
    }
    count_lost_packets(&mut link.gaps, packets, audio_bytes);
    link.packets = Some(packets);
    Ok(link)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;

    use super::*;

    fn find_links(bytes: &[u8]) -> Vec<(Range<u64>, Option<u64>)> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        let Some(layout) = Layout::find(&mut file).unwrap() else { return Vec::new() };
        let links = links(&mut file, &layout).unwrap();
        links.into_iter().map(|link| (link.range, link.packets)).collect()
    }

    /// MP3 frames with this header. At 128 kbit/s, one has 417 bytes at 44.1 kHz and 384 bytes at 48 kHz.
    fn frames(header: [u8; 4], bytes: usize, count: usize) -> Vec<u8> {
        let mut frame = vec![0; bytes];
        frame[..4].copy_from_slice(&header);
        frame.repeat(count)
    }

    const AT_44: [u8; 4] = [0xff, 0xfb, 0x90, 0x64];
    const AT_48: [u8; 4] = [0xff, 0xfb, 0x94, 0x64];
    const MONO: [u8; 4] = [0xff, 0xfb, 0x90, 0xc4];

    fn page(flags: u8, serial: u8, body: usize) -> Vec<u8> {
        let mut page =
            [b"OggS\0".as_slice(), &[flags], &[0; 8], &[serial, 0, 0, 0], &[0; 8], &[1, body as u8]].concat();
        page.extend(vec![7; body]);
        page
    }

    #[test]
    fn joined_mp3s_are_links() {
        let one = frames(AT_44, 417, 10);
        let mut tagged = one.clone();
        tagged[36..40].copy_from_slice(b"Xing");
        let id3 = b"ID3\x04\0\0\0\0\0\x08\xff\xfb\x90\x64\xff\xfb\x90\x64".as_slice();
        let id3v1 = [b"TAG".as_slice(), &[b' '; 125]].concat();
        assert_eq!(find_links(&one), [(0..4170, Some(10))]);
        assert_eq!(find_links(&[&*tagged, &tagged].concat()), [(0..4170, Some(9)), (4170..8340, Some(9))]);
        assert_eq!(
            find_links(&[&*one, &id3v1, id3, &one].concat()),
            [(0..4170, Some(10)), (4316..8486, Some(10))]
        );
        // Another rate begins a new link. Another number of channels, and damage, do not.
        let other = frames(AT_48, 384, 10);
        assert_eq!(find_links(&[&*one, &other].concat()), [(0..4170, Some(10)), (4170..8010, Some(10))]);
        let mono = frames(MONO, 417, 10);
        assert_eq!(find_links(&[&*one, &[0x55; 100], &mono].concat()), [(0..8440, Some(20))]);
    }

    #[test]
    fn damaged_bytes_between_frames_are_gaps() {
        let one = frames(AT_44, 417, 10);
        let gaps = |bytes: &[u8]| {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(bytes).unwrap();
            let layout = Layout::find(&mut file).unwrap().unwrap();
            let [link] = links(&mut file, &layout).unwrap().try_into().unwrap();
            link.gaps.into_iter().map(|gap| (gap.bytes, gap.packets)).collect::<Vec<_>>()
        };
        let damaged = |bytes: usize| [&*one, &vec![0x55; bytes], &one].concat();
        for (bytes, packets) in
            [(1, 0), (208, 0), (209, 1), (417, 1), (4170, 10), (1 << 20, MAX_LOST_PACKETS)]
        {
            assert_eq!(gaps(&damaged(bytes)), [(4170..4170 + bytes as u64, packets)]);
        }
        // Bytes before the first frame and behind the last are no gaps.
        assert_eq!(gaps(&[&[0; 4170], &*one, &[0x55; 4170]].concat()), []);
    }

    #[test]
    fn chained_ogg_streams_are_links() {
        let stream = |serial| [page(2, serial, 30), page(0, serial, 200), page(4, serial, 100)].concat();
        let one = stream(1);
        let length = one.len() as u64;
        assert_eq!(find_links(&one), [(0..length, None)]);
        for serial in [1, 2] {
            let both = [&*one, b"junk", &stream(serial)].concat();
            assert_eq!(find_links(&both), [(0..length + 4, None), (length + 4..2 * length + 4, None)]);
        }
        // Streams that run side by side are one link.
        let side_by_side = [page(2, 1, 30), page(2, 2, 30), page(0, 1, 9)].concat();
        assert_eq!(find_links(&side_by_side).len(), 1);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn links_of_any_bytes_follow_each_other(
            parts in prop::collection::vec(prop_oneof![
                Just(frames(AT_44, 417, 3)), Just(frames(AT_48, 384, 3)), Just(page(2, 1, 30)), Just(page(0, 1, 90)),
                Just(b"ID3\x04\0\0\0\0\x01\x08".to_vec()), Just(b"TAG".to_vec()),
                prop::collection::vec(any::<u8>(), 0..50),
            ], 0..12),
        ) {
            let bytes = parts.concat();
            let mut end = 0;
            for (range, packets) in find_links(&bytes) {
                prop_assert!(end <= range.start && range.start <= range.end && range.end <= bytes.len() as u64);
                prop_assert!(packets.is_none_or(|packets| packets * 24 <= range.end - range.start));
                end = range.end;
            }
        }
    }
}
