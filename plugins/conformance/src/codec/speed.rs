use std::{fs, sync::Arc, time::Instant};

use media_plugin_sdk::Codec;

use super::{Case, prepared};
use crate::{During, Failure, Figures};

/// Packets that are timed.
const PACKETS: usize = 2_000;

/// How long a call takes and how much memory the process takes meanwhile. They are told, not judged: they say as much of the
/// machine as of the codec.
///
/// # Errors
/// The codec's, none of them about time.
pub fn measure(codec: &Arc<dyn Codec>, case: &Case<'_>) -> Result<Figures, Failure> {
    let (encoding, track) = prepared(codec, case)?;
    let samples = encoding.packet_frames as usize * usize::from(encoding.choice.format.channels);
    let mut encoder = codec.encoder(&encoding.choice).during("encodes")?;
    let mut decoder = codec.decoder(encoding.choice.format, &encoding.config).during("decodes")?;
    let (mut packet, mut pcm) = (vec![0; encoding.max_packet_bytes as usize], vec![0.0; samples]);
    let (mut encodes, mut decodes) = (Vec::with_capacity(PACKETS), Vec::with_capacity(PACKETS));
    let before = memory("VmRSS:");
    for audio in track.chunks_exact(samples).cycle().take(PACKETS) {
        let start = Instant::now();
        let bytes = encoder.encode(audio, &mut packet).during("encodes")?;
        encodes.push(start.elapsed().as_nanos() as u64);
        if bytes > 0 {
            let start = Instant::now();
            decoder.decode(&packet[..bytes], &mut pcm).during("decodes")?;
            decodes.push(start.elapsed().as_nanos() as u64);
        }
    }
    let mut figures = Figures::new();
    for (what, times) in [("encode", &mut encodes), ("decode", &mut decodes)] {
        times.sort_unstable();
        for percent in [50, 99] {
            let at = times.get(times.len() * percent / 100).copied().unwrap_or_default();
            figures.insert(format!("{what}_p{percent}_ns"), at);
        }
    }
    if let (Some(before), Some(peak)) = (before, memory("VmHWM:")) {
        figures.insert("peak_growth_bytes".into(), peak.saturating_sub(before));
    }
    Ok(figures)
}

/// Memory of this process in bytes, by its line in proc_pid_status(5), which counts in kB. On Linux only.
fn memory(line: &str) -> Option<u64> {
    let text = fs::read_to_string("/proc/self/status").ok()?;
    let value = text.lines().find_map(|it| it.strip_prefix(line))?;
    value.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}
