//! Options of the configuration table `[transport.fastn]`.

use std::{net::SocketAddr, time::Duration};

use iroh::{RelayMode, RelayUrl};
use media_plugin_sdk::transport::{Result, TransportError};
use serde::Deserialize;

/// The table with its keys. Every key has a default.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Options {
    /// Local UDP addresses. An empty list stands for all interfaces, with IPv6 if the machine has it, and for
    /// the port of the node's key, or any port if that is in use.
    pub(crate) bind: Vec<SocketAddr>,
    /// Opens UDP sockets and uses direct addresses. If false, everything goes through the relay.
    pub(crate) direct: bool,
    /// Announces this node, and looks up peers, on the local network.
    pub(crate) mdns: bool,
    relay: Relay,
    pub(crate) congestion: Congestion,
    /// Timeout of a dial with its handshake. On the accepting side, of the handshake and of each stream's
    /// opening lines.
    connect_timeout_ms: u64,
    /// Limit of accepted connections at once. Dialled connections do not count.
    pub(crate) max_peers: usize,
    /// Limit of streams that one peer has open at once. At the limit the peer's `open` waits.
    pub(crate) max_streams_per_peer: u32,
    /// Time without a packet from the peer after which a connection is lost.
    idle_timeout_ms: u64,
    /// Interval of the packets that keep an idle connection alive.
    keep_alive_ms: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Congestion {
    /// BBR3, or Cubic if the round trip is that of one machine or one switch.
    Auto,
    Cubic,
    Bbr,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Relay {
    Word(String),
    Urls(Vec<String>),
}

/// Relays in use.
#[derive(Debug, Clone)]
pub(crate) enum RelayChoice {
    Off,
    /// The relays of n0, iroh's maker, and n0's address lookup.
    Default,
    Own(RelayMode),
}

impl Default for Options {
    fn default() -> Self {
        Self {
            bind: Vec::new(),
            direct: true,
            mdns: true,
            relay: Relay::Word("default".into()),
            congestion: Congestion::Auto,
            connect_timeout_ms: 10_000,
            max_peers: 4096,
            max_streams_per_peer: 256,
            idle_timeout_ms: 30_000,
            keep_alive_ms: 5_000,
        }
    }
}

impl Options {
    /// Parses the table from a JSON object. Empty text stands for an empty table.
    ///
    /// # Errors
    /// `BadArgument` for an unknown option or a wrong value. The message names the permitted values, and the option unless the
    /// value has the wrong type.
    pub(crate) fn parse(json: &str) -> Result<Self> {
        let json = if json.trim().is_empty() { "{}" } else { json };
        let options: Self = serde_json::from_str(json).map_err(|e| bad(&e.to_string()))?;
        options.check()?;
        Ok(options)
    }

    fn check(&self) -> Result<()> {
        let times = [
            ("connect_timeout_ms", self.connect_timeout_ms),
            ("idle_timeout_ms", self.idle_timeout_ms),
            ("keep_alive_ms", self.keep_alive_ms),
        ];
        for (key, value) in times {
            if !(1..=3_600_000).contains(&value) {
                return Err(bad(&format!("`{key}` is {value}; 1 to 3600000 milliseconds are allowed")));
            }
        }
        if self.keep_alive_ms >= self.idle_timeout_ms {
            return Err(bad(
                "`keep_alive_ms` must be less than `idle_timeout_ms`, or idle connections would be lost",
            ));
        }
        if !(1..=10_000).contains(&self.max_peers) {
            return Err(bad(&format!("`max_peers` is {}; 1 to 10000 are allowed", self.max_peers)));
        }
        if !(1..=10_000).contains(&self.max_streams_per_peer) {
            let streams = self.max_streams_per_peer;
            return Err(bad(&format!("`max_streams_per_peer` is {streams}; 1 to 10000 are allowed")));
        }
        if matches!(self.relay()?, RelayChoice::Off) && !self.direct {
            return Err(bad(
                "`direct` is false and `relay` is \"off\", so no peer can be reached; change one of them",
            ));
        }
        Ok(())
    }

    /// Returns the option `relay`, parsed.
    ///
    /// # Errors
    /// `BadArgument` for an unknown word or a malformed URL.
    pub(crate) fn relay(&self) -> Result<RelayChoice> {
        match &self.relay {
            Relay::Word(word) if word == "off" => Ok(RelayChoice::Off),
            Relay::Word(word) if word == "default" => Ok(RelayChoice::Default),
            Relay::Word(word) => Err(bad(&format!(
                "`relay` is \"{word}\"; \"off\", \"default\" or a list of URLs is expected"
            ))),
            Relay::Urls(urls) if urls.is_empty() => Ok(RelayChoice::Off),
            Relay::Urls(urls) => {
                let parse = |url: &String| {
                    url.parse::<RelayUrl>().map_err(|e| bad(&format!("`relay`: `{url}` is not a URL: {e}")))
                };
                let urls = urls.iter().map(parse).collect::<Result<Vec<_>>>()?;
                Ok(RelayChoice::Own(RelayMode::custom(urls)))
            }
        }
    }

    pub(crate) fn connect_timeout(&self) -> Duration {
        Duration::from_millis(self.connect_timeout_ms)
    }

    pub(crate) fn idle_timeout(&self) -> Duration {
        Duration::from_millis(self.idle_timeout_ms)
    }

    pub(crate) fn keep_alive(&self) -> Duration {
        Duration::from_millis(self.keep_alive_ms)
    }
}

fn bad(why: &str) -> TransportError {
    TransportError::BadArgument(format!("transport fastn: {why}"))
}

#[cfg(test)]
mod tests {
    use super::{Options, RelayChoice};

    #[test]
    fn every_key_has_a_default() {
        assert!(matches!(Options::parse("").unwrap().relay().unwrap(), RelayChoice::Default));
        assert!(Options::parse("{}").unwrap().direct);
        let own = Options::parse(r#"{"relay":["https://relay.example.org"],"direct":false}"#).unwrap();
        assert!(matches!(own.relay().unwrap(), RelayChoice::Own(_)));
    }

    #[test]
    fn an_error_names_the_option_and_what_is_allowed() {
        let cases = [
            (r#"{"mdsn":true}"#, "mdsn", "`mdns`"),
            (r#"{"relay":"on"}"#, "relay", "\"off\", \"default\""),
            (r#"{"relay":["::"]}"#, "relay", "not a URL"),
            (r#"{"relay":"off","direct":false}"#, "direct", "relay"),
            (r#"{"congestion":"reno"}"#, "reno", "`cubic`"),
            (r#"{"max_peers":0}"#, "max_peers", "1 to 10000"),
            (r#"{"max_streams_per_peer":0}"#, "max_streams_per_peer", "1 to 10000"),
            (r#"{"connect_timeout_ms":0}"#, "connect_timeout_ms", "milliseconds"),
            (r#"{"keep_alive_ms":30000}"#, "keep_alive_ms", "idle_timeout_ms"),
            (r#"{"bind":["here"]}"#, "socket address", "fastn"),
            ("[1]", "fastn", ""),
        ];
        for (json, name, allowed) in cases {
            let refused = Options::parse(json).unwrap_err().to_string();
            assert!(refused.contains(name) && refused.contains(allowed), "{json}: {refused}");
            assert_eq!(refused.lines().count(), 1);
        }
    }
}
