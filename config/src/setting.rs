//! Types of values: parsing from the file or from text, and the form in which `config show` prints them.

use std::{net::SocketAddr, path::PathBuf};

use serde_json::Value;

use crate::{
    toml_value::parse_value,
    units::{Bitrate, Size, Time},
};

/// Type of a key's value.
pub(crate) trait Setting: Sized {
    /// Describes the accepted values, in words that can follow "expected".
    fn allowed() -> String;

    /// Parses the text of an environment variable or a flag.
    fn from_text(text: &str) -> Option<Self>;

    /// Converts a value of the file, given as JSON.
    fn from_json(value: &Value) -> Option<Self> {
        Self::from_text(value.as_str()?)
    }

    /// Returns the value in the form that the file has. JSON of strings, numbers, booleans and lists of them
    /// is TOML too.
    fn to_json(&self) -> Value;
}

/// The value that one source has for one key.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Given {
    /// Untyped, from an environment variable or a flag.
    Text(String),
    /// Typed, from the file or from a list of arguments.
    Json(Value),
}

impl Given {
    pub(crate) fn read<T: Setting>(&self) -> Option<T> {
        match self {
            Self::Text(text) => T::from_text(text),
            Self::Json(value) => T::from_json(value),
        }
    }
}

/// Implements [`Setting`] with `FromStr` and `Display`.
macro_rules! textual {
    ($($type:ty: $allowed:expr;)+) => {$(
        impl Setting for $type {
            fn allowed() -> String {
                $allowed.to_string()
            }
            fn from_text(text: &str) -> Option<Self> {
                text.parse().ok()
            }
            fn to_json(&self) -> Value {
                self.to_string().into()
            }
        }
    )+};
}
textual! {
    Time: Time::ALLOWED;
    Size: Size::ALLOWED;
    Bitrate: Bitrate::ALLOWED;
}

impl Setting for bool {
    fn allowed() -> String {
        "true or false".into()
    }
    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok()
    }
    fn from_json(value: &Value) -> Option<Self> {
        value.as_bool()
    }
    fn to_json(&self) -> Value {
        (*self).into()
    }
}

impl Setting for String {
    fn allowed() -> String {
        "text of 1 to 1000 characters on one line".into()
    }
    fn from_text(text: &str) -> Option<Self> {
        let good = (1..=1000).contains(&text.chars().count()) && !text.contains(char::is_control);
        good.then(|| text.into())
    }
    fn to_json(&self) -> Value {
        self.clone().into()
    }
}

impl Setting for PathBuf {
    fn allowed() -> String {
        "a path".into()
    }
    /// Expands `~/` to the home directory, as a shell does.
    fn from_text(text: &str) -> Option<Self> {
        match (text, text.strip_prefix("~/")) {
            ("", _) => None,
            ("~", _) => etcetera::home_dir().ok(),
            (_, Some(below)) => Some(etcetera::home_dir().ok()?.join(below)),
            _ => Some(text.into()),
        }
    }
    fn to_json(&self) -> Value {
        self.to_string_lossy().into()
    }
}

/// A loopback address with a port, or none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Local(pub(crate) Option<SocketAddr>);

impl Local {
    /// Returns the address.
    #[must_use]
    pub const fn get(self) -> Option<SocketAddr> {
        self.0
    }
}

/// Empty text means no address.
impl Setting for Local {
    fn allowed() -> String {
        "a loopback address and a port such as \"127.0.0.1:9190\", or \"\" for none".into()
    }
    fn from_text(text: &str) -> Option<Self> {
        if text.is_empty() {
            return Some(Self(None));
        }
        let address = text.parse().ok().filter(|it: &SocketAddr| it.ip().is_loopback())?;
        Some(Self(Some(address)))
    }
    fn to_json(&self) -> Value {
        self.0.map_or_else(|| "".into(), |address| address.to_string().into())
    }
}

/// Empty text means no path.
impl Setting for Option<PathBuf> {
    fn allowed() -> String {
        "a path, or \"\" for none".into()
    }
    fn from_text(text: &str) -> Option<Self> {
        if text.is_empty() { Some(None) } else { PathBuf::from_text(text).map(Some) }
    }
    fn to_json(&self) -> Value {
        self.as_ref().map_or_else(|| "".into(), Setting::to_json)
    }
}

/// As text either `a,b` or a TOML list, whose items can contain commas.
impl<T: Setting> Setting for Vec<T> {
    fn allowed() -> String {
        format!("a list, each {}", T::allowed())
    }
    fn from_text(text: &str) -> Option<Self> {
        if text.starts_with('[') {
            return Self::from_json(&parse_value(text)?);
        }
        text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(T::from_text).collect()
    }
    fn from_json(value: &Value) -> Option<Self> {
        value.as_array()?.iter().map(T::from_json).collect()
    }
    fn to_json(&self) -> Value {
        self.iter().map(Setting::to_json).collect()
    }
}

/// A whole number from `MIN` to `MAX`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Number<const MIN: u32, const MAX: u32>(u32);

impl<const MIN: u32, const MAX: u32> Number<MIN, MAX> {
    /// Returns `value`, or the nearest limit of the range.
    pub(crate) fn clamped(value: u32) -> Self {
        Self(value.clamp(MIN, MAX))
    }

    /// Returns the number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl<const MIN: u32, const MAX: u32> Setting for Number<MIN, MAX> {
    fn allowed() -> String {
        format!("a whole number from {MIN} to {MAX}")
    }
    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok().filter(|number| (MIN..=MAX).contains(number)).map(Self)
    }
    fn from_json(value: &Value) -> Option<Self> {
        Self::from_text(&value.as_u64()?.to_string())
    }
    fn to_json(&self) -> Value {
        self.0.into()
    }
}

/// Id of a plugin, or a word such as `auto`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PluginId(pub(crate) String);

impl PluginId {
    /// Accepts 1 to 32 of `[a-z0-9-]`.
    pub(crate) fn new(id: &str) -> Option<Self> {
        let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        ((1..=32).contains(&id.len()) && id.chars().all(good)).then(|| Self(id.into()))
    }

    /// Returns the id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Setting for PluginId {
    fn allowed() -> String {
        "a plugin's id (a-z, 0-9, -)".into()
    }
    fn from_text(text: &str) -> Option<Self> {
        Self::new(text)
    }
    fn to_json(&self) -> Value {
        self.0.clone().into()
    }
}

/// Ids of one or more plugins, each once, the preferred one first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginIds {
    first: PluginId,
    others: Vec<PluginId>,
}

impl PluginIds {
    /// Returns `None` if there is no id, or one of them twice.
    fn new(ids: Vec<PluginId>) -> Option<Self> {
        let is_new = |(at, id): (usize, &PluginId)| !ids[..at].contains(id);
        if !ids.iter().enumerate().all(is_new) {
            return None;
        }
        let mut ids = ids.into_iter();
        Some(Self { first: ids.next()?, others: ids.collect() })
    }

    pub(crate) fn one(id: &str) -> Self {
        Self { first: PluginId(id.into()), others: Vec::new() }
    }

    /// Returns the preferred id.
    #[must_use]
    pub const fn first(&self) -> &PluginId {
        &self.first
    }

    /// Returns all ids, the preferred one first.
    pub fn iter(&self) -> impl Iterator<Item = &PluginId> {
        std::iter::once(&self.first).chain(&self.others)
    }
}

/// In the file a string for one id, or a list.
impl Setting for PluginIds {
    fn allowed() -> String {
        format!("{}, or a list of them, each once", PluginId::allowed())
    }
    fn from_text(text: &str) -> Option<Self> {
        Self::new(Vec::from_text(text)?)
    }
    fn from_json(value: &Value) -> Option<Self> {
        match value {
            Value::String(id) => Self::new(vec![PluginId::from_text(id)?]),
            list => Self::new(Vec::from_json(list)?),
        }
    }
    fn to_json(&self) -> Value {
        if self.others.is_empty() {
            self.first.to_json()
        } else {
            self.iter().map(Setting::to_json).collect()
        }
    }
}

/// Chosen provider of a codec or output that several provide: `ID=PROVIDER`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    /// Id of the codec or output.
    pub id: PluginId,
    /// Id of a library, or `built-in`.
    pub provider: String,
}

impl Setting for Pin {
    fn allowed() -> String {
        "`ID=PROVIDER`, the provider a library's id or built-in".into()
    }
    fn from_text(text: &str) -> Option<Self> {
        let (id, provider) = text.split_once('=')?;
        Some(Self { id: PluginId::new(id.trim())?, provider: String::from_text(provider.trim())? })
    }
    fn to_json(&self) -> Value {
        format!("{}={}", self.id.as_str(), self.provider).into()
    }
}

/// Public identity of a node: 52 characters of base 32 with the alphabet of RFC 5155.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Id52(String);

impl Id52 {
    /// Returns the identity with this text, or `None` if it is not 52 characters of `0-9` and `a-v`.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        (text.len() == 52 && text.chars().all(|c| matches!(c, '0'..='9' | 'a'..='v')))
            .then(|| Self(text.into()))
    }

    /// Returns the identity as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Setting for Id52 {
    fn allowed() -> String {
        "an ID52 (52 characters of 0-9 and a-v, as `media-node id` prints)".into()
    }
    fn from_text(text: &str) -> Option<Self> {
        Self::new(text)
    }
    fn to_json(&self) -> Value {
        self.0.clone().into()
    }
}
