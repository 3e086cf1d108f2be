use media_plugin_sdk::{AudioFormat, SampleType};

/// How samples are written, in little-endian order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stored {
    S16,
    S24,
    F32,
}

impl Stored {
    /// The type that holds what frames of `sample` hold. 32-bit integers have been through `f32`, which keeps more of
    /// them than 24-bit integers would.
    pub(crate) fn matching(sample: SampleType) -> Self {
        match sample {
            SampleType::S16 => Self::S16,
            SampleType::S24 => Self::S24,
            SampleType::S32 | SampleType::F32 => Self::F32,
        }
    }

    /// As ffmpeg calls it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::S16 => "s16le",
            Self::S24 => "s24le",
            Self::F32 => "f32le",
        }
    }

    /// Bytes of a sample.
    pub(crate) fn bytes(self) -> u16 {
        match self {
            Self::S16 => 2,
            Self::S24 => 3,
            Self::F32 => 4,
        }
    }

    /// Appends samples. Exact for what the type holds; the rest is rounded and clipped.
    pub(crate) fn encode(self, samples: &[f32], bytes: &mut Vec<u8>) {
        match self {
            Self::S16 => samples.iter().for_each(|&x| bytes.extend(&integer(x, 15).to_le_bytes()[..2])),
            Self::S24 => samples.iter().for_each(|&x| bytes.extend(&integer(x, 23).to_le_bytes()[..3])),
            Self::F32 => samples.iter().for_each(|x| bytes.extend(x.to_le_bytes())),
        }
    }
}

/// The nearest integer to `x * 2^bits` in `[-2^bits, 2^bits)`; 0 for what is not a number. `bits` is 23 at most.
fn integer(x: f32, bits: u32) -> i32 {
    let scale = (1_i32 << bits) as f32;
    ((x * scale).round_ties_even() as i32).clamp(-(1 << bits), (1 << bits) - 1)
}

/// The header of a WAV file whose length nobody knows yet: both sizes are the largest that there is, which readers of
/// pipes take as "to the end". WAVEFORMATEXTENSIBLE (Microsoft, "Multiple channel audio data and WAVE files") where the
/// plain form does not do.
pub(crate) fn wav_header(format: AudioFormat, stored: Stored) -> Vec<u8> {
    /// The tail of every sub-format GUID, after the 16-bit tag.
    const SUBFORMAT: [u8; 14] = [0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71];
    let tag: u16 = if stored == Stored::F32 { 3 } else { 1 };
    let is_plain = stored == Stored::S16 && format.channels <= 2;
    let (frame, bits) = (u32::from(format.channels) * u32::from(stored.bytes()), stored.bytes() * 8);
    let mut fmt = if is_plain { tag } else { 0xfffe }.to_le_bytes().to_vec();
    fmt.extend(format.channels.to_le_bytes());
    fmt.extend(format.rate.to_le_bytes());
    fmt.extend(format.rate.saturating_mul(frame).to_le_bytes());
    fmt.extend(&frame.to_le_bytes()[..2]);
    fmt.extend(bits.to_le_bytes());
    if !is_plain {
        fmt.extend(22_u16.to_le_bytes());
        fmt.extend(bits.to_le_bytes());
        // Which speakers the channels are for is left open.
        fmt.extend(0_u32.to_le_bytes());
        fmt.extend(tag.to_le_bytes());
        fmt.extend(SUBFORMAT);
    }
    let unknown = u32::MAX.to_le_bytes();
    let length = (fmt.len() as u32).to_le_bytes();
    [b"RIFF", &unknown[..], b"WAVEfmt ", &length, &fmt, b"data", &unknown].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_exact_and_the_rest_is_clipped() {
        let mut bytes = Vec::new();
        for value in i16::MIN..=i16::MAX {
            bytes.clear();
            Stored::S16.encode(&[f32::from(value) / 32_768.0], &mut bytes);
            assert_eq!(bytes, value.to_le_bytes());
        }
        for value in (-8_388_608_i32..8_388_608).step_by(4_099) {
            bytes.clear();
            Stored::S24.encode(&[value as f32 / 8_388_608.0], &mut bytes);
            assert_eq!(bytes, value.to_le_bytes()[..3]);
        }
        bytes.clear();
        Stored::S16.encode(&[1.0, -7.0, f32::INFINITY, f32::NAN], &mut bytes);
        assert_eq!(bytes, [0xff, 0x7f, 0, 0x80, 0xff, 0x7f, 0, 0]);
    }

    #[test]
    fn others_read_the_header() {
        for (stored, channels) in [(Stored::S16, 2), (Stored::S16, 6), (Stored::S24, 1), (Stored::F32, 2)] {
            let format = AudioFormat { rate: 96_000, channels };
            let mut header = wav_header(format, stored);
            // This reader wants a length in whole samples.
            let length = header.len() - 4;
            header[length..].fill(0);
            let spec = hound::WavReader::new(header.as_slice()).unwrap().spec();
            assert_eq!((spec.sample_rate, spec.channels), (96_000, channels));
            assert_eq!(spec.bits_per_sample, stored.bytes() * 8);
            assert_eq!(spec.sample_format == hound::SampleFormat::Float, stored == Stored::F32);
        }
        // The largest format there is.
        wav_header(
            AudioFormat { rate: AudioFormat::MAX_RATE, channels: AudioFormat::MAX_CHANNELS },
            Stored::F32,
        );
    }
}
