//! The running node, its ports, its relays and the local network.

use std::{net::TcpListener, time::Duration};

use media_config::PluginKind;
use media_plugin_sdk::transport::{Endpoint, Transport, refuse_all};
use serde_json::Value;
use tokio::time::{Instant, sleep, timeout_at};

use super::finding::Finding;
use crate::{
    commands::{Context, running::ask_node},
    control_socket::Request,
    exit::ExitError,
    identity::Secret,
};

/// Time within which a relay must answer.
const RELAY_WAIT: Duration = Duration::from_secs(5);
/// Interval at which the endpoint is asked for its relay.
const RELAY_POLL: Duration = Duration::from_millis(100);
/// Time to listen for other nodes on the local network.
const LISTEN: Duration = Duration::from_secs(2);

pub(super) async fn examine(context: &Context) -> Vec<Finding> {
    let running = ask_node(context, &Request::new("status"));
    let is_running = matches!(running, Ok(Some(_)));
    let mut findings = vec![node(&running)];
    findings.extend(if is_running { None } else { metrics(context) });
    for transport in context.transports().unwrap_or_default() {
        findings.extend(endpoint(context, transport.as_ref(), is_running).await);
        findings.extend(local_network(context, transport.as_ref(), is_running).await);
    }
    findings
}

fn node(running: &Result<Option<Value>, ExitError>) -> Finding {
    match running {
        Ok(None) => Finding::ok("node", "none runs with this key on this machine"),
        Ok(Some(status)) => {
            let pid = status.get("pid").and_then(Value::as_u64).unwrap_or_default();
            Finding::ok("node", format!("process {pid} serves"))
        }
        Err(error) => Finding::error("node", format!("the running node does not answer: {error}")),
    }
}

/// The port of the metrics.
fn metrics(context: &Context) -> Option<Finding> {
    let address = context.config.server.metrics.get()?;
    Some(match TcpListener::bind(address) {
        Ok(_) => Finding::ok("port", format!("{address} is free for server.metrics")),
        Err(error) => {
            let text = format!(
                "server.metrics cannot listen on {address}: {error}; name another port, or stop its user"
            );
            Finding::error("port", text)
        }
    })
}

/// The ports and the relays of a transport, through an endpoint with a key of its own: a relay would send the packets of the
/// node's key to the newest endpoint with it.
async fn endpoint(context: &Context, transport: &dyn Transport, is_running: bool) -> Vec<Finding> {
    let id = transport.info().id;
    let Ok(key) = Secret::random() else { return Vec::new() };
    let options = context.config.plugin_options(PluginKind::Transport, &id);
    let mut json: Value = serde_json::from_str(&options).unwrap_or_default();
    if let Some(options) = json.as_object_mut()
        && is_running
    {
        // The running node has these ports.
        options.remove("bind");
    }
    let bound = context.bind_with(transport, &key, json.to_string(), refuse_all()).await;
    let endpoint = match bound {
        Ok(endpoint) => endpoint,
        Err(error) => return vec![Finding::error("port", error)],
    };
    let mut findings = Vec::new();
    let sockets: Vec<_> =
        endpoint.address().addresses.into_iter().filter(|address| !is_relay(address)).collect();
    findings.push(Finding::ok("port", format!("{id} can listen on {}", sockets.join(", "))));
    if id == "fastn" {
        findings.push(relay(json.get("relay"), endpoint.as_ref()).await);
    }
    endpoint.close().await;
    findings
}

/// The relays that the option `transport.fastn.relay` names.
async fn relay(option: Option<&Value>, endpoint: &dyn Endpoint) -> Finding {
    if option.is_some_and(|relay| relay == "off") {
        return Finding::ok("relay", "off");
    }
    let until = Instant::now() + RELAY_WAIT;
    let reached = async {
        loop {
            if let Some(relay) = endpoint.address().addresses.into_iter().find(|address| is_relay(address)) {
                return relay;
            }
            sleep(RELAY_POLL).await;
        }
    };
    match (timeout_at(until, reached).await, option) {
        (Ok(relay), _) => Finding::ok("relay", format!("{relay} answers")),
        (Err(_), Some(named)) if named != "default" => {
            let text = format!("no relay of transport.fastn.relay answers: {named}; check its address");
            Finding::error("relay", text)
        }
        (Err(_), _) => Finding::warning(
            "relay",
            "no relay answers, so devices outside of the local network may not reach this node: check the internet connection",
        ),
    }
}

fn is_relay(address: &str) -> bool {
    address.starts_with("http")
}

/// Other nodes on the local network, one of which may have the key of this one.
async fn local_network(context: &Context, transport: &dyn Transport, is_running: bool) -> Option<Finding> {
    let options = context.config.plugin_options(PluginKind::Transport, &transport.info().id);
    let found = match transport.discover(&options, LISTEN).await {
        Ok(found) => found,
        Err(error) => return Some(Finding::warning("local network", error)),
    };
    let own = context.config.node.key.exists().then(|| context.key().ok()).flatten();
    let own = own.map(|key| transport.identity(&key.0));
    let twin = found.iter().find(|node| !is_running && Some(&node.address.id) == own.as_ref());
    Some(match twin {
        Some(twin) => Finding::error(
            "local network",
            format!(
                "{} serves with a copy of this node's key: give one of both another key (remove {} to get a new one)",
                twin.name,
                context.config.node.key.display()
            ),
        ),
        None => Finding::ok("local network", format!("{} named nodes seen", found.len())),
    })
}
