//! Every combination of rights and bounds against every request: exactly those allowed succeed.

use media_node::access::{Bounds, Rights};
use media_protocol::{ErrorCode, List, Rendition, Track};

use super::{Guarded, RenditionKind, VirtualClock, library, offers, renditions};
use crate::rig::{Listener, code};

/// A grant as the owner described it.
#[derive(Debug, Clone, Copy)]
struct Described {
    only_jazz: bool,
    lossy_only: bool,
    max_kbit: Option<u32>,
    originals: bool,
}

impl Described {
    fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for only_jazz in [false, true] {
            for lossy_only in [false, true] {
                for max_kbit in [None, Some(64), Some(128)] {
                    for originals in [false, true] {
                        all.push(Self { only_jazz, lossy_only, max_kbit, originals });
                    }
                }
            }
        }
        all
    }

    fn bounds(self) -> Bounds {
        Bounds {
            folders: if self.only_jazz { vec!["jazz".into()] } else { Vec::new() },
            lossy_only: self.lossy_only,
            max_bitrate: self.max_kbit.map(|kbit| kbit * 1000),
            ..Bounds::default()
        }
    }

    fn covers(self, track: &Track) -> bool {
        !self.only_jazz || track.title != "secret"
    }

    fn permits(self, kind: RenditionKind) -> bool {
        match kind {
            RenditionKind::Pcm => !self.lossy_only && self.max_kbit.is_none(),
            RenditionKind::Opus128 => self.max_kbit != Some(64),
            RenditionKind::Opus64 => true,
            RenditionKind::Passthrough => self.originals && self.max_kbit.is_none(),
        }
    }
}

async fn check_lists(listener: &Listener, described: Described, tracks: &[Track]) {
    let covered: Vec<_> = tracks.iter().filter(|track| described.covers(track)).collect();
    let list = |search: &str| {
        let list = List { offset: 0, limit: 100, search: search.into(), detail: false };
        async move { listener.list(&list).await.unwrap() }
    };
    let ids = |tracks: &[Track]| tracks.iter().map(|track| track.id.clone()).collect::<Vec<_>>();
    let page = list("").await;
    assert_eq!(ids(&page.tracks), covered.iter().map(|track| track.id.clone()).collect::<Vec<_>>());
    assert_eq!(page.total as usize, covered.len());
    let numbers: Vec<_> = page.tracks.iter().map(|track| track.number).collect();
    assert_eq!(numbers, (1..=page.total).collect::<Vec<_>>(), "the numbers tell of no other track");
    for track in tracks {
        for search in [track.title.as_str(), track.id.as_str()] {
            let found = list(search).await;
            assert_eq!(found.total == 1, described.covers(track), "{described:?} {search}");
        }
    }
}

async fn check_info(listener: &Listener, described: Described, track: &Track) {
    let answer = listener.get_info(&offers(track)).await;
    if !described.covers(track) {
        let error = answer.unwrap_err();
        let nowhere = Track { id: "0123456789abcdef".parse().unwrap(), ..track.clone() };
        let unknown = listener.get_info(&offers(&nowhere)).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::UnknownTrack);
        let message = error.message.replace(track.id.as_str(), nowhere.id.as_str());
        assert_eq!(message, unknown.message, "a track out of scope is like one that does not exist");
        return;
    }
    let info = answer.unwrap();
    let mut kinds: Vec<_> =
        [&info.rendition].into_iter().chain(&info.alternatives).map(RenditionKind::of).collect();
    kinds.sort();
    assert!(kinds.iter().all(|kind| described.permits(*kind)), "{described:?}: {kinds:?}");
    let expected: Vec<_> = match track.title.as_str() {
        // A passthrough takes the place of the offers of Opus that allow its bitrate, and of PCM.
        "packets" if described.permits(RenditionKind::Passthrough) => {
            assert!(kinds.contains(&RenditionKind::Passthrough), "{described:?}: {kinds:?}");
            return;
        }
        _ => [RenditionKind::Pcm, RenditionKind::Opus128, RenditionKind::Opus64]
            .into_iter()
            .filter(|kind| described.permits(*kind))
            .collect(),
    };
    assert_eq!(kinds, expected, "{described:?} {}", track.title);
}

async fn check_chunk(listener: &Listener, described: Described, track: &Track, rendition: &Rendition) {
    let kind = RenditionKind::of(rendition);
    let answer = listener.chunk(rendition, 0).await;
    let expected = match (described.covers(track), described.permits(kind)) {
        (true, true) => None,
        (true, false) => Some(ErrorCode::OutOfScope),
        (false, _) => Some(ErrorCode::UnknownTrack),
    };
    assert_eq!(answer.err().map(|error| error.code), expected, "{described:?} {}", rendition.id);
}

#[tokio::test(flavor = "multi_thread")]
async fn exactly_the_allowed_requests_succeed() {
    let guarded = Guarded::new(&library(), VirtualClock::new()).await;
    let owner = guarded.owner().await;
    let tracks = owner.list(&List { limit: 100, ..List::default() }).await.unwrap().tracks;
    assert_eq!(tracks.len(), 3);
    let mut known = Vec::new();
    for track in &tracks {
        for rendition in renditions(&owner, track).await {
            known.push((track, rendition));
        }
    }
    let kinds: Vec<_> = known.iter().map(|(_, rendition)| RenditionKind::of(rendition)).collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == RenditionKind::Passthrough).count(), 1);
    assert_eq!(kinds.len(), 10);
    for (number, described) in Described::all().into_iter().enumerate() {
        let rights = Rights { originals: described.originals, edit: false, control: false };
        let token = guarded.token(&format!("t{number}"), rights, described.bounds());
        let listener = guarded.rig.connect(Some(&token)).await.unwrap();
        let rights = listener.connection.welcome().rights;
        assert_eq!(rights.contains(&"originals".to_owned()), described.originals);
        check_lists(&listener, described, &tracks).await;
        for track in &tracks {
            check_info(&listener, described, track).await;
        }
        for (track, rendition) in &known {
            check_chunk(&listener, described, track, rendition).await;
        }
    }
}

/// The chunk that follows an info on its stream is within the bounds too.
#[tokio::test(flavor = "multi_thread")]
async fn a_chunk_behind_an_info_is_of_a_permitted_rendition() {
    let guarded = Guarded::new(&library(), VirtualClock::new()).await;
    let tracks = guarded.owner().await.list(&List { limit: 100, ..List::default() }).await.unwrap().tracks;
    let bounds = Bounds { max_bitrate: Some(64_000), ..super::jazz() };
    let token = guarded.token("phone", Rights::LISTENER, bounds);
    let listener = guarded.rig.connect(Some(&token)).await.unwrap();
    for track in &tracks {
        let request =
            media_protocol::GetInfo { then_chunk_at: Some(media_protocol::Position::START), ..offers(track) };
        let json = serde_json::to_string(&request).unwrap();
        let mut stream = listener.connection.open("audio.get_info", &json).await.unwrap();
        let bytes = crate::rig::read(stream.recv.as_mut()).await;
        let line = bytes.iter().position(|byte| *byte == b'\n').unwrap();
        let has_chunk = bytes.len() > line + 1;
        assert_eq!(has_chunk, track.title != "secret");
        let text = String::from_utf8_lossy(&bytes[..line]);
        assert!(!has_chunk || text.contains(".k64c10-join"), "{text}");
    }
    let nowhere = Track { id: "0123456789abcdef".parse().unwrap(), ..tracks[0].clone() };
    assert_eq!(code(listener.get_info(&offers(&nowhere)).await), ErrorCode::UnknownTrack);
}
