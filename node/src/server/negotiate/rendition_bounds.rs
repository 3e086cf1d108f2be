//! Bounds of a grant on renditions: those that the node offers, and those that a client names.

use media_plugin_host::Registry;
use media_plugin_sdk::Codec;
use media_protocol::RenditionId;

use super::{
    passthrough::{MAX_BITRATE, is_passthrough},
    plan::choice_of,
};
use crate::access::{Bounds, Grant};

/// Renditions that a grant permits.
#[derive(Debug, Clone, Copy)]
pub(in crate::server) struct RenditionBounds {
    lossy_only: bool,
    /// In bit/s.
    pub(super) max_bitrate: Option<u32>,
    /// Permits the file's own packets.
    pub(super) passthrough: bool,
}

impl RenditionBounds {
    pub(in crate::server) fn of(grant: &Grant) -> Self {
        let Bounds { lossy_only, max_bitrate, .. } = *grant.bounds();
        // The bitrate of the file's packets is known only once the file is open, so the highest one counts.
        let passthrough = grant.rights().originals && max_bitrate.is_none_or(|max| max >= MAX_BITRATE);
        Self { lossy_only, max_bitrate, passthrough }
    }

    /// Checks a rendition that is encoded.
    ///
    /// # Errors
    /// The reason, in words for a person.
    pub(super) fn check(&self, codec: &dyn Codec, bitrate: u32) -> Result<(), String> {
        let info = codec.info();
        if self.lossy_only && info.lossless {
            return Err(format!("the ticket permits lossy codecs only, and {} is lossless", info.id));
        }
        match self.max_bitrate {
            Some(max) if bitrate > max => {
                let kbit = |bits: u32| f64::from(bits) / 1000.0;
                Err(format!("the ticket permits {} kbit/s, and this takes {}", kbit(max), kbit(bitrate)))
            }
            _ => Ok(()),
        }
    }

    /// Checks a rendition by its name. One that no codec makes passes, since the encoder refuses it.
    ///
    /// # Errors
    /// The reason, in words for a person.
    pub(in crate::server) fn check_id(&self, registry: &Registry, id: &RenditionId) -> Result<(), String> {
        if is_passthrough(id) {
            let refused = "the ticket does not permit the file's own packets".to_owned();
            return if self.passthrough { Ok(()) } else { Err(refused) };
        }
        if !self.lossy_only && self.max_bitrate.is_none() {
            return Ok(());
        }
        let Ok(codec) = registry.codec(&id.codec) else { return Ok(()) };
        match codec.encoding(&choice_of(id)) {
            Ok(encoding) => self.check(codec.as_ref(), encoding.bitrate),
            Err(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{access::Rights, plugins};

    #[test]
    fn a_named_rendition_is_within_the_bounds_or_refused() {
        let registry = plugins::registry();
        let none = RenditionBounds::of(&Grant::unbounded("a", Rights::LISTENER));
        let plain =
            RenditionBounds::of(&Grant::unbounded("a", Rights { originals: false, ..Rights::LISTENER }));
        let lossy = RenditionBounds { lossy_only: true, ..none };
        let slow = RenditionBounds { max_bitrate: Some(96_000), passthrough: false, ..none };
        let passes =
            |bounds: &RenditionBounds, id: &str| bounds.check_id(&registry, &id.parse().unwrap()).is_ok();
        for (id, expected) in [
            ("t.pcm.44100.2.s16", [true, true, false, false]),
            ("t.opus.48000.2.copy", [true, false, true, false]),
            ("t.nothing.48000.2.x", [true; 4]),
        ] {
            assert_eq!([&none, &plain, &lossy, &slow].map(|bounds| passes(bounds, id)), expected, "{id}");
        }
    }

    #[cfg(feature = "opus")]
    #[test]
    fn a_bitrate_is_bounded_by_the_name() {
        let registry = plugins::registry();
        let none = RenditionBounds::of(&Grant::unbounded("a", Rights::LISTENER));
        let slow = RenditionBounds { max_bitrate: Some(96_000), ..none };
        for (params, expected) in [("k64c10-join", true), ("k96c10-join", true), ("k128c10-join", false)] {
            let id = format!("t.opus.48000.2.{params}").parse().unwrap();
            assert_eq!(slow.check_id(&registry, &id).is_ok(), expected, "{params}");
        }
    }
}
