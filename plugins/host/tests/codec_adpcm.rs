//! The example codec in C, built as its README says, passes the conformance suite.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

mod common;

use std::{env::consts::DLL_EXTENSION, path::Path, process::Command};

use common::{lines, load};
use media_plugin_conformance::{
    chunks,
    codec::{Case, check_guarded},
    signal::snr,
};
use media_plugin_sdk::{AudioFormat, Limits, PluginError, SampleType, SourceFormat};

fn source(sample: SampleType, rate: u32, channels: u16) -> SourceFormat {
    SourceFormat { format: AudioFormat { rate, channels }, sample }
}

/// A sine of −6 dBFS: `hertz` in the first channel, twice that in the second, and so on.
fn tones(format: AudioFormat, hertz: f64) -> Vec<f32> {
    let channels = usize::from(format.channels);
    let phase = |i: usize| {
        (i / channels) as f64 * hertz * (1 + i % channels) as f64 / f64::from(format.rate)
            * std::f64::consts::TAU
    };
    (0..format.samples(format.rate as usize)).map(|i| (phase(i).sin() * 0.5) as f32).collect()
}

#[test]
fn adpcm_keeps_to_the_suite_and_has_the_quality_of_4_bits() {
    let folder = tempfile::tempdir().unwrap();
    let done = Command::new("make")
        .arg("-C")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/codec-adpcm"))
        .arg(format!("SO={DLL_EXTENSION}"))
        .arg(format!("OUT={}/", folder.path().display()))
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let registry = load(&[&folder.path().join(format!("libmedia_node_adpcm.{DLL_EXTENSION}"))]);
    assert_eq!(lines(registry.problems()), [""; 0]);
    let adpcm = registry.codec("adpcm").unwrap();

    for (sample, rate, channels, min_snr) in [
        (SampleType::S16, 44_100, 2, 35.0),
        (SampleType::S24, 48_000, 1, 36.0),
        (SampleType::F32, 96_000, 6, 42.0),
    ] {
        let source = source(sample, rate, channels);
        let case = Case { source, limits: Limits::default(), options: "{}", min_snr };
        check_guarded(adpcm.clone(), &case).unwrap();
    }

    // The SNR falls as the frequency rises. Each limit is about 1 dB below the measured value (the README's table).
    let source = source(SampleType::S16, 48_000, 2);
    let choice = adpcm.propose(&source, &Limits::default(), "").unwrap();
    let encoding = adpcm.encoding(&choice).unwrap();
    for (hertz, least) in [(200.0, 48.0), (1_000.0, 34.0), (4_000.0, 21.0)] {
        let track = tones(source.format, hertz);
        let (copy, bytes) = chunks::round_trip(adpcm.as_ref(), &encoding, &track, 48_000).unwrap();
        let snr = snr(&track, &copy);
        assert!(snr > least, "{hertz} Hz: {snr:.1} dB");
        let quarter = track.len() * 2 / 4;
        assert!((quarter..quarter * 102 / 100).contains(&bytes), "{bytes} bytes for {quarter}");
    }

    let narrow = Limits { bitrate: Some(300_000), ..Limits::default() };
    let refused = adpcm.propose(&source, &narrow, "").unwrap_err();
    assert!(matches!(&refused, PluginError::Unsupported(why) if why.contains("387000")), "{refused}");
    let refused = adpcm.propose(&source, &Limits::default(), r#"{"bits":3}"#).unwrap_err();
    assert!(matches!(&refused, PluginError::BadArgument(_)), "{refused}");
}
