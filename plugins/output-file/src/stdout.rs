use std::io;

use media_plugin_sdk::{
    DeviceInfo, OpenRequest, Output, OutputInfo, OutputPlugin, OutputRegistration, PluginError, Result,
    inventory,
};

use crate::{
    options::{self, StdoutOptions},
    output::{Destination, WriterOutput},
    samples::SampleFormat,
};

inventory::submit! { OutputRegistration(|| Box::new(Stdout)) }

/// The output `stdout`: raw interleaved little-endian samples. Returns `Lost` after the reader has closed the pipe.
#[derive(Debug, Clone, Copy, Default)]
pub struct Stdout;

impl OutputPlugin for Stdout {
    fn info(&self) -> OutputInfo {
        OutputInfo {
            id: "stdout".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            description: "writes raw samples to standard output".into(),
            target: "none".into(),
        }
    }

    fn devices(&self) -> Result<Vec<DeviceInfo>> {
        Ok(Vec::new())
    }

    fn check_options(&self, options: &str) -> Result<()> {
        options::parse::<StdoutOptions>("stdout", options).map(drop)
    }

    fn open(&self, open: &OpenRequest<'_>) -> Result<Box<dyn Output>> {
        let options: StdoutOptions = options::parse("stdout", open.options)?;
        if !open.target.is_empty() {
            return Err(PluginError::BadArgument(format!(
                "output stdout takes no target; it was given {:?}",
                open.target
            )));
        }
        let sample = options.format.unwrap_or(SampleFormat::matching(open.sample));
        let destination = Destination::Stream(Box::new(io::stdout()));
        Ok(Box::new(WriterOutput::new(destination, "standard output".into(), open.format, sample)?))
    }
}
