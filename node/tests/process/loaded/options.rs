//! Options reach a plugin in the same way whether it is loaded or built in. A peer cannot set any.

use media_plugin_host::Registry;
use media_plugin_sdk::{AudioFormat, Limits, OpenRequest, PluginError, SampleType, SourceFormat};
use media_protocol::{
    ChunkMessage, ChunkRequest, CodecOffer, GetInfo, Info, List, OutputOffer, PathReport, Rendition,
    RenditionId, Track, TrackSource,
};

use super::rig::{linked, loaded};

const FORMAT: AudioFormat = AudioFormat { rate: 44_100, channels: 2 };

fn codec(registry: &Registry, options: &str) -> Result<String, PluginError> {
    let source = SourceFormat { format: FORMAT, sample: SampleType::S16 };
    let choice = registry.codec("flac").unwrap().propose(&source, &Limits::default(), options)?;
    Ok(choice.params)
}

fn output(registry: &Registry, options: &str) -> Result<AudioFormat, PluginError> {
    let open = OpenRequest { target: "", format: FORMAT, sample: SampleType::S16, options };
    Ok(registry.output("pipe").unwrap().open(&open)?.format())
}

#[test]
fn options_are_the_same_loaded_and_built_in() {
    let (loaded, linked) = (loaded(&[]), linked());
    for (options, word) in
        [("", None), ("{}", None), (r#"{"level": 8}"#, Some("\"level\"")), ("[", Some("JSON"))]
    {
        let both = [codec(&loaded, options), codec(&linked, options)];
        assert_eq!(both[0], both[1]);
        match (&both[0], word) {
            (Ok(params), None) => assert_eq!(params, "s16"),
            (Err(PluginError::BadArgument(text)), Some(word)) => assert!(text.contains(word), "{text}"),
            (other, _) => panic!("{options}: {other:?}"),
        }
    }
    for (options, word) in [
        (r#"{"command": ["cat"]}"#, None),
        (r#"{"command": ["cat"], "shell": true}"#, Some("`shell`")),
        (r#"{"comand": ["cat"]}"#, Some("`comand`")),
        (r#"{"command": ["cat"], "format": "mp3"}"#, Some("`mp3`")),
        ("", Some("[output.pipe]")),
    ] {
        let both = [output(&loaded, options), output(&linked, options)];
        assert_eq!(both[0], both[1]);
        match (&both[0], word) {
            (Ok(format), None) => assert_eq!(*format, FORMAT),
            (Err(PluginError::BadArgument(text)), Some(word)) => assert!(text.contains(word), "{text}"),
            (other, _) => panic!("{options}: {other:?}"),
        }
    }
    let unknown = loaded.codec("adpcm").unwrap().propose(
        &SourceFormat { format: FORMAT, sample: SampleType::S16 },
        &Limits::default(),
        r#"{"level": 8}"#,
    );
    assert!(
        matches!(&unknown, Err(PluginError::BadArgument(text)) if text.contains("codec.adpcm")),
        "{unknown:?}"
    );
}

/// All fields of all messages: none is an output, a target, a command or an option. A new field does not
/// compile here until it has been considered.
#[test]
fn the_wire_has_no_place_for_an_output_or_its_options() {
    let _ = |List { offset: _, limit: _, search: _, detail: _ }: List| {};
    let _ = |GetInfo { track: _, codecs: _, output, path, then_chunk_at: _, report_loss: _ }: GetInfo| {
        // Formats of the listener's output, as numbers, so that the node can resample.
        let OutputOffer { rates, channels } = output;
        let _: (Vec<u32>, Option<u16>) = (rates, channels);
        let PathReport { kind: _, rtt_ms: _, loss: _, throughput: _ } = path;
    };
    let _ = |CodecOffer { id: _, bitrate: _ }: CodecOffer| {};
    let _ = |ChunkMessage { request, report_loss: _ }: ChunkMessage| {
        let ChunkRequest { rendition: _, index: _ } = request;
    };
    let _ = |Info { track, rendition, alternatives: _, reason: _ }: Info| {
        let Track {
            id: _,
            number: _,
            title: _,
            artist: _,
            album: _,
            duration_ms: _,
            away: _,
            source,
            detail: _,
        } = track;
        let TrackSource { codec: _, rate: _, channels: _, bits: _ } = source;
        let Rendition {
            id: RenditionId { track: _, codec: _, rate: _, channels: _, params: _ },
            bitrate: _,
            lossless: _,
            config: _,
            frames: _,
            chunks: _,
            frames_per_chunk: _,
            packet_frames: _,
            lead_in: _,
            crossfade: _,
            joinable: _,
            continuous: _,
        } = rendition;
    };
}
