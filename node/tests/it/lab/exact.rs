//! Check that every frame of the track was played, once and in its place.

#![allow(dead_code, unreachable_pub, reason = "each user takes a part of this")]

use super::stage::{Heard, Listen};

/// Length of a fade at an underrun, as a part of a second.
const FADE: usize = 200;
/// Blocks per second that are compared in a mixture of codecs, and frames of each.
const BLOCKS: usize = 2;
const BLOCK: usize = 4096;
/// Range in which a shifted match is searched, in frames. A lost or repeated packet would shift the rest by
/// 20 ms.
const SHIFT: usize = 1000;
/// Least ratio to the best shifted correlation. Chords repeat, so a slightly better match elsewhere is no
/// shift.
const LIKELY: f64 = 0.98;

/// Least correlation of a block with the source, and greatest ratio of their powers. Down to 12 kbit/s,
/// blocks of this music have a correlation of 0.96 and a ratio of 0.87 to 1.09.
const ALIKE: f64 = 0.9;
const LOUDER: f64 = 1.25;

/// Describes the first error in a recording; `None` if it is correct. A single codec must equal `expected`
/// sample for sample, except [`FADE`] around an underrun. A mixture of codecs is compared with the source:
/// each block must be equal, or alike, as loud, and nowhere more alike when shifted. That takes seconds of
/// CPU time.
pub fn wrong(listen: Listen, heard: &Heard, expected: &[f32]) -> Option<String> {
    let Some(format) = heard.recording.format else { return Some("nothing was played".into()) };
    let (channels, rate) = (usize::from(format.channels), format.rate as usize);
    match listen.codec {
        "auto" => unlike(&heard.recording.samples, expected, channels, rate),
        _ => differing(heard, expected, channels, rate),
    }
}

fn differing(heard: &Heard, expected: &[f32], channels: usize, rate: usize) -> Option<String> {
    let played = &heard.recording.samples;
    if played.len() != expected.len() {
        return Some(format!("{} of {} frames", played.len() / channels, expected.len() / channels));
    }
    let differ = played.iter().zip(expected).filter(|(a, b)| a != b).count() / channels;
    let faded = heard.progress.underruns as usize * 2 * rate.div_ceil(FADE);
    (differ > faded).then(|| format!("{differ} frames differ, {faded} may be faded"))
}

fn unlike(played: &[f32], source: &[f32], channels: usize, rate: usize) -> Option<String> {
    if played.len() != source.len() {
        return Some(format!("{} of {} frames", played.len() / channels, source.len() / channels));
    }
    let mono = |samples: &[f32]| -> Vec<f32> { samples.chunks(channels).map(|it| it.iter().sum()).collect() };
    let (played, source) = (mono(played), mono(source));
    let starts = (SHIFT..).step_by(rate / BLOCKS).take_while(|start| start + BLOCK + SHIFT <= source.len());
    for start in starts {
        let block = &played[start..start + BLOCK];
        if block == &source[start..start + BLOCK] {
            continue;
        }
        let power = |block: &[f32]| block.iter().map(|it| f64::from(it * it)).sum::<f64>().sqrt().max(1e-9);
        let own = power(block);
        let alike = |from: usize| -> f64 {
            let there = &source[from..from + BLOCK];
            block.iter().zip(there).map(|(a, b)| f64::from(a * b)).sum::<f64>() / power(there) / own
        };
        let (here, louder) = (alike(start), (own / power(&source[start..start + BLOCK])).powi(2));
        if here < ALIKE || !(1.0 / LOUDER..=LOUDER).contains(&louder) {
            let at = start as f64 / rate as f64;
            return Some(format!("{here:.2} like the source and {louder:.2} as loud at {at:.1} s"));
        }
        let best = (start - SHIFT..=start + SHIFT).map(|from| (alike(from), from));
        let best = best.max_by(|a, b| a.0.total_cmp(&b.0))?;
        if here < best.0 * LIKELY {
            let shift = best.1 as i64 - start as i64;
            return Some(format!("shifted by {shift} frames at {:.1} s", start as f64 / rate as f64));
        }
    }
    None
}
