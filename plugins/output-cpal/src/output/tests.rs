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

#[test]
fn of_a_device_that_is_gone_what_it_may_not_have_played_counts_as_not_heard() {
    let latency = Duration::from_secs(1);
    let (mut device, mut feeder, fault) = device();
    assert_eq!(device.write(&[1.0; 100]).unwrap(), 100);
    call(&device, &mut feeder, 60, latency);
    // Long after, by the clock; somebody looked all the while.
    device.playing.opened = device.playing.opened.checked_sub(2 * latency).unwrap();
    device.looked.store(nanos(device.playing.now()).unsigned_abs(), Ordering::Relaxed);
    assert_eq!(device.delay(), 40);
    fault.set("gone".into()).unwrap();
    assert!(matches!(device.write(&[1.0; 100]), Err(PluginError::Lost(_))));
    assert_eq!(device.delay(), 100);
}

#[test]
fn what_a_device_had_while_the_process_was_stopped_is_heard_even_if_it_is_lost_of_it() {
    let (mut device, mut feeder, fault) = device();
    assert_eq!(device.write(&[1.0; 100]).unwrap(), 100);
    call(&device, &mut feeder, 60, Duration::from_secs(1));
    device.playing.opened = device.playing.opened.checked_sub(Duration::from_secs(2)).unwrap();
    fault.set("interrupted".into()).unwrap();
    assert!(matches!(device.write(&[1.0; 100]), Err(PluginError::Lost(_))));
    assert_eq!(device.delay(), 40);
}

#[test]
fn a_device_that_stands_still_is_not_lost_and_goes_on_where_it_stood() {
    let (mut device, mut feeder, _) = device();
    assert_eq!(device.write(&[1.0; 100]).unwrap(), 100);
    call(&device, &mut feeder, 60, Duration::ZERO);
    assert_eq!(device.write(&[1.0; 60]).unwrap(), 60);
    device.playing.opened = device.playing.opened.checked_sub(4 * STALL).unwrap();
    for _ in 0..3 {
        assert_eq!(device.write(&[1.0; 10]).unwrap(), 0);
        assert_eq!(device.delay(), 100);
        assert!(!device.drain().unwrap());
    }
    call(&device, &mut feeder, 60, Duration::ZERO);
    assert_eq!(device.write(&[1.0; 10]).unwrap(), 10);
}
