//! `reload`: lets the running node read its configuration again.

use super::{
    Context,
    node_control::ReloadReport,
    running::{ask_node, not_running},
    stdout::print,
};
use crate::{
    control_socket::Request,
    exit::{Exit, ExitContext, ExitError},
    ui::sanitize,
};

/// Sends the request and prints the keys that have changed.
pub(super) fn run(context: &Context) -> Result<(), ExitError> {
    let report = ask_node(context, &Request::new("reload"))?.ok_or_else(|| not_running(context))?;
    let report: ReloadReport =
        serde_json::from_value(report).context(Exit::Failed, "reading the answer of the node")?;
    print(report.lines().iter().map(|line| sanitize(line)))
}
