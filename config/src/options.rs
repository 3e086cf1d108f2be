//! The free tables: `[codec.ID]`, `[output.ID]`, `[transport.ID]`. What stands in them is the plugin's own business; it
//! is carried as data.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{Config, Origin, PluginId};

/// A kind of plugin, and the section where its tables stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PluginKind {
    /// `[codec.ID]`
    Codec,
    /// `[output.ID]`
    Output,
    /// `[transport.ID]`
    Transport,
}

impl PluginKind {
    const ALL: [Self; 3] = [Self::Codec, Self::Output, Self::Transport];

    /// The section's name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Codec => "codec",
            Self::Output => "output",
            Self::Transport => "transport",
        }
    }

    pub(crate) fn of_section(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// `KIND.ID.OPTION`, taken apart.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct OptionKey {
    pub(crate) kind: PluginKind,
    pub(crate) id: PluginId,
    pub(crate) option: String,
}

impl OptionKey {
    /// `None` when `key` is not of that form, or `KIND.ID` is a key of the schema.
    pub(crate) fn parse(key: &str) -> Option<Self> {
        let (section, rest) = key.split_once('.')?;
        let (id, option) = rest.split_once('.')?;
        let taken = crate::KEYS.iter().any(|key| key.name.split_once('.') == Some((section, id)));
        if taken || option.is_empty() {
            return None;
        }
        Some(Self { kind: PluginKind::of_section(section)?, id: PluginId::new(id)?, option: option.into() })
    }

    pub(crate) fn name(&self) -> String {
        format!("{}.{}.{}", self.kind.as_str(), self.id.as_str(), self.option)
    }
}

/// Each option that somebody set, and where.
pub(crate) type PluginOptions = BTreeMap<OptionKey, (Value, Origin)>;

impl Config {
    /// The options of one plugin as one JSON object; empty when there are none.
    #[must_use]
    pub fn plugin_options(&self, kind: PluginKind, id: &str) -> String {
        let of_plugin = |key: &&OptionKey| key.kind == kind && key.id.as_str() == id;
        let keys = self.options.keys().filter(of_plugin);
        let table: serde_json::Map<_, _> =
            keys.map(|key| (key.option.clone(), self.options[key].0.clone())).collect();
        if table.is_empty() { String::new() } else { Value::Object(table).to_string() }
    }

    /// What a plugin has to say about its options, with the key and where it was set: a plugin sees neither file nor line.
    /// The option is the one that the plugin names; where it names none of them, the first that was set.
    #[must_use]
    pub fn blame(&self, kind: PluginKind, id: &str, why: &str) -> String {
        let mut options = self.options.iter().filter(|(key, _)| key.kind == kind && key.id.as_str() == id);
        let first = options.clone().next();
        let is_word = |c: char| c.is_alphanumeric() || "_-.".contains(c);
        let named =
            options.find(|(key, _)| why.split(|c| !is_word(c)).any(|it| it.trim_matches('.') == key.option));
        match named.or(first) {
            Some((key, (_, origin))) => format!("{origin}: {}: {why}", key.name()),
            None => format!("[{}.{id}]: {why}", kind.as_str()),
        }
    }

    /// The plugins that have options, with where the first of them stands: so that the caller, who knows the plugins,
    /// can tell of one that does not exist.
    pub fn configured_plugins(&self) -> impl Iterator<Item = (PluginKind, &str, &Origin)> {
        let mut last = None;
        self.options.iter().filter_map(move |(key, (_, origin))| {
            let plugin = (key.kind, key.id.as_str());
            (last.replace(plugin) != Some(plugin)).then_some((plugin.0, plugin.1, origin))
        })
    }
}
