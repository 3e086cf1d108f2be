//! Decoder of FLAC frames (RFC 9639, section 9; all section numbers are of that RFC). A peer may send malicious frames, so the
//! decoder allocates nothing, checks every number before use, and wraps on overflow.

use crate::{
    bit_reader::{BitReader, Result},
    crc::crc16,
    stream_info::{PACKET_FRAMES, StreamInfo},
};

/// Storage of two channels: as they are, or one of them or their mean (mid) together with their difference (side; section
/// 9.1.3).
#[derive(Clone, Copy, PartialEq, Eq)]
enum ChannelAssignment {
    Independent,
    LeftSide,
    SideRight,
    MidSide,
}

/// Decodes one frame of the stream `info` into `planes`: [`PACKET_FRAMES`] samples of each channel in turn. Returns the
/// number of decoded samples per channel.
pub(crate) fn decode(packet: &[u8], info: StreamInfo, planes: &mut [i32]) -> Result<usize> {
    if crc16(packet) != 0 {
        return Err("wrong checksum");
    }
    let mut bits = BitReader::new(packet);
    let (frames, assignment) = header(&mut bits, info)?;
    for (channel, plane) in planes.chunks_exact_mut(PACKET_FRAMES.into()).enumerate() {
        let side = match assignment {
            ChannelAssignment::Independent => false,
            ChannelAssignment::LeftSide | ChannelAssignment::MidSide => channel == 1,
            ChannelAssignment::SideRight => channel == 0,
        };
        subframe(&mut bits, u32::from(info.depth.bits()) + u32::from(side), &mut plane[..frames])?;
    }
    if assignment != ChannelAssignment::Independent {
        let (first, second) = planes.split_at_mut(PACKET_FRAMES.into());
        first[..frames]
            .iter_mut()
            .zip(second)
            .for_each(|(a, b)| (*a, *b) = left_and_right(assignment, *a, *b));
    }
    Ok(frames)
}

/// Restores left and right.
fn left_and_right(assignment: ChannelAssignment, first: i32, second: i32) -> (i32, i32) {
    match assignment {
        ChannelAssignment::Independent => (first, second),
        ChannelAssignment::LeftSide => (first, first.wrapping_sub(second)),
        ChannelAssignment::SideRight => (first.wrapping_add(second), second),
        ChannelAssignment::MidSide => {
            // The lowest bit of left + right equals that of left - right (section 4.2).
            let sum = first << 1 | (second & 1);
            (sum.wrapping_add(second) >> 1, sum.wrapping_sub(second) >> 1)
        }
    }
}

/// Reads the header: number of samples per channel, and channel assignment (section 9.1).
fn header(bits: &mut BitReader<'_>, info: StreamInfo) -> Result<(usize, ChannelAssignment)> {
    // Sync code and a reserved bit. The next bit, the blocking strategy, is irrelevant for a single frame.
    if bits.unsigned(15)? != 0b111_1111_1111_1100 {
        return Err("no sync code");
    }
    bits.unsigned(1)?;
    let (size, rate) = (bits.unsigned(4)?, bits.unsigned(4)?);
    let (channels, assignment) = match bits.unsigned(4)? {
        code @ 0..=7 => (code as u16 + 1, ChannelAssignment::Independent),
        8 => (2, ChannelAssignment::LeftSide),
        9 => (2, ChannelAssignment::SideRight),
        10 => (2, ChannelAssignment::MidSide),
        _ => return Err("reserved channel assignment"),
    };
    let depth = match bits.unsigned(3)? {
        4 => 16,
        6 => 24,
        _ => 0,
    };
    if channels != info.format.channels || depth != info.depth.bits() {
        return Err("channel count or sample size differs from the stream's");
    }
    bits.unsigned(1)?;
    number(bits)?;
    let frames = match size {
        1 => 192,
        2..=5 => 144 << size,
        6 => bits.unsigned(8)? + 1,
        7 => bits.unsigned(16)? + 1,
        8..=15 => 1 << size,
        _ => return Err("reserved block size"),
    };
    // Skips the rate, which the stream info has, and the header's CRC-8, which the CRC-16 covers.
    bits.unsigned(match rate {
        12 => 8,
        13 | 14 => 16,
        _ => 0,
    })?;
    bits.unsigned(8)?;
    if frames > u32::from(PACKET_FRAMES) {
        return Err("block too long");
    }
    Ok((frames as usize, assignment))
}

/// Skips the frame number, which is coded like a UTF-8 character (section 9.1.5).
fn number(bits: &mut BitReader<'_>) -> Result<()> {
    let more = match (bits.unsigned(8)? as u8).leading_ones() {
        0 => 0,
        ones @ 2..=7 => ones - 1,
        _ => return Err("malformed frame number"),
    };
    (0..more).try_for_each(|_| bits.unsigned(8).map(|_| ()))
}

/// Decodes the subframe of one channel, with samples of `depth` bits (section 9.2).
fn subframe(bits: &mut BitReader<'_>, depth: u32, samples: &mut [i32]) -> Result<()> {
    let kind = bits.unsigned(7)?;
    let wasted = if bits.unsigned(1)? == 1 { bits.unary()? + 1 } else { 0 };
    let depth = depth
        .checked_sub(wasted)
        .filter(|depth| *depth > 0)
        .ok_or("a sample consists of wasted bits only")?;
    match kind {
        0 => samples.fill(bits.signed(depth)?),
        1 => each(samples, || bits.signed(depth))?,
        8..=12 => {
            let coefficients = FIXED[kind as usize - 8];
            let warm = warm_up(bits, depth, coefficients.len(), samples)?;
            residual(bits, warm, samples)?;
            predict(coefficients, 0, samples);
        }
        32..=63 => linear(bits, depth, kind as usize - 31, samples)?,
        _ => return Err("reserved subframe type"),
    }
    if wasted > 0 {
        samples.iter_mut().for_each(|sample| *sample <<= wasted);
    }
    Ok(())
}

/// Coefficients of fixed prediction by order, for the nearest sample first (section 9.2.5).
const FIXED: [&[i32]; 5] = [&[], &[1], &[2, -1], &[3, -3, 1], &[4, -6, 4, -1]];

/// Decodes a subframe with linear prediction of up to order 32 (section 9.2.6).
fn linear(bits: &mut BitReader<'_>, depth: u32, order: usize, samples: &mut [i32]) -> Result<()> {
    let warm = warm_up(bits, depth, order, samples)?;
    let precision = bits.unsigned(4)? + 1;
    let shift = bits.signed(5)?;
    if precision == 16 || shift < 0 {
        return Err("malformed linear prediction");
    }
    let mut coefficients = [0; 32];
    let coefficients = &mut coefficients[..order];
    each(coefficients, || bits.signed(precision))?;
    residual(bits, warm, samples)?;
    predict(coefficients, shift.unsigned_abs(), samples);
    Ok(())
}

/// Reads the first `order` samples, which are stored unpredicted. Returns `order`.
fn warm_up(bits: &mut BitReader<'_>, depth: u32, order: usize, samples: &mut [i32]) -> Result<usize> {
    let warm = samples.get_mut(..order).ok_or("the prediction order exceeds the block")?;
    each(warm, || bits.signed(depth))?;
    Ok(order)
}

/// Reads the residual, the prediction's error, into `samples` from `warm` on (section 9.2.7).
fn residual(bits: &mut BitReader<'_>, warm: usize, samples: &mut [i32]) -> Result<()> {
    let parameter_bits = match bits.unsigned(2)? {
        0 => 4,
        1 => 5,
        _ => return Err("reserved residual coding"),
    };
    let order = bits.unsigned(4)?;
    let (length, rest) = (samples.len() >> order, samples.len() & ((1 << order) - 1));
    if rest != 0 || length < warm {
        return Err("the residual partitions do not fit the block");
    }
    let mut start = warm;
    for end in (1..=1_usize << order).map(|partition| partition * length) {
        let samples = &mut samples[start..end];
        start = end;
        let parameter = bits.unsigned(parameter_bits)?;
        if parameter == (1 << parameter_bits) - 1 {
            let depth = bits.unsigned(5)?;
            each(samples, || bits.signed(depth))?;
        } else {
            each(samples, || {
                // A quotient of more than 32 bits occurs only in a damaged frame, for which any sample will do.
                let folded = bits.unary()?.wrapping_shl(parameter) | bits.unsigned(parameter)?;
                Ok((folded >> 1) as i32 ^ -((folded & 1) as i32))
            })?;
        }
    }
    Ok(())
}

/// Adds the prediction from the previous samples to each residual.
fn predict(coefficients: &[i32], shift: u32, samples: &mut [i32]) {
    for at in coefficients.len()..samples.len() {
        let (before, after) = samples.split_at_mut(at);
        let products =
            before.iter().rev().zip(coefficients).map(|(sample, by)| i64::from(*sample) * i64::from(*by));
        // No overflow: at most 32 products of 32 by 15 bits.
        after[0] = after[0].wrapping_add((products.sum::<i64>() >> shift) as i32);
    }
}

/// Fills `samples` from a reader, up to its first error.
fn each(samples: &mut [i32], mut read: impl FnMut() -> Result<i32>) -> Result<()> {
    samples.iter_mut().try_for_each(|sample| {
        *sample = read()?;
        Ok(())
    })
}
