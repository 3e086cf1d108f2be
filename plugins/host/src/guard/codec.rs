//! The guard around codecs.

use std::sync::Arc;

use media_plugin_sdk::{
    AudioFormat, Choice, Codec, CodecInfo, Decoder, Encoder, Encoding, Limits, Result, SourceFormat,
    guard::caught,
};

use crate::{check, guard::Instance};

/// Puts the guard around a codec and everything that it makes. The codec itself is never poisoned, because it is shared
/// and a peer's bad request must not end it for the others; each of its encoders and decoders is.
///
/// # Errors
/// `BadArgument` when its id is malformed; `Panicked` when it cannot even say what it is.
pub fn guard_codec(make: impl FnOnce() -> Box<dyn Codec>) -> Result<Arc<dyn Codec>> {
    let (inner, info) = caught(|| {
        let inner = make();
        let info = inner.info();
        Ok((inner, info))
    })?;
    check::id(&info.id)?;
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
        check::format(source.format)?;
        let choice = caught(|| self.inner.propose(source, limits, options))?;
        check::choice(&choice)?;
        Ok(choice)
    }

    fn encoding(&self, choice: &Choice) -> Result<Encoding> {
        check::choice(choice)?;
        let encoding = caught(|| self.inner.encoding(choice))?;
        check::encoding(&encoding, choice)?;
        Ok(encoding)
    }

    fn encoder(&self, choice: &Choice) -> Result<Box<dyn Encoder>> {
        check::choice(choice)?;
        let inner = caught(|| self.inner.encoder(choice))?;
        Ok(Box::new(GuardedEncoder(Instance::new(inner))))
    }

    fn decoder(&self, format: AudioFormat, config: &[u8]) -> Result<Box<dyn Decoder>> {
        check::format(format)?;
        check::config(config)?;
        let inner = caught(|| self.inner.decoder(format, config))?;
        Ok(Box::new(GuardedDecoder { inner: Instance::new(inner), channels: usize::from(format.channels) }))
    }
}

struct GuardedEncoder(Instance<dyn Encoder>);

impl Encoder for GuardedEncoder {
    fn encode(&mut self, pcm: &[f32], packet: &mut [u8]) -> Result<usize> {
        let bytes = self.0.call(|e| e.encode(pcm, packet))?;
        check::returned("bytes", bytes, packet.len())
    }

    fn flush(&mut self, packet: &mut [u8]) -> Result<usize> {
        let bytes = self.0.call(|e| e.flush(packet))?;
        check::returned("bytes", bytes, packet.len())
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
        check::returned("frames", frames, pcm.len() / self.channels)
    }

    fn reset(&mut self) -> Result<()> {
        self.inner.call(<dyn Decoder>::reset)
    }
}
