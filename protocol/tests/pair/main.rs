//! Runs client and server as a pair.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by them")]

mod fickle;
mod hostile;
mod sim;

use std::time::Duration;

use fickle::fickle;
use media_protocol::{
    ErrorCode, Position, WireError,
    session::client::{
        ClientAction, ClientConfig, ClientInput, ClientSession, Failure, FixedRendition, PlayId, RequestId,
    },
};
use sim::{
    scripts::{Seed, play},
    world::{Act, World},
};

/// Number of random scripts.
const SCRIPTS: u64 = 10_000;

#[test]
fn every_frame_arrives_once_and_in_order_whatever_happens() {
    play(SCRIPTS, fickle);
}

#[test]
fn however_long_an_album_is_no_more_is_remembered() {
    for seed in 0..4 {
        let _seed = Seed(seed);
        let remembered = [100, 400].map(|tracks| {
            let mut world = World::new(seed, fickle(seed));
            world.album = tracks;
            world.decoder_fails = 0;
            world.encoder_fails = 0;
            world.act(Duration::ZERO, Act::Play("a".parse().unwrap(), Position::START));
            world.run();
            assert_eq!(world.listener.ended, tracks + 1);
            world.memory()
        });
        // Greater numbers have more digits.
        assert!(remembered[1] < remembered[0] + 200, "{remembered:?}");
    }
}

#[test]
fn a_long_pause_is_not_held_against_the_node() {
    let worlds = (0..).map(|seed| (seed, World::new(seed, fickle(seed))));
    let (seed, mut world) = worlds.into_iter().find(|(_, it)| it.node.infos[0].rendition.chunks > 8).unwrap();
    let _seed = Seed(seed);
    world.encoder_fails = 0;
    world.decoder_fails = 0;
    world.album = 0;
    let second = Duration::from_secs(1);
    world.act(Duration::ZERO, Act::Play("a".parse().unwrap(), Position::START));
    world.act(5 * second, Act::Outage(10 * second));
    world.act(10 * second, Act::Pause);
    world.act(299 * second, Act::Outage(2 * second));
    world.act(300 * second, Act::Resume);
    world.run();
    assert_eq!(world.listener.ended, 1);
}

/// Plays a track and answers all requests with `answer`. Returns the time and the reason of the failure.
fn failure(answer: impl Fn(&ClientAction) -> ClientInput) -> (Duration, Failure) {
    let mut client = ClientSession::new(ClientConfig::default(), Box::new(FixedRendition));
    let mut now = Duration::ZERO;
    client
        .handle(now, ClientInput::Play { play: PlayId(0), track: "a".parse().unwrap(), at: Position::START });
    for _ in 0..10_000 {
        match client.poll() {
            Some(ClientAction::Failed { error, .. }) => return (now, error),
            Some(request @ ClientAction::GetInfo { .. }) => client.handle(now, answer(&request)),
            Some(_) => {}
            None => {
                now = client.timeout().expect("there is something to wait for");
                client.handle(now, ClientInput::Timeout);
            }
        }
    }
    panic!("never given up")
}

fn request_of(output: &ClientAction) -> RequestId {
    let ClientAction::GetInfo { request, .. } = output else { panic!("{output:?}") };
    *request
}

#[test]
fn a_node_that_stays_away_is_given_up_in_time() {
    let (after, error) =
        failure(|it| ClientInput::Broken { request: request_of(it), reason: "no route".into() });
    assert_eq!(error, Failure::Unreachable("no route".into()));
    let give_up = ClientConfig::default().give_up;
    assert!((give_up..give_up + Duration::from_secs(2)).contains(&after), "{after:?}");
}

#[test]
fn a_refusal_is_final_unless_the_node_is_busy() {
    let refusal = |code| {
        move |it: &ClientAction| {
            let error = WireError::new(code, "no");
            ClientInput::Refused { request: request_of(it), error }
        }
    };
    let (after, error) = failure(refusal(ErrorCode::UnknownTrack));
    assert_eq!((after, error.to_string()), (Duration::ZERO, "no".into()));
    let (after, _) = failure(refusal(ErrorCode::Busy));
    assert!(after >= ClientConfig::default().give_up);
}

#[test]
fn a_busy_node_is_asked_again_when_it_says() {
    let mut client = ClientSession::new(ClientConfig::default(), Box::new(FixedRendition));
    client.handle(
        Duration::ZERO,
        ClientInput::Play { play: PlayId(0), track: "a".parse().unwrap(), at: Position::START },
    );
    // The client keeps to the demanded wait each time, up to half a minute.
    for (demanded, kept) in [(7_000, 7), (7_000, 7), (u64::MAX, 30)] {
        let request =
            std::iter::from_fn(|| client.poll()).find(|it| matches!(it, ClientAction::GetInfo { .. }));
        let error = WireError::busy("512 chunks wait", Duration::from_millis(demanded));
        assert!(error.message.starts_with("512 chunks wait; try again in "), "{error}");
        let asked = client.timeout().unwrap() - ClientConfig::default().timeout;
        client.handle(asked, ClientInput::Refused { request: request_of(&request.unwrap()), error });
        let again = client.timeout().unwrap();
        assert_eq!(again - asked, Duration::from_secs(kept));
        client.handle(again, ClientInput::Timeout);
    }
}
