//! Which plugins there are: the only file that names those that are built in (a crate that nothing names vanishes at link
//! time, and its registration with it), and where others are looked for.

use std::{env, path::PathBuf, sync::Arc};

use codec_pcm as _;
use media_config::{Config, Sources};
use media_plugin_host::{Registry, SearchPath};
use output_file as _;
use output_null as _;
use transport_memory as _;

#[cfg(feature = "flac")]
use codec_flac as _;
#[cfg(feature = "opus")]
use codec_opus as _;
#[cfg(feature = "cpal")]
use output_cpal as _;
#[cfg(feature = "fastn")]
use transport_fastn as _;

/// All that is built in.
#[must_use]
pub fn registry() -> Arc<Registry> {
    Arc::new(Registry::built_in())
}

/// All that is built in, and what the libraries of this person and of the system have.
#[must_use]
pub fn loaded(config: &Config, search_path: &SearchPath) -> Arc<Registry> {
    let plugins = &config.plugins;
    let pins = plugins.prefer.iter().map(|pin| (pin.id.as_str().to_owned(), pin.provider.clone()));
    Arc::new(Registry::load(&media_plugin_host::LoadOptions {
        search_path: search_path.clone(),
        disable: plugins.disable.clone(),
        prefer: pins.collect(),
    }))
}

/// Where libraries are looked for: `MEDIA_NODE_PLUGIN_PATH`, the configuration, the person's data, the system.
#[must_use]
pub fn search_path(config: &Config, sources: &Sources) -> SearchPath {
    let from_env = env::var_os("MEDIA_NODE_PLUGIN_PATH").unwrap_or_default();
    let from_env = env::split_paths(&from_env).filter(|path| !path.as_os_str().is_empty());
    let mut standard = vec![sources.data_dir.join("plugins")];
    if cfg!(unix) {
        standard.push(PathBuf::from("/usr/lib/media-node/plugins"));
    }
    SearchPath { named: from_env.chain(config.plugins.paths.iter().cloned()).collect(), standard }
}

#[cfg(test)]
mod tests {
    #[test]
    fn all_are_linked_in() {
        let list = super::registry().list();
        let count = |kind: &str| list.iter().filter(|it| it.kind.to_string() == kind).count();
        let codecs = 1 + usize::from(cfg!(feature = "flac")) + usize::from(cfg!(feature = "opus"));
        assert_eq!(count("codec"), codecs, "{list:?}");
        assert_eq!(count("output"), 3 + usize::from(cfg!(feature = "cpal")), "{list:?}");
        assert_eq!(count("transport"), 1 + usize::from(cfg!(feature = "fastn")), "{list:?}");
    }
}
