//! The only file that names built-in plugins: a crate that nothing names vanishes at link time, and its registration with
//! it.

use std::sync::Arc;

use codec_pcm as _;
use media_plugin_host::Registry;
use output_file as _;
use output_null as _;
use transport_memory as _;

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

#[cfg(test)]
mod tests {
    #[test]
    fn all_are_linked_in() {
        let list = super::registry().list();
        let count = |kind: &str| list.iter().filter(|it| it.kind.to_string() == kind).count();
        assert_eq!(count("codec"), 1 + usize::from(cfg!(feature = "opus")), "{list:?}");
        assert_eq!(count("output"), 3 + usize::from(cfg!(feature = "cpal")), "{list:?}");
        assert_eq!(count("transport"), 1 + usize::from(cfg!(feature = "fastn")), "{list:?}");
    }
}
