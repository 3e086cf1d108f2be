//! Panics in a library that uses the SDK. The SDK must catch each: in every function, and a payload that panics in drop.

use std::sync::Arc;

use media_plugin_host::Registry;
use media_plugin_sdk::{
    AudioFormat, Choice, Codec, Limits, OpenRequest, OutputPlugin, PluginError, Result, SampleType,
    SourceFormat,
};

use super::common::{built, lines, load};

const STEREO: AudioFormat = AudioFormat { rate: 48_000, channels: 2 };

fn panicking() -> Registry {
    load(&[&built("panics")])
}

#[track_caller]
fn panicked<T>(at: &str, result: Result<T>) {
    let error = result.err();
    let expected = if at == "nasty" { "no message".into() } else { format!("in {at}") };
    assert_eq!(error, Some(PluginError::Panicked(expected)), "{at}");
}

fn choice(at: &str) -> Choice {
    Choice { format: STEREO, params: at.into() }
}

/// Asserts that new instances of the codec still work.
fn others_work(codec: &Arc<dyn Codec>) {
    let mut encoder = codec.encoder(&choice("")).unwrap();
    assert_eq!((encoder.encode(&[0.0; 2], &mut [0; 8]), encoder.reset()), (Ok(0), Ok(())));
}

#[test]
fn in_a_codec() {
    let codec = panicking().codec("panics").unwrap();
    let source = SourceFormat { format: STEREO, sample: SampleType::S16 };
    for at in ["propose", "nasty"] {
        panicked(at, codec.propose(&source, &Limits::default(), at));
    }
    panicked("encoding", codec.encoding(&choice("encoding")));
    panicked("encoder", codec.encoder(&choice("encoder")).map(drop));
    panicked("decoder", codec.decoder(STEREO, b"decoder").map(drop));
    others_work(&codec);
}

#[test]
fn in_an_instance_poisons_it() {
    let codec = panicking().codec("panics").unwrap();
    for at in ["encode", "flush", "reset", "drop"] {
        let mut encoder = codec.encoder(&choice(at)).unwrap();
        match at {
            "encode" => panicked(at, encoder.encode(&[0.0; 2], &mut [0; 8])),
            "flush" => panicked(at, encoder.flush(&mut [0; 8])),
            "reset" => panicked(at, encoder.reset()),
            _ => continue,
        }
        panicked(at, encoder.encode(&[0.0; 2], &mut [0; 8]));
        panicked(at, encoder.flush(&mut [0; 8]));
        panicked(at, encoder.reset());
    }
    for at in ["decode", "reset", "drop"] {
        let mut decoder = codec.decoder(STEREO, at.as_bytes()).unwrap();
        match at {
            "decode" => panicked(at, decoder.decode(&[], &mut [0.0; 8])),
            "reset" => panicked(at, decoder.reset()),
            _ => continue,
        }
        panicked(at, decoder.decode(&[], &mut [0.0; 8]));
    }
    others_work(&codec);
}

fn open(output: &Arc<dyn OutputPlugin>, target: &str) -> Result<Box<dyn media_plugin_sdk::Output>> {
    output.open(&OpenRequest { target, format: STEREO, sample: SampleType::S16, options: "" })
}

#[test]
fn in_an_output() {
    let plugin = panicking().output("panics").unwrap();
    panicked("devices", plugin.devices());
    for at in ["open", "format", "is_realtime"] {
        panicked(at, open(&plugin, at).map(drop));
    }
    for at in ["write", "pause", "output flush", "drain", "drop"] {
        let mut output = open(&plugin, at).unwrap();
        match at {
            "write" => panicked(at, output.write(&[0.0; 4])),
            "pause" => panicked(at, output.pause(true)),
            "output flush" => panicked(at, output.flush()),
            "drain" => panicked(at, output.drain()),
            _ => continue,
        }
        panicked(at, output.write(&[0.0; 4]));
    }
    let mut dead = open(&plugin, "delay").unwrap();
    assert_eq!(dead.delay(), 0);
    let after = dead.write(&[0.0; 4]).unwrap_err();
    assert_eq!(after, PluginError::Panicked("in an earlier call".into()));
    assert_eq!(open(&plugin, "").unwrap().write(&[0.0; 4]), Ok(2));
}

#[test]
fn in_the_entry_it_is_the_reason_why_it_is_not_loaded() {
    let [problem] = lines(load(&[&built("panics_at_entry")]).problems()).try_into().unwrap();
    let expected =
        "its entry returned NULL: fixture-panics-at-entry cannot be loaded: the plugin panicked: no table";
    assert!(problem.ends_with(expected), "{problem}");
}
