//! Frame headers of MPEG audio (ISO/IEC 11172-3, section 2.4.2.3; 13818-3) and of AAC in ADTS (ISO/IEC 13818-7,
//! section 6.2).

/// Bytes at the beginning of an MPEG frame that are needed to recognise it: the header, the longest side information, and the
/// four letters of an encoder tag.
pub(super) const MPEG_HEAD: usize = 40;
/// Bytes of an ADTS header.
pub(super) const ADTS_HEAD: usize = 7;

/// Bits of an MPEG header that are the same in all frames of a stream: sync word, version, layer, rate.
const STREAM_BITS: u32 = 0xfffe_0c00;

/// Bitrates in kbit/s by index, for MPEG-1 layers I, II, III, then for MPEG-2 and 2.5 layer I, and layers II and III.
/// Index 0 is the free format, which Symphonia does not read.
const KBIT: [[u16; 15]; 5] = [
    [0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448],
    [0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384],
    [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
    [0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256],
    [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
];

/// Frames per second of AAC, by rate index.
const ADTS_RATES: [u32; 13] =
    [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8000, 7350];

/// The header of a frame of MPEG audio.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MpegHeader {
    word: u32,
    /// The layer: 1 to 3.
    pub(super) layer: u32,
    /// Frames per second.
    pub(super) rate: u32,
    /// Bytes of the frame, with the header.
    pub(super) bytes: u32,
    /// Frames of audio in the MPEG frame.
    pub(super) frames: u32,
    /// Number of channels: 1 or 2.
    pub(super) channels: u16,
}

impl MpegHeader {
    /// Parses the first bytes of a frame. `None` if they are not a valid header.
    pub(super) fn parse(head: &[u8]) -> Option<Self> {
        let word = u32::from_be_bytes(*head.first_chunk()?);
        let version = word >> 19 & 3;
        let layer = 4 - (word >> 17 & 3);
        if word >> 21 != 0x7ff || version == 1 || layer == 4 {
            return None;
        }
        let is_mpeg1 = version == 3;
        let row = kbit_row(is_mpeg1, layer);
        let bits = 1000 * u32::from(*KBIT[row].get((word >> 12 & 15) as usize).filter(|kbit| **kbit > 0)?);
        let rate =
            *[44_100, 48_000, 32_000].get((word >> 10 & 3) as usize)? >> [2, 2, 1, 0][version as usize];
        let padding = word >> 9 & 1;
        let (bytes, frames) = match (layer, is_mpeg1) {
            (1, _) => ((12 * bits / rate + padding) * 4, 384),
            (3, false) => (72 * bits / rate + padding, 576),
            _ => (144 * bits / rate + padding, 1152),
        };
        let channels = if word >> 6 & 3 == 3 { 1 } else { 2 };
        Some(Self { word, layer, rate, bytes, frames, channels })
    }

    /// True if both can be frames of one stream, since they have the same version, layer and rate.
    pub(super) fn is_same_stream(&self, other: &Self) -> bool {
        (self.word ^ other.word) & STREAM_BITS == 0
    }

    /// The bitrate in kbit/s.
    pub(super) fn kbit(&self) -> u32 {
        let row = kbit_row(self.word >> 19 & 3 == 3, self.layer);
        KBIT[row].get((self.word >> 12 & 15) as usize).map_or(0, |kbit| u32::from(*kbit))
    }

    /// True if the frame that begins with `head` may hold an encoder's notes (Xing, Info, VBRI) instead of audio.
    pub(super) fn is_encoder_tag(&self, head: &[u8]) -> bool {
        let is_vbri = self.layer == 3 && head.get(36..40) == Some(b"VBRI");
        is_vbri || self.encoder_tag_at(head).is_some()
    }

    /// Position in the frame `head` of a Xing or Info tag, if there is one.
    pub(super) fn encoder_tag_at(&self, head: &[u8]) -> Option<usize> {
        let is_mpeg1 = self.word >> 19 & 3 == 3;
        let side_bytes = match (is_mpeg1, self.channels == 1) {
            (true, false) => 32,
            (true, true) | (false, false) => 17,
            (false, true) => 9,
        };
        let at = 4 + side_bytes;
        let is_tag = matches!(head.get(at..at + 4), Some(b"Xing" | b"Info"));
        (self.layer == 3 && is_tag).then_some(at)
    }
}

/// The row of [`KBIT`] for a version and layer.
fn kbit_row(is_mpeg1: bool, layer: u32) -> usize {
    match (is_mpeg1, layer) {
        (true, layer) => layer as usize - 1,
        (false, 1) => 3,
        (false, _) => 4,
    }
}

/// The header of a frame of AAC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct AdtsHeader {
    /// Profile, rate, channels, and the flag for a checksum, which are the same in all frames of a stream.
    stream: (u8, u8, u8, bool),
    /// Bytes of the frame, with the header.
    pub(super) bytes: u32,
}

impl AdtsHeader {
    /// Parses the first bytes of a frame. `None` if they are not a valid header.
    pub(super) fn parse(head: &[u8]) -> Option<Self> {
        let head = head.first_chunk::<ADTS_HEAD>()?;
        let rate_index = head[2] >> 2 & 15;
        if head[0] != 0xff || head[1] & 0xf6 != 0xf0 || rate_index > 12 {
            return None;
        }
        let bytes = u32::from(head[3] & 3) << 11 | u32::from(head[4]) << 3 | u32::from(head[5] >> 5);
        let channels = (head[2] & 1) << 2 | head[3] >> 6;
        let has_checksum = head[1] & 1 == 0;
        let header = Self { stream: (head[2] >> 6, rate_index, channels, has_checksum), bytes };
        (u64::from(bytes) > header.header_bytes()).then_some(header)
    }

    /// Bytes of the header, with the checksum.
    pub(super) fn header_bytes(&self) -> u64 {
        ADTS_HEAD as u64 + if self.stream.3 { 2 } else { 0 }
    }

    /// Frames per second.
    pub(super) fn rate(&self) -> u32 {
        ADTS_RATES[usize::from(self.stream.1)]
    }

    /// The channel configuration (ISO/IEC 14496-3, table 1.19).
    pub(super) fn channel_config(&self) -> u8 {
        self.stream.2
    }

    /// The `AudioSpecificConfig` of the stream: object type, rate index and channel configuration (ISO/IEC 14496-3, section
    /// 1.6.2.1).
    pub(super) fn config(&self) -> [u8; 2] {
        let (profile, rate_index, channels, _) = self.stream;
        [(profile + 1) << 3 | rate_index >> 1, rate_index << 7 | channels << 3]
    }

    /// True if both can be frames of one stream, since they have the same profile, rate and channels.
    pub(super) fn is_same_stream(&self, other: &Self) -> bool {
        self.stream == other.stream
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn headers_are_read() {
        let mp3 = MpegHeader::parse(&[0xff, 0xfb, 0x90, 0x64]).unwrap();
        assert_eq!((mp3.layer, mp3.rate, mp3.bytes, mp3.frames, mp3.channels), (3, 44_100, 417, 1152, 2));
        let low = MpegHeader::parse(&[0xff, 0xe3, 0x18, 0xc4]).unwrap();
        assert_eq!((low.layer, low.rate, low.frames, low.channels), (3, 8000, 576, 1));
        assert!(!low.is_same_stream(&mp3));
        let mp2 = MpegHeader::parse(&[0xff, 0xfd, 0xa4, 0x04]).unwrap();
        assert_eq!((mp2.layer, mp2.rate, mp2.bytes, mp2.frames), (2, 48_000, 576, 1152));
        for bad in [
            &[0xff, 0xfb, 0x00, 0x64][..],
            &[0xff, 0xfb, 0xf0, 0x64],
            &[0xff, 0xeb, 0x90, 0x64],
            &[0xff, 0xfb],
        ] {
            assert_eq!(MpegHeader::parse(bad), None);
        }
        let aac = AdtsHeader::parse(&[0xff, 0xf1, 0x50, 0x80, 0x2e, 0x7f, 0xfc]).unwrap();
        assert_eq!((aac.bytes, aac.header_bytes(), aac.rate(), aac.config()), (371, 7, 44_100, [0x12, 0x10]));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_bytes_make_a_header_of_bounded_length_or_none(head in prop::collection::vec(any::<u8>(), 0..48)) {
            if let Some(header) = MpegHeader::parse(&head) {
                prop_assert!((8..=4096).contains(&header.bytes) && header.rate >= 8000);
                header.is_encoder_tag(&head);
            }
            if let Some(header) = AdtsHeader::parse(&head) {
                prop_assert!((8..8192).contains(&header.bytes));
            }
        }
    }
}
