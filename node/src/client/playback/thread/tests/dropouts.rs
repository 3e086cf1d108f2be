//! An output that is lost or stands still.

use super::*;

/// Writes four packets, of which the output has not played the last 200 frames. Then it is lost, with two more packets waiting.
fn lose(rig: &mut Rig) {
    (1..=4_u8).for_each(|sample| rig.arrive_of(f32::from(sample)));
    rig.run(200);
    rig.device.lost.store(true, Ordering::Relaxed);
    rig.arrive_of(5.0);
    rig.arrive_of(6.0);
}

fn packets(samples: &[f32]) -> Vec<f32> {
    samples.iter().flat_map(|sample| [*sample; PACKET]).collect()
}

#[test]
fn what_a_lost_output_had_not_played_is_given_to_the_next() {
    let mut rig = Rig::new();
    lose(&mut rig);
    rig.device.away.store(1, Ordering::Relaxed);
    rig.steps();
    let (all, given) = (packets(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]), rig.given());
    let first = 4 * PACKET - FADE;
    assert_eq!(given[..first], all[..first]);
    assert_eq!(given[first..], all[first - 200..6 * PACKET - FADE]);
    let progress = rig.playback.progress.lock().unwrap().clone();
    assert_eq!(progress.frames_played as usize, 6 * PACKET - FADE, "each counts once");
    assert_eq!(rig.told().len(), 3);
}

#[test]
fn the_position_is_that_of_what_is_heard_while_the_output_is_lost_and_after() {
    let mut rig = Rig::new();
    let at = |rig: &Rig| rig.playback.progress.lock().unwrap().position;
    let frame = |frame: usize| Position::of_frame(FrameIndex(frame as u64), RATE);
    lose(&mut rig);
    let heard = 4 * PACKET - FADE - 200;
    rig.steps();
    // The next output has played nothing yet.
    assert_eq!(at(&rig), frame(heard));
    rig.device.left.store(120, Ordering::Relaxed);
    rig.arrive_of(7.0);
    rig.run(0);
    assert_eq!(at(&rig), frame(7 * PACKET - FADE - 120 - PACKET));
}

#[test]
fn what_a_seek_threw_away_does_not_come_back() {
    let mut rig = Rig::new();
    rig.arrive(4);
    rig.run(200);
    assert!(rig.playback.clear().is_ok());
    assert_eq!(rig.playback.output.take_back(), 0);
}

#[test]
fn the_end_of_the_last_track_is_heard_from_the_next_output() {
    let mut rig = Rig::new();
    rig.arrive_of(1.0);
    rig.arrive_of(2.0);
    rig.playback.buffer.push(Entry::TrackEnd).unwrap();
    rig.run(0);
    rig.obey(|orders| orders.drain = Some(PlayId(0)));
    rig.device.left.store(100, Ordering::Relaxed);
    rig.device.lost.store(true, Ordering::Relaxed);
    rig.steps();
    assert_eq!(rig.given(), [packets(&[1.0, 2.0]), vec![2.0; 100]].concat());
    assert_eq!(rig.told()[1..], ["lost: gone", "test, 8000 Hz, 1 channel", "drained"]);
}

#[test]
fn an_output_that_returns_in_a_pause_is_opened_paused() {
    let mut rig = Rig::new();
    rig.arrive(4);
    rig.run(0);
    rig.steps();
    assert!(rig.playback.progress.lock().unwrap().underrun_since.is_some());
    rig.device.lost.store(true, Ordering::Relaxed);
    rig.device.away.store(1, Ordering::Relaxed);
    rig.order(|orders| orders.paused = true);
    rig.arrive(4);
    rig.steps();
    assert!(rig.playback.state.paused && rig.device.paused.load(Ordering::Relaxed));
    assert_eq!(rig.playback.progress.lock().unwrap().underrun_since, None, "it is silent by a person's wish");
}

#[test]
fn that_an_output_stands_still_is_said_once_and_that_it_moves_again() {
    let mut rig = Rig::new();
    rig.arrive(4);
    rig.run(200);
    rig.told();
    rig.device.still.store(true, Ordering::Relaxed);
    rig.arrive(2);
    for _ in 0..3 {
        rig.steps();
        let still = rig.playback.state.standstill.since.as_mut().expect("it does not move");
        *still = still.checked_sub(Duration::from_secs(4)).unwrap();
    }
    assert_eq!(rig.told(), ["lost: test has not moved for 3 s; it may be suspended"]);
    rig.device.still.store(false, Ordering::Relaxed);
    rig.steps();
    assert_eq!(rig.told(), ["test plays again"]);
    assert_eq!(rig.given(), vec![1.0; 6 * PACKET - FADE]);
}

#[test]
fn silence_in_which_nobody_could_look_is_an_underrun_from_where_it_began() {
    let mut rig = Rig::new();
    rig.arrive(4);
    // The device plays 30 of its 50 ms. Then the process is suspended.
    rig.run(400);
    let (began, dips) = (Instant::now(), rig.playback.buffer.shortages());
    rig.playback.check_silence(began);
    rig.device.left.store(160, Ordering::Relaxed);
    let seconds = Duration::from_secs(3);
    rig.playback.check_silence(began + seconds);
    let since = rig.playback.progress.lock().unwrap().underrun_since;
    assert_eq!((since, rig.underruns()), (Some(began + Duration::from_millis(30)), 1));
    let stopped = std::iter::from_fn(|| rig.events.try_recv().ok())
        .find_map(|event| if let Event::Suspended(silence) = event { Some(silence) } else { None });
    assert_eq!(stopped, Some(seconds - Duration::from_millis(30)));
    assert_eq!(rig.playback.buffer.shortages(), dips, "the path is not to blame");
    // The device runs empty before the next write. That silence is the same one and does not count again.
    rig.arrive(2);
    rig.run(0);
    assert_eq!((rig.underruns(), rig.playback.progress.lock().unwrap().underrun_since), (1, None));
}

/// Tries a suspension of the process between a check and a write, and during the wait for a packet.
#[test]
fn a_stop_that_the_underrun_shows_first_counts_once_and_not_as_the_path_s() {
    for waits in [false, true] {
        let mut rig = Rig::new();
        rig.arrive(4);
        rig.run(400);
        let (dips, now) = (rig.playback.buffer.shortages(), Instant::now());
        rig.playback.check_silence(now.checked_sub(Duration::from_secs(3)).unwrap());
        rig.device.left.store(0, Ordering::Relaxed);
        if waits {
            assert!(rig.playback.step().is_ok());
        }
        rig.arrive(2);
        rig.run(200);
        rig.playback.check_silence(Instant::now());
        let stopped = std::iter::from_fn(|| rig.events.try_recv().ok())
            .filter_map(|event| if let Event::Suspended(silence) = event { Some(silence) } else { None })
            .collect::<Vec<_>>();
        assert!(matches!(&stopped[..], [silence] if silence.as_secs() == 2), "{stopped:?}");
        assert_eq!((rig.underruns(), rig.playback.buffer.shortages()), (1, dips));
        assert!(rig.playback.progress.lock().unwrap().underrun_time >= stopped[0]);
    }
}

#[test]
fn an_output_that_stands_still_is_no_underrun_nor_is_a_pause() {
    let mut rig = Rig::new();
    rig.arrive(4);
    rig.run(400);
    let began = Instant::now();
    (0..100).for_each(|at| rig.playback.check_silence(began + Duration::from_millis(50) * at));
    rig.obey(|orders| orders.paused = true);
    rig.playback.check_silence(began + Duration::from_secs(6));
    rig.obey(|orders| orders.paused = false);
    rig.playback.check_silence(began + Duration::from_secs(9));
    assert_eq!(rig.underruns(), 0);
}
