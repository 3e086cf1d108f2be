//! `plugins inspect` and `plugins check`: a library runs code of its own, so each look at it is in a process of its own.

mod child_process;

use std::{path::Path, time::Duration};

use media_plugin_conformance::{
    Figures,
    library::{self, How},
};
use media_plugin_host::{Inspected, Listing, Origin, Scanned};
use serde::Serialize;

use super::{
    Context,
    args::CheckOptions,
    stdout::{print, print_json, table},
};
use crate::{
    exit::{Exit, ExitContext, ExitError},
    ui::sanitize,
};

/// `plugins list`: libraries are read and not opened, so none of their code runs.
pub(super) fn list(context: &Context, as_json: bool) -> Result<(), ExitError> {
    let mut list = context.registry.list();
    let (libraries, problems) = media_plugin_host::scan(&context.folders);
    for problem in problems {
        eprintln!("warning: {}", sanitize(&problem.to_string()));
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
        vec![it.kind.to_string(), it.id.clone(), sanitize(version), sanitize(&origin), sanitize(description)]
    };
    print(table(&list.iter().map(row).collect::<Vec<_>>()))
}

/// `plugins inspect FILE`.
pub(super) fn inspect(file: &Path, as_json: bool, limit: Duration, here: bool) -> Result<(), ExitError> {
    if here {
        let inspected = media_plugin_host::inspect(file).or_exit(Exit::Failed)?;
        return print([serde_json::to_string(&inspected).or_exit(Exit::Failed)?]);
    }
    let inspected = inspected(file, limit)?;
    if as_json {
        return print_json(&inspected);
    }
    let note = &inspected.note;
    let mut lines = vec![
        format!("{} {}, ABI 1.{}", note.id, note.version, note.abi_minor),
        format!("built by {}", sanitize(&inspected.build)),
    ];
    let row = |it: &Listing| {
        vec![it.kind.to_string(), it.id.clone(), sanitize(&it.version), sanitize(&it.description)]
    };
    lines.extend(table(&inspected.plugins.iter().map(row).collect::<Vec<_>>()));
    print(lines)
}

fn inspected(file: &Path, limit: Duration) -> Result<Inspected, ExitError> {
    let arguments = ["plugins".as_ref(), "inspect".as_ref(), "--here".as_ref(), file.as_os_str()];
    child_process::answer(&arguments, limit).map_err(|why| {
        let file = file.display();
        let why = why.strip_prefix(&format!("the plugin {file} is left out: ")).unwrap_or(&why);
        ExitError::new(Exit::Failed, format!("the plugin {file} cannot be loaded: {why}"))
    })
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
    /// What was measured, by name.
    figures: Figures,
}

/// `plugins check FILE`.
pub(super) fn check(options: &CheckOptions) -> Result<(), ExitError> {
    let seed = match options.seed {
        Some(seed) => seed,
        None => getrandom::u32().context(Exit::Failed, "drawing a seed")?,
    };
    if let Some(name) = &options.only {
        return check_here(options, name, seed);
    }
    let library = inspected(&options.file, Duration::from_secs(options.timeout))?;
    let mut report = Report { library, seed, checks: Vec::new() };
    for name in library::checks(&report.library) {
        let (failure, figures) = match in_a_process(options, &name, seed) {
            Ok(figures) => (None, figures),
            Err(why) => (Some(why), Figures::new()),
        };
        if !options.json {
            let line = match &failure {
                Some(why) => format!("FAILED  {name}: {}", sanitize(why)),
                None => format!("ok      {name}{}", told(&figures)),
            };
            print([line])?;
        }
        report.checks.push(Checked { name, failure, figures });
    }
    if options.json {
        print_json(&report)?;
    }
    let (all, failed) = (report.checks.len(), report.checks.iter().filter(|it| it.failure.is_some()).count());
    if failed == 0 {
        return Ok(());
    }
    let file = options.file.display();
    Err(ExitError::new(
        Exit::Failed,
        format!("{file} fails {failed} of {all} checks; repeat them with --seed {seed}"),
    ))
}

fn told(figures: &Figures) -> String {
    figures.iter().map(|(name, value)| format!("  {name} {value}")).collect()
}

fn check_here(options: &CheckOptions, name: &str, seed: u32) -> Result<(), ExitError> {
    let how = How { seed: seed.into(), target: &options.target, options: &options.options };
    let outcome = library::run(&options.file, name, &how).map_err(|it| it.to_string());
    print([serde_json::to_string(&outcome).or_exit(Exit::Failed)?])
}

/// What was measured, or what is wrong.
fn in_a_process(options: &CheckOptions, name: &str, seed: u32) -> Result<Figures, String> {
    let seed = seed.to_string();
    let mut arguments = ["plugins", "check", "--seed", &seed, "--only", name].map(AsRef::as_ref).to_vec();
    let (target, options) =
        (format!("--target={}", options.target), format!("--options={}", options.options));
    arguments.extend([target.as_ref(), options.as_ref(), "--".as_ref(), options.file.as_os_str()]);
    child_process::answer(&arguments, Duration::from_secs(options.timeout)).unwrap_or_else(|why| {
        let fault = ["SIGSEGV", "SIGBUS", "0xc0000005"].iter().any(|it| why.contains(it));
        let meaning = library::meaning_of_fault(name).filter(|_| fault);
        Err(meaning.map_or(why.clone(), |it| format!("{it}: {why}")))
    })
}
