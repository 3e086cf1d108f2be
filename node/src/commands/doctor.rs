//! `doctor`: examines the node of this machine, and prints one line for each subject. It changes nothing and prints no
//! secret.

mod files;
mod finding;
mod network;
mod software;

use std::path::Path;

use media_config::Flag;

use self::finding::{Finding, Severity};
use super::{
    Context,
    args::VERSION,
    stdout::{print, print_json, table},
};
use crate::{
    exit::{Exit, ExitError},
    ui::sanitize,
};

/// Examines the node with this configuration file and these flags. The exit code is not 0 if a finding is an error.
pub(super) fn run(file: Option<&Path>, flags: Vec<Flag>, as_json: bool) -> Result<(), ExitError> {
    let mut findings = vec![Finding::ok("version", format!("media-node {VERSION}"))];
    match Context::load_quietly(file, flags, true) {
        Ok(context) => findings.extend(examine(&context)?),
        Err(error) => findings.push(Finding::error(
            "configuration",
            format!("{}; correct it, then run `media-node doctor` again", error.message),
        )),
    }
    let errors = findings.iter().filter(|finding| finding.severity == Severity::Error).count();
    if as_json {
        print_json(&findings)?;
    } else {
        let row = |finding: &Finding| {
            vec![finding.severity.to_string(), finding.subject.to_owned(), sanitize(&finding.text)]
        };
        print(table(&findings.iter().map(row).collect::<Vec<_>>()))?;
    }
    match errors {
        0 => Ok(()),
        1 => Err(ExitError::new(Exit::Failed, "the doctor has found an error; see its line above")),
        count => Err(ExitError::new(
            Exit::Failed,
            format!("the doctor has found {count} errors; see their lines above"),
        )),
    }
}

fn examine(context: &Context) -> Result<Vec<Finding>, ExitError> {
    let mut findings = software::configuration(context);
    findings.extend(files::key(&context.config.node.key));
    findings.extend(files::state(context));
    findings.extend(files::library(&context.config.library.paths));
    findings.extend(files::disks(context));
    findings.extend(software::plugins(context));
    findings.push(software::sound(context));
    let mut on_network = Vec::new();
    context.block_on(async {
        on_network = network::examine(context).await;
        Ok(())
    })?;
    findings.extend(on_network);
    Ok(findings)
}
