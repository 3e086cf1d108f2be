//! A frame of FLAC (RFC 9639, section 9), which may have been made to do harm: nothing is allocated, every number is
//! bounded before it is used, and what overflows wraps.

use crate::{
    PACKET_FRAMES,
    bits::{Bits, Result, crc16},
    shape::Shape,
};

/// How two channels are stored (section 9.1.3).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pairing {
    Independent,
    LeftSide,
    SideRight,
    MidSide,
}

/// Decodes one frame of `shape` into `planes`, room for [`PACKET_FRAMES`] samples of each channel in turn. Gives the
/// number of samples of each.
pub(crate) fn decode(packet: &[u8], shape: Shape, planes: &mut [i32]) -> Result<usize> {
    if crc16(packet) != 0 {
        return Err("its checksum is wrong");
    }
    let mut bits = Bits::new(packet);
    let (frames, pairing) = header(&mut bits, shape)?;
    for (channel, plane) in planes.chunks_exact_mut(PACKET_FRAMES.into()).enumerate() {
        let side = match pairing {
            Pairing::Independent => false,
            Pairing::LeftSide | Pairing::MidSide => channel == 1,
            Pairing::SideRight => channel == 0,
        };
        subframe(&mut bits, u32::from(shape.depth.bits()) + u32::from(side), &mut plane[..frames])?;
    }
    if pairing != Pairing::Independent {
        let (first, second) = planes.split_at_mut(PACKET_FRAMES.into());
        first[..frames].iter_mut().zip(second).for_each(|(a, b)| (*a, *b) = unpaired(pairing, *a, *b));
    }
    Ok(frames)
}

/// Left and right.
fn unpaired(pairing: Pairing, first: i32, second: i32) -> (i32, i32) {
    match pairing {
        Pairing::Independent => (first, second),
        Pairing::LeftSide => (first, first.wrapping_sub(second)),
        Pairing::SideRight => (first.wrapping_add(second), second),
        Pairing::MidSide => {
            // The lowest bit of left + right is that of left - right.
            let sum = first << 1 | (second & 1);
            (sum.wrapping_add(second) >> 1, sum.wrapping_sub(second) >> 1)
        }
    }
}

/// The samples of each channel, and how they are stored.
fn header(bits: &mut Bits<'_>, shape: Shape) -> Result<(usize, Pairing)> {
    // The sync code and a reserved bit; then whether blocks vary in size, which is as good.
    if bits.unsigned(15)? != 0b111_1111_1111_1100 {
        return Err("it does not begin as a frame");
    }
    bits.unsigned(1)?;
    let (size, rate) = (bits.unsigned(4)?, bits.unsigned(4)?);
    let (channels, pairing) = match bits.unsigned(4)? {
        code @ 0..=7 => (code as u16 + 1, Pairing::Independent),
        8 => (2, Pairing::LeftSide),
        9 => (2, Pairing::SideRight),
        10 => (2, Pairing::MidSide),
        _ => return Err("its channels are of a reserved kind"),
    };
    let depth = match bits.unsigned(3)? {
        4 => 16,
        6 => 24,
        _ => 0,
    };
    if channels != shape.format.channels || depth != shape.depth.bits() {
        return Err("its channels or its depth are not those of the stream");
    }
    bits.unsigned(1)?;
    number(bits)?;
    let frames = match size {
        1 => 192,
        2..=5 => 144 << size,
        6 => bits.unsigned(8)? + 1,
        7 => bits.unsigned(16)? + 1,
        8..=15 => 1 << size,
        _ => return Err("its block size is of a reserved kind"),
    };
    // The rate is known, and this sum is within that of the whole.
    bits.unsigned(match rate {
        12 => 8,
        13 | 14 => 16,
        _ => 0,
    })?;
    bits.unsigned(8)?;
    if frames > u32::from(PACKET_FRAMES) {
        return Err("its block is too long");
    }
    Ok((frames as usize, pairing))
}

/// Skips the frame's number, which is coded as in UTF-8.
fn number(bits: &mut Bits<'_>) -> Result<()> {
    let more = match (bits.unsigned(8)? as u8).leading_ones() {
        0 => 0,
        ones @ 2..=7 => ones - 1,
        _ => return Err("its number is malformed"),
    };
    (0..more).try_for_each(|_| bits.unsigned(8).map(|_| ()))
}

/// One channel, of samples of `depth` bits (section 9.2).
fn subframe(bits: &mut Bits<'_>, depth: u32, samples: &mut [i32]) -> Result<()> {
    let kind = bits.unsigned(7)?;
    let wasted = if bits.unsigned(1)? == 1 { bits.unary()? + 1 } else { 0 };
    let depth = depth.checked_sub(wasted).filter(|depth| *depth > 0).ok_or("no bits are left of a sample")?;
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
        _ => return Err("a subframe is of a reserved kind"),
    }
    if wasted > 0 {
        samples.iter_mut().for_each(|sample| *sample <<= wasted);
    }
    Ok(())
}

/// The coefficients of fixed prediction, the nearest sample first (section 9.2.5).
const FIXED: [&[i32]; 5] = [&[], &[1], &[2, -1], &[3, -3, 1], &[4, -6, 4, -1]];

/// Linear prediction (section 9.2.6). `order` is 32 at most.
fn linear(bits: &mut Bits<'_>, depth: u32, order: usize, samples: &mut [i32]) -> Result<()> {
    let warm = warm_up(bits, depth, order, samples)?;
    let precision = bits.unsigned(4)? + 1;
    let shift = bits.signed(5)?;
    if precision == 16 || shift < 0 {
        return Err("its prediction is malformed");
    }
    let mut coefficients = [0; 32];
    let coefficients = &mut coefficients[..order];
    each(coefficients, || bits.signed(precision))?;
    residual(bits, warm, samples)?;
    predict(coefficients, shift.unsigned_abs(), samples);
    Ok(())
}

/// Reads the first `order` samples, and gives their number.
fn warm_up(bits: &mut Bits<'_>, depth: u32, order: usize, samples: &mut [i32]) -> Result<usize> {
    let warm = samples.get_mut(..order).ok_or("a prediction needs more samples than there are")?;
    each(warm, || bits.signed(depth))?;
    Ok(order)
}

/// Fills `samples` from `warm` on with what the prediction is to be corrected by (section 9.2.7).
fn residual(bits: &mut Bits<'_>, warm: usize, samples: &mut [i32]) -> Result<()> {
    let wide = match bits.unsigned(2)? {
        0 => 4,
        1 => 5,
        _ => return Err("its residual is of a reserved kind"),
    };
    let order = bits.unsigned(4)?;
    let (length, rest) = (samples.len() >> order, samples.len() & ((1 << order) - 1));
    if rest != 0 || length < warm {
        return Err("its partitions do not fit its block");
    }
    let mut start = warm;
    for end in (1..=1_usize << order).map(|partition| partition * length) {
        let samples = &mut samples[start..end];
        start = end;
        let parameter = bits.unsigned(wide)?;
        if parameter == (1 << wide) - 1 {
            let depth = bits.unsigned(5)?;
            each(samples, || bits.signed(depth))?;
        } else {
            each(samples, || {
                // A high part of more than 32 bits is damage, and whatever comes of it will do.
                let folded = bits.unary()?.wrapping_shl(parameter) | bits.unsigned(parameter)?;
                Ok((folded >> 1) as i32 ^ -((folded & 1) as i32))
            })?;
        }
    }
    Ok(())
}

/// Adds to each sample what those before it predict.
fn predict(coefficients: &[i32], shift: u32, samples: &mut [i32]) {
    for at in coefficients.len()..samples.len() {
        let (before, after) = samples.split_at_mut(at);
        let products =
            before.iter().rev().zip(coefficients).map(|(sample, by)| i64::from(*sample) * i64::from(*by));
        // 32 products of 32 and 15 bits.
        after[0] = after[0].wrapping_add((products.sum::<i64>() >> shift) as i32);
    }
}

fn each(samples: &mut [i32], mut read: impl FnMut() -> Result<i32>) -> Result<()> {
    samples.iter_mut().try_for_each(|sample| {
        *sample = read()?;
        Ok(())
    })
}
