//! Runs a command. An error becomes one line on standard error and an exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    match media_node::commands::run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("media-node: {}", media_node::ui::sanitize(&error.message));
            ExitCode::from(error.exit as u8)
        }
    }
}
