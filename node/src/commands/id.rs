use super::{Context, stdout::print};
use crate::exit::ExitError;

/// `id`.
pub(super) fn run(context: &Context) -> Result<(), ExitError> {
    let (key, transport) = (context.key()?, context.transport(None)?);
    print([
        format!("id   {}", transport.identity(&key.0)),
        format!("key  {}", context.config.node.key.display()),
    ])
}
