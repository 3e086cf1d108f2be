use media_plugin_sdk::transport::BoxFuture;
use media_protocol::{ChunkIndex, GetInfo, Info, Rendition, TrackSource};

use super::*;
use crate::library::provider::{self, ChunkPackets};

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
            source: TrackSource { codec: "wav".into(), rate: 44_100, channels: 2, bits: Some(16) },
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
        let error = select(&library, &[]).await.unwrap_err();
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
async fn a_list_for_the_player_is_cut_at_16_mb() {
    let library = Endless { delay: Duration::ZERO, title: "a".repeat(200), tracks: 500, scanning: None };
    let found = find(&library, "").await.unwrap();
    let taken: usize = found.tracks.iter().map(bytes).sum();
    assert!((MAX_BYTES - 1000..=MAX_BYTES).contains(&taken), "{taken}");
}
