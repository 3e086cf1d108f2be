use std::{fs, sync::Arc};

use media_plugin_sdk::Codec;

use super::case::Case;
use crate::failure::{Breaks, Failure, require};

/// Encoders and decoders made in one try.
const INSTANCES: usize = 4_000;
/// Tolerated growth per instance, in bytes, since a heap without leaks grows a little too. It is below the smallest real
/// allocation. Tested by `each_fault_is_found`, with a leak of 100 bytes.
const TOLERANCE: usize = 16;
/// Tries until the process must stop growing. A heap without leaks grows in some of them, a leak in all.
const TRIES: usize = 5;
/// Bytes in a page of proc_pid_statm(5), and in the tolerated 16 pages of heap growth.
const PAGE: usize = 4096;

/// Makes, uses and drops thousands of encoders and decoders. The process must not grow. Measures on Linux only.
///
/// Run it in a process that does nothing else.
///
/// # Errors
/// The first broken rule.
pub fn check_leaks(codec: &Arc<dyn Codec>, case: &Case<'_>) -> Result<(), Failure> {
    let rule = "encoders and decoders free their memory";
    let (encoding, track) = case.prepare(codec)?;
    let samples = encoding.packet_frames as usize * usize::from(encoding.choice.format.channels);
    let mut packet = vec![0; encoding.max_packet_bytes as usize];
    let mut pcm = vec![0.0; samples];
    let mut run = || -> Result<(), Failure> {
        for _ in 0..INSTANCES {
            let mut encoder = codec.encoder(&encoding.choice).breaks("encoder() makes an encoder")?;
            let audio = &track[..samples.min(track.len())];
            let len = encoder.encode(audio, &mut packet).breaks("encode() writes a packet")?;
            let mut decoder = codec
                .decoder(encoding.choice.format, &encoding.config)
                .breaks("decoder() makes a decoder")?;
            decoder.decode(&packet[..len.max(1)], &mut pcm).ok();
            // Calls that fail, because errors may leak too.
            decoder.decode(&packet[..len / 2], &mut []).ok();
            codec.decoder(encoding.choice.format, &[0xff; 64]).ok();
        }
        Ok(())
    };
    run()?;
    let mut smallest = usize::MAX;
    for _ in 0..TRIES {
        let before = resident_memory();
        run()?;
        let growth = resident_memory().zip(before).map_or(0, |(after, before)| after.saturating_sub(before));
        smallest = smallest.min(growth);
        if smallest <= INSTANCES * TOLERANCE + 16 * PAGE {
            return Ok(());
        }
    }
    let observed = format!(
        "in each of {TRIES} tries, {INSTANCES} encoders and decoders left at least {smallest} bytes behind"
    );
    require(false, rule, observed)
}

/// Resident memory of this process, in bytes (second field of proc_pid_statm(5)).
fn resident_memory() -> Option<usize> {
    let text = fs::read_to_string("/proc/self/statm").ok()?;
    let pages: usize = text.split(' ').nth(1)?.parse().ok()?;
    Some(pages * PAGE)
}
