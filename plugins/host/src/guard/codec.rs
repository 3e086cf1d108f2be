use std::sync::Arc;

use media_plugin_sdk::{
    AudioFormat, Choice, Codec, CodecInfo, Decoder, Encoder, Encoding, Limits, Result, SourceFormat,
    guard::catch_panic,
};

use super::instance::Instance;
use crate::bounds;

/// Puts the guard around a codec and its encoders and decoders.
///
/// A panic poisons the encoder or decoder. It never poisons the codec, because all sessions share that and one peer's bad
/// request must not end it for the others.
///
/// # Errors
/// `BadArgument` if the codec's id is malformed; `Panicked` if `make` or [`Codec::info`] panics.
pub fn guard_codec(make: impl FnOnce() -> Box<dyn Codec>) -> Result<Arc<dyn Codec>> {
    let (inner, info) = catch_panic(|| {
        let inner = make();
        let info = inner.info();
        Ok((inner, info))
    })?;
    bounds::check_id(&info.id)?;
    Ok(Arc::new(GuardedCodec { inner, info }))
}

struct GuardedCodec {
    inner: Box<dyn Codec>,
    info: CodecInfo,
}

impl Codec for GuardedCodec {
    fn info(&self) -> CodecInfo {
        self.info.clone()
    }

    fn propose(&self, source: &SourceFormat, limits: &Limits, options: &str) -> Result<Choice> {
        bounds::check_format(source.format)?;
        let choice = catch_panic(|| self.inner.propose(source, limits, options))?;
        bounds::check_choice(&choice)?;
        Ok(choice)
    }

    fn encoding(&self, choice: &Choice) -> Result<Encoding> {
        bounds::check_choice(choice)?;
        let encoding = catch_panic(|| self.inner.encoding(choice))?;
        bounds::check_encoding(&encoding, choice)?;
        Ok(encoding)
    }

    fn encoder(&self, choice: &Choice) -> Result<Box<dyn Encoder>> {
        bounds::check_choice(choice)?;
        let inner = catch_panic(|| self.inner.encoder(choice))?;
        Ok(Box::new(GuardedEncoder(Instance::new(inner))))
    }

    fn decoder(&self, format: AudioFormat, config: &[u8]) -> Result<Box<dyn Decoder>> {
        bounds::check_format(format)?;
        bounds::check_config(config)?;
        let inner = catch_panic(|| self.inner.decoder(format, config))?;
        Ok(Box::new(GuardedDecoder { inner: Instance::new(inner), channels: usize::from(format.channels) }))
    }
}

struct GuardedEncoder(Instance<dyn Encoder>);

impl Encoder for GuardedEncoder {
    fn encode(&mut self, pcm: &[f32], packet: &mut [u8]) -> Result<usize> {
        let bytes = self.0.call(|e| e.encode(pcm, packet))?;
        bounds::check_returned("bytes", bytes, packet.len())
    }

    fn flush(&mut self, packet: &mut [u8]) -> Result<usize> {
        let bytes = self.0.call(|e| e.flush(packet))?;
        bounds::check_returned("bytes", bytes, packet.len())
    }

    fn reset(&mut self) -> Result<()> {
        self.0.call(<dyn Encoder>::reset)
    }
}

struct GuardedDecoder {
    inner: Instance<dyn Decoder>,
    channels: usize,
}

impl Decoder for GuardedDecoder {
    fn decode(&mut self, packet: &[u8], pcm: &mut [f32]) -> Result<usize> {
        let frames = self.inner.call(|d| d.decode(packet, pcm))?;
        bounds::check_returned("frames", frames, pcm.len() / self.channels)
    }

    fn reset(&mut self) -> Result<()> {
        self.inner.call(<dyn Decoder>::reset)
    }
}
