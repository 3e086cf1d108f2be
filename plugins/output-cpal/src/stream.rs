//! The stream, on a thread of its own: what a sound system answers late, or never, keeps nobody waiting but that thread.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::Ordering,
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    thread,
    time::{Duration, Instant},
};

use cpal::{
    BufferSize, Device, Error, ErrorKind, FrameCount, I24, SampleFormat, Stream, StreamConfig,
    SupportedBufferSize,
    traits::{DeviceTrait, StreamTrait},
};
use media_plugin_sdk::{Output, PluginError, Result};
use rtrb::Producer;

use crate::{
    choose::Chosen,
    devices::Found,
    feeder::{Feeder, Shared},
    quiet::quiet,
    samples::DeviceSample,
};

/// How long a sound system may take to make a stream.
const OPENING: Duration = Duration::from_secs(3);

/// What the keeper of the stream is told.
enum Command {
    /// Frames come again.
    Play,
    /// Only silence will come; after a while the device may sleep.
    Rest,
    /// Close the stream.
    Stop,
}

/// A playing stream and what its callbacks share with the playback thread.
pub(crate) struct Playing {
    pub(crate) ring: Producer<f32>,
    pub(crate) shared: Arc<Shared>,
    /// The clock of [`Shared`].
    pub(crate) opened: Instant,
    /// Why the stream ended, once it has.
    fault: Arc<OnceLock<String>>,
    commands: Sender<Command>,
    /// Disconnected once the stream is closed.
    closed: Receiver<()>,
}

impl Playing {
    /// Opens a stream whose own buffer holds `buffer`, with a ring of twice that, 100 ms at least, before it.
    pub(crate) fn start(found: &Found, chosen: &Chosen, buffer: Duration) -> Result<Self> {
        quiet();
        let period = period(chosen, buffer);
        Self::open(found, chosen, BufferSize::Fixed(period), buffer)
            .or_else(|error| match error.kind() {
                // Some devices have a size of their own and say no to any other.
                ErrorKind::UnsupportedConfig => Self::open(found, chosen, BufferSize::Default, buffer),
                _ => Err(error),
            })
            .map_err(|error| failure(&found.id, &error))
    }

    fn open(
        found: &Found,
        chosen: &Chosen,
        size: BufferSize,
        buffer: Duration,
    ) -> std::result::Result<Self, Error> {
        let room = (2 * buffer).max(Duration::from_millis(100));
        let frames = room.as_millis() as usize * chosen.format.rate as usize / 1_000;
        let (ring, consumer) = rtrb::RingBuffer::new(chosen.format.samples(frames.max(1)));
        let shared = Arc::new(Shared::default());
        let fault = Arc::new(OnceLock::new());
        let (commands, orders) = mpsc::channel();
        let config = StreamConfig {
            channels: chosen.format.channels,
            sample_rate: chosen.format.rate,
            buffer_size: size,
        };
        let callbacks = Callbacks {
            feeder: Feeder::new(consumer, Arc::clone(&shared), chosen.format),
            shared: Arc::clone(&shared),
            opened: Instant::now(),
            fault: Arc::clone(&fault),
            commands: commands.clone(),
        };
        let opened = callbacks.opened;
        let stream = callbacks.build(&found.device, config, chosen.sample)?;
        stream.play()?;
        let (alive, closed) = mpsc::channel();
        let broken = Arc::clone(&fault);
        thread::Builder::new()
            .name("sound-stream".into())
            .spawn(move || {
                keep(&stream, &orders, 2 * room, &broken);
                drop(stream);
                drop(alive);
            })
            .map_err(|error| Error::with_message(ErrorKind::ResourceExhausted, error.to_string()))?;
        Ok(Self { ring, shared, opened, fault, commands, closed })
    }

    /// One without a stream: the test calls the feeder, and says why it ended.
    #[cfg(test)]
    pub(crate) fn without_stream(
        format: media_plugin_sdk::AudioFormat,
        frames: usize,
    ) -> (Self, Feeder, Arc<OnceLock<String>>) {
        let (ring, consumer) = rtrb::RingBuffer::new(format.samples(frames));
        let (shared, fault) = (Arc::<Shared>::default(), Arc::<OnceLock<_>>::default());
        let feeder = Feeder::new(consumer, Arc::clone(&shared), format);
        let (commands, closed) = (mpsc::channel().0, mpsc::channel().1);
        let opened = Instant::now();
        (Self { ring, shared, opened, fault: Arc::clone(&fault), commands, closed }, feeder, fault)
    }

    /// Time since the opening.
    pub(crate) fn now(&self) -> Duration {
        self.opened.elapsed()
    }

    /// Why the stream has ended, if it has.
    pub(crate) fn fault(&self) -> Option<&str> {
        self.fault.get().map(String::as_str)
    }

    /// Tells the keeper whether frames come; it may let the device sleep if not.
    pub(crate) fn rest(&self, resting: bool) {
        // A keeper that is gone has left a fault.
        let _ = self.commands.send(if resting { Command::Rest } else { Command::Play });
    }
}

impl Drop for Playing {
    /// Closes the stream, so that the device can be opened anew at once; but goes on if that takes too long.
    fn drop(&mut self) {
        let _ = self.commands.send(Command::Stop);
        let _ = self.closed.recv_timeout(<dyn Output>::MAX_WAIT);
    }
}

/// Minds the stream until it is to be closed, or has failed: none is left open to report one error over and over.
fn keep(stream: &Stream, orders: &Receiver<Command>, patience: Duration, fault: &OnceLock<String>) {
    quiet();
    let (mut is_silent, mut is_asleep) = (false, false);
    loop {
        let order = if is_silent && !is_asleep {
            orders.recv_timeout(patience)
        } else {
            orders.recv().map_err(RecvTimeoutError::from)
        };
        match order {
            Ok(Command::Rest) => is_silent = true,
            Ok(Command::Play) => {
                if is_asleep && let Err(error) = stream.play() {
                    let _ = fault.set(format!("the sound device does not go on: {error}"));
                    return;
                }
                (is_silent, is_asleep) = (false, false);
            }
            // Not every device can; then it is fed silence.
            Err(RecvTimeoutError::Timeout) => {
                is_asleep = stream.pause().is_ok();
                is_silent = is_asleep;
            }
            Ok(Command::Stop) | Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// Frames per callback: half of the device's buffer, within what it can do.
fn period(chosen: &Chosen, buffer: Duration) -> FrameCount {
    let wanted = (buffer.as_millis() * u128::from(chosen.format.rate) / 2_000).max(1) as FrameCount;
    match chosen.buffer {
        SupportedBufferSize::Range { min, max } if min <= max => wanted.clamp(min, max),
        _ => wanted,
    }
}

/// What a stream calls.
struct Callbacks {
    feeder: Feeder,
    shared: Arc<Shared>,
    opened: Instant,
    fault: Arc<OnceLock<String>>,
    commands: Sender<Command>,
}

impl Callbacks {
    fn build(
        self,
        device: &Device,
        config: StreamConfig,
        sample: SampleFormat,
    ) -> std::result::Result<Stream, Error> {
        match sample {
            SampleFormat::F32 => self.build_with::<f32>(device, config),
            SampleFormat::I32 => self.build_with::<i32>(device, config),
            SampleFormat::I24 => self.build_with::<I24>(device, config),
            SampleFormat::I16 => self.build_with::<i16>(device, config),
            other => {
                Err(Error::with_message(ErrorKind::UnsupportedConfig, format!("no samples of type {other}")))
            }
        }
    }

    fn build_with<T: DeviceSample>(
        self,
        device: &Device,
        config: StreamConfig,
    ) -> std::result::Result<Stream, Error> {
        let Self { mut feeder, shared, opened, fault, commands } = self;
        device.build_output_stream::<T, _, _>(
            config,
            move |out, info| {
                let times = info.timestamp();
                let latency = times.playback.saturating_duration_since(times.callback);
                feeder.fill(out, opened.elapsed(), latency);
            },
            move |error| {
                if error.kind() == ErrorKind::Xrun {
                    shared.xruns.fetch_add(1, Ordering::Relaxed);
                }
                // The first error that the stream does not get over ends it; it may be followed by a million more.
                if is_fatal(error.kind()) && fault.set(format!("the sound device is gone: {error}")).is_ok() {
                    quiet();
                    let _ = commands.send(Command::Stop);
                }
            },
            Some(OPENING),
        )
    }
}

fn is_fatal(kind: ErrorKind) -> bool {
    !matches!(kind, ErrorKind::Xrun | ErrorKind::RealtimeDenied | ErrorKind::DeviceChanged)
}

fn failure(id: &str, error: &Error) -> PluginError {
    let message = format!("opening sound device {id}: {error}");
    match error.kind() {
        ErrorKind::DeviceNotAvailable | ErrorKind::HostUnavailable | ErrorKind::StreamInvalidated => {
            PluginError::Lost(message)
        }
        _ => PluginError::Failed(message),
    }
}
