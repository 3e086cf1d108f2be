//! Which codec a person asks for.

use media_config::Origin;
use media_plugin_sdk::{AudioFormat, Choice, Codec, Limits, SampleType, SourceFormat};

use super::Context;
use crate::{
    client::{Budget, CodecChoice},
    exit::{Exit, ExitContext, ExitError},
};

/// What `codec.prefer` says, with a bitrate that its codecs take.
pub(super) fn choice(context: &Context) -> Result<CodecChoice, ExitError> {
    let config = &context.config.codec;
    let ids: Vec<_> = config.prefer.iter().map(|id| id.as_str().to_owned()).collect();
    let words: Vec<_> = ids.iter().map(String::as_str).collect();
    let choice = match words.as_slice() {
        [] => {
            return Err(ExitError::new(
                Exit::Usage,
                "codec.prefer names no codec: write auto, or codecs by id",
            ));
        }
        ["auto"] => CodecChoice::Auto(Budget(config.relay_budget.get())),
        ["lossless"] => CodecChoice::Lossless,
        ["data-saver"] => CodecChoice::DataSaver(Budget(config.saver_budget.get())),
        _ => CodecChoice::Only(ids),
    };
    check_bitrate(context, &choice)?;
    Ok(choice)
}

/// That a bitrate which a person named is not passed over without a word.
fn check_bitrate(context: &Context, choice: &CodecChoice) -> Result<(), ExitError> {
    let origin = context.config.origin("codec.bitrate");
    let bitrate = context.config.codec.bitrate;
    let refused =
        |why: String| ExitError::new(Exit::Usage, format!("{origin}: codec.bitrate = {bitrate}: {why}"));
    let mut lossy = !matches!(choice, CodecChoice::Lossless);
    if let CodecChoice::Only(ids) = choice {
        lossy = false;
        for id in ids {
            let codec = context.registry.codec(id).or_exit(Exit::Usage)?;
            if codec.info().lossless {
                continue;
            }
            lossy = true;
            propose(codec.as_ref(), bitrate.get()).map_err(&refused)?;
            let most = propose(codec.as_ref(), u32::MAX).map_err(&refused)?;
            // One that has no choice but its own bitrate, which may be higher at other rates, is only allowed it.
            let has_a_choice = propose(codec.as_ref(), most / 2).is_ok();
            if has_a_choice && most < bitrate.get() {
                return Err(refused(format!("{id} takes {} kbit/s at most", most / 1000)));
            }
        }
    }
    // In a file it may be for another time; beside the codec it is for this one.
    if !lossy && matches!(origin, Origin::Flag(_)) && origin == context.config.origin("codec.prefer") {
        return Err(refused("a lossless codec has no bitrate to choose; leave it out".into()));
    }
    Ok(())
}

/// What a codec makes of this bitrate for stereo, in bit/s.
fn propose(codec: &dyn Codec, bitrate: u32) -> Result<u32, String> {
    let format = AudioFormat { rate: 48_000, channels: 2 };
    let source = SourceFormat { format, sample: SampleType::S16 };
    let limits = Limits { bitrate: Some(bitrate), ..Limits::default() };
    let encoding = codec.propose(&source, &limits, "").and_then(|choice: Choice| codec.encoding(&choice));
    encoding.map(|it| it.bitrate).map_err(|error| error.to_string())
}
