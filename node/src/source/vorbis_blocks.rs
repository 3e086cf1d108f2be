//! Lengths of Vorbis packets (Vorbis I specification, sections 4.2.2, 4.2.4 and 4.3.8), for containers that do not store
//! them.

/// Greatest number of modes of a stream.
const MAX_MODES: usize = 64;
/// Bytes of the identification header.
const IDENTIFICATION: usize = 30;

/// The block sizes of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct VorbisBlocks {
    /// Frames of a short and of a long block.
    sizes: [u64; 2],
    /// For each mode, true if it has long blocks.
    is_long: Vec<bool>,
}

/// Reads bits backwards, from the last one on.
struct BackwardBits<'a> {
    bytes: &'a [u8],
    /// Number of bits that are left.
    left: usize,
}

impl BackwardBits<'_> {
    /// The number in the `count` bits before the current position. Moves to the first of them.
    fn take(&mut self, count: usize) -> Option<u32> {
        self.left = self.left.checked_sub(count)?;
        let bit = |at: usize| u32::from(self.bytes[at / 8] >> (at % 8) & 1);
        Some((0..count).fold(0, |number, place| number | bit(self.left + place) << place))
    }
}

impl VorbisBlocks {
    /// Parses the identification header and the setup header behind it. Reads the modes backwards from the end of the setup
    /// header, since the parts before them have no fixed length.
    pub(super) fn parse(headers: &[u8]) -> Option<Self> {
        let exponents = *headers.get(28).filter(|_| headers.starts_with(b"\x01vorbis"))?;
        let sizes = [1 << (exponents & 15), 1 << (exponents >> 4)];
        let setup = headers.get(IDENTIFICATION..)?;
        let last = setup.iter().rposition(|byte| *byte != 0)?;
        // The framing bit is the last one that is set.
        let mut bits =
            BackwardBits { bytes: setup, left: last * 8 + 7 - setup[last].leading_zeros() as usize };
        let mut is_long = Vec::new();
        let mut found = None;
        // A mode is a flag of 1 bit, two types of 16 bits that are 0, and a mapping of 8 bits. Before the first mode, 6 bits
        // hold the number of modes less one. If several numbers of modes fit, the greatest counts.
        while is_long.len() < MAX_MODES {
            let (mapping, transform, window) = (bits.take(8)?, bits.take(16)?, bits.take(16)?);
            if mapping > 63 || transform != 0 || window != 0 {
                break;
            }
            let Some(flag) = bits.take(1) else { break };
            is_long.insert(0, flag == 1);
            let count = BackwardBits { bytes: setup, left: bits.left }.take(6);
            if count.is_some_and(|count| count as usize + 1 == is_long.len()) {
                found = Some(is_long.clone());
            }
            if bits.left < 41 {
                break;
            }
        }
        Some(Self { sizes, is_long: found? })
    }

    /// Frames of a long block.
    pub(super) fn longest(&self) -> u64 {
        self.sizes[1]
    }

    /// Frames of a packet's block. `None` for a packet that is no audio.
    pub(super) fn block(&self, packet: &[u8]) -> Option<u64> {
        let first = *packet.first().filter(|first| **first & 1 == 0)?;
        let mode_bits = usize::BITS - (self.is_long.len() - 1).leading_zeros();
        let mode = usize::from(first >> 1) & ((1 << mode_bits) - 1);
        self.is_long.get(mode).map(|is_long| self.sizes[usize::from(*is_long)])
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Headers with blocks of 256 and 2048 frames and two modes, short and long. `shift` bits come before the modes.
    fn headers(shift: usize) -> Vec<u8> {
        let mut bits = vec![true; 100 + shift];
        let mut push =
            |number: u32, count: usize| bits.extend((0..count).map(|place| number >> place & 1 == 1));
        push(1, 6);
        for (flag, mapping) in [(0, 0), (1, 1)] {
            push(flag, 1);
            push(0, 32);
            push(mapping, 8);
        }
        push(1, 1);
        let mut setup = vec![0; bits.len().div_ceil(8)];
        bits.iter().enumerate().filter(|(_, bit)| **bit).for_each(|(at, _)| setup[at / 8] |= 1 << (at % 8));
        let mut identification = [b"\x01vorbis".as_slice(), &[0; 23]].concat();
        identification[28] = 0xb8;
        [identification, setup].concat()
    }

    #[test]
    fn block_sizes_are_read() {
        for shift in 0..8 {
            let blocks = VorbisBlocks::parse(&headers(shift)).unwrap();
            assert_eq!((blocks.sizes, blocks.is_long.as_slice()), ([256, 2048], &[false, true][..]));
            assert_eq!(
                (blocks.block(&[0]), blocks.block(&[2]), blocks.block(&[1])),
                (Some(256), Some(2048), None)
            );
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_headers_are_read_or_refused(rest in prop::collection::vec(any::<u8>(), 0..80), packet in prop::collection::vec(any::<u8>(), 0..3)) {
            if let Some(blocks) = VorbisBlocks::parse(&[b"\x01vorbis".as_slice(), &rest].concat()) {
                blocks.block(&packet);
            }
        }
    }
}
