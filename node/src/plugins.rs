//! The available plugins: built-in ones, and libraries in the plugin folders.
//!
//! This is the only file that names the built-in plugins. Each needs a `use` here: the linker drops a crate that no code
//! names, and the plugin's registration with it.

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

/// The built-in plugins.
#[must_use]
pub fn registry() -> Arc<Registry> {
    Arc::new(Registry::built_in())
}

/// The built-in plugins, and those of the libraries in the folders of `search_path`. Loading a library runs its code.
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

/// The folders with plugin libraries: those of `MEDIA_NODE_PLUGIN_PATH` and the configuration, then the usual ones in the
/// user's data directory and the system.
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
        let count = |kind: &str| list.iter().filter(|plugin| plugin.kind.to_string() == kind).count();
        let codecs = 1 + usize::from(cfg!(feature = "flac")) + usize::from(cfg!(feature = "opus"));
        assert_eq!(count("codec"), codecs, "{list:?}");
        assert_eq!(count("output"), 3 + usize::from(cfg!(feature = "cpal")), "{list:?}");
        assert_eq!(count("transport"), 1 + usize::from(cfg!(feature = "fastn")), "{list:?}");
    }
}
