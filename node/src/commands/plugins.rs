//! `plugins inspect` and `plugins check`: a library runs code of its own, so each look at it is in a process of its own.

mod child;

use std::{path::Path, time::Duration};

use media_plugin_conformance::library::{self, How};
use media_plugin_host::Inspected;
use serde::Serialize;

use super::{
    args::Checking,
    context::shown,
    show::{print, print_json, table},
};
use crate::fault::{Exit, Fault, OrFault};

/// How long a library may take to be opened.
const OPENING: Duration = Duration::from_secs(10);

/// `plugins inspect FILE`.
pub(super) fn inspect(file: &Path, as_json: bool, here: bool) -> Result<(), Fault> {
    if here {
        let inspected = media_plugin_host::inspect(file).or_fault(Exit::Failed)?;
        return print([serde_json::to_string(&inspected).or_fault(Exit::Failed)?]);
    }
    let inspected = inspected(file)?;
    if as_json {
        return print_json(&inspected);
    }
    let note = &inspected.note;
    let mut lines = vec![
        format!("{} {}, ABI 1.{}", note.id, note.version, note.abi_minor),
        format!("built by {}", shown(&inspected.build)),
    ];
    let row = |it: &media_plugin_host::Listing| {
        vec![it.kind.to_string(), it.id.clone(), shown(&it.version), shown(&it.description)]
    };
    lines.extend(table(&inspected.plugins.iter().map(row).collect::<Vec<_>>()));
    print(lines)
}

fn inspected(file: &Path) -> Result<Inspected, Fault> {
    let arguments = ["plugins".as_ref(), "inspect".as_ref(), "--here".as_ref(), file.as_os_str()];
    child::answer(&arguments, OPENING)
        .while_doing(Exit::Failed, format!("inspecting the plugin {}", file.display()))
}

#[derive(Serialize)]
struct Report {
    library: Inspected,
    seed: u32,
    checks: Vec<Checked>,
}

#[derive(Serialize)]
struct Checked {
    name: String,
    failure: Option<String>,
}

/// `plugins check FILE`.
pub(super) fn check(checking: &Checking) -> Result<(), Fault> {
    let seed = match checking.seed {
        Some(seed) => seed,
        None => getrandom::u32().while_doing(Exit::Failed, "drawing a seed")?,
    };
    if let Some(name) = &checking.only {
        return check_here(checking, name, seed);
    }
    let library = inspected(&checking.file)?;
    let mut report = Report { library, seed, checks: Vec::new() };
    for name in library::checks(&report.library) {
        let failure = in_a_process(checking, &name, seed);
        if !checking.json {
            let line = failure
                .as_ref()
                .map_or_else(|| format!("ok      {name}"), |why| format!("FAILED  {name}: {}", shown(why)));
            print([line])?;
        }
        report.checks.push(Checked { name, failure });
    }
    if checking.json {
        print_json(&report)?;
    }
    let (all, failed) = (report.checks.len(), report.checks.iter().filter(|it| it.failure.is_some()).count());
    if failed == 0 {
        return Ok(());
    }
    let file = checking.file.display();
    Err(Fault::new(
        Exit::Failed,
        format!("{file} fails {failed} of {all} checks; repeat them with --seed {seed}"),
    ))
}

fn check_here(checking: &Checking, name: &str, seed: u32) -> Result<(), Fault> {
    let how = How { seed: seed.into(), target: &checking.target, options: &checking.options };
    let failure = library::run(&checking.file, name, &how).err().map(|it| it.to_string());
    print([serde_json::to_string(&failure).or_fault(Exit::Failed)?])
}

/// What is wrong, if anything.
fn in_a_process(checking: &Checking, name: &str, seed: u32) -> Option<String> {
    let seed = seed.to_string();
    let mut arguments = ["plugins", "check", "--seed", &seed, "--only", name].map(AsRef::as_ref).to_vec();
    let (target, options) =
        (format!("--target={}", checking.target), format!("--options={}", checking.options));
    arguments.extend([target.as_ref(), options.as_ref(), "--".as_ref(), checking.file.as_os_str()]);
    match child::answer(&arguments, Duration::from_secs(checking.timeout)) {
        Ok(failure) => failure,
        Err(why) => Some(why),
    }
}
