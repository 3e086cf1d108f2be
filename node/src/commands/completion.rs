//! Words that complete a command line: names of nodes, ids of plugins and configuration keys.

use clap_complete::CompletionCandidate;
use media_config::{Config, Sources};

use crate::{node_book::NodeBook, plugins};

/// Names of the stored nodes.
pub(super) fn nodes() -> Vec<CompletionCandidate> {
    let book = config().and_then(|config| NodeBook::load(&config.node.key.with_file_name("nodes.json")).ok());
    book.map(|book| book.names()).into_iter().flatten().map(CompletionCandidate::new).collect()
}

/// Codecs, and the words that choose one.
pub(super) fn codecs() -> Vec<CompletionCandidate> {
    let ids = plugins::registry().codecs().map(|codec| codec.info().id).collect::<Vec<_>>();
    candidates(["auto", "lossless", "data-saver"], ids)
}

/// Outputs, and the word that chooses one.
pub(super) fn outputs() -> Vec<CompletionCandidate> {
    candidates(["auto"], plugins::registry().outputs().map(|output| output.info().id))
}

/// Configuration keys with the `=` that a value follows.
pub(super) fn keys() -> Vec<CompletionCandidate> {
    let entries = config().map(|config| config.entries()).unwrap_or_default();
    entries.into_iter().map(|entry| CompletionCandidate::new(entry.key + "=")).collect()
}

/// Transports.
pub(super) fn transports() -> Vec<CompletionCandidate> {
    candidates([], plugins::registry().transports().map(|transport| transport.info().id))
}

fn candidates<const N: usize>(
    words: [&str; N],
    ids: impl IntoIterator<Item = String>,
) -> Vec<CompletionCandidate> {
    words.map(String::from).into_iter().chain(ids).map(CompletionCandidate::new).collect()
}

/// The configuration of this machine, if it can be read. A shell has no use for the error.
fn config() -> Option<Config> {
    Config::load(&Sources::from_process(None).ok()?).ok()
}
