//! Output to sound devices, with cpal.
//!
//! Frames go from the playback thread through a lock-free ring buffer to the sound system's callback, which neither
//! allocates nor locks. They arrive bit-exact if the device supports their rate and a wide enough sample type. Otherwise the
//! format of the opened output is the nearest one that the device supports.
//!
//! # Targets
//! Empty for the default device; `HOST`; `HOST:DEVICE`; or `DEVICE` on any host. A device is an id, a name, or a part of one
//! that matches only one device.
//!
//! # Limitation
//! With more than two channels, ALSA's own devices expect another channel order than the WAVE order, and get the wrong one.

mod alsa_log;
mod devices;
mod feeder;
mod options;
mod output;
mod samples;
mod stream;
mod stream_format;

use std::time::Duration;

use media_plugin_sdk::{
    DeviceInfo, OpenRequest, Output, OutputInfo, OutputPlugin, OutputRegistration, PluginError, Result,
    inventory,
};
use output::CpalOutput;
use stream::DeviceStream;
use stream_format::StreamFormat;

inventory::submit! { OutputRegistration(|| Box::new(Cpal)) }

/// The output `cpal`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cpal;

impl OutputPlugin for Cpal {
    fn info(&self) -> OutputInfo {
        OutputInfo {
            id: "cpal".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            description: "plays on a sound device of this machine".into(),
            target: "a device id or name, HOST, or HOST:DEVICE".into(),
        }
    }

    fn devices(&self) -> Result<Vec<DeviceInfo>> {
        Ok(devices::list())
    }

    fn check_options(&self, options: &str) -> Result<()> {
        options::parse(options).map(drop)
    }

    fn open(&self, open: &OpenRequest<'_>) -> Result<Box<dyn Output>> {
        if !open.format.is_valid() {
            return Err(PluginError::BadArgument(format!("output cpal does not support {}", open.format)));
        }
        let options = options::parse(open.options)?;
        let device = devices::find(open.target, &options)?;
        if device.ranges.is_empty() {
            return Err(PluginError::Failed(format!(
                "sound device {} is in use by another program; close that program, or choose another device",
                device.id
            )));
        }
        let format = StreamFormat::nearest(&device.ranges, open.format)?;
        let buffer = Duration::from_millis(options.buffer_ms.into());
        let stream = DeviceStream::open(&device, &format, buffer)?;
        Ok(Box::new(CpalOutput::new(stream, format.format, buffer)))
    }
}
