mod model;

use std::time::Duration;

use media_protocol::{Position, session::client::PlayId};
use proptest::prelude::*;

use self::model::{Fate, Model, Step, info, tracks};
use super::*;

const MS: Duration = Duration::from_millis(1);

fn state(count: usize) -> PlayerState {
    let mut state = PlayerState::new(tracks(count), 100, Duration::from_secs(3), false, 1);
    state.start(Position::START, false, Repeat::Off);
    state
}

fn event(state: &mut PlayerState, event: Event) -> Vec<Action> {
    state.handle(Duration::ZERO, Input::Event(event))
}

fn command(state: &mut PlayerState, command: Command) -> Vec<Action> {
    state.handle(Duration::ZERO, Input::Command(command))
}

fn began(play: u64, index: usize) -> Event {
    let info = info(index);
    let rendition = std::sync::Arc::new(info.rendition.clone());
    Event::Began { play: PlayId(play), info: std::sync::Arc::new(info), rendition, reason: "".into() }
}

fn failed(play: u64) -> Event {
    Event::TrackFailed { play: PlayId(play), reason: "gone".into() }
}

fn follow(after: u64, play: u64, index: usize) -> Action {
    Action::Follow { after: PlayId(after), play: PlayId(play), index }
}

fn without_notices(actions: Vec<Action>) -> Vec<Action> {
    actions.into_iter().filter(|action| !matches!(action, Action::Notify(_))).collect()
}

fn lines(actions: &[Action]) -> Vec<&str> {
    actions
        .iter()
        .filter_map(|action| match action {
            Action::Notify(Notice::Info(line) | Notice::Warning(line)) => Some(line.as_str()),
            _ => None,
        })
        .collect()
}

#[test]
fn tracks_follow_each_other_and_the_last_one_drains() {
    let mut state = state(2);
    assert_eq!(event(&mut state, Event::Fetching(PlayId(0))), [follow(0, 1, 1)]);
    event(&mut state, began(0, 0));
    assert_eq!(event(&mut state, Event::Fetching(PlayId(1))), []);
    assert_eq!(event(&mut state, Event::Ended(PlayId(0))), []);
    event(&mut state, began(1, 1));
    assert_eq!(state.shown().unwrap().index, 1);
    assert_eq!(event(&mut state, Event::Ended(PlayId(1))), [Action::Drain(PlayId(0))]);
    assert_eq!(event(&mut state, Event::Drained(PlayId(0))), [Action::Finish(Outcome::Finished)]);
}

/// The second of the two hangs that this state machine was made against: `Next` onto a track that cannot be played.
#[test]
fn next_onto_an_unplayable_track_shows_and_ends_with_the_playable_ones() {
    let mut state = state(3);
    event(&mut state, Event::Fetching(PlayId(0)));
    event(&mut state, began(0, 0));
    let actions = command(&mut state, Command::Next);
    assert_eq!(actions, [Action::Play { play: PlayId(2), index: 1, start: Position::START }]);
    assert_eq!(state.shown().unwrap().index, 1);
    // Late events of the first track change nothing.
    assert_eq!(event(&mut state, failed(1)), []);
    assert_eq!(event(&mut state, Event::Ended(PlayId(0))), []);
    let actions = without_notices(event(&mut state, failed(2)));
    assert_eq!(actions, [follow(2, 3, 2)]);
    assert_eq!(state.shown().unwrap().index, 2, "the next track to become audible");
    event(&mut state, Event::Fetching(PlayId(3)));
    event(&mut state, began(3, 2));
    assert_eq!(state.shown().unwrap().index, 2);
    assert_eq!(event(&mut state, Event::Ended(PlayId(3))), [Action::Drain(PlayId(2))]);
    assert_eq!(event(&mut state, Event::Drained(PlayId(0))), [], "a report of the first series");
    let failures = "1 of 3 tracks could not be played, or not to their end".into();
    let actions = event(&mut state, Event::Drained(PlayId(2)));
    assert_eq!(actions, [Action::Finish(Outcome::Incomplete(failures))]);
}

#[test]
fn a_single_unplayable_track_ends_with_its_message() {
    let mut state = state(1);
    assert_eq!(event(&mut state, failed(0)), [Action::Drain(PlayId(0))]);
    let message = "cannot play t0: gone".into();
    let actions = event(&mut state, Event::Drained(PlayId(0)));
    assert_eq!(actions, [Action::Finish(Outcome::Incomplete(message))]);
}

#[test]
fn lost_audio_is_told_once_a_track_and_at_the_end() {
    let loss = |node, this_machine| AudioLoss { node: node * MS, this_machine: this_machine * MS };
    let lost = |play, loss| Event::AudioLost { play: PlayId(play), loss };
    let mut state = state(1);
    event(&mut state, Event::Fetching(PlayId(0)));
    event(&mut state, began(0, 0));
    let actions = event(&mut state, lost(0, loss(300, 0)));
    assert_eq!(lines(&actions), ["parts of t0 are silent: the node's file is damaged"]);
    assert_eq!(event(&mut state, lost(0, loss(50, 0))), []);
    assert_eq!(event(&mut state, lost(7, loss(50, 0))), [], "a pass that is not scheduled");
    event(&mut state, Event::Ended(PlayId(0)));
    let message = "0.35 s of t0 were silent: the node's file is damaged".into();
    let actions = event(&mut state, Event::Drained(PlayId(0)));
    assert_eq!(actions, [Action::Finish(Outcome::Incomplete(message))]);
}

#[test]
fn tracks_with_lost_audio_are_counted_beside_those_that_failed() {
    let loss = AudioLoss { node: Duration::ZERO, this_machine: 20 * MS };
    let lost = |play| Event::AudioLost { play: PlayId(play), loss };
    for (fails, message) in [
        (false, "1 of 3 tracks had silent parts"),
        (true, "1 of 3 tracks could not be played, or not to their end; 1 had silent parts"),
    ] {
        let mut state = state(3);
        event(&mut state, Event::Fetching(PlayId(0)));
        event(&mut state, began(0, 0));
        let actions = event(&mut state, lost(0));
        assert_eq!(lines(&actions), ["parts of t0 are silent: this machine could not decode it"]);
        event(&mut state, Event::Fetching(PlayId(1)));
        event(&mut state, began(1, 1));
        if fails {
            event(&mut state, lost(1));
            event(&mut state, failed(1));
        }
        event(&mut state, Event::Fetching(PlayId(2)));
        event(&mut state, began(2, 2));
        event(&mut state, Event::Ended(PlayId(2)));
        let actions = event(&mut state, Event::Drained(PlayId(0)));
        assert_eq!(actions, [Action::Finish(Outcome::Incomplete(message.into()))]);
    }
}

/// The fetch session may have begun the next track before or after the failure, so the state orders it again.
#[test]
fn a_successor_keeps_its_name_until_it_is_fetched() {
    let mut state = state(3);
    event(&mut state, Event::Fetching(PlayId(0)));
    let again = [follow(0, 1, 1)];
    assert_eq!(without_notices(event(&mut state, failed(0))), again);
    event(&mut state, Event::Fetching(PlayId(1)));
    // The decoder of the first track failed meanwhile: the session has dropped the successor and fetches it anew.
    let renamed = [follow(0, 3, 1)];
    assert_eq!(without_notices(event(&mut state, failed(0))), renamed);
}

#[test]
fn a_track_that_failed_is_not_tried_again_by_itself() {
    let mut state = state(3);
    event(&mut state, Event::Fetching(PlayId(0)));
    event(&mut state, failed(1));
    // Named already, but not fetched.
    let actions = without_notices(event(&mut state, failed(0)));
    assert_eq!(actions, [follow(0, 2, 2)]);
    event(&mut state, failed(2));
    let actions = without_notices(event(&mut state, failed(0)));
    assert_eq!(actions, [Action::Drain(PlayId(0))]);
}

#[test]
fn previous_restarts_a_track_that_is_under_way() {
    let mut state = state(3);
    command(&mut state, Command::GoTo { index: 1 });
    event(&mut state, began(1, 1));
    for (milliseconds, index) in [(3000, 1), (2999, 0)] {
        command(&mut state, Command::GoTo { index: 1 });
        let play = state.shown().unwrap().play;
        state.handle(Duration::ZERO, Input::Progress { play, position: (milliseconds * MS).into() });
        let actions = command(&mut state, Command::Previous);
        assert!(
            matches!(actions[..], [Action::Play { index: to, start: Position::START, .. }] if to == index)
        );
    }
}

#[test]
fn seeks_start_from_the_audible_position_or_from_the_last_seek() {
    let mut state = state(1);
    let seconds = |seconds| Position::START.moved(seconds);
    let start = |actions: Vec<Action>| match actions[..] {
        [Action::Play { play, index: 0, start }] => (play.0, start),
        _ => panic!("{actions:?}"),
    };
    state.handle(Duration::ZERO, Input::Progress { play: PlayId(0), position: seconds(20.0) });
    assert_eq!(start(command(&mut state, Command::SeekBy { seconds: 10.0 })), (1, seconds(30.0)));
    // The first play is still audible.
    state.handle(Duration::ZERO, Input::Progress { play: PlayId(0), position: seconds(20.1) });
    assert_eq!(state.position(), seconds(30.0));
    assert_eq!(start(command(&mut state, Command::SeekBy { seconds: -40.0 })), (2, Position::START));
    assert_eq!(start(command(&mut state, Command::SeekTo { seconds: 61.5 })), (3, seconds(61.5)));
    assert_eq!(start(command(&mut state, Command::SeekTo { seconds: -1.0 })), (4, Position::START));
}

#[test]
fn commands_out_of_range_do_nothing() {
    let mut state = state(2);
    assert_eq!(command(&mut state, Command::GoTo { index: 2 }), []);
    command(&mut state, Command::Next);
    assert_eq!(command(&mut state, Command::Next), [], "the last track has no next");
    assert_eq!(command(&mut state, Command::SetVolume { percent: 200 }), [Action::Volume(100)]);
    assert_eq!(command(&mut state, Command::ChangeVolume { percent: -120 }), [Action::Volume(0)]);
    assert_eq!(command(&mut state, Command::Play), [], "it is not paused");
}

#[test]
fn muting_keeps_the_volume_until_a_change_of_it() {
    let mut state = state(1);
    command(&mut state, Command::SetVolume { percent: 60 });
    assert_eq!(command(&mut state, Command::ToggleMute), [Action::Volume(0)]);
    assert_eq!((state.volume(), state.is_muted()), (60, true));
    assert_eq!(command(&mut state, Command::ToggleMute), [Action::Volume(60)]);
    command(&mut state, Command::ToggleMute);
    assert_eq!(command(&mut state, Command::ChangeVolume { percent: 5 }), [Action::Volume(65)]);
    assert!(!state.is_muted());
}

#[test]
fn a_percentage_is_of_the_length_that_the_node_tells() {
    let mut tracks = tracks(1);
    tracks[0].duration_ms = 0;
    let mut state = PlayerState::new(tracks, 100, Duration::ZERO, false, 1);
    state.start(Position::START, false, Repeat::Off);
    let actions = command(&mut state, Command::SeekToPercent { percent: 40 });
    assert_eq!(lines(&actions), ["cannot seek: the length of this track is not known yet"]);
    event(&mut state, began(0, 0));
    let start = Position::START.moved(3.125 * 0.4);
    let actions = command(&mut state, Command::SeekToPercent { percent: 40 });
    assert_eq!(actions, [Action::Play { play: PlayId(1), index: 0, start }]);
}

#[test]
fn repeating_takes_effect_on_the_track_that_plays() {
    let mut state = state(2);
    event(&mut state, Event::Fetching(PlayId(0)));
    event(&mut state, began(0, 0));
    let one = command(&mut state, Command::SetRepeat { repeat: Repeat::One });
    assert_eq!(without_notices(one), [follow(0, 2, 0)]);
    let all = command(&mut state, Command::SetRepeat { repeat: Repeat::All });
    assert_eq!(without_notices(all), [follow(0, 3, 1)]);
    assert_eq!(event(&mut state, Event::Fetching(PlayId(3))), [follow(3, 4, 0)]);
    let off = command(&mut state, Command::SetRepeat { repeat: Repeat::Off });
    assert_eq!(without_notices(off), [Action::EndAfter(PlayId(3))]);
    event(&mut state, began(3, 1));
    assert_eq!(event(&mut state, Event::Ended(PlayId(3))), [Action::Drain(PlayId(0))]);
    let late = command(&mut state, Command::SetRepeat { repeat: Repeat::All });
    assert_eq!(without_notices(late), [], "the list is at its end");
}

/// The player may have begun the former successor when the new one is ordered.
#[test]
fn a_replaced_successor_that_the_player_has_begun_stays() {
    let mut state = state(2);
    event(&mut state, Event::Fetching(PlayId(0)));
    event(&mut state, began(0, 0));
    command(&mut state, Command::SetRepeat { repeat: Repeat::One });
    assert_eq!(event(&mut state, Event::Fetching(PlayId(1))), [follow(1, 3, 1)]);
    event(&mut state, began(1, 1));
    assert_eq!(state.shown().unwrap().index, 1);
}

#[test]
fn pauses_are_idempotent_and_timed() {
    let mut state = state(1);
    let mut at = |seconds, command| state.handle(Duration::from_secs(seconds), Input::Command(command));
    assert_eq!(without_notices(at(1, Command::Pause)), [Action::Pause(true)]);
    assert_eq!(at(2, Command::Pause), []);
    assert_eq!(without_notices(at(4, Command::Toggle)), [Action::Pause(false)]);
    assert_eq!(at(5, Command::Play), []);
    at(10, Command::Toggle);
    assert_eq!(state.paused_time(Duration::from_secs(11)), Duration::from_secs(4));
}

#[test]
fn a_dropout_and_the_larger_buffer_make_one_line() {
    let underrun = Input::Event(Event::Underrun(UnderrunCause::Network));
    let larger =
        || Input::Event(Event::TargetChanged { target: Duration::from_secs(6), reason: "slow connection" });
    let mut state = state(1);
    assert_eq!(state.handle(100 * MS, underrun.clone()), []);
    assert_eq!(state.timeout(), Some(350 * MS));
    let actions = state.handle(349 * MS, larger());
    assert_eq!(lines(&actions), ["audio dropped out; buffering 6 s from now on (slow connection)"]);
    assert_eq!(state.timeout(), None);
    // Without a new target, the dropout is reported alone.
    state.handle(1000 * MS, underrun);
    let actions = state.handle(1250 * MS, Input::Timeout);
    assert_eq!(lines(&actions), ["audio dropped out (slow connection)"]);
    assert_eq!(lines(&state.handle(1251 * MS, larger())), ["buffering 6 s from now on (slow connection)"]);
}

#[test]
fn a_start_past_the_end_is_a_warning() {
    let mut state = PlayerState::new(tracks(1), 100, Duration::ZERO, false, 1);
    state.start(Position::START.moved(100.0), false, Repeat::Off);
    let actions = event(&mut state, began(0, 0));
    assert_eq!(
        lines(&actions)[0],
        "t0 is 0:03 long and the start position lies behind its end: nothing of it is played"
    );
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        4 => Just(Fate::Plays),
        2 => Just(Fate::Refused),
        1 => Just(Fate::RefusedInTheMiddle),
        1 => Just(Fate::Undecodable),
    ]
}

fn step(count: usize) -> impl Strategy<Value = Step> {
    let seconds = -4.0..4.0;
    let command = prop_oneof![
        4 => Just(Command::Next),
        4 => Just(Command::Previous),
        2 => (0..count).prop_map(|index| Command::GoTo { index }),
        2 => seconds.prop_map(|seconds| Command::SeekBy { seconds }),
        1 => (0.0..4.0).prop_map(|seconds| Command::SeekTo { seconds }),
        1 => Just(Command::Toggle),
        2 => any::<bool>().prop_map(|on| Command::SetShuffle { on }),
        2 => Just(Command::CycleRepeat),
    ];
    prop_oneof![
        1 => command.prop_map(Step::Command),
        4 => Just(Step::Session),
        4 => Just(Step::Node),
        4 => Just(Step::Playback),
        4 => Just(Step::Control),
        1 => Just(Step::Progress),
    ]
}

fn scenario() -> impl Strategy<Value = (Vec<Fate>, Vec<Step>)> {
    proptest::collection::vec(fate(), 1..5).prop_flat_map(|fates| {
        let steps = proptest::collection::vec(step(fates.len()), 0..120);
        (Just(fates), steps)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, max_shrink_iters: 3_000, ..ProptestConfig::default() })]

    /// Commands at any moment, and the steps of session, node, playback thread and control in any order: the track that is
    /// shown is the audible one, and the list ends by itself.
    #[test]
    fn every_list_ends_and_shows_what_is_heard((fates, steps) in scenario()) {
        let mut model = Model::new(&fates);
        for step in steps {
            model.step(step);
        }
        model.run_to_the_end();
    }
}

#[test]
fn a_track_that_ends_before_its_event_comes_is_shown_and_one_of_before_a_jump_is_not() {
    let mut state = state(3);
    event(&mut state, Event::Fetching(PlayId(0)));
    event(&mut state, Event::Fetching(PlayId(1)));
    state.handle(Duration::ZERO, Input::Progress { play: PlayId(1), position: Position::START });
    let actions = event(&mut state, began(0, 0));
    assert!(matches!(lines(&actions)[..], [line] if line.starts_with("playing 1")), "{actions:?}");
    assert!(lines(&event(&mut state, began(1, 1)))[0].starts_with("playing 2"));
    command(&mut state, Command::Previous);
    assert_eq!(event(&mut state, began(2, 2)), []);
}

#[test]
fn another_order_keeps_the_track_that_follows_a_failed_one() {
    let mut state = state(2);
    assert_eq!(without_notices(event(&mut state, failed(0))), [follow(0, 1, 1)]);
    for command_of in [Command::SetShuffle { on: true }, Command::SetRepeat { repeat: Repeat::One }] {
        assert_eq!(without_notices(command(&mut state, command_of)), []);
    }
    assert_eq!(state.shown().map(|pass| pass.index), Some(1));
}
