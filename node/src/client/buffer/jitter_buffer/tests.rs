//! Level, room and shortages of the jitter buffer.

use super::*;
use crate::client::test_support;

const MILLI: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const NOW: Duration = Duration::ZERO;

fn filled(from: u64, packets: usize) -> JitterBuffer {
    let buffer = JitterBuffer::new(SECOND, SECOND / 5, 1 << 20);
    let info = Arc::new(test_support::info(48_000, 2, 48_000 * 10));
    let rendition = Arc::new(info.rendition.clone());
    buffer.push(Entry::Begin { play: PlayId(0), info, from: FrameIndex(from) }).unwrap();
    buffer
        .push(Entry::ChunkStart { index: ChunkIndex(0), from: FrameIndex(0), rendition, reason: "".into() })
        .unwrap();
    for _ in 0..packets {
        buffer.push(Entry::Packet(Bytes::from_static(&[0; 100]))).unwrap();
    }
    buffer
}

#[test]
fn level_counts_what_will_be_heard() {
    // 20 ms packets, of which the first 1,272 frames are lead-in.
    let buffer = filled(0, 10);
    assert_eq!(buffer.level().as_micros(), (9_600 - 1_272) * 1_000_000 / 48_000);
    let buffer = filled(4_000, 10);
    assert_eq!(buffer.level().as_micros(), (9_600 - 1_272 - 4_000) * 1_000_000 / 48_000);
    assert_eq!(filled(0, 152).level(), 3 * SECOND, "the tail is not counted");
}

#[test]
fn level_returns_to_zero_and_asks_for_more_on_the_way() {
    let buffer = filled(0, 152);
    let mut taken = 0;
    while let Some(entry) = buffer.take(NOW) {
        taken += usize::from(matches!(entry, Entry::Packet(_)));
    }
    assert_eq!((taken, buffer.level(), buffer.peak()), (152, Duration::ZERO, 3 * SECOND));
    let has_room = std::pin::pin!(buffer.has_room.notified());
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(Future::poll(has_room, &mut context).is_ready());
}

/// Takes all entries. Returns the number of shortages.
fn shortages_of(buffer: &JitterBuffer) -> u64 {
    while buffer.take(NOW).is_some() {}
    buffer.shortages()
}

#[test]
fn running_dry_counts_once_it_was_full_and_not_at_the_end_of_a_track() {
    assert_eq!(shortages_of(&filled(0, 152)), 1);
    assert_eq!(shortages_of(&filled(0, 10)), 0, "it was never full");
    let ending = filled(0, 152);
    ending.push(Entry::TrackEnd).unwrap();
    assert_eq!(shortages_of(&ending), 0);
    let buffer = filled(0, 152);
    buffer.set_target(4 * SECOND);
    assert_eq!(shortages_of(&buffer), 1, "a higher target does not undo that it was full");
}

#[test]
fn clear_comes_first_and_leaves_nothing() {
    let buffer = filled(0, 152);
    buffer.restart(Entry::Clear);
    assert!(matches!(buffer.take(NOW), Some(Entry::Clear)));
    assert!(buffer.take(NOW).is_none());
    assert_eq!(buffer.level(), Duration::ZERO);
}

#[test]
fn is_ready_at_the_start_level_or_at_the_end_of_a_track() {
    let buffer = filled(0, 5);
    assert!(!buffer.is_ready());
    buffer.push(Entry::TrackEnd).unwrap();
    assert!(buffer.is_ready());
    let buffer = filled(0, 12);
    assert!(buffer.is_ready());
    buffer.set_start(SECOND / 2);
    assert!(!buffer.is_ready());
    buffer.restart(Entry::Clear);
    assert_eq!(buffer.start(), SECOND / 2);
}

#[test]
fn a_level_below_half_a_second_or_a_sixth_of_the_target_is_a_shortage() {
    for (target, threshold) in [(6000, 500), (3000, 500), (600, 100)].map(|(a, b)| (a * MILLI, b * MILLI)) {
        let buffer = filled(0, 152);
        buffer.set_target(target);
        let mut before = buffer.level();
        while buffer.shortages() == 0 {
            before = buffer.level();
            buffer.take(NOW);
        }
        let at = buffer.level();
        assert!(at < threshold && threshold <= before, "{at:?} after {before:?} of {target:?}");
    }
}
