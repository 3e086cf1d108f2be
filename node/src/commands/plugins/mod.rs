//! `plugins list`, `plugins inspect`, `plugins check`. A loaded library runs its own code, so `inspect` and `check` load it in
//! a child process.

mod child_process;

use std::{path::Path, time::Duration};

use media_plugin_conformance::{
    Measurements,
    library::{self, CheckSettings},
};
use media_plugin_host::{LibraryDescription, LibraryFile, Listing, PluginOrigin};
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

/// Prints all plugins. Libraries are read but not loaded, so none of their code runs.
pub(super) fn list(context: &Context, as_json: bool) -> Result<(), ExitError> {
    let mut list = context.registry.list();
    let (libraries, problems) = media_plugin_host::scan(&context.search_path);
    for problem in problems {
        eprintln!("warning: {}", sanitize(&problem.to_string()));
    }
    for LibraryFile { path, note } in &libraries {
        list.extend(note.provides.iter().map(|(kind, id)| Listing {
            kind: *kind,
            id: id.clone(),
            version: note.version.clone(),
            origin: PluginOrigin::Loaded(path.clone()),
            description: format!("from {}", note.id),
        }));
    }
    if as_json {
        return print_json(&list);
    }
    let row = |plugin: &Listing| {
        vec![
            plugin.kind.to_string(),
            plugin.id.clone(),
            sanitize(&plugin.version),
            sanitize(&plugin.origin.to_string()),
            sanitize(&plugin.description),
        ]
    };
    print(table(&list.iter().map(row).collect::<Vec<_>>()))
}

/// Prints the plugins of a library. With `here`, loads it in this process and prints JSON for the parent process.
pub(super) fn inspect(file: &Path, as_json: bool, limit: Duration, here: bool) -> Result<(), ExitError> {
    if here {
        let inspected = media_plugin_host::inspect(file).or_exit(Exit::Failed)?;
        return print([serde_json::to_string(&inspected).or_exit(Exit::Failed)?]);
    }
    let inspected = inspect_in_child(file, limit)?;
    if as_json {
        return print_json(&inspected);
    }
    let note = &inspected.note;
    let mut lines = vec![
        format!("{} {}, ABI 1.{}", note.id, note.version, note.abi_minor),
        format!("built by {}", sanitize(&inspected.build)),
    ];
    let row = |plugin: &Listing| {
        let (version, description) = (sanitize(&plugin.version), sanitize(&plugin.description));
        vec![plugin.kind.to_string(), plugin.id.clone(), version, description]
    };
    lines.extend(table(&inspected.plugins.iter().map(row).collect::<Vec<_>>()));
    print(lines)
}

fn inspect_in_child(file: &Path, limit: Duration) -> Result<LibraryDescription, ExitError> {
    let arguments = ["plugins".as_ref(), "inspect".as_ref(), "--here".as_ref(), file.as_os_str()];
    child_process::answer(&arguments, limit).map_err(|reason| {
        let file = file.display();
        let reason =
            reason.strip_prefix(&format!("plugin library {file} was not loaded: ")).unwrap_or(&reason);
        ExitError::new(Exit::Failed, format!("the plugin {file} cannot be loaded: {reason}"))
    })
}

#[derive(Serialize)]
struct Report {
    library: LibraryDescription,
    seed: u32,
    checks: Vec<CheckResult>,
}

#[derive(Serialize)]
struct CheckResult {
    name: String,
    failure: Option<String>,
    /// Measurements by name.
    figures: Measurements,
}

/// Runs all checks on a library, each in a child process, and prints their results. With `only`, runs one check in this
/// process and prints JSON for the parent process.
pub(super) fn check(options: &CheckOptions) -> Result<(), ExitError> {
    let seed = match options.seed {
        Some(seed) => seed,
        None => getrandom::u32().context(Exit::Failed, "drawing a random seed")?,
    };
    if let Some(name) = &options.only {
        return check_here(options, name, seed);
    }
    let library = inspect_in_child(&options.file, Duration::from_secs(options.timeout))?;
    let mut report = Report { library, seed, checks: Vec::new() };
    for name in library::checks(&report.library) {
        let (failure, figures) = match check_in_child(options, &name, seed) {
            Ok(figures) => (None, figures),
            Err(reason) => (Some(reason), Measurements::new()),
        };
        if !options.json {
            let line = match &failure {
                Some(reason) => format!("FAILED  {name}: {}", sanitize(reason)),
                None => format!("ok      {name}{}", figures_text(&figures)),
            };
            print([line])?;
        }
        report.checks.push(CheckResult { name, failure, figures });
    }
    if options.json {
        print_json(&report)?;
    }
    let count = report.checks.len();
    let failed = report.checks.iter().filter(|check| check.failure.is_some()).count();
    if failed == 0 {
        return Ok(());
    }
    let file = options.file.display();
    let message = format!("{file} fails {failed} of {count} checks; repeat them with --seed {seed}");
    Err(ExitError::new(Exit::Failed, message))
}

fn figures_text(figures: &Measurements) -> String {
    figures.iter().map(|(name, value)| format!("  {name} {value}")).collect()
}

fn check_here(options: &CheckOptions, name: &str, seed: u32) -> Result<(), ExitError> {
    let settings = CheckSettings { seed: seed.into(), target: &options.target, options: &options.options };
    let outcome = library::run(&options.file, name, &settings).map_err(|error| error.to_string());
    print([serde_json::to_string(&outcome).or_exit(Exit::Failed)?])
}

/// Runs one check in a child process. Returns its measurements, or the reason for its failure.
fn check_in_child(options: &CheckOptions, name: &str, seed: u32) -> Result<Measurements, String> {
    let seed = seed.to_string();
    let target = format!("--target={}", options.target);
    let plugin_options = format!("--options={}", options.options);
    let mut arguments = ["plugins", "check", "--seed", &seed, "--only", name].map(AsRef::as_ref).to_vec();
    arguments.extend([target.as_ref(), plugin_options.as_ref(), "--".as_ref(), options.file.as_os_str()]);
    child_process::answer(&arguments, Duration::from_secs(options.timeout)).unwrap_or_else(|reason| {
        let is_memory_fault = ["SIGSEGV", "SIGBUS", "0xc0000005"].iter().any(|name| reason.contains(name));
        let meaning = library::meaning_of_fault(name).filter(|_| is_memory_fault);
        Err(meaning.map_or(reason.clone(), |meaning| format!("{meaning}: {reason}")))
    })
}
