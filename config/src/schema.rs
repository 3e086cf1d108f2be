//! The table of keys. Each line has the key's description, its field (`as "name"` if the key is not a Rust
//! identifier), its type and its default (`shown` gives the text for the reference if the default depends on
//! the machine).

use std::{collections::BTreeMap, path::PathBuf};

use serde_json::Value;

use crate::{
    error::Origin,
    options::PluginOptions,
    setting::{Given, Id52, Local, Number, Pin, PluginId, PluginIds, Setting},
    sources::Sources,
    units::{Bitrate, Size, Time},
};

pub(crate) const ENV_PREFIX: &str = "MEDIA_NODE_";

/// A key of the configuration.
pub struct Key {
    /// `section.key`.
    pub name: &'static str,
    doc: &'static str,
    allowed: fn() -> String,
    /// The default in words; empty if the reference shows the default value itself.
    shown_default: &'static str,
    /// Sets the key. Returns false if the key does not accept the value.
    pub(crate) set: fn(&mut Config, &Given) -> bool,
    pub(crate) get: fn(&Config) -> Value,
}

impl Key {
    /// Returns the description, one or a few sentences.
    #[must_use]
    pub fn doc(&self) -> &'static str {
        self.doc.trim()
    }

    /// Describes the accepted values.
    #[must_use]
    pub fn allowed(&self) -> String {
        (self.allowed)()
    }

    /// Returns the name of the environment variable.
    #[must_use]
    pub fn env(&self) -> String {
        format!("{ENV_PREFIX}{}", self.name.to_uppercase().replace('.', "_"))
    }

    /// Returns the default in the form that the file has, or in words if it depends on the machine.
    #[must_use]
    pub fn default_text(&self) -> String {
        if self.shown_default.is_empty() {
            return format!("`{}`", (self.get)(&Config::defaults(&Sources::bare("", ""))));
        }
        self.shown_default.into()
    }
}

macro_rules! name_of {
    ($field:ident) => {
        stringify!($field)
    };
    ($field:ident $name:literal) => {
        $name
    };
}

macro_rules! schema {
    ($(
        $(#[doc = $section_doc:literal])+
        $section:ident: $Section:ident {
            $( $(#[doc = $doc:literal])+ $field:ident $(as $name:literal)?: $type:ty = $default:expr $(, shown $shown:literal)?; )+
        }
    )+) => {
        $(
            $(#[doc = $section_doc])+
            #[derive(Debug, Clone, PartialEq)]
            pub struct $Section { $( $(#[doc = $doc])+ pub $field: $type, )+ }
        )+

        /// The whole configuration, loaded and checked.
        #[derive(Debug, Clone, PartialEq)]
        pub struct Config {
            $( $(#[doc = $section_doc])+ pub $section: $Section, )+
            /// Origins of the keys that a source set.
            pub(crate) origins: BTreeMap<&'static str, Origin>,
            pub(crate) options: PluginOptions,
        }

        impl Config {
            /// Returns the configuration without any source.
            pub(crate) fn defaults(sources: &Sources) -> Self {
                Self {
                    $( $section: $Section { $( $field: { let make: fn(&Sources) -> $type = $default; make(sources) }, )+ }, )+
                    origins: BTreeMap::new(),
                    options: PluginOptions::default(),
                }
            }
        }

        /// Every key, in the order of the reference.
        pub const KEYS: &[Key] = &[$($(
            Key {
                name: concat!(stringify!($section), ".", name_of!($field $($name)?)),
                doc: concat!($($doc),+),
                allowed: <$type>::allowed,
                shown_default: concat!("" $(, $shown)?),
                set: |config, given| given.read().map(|value| config.$section.$field = value).is_some(),
                get: |config| config.$section.$field.to_json(),
            },
        )+)+];
    };
}

/// Declares enums whose values are words.
macro_rules! choices {
    ($( $(#[doc = $doc:literal])+ $Type:ident { $( $(#[doc = $value_doc:literal])+ $Value:ident = $word:literal, )+ } )+) => {$(
        $(#[doc = $doc])+
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $Type { $( $(#[doc = $value_doc])+ $Value, )+ }

        impl $Type {
            /// Returns the word.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $( Self::$Value => $word, )+ }
            }
        }

        impl Setting for $Type {
            fn allowed() -> String {
                let words: &[&str] = &[$(concat!("\"", $word, "\"")),+];
                format!("one of {}", words.join(", "))
            }
            fn from_text(text: &str) -> Option<Self> {
                match text { $( $word => Some(Self::$Value), )+ _ => None }
            }
            fn to_json(&self) -> Value {
                self.as_str().into()
            }
        }
    )+};
}

choices! {
    /// Rule for admitting peers.
    AccessMode {
        /// Admits the holders of tickets.
        Ticket = "ticket",
        /// Admits the nodes in `access.allow`.
        List = "list",
        /// Admits everybody.
        Open = "open",
    }
    /// Effect of a pause on the buffer.
    Pause {
        /// Silence at once; the buffer stays.
        Hold = "hold",
        /// The buffer plays to its end.
        Drain = "drain",
    }
    /// Reaction to the loss of the output device.
    OnLost {
        /// Continues on the default device.
        Follow = "follow",
        /// Waits for the device to return.
        Wait = "wait",
    }
    /// Amount of log output. Each level includes those before it.
    LogLevel {
        /// Nothing.
        Off = "off",
        /// Failures.
        Error = "error",
        /// Suspicious events.
        Warn = "warn",
        /// Normal events.
        Info = "info",
        /// Reasons for decisions.
        Debug = "debug",
        /// Every step.
        Trace = "trace",
    }
}

schema! {
    /// This node.
    node: Node {
        /// Name of this node, as other people see it.
        name: String = |_| host_name(), shown "the host's name, else `media-node`";
        /// File with this node's secret key. The node creates a missing file, and refuses one that other
        /// users can read.
        key: PathBuf = |sources| sources.data_dir.join("key"), shown "`key` in the platform's data directory";
    }
    /// The audio files to serve.
    library: Library {
        /// Files and folders to serve, with all subfolders.
        paths: Vec<PathBuf> = |_| Vec::new();
        /// Follows symbolic links inside the folders. A link can lead out of its folder.
        follow_links: bool = |_| false;
        /// Interval between scans for new, changed and removed files; `0s` disables them. A scan opens only
        /// new and changed files.
        rescan: Time = |_| Time::from_millis(60_000);
        /// Folder for the results of the last scan, which make the next start faster.
        index: Option<PathBuf> = |sources| Some(sources.cache_dir.join("library")), shown "`library` in the platform's cache directory";
    }
    /// Admission of peers.
    access: Access {
        /// Admits the holders of tickets (`ticket`), the nodes in `access.allow` (`list`), or everybody (`open`);
        /// the devices of `media-node allow` in each case.
        mode: AccessMode = |_| AccessMode::Ticket;
        /// Nodes to admit if `access.mode` is `list`.
        allow: Vec<Id52> = |_| Vec::new();
    }
    /// Resources of a serving node.
    server: Server {
        /// Memory for encoded chunks.
        cache: Size = |_| Size::from_bytes(256 << 20);
        /// Disk space for chunks of lossy codecs, which remain for the next start; `0B` disables it.
        disk_cache: Size = |_| Size::from_bytes(0);
        /// Folder of the disk cache. You can delete it at any time, and several nodes can share it.
        disk_cache_dir: PathBuf = |sources| sources.cache_dir.join("chunks"), shown "`chunks` in the platform's cache directory";
        /// Number of encoder threads; `0` is one per core.
        encoders: Number<0, 256> = |_| Number::clamped(0);
        /// Greatest number of connected peers; each takes about 150 kB of memory. Connections that do not play
        /// make room for further peers. If all play, the node tells further peers when to retry.
        max_peers: Number<1, 65535> = |_| Number::clamped(512);
        /// Greatest number of requests that the node answers on one connection at the same time.
        max_requests_per_peer: Number<1, 1024> = |_| Number::clamped(8);
        /// Number of chunks to encode in advance, after each requested one.
        encode_ahead: Number<0, 16> = |_| Number::clamped(1);
        /// File for the statistics of a serving node, as JSON. The node writes it at intervals and when it
        /// ends.
        stats: Option<PathBuf> = |_| None;
        /// Interval at which the node writes `server.stats`.
        stats_interval: Time = |_| Time::from_millis(10_000);
        /// Address for metrics in the format of Prometheus, at `http://ADDRESS/metrics`. Only this machine
        /// can reach it.
        metrics: Local = |_| Local(None);
    }
    /// Codecs that a player requests.
    codec: Codec {
        /// Codecs by id, the preferred one first; or one word: `auto` chooses by the path, `lossless` waits
        /// rather than use a lossy codec, `data-saver` uses at most 48 kbit/s.
        prefer: Vec<PluginId> = |_| vec![PluginId("auto".into())];
        /// Bitrate to request from a lossy codec.
        bitrate: Bitrate = |_| Bitrate::from_bits(96_000);
        /// Audio that one player may receive per hour over a relay, with `auto`. The bitrate falls near the
        /// end of the budget, to the lowest one.
        relay_budget: Size = |_| Size::from_bytes(50_000_000);
        /// Audio that one player may receive per hour on any path, with `data-saver`.
        saver_budget: Size = |_| Size::from_bytes(20_000_000);
    }
    /// The buffer of a player.
    buffer: Buffer {
        /// The player requests the next chunk while the buffer holds less than this.
        target: Time = |_| Time::from_millis(3000);
        /// Highest target on a bad connection. The target rises by 3 s at a time, and never if this is not
        /// above `buffer.target`.
        max: Time = |_| Time::from_millis(12_000);
        /// Audio to receive before playback starts. The player waits for more, up to the target, on a long
        /// path or a slow one.
        start: Time = |_| Time::from_millis(120);
        /// The player requests nothing while the buffer has this many bytes or more, even if they last only a
        /// short time.
        max_bytes: Size = |_| Size::from_bytes(64 << 20);
    }
    /// Playback.
    playback: Playback {
        /// Effect of a pause: silence at once (`hold`), or silence after the buffer has played (`drain`).
        pause: Pause = |_| Pause::Hold;
        /// Volume in percent.
        volume: Number<0, 100> = |_| Number::clamped(100);
        /// Reaction to the loss of the output device: continue on the default device (`follow`), or wait for
        /// it (`wait`).
        on_lost: OnLost = |_| OnLost::Follow;
        /// Time to retry an unreachable node before playback ends; `0s` retries without end.
        give_up: Time = |_| Time::from_millis(180_000);
        /// Distance that a seek key moves.
        seek_step: Time = |_| Time::from_millis(10_000);
    }
    /// Output of a player.
    output: Output {
        /// The output as `NAME` or `NAME:TARGET`; `auto` is the default sound device, or `null` if there is
        /// none.
        chosen as "use": String = |_| "auto".into();
    }
    /// Connections between nodes.
    transport: Transport {
        /// The transports by id: one, or a list.
        chosen as "use": PluginIds = |_| PluginIds::one("fastn");
    }
    /// Plugins from shared libraries. Their code has all rights of the node's process.
    plugins: Plugins {
        /// Folders with libraries, or single libraries. The node loads them after those of
        /// `MEDIA_NODE_PLUGIN_PATH`.
        paths: Vec<PathBuf> = |_| Vec::new();
        /// Ids of codecs, outputs and libraries to leave out, built in or loaded.
        disable: Vec<String> = |_| Vec::new();
        /// Provider of a codec or output that several provide. The default is the built-in one, then the
        /// first one found.
        prefer: Vec<Pin> = |_| Vec::new();
    }
    /// Statistics of a player.
    stats: Stats {
        /// File for the statistics of a player, as JSON. The player writes it when it ends.
        file: Option<PathBuf> = |_| None;
    }
    /// The log.
    log: Log {
        /// Amount of log output on standard error. `MEDIA_NODE_LOG` takes a finer filter.
        level: LogLevel = |_| LogLevel::Warn;
    }
}

fn host_name() -> String {
    let name = gethostname::gethostname().into_string().ok();
    name.and_then(|name| String::from_text(&name)).unwrap_or_else(|| "media-node".into())
}
