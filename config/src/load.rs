//! From the sources to a checked configuration, and from there to `config show`.

use std::{
    fs::File,
    io::{ErrorKind, Read},
    path::Path,
};

use serde_json::Value;
use toml::de::{DeTable, DeValue};

use crate::{
    Config, ConfigError, Flag, KEYS, Key, Origin, Sources,
    options::{OptionKey, PluginKind},
    setting::Given,
};

const ENV_PREFIX: &str = "MEDIA_NODE_";
/// Variables that are no keys: the log filter, the file, where plugins are looked for.
const ENV_RESERVED: [&str; 3] = ["MEDIA_NODE_LOG", "MEDIA_NODE_CONFIG", "MEDIA_NODE_PLUGIN_PATH"];
/// The longest file, in bytes.
const MAX_FILE: u64 = 1 << 20;
/// The most of a key or a value that an error quotes, in characters.
const QUOTED: usize = 80;

/// A line of `config show`.
#[derive(Debug, Clone, PartialEq)]
pub struct ConfigEntry {
    /// The key.
    pub key: String,
    /// Its value as it would stand in the file.
    pub value: String,
    /// Who set it.
    pub origin: Origin,
    /// What it means.
    pub doc: String,
}

impl Key {
    /// What it means, in a sentence or two.
    #[must_use]
    pub fn doc(&self) -> &'static str {
        self.doc.trim()
    }

    /// The values that it takes.
    #[must_use]
    pub fn allowed(&self) -> String {
        (self.allowed)()
    }

    /// Its environment variable.
    #[must_use]
    pub fn env(&self) -> String {
        format!("{ENV_PREFIX}{}", self.name.to_uppercase().replace('.', "_"))
    }

    /// Its default as it would stand in the file, or in words where that depends on the machine.
    #[must_use]
    pub fn default_text(&self) -> String {
        if self.shown_default.is_empty() {
            return format!("`{}`", (self.get)(&Config::defaults(&Sources::bare("", ""))));
        }
        self.shown_default.into()
    }
}

impl Config {
    /// Reads the file, then the environment, then the flags.
    ///
    /// # Errors
    /// The first thing wrong. A file that is missing is an error only when it was named.
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

    /// Every key in the order of the reference, then every plugin option that is set.
    #[must_use]
    pub fn entries(&self) -> Vec<ConfigEntry> {
        let keys = KEYS.iter().map(|key| ConfigEntry {
            key: key.name.into(),
            value: (key.get)(self).to_string(),
            origin: self.origin(key.name),
            doc: key.doc().into(),
        });
        let options = self.options.iter().map(|(key, (value, origin))| ConfigEntry {
            key: key.name(),
            value: value.to_string(),
            origin: origin.clone(),
            doc: format!("An option of the {} plugin {}.", key.kind.as_str(), key.id.as_str()),
        });
        keys.chain(options).collect()
    }

    /// Who set `key`.
    #[must_use]
    pub fn origin(&self, key: &str) -> Origin {
        self.origins.get(key).cloned().unwrap_or(Origin::Default)
    }

    fn apply(&mut self, name: &str, given: &Given, origin: Origin) -> Result<(), ConfigError> {
        if let Some(key) = KEYS.iter().find(|key| key.name == name) {
            if !(key.set)(self, given) {
                let (key, value, allowed) = (name.into(), quote(given), key.allowed());
                return Err(ConfigError::BadValue { origin, key, value, allowed });
            }
            self.origins.insert(key.name, origin);
        } else if let Some(key) = OptionKey::parse(name) {
            let value = match given {
                Given::Json(value) => value.clone(),
                // Text that is a TOML value (10, true, [1, 2]) is that, any other is a string.
                Given::Text(text) => parse_value(text).unwrap_or_else(|| text.as_str().into()),
            };
            self.options.insert(key, (value, origin));
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
        if OptionKey::parse(&option).is_some() {
            return self.apply(&option, &given, origin);
        }
        let known = KEYS.iter().map(Key::env).chain(ENV_RESERVED.map(String::from));
        Err(ConfigError::UnknownKey { origin, key: one_line(name), nearest: nearest(name, known) })
    }

    fn apply_file(&mut self, path: &Path, text: &str) -> Result<(), ConfigError> {
        let at = |offset: usize| {
            let line = 1 + text.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count();
            Origin::File { path: path.into(), line }
        };
        let table = DeTable::parse(text).map_err(|error| ConfigError::Syntax {
            origin: at(error.span().map_or(0, |span| span.start)),
            reason: error.message().replace('\n', " "),
        })?;
        let mut found = Vec::new();
        flatten(table.get_ref(), "", &mut found);
        found.sort_by_key(|(_, _, offset)| *offset);
        for (key, given, offset) in found {
            self.apply(&key, &given, at(offset))?;
        }
        Ok(())
    }

    /// What no single value can tell.
    fn check(&self) -> Result<(), ConfigError> {
        let conflict = |key, value: String, rule: String| {
            Err(ConfigError::Conflict { origin: self.origin(key), key, value, rule })
        };
        let (start, target) = (self.buffer.start, self.buffer.target);
        if target.get().is_zero() {
            return conflict("buffer.target", target.to_string(), "nothing would ever be asked for".into());
        }
        if start > target {
            // Name the one that somebody set.
            if self.origin("buffer.start") == Origin::Default {
                let rule = format!("less than buffer.start, which is {start}");
                return conflict("buffer.target", target.to_string(), rule);
            }
            let rule = format!("more than buffer.target, which is {target}");
            return conflict("buffer.start", start.to_string(), rule);
        }
        Ok(())
    }
}

/// `None` when there is no file and none was named.
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

/// The keys of `table`, with the byte where each stands. A table is opened where it is a section, or a plugin's options
/// in its section; anywhere else it is a value.
fn flatten(table: &DeTable<'_>, parent: &str, found: &mut Vec<(String, Given, usize)>) {
    for (name, value) in table {
        let (name, at) = (name.get_ref(), name.span().start);
        let key = if parent.is_empty() { name.to_string() } else { format!("{parent}.{name}") };
        match value.get_ref() {
            DeValue::Table(table) if opens(parent, &key, table) => flatten(table, &key, found),
            value => found.push((key, Given::Json(to_json(value)), at)),
        }
    }
}

/// An unknown section is opened too, so that the error names the key in it; an empty one is the error itself.
fn opens(parent: &str, key: &str, table: &DeTable<'_>) -> bool {
    if parent.is_empty() {
        let is_section = KEYS.iter().any(|known| known.name.split('.').next() == Some(key));
        return is_section || !table.is_empty();
    }
    PluginKind::of_section(parent).is_some() && !KEYS.iter().any(|known| known.name == key)
}

pub(crate) fn parse_value(text: &str) -> Option<Value> {
    DeValue::parse(text).ok().map(|value| to_json(value.get_ref()))
}

/// Dates, and numbers that JSON lacks, become text.
fn to_json(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => text.as_ref().into(),
        DeValue::Boolean(value) => (*value).into(),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or_else(|_| number.to_string().into(), Value::from),
        DeValue::Float(number) => {
            let value = number.as_str().parse().ok().and_then(serde_json::Number::from_f64);
            value.map_or_else(|| number.to_string().into(), Value::Number)
        }
        DeValue::Datetime(time) => time.to_string().into(),
        DeValue::Array(items) => items.iter().map(|item| to_json(item.get_ref())).collect(),
        DeValue::Table(table) => {
            table.iter().map(|(name, value)| (name.get_ref().to_string(), to_json(value.get_ref()))).collect()
        }
    }
}

fn quote(given: &Given) -> String {
    match given {
        Given::Text(text) => one_line(&Value::from(text.as_str()).to_string()),
        Given::Json(value) => one_line(&value.to_string()),
    }
}

/// `text` fit for an error: no control characters, cut short if long.
fn one_line(text: &str) -> String {
    let clean = |c: char| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c };
    let mut short: String = text.chars().map(clean).take(QUOTED).collect();
    if text.chars().count() > QUOTED {
        short.push('…');
    }
    short
}

/// The one of `known` that looks most like `name`; where `name` has no section, like the end of it.
fn nearest(name: &str, known: impl Iterator<Item = String>) -> String {
    let likeness = |known: &String| {
        let end = known.split_once('.').filter(|_| !name.contains('.')).map_or("", |(_, end)| end);
        strsim::jaro_winkler(name, known).max(strsim::jaro_winkler(name, end))
    };
    known.max_by(|a, b| likeness(a).total_cmp(&likeness(b))).unwrap_or_default()
}
