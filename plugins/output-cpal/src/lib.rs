//! Sound devices, through cpal.
//!
//! Frames go from the playback thread through a lock-free ring to the sound system's callback, which neither allocates
//! nor locks. They arrive bit-exact where the device takes their rate and a sample type wide enough; what it takes
//! instead is in the format of the opened output.
//!
//! # Targets
//! Empty for the default device; `HOST`; `HOST:DEVICE`; or `DEVICE` on any host, where a device is an id, a name, or a
//! part of one that fits no other.
//!
//! # Not done
//! Beyond stereo ALSA's own devices order channels differently from the WAVE order that arrives here.

mod choose;
mod devices;
mod feeder;
mod options;
mod output;
mod quiet;
mod samples;
mod stream;

use std::time::Duration;

use media_plugin_sdk::{
    DeviceInfo, Open, Output, OutputInfo, OutputPlugin, OutputRegistration, PluginError, Result, inventory,
};

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

    fn open(&self, open: &Open<'_>) -> Result<Box<dyn Output>> {
        if !open.format.is_valid() {
            return Err(PluginError::BadArgument(format!("output cpal cannot play {}", open.format)));
        }
        let options = options::parse(open.options)?;
        let found = devices::find(open.target, &options)?;
        if found.ranges.is_empty() {
            return Err(PluginError::Failed(format!(
                "sound device {} is in use by another program",
                found.id
            )));
        }
        let chosen = choose::choose(&found.ranges, open.format)?;
        let buffer = Duration::from_millis(options.buffer_ms.into());
        let playing = stream::Playing::start(&found, &chosen, buffer)?;
        Ok(Box::new(output::SoundDevice::new(playing, chosen.format, buffer)))
    }
}
