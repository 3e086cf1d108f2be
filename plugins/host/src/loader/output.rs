use std::{ffi::c_void, ptr, slice};

use media_plugin_abi::{mn_device, mn_device_list, mn_format, mn_open, mn_opened, mn_output};
use media_plugin_sdk::{
    AudioFormat, DeviceInfo, Open, Output, OutputInfo, OutputPlugin, PluginError, Result,
};

use super::{
    Checked,
    call::{UNSET, call, flag, frames, from_abi, to_abi},
    codec::made,
    text,
};
use crate::check;

const MAX_DEVICES: usize = 1024;
const MAX_FORMATS: u32 = 64;

/// An output of a library. It stands behind the guard, which checks the lengths that it gives.
#[derive(Clone)]
pub(crate) struct LoadedOutput {
    table: mn_output,
    pub(crate) info: OutputInfo,
}

// SAFETY: the ABI says that an output plugin may be called from any thread, at once; the table is constant.
unsafe impl Send for LoadedOutput {}
// SAFETY: as above.
unsafe impl Sync for LoadedOutput {}

impl LoadedOutput {
    /// Checks a table that a plugin gave out.
    ///
    /// # Safety
    /// It is as the ABI says, and stays so.
    pub(super) unsafe fn new(table: mn_output) -> Checked<Self> {
        // SAFETY: the caller vouches for the four texts.
        let (id, version, description, target) = unsafe {
            (
                text::bounded("output's id", table.id)?,
                text::bounded("output's version", table.version)?,
                text::bounded("output's description", table.description)?,
                text::bounded("output's target", table.target)?,
            )
        };
        check::id(&id).map_err(|e| e.to_string())?;
        let required = [
            ("open", table.open.is_some()),
            ("write", table.write.is_some()),
            ("delay", table.delay.is_some()),
            ("pause", table.pause.is_some()),
            ("flush", table.flush.is_some()),
            ("drain", table.drain.is_some()),
            ("free", table.free.is_some()),
        ];
        if let Some((name, _)) = required.iter().find(|(_, there)| !there) {
            return Err(format!("its output {id} has no function {name}"));
        }
        Ok(Self { table, info: OutputInfo { id, version, description, target } })
    }
}

/// The list that a plugin adds its devices to. It sees the first field only.
#[repr(C)]
struct Devices {
    list: mn_device_list,
    added: Checked<Vec<DeviceInfo>>,
}

unsafe extern "C" fn add(list: *mut mn_device_list, device: *const mn_device) {
    // SAFETY: a plugin has no other list than the one in `devices` below, during that call.
    let devices = unsafe { &mut *list.cast::<Devices>() };
    let Ok(added) = &mut devices.added else { return };
    if added.len() == MAX_DEVICES {
        devices.added = Err(format!("it has more than {MAX_DEVICES} devices"));
        return;
    }
    // SAFETY: the plugin vouches for the device that it adds.
    match unsafe { device_of(device) } {
        Ok(device) => added.push(device),
        Err(why) => devices.added = Err(why),
    }
}

/// # Safety
/// `device` is as the ABI says.
unsafe fn device_of(device: *const mn_device) -> Checked<DeviceInfo> {
    if device.is_null() {
        return Err("it adds a device at NULL".into());
    }
    // SAFETY: the caller vouches for it.
    let device = unsafe { media_plugin_abi::read(device) };
    let device = device.map_err(|size| format!("one of its devices has only {size} bytes"))?;
    // SAFETY: as above, for two texts and two arrays.
    let (id, name, rates, channels) = unsafe {
        (
            text::bounded("device's id", device.id)?,
            text::bounded("device's name", device.name)?,
            numbers("rates", device.rates, device.rate_count)?,
            numbers("channel counts", device.channels, device.channels_count)?,
        )
    };
    let channels = channels.into_iter().map(|count| u16::try_from(count).unwrap_or(u16::MAX)).collect();
    Ok(DeviceInfo { id, name, default: device.is_default != 0, rates, channels })
}

/// # Safety
/// `first` points to `count` numbers, for as long as that is within the bound.
unsafe fn numbers(what: &str, first: *const u32, count: u32) -> Checked<Vec<u32>> {
    if count > MAX_FORMATS || (count > 0 && first.is_null()) {
        return Err(format!("one of its devices has {count} {what} at {first:?}, {MAX_FORMATS} at most"));
    }
    if count == 0 {
        return Ok(Vec::new());
    }
    // SAFETY: the caller vouches for it.
    Ok(unsafe { slice::from_raw_parts(first, count as usize) }.to_vec())
}

impl OutputPlugin for LoadedOutput {
    fn info(&self) -> OutputInfo {
        self.info.clone()
    }

    fn devices(&self) -> Result<Vec<DeviceInfo>> {
        if self.table.devices.is_none() {
            return Ok(Vec::new());
        }
        let list = mn_device_list { struct_size: size_of::<mn_device_list>() as u32, add: Some(add) };
        let mut devices = Devices { list, added: Ok(Vec::new()) };
        // SAFETY: the list lives until the call returns. The pointer is to the whole of it, which `add` needs.
        unsafe { call!(self.table, devices(self.table.object, (&raw mut devices).cast())) }?;
        devices.added.map_err(PluginError::Failed)
    }

    fn open(&self, open: &Open<'_>) -> Result<Box<dyn Output>> {
        let lent = |what: &str, lent| {
            text::lent(lent).ok_or_else(|| {
                PluginError::BadArgument(format!("the {what} of output {} is too long", self.info.id))
            })
        };
        let open = mn_open {
            struct_size: size_of::<mn_open>() as u32,
            sample: open.sample.to_abi(),
            format: to_abi(open.format),
            target: lent("target", open.target)?,
            options: lent("options", open.options)?,
        };
        let mut opened = mn_opened {
            struct_size: size_of::<mn_opened>() as u32,
            is_realtime: UNSET,
            format: mn_format { rate: UNSET, channels: UNSET },
        };
        let (table, mut instance) = (self.table, ptr::null_mut());
        let (from, to) = (&raw const open, &raw mut opened);
        // SAFETY: structs and texts that live until the call returns.
        unsafe { call!(table, open(table.object, from, &raw mut instance, to)) }?;
        let mut output = LoadedInstance {
            table,
            instance: made(instance)?,
            format: from_abi(opened.format),
            realtime: false,
        };
        output.realtime = flag("it plays in real time", opened.is_realtime)?;
        if !output.format.is_valid() {
            let mn_format { rate, channels } = opened.format;
            return Err(PluginError::Failed(format!("the plugin opened {rate} Hz with {channels} channels")));
        }
        Ok(Box::new(output))
    }
}

struct LoadedInstance {
    table: mn_output,
    instance: *mut c_void,
    format: AudioFormat,
    realtime: bool,
}

// SAFETY: the ABI says that an instance may be used on any thread, by one at a time.
unsafe impl Send for LoadedInstance {}

impl Output for LoadedInstance {
    fn format(&self) -> AudioFormat {
        self.format
    }

    fn is_realtime(&self) -> bool {
        self.realtime
    }

    fn write(&mut self, pcm: &[f32]) -> Result<usize> {
        let (frames, mut taken) = (frames(pcm.len(), self.format.channels)?, UNSET);
        // SAFETY: an instance of this table that lives; the buffer with its length.
        unsafe { call!(self.table, write(self.instance, pcm.as_ptr(), frames, &raw mut taken)) }?;
        Ok(taken as usize)
    }

    /// 0 when the plugin cannot say; the next call that can fail says why.
    fn delay(&self) -> u64 {
        let mut frames = 0;
        // SAFETY: an instance of this table that lives; there is one user, so nobody else is in a call.
        let told = unsafe { call!(self.table, delay(self.instance, &raw mut frames)) };
        told.map_or(0, |()| frames)
    }

    /// 0 when the plugin cannot say.
    fn xruns(&self) -> u64 {
        let mut count = 0;
        if self.table.xruns.is_none() {
            return count;
        }
        // SAFETY: an instance of this table that lives; there is one user, so nobody else is in a call.
        let told = unsafe { call!(self.table, xruns(self.instance, &raw mut count)) };
        told.map_or(0, |()| count)
    }

    fn pause(&mut self, paused: bool) -> Result<()> {
        // SAFETY: an instance of this table that lives.
        unsafe { call!(self.table, pause(self.instance, paused.into())) }
    }

    fn flush(&mut self) -> Result<()> {
        // SAFETY: an instance of this table that lives.
        unsafe { call!(self.table, flush(self.instance)) }
    }

    fn drain(&mut self) -> Result<bool> {
        let mut done = UNSET;
        // SAFETY: an instance of this table that lives.
        unsafe { call!(self.table, drain(self.instance, &raw mut done)) }?;
        flag("all is heard", done)
    }
}

impl Drop for LoadedInstance {
    fn drop(&mut self) {
        if let Some(free) = self.table.free {
            // SAFETY: an instance of this table, which is not used again.
            unsafe { free(self.instance) }
        }
    }
}
