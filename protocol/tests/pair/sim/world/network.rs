use std::time::Duration;

use bytes::Bytes;
use media_protocol::{ErrorCode, Protocol, WireError, session::client::RequestId};

use super::{
    super::node::{Fails, Spoils, refusal},
    Event, World,
    fetch::Fetch,
};

/// Bytes of a dripping node's pieces: a packet of the smallest rendition.
const DROP: usize = 24;
/// Time between two of them, shorter than the client's timeout.
const DROP_INTERVAL: Duration = Duration::from_secs(7);

impl World {
    pub(super) fn send(&mut self, id: RequestId, protocol: Protocol, data: String, fetch: Fetch) {
        assert!(!self.paused, "a request leaves while paused");
        assert!(self.reported < self.config.target, "a request leaves while {:?} are held", self.reported);
        assert_eq!(self.under_way, None, "two requests at a time");
        self.under_way = Some(id);
        self.requests += 1;
        self.fetches.insert(id, fetch);
        if self.now < self.down_until {
            self.failures += 1;
            // The request is refused at once, or swallowed so that the client must time out.
            if self.random.chance(50) {
                self.after(Duration::from_millis(10), Event::Reset { id });
            }
            return;
        }
        let delay = self.delay();
        self.after(delay, Event::Request { connection: self.connection, id, protocol, data });
    }

    pub(super) fn abandon(&mut self, id: RequestId) {
        assert_eq!(self.under_way.take(), Some(id), "the abandoned request was in flight");
        self.count_partial();
        // A driver may drop a stream late. Bytes that still arrive on it must do no harm.
        if self.random.chance(50) {
            self.fetches.remove(&id);
        }
        let delay = self.delay();
        self.after(delay, Event::Served { connection: self.connection, id });
    }

    pub(super) fn delay(&mut self) -> Duration {
        self.latency + self.random.millis(self.jitter)
    }

    /// The node answers, and the network may damage, cut or swallow the answer.
    pub(super) fn on_request(&mut self, id: RequestId, protocol: Protocol, data: String) {
        // Places at which the encoder fails: before the header, in the middle, or just before the end.
        let fails = self.random.pick(&[
            Fails::Gone,
            Fails::After(0),
            Fails::After(7),
            Fails::After(29),
            Fails::After(999),
        ]);
        self.node.fails = self.random.chance(self.encoder_fails).then_some(fails);
        let (spoils, ways) = self.spoils;
        self.node.spoils = (spoils > 0 && self.random.chance(spoils)).then(|| self.random.pick(ways));
        let (mut bytes, under_way) = self.node.answer(id.0, protocol, data);
        let fails = self.random.chance(self.failing_percent);
        let how = self.random.below(5);
        self.failures += u64::from(fails);
        match how {
            0 if fails => bytes = refusal(protocol, WireError::new(ErrorCode::Busy, "try again")),
            1 if fails && protocol == Protocol::RequestChunk => *bytes.last_mut().unwrap() ^= 1,
            _ => {}
        }
        let arrives =
            if fails && how >= 2 { self.random.below(bytes.len() as u64) as usize } else { bytes.len() };
        let mut bytes = Bytes::from(bytes).slice(..arrives);
        let mut delay = self.delay();
        let drips = self.node.spoils == Some(Spoils::Drip);
        while !bytes.is_empty() {
            let most = if drips { DROP } else { 1 + self.random.below(400) as usize };
            let piece = bytes.split_to(bytes.len().min(most));
            self.after(delay, Event::Piece { id, bytes: piece });
            delay += if drips { DROP_INTERVAL } else { self.random.millis(self.jitter) };
        }
        match how {
            2 if fails => return, // Silence: the client must time out.
            3 if fails => self.after(delay, Event::Reset { id }),
            _ => self.after(delay, Event::Finished { id }),
        }
        if under_way {
            self.after(delay, Event::Served { connection: self.connection, id });
        }
    }
}
