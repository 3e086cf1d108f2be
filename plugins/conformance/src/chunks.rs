//! Chunk coding without a node: cuts a track into chunks as its [`Encoding`] prescribes, encodes and decodes each on its
//! own, and joins them.

use media_plugin_sdk::{Codec, Decoder, Encoder, Encoding, Result};

/// Number of frames in a chunk of 3 s.
#[must_use]
pub fn chunk_frames(encoding: &Encoding) -> usize {
    3 * encoding.choice.format.rate as usize
}

/// Encodes frames `start..end` of the interleaved `track` as one chunk. `encoder` must be new or reset.
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
    let mut fed_frames = encoding.lead_in as usize + (end - start) + encoding.lookahead as usize + crossfade;
    if encoding.whole_packets {
        fed_frames = fed_frames.next_multiple_of(packet_frames);
    }
    // The encoder gets silence before and after the track.
    let mut fed = vec![0.0; fed_frames * channels];
    let silent = (encoding.lead_in as usize).saturating_sub(start);
    let from = start + silent - encoding.lead_in as usize;
    let copied = (fed_frames - silent).min(frames - from);
    fed[silent * channels..(silent + copied) * channels]
        .copy_from_slice(&track[from * channels..(from + copied) * channels]);

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

/// Decodes a chunk. `decoder` must be new or reset. Returns interleaved samples without the lead-in and the lookahead, but
/// with the frames after the chunk's end.
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
    let early = encoding.dropped_frames() as usize * channels;
    pcm.drain(..early.min(pcm.len()));
    Ok(pcm)
}

/// Encodes a whole track in chunks of `chunk` frames, each with a new encoder.
///
/// # Errors
/// The encoder's.
pub fn encode_track(
    codec: &dyn Codec,
    encoding: &Encoding,
    track: &[f32],
    chunk: usize,
) -> Result<Vec<Vec<Vec<u8>>>> {
    let frames = track.len() / usize::from(encoding.choice.format.channels);
    let starts = (0..frames).step_by(chunk);
    let one = |start: usize| {
        let mut encoder = codec.encoder(&encoding.choice)?;
        encode(encoder.as_mut(), encoding, track, start, (start + chunk).min(frames))
    };
    starts.map(one).collect()
}

/// Plays a track of `frames` frames in joinable chunks through one decoder, which skips their tails. `chunk` is the number of
/// frames in a chunk; with tails it is a multiple of [`Encoding::packet_frames`]. Returns the samples.
///
/// # Errors
/// The decoder's.
pub fn play_through(
    codec: &dyn Codec,
    encoding: &Encoding,
    chunks: &[Vec<Vec<u8>>],
    frames: usize,
    chunk: usize,
) -> Result<Vec<f32>> {
    let has_tail = encoding.lookahead > 0 || encoding.crossfade > 0;
    let own = if has_tail { chunk / encoding.packet_frames as usize } else { usize::MAX };
    let (last, others) = chunks.split_last().map_or((&[][..], &[][..]), |(last, others)| (last, others));
    let packets = others.iter().flat_map(|chunk| chunk.iter().take(own)).chain(last).cloned();
    let mut decoder = codec.decoder(encoding.choice.format, &encoding.config)?;
    let mut pcm = decode(decoder.as_mut(), encoding, &packets.collect::<Vec<_>>())?;
    pcm.truncate(frames * usize::from(encoding.choice.format.channels));
    Ok(pcm)
}

/// Decodes a track of `frames` frames, each chunk with a new decoder, and crossfades the chunks. Returns the samples.
///
/// # Errors
/// The decoder's.
pub fn crossfade_chunks(
    codec: &dyn Codec,
    encoding: &Encoding,
    chunks: &[Vec<Vec<u8>>],
    frames: usize,
    chunk: usize,
) -> Result<Vec<f32>> {
    let format = encoding.choice.format;
    let channels = usize::from(format.channels);
    let mut joined = Vec::<f32>::new();
    let mut tail = Vec::new();
    for (index, packets) in chunks.iter().enumerate() {
        let own_frames = frames.saturating_sub(index * chunk).min(chunk);
        let mut decoder = codec.decoder(format, &encoding.config)?;
        let mut pcm = decode(decoder.as_mut(), encoding, packets)?;
        let spare = pcm.split_off((own_frames * channels).min(pcm.len()));
        crossfade(&mut pcm, &tail, channels);
        joined.append(&mut pcm);
        tail = spare;
        tail.truncate(encoding.crossfade as usize * channels);
    }
    Ok(joined)
}

/// Encodes and decodes a whole track in chunks of `chunk` frames, each with a new encoder and decoder, and crossfades them.
/// Returns the samples and the number of bytes in all packets.
///
/// # Errors
/// The codec's.
pub fn round_trip(
    codec: &dyn Codec,
    encoding: &Encoding,
    track: &[f32],
    chunk: usize,
) -> Result<(Vec<f32>, usize)> {
    let chunks = encode_track(codec, encoding, track, chunk)?;
    let bytes = chunks.iter().flatten().map(Vec::len).sum();
    let frames = track.len() / usize::from(encoding.choice.format.channels);
    Ok((crossfade_chunks(codec, encoding, &chunks, frames, chunk)?, bytes))
}

/// Fades linearly from `tail`, the frames after the end of the previous chunk, into the start of `pcm`.
pub fn crossfade(pcm: &mut [f32], tail: &[f32], channels: usize) {
    let frames = tail.len() / channels;
    for (i, (new, old)) in pcm.chunks_mut(channels).zip(tail.chunks(channels)).enumerate() {
        let weight = (i as f32 + 0.5) / frames as f32;
        for (new, old) in new.iter_mut().zip(old) {
            *new = old + (*new - old) * weight;
        }
    }
}
