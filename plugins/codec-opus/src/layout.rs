use media_plugin_sdk::{PluginError, Result};

/// Assignment of channels to Opus streams: mono, or coupled for a pair. Packets are multistream packets as in RFC 7845,
/// section 5.1.1, but the channels keep the WAVE order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layout {
    /// Number of streams.
    pub(crate) streams: u8,
    /// Number of coupled streams, which come first.
    pub(crate) coupled: u8,
    /// For each channel, its index among the decoded channels: left and right of each coupled stream, then the mono streams.
    pub(crate) mapping: Vec<u8>,
}

/// Version of the decoder's configuration (`the_bytes_of_a_configuration_are_fixed`), which is one byte each for: version, channels, streams, coupled streams, and the
/// mapping of each channel.
const VERSION: u8 = 1;

impl Layout {
    pub(crate) const MAX_CHANNELS: u16 = 8;

    /// Layout of 1 to 8 channels in the WAVE order. Front, side and back pairs are coupled.
    ///
    /// # Errors
    /// `Unsupported` for other channel counts.
    pub(crate) fn of(channels: u16) -> Result<Self> {
        let (streams, coupled, mapping): (u8, u8, &[u8]) = match channels {
            1 => (1, 0, &[0]),
            2 => (1, 1, &[0, 1]),
            3 => (2, 1, &[0, 1, 2]),
            4 => (2, 2, &[0, 1, 2, 3]),
            5 => (3, 2, &[0, 1, 4, 2, 3]),
            6 => (4, 2, &[0, 1, 4, 5, 2, 3]),
            7 => (5, 2, &[0, 1, 4, 5, 6, 2, 3]),
            8 => (5, 3, &[0, 1, 6, 7, 2, 3, 4, 5]),
            _ => {
                return Err(PluginError::Unsupported(format!(
                    "codec opus takes 1 to 8 channels, not {channels}"
                )));
            }
        };
        Ok(Self { streams, coupled, mapping: mapping.into() })
    }

    pub(crate) fn channels(&self) -> u16 {
        u16::try_from(self.mapping.len()).unwrap_or(0)
    }

    /// Configuration for the decoder.
    pub(crate) fn config(&self) -> Vec<u8> {
        let channels = u8::try_from(self.mapping.len()).unwrap_or(0);
        [&[VERSION, channels, self.streams, self.coupled], self.mapping.as_slice()].concat()
    }

    /// Parses a configuration from a peer. Libopus checks the mapping against the streams later.
    ///
    /// # Errors
    /// `Unsupported` for another version, `BadArgument` for anything else that is malformed.
    pub(crate) fn from_config(config: &[u8]) -> Result<Self> {
        match *config {
            [VERSION, channels, streams, coupled, ref mapping @ ..]
                if (1..=Self::MAX_CHANNELS).contains(&u16::from(channels))
                    && mapping.len() == usize::from(channels)
                    && (1..=channels).contains(&streams)
                    && coupled <= streams =>
            {
                Ok(Self { streams, coupled, mapping: mapping.into() })
            }
            [version, ..] if version != VERSION => Err(PluginError::Unsupported(format!(
                "the Opus configuration has version {version} and this node reads version {VERSION}; update the node"
            ))),
            _ => Err(PluginError::BadArgument(format!(
                "malformed Opus configuration of {} bytes",
                config.len()
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_layout_comes_back_from_its_configuration() {
        for channels in 1..=8 {
            let layout = Layout::of(channels).unwrap();
            assert_eq!(Layout::from_config(&layout.config()).unwrap(), layout);
            let mut mapping = layout.mapping.clone();
            mapping.sort_unstable();
            assert!(mapping.iter().copied().eq(0..layout.streams + layout.coupled), "{mapping:?}");
        }
        assert!(Layout::of(0).is_err());
        assert!(Layout::of(9).is_err());
    }

    /// The configuration goes over the wire, so its bytes must not change.
    #[test]
    fn the_bytes_of_a_configuration_are_fixed() {
        assert_eq!(Layout::of(1).unwrap().config(), [1, 1, 1, 0, 0]);
        assert_eq!(Layout::of(2).unwrap().config(), [1, 2, 1, 1, 0, 1]);
        assert_eq!(Layout::of(6).unwrap().config(), [1, 6, 4, 2, 0, 1, 4, 5, 2, 3]);
    }

    #[test]
    fn a_damaged_configuration_is_refused() {
        let good = Layout::of(6).unwrap().config();
        for cut in 0..good.len() {
            assert!(Layout::from_config(&good[..cut]).is_err());
        }
        let version_2 = Layout::from_config(&[2, 1, 1, 0, 0]).unwrap_err();
        assert!(matches!(version_2, PluginError::Unsupported(_)));
        assert!(Layout::from_config(&[1, 2, 1, 2, 0, 1]).is_err());
    }
}
