//! Loads the sources into a checked [`Config`], and lists it for `config show`.

use std::{
    fs::File,
    io::{ErrorKind, Read},
    path::Path,
};

use serde_json::Value;
use toml::de::{DeTable, DeValue};

use crate::{
    error::{ConfigError, Origin},
    options::{OptionKey, PluginKind},
    schema::{Config, ENV_PREFIX, KEYS, Key},
    setting::Given,
    sources::{Flag, Sources},
    toml_value::{parse_value, to_json},
};

/// Variables that set no key: the log filter, the configuration file, the folders with plugins.
const ENV_RESERVED: [&str; 3] = ["MEDIA_NODE_LOG", "MEDIA_NODE_CONFIG", "MEDIA_NODE_PLUGIN_PATH"];
/// Greatest size of the file, in bytes. Tested by `a_file_that_is_too_long_or_not_text_is_refused`.
const MAX_FILE: u64 = 1 << 20;
/// Characters of a key or a value that an error quotes. Tested by `an_error_quotes_80_characters`.
const MAX_QUOTED: usize = 80;

/// A line of `config show`.
#[derive(Debug, Clone, PartialEq)]
pub struct ConfigEntry {
    /// The key.
    pub key: String,
    /// Its value, in the form that the file has.
    pub value: String,
    /// Source of the value.
    pub origin: Origin,
    /// Description of the key.
    pub doc: String,
}

impl Config {
    /// Reads the file, then the environment, then the flags.
    ///
    /// # Errors
    /// The first error in the sources. A missing file is an error only if somebody named it.
    pub fn load(sources: &Sources) -> Result<Self, ConfigError> {
        let mut config = Self::defaults(sources);
        if let Some(text) = read(sources)? {
            config.apply_file(&sources.file, &text)?;
        }
        for (name, text) in &sources.env {
            config.apply_env(name, text)?;
        }
        for Flag { name, key, given } in &sources.flags {
            config.apply(key, given, Origin::Flag(name.clone()))?;
        }
        config.check()?;
        Ok(config)
    }

    /// Returns every key in the order of the reference, then every plugin option that is set.
    #[must_use]
    pub fn entries(&self) -> Vec<ConfigEntry> {
        let keys = KEYS.iter().map(|key| ConfigEntry {
            key: key.name.into(),
            value: (key.get)(self).to_string(),
            origin: self.origin(key.name),
            doc: key.doc().into(),
        });
        let options = self.options.iter().map(|(key, value, origin)| ConfigEntry {
            key: key.name(),
            value: value.to_string(),
            origin: origin.clone(),
            doc: format!("An option of the {} plugin {}.", key.kind.as_str(), key.id.as_str()),
        });
        keys.chain(options).collect()
    }

    /// Returns the source of a key's value.
    #[must_use]
    pub fn origin(&self, key: &str) -> Origin {
        self.origins.get(key).cloned().unwrap_or(Origin::Default)
    }

    /// Returns a plugin's options as a JSON object, or an empty text if it has none.
    #[must_use]
    pub fn plugin_options(&self, kind: PluginKind, id: &str) -> String {
        self.options.to_json(kind, id)
    }

    /// Adds the option and its origin to a plugin's error message, since a plugin knows neither file nor line.
    ///
    /// The option is one that the message names, or else the plugin's first.
    #[must_use]
    pub fn locate_option_error(&self, kind: PluginKind, id: &str, message: &str) -> String {
        self.options.locate_error(kind, id, message)
    }

    /// Returns each plugin that has options, with the origin of its first option, so that the caller can
    /// report a plugin that does not exist.
    pub fn configured_plugins(&self) -> impl Iterator<Item = (PluginKind, &str, &Origin)> {
        self.options.plugins()
    }

    fn apply(&mut self, name: &str, given: &Given, origin: Origin) -> Result<(), ConfigError> {
        if let Some(key) = KEYS.iter().find(|key| key.name == name) {
            if !(key.set)(self, given) {
                let key_name = name.into();
                return Err(ConfigError::BadValue {
                    origin,
                    key: key_name,
                    value: quote(given),
                    allowed: key.allowed(),
                });
            }
            self.origins.insert(key.name, origin);
        } else if let Some(key) = option_key(name) {
            let value = match given {
                Given::Json(value) => value.clone(),
                // Text that parses as TOML (10, true, [1, 2]) has that type; any other text is a string.
                Given::Text(text) => parse_value(text).unwrap_or_else(|| text.as_str().into()),
            };
            self.options.set(key, value, origin);
        } else {
            let nearest = nearest(name, KEYS.iter().map(|key| key.name.into()));
            return Err(ConfigError::UnknownKey { origin, key: one_line(name), nearest });
        }
        Ok(())
    }

    fn apply_env(&mut self, name: &str, text: &str) -> Result<(), ConfigError> {
        let Some(rest) = name.strip_prefix(ENV_PREFIX).filter(|_| !ENV_RESERVED.contains(&name)) else {
            return Ok(());
        };
        let origin = Origin::Env(name.into());
        let given = Given::Text(text.into());
        if let Some(key) = KEYS.iter().find(|key| key.env() == name) {
            return self.apply(key.name, &given, origin);
        }
        let option = rest.to_lowercase().replacen('_', ".", 2);
        if option_key(&option).is_some() {
            return self.apply(&option, &given, origin);
        }
        let known = KEYS.iter().map(Key::env).chain(ENV_RESERVED.map(String::from));
        Err(ConfigError::UnknownKey { origin, key: one_line(name), nearest: nearest(name, known) })
    }

    fn apply_file(&mut self, path: &Path, text: &str) -> Result<(), ConfigError> {
        let origin_at = |offset: usize| {
            let line = 1 + text.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count();
            Origin::File { path: path.into(), line }
        };
        let table = DeTable::parse(text).map_err(|error| ConfigError::Syntax {
            origin: origin_at(error.span().map_or(0, |span| span.start)),
            reason: error.message().replace('\n', " "),
        })?;
        let mut found = Vec::new();
        flatten(table.get_ref(), "", &mut found);
        found.sort_by_key(|(_, _, offset)| *offset);
        for (key, given, offset) in found {
            self.apply(&key, &given, origin_at(offset))?;
        }
        Ok(())
    }

    /// Checks the rules between several keys.
    fn check(&self) -> Result<(), ConfigError> {
        let conflict = |key, value: String, rule: String| {
            Err(ConfigError::Conflict { origin: self.origin(key), key, value, rule })
        };
        let start = self.buffer.start;
        let target = self.buffer.target;
        if target.get().is_zero() {
            let rule = "must be above 0s, or the player never requests audio".into();
            return conflict("buffer.target", target.to_string(), rule);
        }
        if start > target {
            // Name the key that somebody set.
            if self.origin("buffer.start") == Origin::Default {
                let rule = format!("must not be below buffer.start, which is {start}");
                return conflict("buffer.target", target.to_string(), rule);
            }
            let rule = format!("must not be above buffer.target, which is {target}");
            return conflict("buffer.start", start.to_string(), rule);
        }
        Ok(())
    }
}

/// Parses the key of a plugin's option. A key below a key of the schema, such as `codec.prefer.x`, is not one.
fn option_key(name: &str) -> Option<OptionKey> {
    OptionKey::parse(name).filter(|option| !KEYS.iter().any(|key| key.name == option.plugin()))
}

/// Reads the file; `None` if it does not exist and nobody named it.
fn read(sources: &Sources) -> Result<Option<String>, ConfigError> {
    let failed = |reason: String| ConfigError::Read { path: sources.file.clone(), reason };
    let file = match File::open(&sources.file) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound && !sources.file_is_named => return Ok(None),
        Err(error) => return Err(failed(error.to_string())),
    };
    let mut text = String::new();
    file.take(MAX_FILE + 1).read_to_string(&mut text).map_err(|error| failed(error.to_string()))?;
    if text.len() as u64 > MAX_FILE {
        return Err(failed(format!("it is longer than {MAX_FILE} bytes")));
    }
    Ok(Some(text))
}

/// Lists the keys of `table`, each with its value and its offset in bytes. It enters sections and the tables
/// of plugins; any other table is a value.
fn flatten(table: &DeTable<'_>, parent: &str, found: &mut Vec<(String, Given, usize)>) {
    for (name, value) in table {
        let offset = name.span().start;
        let name = name.get_ref();
        let key = if parent.is_empty() { name.to_string() } else { format!("{parent}.{name}") };
        match value.get_ref() {
            DeValue::Table(table) if is_section(parent, &key, table) => flatten(table, &key, found),
            value => found.push((key, Given::Json(to_json(value)), offset)),
        }
    }
}

/// True if the table `key` holds keys or options. An unknown section counts too, so that the error names the
/// key in it; if it is empty, the error names the section.
fn is_section(parent: &str, key: &str, table: &DeTable<'_>) -> bool {
    if parent.is_empty() {
        let is_known = KEYS.iter().any(|known| known.name.split('.').next() == Some(key));
        return is_known || !table.is_empty();
    }
    PluginKind::of_section(parent).is_some() && !KEYS.iter().any(|known| known.name == key)
}

fn quote(given: &Given) -> String {
    match given {
        Given::Text(text) => one_line(&Value::from(text.as_str()).to_string()),
        Given::Json(value) => one_line(&value.to_string()),
    }
}

/// Replaces control characters and cuts long text, for an error message.
fn one_line(text: &str) -> String {
    let printable = |c: char| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c };
    let mut short: String = text.chars().map(printable).take(MAX_QUOTED).collect();
    if text.chars().count() > MAX_QUOTED {
        short.push('…');
    }
    short
}

/// Returns the most similar name of `known`. A name without a section is compared to the part after the
/// section too.
fn nearest(name: &str, known: impl Iterator<Item = String>) -> String {
    let similarity = |known: &String| {
        let end = known.split_once('.').filter(|_| !name.contains('.')).map_or("", |(_, end)| end);
        strsim::jaro_winkler(name, known).max(strsim::jaro_winkler(name, end))
    };
    known.max_by(|a, b| similarity(a).total_cmp(&similarity(b))).unwrap_or_default()
}
