//! A codec that a test controls.

use std::sync::{Arc, Condvar, Mutex};

use media_node::{plugins, server::ServerConfig};
use media_plugin_host::Registry;
use media_plugin_sdk::{
    AudioFormat, Choice, Codec, CodecInfo, CodecRegistration, Decoder, Encoder, Encoding, Limits,
    OutputPlugin, PluginError, Result, SourceFormat, inventory, transport::Transport,
};
use tokio::sync::Semaphore;

/// Behaviour of an encoder at the packet [`Script::at`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    Encode,
    Fail,
    Panic,
}

pub(crate) struct Script {
    /// One permit for each encoder that has reached [`Script::at`].
    pub(crate) reached: Semaphore,
    /// Formats of the chunks that reached [`Script::at`], in order.
    pub(crate) order: Mutex<Vec<AudioFormat>>,
    at: usize,
    then: Mutex<Then>,
    open: Mutex<bool>,
    opened: Condvar,
}

impl Script {
    /// Makes encoders wait at packet `at` until [`Script::open`].
    pub(crate) fn closed(at: usize, then: Then) -> Arc<Self> {
        Arc::new(Self {
            reached: Semaphore::new(0),
            order: Mutex::default(),
            at,
            then: Mutex::new(then),
            open: Mutex::new(false),
            opened: Condvar::new(),
        })
    }

    pub(crate) fn open(&self) {
        *self.open.lock().unwrap() = true;
        self.opened.notify_all();
    }

    pub(crate) fn then(&self, then: Then) {
        *self.then.lock().unwrap() = then;
    }

    /// Waits until `many` more encoders have reached [`Script::at`].
    pub(crate) async fn reached(&self, many: u32) {
        self.reached.acquire_many(many).await.unwrap().forget();
    }

    fn pass(&self, format: AudioFormat) -> Then {
        self.order.lock().unwrap().push(format);
        self.reached.add_permits(1);
        let open = self.open.lock().unwrap();
        drop(self.opened.wait_while(open, |open| !*open).unwrap());
        *self.then.lock().unwrap()
    }

    /// A registry of the built-in codecs and this one, `scripted`.
    pub(crate) fn registry(self: &Arc<Self>) -> Arc<Registry> {
        type Make = Box<dyn FnOnce() -> Box<dyn Codec>>;
        let script = self.clone();
        let scripted: Make = Box::new(move || Box::new(Scripted(script)));
        // Makes sure that the built-in codecs are linked.
        drop(plugins::registry());
        let built_in = inventory::iter::<CodecRegistration>().map(|it| Box::new(it.0) as Make);
        let outputs: [fn() -> Box<dyn OutputPlugin>; 0] = [];
        let transports: [fn() -> Box<dyn Transport>; 0] = [];
        Arc::new(Registry::new(built_in.chain([scripted]), outputs, transports))
    }
}

/// A server with one encoder thread that encodes nothing ahead.
pub(crate) fn one_thread() -> ServerConfig {
    ServerConfig { encoders: 1, encode_ahead: 0, ..ServerConfig::default() }
}

struct Scripted(Arc<Script>);

impl Codec for Scripted {
    fn info(&self) -> CodecInfo {
        let (version, description) = ("0".into(), "does as a test says".into());
        CodecInfo { id: "scripted".into(), version, description, lossless: false }
    }

    /// Chooses the first rate of the listener's output.
    fn propose(&self, source: &SourceFormat, limits: &Limits, _: &str) -> Result<Choice> {
        let rate = limits.rates.first().copied().unwrap_or(source.format.rate);
        Ok(Choice { format: AudioFormat { rate, ..source.format }, params: String::new() })
    }

    fn encoding(&self, choice: &Choice) -> Result<Encoding> {
        Ok(Encoding {
            choice: choice.clone(),
            bitrate: 1000,
            config: Vec::new(),
            packet_frames: choice.format.rate / 10,
            whole_packets: false,
            lead_in: 0,
            lookahead: 0,
            crossfade: 0,
            max_packet_bytes: 10,
            joinable: false,
        })
    }

    fn encoder(&self, choice: &Choice) -> Result<Box<dyn Encoder>> {
        Ok(Box::new(ScriptedEncoder { script: self.0.clone(), format: choice.format, packets: 0 }))
    }

    fn decoder(&self, _: AudioFormat, _: &[u8]) -> Result<Box<dyn Decoder>> {
        Err(PluginError::Unsupported("nothing to hear".into()))
    }
}

struct ScriptedEncoder {
    script: Arc<Script>,
    format: AudioFormat,
    packets: usize,
}

impl Encoder for ScriptedEncoder {
    fn encode(&mut self, _: &[f32], packet: &mut [u8]) -> Result<usize> {
        if self.packets == self.script.at {
            match self.script.pass(self.format) {
                Then::Encode => {}
                Then::Fail => return Err(PluginError::Failed("as the script says".into())),
                Then::Panic => panic!("as the script says"),
            }
        }
        self.packets += 1;
        packet.fill(self.packets as u8);
        Ok(packet.len())
    }

    fn reset(&mut self) -> Result<()> {
        Ok(())
    }
}
