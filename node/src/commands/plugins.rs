//! `plugins inspect` and `plugins check`: a library runs code of its own, so each look at it is in a process of its own.

mod child;

use std::{path::Path, time::Duration};

use media_plugin_conformance::{
    Measurements,
    library::{self, CheckOptions},
};
use media_plugin_host::LibraryDescription;
use serde::Serialize;

use super::{
    args::Checking,
    context::shown,
    show::{print, print_json, table},
};
use crate::fault::{Exit, Fault, OrFault};

/// `plugins inspect FILE`.
pub(super) fn inspect(file: &Path, as_json: bool, limit: Duration, here: bool) -> Result<(), Fault> {
    if here {
        let inspected = media_plugin_host::inspect(file).or_fault(Exit::Failed)?;
        return print([serde_json::to_string(&inspected).or_fault(Exit::Failed)?]);
    }
    let inspected = inspected(file, limit)?;
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

fn inspected(file: &Path, limit: Duration) -> Result<LibraryDescription, Fault> {
    let arguments = ["plugins".as_ref(), "inspect".as_ref(), "--here".as_ref(), file.as_os_str()];
    child::answer(&arguments, limit).map_err(|why| {
        let file = file.display();
        let why = why.strip_prefix(&format!("plugin library {file} was not loaded: ")).unwrap_or(&why);
        Fault::new(Exit::Failed, format!("the plugin {file} cannot be loaded: {why}"))
    })
}

#[derive(Serialize)]
struct Report {
    library: LibraryDescription,
    seed: u32,
    checks: Vec<Checked>,
}

#[derive(Serialize)]
struct Checked {
    name: String,
    failure: Option<String>,
    /// What was measured, by name.
    figures: Measurements,
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
    let library = inspected(&checking.file, Duration::from_secs(checking.timeout))?;
    let mut report = Report { library, seed, checks: Vec::new() };
    for name in library::checks(&report.library) {
        let (failure, figures) = match in_a_process(checking, &name, seed) {
            Ok(figures) => (None, figures),
            Err(why) => (Some(why), Measurements::new()),
        };
        if !checking.json {
            let line = match &failure {
                Some(why) => format!("FAILED  {name}: {}", shown(why)),
                None => format!("ok      {name}{}", told(&figures)),
            };
            print([line])?;
        }
        report.checks.push(Checked { name, failure, figures });
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

fn told(figures: &Measurements) -> String {
    figures.iter().map(|(name, value)| format!("  {name} {value}")).collect()
}

fn check_here(checking: &Checking, name: &str, seed: u32) -> Result<(), Fault> {
    let how = CheckOptions { seed: seed.into(), target: &checking.target, options: &checking.options };
    let outcome = library::run(&checking.file, name, &how).map_err(|it| it.to_string());
    print([serde_json::to_string(&outcome).or_fault(Exit::Failed)?])
}

/// What was measured, or what is wrong.
fn in_a_process(checking: &Checking, name: &str, seed: u32) -> Result<Measurements, String> {
    let seed = seed.to_string();
    let mut arguments = ["plugins", "check", "--seed", &seed, "--only", name].map(AsRef::as_ref).to_vec();
    let (target, options) =
        (format!("--target={}", checking.target), format!("--options={}", checking.options));
    arguments.extend([target.as_ref(), options.as_ref(), "--".as_ref(), checking.file.as_os_str()]);
    child::answer(&arguments, Duration::from_secs(checking.timeout)).unwrap_or_else(|why| {
        let fault = ["SIGSEGV", "SIGBUS", "0xc0000005"].iter().any(|it| why.contains(it));
        let meaning = library::meaning_of_fault(name).filter(|_| fault);
        Err(meaning.map_or(why.clone(), |it| format!("{it}: {why}")))
    })
}
