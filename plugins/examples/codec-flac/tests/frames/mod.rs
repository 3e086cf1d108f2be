//! FLAC frames, and damage to them with corrected checksums.

use codec_flac::Flac;
use media_plugin_conformance::chunks;
use media_plugin_sdk::{Codec, Limits, SourceFormat};

/// Encodes a track as one chunk. Returns the configuration and the packets.
pub(crate) fn encoded(source: SourceFormat, track: &[f32]) -> (Vec<u8>, Vec<Vec<u8>>) {
    let choice = Flac.propose(&source, &Limits::default(), "").unwrap();
    let encoding = Flac.encoding(&choice).unwrap();
    let frames = track.len() / usize::from(source.format.channels);
    let mut encoder = Flac.encoder(&choice).unwrap();
    let packets = chunks::encode(encoder.as_mut(), &encoding, track, 0, frames).unwrap();
    (encoding.config, packets)
}

/// Frame whose checksums can be recomputed (RFC 9639, sections 9.1.8 and 9.3).
pub(crate) struct Frame {
    bytes: Vec<u8>,
    /// Offset of the header's checksum.
    header: usize,
}

impl Frame {
    pub(crate) fn of(bytes: Vec<u8>) -> Self {
        let header = (5..16).find(|&at| crc(&bytes[..at], 0x07, 8) == u16::from(bytes[at])).unwrap();
        Self { bytes, header }
    }

    /// Overwrites one byte, unless it is beyond the end.
    pub(crate) fn set(&mut self, at: usize, byte: u8) {
        if let Some(place) = self.bytes.get_mut(at) {
            *place = byte;
        }
    }

    pub(crate) fn sealed(mut self) -> Vec<u8> {
        self.bytes[self.header] = crc(&self.bytes[..self.header], 0x07, 8) as u8;
        let end = self.bytes.len() - 2;
        let sum = crc(&self.bytes[..end], 0x8005, 16);
        self.bytes[end..].copy_from_slice(&sum.to_be_bytes());
        self.bytes
    }
}

/// CRC of `bits` bits, highest bit first.
fn crc(bytes: &[u8], polynomial: u32, bits: u32) -> u16 {
    let step = |sum: u32, _| {
        let carry = sum >> (bits - 1) & 1;
        ((sum << 1) ^ (carry * polynomial)) & ((1 << bits) - 1)
    };
    let byte = |sum: u32, byte: &u8| (0..8).fold(sum ^ u32::from(*byte) << (bits - 8), step);
    bytes.iter().fold(0, byte) as u16
}
