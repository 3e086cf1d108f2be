//! Rates and channels that the output takes, for the offer of each request.

use std::{
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::Duration,
};

use media_plugin_sdk::{DeviceInfo, OutputPlugin};
use media_protocol::{GetInfo, OutputOffer};

/// Rates and channels of the output's device. Unknown until the plugin has listed its devices; unknown sets no limit.
#[derive(Clone, Default)]
pub struct OutputFormats(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    listed: Condvar,
}

#[derive(Default)]
struct State {
    is_listing: bool,
    offer: OutputOffer,
}

impl OutputFormats {
    /// Longest wait for the list of devices before the output is opened. A plugin may take a second.
    /// Tested by `an_output_that_never_lists_its_devices_is_opened_after_two_seconds`.
    const MAX_WAIT: Duration = Duration::from_secs(2);

    /// Formats of the target among `devices`.
    #[must_use]
    pub fn of(devices: &[DeviceInfo], target: &str, options: &str) -> Self {
        let formats = Self::default();
        formats.set(offer_of(devices, target, options));
        formats
    }

    /// Formats of the target among the plugin's devices. A thread of its own lists them, because that can take a second and
    /// must not delay the connection to the node.
    #[must_use]
    pub fn listed_by(plugin: &Arc<dyn OutputPlugin>, target: &str, options: &str) -> Self {
        let formats = Self::default();
        formats.0.state.lock().unwrap_or_else(PoisonError::into_inner).is_listing = true;
        let listing = formats.clone();
        let plugin = Arc::clone(plugin);
        let target = target.to_owned();
        let options = options.to_owned();
        let list = move || {
            let devices = plugin.devices().unwrap_or_default();
            listing.set(offer_of(&devices, &target, &options));
        };
        if std::thread::Builder::new().name("output devices".into()).spawn(list).is_err() {
            formats.forget();
        }
        formats
    }

    /// Formats of the output. Without limits until the devices are listed.
    pub(crate) fn offer(&self) -> OutputOffer {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner).offer.clone()
    }

    /// Waits until the devices are listed, at most [`Self::MAX_WAIT`]. A player that opens a device during the listing may find
    /// it busy.
    pub(super) fn wait_until_listed(&self) {
        let state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.0.listed.wait_timeout_while(state, Self::MAX_WAIT, |state| state.is_listing));
    }

    /// Removes all limits, since another device plays now.
    pub(super) fn forget(&self) {
        self.set(OutputOffer::default());
    }

    fn set(&self, offer: OutputOffer) {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.offer = offer;
        state.is_listing = false;
        drop(state);
        self.0.listed.notify_all();
    }
}

/// Offer of the device that `target` and `options` name. No limit if it is not among `devices`.
fn offer_of(devices: &[DeviceInfo], target: &str, options: &str) -> OutputOffer {
    let options: serde_json::Value = serde_json::from_str(options).unwrap_or_default();
    let device = match target {
        "" => options["device"].as_str().unwrap_or_default(),
        target => target,
    };
    let is_meant = |info: &&DeviceInfo| match device {
        // The default device of another sound system (`host` in the options) is unknown here.
        "" | "default" => info.default && options["host"].as_str().unwrap_or_default().is_empty(),
        device => info.id == device || info.name == device,
    };
    let Some(info) = devices.iter().find(is_meant) else { return OutputOffer::default() };
    let rates = if info.rates.len() > GetInfo::MAX_RATES { Vec::new() } else { info.rates.clone() };
    OutputOffer { rates, channels: info.channels.iter().max().copied() }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use media_plugin_sdk::{OpenRequest, Output, OutputInfo, PluginError};

    use super::*;

    fn device(id: &str, default: bool, rates: &[u32], channels: &[u16]) -> DeviceInfo {
        DeviceInfo {
            id: id.into(),
            name: format!("The {id}"),
            default,
            rates: rates.into(),
            channels: channels.into(),
        }
    }

    fn devices() -> [DeviceInfo; 3] {
        [
            device("dac", true, &[48_000], &[2]),
            device("alsa:usb", false, &[44_100, 48_000, 96_000], &[2, 6]),
            device("any", false, &[], &[]),
        ]
    }

    #[test]
    fn an_offer_is_that_of_the_device_that_plays() {
        let offer = |target: &str, options: &str| {
            let offer = offer_of(&devices(), target, options);
            (offer.rates, offer.channels)
        };
        let no_limit = (Vec::new(), None);
        let dac = (vec![48_000], Some(2));
        let usb = (vec![44_100, 48_000, 96_000], Some(6));
        assert_eq!(offer("", ""), dac);
        assert_eq!(offer("default", "{}"), dac);
        assert_eq!(offer("alsa:usb", ""), usb);
        assert_eq!(offer("The alsa:usb", ""), usb);
        assert_eq!(offer("", r#"{"device": "alsa:usb"}"#), usb);
        assert_eq!(offer("any", ""), no_limit);
        assert_eq!(offer("unheard of", ""), no_limit);
        assert_eq!(offer("", r#"{"host": "jack"}"#), no_limit);
    }

    /// Lists its devices after a wait.
    struct Slow(Duration);

    impl OutputPlugin for Slow {
        fn info(&self) -> OutputInfo {
            let text = String::new;
            OutputInfo { id: text(), version: text(), description: text(), target: text() }
        }

        fn devices(&self) -> Result<Vec<DeviceInfo>, PluginError> {
            std::thread::sleep(self.0);
            Ok(devices().into())
        }

        fn open(&self, _: &OpenRequest<'_>) -> Result<Box<dyn Output>, PluginError> {
            Err(PluginError::Failed("it does not play".into()))
        }
    }

    #[test]
    fn a_list_that_is_made_meanwhile_delays_nobody_but_the_opening() {
        let plugin: Arc<dyn OutputPlugin> = Arc::new(Slow(Duration::from_millis(200)));
        let began = Instant::now();
        let formats = OutputFormats::listed_by(&plugin, "", "");
        assert_eq!(formats.offer(), OutputOffer::default());
        assert!(began.elapsed() < Duration::from_millis(150));
        formats.wait_until_listed();
        assert_eq!(formats.offer().rates, [48_000]);
        formats.forget();
        assert_eq!(formats.offer(), OutputOffer::default());
    }

    #[test]
    fn an_output_that_never_lists_its_devices_is_opened_after_two_seconds() {
        let plugin: Arc<dyn OutputPlugin> = Arc::new(Slow(Duration::from_secs(60)));
        let formats = OutputFormats::listed_by(&plugin, "", "");
        let began = Instant::now();
        formats.wait_until_listed();
        assert!((2000..3000).contains(&began.elapsed().as_millis()), "{:?}", began.elapsed());
    }
}
