use std::sync::{Arc, Mutex};

use proptest::prelude::*;

use super::*;

/// Simulated clock. Its time advances in `wait`, and when the test says so.
#[derive(Clone, Default)]
struct Manual {
    now: Arc<Mutex<Duration>>,
    /// Time that every wait takes in excess.
    oversleep: Arc<Mutex<Duration>>,
}

impl Manual {
    fn pass(&self, time: Duration) {
        *self.now.lock().unwrap() += time;
    }
}

impl Clock for Manual {
    fn now(&self) -> Duration {
        *self.now.lock().unwrap()
    }

    fn wait(&self, time: Duration) {
        self.pass(time + *self.oversleep.lock().unwrap());
    }
}

fn device(rate: u32, channels: u16) -> (RealTime<Manual>, Manual) {
    let clock = Manual::default();
    (RealTime::new(AudioFormat { rate, channels }, clock.clone()), clock)
}

const MS: Duration = Duration::from_millis(1);

#[test]
fn it_takes_a_buffer_at_once_and_then_plays_at_its_rate() {
    let (mut output, clock) = device(48_000, 2);
    let second = vec![0.0; 96_000];
    assert_eq!(output.write(&second).unwrap(), 4_800);
    assert_eq!(clock.now(), Duration::ZERO);

    let mut taken = 4_800;
    while taken < 48_000 * 10 {
        let before = clock.now();
        taken += output.write(&second).unwrap();
        assert!(clock.now() - before <= <dyn Output>::MAX_WAIT);
    }
    let played = Duration::from_millis((taken as u64 - 4_800) / 48);
    assert!(clock.now().abs_diff(played) <= MS, "{taken} frames after {:?}", clock.now());
}

#[test]
fn it_runs_dry_and_starts_again() {
    let (mut output, clock) = device(44_100, 1);
    assert_eq!(output.write(&[0.0; 441]).unwrap(), 441);
    clock.pass(9 * MS);
    assert_eq!(output.delay(), 441 - 396);
    clock.pass(100 * MS);
    assert_eq!(output.delay(), 0);
    assert_eq!(output.write(&[0.0; 441]).unwrap(), 441);
    assert_eq!(output.delay(), 441);
}

#[test]
fn what_ran_dry_during_a_write_is_dry_until_the_next() {
    let (mut output, clock) = device(1_000, 1);
    assert_eq!(output.write(&[0.0; 200]).unwrap(), 100);
    *clock.oversleep.lock().unwrap() = 8_000 * MS;
    assert_eq!(output.write(&[0.0; 20]).unwrap(), 0);
    assert_eq!(output.delay(), 0);
    assert_eq!(output.write(&[0.0; 20]).unwrap(), 20);
    assert_eq!(output.delay(), 20);
}

#[test]
fn a_pause_keeps_what_it_was_given_and_takes_nothing() {
    let (mut output, clock) = device(1_000, 1);
    output.write(&[0.0; 80]).unwrap();
    clock.pass(30 * MS);
    output.pause(true).unwrap();
    clock.pass(1_000 * MS);
    assert_eq!(output.delay(), 50);
    assert_eq!(output.write(&[0.0; 10]).unwrap(), 0);
    assert!(!output.drain().unwrap());
    output.pause(false).unwrap();
    clock.pass(20 * MS);
    assert_eq!(output.delay(), 30);
}

#[test]
fn a_flush_empties_it() {
    let (mut output, _) = device(1_000, 1);
    output.write(&[0.0; 80]).unwrap();
    output.flush().unwrap();
    assert_eq!(output.delay(), 0);
    assert!(output.drain().unwrap());
    assert_eq!(output.write(&[0.0; 200]).unwrap(), 100);
}

#[test]
fn a_drain_waits_in_steps_until_all_is_heard() {
    let (mut output, clock) = device(1_000, 1);
    output.write(&[0.0; 90]).unwrap();
    assert!(!output.drain().unwrap());
    assert_eq!(clock.now(), <dyn Output>::MAX_WAIT);
    assert!(output.drain().unwrap());
    assert_eq!(clock.now(), 90 * MS);
}

#[test]
fn fast_takes_all_but_not_while_paused() {
    let mut output = Fast::new(AudioFormat { rate: 44_100, channels: 2 });
    assert_eq!(output.write(&[0.0; 1_000_001]).unwrap(), 500_000);
    output.pause(true).unwrap();
    assert_eq!(output.write(&[0.0; 2]).unwrap(), 0);
    assert!(output.drain().unwrap());
}

proptest! {
    /// For any sequence of writes, the output plays no more frames than the elapsed time allows, and loses none.
    #[test]
    fn frames_are_neither_lost_nor_invented(
        rate in 1_u32..=768_000,
        steps in prop::collection::vec((0_usize..5_000, 0_u64..120), 1..50),
    ) {
        let (mut output, clock) = device(rate, 1);
        let mut heard = 0;
        let mut taken = 0;
        for (frames, millis) in steps {
            taken += output.write(&vec![0.0; frames]).unwrap() as u64;
            clock.pass(Duration::from_millis(millis));
            let now = taken - output.delay();
            prop_assert!(now >= heard);
            prop_assert!(u128::from(now) <= clock.now().as_nanos() * u128::from(rate) / 1_000_000_000);
            prop_assert!(output.delay() <= u64::from(rate).div_ceil(10));
            heard = now;
        }
    }
}
