//! Null output: drops all frames, in real time or as fast as they come.
//!
//! The node uses it on a machine without a sound device. It is the smallest output, so it is also the model for a new one.

mod clock;
mod options;
mod output;

use media_plugin_sdk::{
    DeviceInfo, OpenRequest, Output, OutputInfo, OutputPlugin, OutputRegistration, PluginError, Result,
    inventory,
};

pub use clock::{Clock, SystemClock};
pub use output::{Fast, RealTime};

inventory::submit! { OutputRegistration(|| Box::new(Null)) }

/// The output `null`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Null;

impl OutputPlugin for Null {
    fn info(&self) -> OutputInfo {
        OutputInfo {
            id: "null".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            description: "drops all frames, in real time or as fast as they come".into(),
            target: "empty for real time, or \"fast\"".into(),
        }
    }

    fn devices(&self) -> Result<Vec<DeviceInfo>> {
        let device = |id: &str, name: &str, default| DeviceInfo {
            id: id.into(),
            name: name.into(),
            default,
            rates: Vec::new(),
            channels: Vec::new(),
        };
        Ok(vec![
            device("", "null, in real time", true),
            device("fast", "null, as fast as frames come", false),
        ])
    }

    fn check_options(&self, options: &str) -> Result<()> {
        options::check(options)
    }

    fn open(&self, open: &OpenRequest<'_>) -> Result<Box<dyn Output>> {
        options::check(open.options)?;
        if !open.format.is_valid() {
            return Err(PluginError::BadArgument(format!("output null does not support {}", open.format)));
        }
        match open.target {
            "" => Ok(Box::new(RealTime::new(open.format, SystemClock::default()))),
            "fast" => Ok(Box::new(Fast::new(open.format))),
            other => Err(PluginError::BadArgument(format!(
                "output null has no target {other:?}; use \"null\" for real time, or \"null:fast\""
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use media_plugin_sdk::{AudioFormat, SampleType};

    use super::*;

    fn open(target: &str, options: &str) -> Result<Box<dyn Output>> {
        let format = AudioFormat { rate: 44_100, channels: 2 };
        Null.open(&OpenRequest { target, format, sample: SampleType::S16, options })
    }

    #[test]
    fn every_listed_device_opens() {
        for device in Null.devices().unwrap() {
            assert_eq!(open(&device.id, "").unwrap().is_realtime(), device.default);
        }
    }

    #[test]
    fn an_unknown_target_or_option_is_refused_with_what_is_allowed() {
        let message = open("fats", "").err().unwrap().to_string();
        assert!(message.contains("fats") && message.contains("null:fast"), "{message}");
        let message = open("", r#"{"buffer_ms": 3}"#).err().unwrap().to_string();
        assert!(message.contains("buffer_ms"), "{message}");
        assert!(open("", "{}").is_ok());
    }

    #[test]
    fn it_is_registered() {
        assert!(
            inventory::iter::<OutputRegistration>
                .into_iter()
                .any(|registration| (registration.0)().info().id == "null")
        );
    }
}
