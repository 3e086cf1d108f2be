//! A track cut into chunks, each encoded and decoded on its own, and joined again: what a node does with an
//! [`Encoding`], without the node.

use media_plugin_sdk::{Codec, Decoder, Encoder, Encoding, Result};

/// Frames in a chunk of 3 s.
#[must_use]
pub fn chunk_frames(encoding: &Encoding) -> usize {
    3 * encoding.choice.format.rate as usize
}

/// Encodes frames `start..end` of `track`, interleaved, as one chunk on `encoder`, which is as new.
///
/// # Errors
/// The encoder's.
pub fn encode(
    encoder: &mut dyn Encoder,
    encoding: &Encoding,
    track: &[f32],
    start: usize,
    end: usize,
) -> Result<Vec<Vec<u8>>> {
    let channels = usize::from(encoding.choice.format.channels);
    let frames = track.len() / channels;
    let crossfade = if end < frames { encoding.crossfade as usize } else { 0 };
    let packet_frames = encoding.packet_frames as usize;
    let mut wanted = encoding.lead_in as usize + (end - start) + encoding.lookahead as usize + crossfade;
    if encoding.whole_packets {
        wanted = wanted.next_multiple_of(packet_frames);
    }
    // Silence outside the track.
    let mut fed = vec![0.0; wanted * channels];
    let skipped = (encoding.lead_in as usize).saturating_sub(start);
    let from = start + skipped - encoding.lead_in as usize;
    let taken = (wanted - skipped).min(frames - from);
    fed[skipped * channels..(skipped + taken) * channels]
        .copy_from_slice(&track[from * channels..(from + taken) * channels]);

    let mut packet = vec![0; encoding.max_packet_bytes as usize];
    let mut packets = Vec::new();
    for pcm in fed.chunks(packet_frames * channels) {
        let bytes = encoder.encode(pcm, &mut packet)?;
        packets.extend((bytes > 0).then(|| packet[..bytes].to_vec()));
    }
    loop {
        let bytes = encoder.flush(&mut packet)?;
        if bytes == 0 {
            return Ok(packets);
        }
        packets.push(packet[..bytes].to_vec());
    }
}

/// Decodes a chunk on `decoder`, which is as new. What the codec gives before the chunk begins is dropped; what it
/// gives after it is kept.
///
/// # Errors
/// The decoder's.
pub fn decode(decoder: &mut dyn Decoder, encoding: &Encoding, packets: &[Vec<u8>]) -> Result<Vec<f32>> {
    let channels = usize::from(encoding.choice.format.channels);
    let mut buffer = vec![0.0; encoding.packet_frames as usize * channels];
    let mut pcm = Vec::new();
    for packet in packets {
        let frames = decoder.decode(packet, &mut buffer)?;
        pcm.extend_from_slice(&buffer[..frames * channels]);
    }
    let early = (encoding.lead_in + encoding.lookahead) as usize * channels;
    pcm.drain(..early.min(pcm.len()));
    Ok(pcm)
}

/// Encodes and decodes a whole track by chunks of `chunk` frames, each with a fresh encoder and decoder, and joins them.
/// Gives the frames and the bytes of all packets.
///
/// # Errors
/// The codec's.
pub fn round_trip(
    codec: &dyn Codec,
    encoding: &Encoding,
    track: &[f32],
    chunk: usize,
) -> Result<(Vec<f32>, usize)> {
    let format = encoding.choice.format;
    let channels = usize::from(format.channels);
    let frames = track.len() / channels;
    let (mut joined, mut tail, mut bytes) = (Vec::<f32>::new(), Vec::new(), 0);
    for start in (0..frames).step_by(chunk) {
        let end = (start + chunk).min(frames);
        let packets = encode(codec.encoder(&encoding.choice)?.as_mut(), encoding, track, start, end)?;
        bytes += packets.iter().map(Vec::len).sum::<usize>();
        let mut decoder = codec.decoder(format, &encoding.config)?;
        let mut pcm = decode(decoder.as_mut(), encoding, &packets)?;
        let spare = pcm.split_off(((end - start) * channels).min(pcm.len()));
        fade(&mut pcm, &tail, channels);
        joined.append(&mut pcm);
        tail = spare;
        tail.truncate(encoding.crossfade as usize * channels);
    }
    Ok((joined, bytes))
}

/// Fades linearly from `tail`, the spare end of the chunk before, into the head of `pcm`.
pub fn fade(pcm: &mut [f32], tail: &[f32], channels: usize) {
    let frames = tail.len() / channels;
    for (i, (new, old)) in pcm.chunks_mut(channels).zip(tail.chunks(channels)).enumerate() {
        let weight = (i as f32 + 0.5) / frames as f32;
        for (new, old) in new.iter_mut().zip(old) {
            *new = old + (*new - old) * weight;
        }
    }
}
