//! Mutations of valid inputs by a seeded generator, and the loop that runs a fuzz target on them.
//!
//! Several crates include this file in their tests. Each test runs its target on its seeds and on some mutations of them. With
//! `FUZZ_SECONDS=180` it runs that long instead; `FUZZ_SEED` sets the generator's first number. The input that makes a target
//! panic is written to a file, whose path is printed.

#![allow(dead_code, unreachable_pub, reason = "each crate uses a part of this")]

use std::{
    env, fs, thread,
    time::{Duration, Instant},
};

/// Mutations of a target if `FUZZ_SECONDS` does not say otherwise.
const MUTATIONS: u64 = 300;
/// Bytes of an input at most.
const MAX_INPUT: usize = 64 * 1024;
/// Bytes and numbers that have a meaning in many formats.
const NOTABLE: [&[u8]; 14] = [
    &[0],
    &[1],
    &[0x7f],
    &[0x80],
    &[0xff],
    &[0xff, 0xff],
    &[0, 0, 0, 0],
    &[0xff; 4],
    &[0x7f, 0xff, 0xff, 0xff],
    &[0xff, 0xff, 0xff, 0x7f],
    &[0; 8],
    &[0xff; 8],
    b"\n",
    b"\"",
];

/// A generator of numbers (splitmix64).
pub struct Rng(u64);

impl Rng {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// A number below `end`; 0 if `end` is 0.
    pub fn below(&mut self, end: usize) -> usize {
        if end == 0 { 0 } else { (self.next() % end as u64) as usize }
    }

    /// A place in `length` bytes. Half of the places are among the first 512, where headers are.
    fn place(&mut self, length: usize) -> usize {
        let end = if self.below(2) == 0 { length.min(512) } else { length };
        self.below(end)
    }
}

/// Returns one of the seeds after one to eight changes.
pub fn mutate(seeds: &[Vec<u8>], rng: &mut Rng) -> Vec<u8> {
    let mut input = seeds[rng.below(seeds.len())].clone();
    for _ in 0..=rng.below(8) {
        change(&mut input, seeds, rng);
    }
    input.truncate(MAX_INPUT);
    input
}

fn change(input: &mut Vec<u8>, seeds: &[Vec<u8>], rng: &mut Rng) {
    let at = rng.place(input.len());
    let length = (1 + rng.below(64)).min(input.len() - at);
    match rng.below(10) {
        0 if !input.is_empty() => input[at] ^= 1 << rng.below(8),
        1 if !input.is_empty() => input[at] = rng.next() as u8,
        2 if !input.is_empty() => input[at] = input[at].wrapping_add(if rng.below(2) == 0 { 1 } else { 255 }),
        3 | 4 => {
            let notable = NOTABLE[rng.below(NOTABLE.len())];
            let end = input.len().min(at + notable.len());
            input[at..end].copy_from_slice(&notable[..end - at]);
        }
        5 => drop(input.drain(at..at + length)),
        6 => {
            let copied = input[at..at + length].to_vec();
            let to = rng.place(input.len() + 1);
            input.splice(to..to, copied);
        }
        7 => {
            let random: Vec<u8> = (0..length).map(|_| rng.next() as u8).collect();
            input[at..at + length].copy_from_slice(&random);
        }
        8 => input.truncate(rng.below(input.len() + 1)),
        _ => {
            // The rest of another seed.
            let other = &seeds[rng.below(seeds.len())];
            input.truncate(at);
            input.extend_from_slice(&other[rng.place(other.len())..]);
        }
    }
}

/// Runs `body` on all seeds, then on mutations of them.
pub fn run(target: &str, seeds: &[Vec<u8>], mut body: impl FnMut(&[u8])) {
    assert!(!seeds.is_empty(), "{target} has no seeds");
    let number = |name: &str| env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let mut rng = Rng::new(number("FUZZ_SEED").unwrap_or(1));
    let seconds = number("FUZZ_SECONDS").map(Duration::from_secs);
    let began = Instant::now();
    let mut runs = 0;
    let mut longest = Duration::ZERO;
    let mut once = |input: &[u8]| {
        let failing = FailingInput { target, input };
        let started = Instant::now();
        body(failing.input);
        longest = longest.max(started.elapsed());
        runs += 1;
    };
    seeds.iter().for_each(|seed| once(seed));
    match seconds {
        None => (0..MUTATIONS).for_each(|_| once(&mutate(seeds, &mut rng))),
        Some(seconds) => {
            while began.elapsed() < seconds {
                once(&mutate(seeds, &mut rng));
            }
        }
    }
    println!("{target}: {runs} inputs in {:.0} s, the slowest {longest:.1?}", began.elapsed().as_secs_f64());
}

/// Writes the input to a file if the target panics on it.
struct FailingInput<'a> {
    target: &'a str,
    input: &'a [u8],
}

impl Drop for FailingInput<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            let file = env::temp_dir().join(format!("fuzz-{}-{}", self.target, std::process::id()));
            let written = fs::write(&file, self.input);
            eprintln!("{}: the input is in {} ({written:?})", self.target, file.display());
        }
    }
}
