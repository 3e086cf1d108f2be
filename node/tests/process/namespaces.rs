//! Two machines with two cables between them: Linux network namespaces with real interfaces.
//!
//! Needs `ip`, `tc` and the right to make namespaces. Without them the test prints a line and passes, or
//! fails if `MEDIA_NODE_TESTS=all`.

#![cfg(all(target_os = "linux", feature = "fastn"))]

use std::{
    io::{BufRead, BufReader, Read, Write, stderr, stdin},
    process::{Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

use media_node::plugins;
use media_plugin_sdk::transport::{BindOptions, PeerAddress, refuse_all};
use media_protocol::Ticket;

use crate::fixtures::{Kind, encode, music, stored};
use crate::program::{Home, Node, Running, Wav};

const RATE: u32 = 44_100;
/// Takes 4 s at the rate of the cables.
const SECONDS: f64 = 15.0;

pub(crate) fn ip(words: &str) -> Result<(), String> {
    let (tool, words) = words.split_once(' ').unwrap();
    let done = Command::new(tool).args(words.split(' ')).output().map_err(|error| error.to_string())?;
    if done.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&done.stderr).trim().into()) }
}

/// Two namespaces, `a` for the node and `b` for the listener. Removed when dropped.
pub(crate) struct Cables {
    pub(crate) a: String,
    pub(crate) b: String,
}

impl Cables {
    /// Creates both namespaces and two cables. Cable `n` has `10.77.n.1` at the node and `10.77.n.2` at the
    /// listener, and carries 6 Mbit/s each way.
    pub(crate) fn lay() -> Result<Self, String> {
        static LAID: AtomicU32 = AtomicU32::new(0);
        let number = LAID.fetch_add(1, Ordering::Relaxed);
        let name = |side: &str| format!("media-node-{}-{number}-{side}", std::process::id());
        let cables = Self { a: name("a"), b: name("b") };
        let Self { a, b } = &cables;
        for side in [a, b] {
            ip(&format!("ip netns add {side}"))?;
            ip(&format!("ip -n {side} link set lo up"))?;
        }
        for n in 0..2 {
            ip(&format!("ip -n {a} link add cable{n} type veth peer name cable{n} netns {b}"))?;
            for (side, host) in [(a, 1), (b, 2)] {
                ip(&format!("ip -n {side} addr add 10.77.{n}.{host}/24 dev cable{n}"))?;
                ip(&format!("ip -n {side} link set cable{n} up"))?;
                let queue = "root tbf rate 6mbit burst 16kb latency 100ms";
                ip(&format!("tc -n {side} qdisc add dev cable{n} {queue}"))?;
            }
        }
        Ok(cables)
    }

    /// As [`Cables::lay`]. Without the right to make namespaces, prints a line and returns `None`, or fails if all tests
    /// are wanted.
    #[allow(clippy::explicit_write, reason = "`eprintln!` would be captured in a passing test")]
    pub(crate) fn lay_or_skip() -> Option<Self> {
        match Self::lay() {
            Ok(cables) => Some(cables),
            Err(why) if std::env::var_os("MEDIA_NODE_TESTS").is_some() => {
                panic!("no network namespaces: {why}")
            }
            Err(why) => {
                // The harness would capture the output of `eprintln!` in a passing test.
                let line = format!("skipped: no network namespaces here: {why}\n");
                stderr().write_all(line.as_bytes()).unwrap();
                None
            }
        }
    }

    /// Returns a command that runs the program in one namespace.
    pub(crate) fn command(side: &str, home: &Home, arguments: &[&str]) -> Command {
        let inner = home.command(arguments);
        let mut command = Command::new("ip");
        command.args(["netns", "exec", side]).arg(inner.get_program()).args(inner.get_args());
        command.current_dir(home.path("")).env_clear().envs(home.environment());
        command
    }
}

impl Drop for Cables {
    fn drop(&mut self) {
        for side in [&self.a, &self.b] {
            let _ = ip(&format!("ip netns del {side}"));
        }
    }
}

#[test]
fn a_cable_is_pulled_and_an_address_changes() {
    let Some(cables) = Cables::lay_or_skip() else { return };
    let home = Home::new();
    std::fs::write(home.path("config.toml"), "[transport.fastn]\nrelay = \"off\"\nmdns = false\n").unwrap();
    let samples = music(RATE, 2, SECONDS);
    let file = encode(&home.path(""), Kind::FlacS16, RATE, 2, &samples);
    let node = Node::start(&mut Cables::command(&cables.a, &home, &["serve", file.to_str().unwrap()]));
    let b = &cables.b;
    let events = [
        vec![format!("ip -n {b} link set cable0 down")],
        vec![format!("ip -n {b} link set cable0 up"), format!("ip -n {b} link set cable1 down")],
        vec![
            format!("ip -n {b} addr del 10.77.0.2/24 dev cable0"),
            format!("ip -n {b} addr add 10.77.0.3/24 dev cable0"),
        ],
    ];
    for event in events {
        let arguments = ["play", &node.ticket, "--codec", "pcm", "--output", "file:heard.wav"];
        let mut playing = Running::start(&mut Cables::command(b, &home, &arguments));
        playing.line(|line| line.contains("FlacS16"));
        event.iter().for_each(|words| ip(words).unwrap());
        let done = playing.finish_with(0);
        let heard = Wav::read(&home.path("heard.wav")).samples;
        assert!(heard == stored(Kind::FlacS16, &samples), "{event:?}: {} samples: {}", heard.len(), done.err);
        std::fs::remove_file(home.path("heard.wav")).unwrap();
    }
}

/// Ticket for the process that [`crowd`] runs in.
const CROWD: &str = "MEDIA_NODE_TEST_CROWD";
/// Identities of the crowd: more than the node has places.
const IDENTITIES: u8 = 40;

/// The crowd, in a process of its own: connects with many identities and the one ticket, and keeps the connections until
/// its standard input ends. Does nothing without a ticket in the environment.
#[test]
fn crowd() {
    let Ok(ticket) = std::env::var(CROWD) else { return };
    let route = ticket.parse::<Ticket>().unwrap().routes.remove(0);
    let token = ticket.parse::<Ticket>().unwrap().token();
    let peer = PeerAddress { id: route.peer, addresses: route.addresses };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut kept = Vec::new();
    for identity in 0..IDENTITIES {
        let bind = BindOptions {
            secret_key: [identity + 1; 32],
            options: r#"{"relay": "off", "mdns": false, "bind": ["10.77.0.2:0"]}"#.into(),
            name: "crowd".into(),
            version: String::new(),
            protocols: Vec::new(),
            admit: refuse_all(),
        };
        kept.push(runtime.block_on(async {
            let endpoint = plugins::registry().transport("fastn").unwrap().bind(&bind).await.unwrap();
            let connection = endpoint.connect(&peer, Some(&token)).await;
            (endpoint, connection)
        }));
    }
    let admitted = kept.iter().filter(|(_, connection)| connection.is_ok()).count();
    writeln!(stderr(), "the crowd has come: {admitted}").unwrap();
    let end = async { tokio::task::spawn_blocking(|| stdin().read_to_end(&mut Vec::new())).await };
    runtime.block_on(end).unwrap().unwrap();
}

#[test]
fn a_crowd_behind_one_ticket_locks_nobody_out() {
    let Some(cables) = Cables::lay_or_skip() else { return };
    let home = Home::new();
    let config = "[transport.fastn]\nrelay = \"off\"\nmdns = false\n[server]\nmax_peers = 16\n";
    std::fs::write(home.path("config.toml"), config).unwrap();
    let samples = music(RATE, 2, SECONDS);
    let file = encode(&home.path(""), Kind::FlacS16, RATE, 2, &samples);
    let node = Node::start(&mut Cables::command(&cables.a, &home, &["serve", file.to_str().unwrap()]));
    let b = &cables.b;
    let arguments = ["play", &node.ticket, "--codec", "pcm", "--output", "file:heard.wav"];
    let mut playing = Running::start(&mut Cables::command(b, &home, &arguments));
    playing.line(|line| line.contains("FlacS16"));
    let mut crowd = Command::new("ip");
    crowd.args(["netns", "exec", b]).arg(std::env::current_exe().unwrap());
    crowd.args(["--exact", "namespaces::crowd", "--nocapture"]).env(CROWD, &node.ticket);
    let mut crowd = crowd.stdin(Stdio::piped()).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(crowd.stderr.take().unwrap()).lines().map(Result::unwrap);
    let come = lines.by_ref().find(|line| line.starts_with("the crowd has come: ")).unwrap();
    assert_eq!(come, format!("the crowd has come: {IDENTITIES}"));
    // All places are taken now, by the listener and by silent connections.
    let listed = Running::start(&mut Cables::command(b, &home, &["ls", &node.ticket])).finish_with(0);
    assert!(listed.out.contains("FlacS16"), "{listed:?}");
    playing.finish_with(0);
    assert!(Wav::read(&home.path("heard.wav")).samples == stored(Kind::FlacS16, &samples));
    drop(crowd.stdin.take());
    let said: Vec<_> = lines.collect();
    assert!(crowd.wait().unwrap().success(), "{said:#?}");
}
