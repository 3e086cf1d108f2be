//! Any command's standard input as an output.
//!
//! The command and its arguments stand in the local person's configuration or on their command line; there is no shell.
//! Of what a peer says, the sample format alone comes here, as two numbers and one of three words.

mod command;
mod feed;
mod options;
mod output;
mod samples;

use media_plugin_sdk::{
    DeviceInfo, Open, Output, OutputInfo, OutputPlugin, OutputRegistration, PluginError, Result, inventory,
};

inventory::submit! { OutputRegistration(|| Box::new(Pipe)) }

media_plugin_sdk::export_plugin! {
    id: "output-pipe",
    version: env!("CARGO_PKG_VERSION"),
    provides: "output:pipe",
}

/// The output `pipe`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Pipe;

impl OutputPlugin for Pipe {
    fn info(&self) -> OutputInfo {
        OutputInfo {
            id: "pipe".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            description: "writes samples to the standard input of a command".into(),
            target: "a command, its words parted by spaces".into(),
        }
    }

    fn devices(&self) -> Result<Vec<DeviceInfo>> {
        Ok(Vec::new())
    }

    fn open(&self, open: &Open<'_>) -> Result<Box<dyn Output>> {
        if !open.format.is_valid() {
            return Err(PluginError::BadArgument(format!("output pipe cannot write {}", open.format)));
        }
        Ok(Box::new(output::Piped::start(options::plan(open)?)?))
    }
}
