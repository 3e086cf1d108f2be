use std::sync::{Arc, OnceLock};

use super::*;
use crate::feeder::Feeder;

/// Mono output at 1000 frames a second, so that a frame is a millisecond, with a ring of 100 frames.
fn device() -> (CpalOutput, Feeder, Arc<OnceLock<String>>) {
    let format = AudioFormat { rate: 1_000, channels: 1 };
    let (stream, feeder, fault) = DeviceStream::without_stream(format, 100);
    (CpalOutput::new(stream, format, Duration::from_millis(60)), feeder, fault)
}

/// Runs one callback now, for frames that will be heard after `latency`.
fn call(device: &CpalOutput, feeder: &mut Feeder, frames: usize, latency: Duration) {
    feeder.fill(&mut vec![0.0_f32; frames], device.stream.now(), latency);
}

#[test]
fn what_ran_dry_during_a_write_is_dry_until_the_next() {
    let (mut device, mut feeder, _) = device();
    assert_eq!(device.write(&[1.0; 200]).unwrap(), 100);
    // The write has read `was_dry` as false and waits for room.
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
    // Two seconds later, without a gap between the calls.
    device.stream.opened = device.stream.opened.checked_sub(2 * latency).unwrap();
    device.last_call.store(nanos(device.stream.now()).unsigned_abs(), Ordering::Relaxed);
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
    device.stream.opened = device.stream.opened.checked_sub(Duration::from_secs(2)).unwrap();
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
    // Without a callback for 2 s, then for 4 s.
    for is_stalled in [false, true] {
        device.stream.opened = device.stream.opened.checked_sub(Duration::from_secs(2)).unwrap();
        assert_eq!(device.write(&[1.0; 10]).unwrap(), 0);
        assert_eq!(device.stalled.load(Ordering::Relaxed), is_stalled);
    }
    for _ in 0..3 {
        assert_eq!(device.write(&[1.0; 10]).unwrap(), 0);
        assert_eq!(device.delay(), 100);
        assert!(!device.drain().unwrap());
    }
    call(&device, &mut feeder, 60, Duration::ZERO);
    assert_eq!(device.write(&[1.0; 10]).unwrap(), 10);
    assert!(!device.stalled.load(Ordering::Relaxed));
}
