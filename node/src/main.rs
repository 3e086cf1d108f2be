//! Arguments, then configuration, then run; what goes wrong becomes one line and an exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    match media_node::commands::run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("media-node: {}", media_node::ui::printable(&fault.message));
            ExitCode::from(fault.exit as u8)
        }
    }
}
