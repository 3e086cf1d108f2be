use proptest::prelude::*;
use rtrb::{Producer, RingBuffer};

use super::*;

/// Mono feeder at 1000 frames a second: a frame is a millisecond, and a fade has 5 frames.
struct Bench {
    ring: Producer<f32>,
    state: Arc<CallbackState>,
    feeder: Feeder,
    now: Duration,
}

impl Bench {
    const LATENCY: Duration = Duration::from_millis(20);

    fn new() -> Self {
        let format = AudioFormat { rate: 1_000, channels: 1 };
        let (ring, consumer) = RingBuffer::new(200);
        let state = Arc::new(CallbackState::default());
        let feeder = Feeder::new(consumer, Arc::clone(&state), format);
        Self { ring, state, feeder, now: Duration::ZERO }
    }

    fn push(&mut self, frames: impl IntoIterator<Item = u16>) {
        for frame in frames {
            self.ring.push(f32::from(frame)).unwrap();
        }
    }

    /// Runs one callback for a number of frames, then advances the time by them.
    fn call(&mut self, frames: usize) -> Vec<f32> {
        let mut out = vec![f32::NAN; frames];
        self.feeder.fill(&mut out, self.now, Self::LATENCY);
        self.now += Duration::from_millis(frames as u64);
        out
    }

    fn pause(&self, paused: bool) {
        self.state.paused.store(paused, Ordering::Release);
    }

    fn heard(&self) -> u64 {
        self.state.heard(1_000, self.now)
    }
}

#[test]
fn it_starts_with_a_whole_buffer_and_is_exact() {
    let mut bench = Bench::new();
    assert_eq!(bench.call(4), [0.0; 4]);
    bench.push(1..=3);
    assert_eq!(bench.call(4), [0.0; 4]);
    bench.push(4..=9);
    assert_eq!(bench.call(4), [1.0, 2.0, 3.0, 4.0]);
    assert_eq!(bench.call(4), [5.0, 6.0, 7.0, 8.0]);
    assert!(!bench.state.dry.load(Ordering::Acquire));
    assert_eq!(bench.call(4), [9.0, 0.0, 0.0, 0.0]);
    assert!(bench.state.dry.load(Ordering::Acquire));
}

#[test]
fn less_than_a_buffer_plays_once_nothing_more_comes_or_comes_in_time() {
    let mut bench = Bench::new();
    bench.push(1..=2);
    bench.state.draining.store(true, Ordering::Release);
    assert_eq!(bench.call(4), [1.0, 2.0, 0.0, 0.0]);
    assert!(!bench.state.dry.load(Ordering::Acquire));

    // The wait of 100 frames must be exceeded.
    for (wait, played) in [([60, 40], [0.0; 3]), ([60, 41], [1.0, 2.0, 0.0])] {
        let mut bench = Bench::new();
        bench.push(1..=2);
        for frames in wait {
            assert_eq!(bench.call(frames), vec![0.0; frames]);
        }
        assert_eq!(bench.call(3), played, "after {wait:?} frames");
    }
}

#[test]
fn a_buffer_larger_than_the_ring_starts_when_the_ring_is_full() {
    let mut bench = Bench::new();
    bench.push(1..=200);
    assert_eq!(bench.call(300)[..201].iter().filter(|&&x| x != 0.0).count(), 200);
}

#[test]
fn a_pause_fades_out_keeps_the_rest_and_fades_in() {
    let mut bench = Bench::new();
    bench.push(1..=100);
    bench.call(10);
    bench.pause(true);
    assert_eq!(bench.call(8), [11.0 * 0.8, 12.0 * 0.6, 13.0 * 0.4, 14.0 * 0.2, 0.0, 0.0, 0.0, 0.0]);
    assert_eq!(bench.call(50), [0.0; 50]);
    bench.pause(false);
    assert_eq!(bench.call(7), [16.0 * 0.2, 17.0 * 0.4, 18.0 * 0.6, 19.0 * 0.8, 20.0, 21.0, 22.0]);
}

#[test]
fn a_fade_may_take_several_callbacks_and_turn_back() {
    let mut bench = Bench::new();
    bench.push(1..=100);
    bench.call(10);
    bench.pause(true);
    assert_eq!(bench.call(2), [11.0 * 0.8, 12.0 * 0.6]);
    bench.pause(false);
    assert_eq!(bench.call(3), [13.0 * 0.8, 14.0, 15.0]);
}

#[test]
fn a_flush_fades_out_drops_the_rest_and_fades_the_new_in() {
    let mut bench = Bench::new();
    bench.push(1..=100);
    bench.call(10);
    bench.state.discard.store(100, Ordering::Release);
    bench.push(101..=120);
    let out = bench.call(12);
    assert_eq!(out[..5], [11.0 * 0.8, 12.0 * 0.6, 13.0 * 0.4, 14.0 * 0.2, 0.0]);
    assert_eq!(out[5..], [101.0 * 0.2, 102.0 * 0.4, 103.0 * 0.6, 104.0 * 0.8, 105.0, 106.0, 107.0]);
}

#[test]
fn a_flush_in_silence_drops_at_once_and_what_follows_is_exact() {
    let mut bench = Bench::new();
    bench.push(1..=3);
    bench.call(4);
    bench.state.discard.store(3, Ordering::Release);
    bench.push(4..=9);
    assert_eq!(bench.call(4), [4.0, 5.0, 6.0, 7.0]);
}

#[test]
fn a_flush_in_a_pause_leaves_nothing_to_go_on_with() {
    let mut bench = Bench::new();
    bench.push(1..=100);
    bench.call(10);
    bench.pause(true);
    bench.call(10);
    bench.state.discard.store(100, Ordering::Release);
    assert_eq!(bench.call(10), [0.0; 10]);
    bench.pause(false);
    assert_eq!(bench.call(10), [0.0; 10]);
    assert_eq!(bench.ring.slots(), 200);
}

#[test]
fn heard_lags_by_the_latency_and_catches_up() {
    let mut bench = Bench::new();
    bench.push(1..=30);
    for heard in [0, 0, 10, 20, 30, 30] {
        bench.state.draining.store(true, Ordering::Release);
        bench.call(10);
        assert_eq!(bench.heard(), heard, "at {:?}", bench.now);
    }
}

#[test]
fn every_channel_fades_alike() {
    let (mut ring, consumer) = RingBuffer::new(40);
    let state = Arc::new(CallbackState::default());
    let mut feeder = Feeder::new(consumer, Arc::clone(&state), AudioFormat { rate: 1_000, channels: 2 });
    let _ = ring.push_partial_slice(&[1.0; 40]);
    let mut out = [0_i16; 8];
    feeder.fill(&mut out, Duration::ZERO, Duration::ZERO);
    state.paused.store(true, Ordering::Release);
    feeder.fill(&mut out, Duration::ZERO, Duration::ZERO);
    assert_eq!(out, [0.8, 0.8, 0.6, 0.6, 0.4, 0.4, 0.2, 0.2].map(|x: f32| (x * 32_768.0).round() as i16));
}

proptest! {
    /// For any sequence of writes and callbacks, the frames play in order and unchanged, and none counts as heard before the
    /// callback has taken it.
    #[test]
    fn no_frame_is_lost_doubled_or_changed(steps in prop::collection::vec((0_u16..80, 1_usize..80), 1..60)) {
        let mut bench = Bench::new();
        let (mut next, mut played) = (1, Vec::new());
        for (push, call) in steps {
            let push = push.min(bench.ring.slots() as u16);
            bench.push(next..next + push);
            next += push;
            played.extend(bench.call(call).into_iter().filter(|&x| x != 0.0));
            prop_assert!(bench.heard() <= played.len() as u64);
        }
        prop_assert!(played.windows(2).all(|pair| pair[1] == pair[0] + 1.0));
    }
}

/// Counts the allocations of a thread.
#[global_allocator]
static ALLOCATOR: alloc_tracker::Allocator<std::alloc::System> = alloc_tracker::Allocator::system();

#[test]
fn the_callback_allocates_nothing_whatever_it_is_told() {
    let mut bench = Bench::new();
    let session = alloc_tracker::Session::new();
    let (silent, control) = (session.operation("callbacks"), session.operation("a vector"));
    let mut out = [0.0_f32; 64];
    let tell: [fn(&Bench); 6] = [
        |_| {},
        |bench| bench.pause(true),
        |bench| bench.pause(false),
        |bench| bench.state.discard.store(90, Ordering::Release),
        |bench| bench.state.draining.store(true, Ordering::Release),
        |bench| bench.state.discard.store(u64::MAX, Ordering::Release),
    ];
    for round in 0..60_u16 {
        tell[usize::from(round / 10)](&bench);
        if round % 3 == 0 {
            bench.push((0..bench.ring.slots().min(100) as u16).map(|it| it + 1));
        }
        // 1 to 64 frames, so that the ring runs out sometimes.
        let frames = 1 + usize::from(round * 7 % 64);
        let span = silent.measure_thread();
        bench.feeder.fill(&mut out[..frames], bench.now, Bench::LATENCY);
        drop(span);
        bench.now += Duration::from_millis(frames as u64);
    }
    let span = control.measure_thread();
    drop(std::hint::black_box(vec![1_u8]));
    drop(span);
    assert!(bench.feeder.taken > 100);
    let report = session.to_report();
    let count = |name: &str| {
        let found = report.operations().find(|(it, _)| *it == name);
        found.map(|(_, operation)| operation.total_allocations_count())
    };
    assert_eq!((count("callbacks"), count("a vector")), (Some(0), Some(1)));
}

/// The threads share only atomics and the ring. So the callback does not wait for a playback thread that the system has
/// stopped in the middle of a write.
#[test]
fn a_writer_that_stops_in_the_middle_of_a_write_stops_nothing() {
    let mut bench = Bench::new();
    bench.push(1..=8);
    let format = bench.feeder.format;
    let Bench { mut ring, mut feeder, .. } = bench;
    let mut write = ring.write_chunk(100).unwrap();
    write.as_mut_slices().0.fill(9.0);
    let mut out = [f32::NAN; 6];
    feeder.fill(&mut out, Duration::ZERO, Bench::LATENCY);
    assert_eq!(out, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    feeder.fill(&mut out, Duration::from_millis(6), Bench::LATENCY);
    assert_eq!(out, [7.0, 8.0, 0.0, 0.0, 0.0, 0.0], "nothing of what is not committed, at {format}");
}
