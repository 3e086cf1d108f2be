use media_config::PluginKind;
use media_plugin_sdk::{AudioFormat, Limits, PluginError, SampleType, SourceFormat};

use super::Context;
use crate::fault::{Exit, Fault};

impl Context {
    /// Has each codec look at its options, by asking it for an encoding of a CD: better now than when a listener asks.
    pub(super) fn check_codec_options(&self) -> Result<(), Fault> {
        let format = AudioFormat { rate: 44_100, channels: 2 };
        let source = SourceFormat { format, sample: SampleType::S16 };
        for codec in self.registry.codecs() {
            let id = codec.info().id;
            let options = self.config.plugin_options(PluginKind::Codec, &id);
            let choice = codec.propose(&source, &Limits::default(), &options);
            if let Err(error @ PluginError::BadArgument(_)) = choice {
                let message = self.config.locate_option_error(PluginKind::Codec, &id, &error.to_string());
                return Err(Fault::new(Exit::Usage, message));
            }
        }
        Ok(())
    }
}
