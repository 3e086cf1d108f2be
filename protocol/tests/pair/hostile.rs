//! A client and a hostile node: whatever the node sends, the client ends, and spends a bounded number of bytes.

use std::time::Duration;

use media_protocol::{
    Position,
    session::client::{ClientConfig, Failure, FixedRendition},
};

use crate::sim::{
    driver::{Driver, Plain},
    node::{Spoils, renditions},
    scripts::Seed,
    world::{Act, World},
};

const DAMAGES: &[Spoils] = &[Spoils::Hash, Spoils::Length, Spoils::Framing];

/// Returns worlds in which track `a` has chunks, and only the node fails.
fn worlds() -> impl Iterator<Item = (Seed, World)> {
    let world = |seed| {
        let driver = Driver { choice: Box::new(FixedRendition), fill: Box::new(Plain) };
        let mut world = World::new(seed, driver);
        world.failing_percent = 0;
        world.encoder_fails = 0;
        world.decoder_fails = 0;
        world.album = 0;
        (Seed(seed), world)
    };
    (0..).map(world).filter(|(_, world)| world.node.infos[0].rendition.chunks > 0).take(200)
}

/// Plays track `a` to its end, or until the session gives it up.
fn play(world: &mut World) {
    world.act(Duration::ZERO, Act::Play("a".parse().unwrap(), Position::START));
    world.run();
}

#[test]
fn a_track_whose_chunks_are_always_damaged_is_skipped_after_3_copies_in_each_rendition() {
    for (_seed, mut world) in worlds() {
        world.spoils = (100, DAMAGES);
        let chunks = world.node.infos[0].rendition.chunks;
        let all = renditions(&world.node.infos[0]);
        let renditions = all.iter().filter(|rendition| rendition.chunks == chunks).count();
        play(&mut world);
        let [Failure::Damaged(reason)] = &world.listener.failures[..] else { panic!() };
        assert!(reason.starts_with("the node sent chunk 0 damaged 3 times ("), "{reason}");
        // More requests are for the info alone, or were refused as busy.
        let requests = 3 * renditions as u64;
        assert!((requests..=requests + 6).contains(&world.requests), "{} requests", world.requests);
        assert!(world.now() < Duration::from_secs(60 + 60 * renditions as u64), "{:?}", world.now());
    }
}

#[test]
fn a_track_whose_first_rendition_is_damaged_plays_in_another() {
    for (_seed, mut world) in worlds() {
        let info = &world.node.infos[0];
        let is_alike = |other: &&media_protocol::Rendition| other.chunks == info.rendition.chunks;
        if info.alternatives.iter().filter(is_alike).count() == 0 {
            continue;
        }
        // The client offers its codecs in this order, and the node keeps to its own.
        world.node.spoils_codec = Some(info.rendition.id.codec.clone());
        world.spoils = (100, DAMAGES);
        play(&mut world);
        assert_eq!((world.listener.ended, world.listener.switches), (1, 1));
    }
}

#[test]
fn chunks_that_are_damaged_sometimes_are_fetched_again() {
    let mut whole = 0;
    for (_seed, mut world) in worlds() {
        world.spoils = (30, DAMAGES);
        play(&mut world);
        assert_eq!(world.listener.ended as usize + world.listener.failures.len(), 1);
        whole += world.listener.ended;
    }
    // 3 damaged copies in each of mostly 3 renditions are rare.
    assert!(whole > 190, "{whole} of 200 tracks");
}

#[test]
fn a_node_whose_bytes_drip_is_given_up_in_time() {
    let give_up = ClientConfig::default().give_up;
    for (_seed, mut world) in worlds() {
        world.listener.is_hostile = true;
        world.spoils = (100, &[Spoils::Drip]);
        // Before the first drop come a request and an info at most.
        play(&mut world);
        let is_short = world.listener.ended == 1;
        let [Failure::Unreachable(reason)] = &world.listener.failures[..] else {
            assert!(is_short && world.node.infos[0].rendition.chunks == 1);
            continue;
        };
        assert!(reason.contains("incomplete after") || reason.starts_with("no answer"), "{reason}");
        assert!(world.now() < 2 * give_up, "{reason} after {:?}", world.now());
        assert!(world.bytes() < 10_000, "{} bytes", world.bytes());
    }
}
