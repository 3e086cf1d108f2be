use media_plugin_sdk::AudioFormat;

use crate::samples::SampleFormat;

/// Header of a WAV file of unknown length, with WAVEFORMATEXTENSIBLE for all but 16-bit mono and stereo (Microsoft, "Multiple
/// channel audio data and WAVE files"). Both sizes have the maximum, which readers of pipes take as "to the end".
pub(crate) fn header(format: AudioFormat, sample: SampleFormat) -> Vec<u8> {
    /// Bytes of every sub-format GUID after its 16-bit format tag.
    const SUBFORMAT: [u8; 14] = [0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71];
    let tag: u16 = if sample == SampleFormat::F32 { 3 } else { 1 };
    let is_plain = sample == SampleFormat::S16 && format.channels <= 2;
    let (frame, bits) = (u32::from(format.channels) * u32::from(sample.bytes()), sample.bytes() * 8);
    let mut fmt = if is_plain { tag } else { 0xfffe }.to_le_bytes().to_vec();
    fmt.extend(format.channels.to_le_bytes());
    fmt.extend(format.rate.to_le_bytes());
    fmt.extend(format.rate.saturating_mul(frame).to_le_bytes());
    fmt.extend(&frame.to_le_bytes()[..2]);
    fmt.extend(bits.to_le_bytes());
    if !is_plain {
        fmt.extend(22_u16.to_le_bytes());
        fmt.extend(bits.to_le_bytes());
        // No speaker mask.
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
    fn others_read_the_header() {
        for (sample, channels) in
            [(SampleFormat::S16, 2), (SampleFormat::S16, 6), (SampleFormat::S24, 1), (SampleFormat::F32, 2)]
        {
            let format = AudioFormat { rate: 96_000, channels };
            let mut bytes = header(format, sample);
            // This reader needs a length in whole samples.
            let length = bytes.len() - 4;
            bytes[length..].fill(0);
            let spec = hound::WavReader::new(bytes.as_slice()).unwrap().spec();
            assert_eq!((spec.sample_rate, spec.channels), (96_000, channels));
            assert_eq!(spec.bits_per_sample, sample.bytes() * 8);
            assert_eq!(spec.sample_format == hound::SampleFormat::Float, sample == SampleFormat::F32);
        }
        let widest = AudioFormat { rate: AudioFormat::MAX_RATE, channels: AudioFormat::MAX_CHANNELS };
        let bytes = header(widest, SampleFormat::F32);
        assert_eq!(bytes[28..32], (AudioFormat::MAX_RATE * 32 * 4).to_le_bytes(), "bytes per second");
    }
}
