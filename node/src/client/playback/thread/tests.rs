//! Steps of the playback thread on an output with a delay set by the test.

mod dropouts;
mod orders;
mod rig;

use std::sync::atomic::Ordering;

use bytes::Bytes;
use media_protocol::{ChunkIndex, Rendition};

use super::*;
use crate::client::test_support;
use rig::{FADE, PACKET, RATE, Rig};

/// True if the samples are one fade, in or out.
fn is_ramp(samples: &[f32], up: bool) -> bool {
    let steps = samples.windows(2).all(|pair| (pair[0] < pair[1]) == up);
    samples.len() == FADE && steps && samples.iter().all(|it| (0.0..=1.0).contains(it))
}

#[test]
fn silence_that_could_not_be_helped_fades_out_and_in() {
    let mut rig = Rig::new();
    rig.arrive(4);
    // The output has 10 ms of frames left.
    rig.run(80);
    assert_eq!(rig.given(), vec![1.0; 4 * PACKET - FADE], "the last 5 ms are kept back");
    assert!(rig.playback.step().is_ok());
    assert_eq!(rig.underruns(), 1);
    assert!(is_ramp(&rig.given()[4 * PACKET - FADE..], false));
    assert_eq!(rig.given().last(), Some(&0.0));
    rig.run(0);
    rig.arrive(4);
    rig.run(800);
    let given = rig.given();
    assert!(is_ramp(&given[4 * PACKET..][..FADE], true), "{:?}", &given[4 * PACKET..][..FADE]);
    assert!(given[4 * PACKET + FADE..].iter().all(|it| *it == 1.0));
    assert_eq!(given.len(), 8 * PACKET - FADE, "nothing is lost or repeated");
}

#[test]
fn time_in_which_it_is_dry_counts_whatever_ends_it() {
    let mut rig = Rig::new();
    let ago = |rig: &Rig| {
        let mut progress = rig.playback.progress.lock().unwrap();
        let since = progress.underrun_since.as_mut().expect("there is an underrun");
        *since = Instant::now().checked_sub(Duration::from_secs(9)).unwrap();
    };
    let seconds = |rig: &Rig| rig.playback.progress.lock().unwrap().underrun_time.as_secs();
    rig.arrive(4);
    rig.run(0);
    rig.steps();
    ago(&rig);
    // The statistics at this moment include the present underrun.
    let mut progress = rig.playback.progress.lock().unwrap().clone();
    progress.end_dry();
    assert_eq!(progress.underrun_time.as_secs(), 9);
    rig.obey(|orders| orders.paused = true);
    assert_eq!((seconds(&rig), rig.playback.progress.lock().unwrap().underrun_since), (9, None));
    rig.obey(|orders| orders.paused = false);
    ago(&rig);
    rig.arrive(4);
    rig.run(0);
    assert_eq!(seconds(&rig), 18);
    rig.steps();
    ago(&rig);
    rig.playback.buffer.restart(Entry::Clear { play: PlayId(1) });
    rig.steps();
    assert_eq!((seconds(&rig), rig.underruns()), (27, 2));
}

#[test]
fn a_packet_that_comes_while_it_waits_is_kept_until_there_is_enough_for_sound() {
    let packet = Duration::from_millis(20);
    // Several times, since the packet may arrive before the wait begins.
    for _ in 0..16 {
        let mut rig = Rig::new();
        rig.playback.buffer.set_start(2 * packet);
        (0..2).for_each(|_| assert!(rig.playback.step().is_ok()));
        let buffer = Arc::clone(&rig.playback.buffer);
        let comes = std::thread::spawn(move || buffer.push(Entry::Packet(rig::packet())));
        assert!(rig.playback.step().is_ok());
        assert!(comes.join().unwrap().is_ok());
        assert_eq!(rig.playback.buffer.level(), packet);
        rig.arrive(1);
        rig.run(800);
        assert_eq!(rig.given(), vec![1.0; 2 * PACKET - FADE]);
    }
}

#[test]
fn what_sound_begins_with_is_handed_over_at_once() {
    let mut rig = Rig::new();
    rig.playback.buffer.set_start(Duration::from_millis(80));
    rig.arrive(6);
    let first = |rig: &mut Rig| {
        let before = rig.given().len();
        while rig.given().len() == before {
            assert!(rig.playback.step().is_ok());
        }
        rig.given().len() - before
    };
    assert_eq!(first(&mut rig), 4 * PACKET - FADE);
    // The output plays: the next packet is written at once.
    assert_eq!(first(&mut rig), PACKET);
}

#[test]
fn after_a_drained_pause_sound_begins_as_at_first() {
    let mut rig = Rig::new();
    rig.playback.buffer.set_start(Duration::from_millis(80));
    rig.arrive(4);
    rig.run(0);
    rig.obey(|orders| orders.expects_audio = false);
    rig.steps();
    let given = rig.given().len();
    rig.obey(|orders| orders.expects_audio = true);
    rig.arrive(3);
    rig.steps();
    assert_eq!(rig.given().len(), given);
    rig.arrive(1);
    rig.run(800);
    assert_eq!((rig.given().len(), rig.underruns()), (given + 4 * PACKET, 0));
}

#[test]
fn a_track_shorter_than_what_sound_begins_with_is_heard() {
    let mut rig = Rig::new();
    rig.playback.buffer.set_start(Duration::from_secs(9));
    rig.arrive(2);
    rig.playback.buffer.push(Entry::TrackEnd).unwrap();
    rig.steps();
    assert_eq!(rig.given(), vec![1.0; 2 * PACKET]);
}

#[test]
fn an_output_that_is_a_file_waits_for_the_network_without_asking_again_at_once() {
    let mut rig = Rig::new();
    rig.device.unpaced.store(true, Ordering::Relaxed);
    rig.arrive(4);
    rig.run(0);
    assert_eq!((rig.given().len(), rig.playback.patience()), (4 * PACKET, IDLE));
}

#[test]
fn what_the_sound_system_missed_adds_up_over_every_opening() {
    let mut rig = Rig::new();
    let xruns = |rig: &Rig| rig.playback.progress.lock().unwrap().xruns;
    let missed = |rig: &Rig, count| rig.device.xruns.store(count, Ordering::Relaxed);
    missed(&rig, 2);
    rig.arrive(4);
    rig.run(800);
    assert_eq!(xruns(&rig), 2);
    assert!(rig.playback.output.reopen().is_ok());
    missed(&rig, 1);
    rig.arrive(4);
    rig.run(800);
    assert_eq!(xruns(&rig), 3);
}

#[test]
fn sound_that_goes_on_in_time_is_untouched() {
    let mut rig = Rig::new();
    for _ in 0..4 {
        rig.arrive(4);
        rig.run(800);
    }
    assert_eq!((rig.given(), rig.underruns()), (vec![1.0; 16 * PACKET - FADE], 0));
}

#[test]
fn what_is_kept_back_is_heard_at_the_end_of_a_track() {
    let mut rig = Rig::new();
    rig.arrive(4);
    rig.run(800);
    rig.playback.buffer.push(Entry::TrackEnd).unwrap();
    for _ in 0..4 {
        assert!(rig.playback.step().is_ok());
    }
    assert_eq!((rig.given(), rig.underruns()), (vec![1.0; 4 * PACKET], 0));
}

#[test]
fn too_late_to_fade_out_the_rest_is_heard_first_when_it_goes_on() {
    let mut rig = Rig::new();
    rig.arrive(4);
    rig.run(0);
    assert!(rig.playback.step().is_ok());
    assert_eq!((rig.given().len(), rig.underruns()), (4 * PACKET - FADE, 1));
    rig.arrive(4);
    rig.run(800);
    let given = rig.given();
    assert!(is_ramp(&given[4 * PACKET - FADE..][..FADE], true));
    assert!(given[4 * PACKET..].iter().all(|it| *it == 1.0));
}

#[test]
fn a_damaged_packet_becomes_silence_of_its_length() {
    let mut rig = Rig::new();
    rig.arrive(2);
    (0..4).for_each(|_| rig.damage_arrives());
    rig.arrive(1);
    (0..4).for_each(|_| rig.damage_arrives());
    rig.arrive(2);
    rig.run(800);
    let packet = |sample: f32| vec![sample; PACKET];
    let heard = [1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0].map(packet).concat();
    assert_eq!(rig.given(), heard[..13 * PACKET - FADE]);
    assert_eq!(rig.playback.progress.lock().unwrap().damaged_packets, 8);
    assert!(rig.failed.try_recv().is_err());
}

#[test]
fn a_decoder_that_takes_nothing_more_is_given_up_and_another_goes_on_from_there() {
    let mut rig = Rig::new();
    rig.arrive(2);
    (0..5).for_each(|_| rig.damage_arrives());
    rig.arrive(3);
    rig.steps();
    let failed = rig.failed.try_recv().unwrap();
    assert_eq!((failed.play, failed.at), (PlayId(0), FrameIndex(2 * PACKET as u64)));
    assert!(failed.reason.contains("corrupt"), "{}", failed.reason);
    assert_eq!(rig.given(), vec![1.0; 2 * PACKET - FADE], "nothing of what came behind it");

    // Entries are ignored until the session's `Rewind`. Then the chunk arrives from its beginning, in 16 bits.
    rig.arrive(3);
    rig.steps();
    rig.playback.buffer.restart(Entry::Rewind);
    let mut rendition = Rendition::clone(&failed.rendition);
    rendition.id = "0123456789abcdef.pcm.8000.1.s16".parse().unwrap();
    rendition.config = b"s16".to_vec();
    let start = Entry::ChunkStart {
        index: ChunkIndex(0),
        from: failed.at,
        rendition: Arc::new(rendition),
        reason: "".into(),
    };
    rig.playback.buffer.push(start).unwrap();
    for value in 1..=4_i16 {
        let packet: Bytes = (value << 12).to_le_bytes().repeat(PACKET).into();
        rig.playback.buffer.push(Entry::Packet(packet)).unwrap();
    }
    rig.run(800);
    let heard = [1.0, 1.0, 0.375, 0.5].map(|sample| vec![sample; PACKET]).concat();
    assert_eq!(rig.given(), heard[..4 * PACKET - FADE]);
    assert_eq!(rig.playback.progress.lock().unwrap().damaged_packets, 0);
    assert!(rig.failed.try_recv().is_err());
}

#[test]
fn what_has_no_decoder_fails_at_its_first_frame_and_a_jump_forgets_it() {
    let mut rig = Rig::new();
    let mut rendition = test_support::info(RATE, 1, 20_000).rendition;
    rendition.id = "0123456789abcdef.absent.8000.1.x".parse().unwrap();
    let from = FrameIndex(700);
    let start =
        Entry::ChunkStart { index: ChunkIndex(0), from, rendition: Arc::new(rendition), reason: "".into() };
    rig.playback.buffer.push(start).unwrap();
    rig.steps();
    let failed = rig.failed.try_recv().unwrap();
    assert_eq!((failed.at, failed.rendition.id.codec.as_str()), (from, "absent"));
    assert!(rig.playback.state.stalled);
    rig.playback.buffer.restart(Entry::Clear { play: PlayId(1) });
    rig.steps();
    assert!(!rig.playback.state.stalled);
}

#[test]
fn a_change_and_its_reason_are_told_when_they_are_heard() {
    let mut rig = Rig::new();
    let told = |rig: &mut Rig| -> Vec<String> {
        let events = std::iter::from_fn(|| rig.events.try_recv().ok());
        let words = events.filter_map(|event| match event {
            Event::Began { info, .. } => Some(format!("began {}", info.track.id)),
            Event::Switched { to, reason, .. } => Some(format!("{}: {reason}", to.id.params)),
            _ => None,
        });
        words.collect()
    };
    let shown = |rig: &Rig| {
        let progress = rig.playback.progress.lock().unwrap();
        (progress.rendition.as_ref().unwrap().id.params.clone(), progress.reason.to_string())
    };
    rig.arrive(2);
    rig.playback.buffer.push(Entry::ChunkEnd { silenced: 0 }).unwrap();
    let mut rendition = test_support::info(RATE, 1, 20_000).rendition;
    rendition.id = "0123456789abcdef.pcm.8000.1.s16".parse().unwrap();
    rendition.config = b"s16".to_vec();
    let start = |index| Entry::ChunkStart {
        index,
        from: index.first_frame(RATE),
        rendition: Arc::new(rendition.clone()),
        reason: "60 kbit/s measured".into(),
    };
    // The next chunk, in another rendition, is in the buffer while the first one plays.
    rig.playback.buffer.push(start(ChunkIndex(1))).unwrap();
    while told(&mut rig) != ["began 0123456789abcdef"] {
        assert!(rig.playback.step().is_ok());
    }
    assert_eq!(shown(&rig), ("f32".into(), "the first choice".into()));
    rig.steps();
    assert_eq!(told(&mut rig), ["s16: 60 kbit/s measured"]);
    assert_eq!(shown(&rig), ("s16".into(), "60 kbit/s measured".into()));
    // The next chunk has the same rendition.
    rig.playback.buffer.push(start(ChunkIndex(2))).unwrap();
    rig.steps();
    assert!(told(&mut rig).is_empty());
}

#[test]
fn a_seek_does_not_wait_for_what_is_pending() {
    let mut rig = Rig::new();
    rig.arrive(4);
    while !rig.playback.output.has_pending(true) {
        assert!(rig.playback.step().is_ok());
    }
    let given = rig.given().len();
    rig.playback.buffer.restart(Entry::Clear { play: PlayId(1) });
    for _ in 0..4 {
        assert!(rig.playback.step().is_ok());
    }
    assert_eq!(rig.given().len(), given);
    assert!(!rig.playback.output.has_pending(false), "what was void stays");
}

/// Causes of the underruns since the last call.
fn causes(rig: &mut Rig) -> Vec<UnderrunCause> {
    let events = std::iter::from_fn(|| rig.events.try_recv().ok());
    events.filter_map(|event| if let Event::Underrun(cause) = event { Some(cause) } else { None }).collect()
}

#[test]
fn an_empty_buffer_is_the_fault_of_the_network() {
    let mut rig = Rig::new();
    rig.arrive(4);
    rig.run(80);
    let shortages = rig.playback.buffer.shortages();
    rig.steps();
    assert_eq!(causes(&mut rig), [UnderrunCause::Network]);
    assert_eq!(rig.playback.buffer.shortages(), shortages + 1);
    let causes = rig.playback.progress.lock().unwrap().underrun_causes;
    assert_eq!((causes.of(UnderrunCause::Network), causes.total()), (1, 1));
}

#[test]
fn an_empty_buffer_is_the_fault_of_a_node_that_sends_nothing_on_a_good_path() {
    let mut rig = Rig::new();
    rig.arrive(4);
    rig.run(80);
    let sent = Instant::now().checked_sub(Duration::from_secs(1)).unwrap();
    rig.playback.supply.request_sent(sent, Duration::from_millis(50));
    rig.playback.supply.ping_answered(sent + Duration::from_millis(500));
    rig.steps();
    assert_eq!(causes(&mut rig), [UnderrunCause::Node]);
}

#[test]
fn audio_that_is_there_and_written_late_is_the_fault_of_this_machine() {
    let mut rig = Rig::new();
    rig.arrive(4);
    rig.run(800);
    let shortages = rig.playback.buffer.shortages();
    rig.arrive(2);
    // The thread was late: the output ran empty before it wrote again.
    rig.device.left.store(0, Ordering::Relaxed);
    rig.run(800);
    assert_eq!(causes(&mut rig), [UnderrunCause::ThisMachine]);
    assert_eq!(rig.playback.buffer.shortages(), shortages, "a larger buffer would not help");
}

#[test]
fn audio_that_arrives_just_too_late_is_the_fault_of_the_network() {
    let mut rig = Rig::new();
    rig.arrive(4);
    // The output has 50 ms of frames left, so the thread waits for the next packet.
    rig.run(400);
    let buffer = Arc::clone(&rig.playback.buffer);
    let device = Arc::clone(&rig.device);
    let arrival = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(5));
        device.left.store(0, Ordering::Relaxed);
        buffer.push(Entry::Packet(rig::packet())).unwrap();
    });
    assert!(rig.playback.step().is_ok());
    arrival.join().unwrap();
    assert!(rig.playback.step().is_ok());
    assert_eq!(causes(&mut rig), [UnderrunCause::Network]);
}

#[test]
fn an_underrun_while_a_failed_codec_is_replaced_is_the_fault_of_the_decoder() {
    let mut rig = Rig::new();
    rig.arrive(4);
    (0..5).for_each(|_| rig.damage_arrives());
    rig.run(80);
    rig.playback.buffer.restart(Entry::Rewind);
    rig.steps();
    assert_eq!(causes(&mut rig), [UnderrunCause::Decoder]);
    // The next packet ends the recovery.
    let failed = rig.failed.try_recv().unwrap();
    let (index, from, rendition) = (ChunkIndex(0), failed.at, failed.rendition);
    rig.playback.buffer.push(Entry::ChunkStart { index, from, rendition, reason: "".into() }).unwrap();
    rig.arrive(8);
    // As the thread's loop does before each step.
    rig.playback.check_silence(Instant::now());
    rig.run(80);
    rig.steps();
    assert_eq!(causes(&mut rig), [UnderrunCause::Network]);
}

#[test]
fn a_fade_out_is_due_20_ms_before_the_end() {
    for (left, is_low) in [(161, false), (160, true)] {
        let mut rig = Rig::new();
        rig.arrive(4);
        rig.run(left);
        assert_eq!(rig.playback.output.is_low(), is_low, "{left} frames of 8 kHz");
    }
}
