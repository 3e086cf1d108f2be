use std::sync::{Arc, Mutex, PoisonError};

use cpal::{
    ALL_HOSTS, Device, DeviceId, ErrorKind, Host, HostId, SupportedStreamConfigRange,
    traits::{DeviceTrait, HostTrait},
};
use media_plugin_sdk::{AudioFormat, DeviceInfo, PluginError, Result};

use crate::{choose::COMMON_RATES, options::Options, quiet::quiet};

/// A device that can play.
pub(crate) struct Found {
    pub(crate) device: Device,
    /// `host:device`.
    pub(crate) id: String,
    pub(crate) name: String,
    /// What it takes; empty when it could not be asked because another program has it.
    pub(crate) ranges: Vec<SupportedStreamConfigRange>,
}

/// Where to look: a host or any, a device or the default.
#[derive(Debug, PartialEq, Eq)]
struct Wish<'a> {
    host: Option<HostId>,
    device: &'a str,
}

/// All devices of all hosts, the default first.
pub(crate) fn list() -> Vec<DeviceInfo> {
    let mut all: Vec<DeviceInfo> = Vec::new();
    for host in hosts(None) {
        let default = if all.is_empty() { default_of(&host) } else { None };
        let is_default = |found: &Found| default.as_ref().is_some_and(|default| default.id == found.id);
        all.extend(default.iter().map(|found| describe(found, true)));
        let others = devices_of(&host).into_iter().filter(|found| !is_default(found));
        all.extend(others.map(|found| describe(&found, false)));
    }
    all
}

/// The device that a target names; an empty one leaves it to the options.
///
/// # Errors
/// `BadArgument` lists the devices when the target is none of them, or several. `Lost` when there is no default.
pub(crate) fn find(target: &str, options: &Options) -> Result<Found> {
    let wish = parse(if target.is_empty() { &options.device } else { target }, &options.host)?;
    let hosts = hosts(wish.host);
    if ["", "default"].contains(&wish.device) {
        return hosts.iter().find_map(|host| default_of(host)).ok_or_else(|| nothing(wish.host));
    }
    let mut others = Vec::new();
    for host in &hosts {
        if let Some(found) = search(host, wish.device, &mut others)? {
            return Ok(found);
        }
    }
    if others.is_empty() {
        return Err(nothing(wish.host));
    }
    let (device, known) = (wish.device, listed(others.iter()));
    Err(PluginError::BadArgument(format!("there is no sound device {device:?}; there are: {known}")))
}

/// Looks for a device on one host; those that it is not go to `others`.
fn search(host: &Host, device: &str, others: &mut Vec<Found>) -> Result<Option<Found>> {
    // By its exact id, without asking all the others.
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
            let several = listed(several.iter().map(|&at| &devices[at]));
            return Err(PluginError::BadArgument(format!("sound device {device:?} is one of: {several}")));
        }
    }
    Ok(None)
}

fn nothing(host: Option<HostId>) -> PluginError {
    let place = host.map_or(String::new(), |host| format!(" on host {host}"));
    PluginError::Lost(format!(
        "there is no sound device{place} that can play; use --output null to go on without"
    ))
}

fn listed<'a>(devices: impl Iterator<Item = &'a Found>) -> String {
    let listed: Vec<_> = devices.map(|found| format!("{} ({})", found.id, found.name)).collect();
    listed.join(", ")
}

/// Splits a target into host and device. What stands before the first colon is a host only if there is one of that
/// name: ALSA's own device ids have colons.
fn parse<'a>(target: &'a str, default_host: &str) -> Result<Wish<'a>> {
    let (first, rest) = target.split_once(':').unwrap_or((target, ""));
    if let Ok(host) = first.parse() {
        return Ok(Wish { host: Some(host), device: rest });
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
    Ok(Wish { host, device: target })
}

/// Which of (`host:device`, name) a text means: an id, else a name, else a part of either; case does not count.
fn matching(devices: &[(&str, &str)], text: &str) -> Vec<usize> {
    let text = text.to_lowercase();
    let rank = |(id, name): &(&str, &str)| {
        let id = id.split_once(':').map_or(*id, |(_, id)| id).to_lowercase();
        let name = name.to_lowercase();
        [id == text, name == text, id.contains(&text) || name.contains(&text)].iter().position(|&fits| fits)
    };
    let ranks: Vec<_> = devices.iter().map(rank).collect();
    let best = ranks.iter().flatten().min();
    (0..devices.len()).filter(|&at| best.is_some() && ranks[at].as_ref() == best).collect()
}

/// The hosts that run, or the one that is asked for.
fn hosts(only: Option<HostId>) -> Vec<Arc<Host>> {
    quiet();
    let wanted = ALL_HOSTS.iter().filter(|&&id| only.is_none_or(|only| only == id));
    wanted.filter_map(|&id| host(id)).collect()
}

/// The connection to the sound server, kept for as long as the server answers: each one that is closed would leave a
/// thread and a socket behind, as nothing wakes the reactor of `pulseaudio` 0.3.2 when its client is dropped.
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

/// Gives up a sound server that hangs: the next connection is tried for 2 s, where the old one would wait for ever.
/// Does nothing while another thread asks the server, which may be waiting itself.
pub(crate) fn forget_server() {
    if let Ok(mut server) = SERVER.try_lock() {
        *server = None;
    }
}

fn default_of(host: &Host) -> Option<Found> {
    host.default_output_device().and_then(examine)
}

fn devices_of(host: &Host) -> Vec<Found> {
    host.output_devices().map(|devices| devices.filter_map(examine).collect()).unwrap_or_default()
}

/// ALSA devices that are passed over: one plays nothing, for which there is an output of its own; the other's library
/// writes to standard error when no JACK server runs.
const PASSED_OVER: [&str; 2] = ["null", "jack"];

/// Asks a device what it is and takes; `None` when it cannot play, as ALSA names devices for cards that are not there.
fn examine(device: Device) -> Option<Found> {
    let id = device.id().ok()?;
    if PASSED_OVER.contains(&id.id()) {
        return None;
    }
    let ranges = match device.supported_output_configs() {
        Ok(ranges) => ranges.collect(),
        Err(error) if error.kind() == ErrorKind::DeviceBusy => Vec::new(),
        Err(_) => return None,
    };
    let name = device.description().map_or_else(|_| id.id().into(), |description| description.name().into());
    Some(Found { device, id: id.to_string(), name, ranges })
}

fn describe(found: &Found, default: bool) -> DeviceInfo {
    let takes = |rate: u32| {
        found.ranges.iter().any(|range| (range.min_sample_rate()..=range.max_sample_rate()).contains(&rate))
    };
    let fixed = found.ranges.iter().filter(|range| range.min_sample_rate() == range.max_sample_rate());
    let mut rates: Vec<u32> = COMMON_RATES.into_iter().filter(|&rate| takes(rate)).collect();
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
        assert_eq!(parse(&upper, "").unwrap(), Wish { host: Some(host), device: "" });
        assert_eq!(parse(&format!("{host}:a:b"), "").unwrap(), Wish { host: Some(host), device: "a:b" });
        assert_eq!(parse("hw:CARD=0", "").unwrap(), Wish { host: None, device: "hw:CARD=0" });
        assert_eq!(parse("x", host.name()).unwrap(), Wish { host: Some(host), device: "x" });
        let text = parse("", "nowhere").unwrap_err().to_string();
        assert!(text.contains("nowhere") && text.contains(&host.to_string()), "{text}");
    }
}
