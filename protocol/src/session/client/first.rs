//! The first chunk of a track. With the track's info it comes in one round trip, but in the rendition that the node puts
//! first; so it is asked for with it only where that one will do.

use std::{
    cmp::Ordering::{self, Less},
    time::Duration,
};

use super::{ClientSession, Want, wanted::Playing};

/// What a track would be like by what is known of the one before, and what was held when its info was asked for.
#[derive(Debug, Default)]
pub(super) struct Before {
    pub(super) track: Option<Playing>,
    held: Duration,
}

impl ClientSession {
    /// Whether the chunk is asked for with the info. Tracks of one node are mostly alike, so the one before tells.
    pub(super) fn asks_for_first(&mut self) -> bool {
        self.before.held = self.held;
        let Some(track) = self.before.track.take() else { return true };
        let better = self.better(&track);
        self.before.track = Some(track);
        match better {
            None => true,
            Some(Less) => false,
            // With nothing held a person waits, and a better one is worth no round trip.
            Some(_) => self.held.is_zero(),
        }
    }

    /// Gives up the chunk that comes with the info, where the track is not like the one before or the path has changed, and
    /// the node's choice is more than is wanted. Judged by what was held then: the same choice is not made twice.
    pub(super) fn check_first(&mut self) {
        let Want::Chunk(wanted) = &self.want else { return };
        let track = wanted.playing.clone();
        if self.better(&track) == Some(Less) {
            self.abandon();
        }
    }

    /// How the bitrate of what is wanted now compares to the track's own, where another is wanted.
    fn better(&mut self, track: &Playing) -> Option<Ordering> {
        let situation = track.situation(self.now, self.before.held, self.config.target, &self.path);
        let to = self.choice.choose(&situation)?.to;
        track.all.get(to).map(|to| to.bitrate.cmp(&track.rendition.bitrate))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::{
        ChunkIndex, Position,
        chunk::ChunkEvent,
        session::client::{
            ClientAction, ClientConfig, ClientInput, ClientSession, Delivery, RateChoice, Situation, Switch,
            failure::tests::info,
        },
    };

    /// Wants the rendition of this bitrate at every border, once a chunk has come.
    #[derive(Debug)]
    struct Wants(u32, bool);

    impl RateChoice for Wants {
        fn choose(&mut self, situation: &Situation<'_>) -> Option<Switch> {
            let to = situation.all.iter().position(|it| it.bitrate == self.0).filter(|_| self.1)?;
            (situation.current.bitrate != self.0).then(|| Switch { to, reason: "it is wanted".into() })
        }

        fn reconsider(&mut self, _: &Situation<'_>, _: Delivery) -> Option<Switch> {
            None
        }

        fn delivered(&mut self, _: Delivery) {
            self.1 = true;
        }

        fn abandoned(&mut self, _: u64) {}
    }

    struct Rig(ClientSession);

    impl Rig {
        fn tell(&mut self, input: ClientInput) -> Vec<ClientAction> {
            self.0.handle(Duration::ZERO, input);
            std::iter::from_fn(|| self.0.poll()).collect()
        }

        fn play(&mut self, track: &str) -> Vec<ClientAction> {
            self.tell(ClientInput::Play { track: track.parse().unwrap(), at: Position::START })
        }

        /// The node's answer: a track in renditions of these bitrates.
        fn answer(&mut self, track: &str, bitrates: [u32; 2], chunk_follows: bool) -> Vec<ClientAction> {
            let request = self.0.request.unwrap().0;
            let mut info = Box::new(info(track, &["c", "d"]));
            (info.rendition.bitrate, info.alternatives[0].bitrate) = (bitrates[0], bitrates[1]);
            self.tell(ClientInput::Info { request, info, chunk_follows })
        }

        /// The first chunk begins to come.
        fn header(&mut self) -> Vec<ClientAction> {
            let request = self.0.request.unwrap().0;
            let event = ChunkEvent::Header { index: ChunkIndex(0), frames: 144_000, last: false };
            self.tell(ClientInput::Chunk { request, event })
        }

        /// After the first chunk of a track.
        fn after_a_chunk(wanted: u32) -> Self {
            let mut rig = Self(ClientSession::new(ClientConfig::default(), Box::new(Wants(wanted, false))));
            assert!(asks(&rig.play("a")), "a session begins in one round trip");
            rig.answer("a", [96_000, 48_000], true);
            rig.header();
            let request = rig.0.request.unwrap().0;
            for event in [ChunkEvent::Packet(vec![0].into()), ChunkEvent::End] {
                rig.tell(ClientInput::Chunk { request, event });
            }
            rig
        }
    }

    /// Whether a track is asked for with its first chunk.
    fn asks(outputs: &[ClientAction]) -> bool {
        let info = outputs.iter().find_map(|it| match it {
            ClientAction::GetInfo { then_chunk, .. } => Some(*then_chunk),
            _ => None,
        });
        info.expect("a track is asked for")
    }

    #[test]
    fn is_asked_for_with_the_track_only_where_the_node_chooses_what_is_wanted() {
        assert!(asks(&Rig::after_a_chunk(96_000).play("b")));
        let mut rig = Rig::after_a_chunk(48_000);
        assert!(!asks(&rig.play("b")));
        let outputs = rig.answer("b", [96_000, 48_000], false);
        let asked = outputs.iter().find_map(|it| match it {
            ClientAction::GetChunk { rendition, .. } => Some(rendition.bitrate),
            _ => None,
        });
        assert_eq!(asked, Some(48_000));
        let started = rig.header();
        assert!(
            matches!(&started[..], [ClientAction::ChunkStart { reason, .. }] if &**reason == "it is wanted"),
            "{started:?}"
        );
    }

    #[test]
    fn is_given_up_where_the_track_is_not_like_the_one_before() {
        let mut rig = Rig::after_a_chunk(96_000);
        assert!(asks(&rig.play("b")));
        let outputs = rig.answer("b", [128_000, 96_000], true);
        let given_up = outputs.iter().position(|it| matches!(it, ClientAction::Abandon { .. }));
        let asked = outputs.iter().position(|it| matches!(it, ClientAction::GetChunk { .. }));
        assert!(given_up.is_some() && given_up < asked, "{outputs:?}");
    }
}
