//! Options of plugins: the tables `[codec.ID]`, `[output.ID]` and `[transport.ID]`. Only the plugin knows its
//! options, so the configuration carries them as data.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::{error::Origin, setting::PluginId};

/// A kind of plugin, each with a section of the file for its options.
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

    /// Name of the section.
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

/// The parts of `KIND.ID.OPTION`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct OptionKey {
    pub(crate) kind: PluginKind,
    pub(crate) id: PluginId,
    pub(crate) option: String,
}

impl OptionKey {
    /// Parses a key; `None` if it has another form.
    pub(crate) fn parse(key: &str) -> Option<Self> {
        let (section, rest) = key.split_once('.')?;
        let (id, option) = rest.split_once('.')?;
        if option.is_empty() {
            return None;
        }
        Some(Self { kind: PluginKind::of_section(section)?, id: PluginId::new(id)?, option: option.into() })
    }

    /// `KIND.ID`.
    pub(crate) fn plugin(&self) -> String {
        format!("{}.{}", self.kind.as_str(), self.id.as_str())
    }

    /// `KIND.ID.OPTION`.
    pub(crate) fn name(&self) -> String {
        format!("{}.{}", self.plugin(), self.option)
    }
}

/// The options that the sources set, each with its value and origin.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct PluginOptions(BTreeMap<OptionKey, (Value, Origin)>);

impl PluginOptions {
    pub(crate) fn set(&mut self, key: OptionKey, value: Value, origin: Origin) {
        self.0.insert(key, (value, origin));
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&OptionKey, &Value, &Origin)> + Clone {
        self.0.iter().map(|(key, (value, origin))| (key, value, origin))
    }

    fn of_plugin(
        &self,
        kind: PluginKind,
        id: &str,
    ) -> impl Iterator<Item = (&OptionKey, &Value, &Origin)> + Clone {
        self.iter().filter(move |(key, ..)| key.kind == kind && key.id.as_str() == id)
    }

    /// Returns a plugin's options as a JSON object, or an empty text if it has none.
    pub(crate) fn to_json(&self, kind: PluginKind, id: &str) -> String {
        let options = self.of_plugin(kind, id);
        let table: Map<_, _> = options.map(|(key, value, _)| (key.option.clone(), value.clone())).collect();
        if table.is_empty() { String::new() } else { Value::Object(table).to_string() }
    }

    /// Prefixes a plugin's error message with the option and its origin.
    pub(crate) fn locate_error(&self, kind: PluginKind, id: &str, message: &str) -> String {
        let is_separator = |c: char| !c.is_alphanumeric() && !"_-.".contains(c);
        let options = self.of_plugin(kind, id);
        let first = options.clone().next();
        // The wrong option comes before those that a message suggests.
        let mut words = message.split(is_separator).map(|word| word.trim_matches('.'));
        let named = words.find_map(|word| options.clone().find(|(key, ..)| key.option == word));
        match named.or(first) {
            Some((key, _, origin)) => format!("{origin}: {}: {message}", key.name()),
            None => format!("[{}.{id}]: {message}", kind.as_str()),
        }
    }

    /// Returns each plugin that has options, with the origin of its first option.
    pub(crate) fn plugins(&self) -> impl Iterator<Item = (PluginKind, &str, &Origin)> {
        let mut last = None;
        self.iter().filter_map(move |(key, _, origin)| {
            let plugin = (key.kind, key.id.as_str());
            let is_new = last.replace(plugin) != Some(plugin);
            is_new.then_some((key.kind, key.id.as_str(), origin))
        })
    }
}
