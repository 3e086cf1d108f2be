//! The codecs that the settings `codec.prefer` and `codec.bitrate` choose.

use media_config::Origin;
use media_plugin_sdk::{AudioFormat, Choice, Codec, Limits, SampleType, SourceFormat};

use super::Context;
use crate::{
    client::{Budget, CodecChoice},
    exit::{Exit, ExitContext, ExitError},
};

/// The choice that `codec.prefer` names. Also checks that its codecs can use `codec.bitrate`.
pub(super) fn codec_choice(context: &Context) -> Result<CodecChoice, ExitError> {
    let config = &context.config.codec;
    let ids: Vec<_> = config.prefer.iter().map(|id| id.as_str().to_owned()).collect();
    let words: Vec<_> = ids.iter().map(String::as_str).collect();
    let choice = match words.as_slice() {
        [] => {
            let message = "codec.prefer names no codec; write auto, lossless, data-saver, or codecs by id";
            return Err(ExitError::new(Exit::Usage, message));
        }
        ["auto"] => CodecChoice::Auto(Budget(config.relay_budget.get())),
        ["lossless"] => CodecChoice::Lossless,
        ["data-saver"] => CodecChoice::DataSaver(Budget(config.saver_budget.get())),
        _ => CodecChoice::Only(ids),
    };
    check_bitrate(context, &choice)?;
    Ok(choice)
}

/// Fails if the chosen codecs cannot use `codec.bitrate`, so that the setting is never ignored silently.
fn check_bitrate(context: &Context, choice: &CodecChoice) -> Result<(), ExitError> {
    let origin = context.config.origin("codec.bitrate");
    let bitrate = context.config.codec.bitrate;
    let error = |reason: String| {
        ExitError::new(Exit::Usage, format!("{origin}: codec.bitrate = {bitrate}: {reason}"))
    };
    let mut is_lossy = !matches!(choice, CodecChoice::Lossless);
    if let CodecChoice::Only(ids) = choice {
        is_lossy = false;
        for id in ids {
            let codec = context.registry.codec(id).or_exit(Exit::Usage)?;
            if codec.info().lossless {
                continue;
            }
            is_lossy = true;
            propose(codec.as_ref(), bitrate.get()).map_err(&error)?;
            let highest = propose(codec.as_ref(), u32::MAX).map_err(&error)?;
            // A codec with one fixed bitrate refuses half of it. At other rates that bitrate may be higher, so a setting
            // above it is no mistake.
            let is_variable = propose(codec.as_ref(), highest / 2).is_ok();
            if is_variable && highest < bitrate.get() {
                return Err(error(format!("{id} takes {} kbit/s at most", highest / 1000)));
            }
        }
    }
    // A bitrate in the configuration file may be meant for other runs. A bitrate in `--codec` is meant for this codec.
    if !is_lossy && matches!(origin, Origin::Flag(_)) && origin == context.config.origin("codec.prefer") {
        return Err(error("a lossless codec has no bitrate to choose; leave it out".into()));
    }
    Ok(())
}

/// Bitrate of a codec for stereo at 48 kHz within a limit, both in bit/s.
fn propose(codec: &dyn Codec, limit: u32) -> Result<u32, String> {
    let format = AudioFormat { rate: 48_000, channels: 2 };
    let source = SourceFormat { format, sample: SampleType::S16 };
    let limits = Limits { bitrate: Some(limit), ..Limits::default() };
    let encoding = codec.propose(&source, &limits, "").and_then(|choice: Choice| codec.encoding(&choice));
    encoding.map(|encoding| encoding.bitrate).map_err(|error| error.to_string())
}
