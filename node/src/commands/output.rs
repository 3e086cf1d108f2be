use media_config::PluginKind;

use super::Context;
use crate::{
    client::{OnLost, OutputChoice, OutputFormats},
    fault::{Exit, Fault, OrFault},
};

/// The output that is tried first when none is named, and the one that is always there.
const SOUND: &str = "cpal";
const SILENT: &str = "null";

impl Context {
    /// The output that `output.use` names. With `auto`, the default sound device, or nothing where there is none; then a
    /// line says so.
    pub(super) fn output(&self) -> Result<(OutputChoice, Option<String>), Fault> {
        let chosen = self.config.output.chosen.as_str();
        if chosen != "auto" {
            let (id, target) = chosen.split_once(':').unwrap_or((chosen, ""));
            let mut choice = self.output_choice(id, target)?;
            choice.formats = OutputFormats::listed_by(&choice.plugin, target, &choice.options);
            return Ok((choice, None));
        }
        let Ok(plugin) = self.registry.output(SOUND) else {
            let line = "built without sound devices: playing in silence (--output null)";
            return Ok((self.output_choice(SILENT, "")?, Some(line.into())));
        };
        match plugin.devices() {
            Ok(devices) if !devices.is_empty() => {
                let mut choice = self.output_choice(SOUND, "")?;
                choice.formats = OutputFormats::of(&devices, "", &choice.options);
                Ok((choice, None))
            }
            _ => {
                let line = "no sound device here: playing in silence (--output null)";
                Ok((self.output_choice(SILENT, "")?, Some(line.into())))
            }
        }
    }

    fn output_choice(&self, id: &str, target: &str) -> Result<OutputChoice, Fault> {
        Ok(OutputChoice {
            plugin: self.registry.output(id).or_fault(Exit::Output)?,
            target: target.into(),
            options: self.config.plugin_options(PluginKind::Output, id),
            on_lost: match self.config.playback.on_lost {
                media_config::OnLost::Follow => OnLost::Follow,
                media_config::OnLost::Wait => OnLost::Wait,
            },
            formats: OutputFormats::default(),
        })
    }
}
