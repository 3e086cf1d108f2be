//! The negotiated rendition, and the reason given for it.

use std::fs;

use media_node::server::ServerConfig;
use media_protocol::{CodecOffer, ErrorCode, GetInfo, Info, PathKind, PathReport, Track};

use super::scripted::{Script, Then, one_thread};
use crate::{
    fixtures::Kind,
    rig::{Listener, Music, Rig, code, offering},
};

async fn serving(kind: Kind, rate: u32, channels: u16) -> (Listener, Track) {
    let listener = Rig::new(&Music::of(kind, rate, channels, 4.0)).await.listener().await;
    let track = listener.track().await;
    (listener, track)
}

async fn offered(kind: Kind, rate: u32, codecs: &[&str]) -> Info {
    let (listener, track) = serving(kind, rate, 2).await;
    listener.get_info(&offering(&track, codecs)).await.unwrap()
}

fn offer(id: &str, bitrate: u32) -> CodecOffer {
    CodecOffer { id: id.into(), bitrate: Some(bitrate) }
}

/// Removes FLAC, which may be built in or not. These tests do not offer it.
fn without_flac(words: &str) -> String {
    words.replace("; flac was not offered", "").replace("flac, ", "")
}

#[tokio::test]
async fn pcm_matches_the_source() {
    for (kind, rate, params, words) in [
        (Kind::WavS16, 44_100, "s16", "pcm s16: this client's first choice, lossless for a 16-bit source"),
        (Kind::FlacS24, 96_000, "s24", "pcm s24: this client's first choice, lossless for a 24-bit source"),
        (
            Kind::WavF32,
            48_000,
            "f32",
            "pcm f32: this client's first choice, lossless for a floating-point source",
        ),
        (Kind::Mp3, 44_100, "f32", "pcm f32: this client's first choice, the mp3 exactly as it decodes"),
    ] {
        let info = offered(kind, rate, &["pcm", "opus"]).await;
        assert_eq!(without_flac(&info.reason), format!("{words} (path memory)"));
        let rendition = &info.rendition;
        assert_eq!(
            (rendition.id.params.as_str(), rendition.id.rate, rendition.lossless),
            (params, rate, true)
        );
        assert_eq!((rendition.frames, rendition.chunks), (u64::from(rate) * 4, 2));
        assert_eq!((rendition.lead_in, rendition.crossfade), (0, 0));
        assert_eq!(info.track.duration_ms, 4000);
        rendition.check().unwrap();
        let [opus] = info.alternatives.as_slice() else { panic!("{:?}", info.alternatives) };
        assert_eq!((opus.id.codec.as_str(), opus.lossless, opus.frames), ("opus", false, 192_000));
        opus.check().unwrap();
    }
}

#[tokio::test]
async fn a_thin_path_is_told_with_its_figures() {
    let (listener, track) = serving(Kind::WavS16, 44_100, 2).await;
    let mut request = offering(&track, &[]);
    request.codecs = vec![offer("opus", 64_000)];
    let kind = PathKind::Relayed;
    request.path = PathReport { kind, rtt_ms: Some(79.6), loss: Some(0.021), throughput: None };
    let info = listener.get_info(&request).await.unwrap();
    assert_eq!(
        without_flac(&info.reason),
        "opus 64 kbit/s: the one codec that this client offers, 44100 Hz, 2 channels converted to 48000 Hz, \
         2 channels; pcm was not offered (path relayed, RTT 80 ms, loss 2.1 %)"
    );
    assert_eq!((info.rendition.bitrate, info.alternatives.len()), (64_000, 0));
}

#[tokio::test]
async fn what_is_passed_over_is_told() {
    let (listener, track) = serving(Kind::WavS16, 44_100, 2).await;
    let mut request = offering(&track, &["vorbis", "pcm", "opus", "opus"]);
    request.codecs[1].bitrate = Some(256_000);
    let info = listener.get_info(&request).await.unwrap();
    assert_eq!(info.rendition.id.codec, "opus");
    let words = ": this client's choice number 3, 44100 Hz, 2 channels converted to 48000 Hz, 2 channels; \
                 this node has no vorbis; pcm cannot carry it (PCM at 44100 Hz, 2 channels needs 1411200 bit/s";
    assert!(info.reason.contains(words), "{}", info.reason);
}

#[tokio::test]
async fn no_codec_in_common_lists_those_of_the_node() {
    let (listener, track) = serving(Kind::WavS16, 44_100, 2).await;
    for codecs in [&["vorbis", "aac"][..], &[]] {
        let error = listener.get_info(&offering(&track, codecs)).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::NoCommonCodec);
        assert!(
            without_flac(&error.message).starts_with("no codec for \"track\": this node has opus, pcm; "),
            "{error}"
        );
    }
}

#[tokio::test]
async fn fewer_channels_than_the_source_are_not_lossless() {
    let (listener, track) = serving(Kind::WavS16, 44_100, 2).await;
    let mut request = offering(&track, &["pcm"]);
    request.output.channels = Some(1);
    let info = listener.get_info(&request).await.unwrap();
    assert_eq!((info.rendition.id.channels, info.rendition.lossless), (1, false));
    assert!(info.reason.contains("2 channels converted to 44100 Hz, 1 channel"), "{}", info.reason);
}

#[tokio::test]
async fn the_options_of_a_codec_come_from_the_configuration() {
    let music = Music::of(Kind::WavS16, 44_100, 2, 4.0);
    let options = [("opus".to_owned(), r#"{"bitrate": 32000}"#.to_owned())];
    let config = ServerConfig { codec_options: options.into(), ..ServerConfig::default() };
    let rig = Rig::with(&music, config, media_node::plugins::registry()).await;
    let rendition = rig.listener().await.rendition("opus").await;
    assert_eq!(rendition.bitrate, 32_000);
}

#[tokio::test]
async fn a_request_that_makes_no_sense_is_refused() {
    let (listener, track) = serving(Kind::WavS16, 44_100, 2).await;
    let unknown = GetInfo { track: "nothing".parse().unwrap(), ..offering(&track, &["pcm"]) };
    assert_eq!(code(listener.get_info(&unknown).await), ErrorCode::UnknownTrack);
    let many = vec!["pcm"; GetInfo::MAX_CODECS + 1];
    assert_eq!(code(listener.get_info(&offering(&track, &many)).await), ErrorCode::BadRequest);
    let refused = listener.ask_json::<Info>("audio.get_info", "{}").await;
    assert_eq!(code(refused), ErrorCode::BadRequest);
    let refused = listener.ask_json::<Info>("audio.sing", "{}").await;
    assert_eq!(code(refused), ErrorCode::BadRequest);
}

#[tokio::test]
async fn a_name_alone_is_enough_for_a_chunk_after_a_restart() {
    let music = Music::of(Kind::FlacS16, 44_100, 2, 4.0);
    let before = Rig::new(&music).await.listener().await;
    let rendition = before.rendition("opus").await;
    let chunk = before.chunk(&rendition, 1).await.unwrap();
    let after = Rig::new(&music).await.listener().await;
    assert_eq!(after.chunk(&rendition, 1).await.unwrap(), chunk);
}

#[tokio::test]
async fn a_rendition_that_no_codec_would_make_is_unknown() {
    let (listener, _) = serving(Kind::WavS16, 44_100, 2).await;
    let good = listener.rendition("pcm").await;
    let changes: [fn(&mut media_protocol::RenditionId); 8] = [
        |it| it.codec = "vorbis".into(),
        |it| it.params = "s20".into(),
        |it| it.params = String::new(),
        |it| it.rate = 44_101,
        |it| it.rate = u32::MAX,
        // A common rate above the source's, which only wastes bytes.
        |it| it.rate = 96_000,
        |it| (it.rate, it.params) = (384_000, "f32".into()),
        |it| it.channels = 3,
    ];
    for change in changes {
        let mut rendition = good.clone();
        change(&mut rendition.id);
        let refused = listener.chunk(&rendition, 0).await;
        assert_eq!(code(refused), ErrorCode::UnknownRendition, "{}", rendition.id);
    }
    let mut rendition = good.clone();
    rendition.id.track = "nothing".parse().unwrap();
    assert_eq!(code(listener.chunk(&rendition, 0).await), ErrorCode::UnknownTrack);
    assert!(listener.chunk(&good, 0).await.is_ok());
}

#[tokio::test]
async fn a_rate_above_the_source_is_served_where_it_is_chosen() {
    let script = Script::closed(usize::MAX, Then::Encode);
    let music = Music::of(Kind::WavS16, 44_100, 2, 4.0);
    let listener = Rig::with(&music, one_thread(), script.registry()).await.listener().await;
    let mut request = offering(&listener.track().await, &["scripted"]);
    request.output.rates = vec![192_000];
    let rendition = listener.get_info(&request).await.unwrap().rendition;
    assert_eq!(rendition.id.rate, 192_000);
    assert!(listener.chunk(&rendition, 0).await.is_ok());
}

#[tokio::test]
async fn a_rate_up_to_the_usual_one_is_served() {
    let (listener, _) = serving(Kind::WavS16, 44_100, 2).await;
    let mut rendition = listener.rendition("pcm").await;
    rendition.id.rate = 48_000;
    rendition.frames = 192_000;
    rendition.frames_per_chunk = 144_000;
    assert!(listener.chunk(&rendition, 0).await.is_ok());
}

#[tokio::test]
async fn a_file_that_changed_is_not_mistaken_for_the_old_one() {
    let music = Music::new();
    let path = music.add("track", Kind::WavS16, 44_100, 2, 4.0);
    let listener = Rig::new(&music).await.listener().await;
    let track = listener.track().await;
    let mut bytes = fs::read(&path).unwrap();
    bytes.extend_from_slice(&[0; 100]);
    fs::write(&path, bytes).unwrap();
    let error = listener.get_info(&offering(&track, &["pcm"])).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::UnknownTrack);
    assert!(error.message.contains("has changed"), "{error}");
}
