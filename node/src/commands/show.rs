//! The commands that look and print.

use std::{
    io::{self, Write},
    path::Path,
};

use media_config::Sources;
use media_plugin_host::{Listing, Origin, Scanned};
use media_protocol::{ListPage, Track};
use serde::Serialize;
use serde_json::json;

use super::{
    Context,
    context::{shown, ticket},
};
use crate::fault::{Exit, Fault, OrFault};

/// Standard output that may be a closed pipe: `ls … | head` is no error.
pub(super) fn print(lines: impl IntoIterator<Item = String>) -> Result<(), Fault> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    for line in lines {
        match writeln!(out, "{line}") {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            written => written.while_doing(Exit::Failed, "writing to standard output")?,
        }
    }
    match out.flush() {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        flushed => flushed.while_doing(Exit::Failed, "writing to standard output"),
    }
}

pub(super) fn print_json(value: &impl Serialize) -> Result<(), Fault> {
    print([serde_json::to_string_pretty(value).or_fault(Exit::Failed)?])
}

/// Columns as wide as their widest cell.
pub(super) fn table(rows: &[Vec<String>]) -> Vec<String> {
    use unicode_width::UnicodeWidthStr;
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|it| it.width()).max();
    let widths: Vec<_> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let pad = |(cell, width): (&String, &usize)| format!("{cell}{}", " ".repeat(width - cell.width()));
    rows.iter()
        .map(|row| row.iter().zip(&widths).map(pad).collect::<Vec<_>>().join("  ").trim_end().to_owned())
        .collect()
}

/// `ls TICKET`.
pub(super) async fn list(context: &Context, text: &str, words: &str, as_json: bool) -> Result<(), Fault> {
    let (dial, _) = context.dial(&ticket(text)?).await?;
    let found = Context::catalog(&dial, words).await;
    dial.close().await;
    let ListPage { tracks, scanning, .. } = found?;
    if let Some(count) = scanning {
        eprintln!("the node is still looking: {count} tracks so far");
    }
    if as_json {
        return print_json(&tracks);
    }
    let row = |track: &Track| {
        let seconds = track.duration_ms.div_ceil(1000);
        vec![
            track.number.to_string(),
            track.id.to_string(),
            shown(&track.artist),
            shown(&track.title),
            format!("{}:{:02}", seconds / 60, seconds % 60),
            shown(&track.source.to_string()),
        ]
    };
    print(table(&tracks.iter().map(row).collect::<Vec<_>>()))
}

/// `devices`.
pub(super) fn devices(context: &Context, as_json: bool) -> Result<(), Fault> {
    let mut rows = Vec::new();
    let mut values = Vec::new();
    for output in context.registry.outputs() {
        let info = output.info();
        let devices = output.devices();
        if let Err(error) = &devices {
            eprintln!("warning: asking {} for its devices: {error}", info.id);
        }
        let devices = devices.unwrap_or_default();
        rows.push(vec![info.id.clone(), shown(&info.description)]);
        for device in &devices {
            let mark = if device.default { "*" } else { " " };
            rows.push(vec![
                format!("{mark} {}:{}", info.id, shown(&device.id)),
                shown(&device.name),
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

/// `plugins list`: libraries are read and not opened, so none of their code runs.
pub(super) fn plugins(context: &Context, as_json: bool) -> Result<(), Fault> {
    let mut list = context.registry.list();
    let (libraries, problems) = media_plugin_host::scan(&context.folders);
    for problem in problems {
        eprintln!("warning: {}", shown(&problem.to_string()));
    }
    for Scanned { path, note } in &libraries {
        list.extend(note.provides.iter().map(|(kind, id)| Listing {
            kind: *kind,
            id: id.clone(),
            version: note.version.clone(),
            origin: Origin::Loaded(path.clone()),
            description: format!("of {}", note.id),
        }));
    }
    if as_json {
        return print_json(&list);
    }
    let row = |it: &Listing| {
        let (version, origin, description) = (&it.version, it.origin.to_string(), &it.description);
        vec![it.kind.to_string(), it.id.clone(), shown(version), shown(&origin), shown(description)]
    };
    print(table(&list.iter().map(row).collect::<Vec<_>>()))
}

/// `config show`.
pub(super) fn config(context: &Context, as_json: bool) -> Result<(), Fault> {
    let shown_keys = context.config.show();
    if as_json {
        let values = shown_keys.iter().map(|it| {
            let value: serde_json::Value = serde_json::from_str(&it.value).unwrap_or_default();
            json!({ "key": it.key, "value": value, "origin": it.origin.to_string(), "doc": it.doc })
        });
        return print_json(&values.collect::<Vec<_>>());
    }
    let row = |it: &media_config::ConfigEntry| {
        vec![format!("{} = {}", it.key, shown(&it.value)), it.origin.to_string()]
    };
    print(table(&shown_keys.iter().map(row).collect::<Vec<_>>()))
}

/// `config check`: that we are here means that all of it could be read; whether it names what there is, is left to see.
pub(super) fn config_check(context: &Context) -> Result<(), Fault> {
    if !context.unknown_plugins().is_empty() {
        return Err(Fault::new(Exit::Usage, "the configuration has options for plugins that do not exist"));
    }
    context.check_codec_options()?;
    context.output()?;
    context.transport(None)?;
    super::codec::choice(context)?;
    print(["the configuration is sound".into()])
}

/// `config path`.
pub(super) fn config_path(named: Option<&Path>) -> Result<(), Fault> {
    let sources = Sources::from_process(named).or_fault(Exit::Usage)?;
    print([sources.file.display().to_string()])
}

/// `id`.
pub(super) fn id(context: &Context) -> Result<(), Fault> {
    let (key, transport) = (context.key()?, context.transport(None)?);
    print([
        format!("id   {}", transport.identity(&key.0)),
        format!("key  {}", context.config.node.key.display()),
    ])
}
