use std::{fs, sync::Arc};

use media_plugin_sdk::Codec;

use super::{Case, prepared};
use crate::{During, Failure, require};

const ROUNDS: usize = 4_000;
/// What may remain of each round, in bytes: less than the smallest thing that anyone would allocate, because a heap grows
/// by itself for a while.
const TOLERATED: usize = 16;
/// A heap grows once in a while, a leak each time.
const TRIES: usize = 5;
const PAGE: usize = 4096;

/// Makes, uses and ends instances by the thousand: the process does not grow. Looked at on Linux only.
///
/// Run it in a process where nothing else goes on.
///
/// # Errors
/// The first rule that is broken.
pub fn check_leaks(codec: &Arc<dyn Codec>, case: &Case<'_>) -> Result<(), Failure> {
    let (encoding, track) = prepared(codec, case)?;
    let samples = encoding.packet_frames as usize * usize::from(encoding.choice.format.channels);
    let (mut packet, mut pcm) = (vec![0; encoding.max_packet_bytes as usize], vec![0.0; samples]);
    let mut rounds = || -> Result<(), Failure> {
        for _ in 0..ROUNDS {
            let mut encoder = codec.encoder(&encoding.choice).during("encodes")?;
            let len = encoder.encode(&track[..samples.min(track.len())], &mut packet).during("encodes")?;
            let mut decoder = codec.decoder(encoding.choice.format, &encoding.config).during("decodes")?;
            decoder.decode(&packet[..len.max(1)], &mut pcm).ok();
            // Errors have paths of their own.
            decoder.decode(&packet[..len / 2], &mut []).ok();
            codec.decoder(encoding.choice.format, &[0xff; 64]).ok();
        }
        Ok(())
    };
    rounds()?;
    let mut least = usize::MAX;
    for _ in 0..TRIES {
        let before = resident();
        rounds()?;
        least = least.min(resident().zip(before).map_or(0, |(after, before)| after.saturating_sub(before)));
        if least <= ROUNDS * TOLERATED + 16 * PAGE {
            return Ok(());
        }
    }
    let why =
        format!("the process grew by {least} bytes and more, each time, in {ROUNDS} encoders and decoders");
    require(false, "gives back what it takes", why)
}

/// Memory of this process, in bytes (proc_pid_statm(5), second field, in pages).
fn resident() -> Option<usize> {
    let text = fs::read_to_string("/proc/self/statm").ok()?;
    let pages: usize = text.split(' ').nth(1)?.parse().ok()?;
    Some(pages * PAGE)
}
