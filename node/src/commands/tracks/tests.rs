use media_plugin_sdk::transport::BoxFuture;
use media_protocol::{ChunkIndex, ErrorCode, GetInfo, Info, Rendition, TrackSource, WireError};

use super::*;
use crate::library::{ChunkPackets, provider};

/// A node of an earlier version: it knows no details, and matches parts of words and of ids.
struct OldLibrary(Vec<Track>);

impl OldLibrary {
    fn new(titles: &[&str]) -> Self {
        let source = TrackSource { codec: "flac".into(), rate: 44_100, channels: 2, bits: Some(16) };
        let track = |(number, title): (u32, &&str)| Track {
            id: format!("3{number}cafe").parse().unwrap(),
            number,
            title: (*title).into(),
            artist: String::new(),
            album: String::new(),
            duration_ms: 1000,
            away: false,
            source: source.clone(),
            detail: None,
        };
        Self((1..).zip(titles).map(track).collect())
    }
}

fn refused<T>() -> provider::Result<T> {
    Err(WireError::new(ErrorCode::Internal, "not in this test").into())
}

impl Provider for OldLibrary {
    fn list(&self, offset: u32, limit: u32) -> BoxFuture<'_, provider::Result<ListPage>> {
        self.search("", offset, limit)
    }

    fn search<'a>(
        &'a self,
        text: &'a str,
        offset: u32,
        limit: u32,
    ) -> BoxFuture<'a, provider::Result<ListPage>> {
        let is_match = |track: &&Track| {
            let text = text.to_lowercase();
            let own = format!("{} {}", track.title.to_lowercase(), track.id);
            text.split_whitespace().all(|word| own.contains(word))
        };
        let found: Vec<_> = self.0.iter().filter(is_match).cloned().collect();
        let total = u32::try_from(found.len()).unwrap();
        let tracks = found.into_iter().skip(offset as usize).take(limit as usize).collect();
        Box::pin(async move { Ok(ListPage { total, tracks, scanning: None }) })
    }

    fn search_detail<'a>(
        &'a self,
        text: &'a str,
        offset: u32,
        limit: u32,
    ) -> BoxFuture<'a, provider::Result<ListPage>> {
        self.search(text, offset, limit)
    }

    fn info<'a>(&'a self, _: &'a GetInfo) -> BoxFuture<'a, provider::Result<Info>> {
        Box::pin(async { refused() })
    }

    fn chunk<'a>(
        &'a self,
        _: &'a Rendition,
        _: ChunkIndex,
    ) -> BoxFuture<'a, provider::Result<Box<dyn ChunkPackets>>> {
        Box::pin(async { refused() })
    }
}

async fn selected(
    library: &OldLibrary,
    printed: Option<&PrintedList>,
    words: &str,
) -> Result<Vec<String>, String> {
    let tracks = select(library, printed, &[words.to_owned()]).await.map_err(|error| error.to_string())?;
    Ok(tracks.into_iter().map(|track| track.title).collect())
}

#[tokio::test]
async fn a_node_without_details_is_searched_by_its_flat_list() {
    let library = OldLibrary::new(&["Blue in Green", "Song 3", "Blue Monday", "Song 30"]);
    for (words, expected) in [
        ("blue", &["Blue in Green", "Blue Monday"][..]),
        ("3", &["Blue Monday"]),
        ("31cafe", &["Blue in Green"]),
        ("GREEN blue", &["Blue in Green"]),
    ] {
        assert_eq!(selected(&library, None, words).await.unwrap(), expected, "{words}");
    }
    let error = selected(&library, None, "jazz").await.unwrap_err();
    assert!(error.contains("\"jazz\"") && error.contains("1 to 4"), "{error}");
    assert_eq!(select(&library, None, &[]).await.map_err(|error| error.to_string()).unwrap().len(), 4);
}

#[tokio::test]
async fn a_number_is_a_line_of_the_printed_list_if_there_is_one() {
    let library = OldLibrary::new(&["a", "b", "c"]);
    let printed = printed(&[library.0[2].clone(), library.0[0].clone()]);
    assert_eq!(selected(&library, Some(&printed), "1").await.unwrap(), ["c"]);
    let error = selected(&library, Some(&printed), "9").await.unwrap_err();
    assert!(error.contains("no line 9") && error.contains("2 lines"), "{error}");
    let gone = OldLibrary::new(&["a", "b"]);
    let error = selected(&gone, Some(&printed), "1").await.unwrap_err();
    assert!(error.contains("line 1 (c)") && error.contains("no longer"), "{error}");
}

fn printed(tracks: &[Track]) -> PrintedList {
    let mut list = PrintedList::default();
    list.append_tracks(tracks);
    list
}

/// A library that answers each request for a page with another page after `delay`.
struct Endless {
    delay: Duration,
    title: String,
    tracks: u32,
    scanning: Option<u32>,
}

impl Endless {
    fn track(&self, number: u32) -> Track {
        Track {
            id: format!("t{number}").parse().unwrap(),
            number,
            title: self.title.clone(),
            artist: String::new(),
            album: String::new(),
            duration_ms: 1,
            away: false,
            source: TrackSource { codec: "wav".into(), rate: 44_100, channels: 2, bits: Some(16) },
            detail: None,
        }
    }
}

impl Provider for Endless {
    fn list(&self, offset: u32, limit: u32) -> BoxFuture<'_, provider::Result<ListPage>> {
        self.search("", offset, limit)
    }

    fn search<'a>(&'a self, _: &'a str, offset: u32, _: u32) -> BoxFuture<'a, provider::Result<ListPage>> {
        Box::pin(async move {
            sleep(self.delay).await;
            let tracks = (0..self.tracks).map(|place| self.track(offset + place + 1)).collect();
            Ok(ListPage { total: u32::MAX, tracks, scanning: self.scanning })
        })
    }

    fn search_detail<'a>(
        &'a self,
        text: &'a str,
        offset: u32,
        limit: u32,
    ) -> BoxFuture<'a, provider::Result<ListPage>> {
        self.search(text, offset, limit)
    }

    fn info<'a>(&'a self, _: &'a GetInfo) -> BoxFuture<'a, provider::Result<Info>> {
        unimplemented!()
    }

    fn chunk<'a>(
        &'a self,
        _: &'a Rendition,
        _: ChunkIndex,
    ) -> BoxFuture<'a, provider::Result<Box<dyn ChunkPackets>>> {
        unimplemented!()
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_that_answers_for_ever_is_given_10_minutes() {
    let delay = Duration::from_secs(1);
    let slow = Endless { delay, title: "a".into(), tracks: 1, scanning: None };
    let empty = Endless { delay, title: "a".into(), tracks: 0, scanning: Some(7) };
    for library in [slow, empty] {
        let began = Instant::now();
        let error = select(&library, None, &[]).await.unwrap_err();
        assert!(error.message.contains("more than 10 minutes"), "{error}");
        assert_eq!(began.elapsed(), MAX_TIME);
    }
    let slow = Endless { delay, title: "a".into(), tracks: 1, scanning: None };
    let began = Instant::now();
    let mut pages = Pages::new(&slow, "");
    while pages.next().await.is_ok() {}
    assert_eq!(began.elapsed(), MAX_TIME);
}

#[tokio::test(start_paused = true)]
async fn a_list_for_the_player_is_cut_at_14_mb() {
    let library = Endless { delay: Duration::ZERO, title: "a".repeat(200), tracks: 500, scanning: None };
    let found = find(&library, "").await.unwrap();
    let taken: usize = found.tracks.iter().map(bytes).sum();
    assert!((MAX_BYTES - 1000..=MAX_BYTES).contains(&taken), "{taken}");
}
