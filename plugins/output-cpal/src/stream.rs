//! Stream of a sound device. A thread of its own controls it, because calls of a sound system may block, even for ever.

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
use media_plugin_sdk::{AudioFormat, Output, PluginError, Result};
use rtrb::Producer;

use crate::{
    alsa_log::silence_alsa,
    devices::OutputDevice,
    feeder::{CallbackState, Feeder},
    samples::DeviceSample,
    stream_format::StreamFormat,
};

/// Timeout for opening a stream, after which the sound system is taken to hang. No test: it needs a system that hangs.
const OPEN_TIMEOUT: Duration = Duration::from_secs(3);

/// Shortest ring buffer. A shorter one would run out if the playback thread is delayed.
const MIN_RING: Duration = Duration::from_millis(100);

/// Command to the thread that controls the stream.
enum StreamCommand {
    /// Frames come again.
    Play,
    /// Only silence follows, so the device may be suspended after a while.
    Idle,
    /// Close the stream.
    Close,
}

/// Open stream of a sound device, as the playback thread uses it.
pub(crate) struct DeviceStream {
    pub(crate) ring: Producer<f32>,
    pub(crate) state: Arc<CallbackState>,
    /// Start of the clock of [`CallbackState`].
    pub(crate) opened: Instant,
    /// Reason for which the stream has ended.
    fault: Arc<OnceLock<String>>,
    commands: Sender<StreamCommand>,
    /// Disconnected when the stream is closed.
    closed: Receiver<()>,
}

impl DeviceStream {
    /// Opens a stream with a device buffer of the length `buffer`, and a ring buffer of twice that length, at least
    /// [`MIN_RING`].
    pub(crate) fn open(device: &OutputDevice, format: &StreamFormat, buffer: Duration) -> Result<Self> {
        silence_alsa();
        let period = period(format, buffer);
        Self::open_with(device, format, BufferSize::Fixed(period), buffer)
            .or_else(|error| match error.kind() {
                // Some devices have a fixed buffer size and refuse any other.
                ErrorKind::UnsupportedConfig => Self::open_with(device, format, BufferSize::Default, buffer),
                _ => Err(error),
            })
            .map_err(|error| open_error(&device.id, &error))
    }

    fn open_with(
        device: &OutputDevice,
        format: &StreamFormat,
        buffer_size: BufferSize,
        buffer: Duration,
    ) -> std::result::Result<Self, Error> {
        let AudioFormat { rate, channels } = format.format;
        let ring_length = (2 * buffer).max(MIN_RING);
        let frames = ring_length.as_millis() as usize * rate as usize / 1_000;
        let (ring, consumer) = rtrb::RingBuffer::new(format.format.samples(frames.max(1)));
        let state = Arc::new(CallbackState::default());
        let fault = Arc::new(OnceLock::new());
        let (commands, receiver) = mpsc::channel();
        let config = StreamConfig { channels, sample_rate: rate, buffer_size };
        let opened = Instant::now();
        let callbacks = Callbacks {
            feeder: Feeder::new(consumer, Arc::clone(&state), format.format),
            state: Arc::clone(&state),
            opened,
            fault: Arc::clone(&fault),
            commands: commands.clone(),
        };
        let stream = callbacks.build(&device.device, config, format.sample)?;
        stream.play()?;
        let (open_marker, closed) = mpsc::channel();
        let thread_fault = Arc::clone(&fault);
        thread::Builder::new()
            .name("sound-stream".into())
            .spawn(move || {
                control(&stream, &receiver, 2 * ring_length, &thread_fault);
                drop(stream);
                drop(open_marker);
            })
            .map_err(|error| Error::with_message(ErrorKind::ResourceExhausted, error.to_string()))?;
        Ok(Self { ring, state, opened, fault, commands, closed })
    }

    /// Stream without a device. The test runs the feeder and sets the fault.
    #[cfg(test)]
    pub(crate) fn without_stream(
        format: AudioFormat,
        frames: usize,
    ) -> (Self, Feeder, Arc<OnceLock<String>>) {
        let (ring, consumer) = rtrb::RingBuffer::new(format.samples(frames));
        let state = Arc::<CallbackState>::default();
        let fault = Arc::<OnceLock<_>>::default();
        let feeder = Feeder::new(consumer, Arc::clone(&state), format);
        let (commands, closed) = (mpsc::channel().0, mpsc::channel().1);
        let opened = Instant::now();
        (Self { ring, state, opened, fault: Arc::clone(&fault), commands, closed }, feeder, fault)
    }

    /// Time since the opening.
    pub(crate) fn now(&self) -> Duration {
        self.opened.elapsed()
    }

    /// Reason for which the stream has ended. `None` while it runs.
    pub(crate) fn fault(&self) -> Option<&str> {
        self.fault.get().map(String::as_str)
    }

    /// Announces silence (`true`) or frames (`false`). The device may be suspended during a long silence.
    pub(crate) fn set_idle(&self, idle: bool) {
        // A failed send means that the thread has ended, which sets `fault`.
        let _ = self.commands.send(if idle { StreamCommand::Idle } else { StreamCommand::Play });
    }
}

impl Drop for DeviceStream {
    /// Closes the stream, and waits for that up to `MAX_WAIT`, so that the device can be opened again at once.
    fn drop(&mut self) {
        let _ = self.commands.send(StreamCommand::Close);
        let _ = self.closed.recv_timeout(<dyn Output>::MAX_WAIT);
    }
}

/// Body of the thread that controls the stream. Returns when the stream must be closed. That includes its first error, which
/// an open stream would report again and again. Suspends the device after `idle_timeout` of silence.
fn control(
    stream: &Stream,
    commands: &Receiver<StreamCommand>,
    idle_timeout: Duration,
    fault: &OnceLock<String>,
) {
    silence_alsa();
    let mut is_idle = false;
    let mut is_suspended = false;
    loop {
        let command = if is_idle && !is_suspended {
            commands.recv_timeout(idle_timeout)
        } else {
            commands.recv().map_err(RecvTimeoutError::from)
        };
        match command {
            Ok(StreamCommand::Idle) => is_idle = true,
            Ok(StreamCommand::Play) => {
                if is_suspended && let Err(error) = stream.play() {
                    let _ = fault.set(format!("the sound device does not resume: {error}"));
                    return;
                }
                is_idle = false;
                is_suspended = false;
            }
            // A device that cannot be suspended continues to play silence.
            Err(RecvTimeoutError::Timeout) => {
                is_suspended = stream.pause().is_ok();
                is_idle = is_suspended;
            }
            Ok(StreamCommand::Close) | Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// Frames per callback: half of the device's buffer, within the device's limits.
fn period(format: &StreamFormat, buffer: Duration) -> FrameCount {
    let wanted = (buffer.as_millis() * u128::from(format.format.rate) / 2_000).max(1) as FrameCount;
    match format.buffer {
        SupportedBufferSize::Range { min, max } if min <= max => wanted.clamp(min, max),
        _ => wanted,
    }
}

/// Callbacks of a stream, for frames and for errors.
struct Callbacks {
    feeder: Feeder,
    state: Arc<CallbackState>,
    opened: Instant,
    fault: Arc<OnceLock<String>>,
    commands: Sender<StreamCommand>,
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
            other => Err(Error::with_message(
                ErrorKind::UnsupportedConfig,
                format!("sample type {other} is not supported"),
            )),
        }
    }

    fn build_with<T: DeviceSample>(
        self,
        device: &Device,
        config: StreamConfig,
    ) -> std::result::Result<Stream, Error> {
        let Self { mut feeder, state, opened, fault, commands } = self;
        device.build_output_stream::<T, _, _>(
            config,
            move |out, info| {
                let times = info.timestamp();
                let latency = times.playback.saturating_duration_since(times.callback);
                feeder.fill(out, opened.elapsed(), latency);
            },
            move |error| {
                if error.kind() == ErrorKind::Xrun {
                    state.xruns.fetch_add(1, Ordering::Relaxed);
                }
                // The first fatal error closes the stream; without that, PulseAudio through ALSA sent 1.5 million errors in 3
                // s.
                if is_fatal(error.kind()) && fault.set(format!("the sound device is gone: {error}")).is_ok() {
                    silence_alsa();
                    let _ = commands.send(StreamCommand::Close);
                }
            },
            Some(OPEN_TIMEOUT),
        )
    }
}

fn is_fatal(kind: ErrorKind) -> bool {
    !matches!(kind, ErrorKind::Xrun | ErrorKind::RealtimeDenied | ErrorKind::DeviceChanged)
}

fn open_error(id: &str, error: &Error) -> PluginError {
    let message = format!("opening sound device {id}: {error}");
    match error.kind() {
        ErrorKind::DeviceNotAvailable | ErrorKind::HostUnavailable | ErrorKind::StreamInvalidated => {
            PluginError::Lost(message)
        }
        _ => PluginError::Failed(message),
    }
}
