//! Fuzz targets of the node: files, tags, packets and configurations that are damaged in any way.
//!
//! The seeds are small files in `tests/corpus/`. `FUZZ_SECONDS=180 cargo test -p media-node --test it fuzz` runs each target for
//! that time.

use std::{fs, path::Path};

use media_config::{Config, Sources};
use media_node::{
    library::Catalog,
    plugins,
    source::{Source, SourceError, scan},
};
use media_plugin_sdk::{AudioFormat, Limits, PluginError, SampleType, SourceFormat};
use media_protocol::List;
use tempfile::TempDir;

use self::mutation::run;

#[path = "../../../protocol/fuzz/src/mutation.rs"]
mod mutation;

/// Samples that a target reads of one file at most. Damaged headers can claim any length.
const MAX_SAMPLES: usize = 400_000;

/// The files of the corpus with these names.
fn seeds(names: &[&str]) -> Vec<Vec<u8>> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    names.iter().map(|name| fs::read(corpus.join(name)).unwrap()).collect()
}

/// Scans, opens and reads a file. Each error is one line.
fn read_file(path: &Path) -> Result<(), SourceError> {
    if let Err(error) = scan(path) {
        assert!(!error.to_string().contains('\n'), "{error}");
    }
    let source = Source::open(path)?;
    let info = source.info();
    assert!(info.frames > 0 && info.format.is_valid(), "{info:?}");
    let channels = usize::from(info.format.channels);
    let mut reader = source.reader()?;
    let mut piece = vec![0.0; 1024 * channels];
    let mut samples = 0;
    while samples < MAX_SAMPLES {
        let frames = reader.read(&mut piece)?;
        if frames == 0 {
            break;
        }
        samples += piece.len();
    }
    for frame in [info.frames / 2, 0, info.frames - 1] {
        reader.seek(frame)?;
        assert!(reader.read(&mut piece)? > 0);
    }
    if let Some(stream) = source.opus_stream()? {
        let mut packets = source.opus_packets(stream, stream.packets / 2)?;
        while packets.next_packet()?.is_some() {}
    }
    Ok(())
}

fn fuzz_files(target: &str, names: &[&str]) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("input");
    run(target, &seeds(names), |input| {
        fs::write(&path, input).unwrap();
        if let Err(error) = read_file(&path) {
            assert!(!error.to_string().contains('\n'), "{error}");
        }
    });
}

#[test]
fn mp4() {
    fuzz_files("mp4", &["aac.m4a", "alac.m4a", "cover.m4a", "fragments.mp4", "opus.mp4"]);
}

#[test]
fn artwork() {
    fuzz_files("artwork", &["cover.flac", "flac.oga", "vorbis.ogg"]);
}

#[test]
fn mpeg() {
    fuzz_files("mpeg", &["cbr.mp3", "vbr.mp3", "bare.mp3", "joined.mp3", "layer2.mp2", "adts.aac"]);
}

#[test]
fn opus_packets() {
    fuzz_files("opus_packets", &["opus.opus", "chained.ogg"]);
}

#[test]
fn containers() {
    let names = [
        "short.wav",
        "rf64.wav",
        "adpcm.wav",
        "short.aiff",
        "short.caf",
        "pcm.mka",
        "opus.mka",
        "vorbis.mka",
    ];
    fuzz_files("containers", &names);
}

/// The library shows any tags as one line of bounded length.
#[test]
fn tags() {
    let folder = TempDir::new().unwrap();
    let names = ["cbr.mp3", "vbr.mp3", "cover.m4a", "cover.flac", "vorbis.ogg", "short.wav"];
    run("tags", &seeds(&names), |input| {
        fs::write(folder.path().join("input.mp3"), input).unwrap();
        let Ok(catalog) = Catalog::scan(&[folder.path().to_owned()], false) else { return };
        for track in catalog.list(&List { limit: 9, ..List::default() }).tracks {
            for text in [&track.title, &track.artist, &track.album] {
                assert!(text.chars().count() <= 200 && !text.contains(char::is_control), "{text:?}");
            }
        }
    });
}

/// A decoder accepts any packet and any configuration, and returns whole frames that fit.
#[test]
fn decoders() {
    let registry = plugins::registry();
    let format = AudioFormat { rate: 48_000, channels: 2 };
    let source = SourceFormat { format, sample: SampleType::S16 };
    for codec in registry.codecs() {
        let choice = codec.propose(&source, &Limits::default(), "").unwrap();
        let encoding = codec.encoding(&choice).unwrap();
        let mut encoder = codec.encoder(&choice).unwrap();
        let frames = encoding.packet_frames as usize;
        let tone = |at: usize| (at as f32 * 0.01).sin() / 2.0;
        let mut packets = Vec::new();
        for number in 0..8 {
            let pcm: Vec<f32> = (number * frames * 2..(number + 1) * frames * 2).map(tone).collect();
            let mut packet = vec![0; encoding.max_packet_bytes as usize];
            let bytes = encoder.encode(&pcm, &mut packet).unwrap();
            packets.push(packet[..bytes].to_vec());
        }
        packets.retain(|packet| !packet.is_empty());
        // The last packet is a configuration.
        packets.push(encoding.config.clone());
        let id = codec.info().id;
        let mut decoder = codec.decoder(choice.format, &encoding.config).unwrap();
        let mut pcm = vec![0.0; choice.format.samples(frames)];
        run(&format!("decoder_{id}"), &packets, |input| {
            match decoder.decode(input, &mut pcm) {
                Ok(decoded) => assert!(decoded <= frames),
                Err(PluginError::Corrupt(_) | PluginError::NoSpace { .. }) => {}
                Err(error) => {
                    assert!(!error.to_string().contains('\n'), "{error}");
                    decoder.reset().unwrap();
                }
            }
            let _ = codec.decoder(choice.format, input);
        });
    }
}

/// Each error of a configuration is one line that names the file.
#[test]
fn configuration() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("config.toml");
    let whole = br#"
[node]
name = "a"
[library]
paths = ["/music", "~/x"]
rescan = "1m30s"
[access]
mode = "list"
allow = ["i66fo538lfl5ombdf6tcdbrabp4hmp9asv7nrffuc2im13ct4q60"]
[server]
cache = "512MiB"
max_peers = 7
metrics = "127.0.0.1:9190"
[codec]
prefer = ["opus", "pcm"]
bitrate = "64kbit"
[codec.opus]
complexity = 10
[buffer]
target = "5s"
[transport.fastn]
relay = ["https://relay.example.org"]
bind = ["127.0.0.1:0"]
[plugins]
prefer = ["flac=built-in"]
"#;
    let seeds: Vec<Vec<u8>> =
        [&whole[..], b"buffer.target = \"3s\"", b"[output.file]\noverwrite = true\n"].map(Into::into).into();
    let registry = plugins::registry();
    run("configuration", &seeds, |input| {
        fs::write(&file, input).unwrap();
        let mut sources = Sources::bare(&file, folder.path());
        sources.file_is_named = true;
        match Config::load(&sources) {
            Ok(config) => {
                assert!(!config.entries().is_empty());
                for transport in registry.transports() {
                    let id = transport.info().id;
                    let options = config.plugin_options(media_config::PluginKind::Transport, &id);
                    if let Err(error) = transport.check_options(&options) {
                        let message = config.locate_option_error(
                            media_config::PluginKind::Transport,
                            &id,
                            &error.to_string(),
                        );
                        assert!(!message.contains('\n'), "{message}");
                    }
                }
            }
            Err(error) => {
                let message = error.to_string();
                assert!(message.contains("config.toml") && !message.contains('\n'), "{message}");
            }
        }
    });
}
