use std::{io, sync::Arc};

use media_plugin_sdk::{Codec, Encoding, PluginError};

use super::case::Case;
use crate::{
    failure::{Breaks, Failure, require},
    fenced_buffer::{Edge, FencedBuffer, Pod},
};

/// Calls of `encode` after which an encoder that buffers must have written a packet.
const MAX_CALLS: usize = 16;
/// Content of a buffer before the plugin writes to it: a NaN, which shows up if it is taken for audio.
const UNWRITTEN: f32 = f32::from_bits(0x7fc0_1234);
/// Rule for memory that this suite allocates itself.
const ALLOCATION: &str = "the suite can allocate guard pages";

/// Encodes with input and output between guard pages, and an output capacity of 0, one byte too few, one below the maximum,
/// and the maximum. An access beyond a buffer ends the process.
///
/// # Errors
/// The first broken rule.
pub fn check_encode_buffers(codec: &Arc<dyn Codec>, case: &Case<'_>, edge: Edge) -> Result<(), Failure> {
    let one = OnePacket::new(codec, case, edge)?;
    let (needed, max) = (one.packet.len(), one.encoding.max_packet_bytes as usize);
    let pcm = fenced(&one.pcm, edge)?;
    for capacity in [0, needed - 1, max - 1, max] {
        let mut encoder = codec.encoder(&one.encoding.choice).breaks("encoder() makes an encoder")?;
        let mut packet = fenced(&vec![0; capacity], edge)?;
        let outcome = (0..MAX_CALLS).find_map(|_| match encoder.encode(&pcm, &mut packet) {
            Ok(0) => None,
            other => Some(other),
        });
        let holds = match &outcome {
            Some(Err(PluginError::NoSpace { .. })) => capacity < needed,
            Some(Ok(_)) => capacity >= needed,
            _ => false,
        };
        let observed = match outcome {
            Some(outcome) => {
                format!("encode() of a packet of {needed} bytes into {capacity} bytes returned {outcome:?}")
            }
            None => format!("{MAX_CALLS} calls of encode() into {capacity} bytes wrote no packet"),
        };
        require(holds, "encode() returns NoSpace if the packet does not fit, and only then", observed)?;
    }
    Ok(())
}

/// Decodes with input and output between guard pages, and an output capacity of 0, one frame too few, and one packet.
///
/// # Errors
/// The first broken rule.
pub fn check_decode_buffers(codec: &Arc<dyn Codec>, case: &Case<'_>, edge: Edge) -> Result<(), Failure> {
    let one = OnePacket::new(codec, case, edge)?;
    let format = one.encoding.choice.format;
    let mut decoder = codec.decoder(format, &one.encoding.config).breaks("decoder() makes a decoder")?;
    let packet = fenced(&one.packet, edge)?;
    let needed = one.pcm.len();
    for capacity in [0, needed - usize::from(format.channels), needed] {
        let mut pcm = fenced(&vec![UNWRITTEN; capacity], edge)?;
        let outcome = decoder.decode(&packet, &mut pcm);
        let holds = match &outcome {
            Err(PluginError::NoSpace { .. }) => capacity < needed,
            Ok(_) => capacity == needed,
            Err(_) => false,
        };
        let observed =
            format!("decode() of a packet of {needed} samples into {capacity} samples returned {outcome:?}");
        require(holds, "decode() returns NoSpace if the frames do not fit, and only then", observed)?;
    }
    Ok(())
}

/// Encodes and decodes from read-only input. The input must be unchanged, and a write ends the process even if it changes
/// nothing.
///
/// # Errors
/// The first broken rule.
pub fn check_inputs(codec: &Arc<dyn Codec>, case: &Case<'_>) -> Result<(), Failure> {
    let one = OnePacket::new(codec, case, Edge::End)?;
    let OnePacket { encoding, pcm, packet, .. } = &one;
    // Writable pages first: a change then gives a message instead of a memory fault.
    let lent = fenced(pcm, Edge::End)?;
    one.encode(&lent)?;
    let observed = "encode() changed the samples of its input";
    require(is_unchanged(&lent, pcm), "encode() does not change its input", observed)?;
    let lent = fenced(packet, Edge::End)?;
    one.decode(&lent)?;
    let observed = "decode() changed the bytes of its input";
    require(is_unchanged(&lent, packet), "decode() does not change its input", observed)?;

    let failed = |e: io::Error| Failure::new(ALLOCATION, e.to_string());
    one.encode(&fenced(pcm, Edge::End)?.read_only().map_err(failed)?)?;
    one.decode(&fenced(packet, Edge::End)?.read_only().map_err(failed)?)?;
    let config = fenced(&encoding.config, Edge::End)?.read_only().map_err(failed)?;
    codec.decoder(encoding.choice.format, &config).breaks("decoder() makes a decoder")?;
    Ok(())
}

fn fenced<T: Pod>(items: &[T], edge: Edge) -> Result<FencedBuffer<T>, Failure> {
    FencedBuffer::new(items, edge).map_err(|e| Failure::new(ALLOCATION, e.to_string()))
}

/// Compares lent input with a copy. The plugin may have written to it without the compiler's knowledge.
fn is_unchanged<T: PartialEq>(lent: &[T], copy: &[T]) -> bool {
    std::hint::black_box(lent) == copy
}

/// Audio of one packet, and that packet.
struct OnePacket<'a> {
    codec: &'a Arc<dyn Codec>,
    encoding: Encoding,
    pcm: Vec<f32>,
    packet: Vec<u8>,
    edge: Edge,
}

impl<'a> OnePacket<'a> {
    fn new(codec: &'a Arc<dyn Codec>, case: &Case<'_>, edge: Edge) -> Result<Self, Failure> {
        let (encoding, track) = case.prepare(codec)?;
        let samples = encoding.packet_frames as usize * usize::from(encoding.choice.format.channels);
        let pcm: Vec<f32> = track.iter().cycle().take(samples).copied().collect();
        let mut one = Self { codec, encoding, pcm, packet: Vec::new(), edge };
        // The plugin gets a copy, so that the original stays valid for comparison.
        one.packet = one.encode(&fenced(&one.pcm, edge)?)?;
        Ok(one)
    }

    fn encode(&self, pcm: &[f32]) -> Result<Vec<u8>, Failure> {
        let rule = "encode() writes a packet";
        let mut encoder = self.codec.encoder(&self.encoding.choice).breaks(rule)?;
        let mut packet = fenced(&vec![0; self.encoding.max_packet_bytes as usize], self.edge)?;
        for _ in 0..MAX_CALLS {
            let bytes = encoder.encode(pcm, &mut packet).breaks(rule)?;
            if bytes > 0 {
                return Ok(packet[..bytes].to_vec());
            }
        }
        Err(Failure::new(rule, format!("{MAX_CALLS} calls of encode() wrote none")))
    }

    fn decode(&self, packet: &[u8]) -> Result<(), Failure> {
        let rule = "decode() decodes the encoder's packet";
        let mut decoder =
            self.codec.decoder(self.encoding.choice.format, &self.encoding.config).breaks(rule)?;
        let mut pcm = fenced(&vec![UNWRITTEN; self.pcm.len()], self.edge)?;
        decoder.decode(packet, &mut pcm).map(drop).breaks(rule)
    }
}
