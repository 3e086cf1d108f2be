//! `status`: the processes that run with this configuration's key, and the peers of the node.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    Context,
    running::{ask_node, not_running},
    stdout::{print, print_json, table},
};
use crate::{
    control_socket::Request,
    exit::{Exit, ExitContext, ExitError},
    machine_identity::client_locks,
    process_lock::ProcessRecord,
    server::ConnectionStatus,
    ui::sanitize,
};

/// A node that serves, as it describes itself over its control socket. Fields are only added.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct NodeStatus {
    /// The process.
    #[serde(flatten)]
    pub(super) process: ProcessRecord,
    /// Name of the node.
    pub(super) name: String,
    /// Its identity and addresses on each transport.
    pub(super) endpoints: Vec<EndpointStatus>,
    /// Number of tracks that it serves.
    pub(super) tracks: usize,
    /// Connected peers, the longest connected first.
    pub(super) connections: Vec<ConnectionStatus>,
    /// The figures of `server.stats`.
    pub(super) stats: Value,
}

/// The node on one transport.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct EndpointStatus {
    pub(super) transport: String,
    pub(super) id: String,
    pub(super) addresses: Vec<String>,
}

/// Prints what runs. An error if nothing does.
pub(super) fn run(context: &Context, as_json: bool) -> Result<(), ExitError> {
    let node = match ask_node(context, &Request::new("status"))? {
        Some(status) => {
            let doing = "reading the answer of the node";
            Some(serde_json::from_value::<NodeStatus>(status).context(Exit::Failed, doing)?)
        }
        None => None,
    };
    let locks = client_locks(&context.config.node.key);
    let players: Vec<_> = locks.filter_map(|lock| ProcessRecord::of_holder(&lock)).collect();
    if node.is_none() && players.is_empty() {
        return Err(not_running(context));
    }
    if as_json {
        return print_json(&json!({ "serve": node, "play": players }));
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let node_lines = node.iter().flat_map(|node| lines(node, now));
    let player_lines = players.iter().map(|player| process_line(player, now));
    print(node_lines.chain(player_lines).map(|line| sanitize(&line)))
}

/// Lines about a node, for a person.
fn lines(node: &NodeStatus, now: u64) -> Vec<String> {
    let mut lines = vec![process_line(&node.process, now), format!("name    {}", node.name)];
    for endpoint in &node.endpoints {
        lines.push(format!("id      {} ({})", endpoint.id, endpoint.transport));
        lines.push(format!("at      {}", endpoint.addresses.join(", ")));
    }
    lines.push(format!("tracks  {}", node.tracks));
    lines.push(format!("peers   {}", node.connections.len()));
    let rows: Vec<_> = node.connections.iter().map(|connection| row(connection, now)).collect();
    lines.extend(table(&rows).into_iter().map(|line| format!("  {line}")));
    lines
}

fn process_line(process: &ProcessRecord, now: u64) -> String {
    let ProcessRecord { role, pid, since, version, .. } = process;
    let since = span(now.saturating_sub(*since));
    format!("{:<7} process {pid}, for {since}, version {version}", role.as_str())
}

fn row(connection: &ConnectionStatus, now: u64) -> Vec<String> {
    let ConnectionStatus { peer, label, path, since, playing, bytes_sent } = connection;
    // The beginning of an id tells peers apart, as in the log.
    let short: String = peer.chars().take(8).collect();
    vec![
        label.clone(),
        short,
        path.clone(),
        format!("for {}", span(now.saturating_sub(*since))),
        megabytes(*bytes_sent),
        playing.as_ref().map_or("idle".into(), |title| format!("playing {title}")),
    ]
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

/// A time span for people, rounded down to one unit.
fn span(seconds: u64) -> String {
    let time = Duration::from_secs(seconds).as_secs();
    match time {
        0..60 => format!("{time} s"),
        60..3600 => format!("{} min", time / 60),
        3600..86_400 => format!("{} h", time / 3600),
        _ => format!("{} days", time / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process_lock::Role;

    #[test]
    fn a_person_sees_who_hears_which_track_and_for_how_long() {
        let process =
            ProcessRecord { role: Role::Serve, pid: 12, since: 1_000, version: "1.2".into(), socket: None };
        let endpoint = EndpointStatus {
            transport: "fastn".into(),
            id: "abc".into(),
            addresses: vec!["1.2.3.4:5".into()],
        };
        let connection = |label: &str, playing: Option<&str>| ConnectionStatus {
            peer: "0123456789".into(),
            label: label.into(),
            path: "LAN".into(),
            since: 4_000,
            playing: playing.map(Into::into),
            bytes_sent: 12_345_678,
        };
        let status = NodeStatus {
            process,
            name: "studio".into(),
            endpoints: vec![endpoint],
            tracks: 3,
            connections: vec![connection("phone", Some("So What")), connection("owner", None)],
            stats: Value::Null,
        };
        let expected = [
            "serve   process 12, for 1 h, version 1.2",
            "name    studio",
            "id      abc (fastn)",
            "at      1.2.3.4:5",
            "tracks  3",
            "peers   2",
            "  phone  01234567  LAN  for 10 min  12.3 MB  playing So What",
            "  owner  01234567  LAN  for 10 min  12.3 MB  idle",
        ];
        assert_eq!(lines(&status, 4_600), expected);
        let json = serde_json::to_value(&status).unwrap();
        assert_eq!(json["pid"], 12);
        assert_eq!(serde_json::from_value::<NodeStatus>(json).unwrap(), status);
    }
}
