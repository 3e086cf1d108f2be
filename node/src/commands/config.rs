//! `config show`, `config check`, `config path`.

use std::path::Path;

use media_config::{AccessMode, Config, ConfigEntry, Sources};
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

/// Checks that the loaded configuration names only plugins that exist, and has only options that they accept. Warns of folders
/// that do not exist and of an empty list of nodes to admit.
pub(super) fn check(context: &Context) -> Result<(), ExitError> {
    if !context.unknown_plugins().is_empty() {
        let message = "the configuration has options for plugins that do not exist; see the warnings above";
        return Err(ExitError::new(Exit::Usage, message));
    }
    context.check_plugin_options()?;
    context.output()?;
    context.transports()?;
    codec_choice::codec_choice(context)?;
    for line in warnings(&context.config) {
        eprintln!("warning: {}", sanitize(&line));
    }
    let file = context.config_file.display();
    print([if context.config_file.exists() {
        format!("OK: {file}")
    } else {
        format!("OK: the defaults apply, as there is no {file}")
    }])
}

/// One line for each setting that is valid and yet cannot be meant.
fn warnings(config: &Config) -> Vec<String> {
    let folders = [("library.paths", &config.library.paths), ("plugins.paths", &config.plugins.paths)];
    let missing = folders.into_iter().flat_map(|(key, paths)| {
        let missing = paths.iter().filter(|path| !path.exists());
        missing.map(move |path| format!("{}: {key}: there is no {}", config.origin(key), path.display()))
    });
    missing.chain(access_warning(config)).collect()
}

/// A line if the configuration admits nobody.
pub(super) fn access_warning(config: &Config) -> Option<String> {
    let admits_nobody = config.access.mode == AccessMode::List && config.access.allow.is_empty();
    let origin = config.origin("access.mode");
    admits_nobody.then(|| {
        format!("{origin}: access.mode is \"list\" and access.allow is empty, so the node admits nobody")
    })
}

/// Prints the path of the configuration file.
pub(super) fn path(named: Option<&Path>) -> Result<(), ExitError> {
    let sources = Sources::from_process(named).or_exit(Exit::Usage)?;
    print([sources.file.display().to_string()])
}
