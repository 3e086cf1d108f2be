use serde::{Deserialize, Serialize};

use crate::{
    error::Result,
    format::{AudioFormat, SourceFormat},
};

/// Description of a codec.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodecInfo {
    /// Id on the wire, in the configuration and on the command line: 1 to 32 characters of `[a-z0-9-]`.
    pub id: String,
    /// Version of the plugin, for people to read.
    pub version: String,
    /// One line for `plugins list`.
    pub description: String,
    /// True if decoding returns exactly the encoded samples, up to the precision of the sample type that
    /// [`Choice::params`] names.
    pub lossless: bool,
}

/// Limits set by a listener and by the node's policy. An empty or absent field sets no limit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Highest bitrate, in bit/s.
    pub bitrate: Option<u32>,
    /// Rates that the listener's output supports, in frames per second. The source's own rate is the first
    /// choice.
    pub rates: Vec<u32>,
    /// Highest number of channels.
    pub channels: Option<u16>,
}

/// One way to encode a source. The same choice gives the same bytes on every node.
///
/// A choice holds everything that changes the bytes. The id of a rendition is made of its fields, and so
/// identifies the bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Choice {
    /// Format of the encoder's input and of the decoder's output. The host converts the source to it.
    pub format: AudioFormat,
    /// Parameters of the codec in a canonical form of its own, such as `s16` or `k96c10-join`: 0 to 32 characters
    /// of `[a-z0-9-]`.
    pub params: String,
}

/// Properties of a [`Choice`] that the host needs to cut, encode and decode chunks.
///
/// For the chunk with the frames [a, b) of a track, the host creates an encoder, feeds it the frames [a −
/// `lead_in`, b + `lookahead` + `crossfade`), and flushes it. Frames outside the track are silence. The
/// decoder returns these frames delayed by `lookahead`. The host drops the first `lead_in + lookahead` of
/// them, plays the next b − a, and crossfades the `crossfade` frames after those into the next chunk. The
/// last chunk of a track has no crossfade.
///
/// # Joinable chunks
///
/// If [`Encoding::joinable`] is set, one decoder can play a track's chunks one after another without a reset.
/// The encoder writes no packet for the lead-in, so the host drops only the first `lookahead` frames. `lead_in`
/// is a multiple of `packet_frames`.
///
/// With lookahead or crossfade, a chunk has a tail. The first (b − a) / `packet_frames` packets are then its own,
/// and the tail is the rest. A decoder that plays on decodes the own packets of each chunk and skips its tail. A
/// decoder that stops after the chunk, or changes to another rendition there, decodes the tail too. The frames of
/// a chunk must then be a multiple of `packet_frames`, and `whole_packets` must be set.
///
/// A codec without lead-in, lookahead and crossfade, whose decoder keeps no state between packets, is joinable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Encoding {
    /// The choice that these properties belong to.
    pub choice: Choice,
    /// Nominal bitrate in bit/s, for a listener to read and a policy to compare.
    pub bitrate: u32,
    /// Configuration of the decoder, at most 4096 bytes. The host passes it to the client unchanged.
    pub config: Vec<u8>,
    /// Frames per call of [`Encoder::encode`], 1 to 65,536.
    pub packet_frames: u32,
    /// True if the last call of a chunk also needs `packet_frames` frames; the host then adds the audio that
    /// follows. False if that call may be shorter.
    pub whole_packets: bool,
    /// Frames before the chunk that let the codec settle, 0 to 65,536.
    pub lead_in: u32,
    /// Delay of the codec in frames, 0 to 65,536.
    pub lookahead: u32,
    /// Frames after the end of the chunk that fade into the next one, 0 to 65,536.
    pub crossfade: u32,
    /// Size limit of a packet in bytes, 1 to 1,048,576.
    pub max_packet_bytes: u32,
    /// True if one decoder can play the chunks one after another without a reset; see above.
    #[serde(default)]
    pub joinable: bool,
}

impl Encoding {
    /// Number of decoded frames that the host drops at the start of a chunk that a new decoder decodes.
    #[must_use]
    pub fn dropped_frames(&self) -> u32 {
        let lead_in = if self.joinable { 0 } else { self.lead_in };
        lead_in.saturating_add(self.lookahead)
    }
}

/// A codec: encodes PCM into packets and decodes them.
///
/// # Threads
///
/// One object serves the whole process. The host calls its methods from any thread, several at the same time.
/// They may allocate and lock. They should return within milliseconds, because a client waits for the answer.
pub trait Codec: Send + Sync {
    /// Describes the codec. Always returns the same values.
    fn info(&self) -> CodecInfo;

    /// Chooses how to encode `source` within `limits`.
    ///
    /// `options` is the table `[codec.ID]` of the configuration as one JSON object, empty if there is no such
    /// table.
    ///
    /// # Errors
    /// `Unsupported` names the limit that cannot be met. `BadArgument` names the wrong option and the
    /// permitted values.
    fn propose(&self, source: &SourceFormat, limits: &Limits, options: &str) -> Result<Choice>;

    /// Returns the properties of `choice`. The result depends on `choice` only.
    ///
    /// # Errors
    /// `BadArgument` if [`Codec::propose`] never makes this choice. The choice may come from a peer.
    fn encoding(&self, choice: &Choice) -> Result<Encoding>;

    /// Creates an encoder.
    ///
    /// # Errors
    /// As [`Codec::encoding`].
    fn encoder(&self, choice: &Choice) -> Result<Box<dyn Encoder>>;

    /// Creates a decoder for `format` and an [`Encoding::config`]. Both come from a peer, so the codec checks
    /// them.
    ///
    /// # Errors
    /// `BadArgument` or `Unsupported`.
    fn decoder(&self, format: AudioFormat, config: &[u8]) -> Result<Box<dyn Decoder>>;
}

/// An encoder, which encodes chunks one after another.
///
/// # Threads
///
/// One thread at a time uses an encoder; different calls may come from different threads. These are worker
/// threads of the node, never its async reactor or the playback thread.
pub trait Encoder: Send {
    /// Encodes interleaved samples into one packet.
    ///
    /// `pcm` holds [`Encoding::packet_frames`] frames in the format of the [`Choice`]. Only the last call of
    /// a chunk may hold fewer, if [`Encoding::whole_packets`] is false. `packet` has room for
    /// [`Encoding::max_packet_bytes`].
    ///
    /// Returns the length of the packet in bytes, or 0 if the encoder needs more audio first.
    ///
    /// Real time: may allocate; does not block on I/O or on other threads.
    ///
    /// # Errors
    /// Any. After an error the host only resets or drops the encoder.
    fn encode(&mut self, pcm: &[f32], packet: &mut [u8]) -> Result<usize>;

    /// Writes buffered audio at the end of a chunk, one packet per call. Returns the length of the packet in
    /// bytes, or 0 if nothing is left.
    ///
    /// Real time: as [`Encoder::encode`]. The default implementation is for an encoder that buffers nothing.
    ///
    /// # Errors
    /// As [`Encoder::encode`].
    fn flush(&mut self, packet: &mut [u8]) -> Result<usize> {
        let _ = packet;
        Ok(0)
    }

    /// Returns the encoder to its initial state. Later packets do not depend on earlier input.
    ///
    /// Real time: as [`Encoder::encode`].
    ///
    /// # Errors
    /// Any. After an error the host only drops the encoder.
    fn reset(&mut self) -> Result<()>;
}

/// A decoder, which decodes chunks one after another.
///
/// # Threads
///
/// One thread at a time uses a decoder; different calls may come from different threads. During playback this
/// is the playback thread, which feeds the output. It is never the async reactor or a sound callback.
pub trait Decoder: Send {
    /// Decodes one packet into interleaved samples. Returns the number of frames written, which may be 0.
    ///
    /// `packet` comes from a peer and may hold any bytes. `pcm` holds whole frames.
    ///
    /// Real time: takes a short and even time per packet, does not block, and does not allocate after the
    /// first packets.
    ///
    /// # Errors
    /// `Corrupt` if the bytes are not a packet of this codec. `NoSpace` if `pcm` is too short for the packet.
    /// The decoder accepts the next packet after either.
    fn decode(&mut self, packet: &[u8], pcm: &mut [f32]) -> Result<usize>;

    /// Returns the decoder to its initial state.
    ///
    /// Real time: as [`Decoder::decode`].
    ///
    /// # Errors
    /// Any. After an error the host only drops the decoder.
    fn reset(&mut self) -> Result<()>;
}
