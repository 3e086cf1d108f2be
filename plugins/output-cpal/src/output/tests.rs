use std::sync::{Arc, OnceLock};

use super::*;
use crate::feeder::Feeder;

/// A mono device at 1000 frames a second, so that a frame is a millisecond, with a ring of 100.
fn device() -> (SoundDevice, Feeder, Arc<OnceLock<String>>) {
    let format = AudioFormat { rate: 1_000, channels: 1 };
    let (playing, feeder, fault) = Playing::without_stream(format, 100);
    (SoundDevice::new(playing, format, Duration::from_millis(60)), feeder, fault)
}

/// One callback for so many frames, now, that will be heard after `latency`.
fn call(device: &SoundDevice, feeder: &mut Feeder, frames: usize, latency: Duration) {
    feeder.fill(&mut vec![0.0_f32; frames], device.playing.now(), latency);
}

#[test]
fn what_ran_dry_during_a_write_is_dry_until_the_next() {
    let (mut device, mut feeder, _) = device();
    assert_eq!(device.write(&[1.0; 200]).unwrap(), 100);
    // It looked, then waited.
    call(&device, &mut feeder, 120, Duration::ZERO);
    assert_eq!(device.push(&[1.0; 50], false), 0);
    assert_eq!(device.delay(), 0);
    assert_eq!(device.write(&[1.0; 50]).unwrap(), 50);
    assert_eq!(device.delay(), 50);
}
