//! `config show`, `config check`, `config path`.

use std::path::Path;

use media_config::{ConfigEntry, Sources};
use serde_json::json;

use super::{
    Context, codec_choice,
    stdout::{print, print_json, table},
};
use crate::{
    exit::{Exit, ExitContext, ExitError},
    ui::sanitize,
};

/// Prints every key with its value and the origin of the value.
pub(super) fn show(context: &Context, as_json: bool) -> Result<(), ExitError> {
    let entries = context.config.entries();
    if as_json {
        let values = entries.iter().map(|entry| {
            let value: serde_json::Value = serde_json::from_str(&entry.value).unwrap_or_default();
            json!({ "key": entry.key, "value": value, "origin": entry.origin.to_string(), "doc": entry.doc })
        });
        return print_json(&values.collect::<Vec<_>>());
    }
    let row = |entry: &ConfigEntry| {
        vec![format!("{} = {}", entry.key, sanitize(&entry.value)), entry.origin.to_string()]
    };
    print(table(&entries.iter().map(row).collect::<Vec<_>>()))
}

/// Checks that the loaded configuration names only plugins that exist, and has only options that they accept.
pub(super) fn check(context: &Context) -> Result<(), ExitError> {
    if !context.unknown_plugins().is_empty() {
        let message = "the configuration has options for plugins that do not exist; see the warnings above";
        return Err(ExitError::new(Exit::Usage, message));
    }
    context.check_codec_options()?;
    context.output()?;
    context.transport(None)?;
    codec_choice::codec_choice(context)?;
    let file = context.config_file.display();
    print([if context.config_file.exists() {
        format!("OK: {file}")
    } else {
        format!("OK: the defaults apply, as there is no {file}")
    }])
}

/// Prints the path of the configuration file.
pub(super) fn path(named: Option<&Path>) -> Result<(), ExitError> {
    let sources = Sources::from_process(named).or_exit(Exit::Usage)?;
    print([sources.file.display().to_string()])
}
