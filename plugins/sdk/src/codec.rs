use serde::{Deserialize, Serialize};

use crate::{AudioFormat, Result, SourceFormat};

/// What a codec says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodecInfo {
    /// The id on the wire, in config and on the command line: `[a-z0-9-]`, 1 to 32 characters.
    pub id: String,
    /// The plugin's version.
    pub version: String,
    /// One line for `plugins list`.
    pub description: String,
    /// Whether decoding gives back exactly what was encoded (within the sample type that the encoding names).
    pub lossless: bool,
}

/// What a listener and a policy allow. An empty or absent field sets no limit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// The highest bitrate, in bit/s.
    pub bitrate: Option<u32>,
    /// The rates that the listener's output takes, in frames per second; the source's own is the first choice.
    pub rates: Vec<u32>,
    /// The most channels.
    pub channels: Option<u16>,
}

/// One way to encode, small enough to be named: the same choice gives the same bytes on every node.
///
/// Everything that changes the bytes is in here, so that a rendition's id, which is made of these fields, names its
/// bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Choice {
    /// What the encoder takes and the decoder gives; the host converts the source to it.
    pub format: AudioFormat,
    /// The codec's own parameters in its own canonical form (`s16`, `k96c10`): `[a-z0-9-]`, 0 to 32 characters.
    pub params: String,
}

/// What a [`Choice`] comes to: all that the host must know to cut, encode and decode chunks.
///
/// For chunk N, [a, b) in frames, the host opens a fresh encoder, feeds it the frames [a − `lead_in`,
/// b + `lookahead` + `crossfade`) (silence outside the track), then flushes it. A decoder gives these frames back
/// `lookahead` late; the host throws the first `lead_in + lookahead` away, keeps b − a, and fades the next `crossfade`
/// frames into the head of chunk N + 1. The chunk that ends the track has no crossfade.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Encoding {
    /// What was chosen.
    pub choice: Choice,
    /// The nominal bitrate, in bit/s, for a listener to read and a policy to compare.
    pub bitrate: u32,
    /// What the decoder needs to know, at most 4096 bytes; carried to the client as it is.
    pub config: Vec<u8>,
    /// Frames that the encoder takes per call, 1 to 65,536.
    pub packet_frames: u32,
    /// Whether the last call of a chunk must be filled up to `packet_frames` (with the audio that follows) or may be
    /// shorter.
    pub whole_packets: bool,
    /// Frames fed before the chunk so that the codec has settled when the chunk begins.
    pub lead_in: u32,
    /// By how many frames the codec delays what goes through it.
    pub lookahead: u32,
    /// Frames after the chunk's end that fade into the next.
    pub crossfade: u32,
    /// The longest packet that the encoder writes, in bytes, at most 1 MiB.
    pub max_packet_bytes: u32,
}

/// A codec: how to encode PCM into packets and back.
pub trait Codec: Send + Sync {
    /// What this codec is.
    fn info(&self) -> CodecInfo;

    /// Chooses how to encode `source` within `limits`. `options` is the `[codec.ID]` table of the configuration as one
    /// JSON object, empty when there is none.
    ///
    /// # Errors
    /// `Unsupported` with the limit that cannot be met; `BadArgument` naming the option that is wrong.
    fn propose(&self, source: &SourceFormat, limits: &Limits, options: &str) -> Result<Choice>;

    /// What `choice` comes to. Depends on nothing but `choice`.
    ///
    /// # Errors
    /// `BadArgument` when the choice is not one that [`Codec::propose`] makes. It may come from a peer.
    fn encoding(&self, choice: &Choice) -> Result<Encoding>;

    /// A fresh encoder.
    ///
    /// # Errors
    /// As [`Codec::encoding`].
    fn encoder(&self, choice: &Choice) -> Result<Box<dyn Encoder>>;

    /// A fresh decoder for `format` and the [`Encoding::config`] of the encoder. Both come from a peer.
    ///
    /// # Errors
    /// `BadArgument` or `Unsupported`.
    fn decoder(&self, format: AudioFormat, config: &[u8]) -> Result<Box<dyn Decoder>>;
}

/// Encodes one chunk after another. Never blocks; runs on a worker thread.
pub trait Encoder: Send {
    /// Encodes `pcm`, interleaved, [`Encoding::packet_frames`] frames (fewer only at the end of a chunk, where
    /// [`Encoding::whole_packets`] is false), into `packet`, which holds [`Encoding::max_packet_bytes`].
    ///
    /// Returns the packet's length in bytes; 0 means that more audio is needed first.
    ///
    /// # Errors
    /// Any; the instance may only be reset or dropped after it.
    fn encode(&mut self, pcm: &[f32], packet: &mut [u8]) -> Result<usize>;

    /// Writes out what is still inside, one packet a call, until it returns 0.
    ///
    /// # Errors
    /// As [`Encoder::encode`].
    fn flush(&mut self, packet: &mut [u8]) -> Result<usize> {
        let _ = packet;
        Ok(0)
    }

    /// Makes the encoder as new: what it writes next does not depend on what it was fed.
    ///
    /// # Errors
    /// Any; the instance may only be dropped after it.
    fn reset(&mut self) -> Result<()>;
}

/// Decodes one chunk after another. Never blocks; runs on the playback thread, so its time per packet must be short
/// and even, and it does not allocate once it is warm.
pub trait Decoder: Send {
    /// Decodes one packet into `pcm`, interleaved. Returns the number of frames written (0 is allowed).
    ///
    /// `packet` comes from a peer and may hold anything.
    ///
    /// # Errors
    /// `Corrupt` for bytes that are no packet of this codec; `NoSpace` where `pcm` is too short for what the packet
    /// holds. The decoder can go on with the next packet.
    fn decode(&mut self, packet: &[u8], pcm: &mut [f32]) -> Result<usize>;

    /// Makes the decoder as new.
    ///
    /// # Errors
    /// Any; the instance may only be dropped after it.
    fn reset(&mut self) -> Result<()>;
}
