//! The kinds of AAC. The node decodes AAC-LC of one and two channels.

/// Number of packets at the beginning of a stream that the node examines for spectral band replication (SBR), the mark of
/// HE-AAC.
pub(super) const EXAMINED_PACKETS: usize = 16;
/// Highest rate, in Hz, of a stream that may carry SBR. SBR doubles the rate, so the decoded one is 48 kHz at most.
pub(super) const MAX_CORE_RATE: u32 = 24_000;

/// Reads numbers of up to 32 bits, most significant bit first.
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    fn take(&mut self, count: usize) -> Option<u32> {
        let bits = (self.at..self.at + count)
            .map(|bit| self.bytes.get(bit / 8).map(|byte| u32::from(byte >> (7 - bit % 8) & 1)));
        let number = bits.into_iter().try_fold(0, |number, bit| Some(number << 1 | bit?))?;
        self.at += count;
        Some(number)
    }

    /// Reads an object type: 5 bits, or 11 if the first 5 are an escape.
    fn object_type(&mut self) -> Option<u32> {
        match self.take(5)? {
            31 => Some(32 + self.take(6)?),
            object_type => Some(object_type),
        }
    }

    /// Reads a rate index. Skips the rate of 24 bits that follows index 15.
    fn rate_index(&mut self) -> Option<u32> {
        let index = self.take(4)?;
        if index == 15 {
            self.take(24)?;
        }
        Some(index)
    }
}

/// The name of the kind that an `AudioSpecificConfig` (ISO/IEC 14496-3, section 1.6.2.1) describes, if the node does not
/// decode it.
pub(super) fn unsupported_kind(config: &[u8]) -> Option<String> {
    let mut bits = Bits { bytes: config, at: 0 };
    let object_type = bits.object_type()?;
    bits.rate_index()?;
    let channels = bits.take(4)?;
    let kind = match object_type {
        2 => None,
        5 => Some("HE-AAC"),
        29 => Some("HE-AAC v2"),
        1 => Some("AAC Main"),
        3 => Some("AAC SSR"),
        4 => Some("AAC-LTP"),
        23 => Some("AAC-LD"),
        39 => Some("AAC-ELD"),
        42 => Some("xHE-AAC"),
        _ => Some("an unknown kind of AAC"),
    };
    if let Some(kind) = kind {
        return Some(kind.into());
    }
    if let Some(kind) = unsupported_channels(channels) {
        return Some(kind.into());
    }
    // GASpecificConfig of AAC-LC: the flags for the frame length, for a core coder with its delay, and for an extension.
    let is_short = bits.take(1)?;
    if bits.take(1)? == 1 {
        bits.take(14)?;
    }
    bits.take(1)?;
    if is_short == 1 {
        return Some("AAC with 960 frames a packet".into());
    }
    // An extension at the end marks HE-AAC in a form that old decoders ignore.
    let is_extended =
        bits.take(11) == Some(0x2b7) && bits.object_type() == Some(5) && bits.take(1) == Some(1);
    is_extended.then(|| "HE-AAC".into())
}

/// The name of AAC with the channel configuration `channels` (ISO/IEC 14496-3, table 1.19), if the node does not decode
/// it.
pub(super) fn unsupported_channels(channels: u32) -> Option<&'static str> {
    match channels {
        1 | 2 => None,
        3 => Some("AAC 3.0"),
        4 => Some("AAC 4.0"),
        5 => Some("AAC 5.0"),
        6 => Some("AAC 5.1"),
        11 => Some("AAC 6.1"),
        7 | 12 | 14 => Some("AAC 7.1"),
        _ => Some("AAC with an unknown channel configuration"),
    }
}

/// True if a packet of AAC ends with a fill element that holds spectral band replication data (ISO/IEC 14496-3, section
/// 4.4.2.7): identifier 6, a count of 4 or 12 bits, extension type 13 or 14, and behind `count` bytes the end element and
/// padding. The position of the element depends on the audio before it, so every bit is tried. A packet without such an
/// element has one by chance in about 2 % of cases.
pub(super) fn carries_sbr(packet: &[u8]) -> bool {
    let Some(last) = packet.iter().rposition(|byte| *byte != 0).filter(|last| packet.len() - last <= 2)
    else {
        return false;
    };
    // The end element is three bits of 1. Behind it are only the zeros that fill its byte.
    let ones_end = last * 8 + 8 - packet[last].trailing_zeros() as usize;
    if packet.len() * 8 - ones_end > 7 {
        return false;
    }
    let Some(fill_end) = ones_end.checked_sub(3) else { return false };
    let is_end = Bits { bytes: packet, at: fill_end }.take(3) == Some(7);
    is_end && (0..fill_end).any(|at| fill_element_end(packet, at) == Some(fill_end))
}

/// The bit position behind the fill element with band replication data that begins at bit `at`.
fn fill_element_end(packet: &[u8], at: usize) -> Option<usize> {
    let mut bits = Bits { bytes: packet, at };
    if bits.take(3)? != 6 {
        return None;
    }
    let mut count = bits.take(4)?;
    if count == 15 {
        count += bits.take(8)?;
        count -= 1;
    }
    let payload = bits.at;
    matches!(bits.take(4)?, 13 | 14).then_some(payload + count as usize * 8)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn kinds_are_named() {
        for (config, kind) in [
            (&[0x12, 0x10][..], None),
            (&[0x12, 0x30], Some("AAC 5.1")),
            (&[0x2b, 0x92, 0x08, 0x00], Some("HE-AAC")),
            (&[0xeb, 0x8a, 0x08, 0x00], Some("HE-AAC v2")),
            (&[0x13, 0x90, 0x56, 0xe5, 0xa0], Some("HE-AAC")),
            (&[0x12, 0x14], Some("AAC with 960 frames a packet")),
            (&[0x0a, 0x10], Some("AAC Main")),
            (&[], None),
        ] {
            assert_eq!(unsupported_kind(config).as_deref(), kind, "{config:x?}");
        }
    }

    #[test]
    fn band_replication_is_found_at_any_bit() {
        for shift in 0..8u32 {
            // A fill element of three bytes, and the end element.
            let element = 0b11_0001_1110_1000_0111_1000_0101_0101_0111_u64;
            let number = u128::from(element) << (61 - shift);
            let mut packet = vec![0x21, 0x1a];
            packet.extend(&number.to_be_bytes()[4..10]);
            while packet.last() == Some(&0) {
                packet.pop();
            }
            assert!(carries_sbr(&packet), "{shift}");
        }
        assert!(!carries_sbr(&[0x21, 0x1a, 0x55, 0x0e]));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_bytes_are_examined(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            unsupported_kind(&bytes);
            carries_sbr(&bytes);
        }
    }
}
