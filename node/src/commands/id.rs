//! `id`: this node's identity.

use super::{Context, stdout::print};
use crate::exit::ExitError;

/// Prints the identity of this node and the path of its key file.
pub(super) fn run(context: &Context) -> Result<(), ExitError> {
    let (key, transport) = (context.key()?, context.transport(None)?);
    print([
        format!("id   {}", transport.identity(&key.0)),
        format!("key  {}", context.config.node.key.display()),
    ])
}
