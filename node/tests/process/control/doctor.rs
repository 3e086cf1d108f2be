//! `doctor` finds planted faults, and none on a sound machine.

use std::{fs, net::TcpListener, net::UdpSocket, os::unix::fs::PermissionsExt, process::Command};

use serde_json::Value;

use super::track;
use crate::namespaces::{Cables, ip};
use crate::program::{Home, Node, Running};

/// Severity, subject and text of each finding.
type Findings = Vec<(String, String, String)>;

fn parse(json: &str) -> Findings {
    let findings: Vec<Value> = serde_json::from_str(json).unwrap();
    let text = |finding: &Value, key: &str| finding[key].as_str().unwrap().to_owned();
    findings
        .iter()
        .map(|finding| (text(finding, "severity"), text(finding, "subject"), text(finding, "text")))
        .collect()
}

fn findings(home: &Home) -> Findings {
    parse(&home.run(&["doctor", "--json"]).out)
}

/// Asserts that the only finding that is not OK is of this kind and has these words.
#[track_caller]
fn only(findings: &Findings, severity: &str, subject: &str, words: &[&str]) {
    let bad: Vec<_> = findings.iter().filter(|(severity, ..)| severity != "ok").collect();
    let [(found, about, text)] = bad[..] else { panic!("{bad:?}") };
    assert_eq!((found.as_str(), about.as_str()), (severity, subject), "{text}");
    for word in words {
        assert!(text.contains(word), "no {word:?} in {text:?}");
    }
}

/// A home without a fault, whose configuration has `more` at its end. The sections `library` and `output` are in use.
fn sound_home(more: &str) -> Home {
    let home = Home::new();
    track(&home, "music", "a", 1.0);
    home.configure(&format!("{more}\n[library]\npaths = [\"music\"]\n[output]\nuse = \"null\"\n"));
    home
}

/// A sound home with a transport that has these options.
fn with_transport(options: &str) -> Home {
    let home = sound_home("");
    let text = format!(
        "[library]\npaths = [\"music\"]\n[output]\nuse = \"null\"\n[transport.fastn]\nmdns = false\n{options}\n"
    );
    fs::write(home.path("config.toml"), text).unwrap();
    home
}

#[test]
fn a_sound_machine_has_no_fault_also_while_its_node_runs() {
    let home = sound_home("");
    let before = home.ok(&["doctor"]);
    assert_eq!(before.err, "");
    assert!(before.out.lines().all(|line| line.starts_with("OK ")), "{}", before.out);
    assert!(!home.path("data").exists(), "it has made no key");
    let node = home.serve(&[&home.path("music")]);
    let with_node = home.ok(&["doctor"]).out;
    assert!(with_node.lines().all(|line| line.starts_with("OK ")), "{with_node}");
    assert!(with_node.contains(&format!("process {} serves", node.process.id())), "{with_node}");
    // What it prints can be shown to anybody.
    let key = fs::read_to_string(home.path("data/media-node/key")).unwrap();
    assert!(!with_node.contains(key.trim()) && !with_node.contains(&node.ticket));
}

#[test]
fn exposed_secrets() {
    let home = sound_home("");
    home.ok(&["id"]);
    let key = home.path("data/media-node/key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    only(&findings(&home), "error", "key", &["can be read by others", "chmod 600"]);
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    home.ok(&["ticket", "new", "--for", "phone"]);
    let access = home.path("data/media-node/key.access");
    fs::set_permissions(&access, fs::Permissions::from_mode(0o604)).unwrap();
    only(&findings(&home), "error", "secrets", &["key.access", "chmod 600"]);
    let told = home.run(&["doctor"]);
    assert_eq!(
        (told.code, told.err.as_str()),
        (1, "media-node: the doctor has found an error; see its line above\n")
    );
}

#[test]
fn a_missing_folder_and_one_without_music() {
    let home = sound_home("");
    fs::rename(home.path("music"), home.path("elsewhere")).unwrap();
    only(&findings(&home), "error", "library", &["there is no", "music", "library.paths"]);
    fs::create_dir(home.path("music")).unwrap();
    only(&findings(&home), "warning", "library", &["no audio file"]);
}

#[test]
fn an_unreadable_file() {
    let home = sound_home("");
    let file = track(&home, "music", "secret", 1.0);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o000)).unwrap();
    let found = if fs::File::open(&file).is_ok() {
        // Root can read every file, so another user runs the program.
        let owned = Command::new("chown").args(["-R", "65534"]).arg(home.path("")).status();
        assert!(owned.unwrap().success());
        let inner = home.command(&["doctor", "--json"]);
        let mut command = Command::new("setpriv");
        command.args(["--reuid", "65534", "--clear-groups"]).arg(inner.get_program()).args(inner.get_args());
        command.current_dir(home.path("")).env_clear().envs(home.environment());
        parse(&Running::start(&mut command).finish().out)
    } else {
        findings(&home)
    };
    only(&found, "error", "library", &["1 files or folders cannot be read", "secret.flac"]);
}

#[test]
fn ports_that_are_taken() {
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let home = with_transport(&format!("relay = \"off\"\nbind = [\"{}\"]", udp.local_addr().unwrap()));
    only(&findings(&home), "error", "port", &[&udp.local_addr().unwrap().to_string()]);
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let home = sound_home(&format!("[server]\nmetrics = \"{}\"", tcp.local_addr().unwrap()));
    only(&findings(&home), "error", "port", &["server.metrics", "another port"]);
}

#[test]
fn a_broken_plugin_and_a_wrong_setting() {
    let home = sound_home("[plugins]\npaths = [\"plugins\"]");
    fs::create_dir(home.path("plugins")).unwrap();
    fs::write(home.path("plugins/libmedia_node_broken.so"), b"\x7fELF and no more").unwrap();
    only(&findings(&home), "error", "plugins", &["libmedia_node_broken.so"]);
    let home = sound_home("[buffer]\ntarget = \"soon\"");
    only(&findings(&home), "error", "configuration", &["buffer.target", "doctor"]);
    let home = sound_home("[codec.opus]\ncomplexity = 11");
    only(&findings(&home), "error", "configuration", &["codec.opus.complexity"]);
}

#[test]
fn no_sound_device() {
    let home = Home::new();
    track(&home, "music", "a", 1.0);
    home.configure("[library]\npaths = [\"music\"]\n");
    only(&findings(&home), "warning", "sound", &["playing silently", "media-node devices"]);
}

#[test]
fn a_dead_relay() {
    // Nothing listens on the port of a socket that is closed again.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let home = with_transport(&format!("relay = [\"http://127.0.0.1:{port}\"]\nbind = [\"127.0.0.1:0\"]"));
    only(&findings(&home), "error", "relay", &["127.0.0.1", "check its address"]);
}

/// A small disk of its own, in a namespace of mounts.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk() {
    let home = sound_home("");
    fs::create_dir(home.path("data")).unwrap();
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", "mount -t tmpfs -o size=1M none data && exec \"$0\" \"$@\""]);
    let inner = home.command(&["doctor", "--json"]);
    command.arg(inner.get_program()).args(inner.get_args());
    command.current_dir(home.path("")).env_clear().envs(home.environment());
    let done = Running::start(&mut command).finish();
    if done.out.is_empty() {
        assert!(std::env::var("MEDIA_NODE_TESTS").is_err(), "cannot mount a disk: {}", done.err);
        eprintln!("not run: cannot mount a disk: {}", done.err);
        return;
    }
    only(&parse(&done.out), "error", "disk", &["is full", "make room"]);
}

/// Two machines with a copy of one key.
#[cfg(target_os = "linux")]
#[test]
fn two_nodes_with_one_key() {
    let Some(cables) = Cables::lay_or_skip() else { return };
    for side in [&cables.a, &cables.b] {
        ip(&format!("ip -n {side} route add 224.0.0.0/4 dev cable0")).unwrap();
    }
    let [there, here] = ["studio", "copy"].map(|name| {
        let home = sound_home("");
        let text = format!(
            "[node]\nname = \"{name}\"\n[library]\npaths = [\"music\"]\n[output]\nuse = \"null\"\n[transport.fastn]\nrelay = \"off\"\n"
        );
        fs::write(home.path("config.toml"), text).unwrap();
        home
    });
    there.ok(&["id"]);
    fs::create_dir_all(here.path("data/media-node")).unwrap();
    fs::copy(there.path("data/media-node/key"), here.path("data/media-node/key")).unwrap();
    let _node = Node::start(&mut Cables::command(&cables.a, &there, &["serve", "music"]));
    // An answer to a query can be lost, so the doctor may need a second look.
    let found = loop {
        let done = Running::start(&mut Cables::command(&cables.b, &here, &["doctor", "--json"])).finish();
        if done.code != 0 {
            break parse(&done.out);
        }
    };
    only(&found, "error", "local network", &["studio", "copy of this node's key"]);
}
