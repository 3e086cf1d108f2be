//! The commands about named nodes, and the argument that takes a name in place of a ticket.

use std::{
    io::{self, BufRead, IsTerminal, Read},
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use media_plugin_sdk::transport::{LanNode, Welcome};
use media_protocol::Ticket;
use serde_json::json;

use super::{
    Context,
    ask::{FoundNode, discover},
    running::{ask_node, not_running},
    stdout::{print, print_json, table},
};
use crate::{
    asking::AskingDevice,
    control_socket::Request,
    exit::{Exit, ExitContext, ExitError},
    node_book::{KnownNode, NodeBook, NodeBookError, default_name},
    ui::sanitize,
};

/// Greatest number of bytes that are read for a ticket from a file or from standard input.
const MAX_TICKET: u64 = 64 * 1024;

impl Context {
    /// Path of the file with the named nodes, in the folder of this node's key.
    pub(super) fn node_book(&self) -> PathBuf {
        self.config.node.key.with_file_name("nodes.json")
    }

    /// The ticket that an argument stands for: the ticket itself, `-` for standard input, a stored name, a file that holds
    /// a ticket, or the beginning of a stored name, in this order.
    pub(super) fn ticket(&self, text: &str) -> Result<Ticket, ExitError> {
        if text == "-" {
            return read_stdin();
        }
        let not_a_ticket = match text.parse() {
            Ok(ticket) => return Ok(ticket),
            Err(error) => error,
        };
        // A long text is probably a ticket with a mistake in it. The error does not repeat it, since it may hold most of a
        // secret.
        if text.len() > 100 {
            return Err(ExitError::new(Exit::Usage, not_a_ticket));
        }
        let book = NodeBook::load(&self.node_book()).or_exit(Exit::Failed)?;
        let found = book.find(text);
        let is_file = Path::new(text).is_file();
        match found {
            Ok((name, node)) if name == text || !is_file => {
                node.ticket.parse().context(Exit::Failed, format!("reading the stored ticket of {name}"))
            }
            _ if is_file => {
                let file = std::fs::File::open(text)
                    .context(Exit::Usage, format!("reading the ticket in {text}"))?;
                let mut held = String::new();
                file.take(MAX_TICKET)
                    .read_to_string(&mut held)
                    .context(Exit::Usage, format!("reading the ticket in {text}"))?;
                held.parse().context(Exit::Usage, format!("reading the ticket in {text}"))
            }
            Ok(_) => Err(ExitError::new(Exit::Usage, not_a_ticket)),
            Err(unknown @ NodeBookError::Unknown { .. }) => {
                let message = format!(
                    "{not_a_ticket}; {unknown}; a file with a ticket or - for standard input will do too"
                );
                Err(ExitError::new(Exit::Usage, message))
            }
            Err(error) => Err(ExitError::new(Exit::Usage, error)),
        }
    }

    /// Stores the time at which the node of a ticket was reached, and the kind of path. Only logs a failure, so that the
    /// command continues.
    pub(super) fn note_seen(&self, ticket: &Ticket, path: &str, welcome: &Welcome) {
        if let Err(error) = NodeBook::note_seen(&self.node_book(), ticket, path, welcome) {
            tracing::warn!("{error}");
        }
    }
}

/// Reads a ticket from standard input: one line of a terminal, or everything up to the end of a pipe.
fn read_stdin() -> Result<Ticket, ExitError> {
    let stdin = io::stdin();
    let mut text = String::new();
    let read = if stdin.is_terminal() {
        eprintln!("paste the ticket and press ENTER:");
        stdin.lock().take(MAX_TICKET).read_line(&mut text)
    } else {
        stdin.lock().take(MAX_TICKET).read_to_string(&mut text)
    };
    read.context(Exit::Usage, "reading the ticket from standard input")?;
    text.trim().parse().context(Exit::Usage, "reading the ticket from standard input")
}

/// `add TICKET [as NAME]`.
pub(super) fn add(context: &Context, text: &str, name: &[String]) -> Result<(), ExitError> {
    let name = match name {
        [] => None,
        [word, name] if word == "as" => Some(name.clone()),
        _ => return Err(ExitError::new(Exit::Usage, "write `media-node add TICKET as NAME`")),
    };
    let ticket = context.ticket(text)?;
    let name = name.unwrap_or_else(|| default_name(&ticket));
    NodeBook::add(&context.node_book(), &name, &ticket).or_exit(Exit::Usage)?;
    print([format!("stored as {name}; try `media-node ls {name}` or `media-node play {name}`")])
}

/// `nodes`: the named nodes, and others on the local network.
pub(super) async fn list(context: &Context, as_json: bool) -> Result<(), ExitError> {
    let book = NodeBook::load(&context.node_book()).or_exit(Exit::Failed)?;
    let on_network = discover(context).await?;
    let is_here = |id: &str| on_network.iter().any(|found| found.node.address.id == id);
    let is_stored = |id: &str| book.nodes().any(|(_, node)| id_of(node) == id);
    let others: Vec<_> = on_network.iter().filter(|found| !is_stored(&found.node.address.id)).collect();
    if as_json {
        let stored = book.nodes().map(|(name, node)| {
            let id = id_of(node);
            json!({
                "name": name, "id": id, "stored": true, "on_local_network": is_here(&id), "added": node.added,
                "last_seen": node.last_seen, "path": node.path, "version": node.version,
                "features": node.features, "rights": node.rights,
            })
        });
        let others = others.iter().map(|found| {
            let LanNode { name, address } = &found.node;
            json!({ "name": name, "id": address.id, "stored": false, "on_local_network": true })
        });
        return print_json(&stored.chain(others).collect::<Vec<_>>());
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let row = |(name, node): (&str, &KnownNode)| {
        let id = id_of(node);
        let seen = node.last_seen.map_or("not contacted yet".into(), |at| ago(now.saturating_sub(at)));
        let here = if is_here(&id) { "on this network" } else { "" };
        let version = node.version.as_deref().map(|version| format!("version {version}")).unwrap_or_default();
        let (path, rights) = (node.path.clone().unwrap_or_default(), node.rights.join(", "));
        [name.into(), seen, path, version, rights, here.into(), id].map(|cell| sanitize(&cell)).to_vec()
    };
    let rows: Vec<_> = book.nodes().map(row).collect();
    if rows.is_empty() {
        eprintln!("no nodes yet: `media-node add - as NAME` stores a ticket under a name");
    }
    let mut lines = table(&rows);
    if !others.is_empty() {
        lines.push(
            "on this network, without a ticket (`media-node ask NODE` asks the owner for access):".into(),
        );
        let row = |found: &&FoundNode| {
            let LanNode { name, address } = &found.node;
            vec![format!("  {}", sanitize(name)), sanitize(&address.id)]
        };
        lines.extend(table(&others.iter().map(row).collect::<Vec<_>>()));
    }
    print(lines)
}

/// The identity in a node's ticket. The ticket itself is a secret, which is never shown.
fn id_of(node: &KnownNode) -> String {
    let ticket = node.ticket.parse::<Ticket>().ok();
    ticket.and_then(|ticket| Some(ticket.routes.first()?.peer.clone())).unwrap_or_default()
}

/// `nodes --asking`: the devices that ask the running node for access.
pub(super) fn asking(context: &Context, as_json: bool) -> Result<(), ExitError> {
    let answer = ask_node(context, &Request::new("asking"))?.ok_or_else(|| not_running(context))?;
    let doing = "reading the answer of the node";
    let devices: Vec<AskingDevice> = serde_json::from_value(answer).context(Exit::Failed, doing)?;
    if as_json {
        return print_json(&devices);
    }
    if devices.is_empty() {
        eprintln!("no device asks for access");
        return Ok(());
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let row = |device: &AskingDevice| {
        vec![sanitize(&device.name), ago(now.saturating_sub(device.asked)), sanitize(&device.id)]
    };
    let rows: Vec<_> = devices.iter().map(row).collect();
    print(table(&rows).into_iter().chain(["to allow one: media-node allow ID --for LABEL".into()]))
}

/// `rename NAME NEW`.
pub(super) fn rename(context: &Context, from: &str, to: &str) -> Result<(), ExitError> {
    let from = NodeBook::rename(&context.node_book(), from, to).or_exit(Exit::Usage)?;
    print([format!("renamed {from} to {to}")])
}

/// `forget NAME`.
pub(super) fn forget(context: &Context, name: &str) -> Result<(), ExitError> {
    NodeBook::forget(&context.node_book(), name).or_exit(Exit::Usage)?;
    print([format!("removed {name} and its ticket from this machine")])
}

/// A time span for people, as in `5 min ago`.
fn ago(seconds: u64) -> String {
    let time = Duration::from_secs(seconds).as_secs();
    match time {
        0..60 => "just now".into(),
        60..3600 => format!("{} min ago", time / 60),
        3600..86_400 => format!("{} h ago", time / 3600),
        _ => format!("{} days ago", time / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_rounded_down_to_one_unit() {
        let spans = [
            (0, "just now"),
            (59, "just now"),
            (60, "1 min ago"),
            (7199, "1 h ago"),
            (200_000, "2 days ago"),
        ];
        for (seconds, text) in spans {
            assert_eq!(ago(seconds), text);
        }
    }
}
