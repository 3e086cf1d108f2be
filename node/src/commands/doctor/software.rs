//! The configuration, the plugins and the sound devices.

use super::finding::Finding;
use crate::commands::{Context, codec_choice, config};

/// The configuration, which could be loaded.
pub(super) fn configuration(context: &Context) -> Vec<Finding> {
    let file = context.config_file.display();
    let mut findings = Vec::new();
    let checks = [
        context.check_plugin_options(),
        context.transports().map(drop),
        codec_choice::codec_choice(context).map(drop),
    ];
    findings.extend(
        checks.into_iter().filter_map(Result::err).map(|error| Finding::error("configuration", error)),
    );
    findings.extend(context.unknown_plugins().into_iter().map(|line| Finding::error("configuration", line)));
    findings
        .extend(config::access_warning(&context.config).map(|line| Finding::warning("configuration", line)));
    if findings.is_empty() {
        let exists = context.config_file.exists();
        findings.push(Finding::ok(
            "configuration",
            if exists { file.to_string() } else { format!("the defaults, as there is no {file}") },
        ));
    }
    findings
}

/// The libraries in the plugin folders.
pub(super) fn plugins(context: &Context) -> Vec<Finding> {
    let problems = context.registry.problems();
    if !problems.is_empty() {
        return problems.iter().map(|problem| Finding::error("plugins", problem)).collect();
    }
    let ids = context.registry.list().into_iter().map(|plugin| plugin.id).collect::<Vec<_>>();
    vec![Finding::ok("plugins", ids.join(", "))]
}

/// The output that a player would use.
pub(super) fn sound(context: &Context) -> Finding {
    match context.output() {
        Err(error) => Finding::error("sound", error),
        Ok((_, Some(line))) => {
            Finding::warning("sound", format!("{line}; `media-node devices` lists what there is"))
        }
        Ok((choice, None)) => match choice.plugin.devices() {
            Ok(devices)
                if choice.target.is_empty() || devices.iter().any(|device| device.id == choice.target) =>
            {
                Finding::ok("sound", choice.plugin.info().id)
            }
            // An output that lists no devices takes other targets, as a file.
            Ok(devices) if devices.is_empty() => Finding::ok("sound", choice.plugin.info().id),
            Ok(_) => {
                let text =
                    format!("there is no device {}; `media-node devices` lists what there is", choice.target);
                Finding::error("sound", text)
            }
            Err(error) => Finding::error("sound", error),
        },
    }
}
