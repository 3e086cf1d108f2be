//! `devices`: outputs and their devices.

use serde_json::json;

use super::{
    Context,
    stdout::{print, print_json, table},
};
use crate::{exit::ExitError, ui::sanitize};

/// Prints every output with its devices. Warns of an output that cannot list its devices.
pub(super) fn run(context: &Context, as_json: bool) -> Result<(), ExitError> {
    let mut rows = Vec::new();
    let mut values = Vec::new();
    for output in context.registry.outputs() {
        let info = output.info();
        let devices = output.devices().unwrap_or_else(|error| {
            eprintln!("warning: listing the devices of {}: {}", info.id, sanitize(&error.to_string()));
            Vec::new()
        });
        rows.push(vec![info.id.clone(), sanitize(&info.description)]);
        for device in &devices {
            let mark = if device.default { "*" } else { " " };
            rows.push(vec![
                format!("{mark} {}:{}", info.id, sanitize(&device.id)),
                sanitize(&device.name),
                join_or_any(&device.rates, "Hz", "any rate"),
                join_or_any(&device.channels, "channels", "any channels"),
            ]);
        }
        values.push(json!({ "output": info, "devices": devices }));
    }
    if as_json { print_json(&values) } else { print(table(&rows)) }
}

/// Formats values with their unit, as `44100/48000 Hz`. Returns `any` if there are no values, which means no limit.
fn join_or_any<T: ToString>(values: &[T], unit: &str, any: &str) -> String {
    if values.is_empty() {
        return any.into();
    }
    format!("{} {unit}", values.iter().map(ToString::to_string).collect::<Vec<_>>().join("/"))
}
