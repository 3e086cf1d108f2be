//! The playback thread without its loop, and an output with a delay set by the test.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;
use media_plugin_sdk::{AudioFormat, DeviceInfo, OpenRequest, Output, OutputInfo, OutputPlugin};
use media_protocol::ChunkIndex;
use tokio::sync::mpsc;

use super::super::*;
use crate::client::{
    OnLost, OutputChoice, OutputFormats,
    orders::{OrderSender, order_channel},
    test_support,
};

pub(super) const RATE: u32 = 8_000;
/// Frames of a packet: 20 ms.
pub(super) const PACKET: usize = 160;
/// Frames of a fade: 5 ms.
pub(super) const FADE: usize = 40;

/// Frames written to the output, and its state.
#[derive(Default)]
pub(super) struct Device {
    given: Mutex<Vec<f32>>,
    pub(super) left: AtomicU64,
    pub(super) xruns: AtomicU64,
    /// True if the open output is lost.
    pub(super) lost: AtomicBool,
    /// Number of further attempts to open the output that fail.
    pub(super) away: AtomicU64,
    /// True if the output takes no frames.
    pub(super) still: AtomicBool,
    pub(super) paused: AtomicBool,
    /// True if the output does not play in real time.
    pub(super) unpaced: AtomicBool,
}

impl Device {
    fn check(&self) -> Result<(), PluginError> {
        let is_lost = self.lost.load(Ordering::Relaxed);
        if is_lost { Err(PluginError::Lost("gone".into())) } else { Ok(()) }
    }
}

struct Plugin(Arc<Device>);
struct Opened(Arc<Device>);

impl OutputPlugin for Plugin {
    fn info(&self) -> OutputInfo {
        let text = String::new;
        OutputInfo { id: "test".into(), version: text(), description: text(), target: text() }
    }

    fn devices(&self) -> Result<Vec<DeviceInfo>, PluginError> {
        Ok(Vec::new())
    }

    fn open(&self, _: &OpenRequest<'_>) -> Result<Box<dyn Output>, PluginError> {
        if self.0.away.load(Ordering::Relaxed) > 0 {
            self.0.away.fetch_sub(1, Ordering::Relaxed);
            return Err(PluginError::Lost("away".into()));
        }
        self.0.lost.store(false, Ordering::Relaxed);
        self.0.left.store(0, Ordering::Relaxed);
        self.0.paused.store(false, Ordering::Relaxed);
        Ok(Box::new(Opened(Arc::clone(&self.0))))
    }
}

impl Output for Opened {
    fn format(&self) -> AudioFormat {
        AudioFormat { rate: RATE, channels: 1 }
    }

    fn is_realtime(&self) -> bool {
        !self.0.unpaced.load(Ordering::Relaxed)
    }

    fn write(&mut self, frames: &[f32]) -> Result<usize, PluginError> {
        self.0.check()?;
        if self.0.still.load(Ordering::Relaxed) {
            return Ok(0);
        }
        self.0.given.lock().unwrap().extend_from_slice(frames);
        self.0.left.fetch_add(frames.len() as u64, Ordering::Relaxed);
        Ok(frames.len())
    }

    fn delay(&self) -> u64 {
        self.0.left.load(Ordering::Relaxed)
    }

    fn xruns(&self) -> u64 {
        self.0.xruns.load(Ordering::Relaxed)
    }

    fn pause(&mut self, paused: bool) -> Result<(), PluginError> {
        self.0.paused.store(paused, Ordering::Relaxed);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), PluginError> {
        Ok(())
    }

    fn drain(&mut self) -> Result<bool, PluginError> {
        self.0.check()?;
        Ok(self.0.left.swap(0, Ordering::Relaxed) == 0)
    }
}

/// A packet of ones.
pub(super) fn packet() -> Bytes {
    packet_of(1.0)
}

fn packet_of(sample: f32) -> Bytes {
    sample.to_le_bytes().repeat(PACKET).into()
}

pub(super) struct Rig {
    pub(super) playback: PlaybackThread,
    pub(super) device: Arc<Device>,
    /// Failures of the decoder, for the session.
    pub(super) failed: mpsc::Receiver<DecoderFailed>,
    orders: OrderSender,
    pub(super) events: mpsc::Receiver<Event>,
}

impl Rig {
    /// A thread at the start of a track of one chunk of PCM.
    pub(super) fn new() -> Self {
        let device = Arc::<Device>::default();
        let plugin = Arc::new(Plugin(Arc::clone(&device)));
        let text = String::new;
        let choice = OutputChoice {
            plugin,
            target: text(),
            options: text(),
            on_lost: OnLost::Wait,
            formats: OutputFormats::default(),
        };
        let (orders, orders_out) = order_channel(PlaybackOrders::new(1.0));
        let (events_in, events) = mpsc::channel(64);
        let (failures, failed) = mpsc::channel(1);
        let playback = PlaybackThread {
            buffer: Arc::new(JitterBuffer::new(Duration::from_secs(3), Duration::from_millis(20), 1 << 20)),
            supply: Arc::default(),
            orders: orders_out,
            events: events_in,
            failures,
            progress: Arc::default(),
            output: OutputWriter::new(choice, 1.0, Arc::default()),
            began: Instant::now(),
            registry: crate::plugins::registry(),
            decoder: None,
            state: ThreadState { jump: Some(PlayId(0)), ..ThreadState::default() },
        };
        let rig = Self { playback, device, failed, orders, events };
        let info = rig.info();
        let (from, rendition) = (FrameIndex(0), Arc::new(info.rendition.clone()));
        for entry in [
            Entry::Begin { play: PlayId(0), info, from },
            Entry::ChunkStart { index: ChunkIndex(0), from, rendition, reason: "the first choice".into() },
        ] {
            rig.playback.buffer.push(entry).unwrap();
        }
        rig
    }

    /// A track of PCM.
    pub(super) fn info(&self) -> Arc<Info> {
        let mut info = test_support::info(RATE, 1, 20_000);
        let rendition = &mut info.rendition;
        rendition.id = "0123456789abcdef.pcm.8000.1.f32".parse().unwrap();
        (rendition.config, rendition.packet_frames) = (b"f32".to_vec(), PACKET as u32);
        (rendition.lead_in, rendition.crossfade) = (0, 0);
        Arc::new(info)
    }

    /// The owner changes the orders.
    pub(super) fn order(&self, change: impl FnOnce(&mut PlaybackOrders)) {
        self.orders.update(change);
    }

    /// The owner changes the orders, and the thread follows them.
    pub(super) fn obey(&mut self, change: impl FnOnce(&mut PlaybackOrders)) {
        self.order(change);
        assert!(self.playback.follow_orders().is_ok());
    }

    /// Packets of ones arrive.
    pub(super) fn arrive(&self, packets: usize) {
        for _ in 0..packets {
            self.playback.buffer.push(Entry::Packet(packet())).unwrap();
        }
    }

    /// A packet of this sample arrives.
    pub(super) fn arrive_of(&self, sample: f32) {
        self.playback.buffer.push(Entry::Packet(packet_of(sample))).unwrap();
    }

    /// Events since the last call: those of the output, and `Drained`.
    pub(super) fn told(&mut self) -> Vec<String> {
        let events = std::iter::from_fn(|| self.events.try_recv().ok());
        let line = |event| match event {
            Event::OutputReady(line) => Some(line),
            Event::OutputLost(reason) => Some(format!("lost: {reason}")),
            Event::Drained(_) => Some("drained".into()),
            _ => None,
        };
        events.filter_map(line).collect()
    }

    /// A damaged packet arrives.
    pub(super) fn damage_arrives(&self) {
        self.playback.buffer.push(Entry::Packet(Bytes::from_static(b"odd"))).unwrap();
    }

    pub(super) fn steps(&mut self) {
        (0..20).for_each(|_| assert!(self.playback.step().is_ok()));
    }

    /// Runs until all frames are written. Sets the frames left in the device to `left`.
    pub(super) fn run(&mut self, left: u64) {
        while self.playback.buffer.level() > Duration::ZERO || self.playback.output.has_pending(true) {
            assert!(self.playback.step().is_ok());
        }
        self.device.left.store(left, Ordering::Relaxed);
    }

    pub(super) fn given(&self) -> Vec<f32> {
        self.device.given.lock().unwrap().clone()
    }

    pub(super) fn underruns(&self) -> u64 {
        self.playback.progress.lock().unwrap().underruns
    }
}
