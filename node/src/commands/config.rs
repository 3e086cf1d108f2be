use std::path::Path;

use media_config::Sources;
use serde_json::json;

use super::{
    Context, codec_choice,
    stdout::{print, print_json, table},
};
use crate::{
    exit::{Exit, ExitContext, ExitError},
    ui::sanitize,
};

/// `config show`.
pub(super) fn show(context: &Context, as_json: bool) -> Result<(), ExitError> {
    let shown_keys = context.config.entries();
    if as_json {
        let values = shown_keys.iter().map(|it| {
            let value: serde_json::Value = serde_json::from_str(&it.value).unwrap_or_default();
            json!({ "key": it.key, "value": value, "origin": it.origin.to_string(), "doc": it.doc })
        });
        return print_json(&values.collect::<Vec<_>>());
    }
    let row = |it: &media_config::ConfigEntry| {
        vec![format!("{} = {}", it.key, sanitize(&it.value)), it.origin.to_string()]
    };
    print(table(&shown_keys.iter().map(row).collect::<Vec<_>>()))
}

/// `config check`: that we are here means that all of it could be read; whether it names what there is, is left to see.
pub(super) fn check(context: &Context) -> Result<(), ExitError> {
    if !context.unknown_plugins().is_empty() {
        return Err(ExitError::new(
            Exit::Usage,
            "the configuration has options for plugins that do not exist",
        ));
    }
    context.check_codec_options()?;
    context.output()?;
    context.transport(None)?;
    codec_choice::choice(context)?;
    print(["the configuration is sound".into()])
}

/// `config path`.
pub(super) fn path(named: Option<&Path>) -> Result<(), ExitError> {
    let sources = Sources::from_process(named).or_exit(Exit::Usage)?;
    print([sources.file.display().to_string()])
}
