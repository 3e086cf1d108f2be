//! A node as a service of systemd: its messages to the service manager, and the priorities of its lines.

#![cfg(target_os = "linux")]

use std::{fs, fs::File, os::unix::fs::MetadataExt, os::unix::net::UnixDatagram, process::Command};

use super::track;
use crate::program::{HANGS, Home, Node, Running};

/// The program without a terminal, as a service has it.
fn without_terminal(home: &Home, arguments: &[&str]) -> Command {
    let inner = home.command(arguments);
    let mut command = Command::new("setsid");
    command.arg("--wait").arg(inner.get_program()).args(inner.get_args());
    command.current_dir(home.path("")).env_clear().envs(home.environment());
    command
}

struct Manager(UnixDatagram);

impl Manager {
    fn listen(home: &Home) -> Self {
        let socket = UnixDatagram::bind(home.path("notify")).unwrap();
        socket.set_read_timeout(Some(HANGS)).unwrap();
        Self(socket)
    }

    /// The next message that is not the watchdog's, and the number of the watchdog's before it.
    fn next(&self) -> (String, usize) {
        let mut message = [0; 4096];
        for watchdog in 0.. {
            let length = self.0.recv(&mut message).unwrap();
            let text = String::from_utf8(message[..length].to_vec()).unwrap();
            if text != "WATCHDOG=1\n" {
                return (text, watchdog);
            }
        }
        unreachable!()
    }

    fn wait_for_watchdog(&self) {
        let mut message = [0; 4096];
        let length = self.0.recv(&mut message).unwrap();
        assert_eq!(&message[..length], b"WATCHDOG=1\n");
    }
}

#[test]
fn the_service_manager_is_told_of_every_state() {
    let home = Home::new();
    track(&home, "music", "a", 1.0);
    home.configure("[node]\nname = \"studio\"\n[library]\npaths = [\"music\"]\n");
    let manager = Manager::listen(&home);
    let mut command = without_terminal(&home, &["serve"]);
    command.env("NOTIFY_SOCKET", home.path("notify")).env("WATCHDOG_USEC", "200000");
    let node = Node::start(&mut command);
    assert_eq!(manager.next(), ("READY=1\nSTATUS=serving as studio\n".into(), 0));
    // The watchdog is answered again and again, not just once.
    (0..3).for_each(|_| manager.wait_for_watchdog());
    let pid = super::status(&home)["serve"]["pid"].to_string();
    let signal = |name: &str| assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
    signal("-HUP");
    let (reloading, _) = manager.next();
    let time = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").expect(&reloading);
    assert!(time.trim_end().parse::<u64>().unwrap() > 0);
    assert_eq!(manager.next().0, "READY=1\nSTATUS=serving as studio\n");
    signal("-TERM");
    assert_eq!(manager.next().0, "STOPPING=1\n");
    node.process.finish_with(0);
}

#[test]
fn the_journal_is_told_the_priority_of_each_line() {
    let home = Home::new();
    home.configure("[library]\npaths = [\"away\"]\n");
    let lines = |stream: &dyn Fn(&fs::Metadata) -> String| {
        let file = home.path("journal");
        let stderr = File::create(&file).unwrap();
        let stream = stream(&stderr.metadata().unwrap());
        let mut command = home.command(&["serve"]);
        command.env("JOURNAL_STREAM", stream).stderr(stderr);
        assert!(!command.status().unwrap().success());
        fs::read_to_string(file).unwrap()
    };
    let of_journal = lines(&|file| format!("{}:{}", file.dev(), file.ino()));
    assert!(of_journal.starts_with("<3>media-node: ") && of_journal.contains("away"), "{of_journal}");
    // The variable is that of another stream, as after a redirection.
    let of_file = lines(&|file| format!("{}:{}", file.dev(), file.ino() + 1));
    assert_eq!(of_file, of_journal[3..]);
    // A notice and an error have different priorities.
    track(&home, "music", "a", 1.0);
    let file = home.path("log");
    let stderr = File::create(&file).unwrap();
    let metadata = stderr.metadata().unwrap();
    let mut command = home.command(&["serve", "music", "--ticket-file", "ticket"]);
    command.env("JOURNAL_STREAM", format!("{}:{}", metadata.dev(), metadata.ino())).stderr(stderr);
    let node = Running::of(command.spawn().unwrap());
    while home.run(&["status"]).code != 0 {}
    node.signal("TERM");
    node.finish_with(0);
    assert_eq!(fs::read_to_string(file).unwrap(), "<5>stopping\n");
}
