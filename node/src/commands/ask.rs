//! `ask`: asks a node of the local network for access.

use std::time::Duration;

use media_config::PluginKind;
use media_plugin_sdk::transport::{LanNode, TransportError};
use media_protocol::{Route, Ticket};

use super::{
    Context,
    dialer::{Dialer, NO_CAPABILITY},
    door::ASKED,
    stdout::print,
};
use crate::{
    asking::asking_token,
    exit::{Exit, ExitContext, ExitError},
    node_book::{NodeBook, default_name, is_name},
    ui::sanitize,
};

/// Time to listen for announcements on the local network. Nodes answer a query within a second.
const LISTEN_TIME: Duration = Duration::from_millis(1500);

/// A node on the local network.
pub(super) struct FoundNode {
    /// Id of the transport that found it.
    pub(super) transport: String,
    pub(super) node: LanNode,
}

/// Listens for named nodes on the local network, with all transports of `transport.use`. A transport that cannot listen
/// finds none.
pub(super) async fn discover(context: &Context) -> Result<Vec<FoundNode>, ExitError> {
    let mut found = Vec::new();
    for transport in context.transports()? {
        let id = transport.info().id;
        let options = context.config.plugin_options(PluginKind::Transport, &id);
        match transport.discover(&options, LISTEN_TIME).await {
            Ok(nodes) => {
                found.extend(nodes.into_iter().map(|node| FoundNode { transport: id.clone(), node }))
            }
            Err(error) => tracing::warn!("looking for nodes on the local network: {error}"),
        }
    }
    Ok(found)
}

/// `ask NODE [as NAME]`.
pub(super) async fn run(context: &Context, text: &str, name: &[String]) -> Result<(), ExitError> {
    let found = discover(context).await?;
    let FoundNode { transport, node } = choose(&found, text)?;
    let address = node.address.clone();
    let route = Route { transport: transport.clone(), peer: address.id, addresses: address.addresses };
    let ticket = Ticket { routes: vec![route], capability: NO_CAPABILITY };
    let name = match name {
        [] if is_name(&node.name) => node.name.clone(),
        [] => default_name(&ticket),
        [word, name] if word == "as" => name.clone(),
        _ => return Err(ExitError::new(Exit::Usage, "write `media-node ask NODE as NAME`")),
    };
    let dialer = Dialer::new(context, &ticket)?;
    let (device, identity) = (context.key()?, context.client_identity()?);
    let asking = asking_token(&context.config.node.name);
    let proof = dialer.prove(&device, &identity.key, Some(&asking));
    let proof = proof.ok_or_else(|| {
        ExitError::new(Exit::Usage, format!("the transport {transport} cannot ask a node for access"))
    })?;
    let answer = match dialer.connect(&dialer.bind(&identity.key).await?, Some(proof)).await {
        Ok(_) => "this device is allowed already".to_owned(),
        Err(TransportError::Refused(refusal)) if refusal.code == ASKED => refusal.to_string(),
        Err(error) => return Err(dialer.unreachable(&error, &device)),
    };
    NodeBook::add(&context.node_book(), &name, &ticket).or_exit(Exit::Usage)?;
    print([
        sanitize(&answer),
        format!("this device's id is {}", dialer.transport.identity(&device.0)),
        format!("stored as {name}; once its owner allows this device, try `media-node play {name}`"),
    ])
}

/// The node with this name or id, or the only one whose name begins so.
fn choose<'a>(found: &'a [FoundNode], text: &str) -> Result<&'a FoundNode, ExitError> {
    let is_exact = |found: &&FoundNode| found.node.name == text || found.node.address.id == text;
    let begins = |found: &&FoundNode| !text.is_empty() && found.node.name.starts_with(text);
    let exact: Vec<_> = found.iter().filter(is_exact).collect();
    let matching = if exact.is_empty() { found.iter().filter(begins).collect() } else { exact };
    let message = match matching.as_slice() {
        [one] => return Ok(one),
        [] => {
            format!("no node {text:?} answers on the local network; `media-node nodes` lists those that do")
        }
        several => {
            let ids: Vec<_> = several.iter().map(|found| found.node.address.id.as_str()).collect();
            format!("several nodes are named so; write the id of one: {}", ids.join(", "))
        }
    };
    Err(ExitError::new(Exit::Unreachable, message))
}

#[cfg(test)]
mod tests {
    use media_plugin_sdk::transport::PeerAddress;

    use super::*;

    fn found(name: &str, id: &str) -> FoundNode {
        let address = PeerAddress { id: id.into(), addresses: Vec::new() };
        FoundNode { transport: "fastn".into(), node: LanNode { name: name.into(), address } }
    }

    #[test]
    fn a_node_is_chosen_by_its_name_its_beginning_or_its_id() {
        let all = [found("studio", "a1"), found("study", "b2"), found("attic", "c3"), found("attic", "d4")];
        let chosen = |text: &str| choose(&all, text).map(|found| found.node.address.id.clone());
        for (text, id) in [("studio", "a1"), ("study", "b2"), ("studi", "a1"), ("d4", "d4")] {
            assert_eq!(chosen(text).unwrap(), id, "{text}");
        }
        for (text, words) in [("", "no node"), ("x", "no node"), ("attic", "c3, d4"), ("stud", "a1, b2")] {
            let error = chosen(text).unwrap_err();
            assert!(error.message.contains(words), "{text}: {}", error.message);
        }
    }
}
