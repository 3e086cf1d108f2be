use std::sync::Arc;

use media_plugin_sdk::{
    AudioFormat, DeviceInfo, OpenRequest, Output, OutputInfo, OutputPlugin, Result, guard::catch_panic,
};

use super::instance::Instance;
use crate::bounds;

/// Puts the guard around an output plugin and every output that it opens. A panic poisons the open output, never the
/// plugin.
///
/// # Errors
/// `BadArgument` if the plugin's id is malformed; `Panicked` if `make` or [`OutputPlugin::info`] panics.
pub fn guard_output(make: impl FnOnce() -> Box<dyn OutputPlugin>) -> Result<Arc<dyn OutputPlugin>> {
    let (inner, info) = catch_panic(|| {
        let inner = make();
        let info = inner.info();
        Ok((inner, info))
    })?;
    bounds::check_id(&info.id)?;
    Ok(Arc::new(GuardedOutputPlugin { inner, info }))
}

struct GuardedOutputPlugin {
    inner: Box<dyn OutputPlugin>,
    info: OutputInfo,
}

impl OutputPlugin for GuardedOutputPlugin {
    fn info(&self) -> OutputInfo {
        self.info.clone()
    }

    fn devices(&self) -> Result<Vec<DeviceInfo>> {
        catch_panic(|| self.inner.devices())
    }

    fn check_options(&self, options: &str) -> Result<()> {
        catch_panic(|| self.inner.check_options(options))
    }

    fn open(&self, open: &OpenRequest<'_>) -> Result<Box<dyn Output>> {
        bounds::check_format(open.format)?;
        let inner = Instance::new(catch_panic(|| self.inner.open(open))?);
        let (format, realtime) = inner.call_ref(|o| Ok((o.format(), o.is_realtime())))?;
        bounds::check_format(format)?;
        Ok(Box::new(GuardedOutput { inner, format, realtime }))
    }
}

struct GuardedOutput {
    inner: Instance<dyn Output>,
    // Read once: neither changes while the output is open.
    format: AudioFormat,
    realtime: bool,
}

impl Output for GuardedOutput {
    fn format(&self) -> AudioFormat {
        self.format
    }

    fn is_realtime(&self) -> bool {
        self.realtime
    }

    fn write(&mut self, frames: &[f32]) -> Result<usize> {
        let taken = self.inner.call(|o| o.write(frames))?;
        bounds::check_returned("frames", taken, frames.len() / usize::from(self.format.channels))
    }

    /// 0 if the output has panicked; the next call that returns a `Result` reports it.
    fn delay(&self) -> u64 {
        self.inner.call_ref(|o| Ok(o.delay())).unwrap_or(0)
    }

    /// 0 if the output has panicked.
    fn xruns(&self) -> u64 {
        self.inner.call_ref(|o| Ok(o.xruns())).unwrap_or(0)
    }

    fn pause(&mut self, paused: bool) -> Result<()> {
        self.inner.call(|o| o.pause(paused))
    }

    fn flush(&mut self) -> Result<()> {
        self.inner.call(<dyn Output>::flush)
    }

    fn drain(&mut self) -> Result<bool> {
        self.inner.call(<dyn Output>::drain)
    }
}
