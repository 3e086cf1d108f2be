//! `man`: manual pages, one for the program and one for each command. For packages.

use std::{fs, path::Path};

use clap::{Command, CommandFactory};
use clap_mangen::{
    Man,
    roff::{Roff, bold, roman},
};

use super::args::Arguments;
use crate::{
    exit::{Exit, ExitContext, ExitError},
    ui::KEYS,
};

/// The page of the documentation that lists the exit codes, each in a row of a table.
const EXIT_CODES: &str = include_str!("../../docs/exit-codes.md");

const ENVIRONMENT: [(&str, &str); 5] = [
    ("MEDIA_NODE_CONFIG", "Configuration file to read in place of the default one."),
    ("MEDIA_NODE_PLUGIN_PATH", "Folders with plugin libraries, separated by colons."),
    ("MEDIA_NODE_LOG", "Filter of the log, as in media_node=debug."),
    (
        "MEDIA_NODE_SECTION_KEY",
        "Sets the configuration key section.key, as MEDIA_NODE_BUFFER_TARGET sets buffer.target.",
    ),
    ("NOTIFY_SOCKET, WATCHDOG_USEC", "Set by systemd. `serve` then reports its state to it."),
];

/// Writes all pages into a folder.
pub(super) fn write(folder: &Path) -> Result<(), ExitError> {
    let mut command = Arguments::command().disable_help_subcommand(true);
    command.build();
    fs::create_dir_all(folder).context(Exit::Failed, format!("creating {}", folder.display()))?;
    write_page(folder, &command, "media-node")
}

/// Writes the page of a command, and those of its subcommands.
fn write_page(folder: &Path, command: &Command, name: &str) -> Result<(), ExitError> {
    let file = folder.join(format!("{name}.1"));
    let page = page(command, name).context(Exit::Failed, format!("writing the page {name}"))?;
    fs::write(&file, page).context(Exit::Failed, format!("writing {}", file.display()))?;
    let subcommands = command.get_subcommands().filter(|command| !command.is_hide_set());
    subcommands.into_iter().try_for_each(|sub| write_page(folder, sub, &format!("{name}-{}", sub.get_name())))
}

fn page(command: &Command, name: &str) -> std::io::Result<Vec<u8>> {
    let title = command.clone().name(name.to_owned()).display_name(name.to_owned());
    // The examples have a section of their own.
    let man = Man::new(title.after_help("")).manual("media-node");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    if command.get_arguments().any(|argument| !argument.is_hide_set()) {
        man.render_options_section(&mut page)?;
    }
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page)?;
    }
    if matches!(command.get_name(), "play" | "demo") {
        section(&mut page, "KEYS", KEYS)?;
    }
    if name == "media-node" {
        section(&mut page, "EXIT STATUS", &exit_codes())?;
        section(&mut page, "ENVIRONMENT", &ENVIRONMENT)?;
    }
    if let Some(examples) = command.get_after_help() {
        let mut roff = Roff::new();
        roff.control("SH", ["EXAMPLES"]).control("nf", []);
        let examples = examples.to_string();
        for line in examples.lines().filter(|line| *line != "Examples:") {
            roff.text([roman(line)]).control("br", []);
        }
        roff.control("fi", []).to_writer(&mut page)?;
    }
    Ok(page)
}

/// The exit codes with their meanings.
fn exit_codes() -> Vec<(&'static str, &'static str)> {
    let rows =
        EXIT_CODES.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |")?.split_once(" | "));
    rows.filter(|(code, _)| code.chars().all(|digit| digit.is_ascii_digit())).collect()
}

fn section(page: &mut Vec<u8>, title: &str, entries: &[(&str, &str)]) -> std::io::Result<()> {
    let mut roff = Roff::new();
    roff.control("SH", [title]);
    for (term, text) in entries {
        roff.control("TP", []).text([bold(*term)]).text([roman(*text)]);
    }
    roff.to_writer(page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_and_option_has_its_place() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path()).unwrap();
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
        let mut pages = 0;
        let mut commands = vec![("media-node".to_owned(), Arguments::command())];
        while let Some((name, mut command)) = commands.pop() {
            command.build();
            let page = read(&format!("{name}.1"));
            for argument in command.get_arguments().filter(|argument| !argument.is_hide_set()) {
                if let Some(long) = argument.get_long() {
                    let flag = format!("\\-\\-{}", long.replace('-', "\\-"));
                    assert!(page.contains(&flag), "{name}: {flag} is in {page}");
                }
            }
            let subcommands =
                command.get_subcommands().filter(|sub| !sub.is_hide_set() && sub.get_name() != "help");
            commands.extend(subcommands.map(|sub| (format!("{name}-{}", sub.get_name()), sub.clone())));
            pages += 1;
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), pages);
        let main = read("media-node.1");
        for code in 0..=5 {
            assert!(main.contains(&format!("\\fB{code}\\fR")), "exit code {code} is in {main}");
        }
        assert!(main.contains("SH EXAMPLES") && main.contains("play a bundled track"));
        assert!(!main.contains("Examples:"));
        assert!(read("media-node-play.1").contains("Pause and resume"));
    }
}
