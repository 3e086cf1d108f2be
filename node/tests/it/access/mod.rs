//! Tickets with rights and bounds, against a served library.

mod ended;
mod matrix;
mod scope;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use media_node::{
    access::{AccessAnswer, AccessBook, AccessRequest, Bounds, Clock, NewAccess, Rights},
    plugins,
    server::{Access, ServerConfig},
};
use media_protocol::{CodecOffer, Rendition, Ticket, Track};

use crate::{
    fixtures::Kind,
    rig::{Listener, Music, Rig, offering},
};

/// 2026-12-15 12:00 (UTC), in seconds since 1970.
pub(super) const NOW: u64 = 1_797_336_000;

/// A clock that a test sets.
pub(super) struct VirtualClock(AtomicU64);

impl VirtualClock {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self(AtomicU64::new(NOW)))
    }

    pub(super) fn set(&self, now: u64) {
        self.0.store(now, Ordering::Relaxed);
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Duration {
        Duration::from_secs(self.0.load(Ordering::Relaxed))
    }
}

/// A served library with a book.
pub(super) struct Guarded {
    pub(super) rig: Rig,
    pub(super) book: Arc<AccessBook>,
}

impl Guarded {
    pub(super) async fn new(music: &Music, clock: Arc<dyn Clock>) -> Self {
        let book = Arc::new(AccessBook::in_memory(clock).unwrap());
        let access = Access { book: Some(Arc::clone(&book)), ..Access::default() };
        let rig = Rig::guarded(music, ServerConfig::default(), plugins::registry(), access).await;
        Self { rig, book }
    }

    /// Makes a ticket and returns its token.
    pub(super) fn token(&self, label: &str, rights: Rights, bounds: Bounds) -> String {
        self.make(NewAccess {
            label: label.into(),
            listener: None,
            identity: None,
            rights,
            bounds,
            once: false,
        })
    }

    /// Makes a ticket and returns its token.
    pub(super) fn make(&self, new: NewAccess) -> String {
        // The ticket's text needs a route to be read.
        let route =
            media_protocol::Route { transport: "memory".into(), peer: "node".into(), addresses: vec![] };
        match self.book.handle(AccessRequest::Create(new), &[route]).unwrap() {
            AccessAnswer::Created { ticket: Some(ticket), .. } => ticket.parse::<Ticket>().unwrap().token(),
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn revoke(&self, label: &str) {
        self.book.handle(AccessRequest::Revoke { label: label.into() }, &[]).unwrap();
    }

    /// A client with a ticket without bounds.
    pub(super) async fn owner(&self) -> Listener {
        let token = self.book.first_ticket(&[]).unwrap().token();
        self.rig.connect(Some(&token)).await.unwrap()
    }
}

/// Two tracks in `jazz`, one of them of Opus packets, and one in `rock`.
pub(super) fn library() -> Music {
    let music = Music::new();
    music.add("jazz/birdland", Kind::FlacS16, 44_100, 2, 4.0);
    music.add("jazz/packets", Kind::OpusLow, 48_000, 2, 5.0);
    music.add("rock/secret", Kind::FlacS16, 44_100, 2, 6.0);
    music
}

pub(super) fn jazz() -> Bounds {
    Bounds { folders: vec!["jazz".into()], ..Bounds::default() }
}

/// Kinds of renditions that the tests request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum RenditionKind {
    Pcm,
    Opus128,
    Opus64,
    Passthrough,
}

impl RenditionKind {
    pub(super) fn of(rendition: &Rendition) -> Self {
        match (rendition.id.codec.as_str(), rendition.id.params.as_str()) {
            ("pcm", _) => Self::Pcm,
            ("opus", "copy") => Self::Passthrough,
            ("opus", "k128c10-join") => Self::Opus128,
            ("opus", "k64c10-join") => Self::Opus64,
            other => panic!("{other:?}"),
        }
    }
}

/// Offers PCM, and Opus at 128 and 64 kbit/s.
pub(super) fn offers(track: &Track) -> media_protocol::GetInfo {
    let opus = |bitrate| CodecOffer { id: "opus".into(), bitrate: Some(bitrate) };
    let pcm = CodecOffer { id: "pcm".into(), bitrate: None };
    media_protocol::GetInfo { codecs: vec![pcm, opus(128_000), opus(64_000)], ..offering(track, &[]) }
}

/// All renditions of a track, asked for one by one.
pub(super) async fn renditions(owner: &Listener, track: &Track) -> Vec<Rendition> {
    let mut found = Vec::new();
    for codec in offers(track).codecs {
        let request = media_protocol::GetInfo { codecs: vec![codec], ..offering(track, &[]) };
        let rendition = owner.get_info(&request).await.unwrap().rendition;
        // A passthrough takes the place of these encoded renditions, which other grants get.
        let params = rendition.id.params.clone();
        if params == "copy" {
            for (params, bitrate) in [("k128c10-join", 128_000), ("k64c10-join", 64_000)] {
                let mut encoded = rendition.clone();
                encoded.id.params = params.into();
                encoded.bitrate = bitrate;
                found.push(encoded);
            }
        }
        found.push(rendition);
    }
    found.sort_by_key(|rendition| rendition.id.to_string());
    found.dedup_by_key(|rendition| rendition.id.to_string());
    found
}
