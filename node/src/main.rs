//! Runs a command. An error becomes one line on standard error and an exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    match media_node::commands::run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            media_node::commands::report(&error);
            ExitCode::from(error.exit as u8)
        }
    }
}
