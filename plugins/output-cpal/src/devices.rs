use std::sync::{Arc, Mutex, PoisonError};

use cpal::{
    ALL_HOSTS, Device, DeviceId, ErrorKind, Host, HostId, SupportedStreamConfigRange,
    traits::{DeviceTrait, HostTrait},
};
use media_plugin_sdk::{AudioFormat, DeviceInfo, PluginError, Result};

use crate::{alsa_log::silence_alsa, options::Options, stream_format::COMMON_RATES};

/// Sound device that can play.
pub(crate) struct OutputDevice {
    pub(crate) device: Device,
    /// `host:device`.
    pub(crate) id: String,
    pub(crate) name: String,
    /// Supported formats. Empty if another program uses the device, because it then cannot be queried.
    pub(crate) ranges: Vec<SupportedStreamConfigRange>,
}

/// Parsed target.
#[derive(Debug, PartialEq, Eq)]
struct Query<'a> {
    /// Host to search; all hosts if `None`.
    host: Option<HostId>,
    /// Id, name or part of one. The default device if empty or `default`.
    device: &'a str,
}

/// Lists the devices of all hosts, the default device first.
pub(crate) fn list() -> Vec<DeviceInfo> {
    let mut all: Vec<DeviceInfo> = Vec::new();
    for host in hosts(None) {
        let default = if all.is_empty() { default_device(&host) } else { None };
        let is_default =
            |found: &OutputDevice| default.as_ref().is_some_and(|default| default.id == found.id);
        all.extend(default.iter().map(|found| describe(found, true)));
        let others = devices_of(&host).into_iter().filter(|found| !is_default(found));
        all.extend(others.map(|found| describe(&found, false)));
    }
    all
}

/// Finds the device that a target names, or that the options name if the target is empty.
///
/// # Errors
/// `BadArgument` with a list of devices if none or several match. `Lost` if there is no default device.
pub(crate) fn find(target: &str, options: &Options) -> Result<OutputDevice> {
    let query = parse(if target.is_empty() { &options.device } else { target }, &options.host)?;
    let hosts = hosts(query.host);
    if ["", "default"].contains(&query.device) {
        return hosts.iter().find_map(|host| default_device(host)).ok_or_else(|| no_device(query.host));
    }
    let mut others = Vec::new();
    for host in &hosts {
        if let Some(found) = search(host, query.device, &mut others)? {
            return Ok(found);
        }
    }
    if others.is_empty() {
        return Err(no_device(query.host));
    }
    let (device, known) = (query.device, describe_all(others.iter()));
    Err(PluginError::BadArgument(format!("there is no sound device {device:?}; there are: {known}")))
}

/// Searches one host for a device. Appends the host's devices to `others` if none matches.
fn search(host: &Host, device: &str, others: &mut Vec<OutputDevice>) -> Result<Option<OutputDevice>> {
    // An exact id needs no query of the other devices.
    let named = host.device_by_id(&DeviceId::new(host.id(), device));
    if let Some(found) = named.filter(Device::supports_output).and_then(examine) {
        return Ok(Some(found));
    }
    let mut devices = devices_of(host);
    let names: Vec<_> = devices.iter().map(|found| (found.id.as_str(), found.name.as_str())).collect();
    match matching(&names, device).as_slice() {
        [] => others.append(&mut devices),
        [one] => return Ok(Some(devices.swap_remove(*one))),
        several => {
            let several = describe_all(several.iter().map(|&at| &devices[at]));
            return Err(PluginError::BadArgument(format!(
                "sound device {device:?} matches several: {several}; name one of them"
            )));
        }
    }
    Ok(None)
}

fn no_device(host: Option<HostId>) -> PluginError {
    let place = host.map_or(String::new(), |host| format!(" on host {host}"));
    PluginError::Lost(format!(
        "there is no sound device{place} that can play; use --output null to play without one"
    ))
}

fn describe_all<'a>(devices: impl Iterator<Item = &'a OutputDevice>) -> String {
    let listed: Vec<_> = devices.map(|found| format!("{} ({})", found.id, found.name)).collect();
    listed.join(", ")
}

/// Splits a target into host and device. The text before the first colon is a host only if a host has that name, because
/// ALSA's device ids contain colons.
fn parse<'a>(target: &'a str, default_host: &str) -> Result<Query<'a>> {
    let (first, rest) = target.split_once(':').unwrap_or((target, ""));
    if let Ok(host) = first.parse() {
        return Ok(Query { host: Some(host), device: rest });
    }
    let host = match default_host {
        "" => None,
        name => Some(name.parse().map_err(|_| {
            let known: Vec<_> = ALL_HOSTS.iter().map(ToString::to_string).collect();
            PluginError::BadArgument(format!(
                "there is no sound host {name:?}; there are: {}",
                known.join(", ")
            ))
        })?),
    };
    Ok(Query { host, device: target })
}

/// Indexes of the devices (`host:device`, name) that a text matches: by id, else by name, else by a part of either. Ignores
/// case.
fn matching(devices: &[(&str, &str)], text: &str) -> Vec<usize> {
    let text = text.to_lowercase();
    let rank = |(id, name): &(&str, &str)| {
        let id = id.split_once(':').map_or(*id, |(_, id)| id).to_lowercase();
        let name = name.to_lowercase();
        [id == text, name == text, id.contains(&text) || name.contains(&text)]
            .iter()
            .position(|&matches| matches)
    };
    let ranks: Vec<_> = devices.iter().map(rank).collect();
    let best = ranks.iter().flatten().min();
    (0..devices.len()).filter(|&at| best.is_some() && ranks[at].as_ref() == best).collect()
}

/// Available hosts, or only the given one.
fn hosts(only: Option<HostId>) -> Vec<Arc<Host>> {
    silence_alsa();
    let wanted = ALL_HOSTS.iter().filter(|&&id| only.is_none_or(|only| only == id));
    wanted.filter_map(|&id| host(id)).collect()
}

/// Connection to the PulseAudio server, kept as long as the server answers. Closing one leaks a thread and a socket, because
/// `pulseaudio` 0.3.2 does not wake its reactor when a client is dropped. Tested by
/// `opening_again_and_again_leaves_nothing_behind`.
static SERVER: Mutex<Option<Arc<Host>>> = Mutex::new(None);

fn host(id: HostId) -> Option<Arc<Host>> {
    if !id.name().eq_ignore_ascii_case("pulseaudio") {
        return cpal::host_from_id(id).ok().map(Arc::new);
    }
    let mut server = SERVER.lock().unwrap_or_else(PoisonError::into_inner);
    if server.as_ref().is_none_or(|host| host.devices().is_err()) {
        *server = cpal::host_from_id(id).ok().map(Arc::new);
    }
    server.clone()
}

/// Abandons the connection to a sound server that hangs, on which calls would block for ever. The next call connects again,
/// with a timeout of 2 s. Does nothing while another thread uses the connection, because that call may hang too.
pub(crate) fn forget_server() {
    if let Ok(mut server) = SERVER.try_lock() {
        *server = None;
    }
}

fn default_device(host: &Host) -> Option<OutputDevice> {
    host.default_output_device().and_then(examine)
}

fn devices_of(host: &Host) -> Vec<OutputDevice> {
    host.output_devices().map(|devices| devices.filter_map(examine).collect()).unwrap_or_default()
}

/// Skipped ALSA devices: `null` drops all audio, which the output `null` does too; the library of `jack` writes to standard
/// error if no JACK server runs.
const SKIPPED: [&str; 2] = ["null", "jack"];

/// Queries a device. `None` if it cannot play; ALSA lists devices of missing cards too.
fn examine(device: Device) -> Option<OutputDevice> {
    let id = device.id().ok()?;
    if SKIPPED.contains(&id.id()) {
        return None;
    }
    let ranges = match device.supported_output_configs() {
        Ok(ranges) => ranges.collect(),
        Err(error) if error.kind() == ErrorKind::DeviceBusy => Vec::new(),
        Err(_) => return None,
    };
    let name = device.description().map_or_else(|_| id.id().into(), |description| description.name().into());
    Some(OutputDevice { device, id: id.to_string(), name, ranges })
}

fn describe(found: &OutputDevice, default: bool) -> DeviceInfo {
    let supports = |rate: u32| {
        found.ranges.iter().any(|range| (range.min_sample_rate()..=range.max_sample_rate()).contains(&rate))
    };
    let fixed = found.ranges.iter().filter(|range| range.min_sample_rate() == range.max_sample_rate());
    let mut rates: Vec<u32> = COMMON_RATES.into_iter().filter(|&rate| supports(rate)).collect();
    rates.extend(fixed.map(SupportedStreamConfigRange::min_sample_rate));
    rates.sort_unstable();
    rates.dedup();
    let mut channels: Vec<u16> = found.ranges.iter().map(SupportedStreamConfigRange::channels).collect();
    channels.retain(|&channels| (1..=AudioFormat::MAX_CHANNELS).contains(&channels));
    channels.sort_unstable();
    channels.dedup();
    DeviceInfo { id: found.id.clone(), name: found.name.clone(), default, rates, channels }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEVICES: [(&str, &str); 4] = [
        ("pulseaudio:kitchen", "Null Output"),
        ("pulseaudio:alsa_output.usb", "USB DAC"),
        ("pulseaudio:alsa_output.usb-2", "USB DAC 2"),
        ("pulseaudio:hw:CARD=0,DEV=0", "HDA Intel"),
    ];

    #[test]
    fn an_id_goes_before_a_name_and_a_name_before_a_part() {
        assert_eq!(matching(&DEVICES, "alsa_output.usb"), [1]);
        assert_eq!(matching(&DEVICES, "HW:card=0,dev=0"), [3]);
        assert_eq!(matching(&DEVICES, "usb dac"), [1]);
        assert_eq!(matching(&DEVICES, "dac 2"), [2]);
        assert_eq!(matching(&DEVICES, "KITCH"), [0]);
        assert_eq!(matching(&DEVICES, "dac"), [1, 2]);
        assert!(matching(&DEVICES, "bath").is_empty());
        assert!(matching(&DEVICES, "pulseaudio").is_empty());
    }

    #[test]
    fn a_host_is_split_off_only_if_there_is_one() {
        let host = ALL_HOSTS[0];
        let upper = host.name().to_uppercase();
        assert_eq!(parse(&upper, "").unwrap(), Query { host: Some(host), device: "" });
        assert_eq!(parse(&format!("{host}:a:b"), "").unwrap(), Query { host: Some(host), device: "a:b" });
        assert_eq!(parse("hw:CARD=0", "").unwrap(), Query { host: None, device: "hw:CARD=0" });
        assert_eq!(parse("x", host.name()).unwrap(), Query { host: Some(host), device: "x" });
        let text = parse("", "nowhere").unwrap_err().to_string();
        assert!(text.contains("nowhere") && text.contains(&host.to_string()), "{text}");
    }
}
