//! Chunks are pure functions: the same bytes on every way, and for PCM the samples of the source.

use std::fs;

use media_node::server::ServerConfig;
use media_protocol::{ChunkIndex, ErrorCode};

use crate::{
    fixtures::{Kind, music, snr, stored},
    rig::{Listener, Music, Rig, code},
};

const SECONDS: f64 = 10.3;

async fn all(listener: &Listener, codec: &str, order: impl IntoIterator<Item = u32>) -> Vec<Vec<u8>> {
    let rendition = listener.rendition(codec).await;
    assert_eq!(rendition.chunks, 4);
    let mut chunks = vec![Vec::new(); 4];
    for index in order {
        chunks[index as usize] = listener.chunk(&rendition, index).await.unwrap();
    }
    chunks
}

#[tokio::test]
async fn pcm_is_the_source_sample_for_sample() {
    for (kind, rate, channels) in [
        (Kind::FlacS16, 44_100, 2),
        (Kind::FlacS24, 96_000, 2),
        (Kind::WavS16, 48_000, 1),
        (Kind::WavS24, 44_100, 2),
        (Kind::WavF32, 44_100, 2),
        (Kind::AlacS16, 44_100, 2),
    ] {
        let music_folder = Music::of(kind, rate, channels, 6.5);
        let listener = Rig::new(&music_folder).await.listener().await;
        let rendition = listener.rendition("pcm").await;
        assert!(rendition.lossless, "{kind:?}");
        let mut samples = Vec::new();
        for index in 0..rendition.chunks {
            samples.extend(listener.decoded(&rendition, index).await);
        }
        assert!(samples == stored(kind, &music(rate, channels, 6.5)), "{kind:?} at {rate}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_are_the_same_by_seek_by_playing_through_and_on_another_node() {
    for kind in [Kind::WavS16, Kind::Mp3, Kind::Vorbis] {
        let music = Music::of(kind, 44_100, 2, SECONDS);
        for codec in ["pcm", "opus"] {
            let played = all(&Rig::new(&music).await.listener().await, codec, [0, 1, 2, 3]).await;
            let alone = ServerConfig { encoders: 1, cache: 0, encode_ahead: 0, ..ServerConfig::default() };
            let other = Rig::with(&music, alone, media_node::plugins::registry()).await;
            let sought = all(&other.listener().await, codec, [3, 1, 0, 2]).await;
            assert!(played == sought, "{codec} of {kind:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_are_the_same_for_listeners_who_ask_at_once() {
    let music = Music::of(Kind::FlacS16, 44_100, 2, SECONDS);
    let rig = Rig::new(&music).await;
    let mut listeners = Vec::new();
    for number in 0..8 {
        let listener = rig.listener().await;
        let order: Vec<u32> = (0..4).map(|it| (it + number) % 4).collect();
        listeners.push(tokio::spawn(async move { all(&listener, "opus", order).await }));
    }
    let alone = all(&Rig::new(&music).await.listener().await, "opus", 0..4).await;
    for listener in listeners {
        assert!(listener.await.unwrap() == alone);
    }
    assert_eq!(rig.server.stats().encoder.encoded, 4);
}

#[tokio::test]
async fn every_chunk_is_three_seconds_in_every_codec() {
    for (rate, channels) in [(44_100, 2), (48_000, 2), (96_000, 1)] {
        let music = Music::of(Kind::WavS16, rate, channels, SECONDS);
        let listener = Rig::new(&music).await.listener().await;
        for codec in ["pcm", "opus"] {
            let rendition = listener.rendition(codec).await;
            let frames: Vec<_> =
                (0..rendition.chunks).map(|it| rendition.frames_in(ChunkIndex(it))).collect();
            let rate = u64::from(rendition.id.rate);
            assert_eq!(frames, [rate * 3, rate * 3, rate * 3, (rate as f64 * 1.3).round() as u64], "{codec}");
            for index in 0..rendition.chunks {
                let samples = listener.decoded(&rendition, index).await.len() as u64;
                assert_eq!(samples, frames[index as usize] * u64::from(channels), "{codec} chunk {index}");
            }
        }
    }
}

#[tokio::test]
async fn opus_is_in_time_with_the_source() {
    let folder = Music::of(Kind::WavS16, 48_000, 2, 7.0);
    let listener = Rig::new(&folder).await.listener().await;
    let rendition = listener.rendition("opus").await;
    let source = music(48_000, 2, 7.0);
    for (index, source) in (0..).zip(source.chunks(48_000 * 2 * 3)) {
        let snr = snr(source, &listener.decoded(&rendition, index).await);
        // With a shift of one millisecond a few dB would remain.
        assert!(snr > 12.0, "chunk {index}: {snr} dB");
    }
}

#[tokio::test]
async fn a_length_between_two_frames_is_rounded() {
    let folder = Music::of(Kind::WavS16, 44_100, 2, 3.0 + 6.0 / 44_100.0);
    let listener = Rig::new(&folder).await.listener().await;
    // 132,306 * 48,000 / 44,100 = 144,006.53
    let rendition = listener.rendition("opus").await;
    assert_eq!((rendition.frames, rendition.chunks), (144_007, 2));
    assert_eq!(listener.decoded(&rendition, 1).await.len(), 2 * 7);
}

#[tokio::test]
async fn a_chunk_of_cd_audio_takes_the_bytes_of_the_specification() {
    let music = Music::of(Kind::WavS16, 44_100, 2, 3.0);
    let listener = Rig::new(&music).await.listener().await;
    let rendition = listener.rendition("pcm").await;
    let bytes = listener.chunk(&rendition, 0).await.unwrap();
    let packets = crate::rig::packets(&rendition, 0, &bytes).unwrap();
    assert_eq!(packets.iter().map(bytes::Bytes::len).sum::<usize>(), 529_200);
}

#[tokio::test]
async fn past_the_end_is_out_of_range() {
    let music = Music::of(Kind::WavS16, 44_100, 2, 3.0);
    let listener = Rig::new(&music).await.listener().await;
    let rendition = listener.rendition("pcm").await;
    assert_eq!(rendition.chunks, 1);
    for index in [1, u32::MAX] {
        let refused = listener.chunk(&rendition, index).await;
        assert_eq!(code(refused), ErrorCode::OutOfRange);
    }
}

/// Headers are seldom exact. A longer missing end means a damaged file.
#[tokio::test]
async fn a_tenth_of_a_second_may_be_missing_at_the_end() {
    for (seconds, is_tolerated) in [(3.09, true), (3.12, false)] {
        let music = Music::new();
        let path = music.add("track", Kind::FlacS16, 44_100, 2, seconds);
        let size = fs::metadata(&path).unwrap().len();
        fs::File::options().write(true).open(&path).unwrap().set_len(size * 8 / 10).unwrap();
        let listener = Rig::new(&music).await.listener().await;
        let rendition = listener.rendition("pcm").await;
        assert_eq!(rendition.chunks, 2);
        assert!(listener.chunk(&rendition, 0).await.is_ok());
        let last = listener.chunk(&rendition, 1).await;
        assert_eq!(last.is_ok(), is_tolerated, "{seconds} s: {:?}", last.err());
    }
}
