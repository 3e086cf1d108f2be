use std::{io, sync::Arc};

use media_plugin_host::{Edge, FencedBuffer, Pod};
use media_plugin_sdk::{Codec, Encoding, PluginError};

use super::{Case, prepared};
use crate::{During, Failure, require};

/// A codec that buffers may take some calls until a packet comes out.
const CALLS: usize = 16;
/// What a buffer holds before it is written to: the bits of a NaN.
const UNTOUCHED: f32 = f32::from_bits(0x7fc0_1234);

/// Encodes between buffers that lie at a fence, with room for nothing, for one byte too few, for one byte less than the
/// most, and for the most: an overrun, reading or writing, at input or output, ends the process.
///
/// # Errors
/// The first rule that is broken.
pub fn check_encode_buffers(codec: &Arc<dyn Codec>, case: &Case<'_>, edge: Edge) -> Result<(), Failure> {
    let work = Work::new(codec, case, edge)?;
    let (need, most) = (work.packet.len(), work.encoding.max_packet_bytes as usize);
    let pcm = fenced(&work.pcm, edge)?;
    for room in [0, need - 1, most - 1, most] {
        let mut encoder = codec.encoder(&work.encoding.choice).during("encodes")?;
        let mut packet = fenced(&vec![0; room], edge)?;
        let outcome = (0..CALLS).find_map(|_| match encoder.encode(&pcm, &mut packet) {
            Ok(0) => None,
            other => Some(other),
        });
        let right = match &outcome {
            Some(Err(PluginError::NoSpace { .. })) => room < need,
            Some(Ok(_)) => room >= need,
            _ => false,
        };
        let why = || format!("{outcome:?} with room for {room} bytes of {need}");
        require(right, "encode says NoSpace", why())?;
    }
    Ok(())
}

/// The same for decoding, with room for nothing, for one frame too few, and for a packet.
///
/// # Errors
/// The first rule that is broken.
pub fn check_decode_buffers(codec: &Arc<dyn Codec>, case: &Case<'_>, edge: Edge) -> Result<(), Failure> {
    let work = Work::new(codec, case, edge)?;
    let format = work.encoding.choice.format;
    let mut decoder = codec.decoder(format, &work.encoding.config).during("decodes")?;
    let packet = fenced(&work.packet, edge)?;
    let need = work.pcm.len();
    for room in [0, need - usize::from(format.channels), need] {
        let mut pcm = fenced(&vec![UNTOUCHED; room], edge)?;
        let outcome = decoder.decode(&packet, &mut pcm);
        let right = match &outcome {
            Err(PluginError::NoSpace { .. }) => room < need,
            Ok(_) => room == need,
            Err(_) => false,
        };
        let why = || format!("{outcome:?} with room for {room} samples of {need}");
        require(right, "decode says NoSpace", why())?;
    }
    Ok(())
}

/// Encodes and decodes what may only be read: its samples and bytes are the same after it, and a write ends the process
/// even if it changes nothing.
///
/// # Errors
/// The first rule that is broken.
pub fn check_inputs(codec: &Arc<dyn Codec>, case: &Case<'_>) -> Result<(), Failure> {
    let work = Work::new(codec, case, Edge::End)?;
    let Work { encoding, pcm, packet, .. } = &work;
    // A change is found before a write is, so that it can be told.
    let lent = fenced(pcm, Edge::End)?;
    work.encode(&lent)?;
    require(same(&lent, pcm), "encode leaves its input as it is", "it changed samples")?;
    let lent = fenced(packet, Edge::End)?;
    work.decode(&lent)?;
    require(same(&lent, packet), "decode leaves its input as it is", "it changed bytes")?;

    let fence = |e: io::Error| Failure::new("takes memory for a buffer", e.to_string());
    work.encode(&fenced(pcm, Edge::End)?.read_only().map_err(fence)?)?;
    work.decode(&fenced(packet, Edge::End)?.read_only().map_err(fence)?)?;
    let config = fenced(&encoding.config, Edge::End)?.read_only().map_err(fence)?;
    codec.decoder(encoding.choice.format, &config).during("decodes")?;
    Ok(())
}

fn fenced<T: Pod>(items: &[T], edge: Edge) -> Result<FencedBuffer<T>, Failure> {
    FencedBuffer::new(items, edge).map_err(|e| Failure::new("takes memory for a buffer", e.to_string()))
}

/// Compares what the plugin may have written to behind the compiler's back.
fn same<T: PartialEq>(lent: &[T], kept: &[T]) -> bool {
    std::hint::black_box(lent) == kept
}

/// One packet's worth of audio, and the first packet that comes out of it.
struct Work<'a> {
    codec: &'a Arc<dyn Codec>,
    encoding: Encoding,
    pcm: Vec<f32>,
    packet: Vec<u8>,
    edge: Edge,
}

impl<'a> Work<'a> {
    fn new(codec: &'a Arc<dyn Codec>, case: &Case<'_>, edge: Edge) -> Result<Self, Failure> {
        let (encoding, track) = prepared(codec, case)?;
        let samples = encoding.packet_frames as usize * usize::from(encoding.choice.format.channels);
        let pcm: Vec<f32> = track.iter().cycle().take(samples).copied().collect();
        let mut work = Self { codec, encoding, pcm, packet: Vec::new(), edge };
        // A copy goes out, so that ours is as it was whatever the plugin does to it.
        work.packet = work.encode(&fenced(&work.pcm, edge)?)?;
        Ok(work)
    }

    fn encode(&self, pcm: &[f32]) -> Result<Vec<u8>, Failure> {
        let mut encoder = self.codec.encoder(&self.encoding.choice).during("encodes")?;
        let mut packet = fenced(&vec![0; self.encoding.max_packet_bytes as usize], self.edge)?;
        for _ in 0..CALLS {
            let bytes = encoder.encode(pcm, &mut packet).during("encodes")?;
            if bytes > 0 {
                return Ok(packet[..bytes].to_vec());
            }
        }
        Err(Failure::new("encodes", format!("no packet came out of {CALLS} calls")))
    }

    fn decode(&self, packet: &[u8]) -> Result<(), Failure> {
        let mut decoder =
            self.codec.decoder(self.encoding.choice.format, &self.encoding.config).during("decodes")?;
        let mut pcm = fenced(&vec![UNTOUCHED; self.pcm.len()], self.edge)?;
        decoder.decode(packet, &mut pcm).map(drop).during("decodes")
    }
}
