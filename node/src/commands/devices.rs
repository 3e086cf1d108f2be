use serde_json::json;

use super::{
    Context,
    stdout::{print, print_json, table},
};
use crate::{exit::ExitError, ui::sanitize};

/// `devices`.
pub(super) fn run(context: &Context, as_json: bool) -> Result<(), ExitError> {
    let mut rows = Vec::new();
    let mut values = Vec::new();
    for output in context.registry.outputs() {
        let info = output.info();
        let devices = output.devices();
        if let Err(error) = &devices {
            eprintln!("warning: asking {} for its devices: {error}", info.id);
        }
        let devices = devices.unwrap_or_default();
        rows.push(vec![info.id.clone(), sanitize(&info.description)]);
        for device in &devices {
            let mark = if device.default { "*" } else { " " };
            rows.push(vec![
                format!("{mark} {}:{}", info.id, sanitize(&device.id)),
                sanitize(&device.name),
                any(&device.rates, " Hz"),
                any(&device.channels, " channels"),
            ]);
        }
        values.push(json!({ "output": info, "devices": devices }));
    }
    if as_json { print_json(&values) } else { print(table(&rows)) }
}

fn any<T: ToString>(values: &[T], unit: &str) -> String {
    if values.is_empty() {
        return format!("any{}", unit.replace("Hz", "rate"));
    }
    values.iter().map(ToString::to_string).collect::<Vec<_>>().join("/") + unit
}
