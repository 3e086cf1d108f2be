use std::{fs, sync::Arc, time::Instant};

use media_plugin_sdk::Codec;

use super::case::Case;
use crate::{
    failure::{Breaks, Failure},
    measurements::Measurements,
};

/// Packets that are timed.
const PACKETS: usize = 2_000;

/// Measures the time of a call (50th and 99th percentile) and the growth of the process. Judges neither, because both depend
/// on the machine.
///
/// # Errors
/// An error of the codec.
pub fn measure(codec: &Arc<dyn Codec>, case: &Case<'_>) -> Result<Measurements, Failure> {
    let (encoding, track) = case.prepare(codec)?;
    let samples = encoding.packet_frames as usize * usize::from(encoding.choice.format.channels);
    let encodes = "encode() writes a packet";
    let decodes = "decode() decodes the encoder's packet";
    let mut encoder = codec.encoder(&encoding.choice).breaks(encodes)?;
    let mut decoder = codec.decoder(encoding.choice.format, &encoding.config).breaks(decodes)?;
    let mut packet = vec![0; encoding.max_packet_bytes as usize];
    let mut pcm = vec![0.0; samples];
    let mut encode_times = Vec::with_capacity(PACKETS);
    let mut decode_times = Vec::with_capacity(PACKETS);
    let before = memory("VmRSS:");
    for audio in track.chunks_exact(samples).cycle().take(PACKETS) {
        let start = Instant::now();
        let bytes = encoder.encode(audio, &mut packet).breaks(encodes)?;
        encode_times.push(start.elapsed().as_nanos() as u64);
        if bytes > 0 {
            let start = Instant::now();
            decoder.decode(&packet[..bytes], &mut pcm).breaks(decodes)?;
            decode_times.push(start.elapsed().as_nanos() as u64);
        }
    }
    let mut measurements = Measurements::new();
    for (call, times) in [("encode", &mut encode_times), ("decode", &mut decode_times)] {
        times.sort_unstable();
        for percent in [50, 99] {
            let time = times.get(times.len() * percent / 100).copied().unwrap_or_default();
            measurements.insert(format!("{call}_p{percent}_ns"), time);
        }
    }
    if let (Some(before), Some(peak)) = (before, memory("VmHWM:")) {
        measurements.insert("peak_growth_bytes".into(), peak.saturating_sub(before));
    }
    Ok(measurements)
}

/// Memory of this process, in bytes, from a line of proc_pid_status(5), which counts in kB. Linux only.
fn memory(line: &str) -> Option<u64> {
    let text = fs::read_to_string("/proc/self/status").ok()?;
    let value = text.lines().find_map(|it| it.strip_prefix(line))?;
    value.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}
