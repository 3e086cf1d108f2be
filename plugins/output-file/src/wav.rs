//! Header of a WAV file: RIFF, with WAVEFORMATEXTENSIBLE for all but 16-bit mono and stereo (Microsoft, "Multiple channel
//! audio data and WAVE files"), or RF64 for sizes beyond 32 bits (EBU Tech 3306).

use media_plugin_sdk::AudioFormat;

use crate::samples::SampleFormat;

/// First 4 bytes of the file, and id of its first chunk. A RIFF file reserves that chunk as JUNK, so that it can become RF64.
const SMALL: (&[u8; 4], &[u8; 4]) = (b"RIFF", b"JUNK");
const LARGE: (&[u8; 4], &[u8; 4]) = (b"RF64", b"ds64");

/// Bytes of every sub-format GUID after its 16-bit format tag.
const SUBFORMAT: [u8; 14] = [0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71];

/// Header for `data` bytes of samples. Its length depends on the format alone, so it can be rewritten in place.
pub(crate) fn header(format: AudioFormat, sample: SampleFormat, data: u64) -> Vec<u8> {
    let fmt = fmt_chunk(format, sample);
    // Size after the first 8 bytes: "WAVE", the ds64 or JUNK chunk, the fmt chunk, the data chunk padded to 2 bytes.
    let riff = 4 + (8 + 28) + (8 + fmt.len() as u64) + (8 + data + data % 2);
    let is_small = u32::try_from(riff).is_ok();
    let ((magic, reserve), size32) =
        if is_small { (SMALL, [riff as u32, data as u32]) } else { (LARGE, [u32::MAX; 2]) };
    let frames = data / u64::from(format.channels) / u64::from(sample.bytes());
    let sizes = if is_small { [0; 3] } else { [riff, data, frames] };

    let mut header = Vec::with_capacity(104);
    header.extend(magic);
    header.extend(size32[0].to_le_bytes());
    header.extend(b"WAVE");
    header.extend(reserve);
    header.extend(28_u32.to_le_bytes());
    sizes.iter().for_each(|size: &u64| header.extend(size.to_le_bytes()));
    header.extend([0; 4]);
    header.extend(b"fmt ");
    header.extend((fmt.len() as u32).to_le_bytes());
    header.extend(fmt);
    header.extend(b"data");
    header.extend(size32[1].to_le_bytes());
    header
}

/// Body of the `fmt ` chunk. 16-bit mono and stereo use the plain form, which every reader knows.
fn fmt_chunk(format: AudioFormat, sample: SampleFormat) -> Vec<u8> {
    let tag: u16 = if sample == SampleFormat::F32 { 3 } else { 1 };
    let is_plain = sample == SampleFormat::S16 && format.channels <= 2;
    let frame = format.channels * sample.bytes();
    let bits = sample.bytes() * 8;
    let mut fmt = Vec::with_capacity(40);
    fmt.extend(if is_plain { tag } else { 0xfffe }.to_le_bytes());
    fmt.extend(format.channels.to_le_bytes());
    fmt.extend(format.rate.to_le_bytes());
    fmt.extend((format.rate * u32::from(frame)).to_le_bytes());
    fmt.extend(frame.to_le_bytes());
    fmt.extend(bits.to_le_bytes());
    if !is_plain {
        fmt.extend(22_u16.to_le_bytes());
        fmt.extend(bits.to_le_bytes());
        fmt.extend(speakers(format.channels).to_le_bytes());
        fmt.extend(tag.to_le_bytes());
        fmt.extend(SUBFORMAT);
    }
    fmt
}

/// Speaker mask of the channels, as in Opus and FLAC, up to 7.1. 0 leaves the speakers unspecified.
fn speakers(channels: u16) -> u32 {
    match channels {
        1 => 0x4,
        2 => 0x3,
        3 => 0x7,
        4 => 0x33,
        5 => 0x37,
        6 => 0x3f,
        7 => 0x70f,
        8 => 0x63f,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEREO: AudioFormat = AudioFormat { rate: 96_000, channels: 2 };

    fn u64_at(bytes: &[u8], at: usize) -> u64 {
        u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
    }

    #[test]
    fn sizes_beyond_4_gib_go_to_ds64_in_a_header_of_the_same_length() {
        let (small, data) = (header(STEREO, SampleFormat::S24, 6_000), 6_000_000_000);
        let large = header(STEREO, SampleFormat::S24, data);
        assert_eq!(small.len(), large.len());
        assert_eq!((&small[..4], &small[12..16]), (&b"RIFF"[..], &b"JUNK"[..]));
        assert_eq!((&large[..4], &large[12..16]), (&b"RF64"[..], &b"ds64"[..]));
        assert_eq!(u64_at(&large, 20), data + large.len() as u64 - 8);
        assert_eq!(u64_at(&large, 28), data);
        assert_eq!(u64_at(&large, 36), 1_000_000_000);
        assert_eq!((&large[4..8], &large[large.len() - 4..]), (&[0xff; 4][..], &[0xff; 4][..]));
    }

    #[test]
    fn the_switch_is_where_32_bits_end() {
        let head = header(STEREO, SampleFormat::F32, 0).len() as u64 - 8;
        let last = u64::from(u32::MAX) - head - 7;
        assert_eq!(&header(STEREO, SampleFormat::F32, last)[..4], b"RIFF");
        assert_eq!(&header(STEREO, SampleFormat::F32, last + 8)[..4], b"RF64");
    }

    #[test]
    fn every_format_within_bounds_has_a_header() {
        for channels in 1..=AudioFormat::MAX_CHANNELS {
            let format = AudioFormat { rate: AudioFormat::MAX_RATE, channels };
            let header = header(format, SampleFormat::F32, u64::MAX / 2);
            let fmt = header.windows(4).position(|id| id == b"fmt ").unwrap() + 8;
            let u16_at = |at: usize| u16::from_le_bytes([header[fmt + at], header[fmt + at + 1]]);
            let u32_at = |at: usize| u32::from(u16_at(at)) | u32::from(u16_at(at + 2)) << 16;
            let frame = channels * 4;
            assert_eq!((u16_at(0), u16_at(2), u32_at(4)), (0xfffe, channels, AudioFormat::MAX_RATE));
            assert_eq!((u32_at(8), u16_at(12)), (AudioFormat::MAX_RATE * u32::from(frame), frame));
            // Only layouts with known speakers name as many of them as there are channels.
            let named = u32_at(20).count_ones();
            assert_eq!(named, if channels <= 8 { u32::from(channels) } else { 0 });
            assert_eq!(u64_at(&header, 28), u64::MAX / 2);
        }
    }
}
