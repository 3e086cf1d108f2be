//! Completions in the shells, and manual pages in `man`.

#![cfg(all(unix, feature = "fastn"))]

use std::{
    fs,
    io::{Read, Write},
    path::Path,
    process::Command,
};

use crate::program::{HANGS, Home, Running};

/// A home with two stored nodes, whose tickets lead nowhere.
fn home() -> Home {
    let (home, node) = super::control::serving(1.0);
    for name in ["home", "holiday"] {
        home.ok(&["add", &node.ticket, "as", name]);
    }
    drop(node);
    home
}

/// A shell that finds the program by its name.
fn shell(home: &Home, program: &str, arguments: &[&str]) -> Command {
    let folder = Path::new(env!("CARGO_BIN_EXE_media-node")).parent().unwrap().to_str().unwrap();
    let mut command = Command::new(program);
    command.args(arguments).current_dir(home.path("")).env_clear().envs(home.environment());
    command.env("PATH", format!("{folder}:{}", std::env::var("PATH").unwrap()));
    command
}

fn run(home: &Home, program: &str, script: &str) -> String {
    let done = Running::start(&mut shell(home, program, &["-c", script])).finish();
    assert_eq!(done.code, 0, "{program}: {}", done.err);
    done.out
}

/// Lines and their words on a command line, and some completions of the last word.
const CASES: [(&[&str], &[&str]); 5] = [
    (&["media-node", "play", "ho"], &["home", "holiday"]),
    (&["media-node", "tick"], &["ticket"]),
    (&["media-node", "play", "home", "--codec", "lo"], &["lossless"]),
    (&["media-node", "play", "home", "--outp"], &["--output"]),
    (&["media-node", "--set", "buffer.ta"], &["buffer.target="]),
];

#[test]
fn bash_completes_commands_nodes_plugins_and_keys() {
    let home = home();
    for (words, expected) in CASES {
        let (last, count) = (words.last().unwrap(), words.len());
        let script = format!(
            "source <(COMPLETE=bash media-node); COMP_WORDS=({}); COMP_CWORD={}; COMP_TYPE=9; \
             \"$(complete -p media-node | grep -o '_clap[a-z_]*')\" media-node {last} {}; \
             printf '%s\\n' \"${{COMPREPLY[@]}}\"",
            words.join(" "),
            count - 1,
            words[count - 2],
        );
        let out = run(&home, "bash", &script);
        let completions: Vec<_> = out.lines().map(str::trim).collect();
        for word in expected {
            assert!(completions.contains(word), "{words:?}: no {word:?} in {completions:?}");
        }
    }
}

#[test]
fn fish_completes_commands_nodes_plugins_and_keys() {
    let home = home();
    for (words, expected) in CASES {
        let script = format!("COMPLETE=fish media-node | source; complete -C '{}'", words.join(" "));
        let out = run(&home, "fish", &script);
        let completions: Vec<_> = out.lines().filter_map(|line| line.split('\t').next()).collect();
        for word in expected {
            assert!(completions.contains(word), "{words:?}: no {word:?} in {completions:?}");
        }
    }
}

/// Zsh completes only what a person types, so a terminal types it.
#[test]
fn zsh_completes_the_names_of_nodes() {
    let home = home();
    let script = "PS1='> '; autoload -U compinit && compinit -u -D; source <(COMPLETE=zsh media-node)\n";
    fs::write(home.path(".zshrc"), script).unwrap();
    let (mut master, terminal) = pty_process::blocking::open().unwrap();
    let inner = shell(&home, "zsh", &["-i"]);
    let mut command = pty_process::blocking::Command::new(inner.get_program()).args(inner.get_args());
    command = command.current_dir(home.path("")).env_clear();
    for (name, value) in inner.get_envs() {
        command = command.env(name, value.unwrap());
    }
    let child = command.env("TERM", "dumb").env("ZDOTDIR", home.path("")).spawn(terminal).unwrap();
    let child = Running::of(child);
    // Types the start of a name that only one node has, completes it, and prints the line: Ctrl-A goes to its start, Ctrl-E
    // to its end.
    master.write_all(b"media-node play hol\t\x01echo LINE: \x05\nexit\n").unwrap();
    let mut screen = Vec::new();
    let mut bytes = [0; 4096];
    let until = std::time::Instant::now() + HANGS;
    while let Ok(length) = master.read(&mut bytes) {
        assert!(length > 0 && std::time::Instant::now() < until, "{}", String::from_utf8_lossy(&screen));
        screen.extend(&bytes[..length]);
    }
    let screen = String::from_utf8_lossy(&screen).into_owned();
    assert!(screen.lines().any(|line| line.trim() == "LINE: media-node play holiday"), "{screen}");
    child.finish();
}

#[test]
fn man_shows_every_page_without_a_warning() {
    let home = Home::new();
    home.ok(&["man", "pages"]);
    let mut pages: Vec<_> =
        fs::read_dir(home.path("pages")).unwrap().map(|entry| entry.unwrap().path()).collect();
    pages.sort();
    assert!(pages.len() > 20, "{pages:?}");
    for page in pages {
        let mut command = Command::new("man");
        command.args(["--warnings", "--encoding=UTF-8", "--local-file"]).arg(&page);
        command.env("LC_ALL", "C.UTF-8").env("MANWIDTH", "80").env("MAN_KEEP_STDERR", "1");
        let done = Running::start(&mut command).finish_with(0);
        assert_eq!(done.err, "", "{}", page.display());
        let name = page.file_stem().unwrap().to_str().unwrap();
        assert!(done.out.contains(name), "{name}: {}", done.out);
        assert!(done.out.contains("SYNOPSIS"), "{}", done.out);
    }
}
