//! Real files, variables and flags, and the configuration or the one line of error that they give.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a helper of tests says what it expects by failing"
)]

use std::{fs, path::PathBuf, time::Duration};

use media_config::{AccessMode, Config, ConfigError, Flag, KEYS, Origin, Pause, PluginKind, Sources};
use proptest::prelude::*;
use tempfile::TempDir;

struct Fixture {
    _dir: TempDir,
    sources: Sources,
}

fn with_file(text: &str) -> Fixture {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("config.toml");
    fs::write(&file, text).unwrap();
    Fixture { sources: Sources::bare(file, "/data"), _dir: dir }
}

impl Fixture {
    fn env(mut self, name: &str, value: &str) -> Self {
        self.sources.env.push((name.into(), value.into()));
        self
    }

    fn flag(mut self, flag: Flag) -> Self {
        self.sources.flags.push(flag);
        self
    }

    fn load(&self) -> Result<Config, ConfigError> {
        Config::load(&self.sources)
    }

    /// Returns the error without the folder of the file.
    fn error(&self) -> String {
        let text = self.load().expect_err("a configuration with an error in it").to_string();
        assert!(!text.contains('\n'), "more than one line: {text}");
        let folder = self.sources.file.parent().unwrap().to_str().unwrap();
        text.replace(folder, "").trim_start_matches(['/', '\\']).to_string()
    }
}

#[test]
fn with_nothing_said_the_defaults_hold() {
    let config = Config::load(&Sources::bare("/nowhere/config.toml", "/data")).unwrap();
    assert_eq!(config.buffer.target.get(), Duration::from_secs(3));
    assert_eq!(config.buffer.start.get(), Duration::from_millis(120));
    assert_eq!(config.server.cache.get(), 256 << 20);
    assert_eq!(config.codec.bitrate.get(), 96_000);
    assert_eq!(config.node.key, PathBuf::from("/data/key"));
    assert_eq!(config.access.mode, AccessMode::Ticket);
    assert_eq!(config.output.chosen, "auto");
    assert!(config.entries().iter().all(|line| line.origin == Origin::Default));
}

#[test]
fn a_flag_beats_a_variable_beats_the_file() {
    let file = with_file("[buffer]\ntarget = \"4s\"\n\n[playback]\npause = \"drain\"\nvolume = 50\n");
    let config = file
        .env("MEDIA_NODE_BUFFER_TARGET", "5s")
        .env("MEDIA_NODE_PLAYBACK_VOLUME", "60")
        .env("HOME", "/root")
        .flag(Flag::new("--volume", "playback.volume", "70"));
    let loaded = config.load().unwrap();
    assert_eq!(loaded.playback.pause, Pause::Drain);
    assert_eq!(loaded.buffer.target.get(), Duration::from_secs(5));
    assert_eq!(loaded.playback.volume.get(), 70);
    assert_eq!(loaded.origin("playback.pause"), Origin::File { path: config.sources.file.clone(), line: 5 });
    assert_eq!(loaded.origin("buffer.target"), Origin::Env("MEDIA_NODE_BUFFER_TARGET".into()));
    assert_eq!(loaded.origin("playback.volume"), Origin::Flag("--volume".into()));
    assert_eq!(loaded.origin("buffer.start"), Origin::Default);
}

#[test]
fn what_a_plugin_says_of_an_option_names_the_line() {
    let fixture =
        with_file("[codec.flac]\nblock = 4096\n\nlevle = 3\n").env("MEDIA_NODE_CODEC_FLAC_MD5", "off");
    let config = fixture.load().unwrap();
    let located = |id: &str, message: &str| {
        let text = config.locate_option_error(PluginKind::Codec, id, message);
        text.replace(fixture.sources.file.to_str().unwrap(), "FILE")
    };
    let message = "codec flac has no option \"levle\"; did you mean level.";
    assert_eq!(located("flac", message), format!("FILE:4: codec.flac.levle: {message}"));
    assert_eq!(
        located("flac", "off is no md5."),
        "environment variable MEDIA_NODE_CODEC_FLAC_MD5: codec.flac.md5: off is no md5."
    );
    assert_eq!(located("flac", "no blocks"), "FILE:2: codec.flac.block: no blocks");
    assert_eq!(located("opus", "no"), "[codec.opus]: no");
}

#[test]
fn a_plugins_table_is_data_and_each_option_has_its_own_origin() {
    let config = with_file(
        "[codec]\nprefer = [\"opus\", \"pcm\"]\n[codec.opus]\ncomplexity = 10\ndtx = false\n\
         [output.cpal]\n[transport]\nfastn = { relay = \"off\", bind = [\"127.0.0.1:0\"] }\n",
    )
    .env("MEDIA_NODE_CODEC_OPUS_COMPLEXITY", "5")
    .env("MEDIA_NODE_TRANSPORT_FASTN_MDNS", "off")
    .flag(Flag::new("--set", "codec.opus.dtx", "true"))
    .flag(Flag::new("--set", "output.cpal.host", "5 alsa"))
    .load()
    .unwrap();
    assert_eq!(config.codec.prefer.len(), 2);
    assert_eq!(config.plugin_options(PluginKind::Codec, "opus"), r#"{"complexity":5,"dtx":true}"#);
    assert_eq!(
        config.plugin_options(PluginKind::Transport, "fastn"),
        r#"{"bind":["127.0.0.1:0"],"mdns":"off","relay":"off"}"#
    );
    assert_eq!(config.plugin_options(PluginKind::Output, "cpal"), r#"{"host":"5 alsa"}"#);
    assert_eq!(config.plugin_options(PluginKind::Output, "null"), "");
    let plugins: Vec<_> = config.configured_plugins().map(|(kind, id, _)| (kind, id)).collect();
    assert_eq!(
        plugins,
        [(PluginKind::Codec, "opus"), (PluginKind::Output, "cpal"), (PluginKind::Transport, "fastn")]
    );
    let shown = config.entries();
    let line = shown.iter().find(|line| line.key == "codec.opus.complexity").unwrap();
    assert_eq!(line.origin, Origin::Env("MEDIA_NODE_CODEC_OPUS_COMPLEXITY".into()));
}

#[test]
fn an_unknown_key_names_its_place_and_the_nearest_key() {
    for (text, error) in [
        (
            "[buffer]\n\ntaget = \"3s\"\n",
            "config.toml:3: unknown key buffer.taget; did you mean buffer.target?",
        ),
        (
            "[bufer]\ntarget = \"3s\"\n",
            "config.toml:2: unknown key bufer.target; did you mean buffer.target?",
        ),
        ("target = \"3s\"\n", "config.toml:1: unknown key target; did you mean buffer.target?"),
        ("[codec]\nprefers = 1\n", "config.toml:2: unknown key codec.prefers; did you mean codec.prefer?"),
        ("[codec.Opus]\nx = 1\n", "config.toml:2: unknown key codec.Opus.x; did you mean codec.prefer?"),
        ("node = 1\n", "config.toml:1: unknown key node; did you mean node.key?"),
    ] {
        assert_eq!(with_file(text).error(), error);
    }
    // A key with control characters, and a very long one.
    for text in ["\"a\\nb\\u001b\" = 1\n".to_string(), format!("{} = 1\n", "k".repeat(10_000))] {
        let error = with_file(&text).error();
        assert!(!error.contains(char::is_control) && error.len() < 300, "{error}");
    }
}

#[test]
fn an_unknown_variable_or_flag_names_the_nearest_one() {
    let error = with_file("").env("MEDIA_NODE_BUFER_TARGET", "3s").error();
    let name = "environment variable MEDIA_NODE_BUFER_TARGET";
    assert_eq!(
        error,
        format!("{name}: unknown key MEDIA_NODE_BUFER_TARGET; did you mean MEDIA_NODE_BUFFER_TARGET?")
    );
    let error = with_file("").flag(Flag::new("--set", "log.lvl", "info")).error();
    assert_eq!(error, "flag --set: unknown key log.lvl; did you mean log.level?");
    for reserved in ["MEDIA_NODE_LOG", "MEDIA_NODE_CONFIG", "MEDIA_NODE_PLUGIN_PATH"] {
        assert!(with_file("").env(reserved, "x").load().is_ok(), "{reserved}");
    }
}

#[test]
fn a_bad_value_names_its_place_and_what_is_allowed() {
    for (text, error) in [
        (
            "[buffer]\ntarget = \"3 parsecs\"",
            "config.toml:2: buffer.target = \"3 parsecs\": expected a duration such as \"200ms\", \"3s\" or \"1m30s\"",
        ),
        (
            "buffer.target = 3",
            "config.toml:1: buffer.target = 3: expected a duration such as \"200ms\", \"3s\" or \"1m30s\"",
        ),
        (
            "playback.volume = 101",
            "config.toml:1: playback.volume = 101: expected a whole number from 0 to 100",
        ),
        (
            "access.mode = \"closed\"",
            "config.toml:1: access.mode = \"closed\": expected one of \"ticket\", \"list\", \"open\"",
        ),
        (
            "[codec.prefer]\nx = 1",
            "config.toml:1: codec.prefer = {\"x\":1}: expected a list, each a plugin's id (a-z, 0-9, -)",
        ),
        ("library.paths = \"a\"", "config.toml:1: library.paths = \"a\": expected a list, each a path"),
        (
            "access.allow = [\"me\"]",
            "config.toml:1: access.allow = [\"me\"]: expected a list, each an ID52 (52 characters of 0-9 and a-v, as `media-node id` prints)",
        ),
        (
            "[buffer]\nstart = \"4s\"",
            "config.toml:2: buffer.start = 4s: must not be above buffer.target, which is 3s",
        ),
        (
            "[buffer]\ntarget = \"100ms\"",
            "config.toml:2: buffer.target = 100ms: must not be below buffer.start, which is 120ms",
        ),
        (
            "buffer.target = \"0s\"",
            "config.toml:1: buffer.target = 0s: must be above 0s, or the player never requests audio",
        ),
    ] {
        assert_eq!(with_file(text).error(), error);
    }
    let error = with_file("").flag(Flag::new("--volume", "playback.volume", "loud")).error();
    assert_eq!(error, "flag --volume: playback.volume = \"loud\": expected a whole number from 0 to 100");
}

#[test]
fn what_is_not_toml_is_named_with_its_line() {
    let error = with_file("[node]\nname = \"a\"\nname = \"b\"\n").error();
    assert!(error.starts_with("config.toml:3: not valid TOML: duplicate key"), "{error}");
    let error = with_file("[node\n").error();
    assert!(error.starts_with("config.toml:1: not valid TOML: "), "{error}");
}

#[test]
fn a_named_file_must_be_there() {
    let mut fixture = with_file("");
    fixture.sources.file.set_file_name("other.toml");
    assert!(fixture.load().is_ok());
    fixture.sources.file_is_named = true;
    assert!(fixture.error().starts_with("cannot read the configuration "));
}

#[test]
fn a_file_that_is_too_long_or_not_text_is_refused() {
    let error = with_file(&"#".repeat((1 << 20) + 1)).error();
    assert!(error.ends_with("config.toml: it is longer than 1048576 bytes"), "{error}");
    let fixture = with_file("");
    fs::write(&fixture.sources.file, b"node.name = \"\xff\"").unwrap();
    assert!(fixture.error().contains("UTF-8"));
}

#[test]
fn lists_are_split_at_commas_unless_they_are_given_as_lists() {
    let paths = |flag| with_file("").flag(flag).load().unwrap().library.paths;
    let expected = [PathBuf::from("/a"), PathBuf::from("/b")];
    assert_eq!(paths(Flag::new("--set", "library.paths", "/a, /b")), expected);
    assert_eq!(paths(Flag::new("--set", "library.paths", "[\"/a\", \"/b\"]")), expected);
    assert_eq!(paths(Flag::list("PATH", "library.paths", ["/a,b"])), [PathBuf::from("/a,b")]);
    let home = etcetera::home_dir().unwrap();
    assert_eq!(paths(Flag::list("PATH", "library.paths", ["~/Music"])), [home.join("Music")]);
}

#[test]
fn transports_are_one_id_or_a_list() {
    let used = |text: &str| -> Vec<String> {
        let config = with_file(text).load().unwrap();
        config.transport.chosen.iter().map(|id| id.as_str().into()).collect()
    };
    assert_eq!(used(""), ["fastn"]);
    assert_eq!(used("transport.use = \"memory\""), ["memory"]);
    assert_eq!(used("transport.use = [\"memory\", \"fastn\"]"), ["memory", "fastn"]);
    let flagged =
        with_file("").flag(Flag::new("--transport", "transport.use", "fastn,memory")).load().unwrap();
    assert_eq!(flagged.transport.chosen.first().as_str(), "fastn");
    let shown = |config: &Config| {
        let shown = config.entries();
        shown.into_iter().find(|line| line.key == "transport.use").unwrap().value
    };
    assert_eq!(shown(&flagged), r#"["fastn","memory"]"#);
    assert_eq!(shown(&with_file("transport.use = [\"memory\"]").load().unwrap()), r#""memory""#);
    let env = with_file("").env("MEDIA_NODE_TRANSPORT_USE", "memory").load().unwrap();
    assert_eq!(shown(&env), r#""memory""#);
    for bad in ["[]", "[\"a\", \"a\"]", "\"a,b\"", "[\"A\"]", "\"\"", "1"] {
        let error = with_file(&format!("transport.use = {bad}")).error();
        let expected = "expected a plugin's id (a-z, 0-9, -), or a list of them, each once";
        assert!(error.starts_with("config.toml:1: transport.use = ") && error.ends_with(expected), "{error}");
    }
}

#[test]
fn what_is_shown_can_be_written_into_a_file_and_reads_back_the_same() {
    let first = with_file("[codec.opus]\ncomplexity = 5\n")
        .flag(Flag::new("--set", "library.paths", "/a,/b"))
        .flag(Flag::new("--set", "node.name", "Åse's \"node\""))
        .load()
        .unwrap();
    let text: String =
        first.entries().iter().map(|line| format!("{} = {}\n", line.key, line.value)).collect();
    let second = with_file(&text).load().unwrap();
    let values = |config: &Config| -> Vec<_> {
        config.entries().into_iter().map(|line| (line.key, line.value)).collect()
    };
    assert_eq!(values(&first), values(&second));
    assert!(second.entries().iter().all(|line| matches!(line.origin, Origin::File { .. })));
}

proptest! {
    #[test]
    fn no_file_and_no_text_is_too_odd_to_be_answered_in_one_line(text: String, key in 0..KEYS.len()) {
        let name = KEYS[key].name;
        for fixture in [
            with_file(&text),
            with_file(&format!("{name} = {text}")),
            with_file("").flag(Flag::new("--set", name, &text)),
        ] {
            if let Err(error) = fixture.load() {
                prop_assert!(!error.to_string().contains('\n'), "{}", error);
            }
        }
    }
}

#[test]
fn an_error_quotes_80_characters() {
    let value = "v".repeat(100);
    let error = with_file(&format!("playback.pause = \"{value}\"")).error();
    // The quotation mark is one of them.
    assert!(error.contains(&format!("= \"{}…: ", "v".repeat(79))), "{error}");
    let error = with_file(&format!("{} = 1\n", "k".repeat(100))).error();
    assert!(error.contains(&format!("key {}…; ", "k".repeat(80))), "{error}");
}

#[test]
fn lengths_of_text_and_ids_are_bounded() {
    let loads =
        |key: &str, length: usize| with_file(&format!("{key} = \"{}\"", "a".repeat(length))).load().is_ok();
    for (key, longest) in [("node.name", 1000), ("transport.use", 32)] {
        assert_eq!([1, longest, longest + 1].map(|it| loads(key, it)), [true, true, false], "{key}");
    }
    assert!(!loads("node.name", 0));
}

#[test]
fn numbers_are_within_their_range() {
    for (key, range) in [
        ("server.encoders", 0..=256),
        ("server.max_peers", 1..=65_535),
        ("server.max_requests_per_peer", 1..=1024),
        ("server.encode_ahead", 0..=16),
        ("playback.volume", 0..=100),
    ] {
        let loads = |value: i32| with_file(&format!("{key} = {value}")).load().is_ok();
        let values = [range.start() - 1, *range.start(), *range.end(), range.end() + 1];
        assert_eq!(values.map(loads), [false, true, true, false], "{key}");
    }
}
