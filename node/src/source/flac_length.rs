//! The length of a FLAC, from its last frame.

use std::{fs::File, io::Result, ops::Range};

use super::layout::read_at;

/// Bytes at the end that are searched for the last frame. Most frames have less than 20 kB.
const SEARCHED: u64 = 256 * 1024;
/// Bytes of the longest frame header (RFC 9639, section 9.1).
const MAX_HEADER: usize = 16;

/// Length of a FLAC in frames, computed from its last FLAC frame. `None` if `range` does not end with a whole, undamaged FLAC
/// frame.
///
/// The length in the header is 0 if a recorder wrote it, and other programs write a wrong one.
///
/// # Errors
/// If the file cannot be read.
pub(super) fn frames(file: &mut File, range: &Range<u64>) -> Result<Option<u64>> {
    let head = read_at(file, range.start, 26)?;
    let is_flac = head.len() == 26 && head.starts_with(b"fLaC\0\0\0\x22");
    // Largest block of the stream, in frames. If the block size is fixed, all blocks but the last have it (section 8.2).
    let block = if is_flac { u64::from(u16::from_be_bytes([head[10], head[11]])) } else { return Ok(None) };
    let from = range.end - SEARCHED.min(range.end - range.start);
    let bytes = read_at(file, from, (range.end - from) as usize)?;
    let starts = (0..bytes.len().saturating_sub(1)).rev();
    let candidates = starts.filter(|at| bytes[*at] == 0xff && bytes[at + 1] & 0xfe == 0xf8);
    let ends = candidates.filter_map(|at| Some((at, frame_end(&bytes[at..], block)?)));
    // A FLAC frame ends with its CRC. The CRC over the whole FLAC frame, including that one, is 0 (section 9.3).
    Ok(ends.filter(|(at, _)| crc16(&bytes[*at..]) == 0).map(|(_, end)| end).next())
}

/// Position, in frames of audio, behind the FLAC frame whose header stands at the beginning of `bytes`. `None` if the header
/// is damaged.
fn frame_end(bytes: &[u8], block: u64) -> Option<u64> {
    let (number, number_bytes) = coded_number(bytes.get(4..)?)?;
    let mut at = 4 + number_bytes;
    let frames = match bytes[2] >> 4 {
        1 => 192,
        code @ 2..=5 => 144 << code,
        6 => u64::from(*bytes.get(at)?) + 1,
        7 => u64::from(u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?)) + 1,
        code @ 8..=15 => 1 << code,
        _ => return None,
    };
    at += match bytes[2] >> 4 {
        6 => 1,
        7 => 2,
        _ => 0,
    };
    at += match bytes[2] & 15 {
        12 => 1,
        13 | 14 => 2,
        15 => return None,
        _ => 0,
    };
    let is_sound = at < MAX_HEADER && crc8(bytes.get(..at)?) == *bytes.get(at)?;
    let start = if bytes[1] & 1 == 1 { number } else { number.checked_mul(block)? };
    if is_sound { start.checked_add(frames) } else { None }
}

/// A number coded like UTF-8, of up to 36 bits, and its length in bytes (section 9.1.5).
fn coded_number(bytes: &[u8]) -> Option<(u64, usize)> {
    let first = *bytes.first()?;
    let count = match first.leading_ones() {
        0 => return Some((first.into(), 1)),
        count @ 2..=7 => count as usize,
        _ => return None,
    };
    let start = u64::from(first) & ((1 << (7 - count)) - 1);
    let rest = bytes.get(1..count)?;
    let number = rest
        .iter()
        .try_fold(start, |number, byte| (byte >> 6 == 2).then_some(number << 6 | u64::from(byte & 63)));
    Some((number?, count))
}

/// Polynomial x^8 + x^2 + x + 1 (section 9.1.8).
fn crc8(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ byte, |crc, _| if crc & 0x80 == 0 { crc << 1 } else { crc << 1 ^ 0x07 })
    })
}

/// Polynomial x^16 + x^15 + x^2 + 1 (section 9.3).
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(
            crc ^ u16::from(*byte) << 8,
            |crc, _| if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x8005 },
        )
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;

    use super::*;

    fn length(bytes: &[u8]) -> Option<u64> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        frames(&mut file, &(0..bytes.len() as u64)).unwrap()
    }

    /// A FLAC with blocks of 4096 frames, whose last FLAC frame has the number `number` and 100 frames.
    fn stream(number: u8) -> Vec<u8> {
        let mut frame = vec![0xff, 0xf8, 0x69, 0x08, number, 99];
        frame.push(crc8(&frame));
        frame.extend([0x55; 30]);
        let crc = crc16(&frame);
        frame.extend(crc.to_be_bytes());
        [b"fLaC\0\0\0\x22\x10\0\x10\0".as_slice(), &[0; 30], &[0xff, 0xf8], &frame].concat()
    }

    #[test]
    fn the_last_frame_tells_the_length() {
        assert_eq!(length(&stream(7)), Some(7 * 4096 + 100));
        let mut damaged = stream(7);
        *damaged.last_mut().unwrap() ^= 1;
        assert_eq!(length(&damaged), None);
        assert_eq!(length(b"fLaC"), None);
        assert_eq!(coded_number(&[0xe0 | 1, 0x80 | 2, 0x80 | 3]), Some((0x1083, 3)));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_bytes_have_a_length_or_none(bytes in prop::collection::vec(prop::sample::select(vec![0xffu8, 0xf8, 0xf9, 0x69, 0xfe, 0, 0x80, 7]), 0..300)) {
            length(&[b"fLaC\0\0\0\x22\x10\0\x10\0".as_slice(), &[0; 14], &bytes].concat());
        }
    }
}
