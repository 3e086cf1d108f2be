//! The cases. Each works on the tracks of [`music`].

use bytes::Bytes;
use media_node::{
    library::{Provider, ProviderError, provider::Result},
    plugins,
};
use media_plugin_sdk::AudioFormat;
use media_protocol::{ChunkIndex, CodecOffer, ErrorCode, GetInfo, List, Rendition, Track};
use tokio::task::yield_now;

use crate::{
    fixtures::{self, Kind},
    rig::{Music, offering},
};

const RATE: u32 = 44_100;
/// Three chunks, the last of 0.5 s.
const SECONDS: f64 = 6.5;

/// Seven tracks. The first is long, the others are short.
pub(super) fn music() -> Music {
    let music = Music::new();
    music.add("00 Long", Kind::FlacS16, RATE, 2, SECONDS);
    for (number, name) in ["Blue Moon", "Red Sun", "Blue Sky", "Green", "blue eyes", "Sea"].iter().enumerate()
    {
        // Different lengths make different contents.
        music.add(name, Kind::WavS16, 8_000, 1, 0.1 + number as f64 / 100.0);
    }
    music
}

fn code<T: std::fmt::Debug>(result: Result<T>) -> ErrorCode {
    match result {
        Err(ProviderError::Refused(refusal)) => refusal.code,
        other => panic!("not refused: {other:?}"),
    }
}

fn titles(tracks: &[Track]) -> Vec<&str> {
    tracks.iter().map(|track| track.title.as_str()).collect()
}

async fn long_track(library: &dyn Provider) -> Track {
    library.search("long", 0, 1).await.unwrap().tracks.remove(0)
}

async fn rendition(library: &dyn Provider, codec: &str) -> Rendition {
    let track = long_track(library).await;
    library.info(&offering(&track, &[codec])).await.unwrap().rendition
}

async fn packets(library: &dyn Provider, rendition: &Rendition, index: u32) -> Result<Vec<Bytes>> {
    let mut chunk = library.chunk(rendition, ChunkIndex(index)).await?;
    let mut packets = Vec::new();
    loop {
        match chunk.next().await {
            Ok(Some(packet)) => packets.push(packet),
            end => {
                assert_eq!(chunk.next().await, end, "the end is final");
                return end.map(|_| packets);
            }
        }
    }
}

pub(super) async fn pages_join_to_the_whole_library(library: &dyn Provider) {
    let whole = library.list(0, List::MAX).await.unwrap();
    assert_eq!((whole.total, whole.tracks.len(), whole.scanning), (7, 7, None));
    assert_eq!(whole.tracks.iter().map(|track| track.number).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6, 7]);
    for limit in [1, 2, 3, 6, u32::MAX] {
        let mut joined = Vec::new();
        loop {
            let page = library.list(joined.len() as u32, limit).await.unwrap();
            assert!(page.total == 7 && page.tracks.len() <= limit as usize);
            if page.tracks.is_empty() {
                break;
            }
            joined.extend(page.tracks);
        }
        assert_eq!(joined, whole.tracks, "in pages of {limit}");
    }
    for (offset, limit) in [(0, 0), (7, 10), (u32::MAX, u32::MAX)] {
        let page = library.list(offset, limit).await.unwrap();
        assert_eq!((page.total, page.tracks), (7, vec![]));
    }
}

pub(super) async fn a_search_finds_all_words_and_is_paged(library: &dyn Provider) {
    let all = library.search("BLUE", 0, List::MAX).await.unwrap();
    assert_eq!((all.total, titles(&all.tracks)), (3, vec!["blue eyes", "Blue Moon", "Blue Sky"]));
    let page = library.search("blue", 1, 1).await.unwrap();
    assert_eq!((page.total, &page.tracks[..]), (3, &all.tracks[1..2]));
    assert_eq!(titles(&library.search(" sky  blue ", 0, 9).await.unwrap().tracks), ["Blue Sky"]);
    let by_id = library.search(all.tracks[0].id.as_str(), 0, 9).await.unwrap();
    assert_eq!(by_id.tracks, all.tracks[..1]);
    assert_eq!(library.search("blue nothing", 0, 9).await.unwrap().total, 0);
    assert_eq!(library.search("", 0, 9).await.unwrap(), library.list(0, 9).await.unwrap());
}

pub(super) async fn details_come_on_request_with_the_best_matches_first(library: &dyn Provider) {
    let plain = library.search("sea", 0, 9).await.unwrap();
    assert!(plain.tracks.iter().all(|track| track.detail.is_none()));
    let found = library.search_detail("s", 0, 9).await.unwrap();
    assert_eq!((found.total, titles(&found.tracks)), (3, vec!["Sea", "Blue Sky", "Red Sun"]));
    let detail = found.tracks[0].detail.as_deref().unwrap();
    assert!(detail.size > 1000 && detail.bitrate.is_some() && detail.album.is_empty());
    let page = library.search_detail("s", 1, 1).await.unwrap();
    assert_eq!((page.total, &page.tracks[..]), (3, &found.tracks[1..2]));
    let whole = library.search_detail("", 0, List::MAX).await.unwrap();
    assert_eq!(titles(&whole.tracks), titles(&library.list(0, List::MAX).await.unwrap().tracks));
}

pub(super) async fn a_search_over_its_bound_is_refused(library: &dyn Provider) {
    let longest = "a".repeat(List::MAX_SEARCH);
    assert_eq!(library.search(&longest, 0, 9).await.unwrap().total, 0);
    assert_eq!(code(library.search(&(longest + "a"), 0, 9).await), ErrorCode::BadRequest);
}

pub(super) async fn unknown_tracks_and_renditions_are_refused(library: &dyn Provider) {
    let known = rendition(library, "pcm").await;
    let mut track = long_track(library).await;
    track.id = "0123456789abcdef".parse().unwrap();
    assert_eq!(code(library.info(&offering(&track, &["pcm"])).await), ErrorCode::UnknownTrack);
    let mut unknown = known.clone();
    unknown.id.track = track.id;
    assert_eq!(code(packets(library, &unknown, 0).await), ErrorCode::UnknownTrack);
    for params in ["s17", "copy", ""] {
        let mut unknown = known.clone();
        unknown.id.params = params.into();
        assert_eq!(code(packets(library, &unknown, 0).await), ErrorCode::UnknownRendition, "{params}");
    }
    let mut unknown = known.clone();
    unknown.id.codec = "nothing".into();
    assert_eq!(code(packets(library, &unknown, 0).await), ErrorCode::UnknownRendition);
    assert!(packets(library, &known, 0).await.is_ok());
}

pub(super) async fn an_offer_that_cannot_be_met_is_refused(library: &dyn Provider) {
    let track = long_track(library).await;
    assert_eq!(code(library.info(&offering(&track, &["nothing"])).await), ErrorCode::NoCommonCodec);
    assert_eq!(code(library.info(&offering(&track, &[])).await), ErrorCode::NoCommonCodec);
    let mut request = offering(&track, &[]);
    request.codecs = vec![CodecOffer { id: "pcm".into(), bitrate: None }; GetInfo::MAX_CODECS + 1];
    assert_eq!(code(library.info(&request).await), ErrorCode::BadRequest);
}

pub(super) async fn chunks_decode_to_the_source(library: &dyn Provider) {
    let track = long_track(library).await;
    let info = library.info(&offering(&track, &["pcm", "opus"])).await.unwrap();
    assert_eq!(info.track, track, "FLAC headers are exact");
    let rendition = info.rendition;
    rendition.check().unwrap();
    assert_eq!((rendition.id.codec.as_str(), rendition.lossless, rendition.chunks), ("pcm", true, 3));
    assert!(info.alternatives.iter().all(|other| other.check().is_ok() && other.id.codec == "opus"));

    let registry = plugins::registry();
    let format = AudioFormat { rate: RATE, channels: 2 };
    let mut decoder = registry.codec("pcm").unwrap().decoder(format, &rendition.config).unwrap();
    let mut pcm = vec![0.0; format.samples(rendition.packet_frames as usize)];
    let mut samples = Vec::new();
    for index in 0..rendition.chunks {
        for packet in packets(library, &rendition, index).await.unwrap() {
            let frames = decoder.decode(&packet, &mut pcm).unwrap();
            samples.extend_from_slice(&pcm[..format.samples(frames)]);
        }
    }
    assert!(samples == fixtures::stored(Kind::FlacS16, &fixtures::music(RATE, 2, SECONDS)));
}

pub(super) async fn a_chunk_past_the_end_is_refused(library: &dyn Provider) {
    let rendition = rendition(library, "pcm").await;
    for index in [rendition.chunks, rendition.chunks + 1, u32::MAX] {
        assert_eq!(code(packets(library, &rendition, index).await), ErrorCode::OutOfRange, "{index}");
    }
}

pub(super) async fn the_same_chunk_has_the_same_packets(library: &dyn Provider) {
    for codec in ["pcm", "opus"] {
        let rendition = rendition(library, codec).await;
        let first = packets(library, &rendition, 1).await.unwrap();
        assert!(!first.is_empty());
        packets(library, &rendition, 0).await.unwrap();
        assert_eq!(packets(library, &rendition, 1).await.unwrap(), first, "{codec}");
    }
}

pub(super) async fn parallel_calls_get_their_own_answers(library: &dyn Provider) {
    let track = long_track(library).await;
    let offer = offering(&track, &["pcm"]);
    let rendition = rendition(library, "pcm").await;
    let (list, search, info, first, second, third) = tokio::join!(
        library.list(0, 2),
        library.search("sun", 0, 9),
        library.info(&offer),
        packets(library, &rendition, 0),
        packets(library, &rendition, 1),
        packets(library, &rendition, 2),
    );
    assert_eq!(list.unwrap().tracks.len(), 2);
    assert_eq!(titles(&search.unwrap().tracks), ["Red Sun"]);
    assert_eq!(info.unwrap().rendition, rendition);
    for (index, parallel) in [first, second, third].into_iter().enumerate() {
        assert!(parallel.unwrap() == packets(library, &rendition, index as u32).await.unwrap(), "{index}");
    }
}

pub(super) async fn an_abandoned_chunk_frees_its_place(library: &dyn Provider) {
    let rendition = rendition(library, "pcm").await;
    let whole = packets(library, &rendition, 0).await.unwrap();
    // More than any provider accepts at once. A remote library may learn of the end a little later.
    for _ in 0..500 {
        let abandoned = async || library.chunk(&rendition, ChunkIndex(0)).await?.next().await;
        let first = loop {
            match abandoned().await {
                Err(ProviderError::Refused(refusal)) if refusal.code == ErrorCode::Busy => yield_now().await,
                first => break first,
            }
        };
        assert_eq!(first.unwrap().as_ref(), whole.first());
    }
    assert!(packets(library, &rendition, 0).await.unwrap() == whole);
}
