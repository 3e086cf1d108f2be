//! Conformance suite of outputs.

use std::time::{Duration, Instant};

use media_plugin_host::guard_output;
use media_plugin_sdk::{OpenRequest, Output, OutputPlugin};

use crate::{
    failure::{Breaks, Failure, require},
    fenced_buffer::{Edge, FencedBuffer},
    signal,
};

/// Time after which an output is taken to hang. It is no limit of speed.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Opens an output behind the guard and plays 300 ms of noise in three parts, with a pause, a flush and a drain.
///
/// A real-time output takes as long as it plays.
///
/// # Errors
/// The first broken rule.
pub fn check(make: impl FnOnce() -> Box<dyn OutputPlugin>, open: &OpenRequest<'_>) -> Result<(), Failure> {
    check_guarded(guard_output(make).breaks("info() returns a valid id")?.as_ref(), open)
}

/// As [`check`], for an output from a registry, built in or loaded.
///
/// # Errors
/// As [`check`].
pub fn check_guarded(plugin: &dyn OutputPlugin, open: &OpenRequest<'_>) -> Result<(), Failure> {
    plugin.devices().breaks("devices() lists the devices")?;
    let mut output = plugin.open(open).breaks("open() opens the target")?;
    let output = output.as_mut();
    let frames = output.format().rate as usize / 10;
    let noise = signal::white_noise(output.format(), frames);

    play(output, &noise)?;
    drain(output)?;
    let held = output.delay();
    require(held == 0, "delay() is 0 after drain() returned true", format!("it is {held} frames"))?;

    play(output, &noise)?;
    let rule = "write() takes no frames while paused";
    output.pause(true).breaks("pause(true) pauses")?;
    let taken = output.write(&noise).breaks(rule)?;
    require(taken == 0, rule, format!("it took {taken} frames"))?;
    let held = output.delay();
    output.flush().breaks("flush() works while paused")?;
    let left = output.delay();
    let observed = format!("delay() went from {held} to {left} frames");
    require(left <= held, "flush() drops the frames not yet heard", observed)?;
    output.pause(false).breaks("pause(false) resumes")?;

    play(output, &noise)?;
    output.flush().breaks("flush() works while playing")?;
    drain(output)
}

/// Plays 100 ms of noise from a read-only buffer between guard pages. A write to it, or an access beyond it, ends the
/// process.
///
/// # Errors
/// The first broken rule.
pub fn check_inputs(plugin: &dyn OutputPlugin, open: &OpenRequest<'_>) -> Result<(), Failure> {
    let mut output = plugin.open(open).breaks("open() opens the target")?;
    let noise = signal::white_noise(output.format(), output.format().rate as usize / 10);
    let lent = FencedBuffer::new(&noise, Edge::End).and_then(FencedBuffer::read_only);
    let lent = lent.map_err(|e| Failure::new("the suite can allocate guard pages", e.to_string()))?;
    play(output.as_mut(), &lent)?;
    drain(output.as_mut())
}

/// Writes until the output has taken all frames.
fn play(output: &mut dyn Output, mut pcm: &[f32]) -> Result<(), Failure> {
    let start = Instant::now();
    while !pcm.is_empty() {
        let taken = output.write(pcm).breaks("write() takes frames")?;
        pcm = &pcm[output.format().samples(taken)..];
        let observed = format!("after {} s it has not taken {} samples", TIMEOUT.as_secs(), pcm.len());
        require(start.elapsed() < TIMEOUT, "write() takes frames", observed)?;
        std::thread::yield_now();
    }
    Ok(())
}

fn drain(output: &mut dyn Output) -> Result<(), Failure> {
    let start = Instant::now();
    let rule = "drain() returns true when all frames are heard";
    while !output.drain().breaks(rule)? {
        let observed = format!("after {} s it still returns false", TIMEOUT.as_secs());
        require(start.elapsed() < TIMEOUT, rule, observed)?;
        std::thread::yield_now();
    }
    Ok(())
}
