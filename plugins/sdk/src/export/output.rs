use std::ffi::c_void;

use media_plugin_abi::{
    mn_device, mn_device_list, mn_error, mn_open, mn_opened, mn_output, mn_status, mn_str,
};

use super::call::{Instance, abi_format, format, input, number, read, sample, status, str_of, text};
use crate::{
    error::PluginError,
    output::{DeviceInfo, OpenRequest, Output, OutputPlugin},
};

/// Creates the table of an output. The output is never dropped.
pub(super) fn table(output: Box<dyn OutputPlugin>) -> mn_output {
    let info = output.info();
    let leaked = |text: String| mn_str::new(String::leak(text));
    mn_output {
        struct_size: size_of::<mn_output>() as u32,
        flags: 0,
        object: Box::into_raw(Box::new(output)).cast(),
        id: leaked(info.id),
        version: leaked(info.version),
        description: leaked(info.description),
        target: leaked(info.target),
        devices: Some(devices),
        open: Some(open),
        write: Some(write),
        delay: Some(delay),
        pause: Some(pause),
        flush: Some(flush),
        drain: Some(drain),
        free: Some(free),
        get_extension: None,
        xruns: Some(xruns),
    }
}

/// # Safety
/// `object` comes from [`table`].
unsafe fn plugin<'a>(object: *mut c_void) -> &'a dyn OutputPlugin {
    // SAFETY: `object` points to a box that `table` leaked, and `OutputPlugin` is `Sync`.
    unsafe { &**object.cast::<Box<dyn OutputPlugin>>() }
}

// SAFETY of all functions below: the host keeps to the header. `object` comes from `table`, `output` from
// `Instance::leak`. Structs, buffers and texts belong to the host, have their declared sizes, and are valid
// during the call.

unsafe extern "C" fn devices(
    object: *mut c_void,
    list: *mut mn_device_list,
    error: *mut mn_error,
) -> mn_status {
    // SAFETY: see above.
    unsafe {
        status(error, || {
            let add = read(list)?.add;
            let add =
                add.ok_or_else(|| PluginError::BadArgument("the host's list has no function `add`".into()))?;
            for device in plugin(object).devices()? {
                let DeviceInfo { id, name, default, rates, channels } = device;
                let channels: Vec<u32> = channels.into_iter().map(u32::from).collect();
                let device = mn_device {
                    struct_size: size_of::<mn_device>() as u32,
                    is_default: default.into(),
                    id: str_of(&id),
                    name: str_of(&name),
                    rates: rates.as_ptr(),
                    channels: channels.as_ptr(),
                    rate_count: number(rates.len()),
                    channels_count: number(channels.len()),
                };
                add(list, &raw const device);
            }
            Ok(())
        })
    }
}

unsafe extern "C" fn open(
    object: *mut c_void,
    open: *const mn_open,
    out: *mut *mut c_void,
    opened: *mut mn_opened,
    error: *mut mn_error,
) -> mn_status {
    // SAFETY: see above. All fields written are of version 1.0.
    unsafe {
        status(error, || {
            let open = read(open)?;
            let open = OpenRequest {
                target: text(open.target)?,
                format: format(open.format)?,
                sample: sample(open.sample)?,
                options: text(open.options)?,
            };
            let output = plugin(object).open(&open)?;
            let format = output.format();
            (*opened).format = abi_format(format);
            (*opened).is_realtime = output.is_realtime().into();
            *out = Instance::leak(output, format.channels);
            Ok(())
        })
    }
}

unsafe extern "C" fn write(
    output: *mut c_void,
    pcm: *const f32,
    frames: u32,
    taken: *mut u32,
    error: *mut mn_error,
) -> mn_status {
    // SAFETY: see above.
    unsafe {
        Instance::<dyn Output>::call(output, error, |output, channels| {
            *taken = number(output.write(input(pcm, frames as usize * channels))?);
            Ok(())
        })
    }
}

unsafe extern "C" fn delay(output: *mut c_void, frames: *mut u64, error: *mut mn_error) -> mn_status {
    // SAFETY: see above.
    unsafe {
        Instance::<dyn Output>::call(output, error, |output, _| {
            *frames = output.delay();
            Ok(())
        })
    }
}

unsafe extern "C" fn xruns(output: *mut c_void, count: *mut u64, error: *mut mn_error) -> mn_status {
    // SAFETY: see above.
    unsafe {
        Instance::<dyn Output>::call(output, error, |output, _| {
            *count = output.xruns();
            Ok(())
        })
    }
}

unsafe extern "C" fn pause(output: *mut c_void, paused: u32, error: *mut mn_error) -> mn_status {
    // SAFETY: see above.
    unsafe { Instance::<dyn Output>::call(output, error, |output, _| output.pause(paused != 0)) }
}

unsafe extern "C" fn flush(output: *mut c_void, error: *mut mn_error) -> mn_status {
    // SAFETY: see above.
    unsafe { Instance::<dyn Output>::call(output, error, |output, _| output.flush()) }
}

unsafe extern "C" fn drain(output: *mut c_void, done: *mut u32, error: *mut mn_error) -> mn_status {
    // SAFETY: see above.
    unsafe {
        Instance::<dyn Output>::call(output, error, |output, _| {
            *done = output.drain()?.into();
            Ok(())
        })
    }
}

unsafe extern "C" fn free(output: *mut c_void) {
    // SAFETY: see above.
    unsafe { Instance::<dyn Output>::free(output) }
}
