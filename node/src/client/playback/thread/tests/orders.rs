//! Orders and entries reach the thread on separate ways, so these tests try every order in which they can arrive.

use super::*;

/// Something that reaches the thread.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Arrival {
    /// The owner orders the jump to a play.
    JumpOrder(u64),
    /// The session empties the buffer for a play.
    Clear(u64),
    /// The owner waits for the end of all audio since the jump to a play.
    DrainOrder(u64),
    PauseOrder,
    ResumeOrder,
    /// A track of one packet of this sample.
    Track(u64, f32),
}

use Arrival::{Clear, DrainOrder, JumpOrder, PauseOrder, ResumeOrder, Track};

/// All ways to merge these lists in which each list keeps its own order.
fn interleavings(lists: &[&[Arrival]]) -> Vec<Vec<Arrival>> {
    if lists.iter().all(|list| list.is_empty()) {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for (first, list) in lists.iter().enumerate().filter(|(_, list)| !list.is_empty()) {
        let mut rest = lists.to_vec();
        rest[first] = &list[1..];
        let begin = |tail: Vec<Arrival>| [&list[..1], &tail[..]].concat();
        all.extend(interleavings(&rest).into_iter().map(begin));
    }
    all
}

impl Rig {
    fn arrives(&mut self, arrival: Arrival) {
        let buffer = Arc::clone(&self.playback.buffer);
        match arrival {
            JumpOrder(play) => self.order(|orders| orders.jump = Some(PlayId(play))),
            DrainOrder(play) => self.order(|orders| orders.drain = Some(PlayId(play))),
            PauseOrder => self.order(|orders| orders.paused = true),
            ResumeOrder => self.order(|orders| orders.paused = false),
            Clear(play) => buffer.restart(Entry::Clear { play: PlayId(play) }),
            Track(play, sample) => {
                let (info, from) = (self.info(), FrameIndex(0));
                let rendition = Arc::new(info.rendition.clone());
                let index = ChunkIndex(0);
                buffer.push(Entry::Begin { play: PlayId(play), info, from }).unwrap();
                buffer.push(Entry::ChunkStart { index, from, rendition, reason: "".into() }).unwrap();
                self.arrive_of(sample);
                buffer.push(Entry::TrackEnd).unwrap();
            }
        }
    }

    /// Runs rounds of the thread's loop. The device plays all its frames in each.
    fn rounds(&mut self, rounds: usize) {
        for _ in 0..rounds {
            // The real loop waits for orders while paused, which would only cost time here.
            let orders = self.playback.orders.receive(Duration::ZERO).unwrap();
            assert!(self.playback.apply(orders).is_ok() && self.playback.step().is_ok());
            self.device.left.store(0, Ordering::Relaxed);
        }
    }

    fn ends(&mut self) -> Vec<String> {
        let events = std::iter::from_fn(|| self.events.try_recv().ok());
        let end = |event| match event {
            Event::Ended(play) => Some(format!("{} ended", play.0)),
            Event::Drained(jump) => Some(format!("{} drained", jump.0)),
            _ => None,
        };
        events.filter_map(end).collect()
    }
}

/// The order to drain may arrive before the entry that empties the buffer for the same play, and must survive it. A player
/// without ids of plays would hang here.
#[test]
fn a_drain_waits_for_its_own_jump_and_no_other() {
    // The session refuses the track of play 1 at once, so nothing comes after its `Clear`.
    for sequence in interleavings(&[&[JumpOrder(1), DrainOrder(1)], &[Clear(1)]]) {
        for rounds in [0, 1, 8] {
            let mut rig = Rig::new();
            for arrival in &sequence {
                rig.rounds(rounds);
                rig.arrives(*arrival);
            }
            rig.rounds(8);
            assert_eq!(rig.ends(), ["1 drained"], "{sequence:?}, {rounds} rounds in between");
        }
    }
}

#[test]
fn a_drain_of_an_earlier_jump_is_void() {
    let orders: &[_] = &[JumpOrder(1), DrainOrder(1), JumpOrder(2), DrainOrder(2)];
    let is_before = |sequence: &[Arrival], first, second| {
        let place = |wanted| sequence.iter().position(|arrival| *arrival == wanted);
        place(first) < place(second)
    };
    let mut sequences = interleavings(&[orders, &[Clear(1), Clear(2), Track(2, 1.0)]]);
    // The owner orders the drain once it knows that nothing else comes.
    sequences.retain(|sequence| is_before(sequence, Track(2, 1.0), DrainOrder(2)));
    for sequence in sequences {
        for rounds in [0, 1, 8] {
            let mut rig = Rig::new();
            for arrival in &sequence {
                rig.rounds(rounds);
                rig.arrives(*arrival);
            }
            rig.rounds(20);
            let mut ends = rig.ends();
            // Play 1 has no audio. Its end is reported in some sequences only, and the owner ignores it after the jump.
            ends.retain(|end| end != "1 drained");
            let last = ends.last().map(String::as_str);
            let ended = ends.iter().filter(|end| *end == "2 ended").count();
            assert_eq!((last, ended), (Some("2 drained"), 1), "{sequence:?}, {rounds} rounds: {ends:?}");
        }
    }
}

#[test]
fn after_a_jump_in_a_pause_no_older_audio_is_heard() {
    let orders: &[_] = &[PauseOrder, JumpOrder(1), ResumeOrder];
    for sequence in interleavings(&[orders, &[Clear(1), Track(1, 0.5), Track(2, 0.5)]]) {
        let mut rig = Rig::new();
        rig.arrives(Clear(0));
        rig.arrives(Track(0, 1.0));
        rig.rounds(20);
        for _ in 0..4 {
            rig.arrive_of(1.0);
        }
        for arrival in &sequence {
            rig.arrives(*arrival);
            if *arrival == PauseOrder {
                rig.rounds(1);
            }
            let before = rig.given().len();
            rig.rounds(2);
            let given = rig.given();
            let is_older = |sample: &f32| *sample > 0.5;
            let has_resumed = *arrival == ResumeOrder;
            assert!(!has_resumed || !given[before..].iter().any(is_older), "{sequence:?}");
        }
        rig.rounds(40);
        assert_eq!(rig.ends().iter().filter(|end| end.ends_with("ended")).count(), 3, "{sequence:?}");
    }
}
