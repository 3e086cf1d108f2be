use std::sync::Arc;

use media_plugin_sdk::{Codec, Encoding, PluginError};

use super::{Case, prepared};
use crate::{During, Failure, require};

/// Items on each side of a buffer that nobody may touch.
const MARGIN: usize = 256;
/// No audio and no packet of zeros: the bits of a NaN, and a byte.
const UNTOUCHED: f32 = f32::from_bits(0x7fc0_1234);
const UNTOUCHED_BYTE: u8 = 0xa5;

/// Holds a codec to the buffers that it is given: it writes nothing outside of them, leaves its input as it is, and says
/// `NoSpace` where one is too small.
///
/// Room of our own lies around each buffer, so that an overrun of up to 256 items is seen and harms nobody.
///
/// # Errors
/// The first rule that is broken.
pub fn check_buffers(codec: &Arc<dyn Codec>, case: &Case<'_>) -> Result<(), Failure> {
    let (encoding, track) = prepared(codec, case)?;
    let samples = encoding.packet_frames as usize * usize::from(encoding.choice.format.channels);
    let pcm: Vec<f32> = track.iter().cycle().take(samples).copied().collect();
    let packet = first_packet(codec, &encoding, &pcm)?;
    for room in [0, packet.len() - 1] {
        let mut encoder = codec.encoder(&encoding.choice).during("encodes")?;
        let mut buffer = Room::new(room, UNTOUCHED_BYTE);
        // A codec that buffers may take some calls until a packet comes out.
        let outcome = (0..16).find_map(|_| match encoder.encode(&pcm, buffer.inner()) {
            Ok(0) => None,
            other => Some(other),
        });
        buffer.check("encode keeps to its buffer")?;
        let refused = matches!(outcome, Some(Err(PluginError::NoSpace { .. })));
        require(refused, "encode says NoSpace", format!("{outcome:?} with room for {room} bytes"))?;
    }
    decode(codec, &encoding, &packet, samples)
}

fn first_packet(codec: &Arc<dyn Codec>, encoding: &Encoding, pcm: &[f32]) -> Result<Vec<u8>, Failure> {
    let mut encoder = codec.encoder(&encoding.choice).during("encodes")?;
    let mut given = Room::new(pcm.len(), UNTOUCHED);
    given.inner().copy_from_slice(pcm);
    for _ in 0..16 {
        let mut packet = Room::new(encoding.max_packet_bytes as usize, UNTOUCHED_BYTE);
        let bytes = encoder.encode(given.inner(), packet.inner()).during("encodes")?;
        packet.check("encode keeps to its buffer")?;
        given.check("encode leaves what lies beside its input")?;
        require(given.inner() == pcm, "encode leaves its input as it is", "it changed samples")?;
        if bytes > 0 {
            return Ok(packet.inner()[..bytes].to_vec());
        }
    }
    Err(Failure::new("encodes", "no packet came out of 16 calls"))
}

fn decode(codec: &Arc<dyn Codec>, encoding: &Encoding, packet: &[u8], samples: usize) -> Result<(), Failure> {
    let format = encoding.choice.format;
    let mut decoder = codec.decoder(format, &encoding.config).during("decodes")?;
    let mut given = Room::new(packet.len(), UNTOUCHED_BYTE);
    given.inner().copy_from_slice(packet);
    for room in [0, samples - usize::from(format.channels), samples] {
        let mut pcm = Room::new(room, UNTOUCHED);
        let outcome = decoder.decode(given.inner(), pcm.inner());
        pcm.check("decode keeps to its buffer")?;
        given.check("decode leaves what lies beside its input")?;
        require(given.inner() == packet, "decode leaves its input as it is", "it changed bytes")?;
        let right = match &outcome {
            Err(PluginError::NoSpace { .. }) => room < samples,
            Ok(_) => room == samples,
            Err(_) => false,
        };
        require(
            right,
            "decode says NoSpace",
            format!("{outcome:?} with room for {room} samples of {samples}"),
        )?;
    }
    Ok(())
}

/// A buffer with margins on both sides.
struct Room<T> {
    all: Vec<T>,
    untouched: T,
}

/// Items whose bits can be compared.
trait Bits: Copy {
    fn bits(self) -> u32;
}
impl Bits for f32 {
    fn bits(self) -> u32 {
        self.to_bits()
    }
}
impl Bits for u8 {
    fn bits(self) -> u32 {
        self.into()
    }
}

impl<T: Bits> Room<T> {
    fn new(len: usize, untouched: T) -> Self {
        Self { all: vec![untouched; len + 2 * MARGIN], untouched }
    }

    fn inner(&mut self) -> &mut [T] {
        let end = self.all.len() - MARGIN;
        &mut self.all[MARGIN..end]
    }

    fn check(&self, rule: &'static str) -> Result<(), Failure> {
        let (start, end) = (MARGIN, self.all.len() - MARGIN);
        let touched = (0..start).chain(end..self.all.len()).find(|at| {
            // Read afresh: the plugin may have written behind our back.
            std::hint::black_box(self.all[*at]).bits() != self.untouched.bits()
        });
        let Some(at) = touched else { return Ok(()) };
        let (at, len) = (at as i64 - start as i64, end - start);
        Err(Failure::new(rule, format!("it wrote at {at}, outside of the {len} items it was given")))
    }
}
