//! The configuration of a media node: schema, defaults, loading, errors.
//!
//! Four sources can set a value. In rising precedence: its default, the file, the environment
//! (`MEDIA_NODE_…`), a flag. Each value keeps its [`Origin`]. `schema.rs` declares the keys; parsing,
//! [`Config::show`], the suggestion in an error and the table in `README.md` derive from it.
//!
//! ```
//! use media_config::{Config, Flag, Sources};
//!
//! let mut sources = Sources::bare("/nowhere/config.toml", "/var/lib/media-node");
//! sources.env.push(("MEDIA_NODE_BUFFER_TARGET".into(), "4s".into()));
//! sources.flags.push(Flag::new("--codec", "codec.prefer", "opus,pcm"));
//! let config = Config::load(&sources)?;
//! assert_eq!(config.buffer.target.get().as_secs(), 4);
//! # Ok::<(), media_config::ConfigError>(())
//! ```

mod error;
mod load;
mod options;
mod schema;
mod setting;
mod sources;
mod toml_value;
mod units;

pub use error::{ConfigError, Origin};
pub use load::ConfigEntry;
pub use options::PluginKind;
pub use schema::*;
pub use setting::{Id52, Local, Number, Pin, PluginId, PluginIds};
pub use sources::{Flag, Sources};
pub use units::{Bitrate, ParseUnitError, Size, Time};
