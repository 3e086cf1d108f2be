//! The one table of keys. A line of it is: what it means, the field (`as "name"` where the key is no Rust identifier),
//! its type, its default (`shown` in the reference where it depends on the machine).

use std::{collections::BTreeMap, path::PathBuf};

use serde_json::Value;

use crate::{
    Bitrate, Id52, Local, Number, Origin, Pin, PluginId, PluginIds, Size, Sources, Time,
    options::PluginOptions,
    setting::{Given, Setting},
};

/// One key: what the loader, `config show` and the reference know of it.
pub struct Key {
    /// `section.key`.
    pub name: &'static str,
    pub(crate) doc: &'static str,
    pub(crate) allowed: fn() -> String,
    /// The default in words; empty where the default itself says it.
    pub(crate) shown_default: &'static str,
    /// Whether the value was one that the key takes.
    pub(crate) set: fn(&mut Config, &Given) -> bool,
    pub(crate) get: fn(&Config) -> Value,
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
            /// The keys that somebody set.
            pub(crate) origins: BTreeMap<&'static str, Origin>,
            pub(crate) options: PluginOptions,
        }

        impl Config {
            /// What holds where nobody said otherwise.
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

/// An enum whose values are words.
macro_rules! choices {
    ($( $(#[doc = $doc:literal])+ $Type:ident { $( $(#[doc = $value_doc:literal])+ $Value:ident = $word:literal, )+ } )+) => {$(
        $(#[doc = $doc])+
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $Type { $( $(#[doc = $value_doc])+ $Value, )+ }

        impl $Type {
            /// As it is written.
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
    /// Who may come in.
    AccessMode {
        /// Whoever has the ticket.
        Ticket = "ticket",
        /// The nodes of `access.allow`.
        List = "list",
        /// Everybody.
        Open = "open",
    }
    /// What a pause does with what is already held.
    Pause {
        /// Silence at once; what is held is kept.
        Hold = "hold",
        /// Nothing more is asked for; what is held plays out.
        Drain = "drain",
    }
    /// What to do when the output's device goes away.
    OnLost {
        /// Go on with the default device.
        Follow = "follow",
        /// Wait for the device to come back.
        Wait = "wait",
    }
    /// How much is logged.
    LogLevel {
        /// Nothing.
        Off = "off",
        /// What failed.
        Error = "error",
        /// And what looks wrong.
        Warn = "warn",
        /// And what happens.
        Info = "info",
        /// And why.
        Debug = "debug",
        /// And every step.
        Trace = "trace",
    }
}

schema! {
    /// This node.
    node: Node {
        /// What this node is called where people see it.
        name: String = |_| host_name(), shown "the host's name, else `media-node`";
        /// The file of this node's secret key. It is made when it is missing, and refused when others can read it.
        key: PathBuf = |sources| sources.data_dir.join("key"), shown "`key` in the platform's data directory";
    }
    /// What is served.
    library: Library {
        /// The files and folders that are served, with all below them.
        paths: Vec<PathBuf> = |_| Vec::new();
        /// Whether links inside the folders are followed. A link can lead out of the folder.
        follow_links: bool = |_| false;
        /// How often the node looks for files that came, went or changed; `0s` is never. It opens only those.
        rescan: Time = |_| Time::from_millis(60_000);
        /// The folder where it keeps what it found for the next start.
        index: Option<PathBuf> = |sources| Some(sources.cache_dir.join("library")), shown "`library` in the platform's cache directory";
    }
    /// Who is served.
    access: Access {
        /// Who may come in: whoever has the ticket, the nodes of `access.allow`, or everybody.
        mode: AccessMode = |_| AccessMode::Ticket;
        /// The nodes that may come in when `access.mode` is `list`.
        allow: Vec<Id52> = |_| Vec::new();
    }
    /// What serving may cost.
    server: Server {
        /// How many bytes of encoded chunks are kept.
        cache: Size = |_| Size::from_bytes(256 << 20);
        /// How many bytes of chunks in lossy codecs are kept on disk as well, for the next start; `0B` is none.
        disk_cache: Size = |_| Size::from_bytes(0);
        /// The folder for them. It can be removed at any time, and several nodes can share it.
        disk_cache_dir: PathBuf = |sources| sources.cache_dir.join("chunks"), shown "`chunks` in the platform's cache directory";
        /// How many threads encode; 0 is one per core.
        encoders: Number<0, 256> = |_| Number::clamped(0);
        /// How many peers may be connected at once; each takes about 150 kB of memory. More are told when to ask again.
        max_peers: Number<1, 65535> = |_| Number::clamped(512);
        /// How many requests of one peer are answered at once.
        max_requests_per_peer: Number<1, 1024> = |_| Number::clamped(8);
        /// How many chunks are encoded ahead of the one asked for.
        encode_ahead: Number<0, 16> = |_| Number::clamped(1);
        /// Where a node that serves writes its figures as JSON, now and then and when it ends.
        stats: Option<PathBuf> = |_| None;
        /// How often it does.
        stats_interval: Time = |_| Time::from_millis(10_000);
        /// Where the figures can be had in the format of Prometheus, as `http://ADDRESS/metrics`: on this machine alone.
        metrics: Local = |_| Local(None);
    }
    /// Which codec a client asks for.
    codec: Codec {
        /// Codecs by id, the best first; or one word. `auto` lets the path decide, `lossless` waits rather than be lossy,
        /// `data-saver` takes 48 kbit/s at most.
        prefer: Vec<PluginId> = |_| vec![PluginId("auto".into())];
        /// The bitrate to ask of a lossy codec.
        bitrate: Bitrate = |_| Bitrate::from_bits(96_000);
        /// How much audio one playing may take in an hour over a relay, with `auto`. As it nears, the bitrate falls; once it
        /// is spent, the lowest is left.
        relay_budget: Size = |_| Size::from_bytes(50_000_000);
        /// The same on every path, with `data-saver`.
        saver_budget: Size = |_| Size::from_bytes(20_000_000);
    }
    /// How much a client holds.
    buffer: Buffer {
        /// The next chunk is asked for while less than this is held.
        target: Time = |_| Time::from_millis(3000);
        /// How far the target may rise, a chunk of 3 s at a time, on a path that proved bad; no more than the target: not at all.
        max: Time = |_| Time::from_millis(12_000);
        /// Sound starts once this much can be decoded; more, up to the target, on a long path and on one that proved to lag behind.
        start: Time = |_| Time::from_millis(120);
        /// Nothing more is asked for once this many bytes are held, however little time they last.
        max_bytes: Size = |_| Size::from_bytes(64 << 20);
    }
    /// How a client plays.
    playback: Playback {
        /// What a pause does: silence at once and what is held is kept, or play out what is held.
        pause: Pause = |_| Pause::Hold;
        /// The volume in percent.
        volume: Number<0, 100> = |_| Number::clamped(100);
        /// What happens when the device goes away: go on with the default device, or wait for it.
        on_lost: OnLost = |_| OnLost::Follow;
        /// How long a node out of reach is tried for before the playing ends; `0s` is without end.
        give_up: Time = |_| Time::from_millis(180_000);
        /// How far a seek key moves.
        seek_step: Time = |_| Time::from_millis(10_000);
    }
    /// Where the sound goes.
    output: Output {
        /// The output as `NAME` or `NAME:TARGET`; `auto` is the default sound device, or `null` where there is none.
        chosen as "use": String = |_| "auto".into();
    }
    /// How nodes reach each other.
    transport: Transport {
        /// The transports by id: one, or a list of those that a node serves on.
        chosen as "use": PluginIds = |_| PluginIds::one("fastn");
    }
    /// Plugins from shared libraries. Their code runs in the node and can do whatever the node can.
    plugins: Plugins {
        /// Folders with libraries, or single libraries, looked at after those of `MEDIA_NODE_PLUGIN_PATH`.
        paths: Vec<PathBuf> = |_| Vec::new();
        /// Codecs, outputs and libraries that are left out, by id, built in or loaded.
        disable: Vec<String> = |_| Vec::new();
        /// Who provides what several have; without a word here what is built in counts, then what was found first.
        prefer: Vec<Pin> = |_| Vec::new();
    }
    /// Figures of a run.
    stats: Stats {
        /// Where a client writes its figures as JSON when it ends.
        file: Option<PathBuf> = |_| None;
    }
    /// What is logged.
    log: Log {
        /// How much is logged, to standard error. `MEDIA_NODE_LOG` takes a finer filter.
        level: LogLevel = |_| LogLevel::Warn;
    }
}

fn host_name() -> String {
    let name = gethostname::gethostname().into_string().ok();
    name.and_then(|name| String::from_text(&name)).unwrap_or_else(|| "media-node".into())
}
