//! No message of a client widens its scope.

use media_node::access::{Bounds, Rights};
use media_protocol::{List, Rendition, RenditionId};
use proptest::{prelude::*, sample::select, test_runner::TestRunner};

use super::{Guarded, VirtualClock, jazz, library, renditions};
use crate::rig::{Listener, read};

/// Parts of messages: ids of tracks and renditions that the client knows from elsewhere.
#[derive(Debug, Clone)]
struct Known {
    tracks: Vec<String>,
    renditions: Vec<String>,
}

/// A message: the name of a protocol and JSON.
fn message(known: Known) -> impl Strategy<Value = (String, String)> {
    let Known { tracks, renditions } = known;
    let track = prop_oneof![4 => select(tracks), 1 => "[0-9a-f]{16}"].boxed();
    let codec = select(vec!["pcm", "opus", "flac", "x"]);
    let bitrate = proptest::option::of(select(vec![0_u32, 6000, 64_000, 64_001, 128_000, 510_000, u32::MAX]));
    let offers = proptest::collection::vec((codec.clone(), bitrate), 0..5);
    let built = (
        track.clone(),
        codec,
        select(vec![8000_u32, 44_100, 48_000]),
        1..3_u16,
        select(vec![
            "s16",
            "s24",
            "f32",
            "copy",
            "k6c10-join",
            "k64c10-join",
            "k65c10-join",
            "k128c10-join",
            "k64c1-join",
            "",
            "l5",
        ]),
    );
    let built = built.prop_map(|(track, codec, rate, channels, params)| {
        format!("{track}.{codec}.{rate}.{channels}.{params}")
    });
    let rendition = prop_oneof![select(renditions), built];
    let list = (0..5_u32, 0..600_u32, prop_oneof![Just(String::new()), "[a-z ]{0,9}", track.clone()]);
    prop_oneof![
        list.prop_map(|(offset, limit, search)| {
            let json = serde_json::json!({ "offset": offset, "limit": limit, "search": search });
            ("audio.list".to_owned(), json.to_string())
        }),
        (track, offers, any::<bool>()).prop_map(|(track, offers, follows)| {
            let codecs: Vec<_> = offers
                .iter()
                .map(|(id, bitrate)| serde_json::json!({ "id": id, "bitrate": bitrate, "folders": [] }))
                .collect();
            let then = if follows { serde_json::json!(0) } else { serde_json::Value::Null };
            let json = serde_json::json!({
                "track": track, "codecs": codecs, "then_chunk_at": then, "rights": ["originals"],
                "path": { "kind": "memory" },
            });
            ("audio.get_info".to_owned(), json.to_string())
        }),
        (rendition, 0..3_u32).prop_map(|(rendition, index)| {
            let json = serde_json::json!({ "rendition": rendition, "index": index, "scope": "all" });
            ("audio.request_chunk".to_owned(), json.to_string())
        }),
        (select(vec!["audio.list", "audio.get_info", "audio.request_chunk", "audio.read"]), "[ -~]{0,40}")
            .prop_map(|(protocol, text)| (protocol.to_owned(), serde_json::json!(text).to_string())),
    ]
}

/// Tells if a rendition is one of Opus at 64 kbit/s or less, encoded by the node.
fn is_permitted(id: &RenditionId) -> bool {
    let kbit = id.params.strip_prefix('k').and_then(|rest| rest.split('c').next()?.parse::<u32>().ok());
    id.codec == "opus" && kbit.is_some_and(|kbit| kbit <= 64)
}

/// Checks an answer. `hidden` are the ids and titles of tracks out of scope.
fn check(protocol: &str, json: &str, answer: &[u8], hidden: &[String]) -> Result<(), TestCaseError> {
    let line = answer.split(|byte| *byte == b'\n').next().unwrap_or_default();
    if let Ok(serde_json::Value::Object(fields)) = serde_json::from_slice(line)
        && let Some(ok) = fields.get("ok")
    {
        let text = ok.to_string();
        prop_assert!(!hidden.iter().any(|hidden| text.contains(hidden)), "{text}");
        for rendition in [ok.get("rendition")]
            .into_iter()
            .chain(ok.get("alternatives").and_then(|it| it.as_array()).into_iter().flatten().map(Some))
        {
            let Some(rendition) = rendition else { continue };
            let rendition: Rendition = serde_json::from_value(rendition.clone()).unwrap();
            prop_assert!(is_permitted(&rendition.id) && rendition.bitrate <= 64_000, "{}", rendition.id);
        }
    }
    if protocol == "audio.request_chunk" && answer.starts_with(b"MNCH") {
        let request: serde_json::Value = serde_json::from_str(json).unwrap();
        let id: RenditionId = request["rendition"].as_str().unwrap().parse().unwrap();
        prop_assert!(is_permitted(&id), "{id}");
        prop_assert!(!hidden.contains(&id.track.to_string()), "{id}");
    }
    Ok(())
}

async fn ask(listener: &Listener, protocol: &str, json: &str) -> Vec<u8> {
    let mut stream = listener.connection.open(protocol, json).await.unwrap();
    read(stream.recv.as_mut()).await
}

#[test]
fn no_message_widens_its_scope() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let (listener, known, hidden) = runtime.block_on(async {
        let guarded = Guarded::new(&library(), VirtualClock::new()).await;
        let owner = guarded.owner().await;
        let tracks = owner.list(&List { limit: 100, ..List::default() }).await.unwrap().tracks;
        let mut known = Known { tracks: Vec::new(), renditions: Vec::new() };
        for track in &tracks {
            known.tracks.push(track.id.to_string());
            for rendition in renditions(&owner, track).await {
                known.renditions.push(rendition.id.to_string());
            }
        }
        let hidden = tracks.iter().filter(|track| track.title == "secret");
        let hidden: Vec<_> = hidden.flat_map(|track| [track.id.to_string(), track.title.clone()]).collect();
        assert_eq!(hidden.len(), 2);
        let bounds = Bounds { lossy_only: true, max_bitrate: Some(64_000), ..jazz() };
        let rights = Rights { originals: false, edit: false, control: false };
        let token = guarded.token("phone", rights, bounds);
        (guarded.rig.connect(Some(&token)).await.unwrap(), known, hidden)
    });
    let mut runner = TestRunner::new(ProptestConfig {
        cases: 400,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let mut chunks = 0;
    let chunks = std::cell::Cell::new(std::mem::take(&mut chunks));
    runner
        .run(&message(known), |(protocol, json)| {
            let answer = runtime.block_on(ask(&listener, &protocol, &json));
            chunks.set(chunks.get() + u32::from(answer.starts_with(b"MNCH")));
            check(&protocol, &json, &answer, &hidden)
        })
        .unwrap();
    assert!(chunks.get() > 0, "some requests are permitted");
    let _guard = runtime.enter();
    drop(listener);
}
