//! What every output keeps to.

use std::time::{Duration, Instant};

use media_plugin_host::{Edge, FencedBuffer, guard_output};
use media_plugin_sdk::{Open, Output, OutputPlugin};

use crate::{During, Failure, require, signal};

/// A guard against outputs that never take or never finish; nothing is measured with it.
const PATIENCE: Duration = Duration::from_secs(20);

/// Opens what `open` names and plays 300 ms of noise in three parts, with a pause, a flush and a drain.
///
/// An output in real time takes as long as it plays.
///
/// # Errors
/// The first rule that is broken.
pub fn check(make: impl FnOnce() -> Box<dyn OutputPlugin>, open: &Open<'_>) -> Result<(), Failure> {
    check_guarded(guard_output(make).during("says what it is")?.as_ref(), open)
}

/// The same for an output that a registry gave out, built in or loaded.
///
/// # Errors
/// As [`check`].
pub fn check_guarded(plugin: &dyn OutputPlugin, open: &Open<'_>) -> Result<(), Failure> {
    plugin.devices().during("lists its devices")?;
    let mut output = plugin.open(open).during("opens")?;
    let output = output.as_mut();
    let frames = output.format().rate as usize / 10;
    let noise = signal::noise(output.format(), frames);

    play(output, &noise)?;
    drain(output)?;
    require(output.delay() == 0, "holds nothing after a drain", format!("{} frames", output.delay()))?;

    play(output, &noise)?;
    output.pause(true).during("pauses")?;
    let taken = output.write(&noise).during("writes while paused")?;
    require(taken == 0, "takes nothing while paused", format!("it took {taken} frames"))?;
    let held = output.delay();
    output.flush().during("flushes while paused")?;
    let left = output.delay();
    require(left <= held, "a flush throws away what is held", format!("{left} frames left of {held}"))?;
    output.pause(false).during("goes on")?;

    play(output, &noise)?;
    output.flush().during("flushes")?;
    drain(output)
}

/// Plays 100 ms of noise that may only be read and beside which nothing may be touched: whoever does ends the process.
///
/// # Errors
/// The first rule that is broken.
pub fn check_inputs(plugin: &dyn OutputPlugin, open: &Open<'_>) -> Result<(), Failure> {
    let mut output = plugin.open(open).during("opens")?;
    let noise = signal::noise(output.format(), output.format().rate as usize / 10);
    let lent = FencedBuffer::new(&noise, Edge::End).and_then(FencedBuffer::read_only);
    let lent = lent.map_err(|e| Failure::new("takes memory for a buffer", e.to_string()))?;
    play(output.as_mut(), &lent)?;
    drain(output.as_mut())
}

/// Offers frames until all are taken.
fn play(output: &mut dyn Output, mut pcm: &[f32]) -> Result<(), Failure> {
    let start = Instant::now();
    while !pcm.is_empty() {
        let taken = output.write(pcm).during("writes")?;
        pcm = &pcm[output.format().samples(taken)..];
        require(
            start.elapsed() < PATIENCE,
            "takes frames",
            format!("{} samples were never taken", pcm.len()),
        )?;
        std::thread::yield_now();
    }
    Ok(())
}

fn drain(output: &mut dyn Output) -> Result<(), Failure> {
    let start = Instant::now();
    while !output.drain().during("drains")? {
        require(start.elapsed() < PATIENCE, "drains", "it never ends")?;
        std::thread::yield_now();
    }
    Ok(())
}
