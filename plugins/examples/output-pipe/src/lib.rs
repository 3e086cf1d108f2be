//! Output that writes audio to the standard input of a command.
//!
//! The command and its arguments come from the person's configuration or command line, and run without a shell. The only
//! input from a peer is the audio format: two numbers and one of three sample formats.

mod child_process;
mod options;
mod output;
mod pipe_writer;
mod samples;
mod wav;

use media_plugin_sdk::{
    DeviceInfo, OpenRequest, Output, OutputInfo, OutputPlugin, OutputRegistration, PluginError, Result,
    inventory,
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
            target: "a command, its words separated by spaces".into(),
        }
    }

    fn devices(&self) -> Result<Vec<DeviceInfo>> {
        Ok(Vec::new())
    }

    fn open(&self, open: &OpenRequest<'_>) -> Result<Box<dyn Output>> {
        if !open.format.is_valid() {
            return Err(PluginError::BadArgument(format!("output pipe does not support {}", open.format)));
        }
        Ok(Box::new(output::PipeOutput::start(options::parse(open)?)?))
    }
}
