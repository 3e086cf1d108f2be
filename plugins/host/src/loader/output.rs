use std::{ffi::c_void, ptr, slice};

use media_plugin_abi::{MN_MAX_STRING, mn_device, mn_device_list, mn_format, mn_open, mn_opened, mn_output};
use media_plugin_sdk::{
    AudioFormat, DeviceInfo, OpenRequest, Output, OutputInfo, OutputPlugin, PluginError, Result,
};

use super::{
    call::{UNSET, call, flag, format_from_abi, format_to_abi, frames, not_null},
    text,
};
use crate::bounds::{self, Checked};

/// Most devices that an output may list. Tested by `each_costs_that_call_and_no_more` in tests/faults/calls.rs.
const MAX_DEVICES: usize = 1024;
/// Most rates or channel counts of one device. Tested by `each_costs_that_call_and_no_more` in tests/faults/calls.rs.
const MAX_FORMATS: u32 = 64;

/// Output of a library. The guard in front of it checks the lengths that it returns.
#[derive(Clone)]
pub(crate) struct LoadedOutputPlugin {
    table: mn_output,
    pub(crate) info: OutputInfo,
}

// SAFETY: the ABI allows calls of an output plugin from several threads at once; the table is constant.
unsafe impl Send for LoadedOutputPlugin {}
// SAFETY: as above.
unsafe impl Sync for LoadedOutputPlugin {}

impl LoadedOutputPlugin {
    /// Checks the table of a plugin's output.
    ///
    /// # Safety
    /// `table` is as the ABI defines it and never changes.
    pub(super) unsafe fn new(table: mn_output) -> Checked<Self> {
        // SAFETY: the caller vouches for the four texts.
        let (id, version, description, target) = unsafe {
            (
                text::one_line_of("output's id", table.id)?,
                text::one_line_of("output's version", table.version)?,
                text::one_line_of("output's description", table.description)?,
                text::one_line_of("output's target", table.target)?,
            )
        };
        bounds::check_id(&id).map_err(|e| e.to_string())?;
        let required = [
            ("open", table.open.is_some()),
            ("write", table.write.is_some()),
            ("delay", table.delay.is_some()),
            ("pause", table.pause.is_some()),
            ("flush", table.flush.is_some()),
            ("drain", table.drain.is_some()),
            ("free", table.free.is_some()),
        ];
        if let Some((name, _)) = required.iter().find(|(_, present)| !present) {
            return Err(format!("its output {id} has no function {name}"));
        }
        Ok(Self { table, info: OutputInfo { id, version, description, target } })
    }
}

/// List that a plugin adds its devices to. The plugin knows only the first field.
#[repr(C)]
struct Devices {
    list: mn_device_list,
    added: Checked<Vec<DeviceInfo>>,
}

unsafe extern "C" fn add(list: *mut mn_device_list, device: *const mn_device) {
    // SAFETY: the only list that a plugin has is the one in `devices` below, during that call.
    let devices = unsafe { &mut *list.cast::<Devices>() };
    let Ok(added) = &mut devices.added else { return };
    if added.len() == MAX_DEVICES {
        devices.added = Err(format!("it has more than {MAX_DEVICES} devices"));
        return;
    }
    // SAFETY: the plugin vouches for the device that it adds.
    match unsafe { copy_device(device) } {
        Ok(device) => added.push(device),
        Err(why) => devices.added = Err(why),
    }
}

/// Copies a device that a plugin added.
///
/// # Safety
/// `device` is as the ABI defines it.
unsafe fn copy_device(device: *const mn_device) -> Checked<DeviceInfo> {
    if device.is_null() {
        return Err("it added a device at NULL".into());
    }
    // SAFETY: the caller vouches for it.
    let device = unsafe { media_plugin_abi::read(device) };
    let device = device.map_err(|size| format!("one of its devices has only {size} bytes"))?;
    // SAFETY: as above, for two texts and two arrays.
    let (id, name, rates, channels) = unsafe {
        (
            text::one_line_of("device's id", device.id)?,
            text::one_line_of("device's name", device.name)?,
            numbers("rates", device.rates, device.rate_count)?,
            numbers("channel counts", device.channels, device.channels_count)?,
        )
    };
    let channels = channels.into_iter().map(|count| u16::try_from(count).unwrap_or(u16::MAX)).collect();
    Ok(DeviceInfo { id, name, default: device.is_default != 0, rates, channels })
}

/// Copies the rates or channel counts of a device.
///
/// # Safety
/// If `count` is at most `MAX_FORMATS` and `first` is not NULL, `first` points to `count` numbers.
unsafe fn numbers(what: &str, first: *const u32, count: u32) -> Checked<Vec<u32>> {
    if count > MAX_FORMATS {
        return Err(format!("one of its devices has {count} {what}, more than {MAX_FORMATS}"));
    }
    if count == 0 {
        return Ok(Vec::new());
    }
    if first.is_null() {
        return Err(format!("one of its devices has {count} {what} at NULL"));
    }
    // SAFETY: the caller vouches for it.
    Ok(unsafe { slice::from_raw_parts(first, count as usize) }.to_vec())
}

impl OutputPlugin for LoadedOutputPlugin {
    fn info(&self) -> OutputInfo {
        self.info.clone()
    }

    fn devices(&self) -> Result<Vec<DeviceInfo>> {
        if self.table.devices.is_none() {
            return Ok(Vec::new());
        }
        let list = mn_device_list { struct_size: size_of::<mn_device_list>() as u32, add: Some(add) };
        let mut devices = Devices { list, added: Ok(Vec::new()) };
        // SAFETY: the list lives until the call returns. The pointer is to the whole struct, because `add` casts it back.
        unsafe { call!(self.table, devices(self.table.object, (&raw mut devices).cast())) }?;
        devices.added.map_err(PluginError::Failed)
    }

    fn open(&self, open: &OpenRequest<'_>) -> Result<Box<dyn Output>> {
        let lend = |what: &str, text| {
            text::to_abi(text).ok_or_else(|| {
                let (id, most) = (&self.info.id, MN_MAX_STRING);
                PluginError::BadArgument(format!("the {what} of output {id} has more than {most} bytes"))
            })
        };
        let open = mn_open {
            struct_size: size_of::<mn_open>() as u32,
            sample: open.sample.to_abi(),
            format: format_to_abi(open.format),
            target: lend("target", open.target)?,
            options: lend("options text", open.options)?,
        };
        let mut opened = mn_opened {
            struct_size: size_of::<mn_opened>() as u32,
            is_realtime: UNSET,
            format: mn_format { rate: UNSET, channels: UNSET },
        };
        let table = self.table;
        let mut instance = ptr::null_mut();
        let (request, answer) = (&raw const open, &raw mut opened);
        // SAFETY: structs and texts that live until the call returns.
        unsafe { call!(table, open(table.object, request, &raw mut instance, answer)) }?;
        let mut output = LoadedOutput {
            table,
            instance: not_null(instance)?,
            format: format_from_abi(opened.format),
            realtime: false,
        };
        output.realtime = flag("is_realtime", opened.is_realtime)?;
        if !output.format.is_valid() {
            let mn_format { rate, channels } = opened.format;
            return Err(PluginError::Failed(format!(
                "the plugin opened an invalid format: {rate} Hz, {channels} channels"
            )));
        }
        Ok(Box::new(output))
    }
}

struct LoadedOutput {
    table: mn_output,
    instance: *mut c_void,
    format: AudioFormat,
    realtime: bool,
}

// SAFETY: the ABI allows calls of an instance from any thread, one at a time.
unsafe impl Send for LoadedOutput {}

impl Output for LoadedOutput {
    fn format(&self) -> AudioFormat {
        self.format
    }

    fn is_realtime(&self) -> bool {
        self.realtime
    }

    fn write(&mut self, pcm: &[f32]) -> Result<usize> {
        let frames = frames(pcm.len(), self.format.channels)?;
        let mut taken = UNSET;
        // SAFETY: a live instance of this table; the buffer with its length.
        unsafe { call!(self.table, write(self.instance, pcm.as_ptr(), frames, &raw mut taken)) }?;
        Ok(taken as usize)
    }

    /// 0 if the plugin fails; the next call that returns a `Result` reports the reason.
    fn delay(&self) -> u64 {
        let mut frames = 0;
        // SAFETY: a live instance of this table; it has one user, so no other call runs.
        let outcome = unsafe { call!(self.table, delay(self.instance, &raw mut frames)) };
        outcome.map_or(0, |()| frames)
    }

    /// 0 if the plugin fails or has no such function.
    fn xruns(&self) -> u64 {
        let mut count = 0;
        if self.table.xruns.is_none() {
            return count;
        }
        // SAFETY: the table has made `self.instance`, which lives. It has one user, so no other call runs.
        let outcome = unsafe { call!(self.table, xruns(self.instance, &raw mut count)) };
        outcome.map_or(0, |()| count)
    }

    fn pause(&mut self, paused: bool) -> Result<()> {
        // SAFETY: a live instance of this table.
        unsafe { call!(self.table, pause(self.instance, paused.into())) }
    }

    fn flush(&mut self) -> Result<()> {
        // SAFETY: a live instance of this table.
        unsafe { call!(self.table, flush(self.instance)) }
    }

    fn drain(&mut self) -> Result<bool> {
        let mut done = UNSET;
        // SAFETY: a live instance of this table.
        unsafe { call!(self.table, drain(self.instance, &raw mut done)) }?;
        flag("done", done)
    }
}

impl Drop for LoadedOutput {
    fn drop(&mut self) {
        if let Some(free) = self.table.free {
            // SAFETY: an instance of this table, freed once and not used again.
            unsafe { free(self.instance) }
        }
    }
}
