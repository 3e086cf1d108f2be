//! The `[transport.fastn]` table.

use std::{net::SocketAddr, time::Duration};

use iroh::{RelayMode, RelayUrl};
use media_plugin_sdk::transport::{Result, TransportError};
use serde::Deserialize;

/// As it is written; every key has a default.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Options {
    /// Local UDP addresses. Empty: all interfaces, any port, and IPv6 where the machine has it.
    pub(crate) bind: Vec<SocketAddr>,
    /// Whether UDP sockets are opened and direct addresses used; without, everything goes through the relay.
    pub(crate) direct: bool,
    /// Whether the node is announced and looked for on the local network.
    pub(crate) mdns: bool,
    relay: Relay,
    pub(crate) congestion: Congestion,
    /// Bounds a dial with its handshake, and on the accepting side the handshake and each stream's opening.
    connect_timeout_ms: u64,
    /// Peers that are connected to this node at once.
    pub(crate) max_peers: usize,
    /// Streams that one peer has open at once; it waits when it wants more.
    pub(crate) max_streams_per_peer: u32,
    /// After so long without a sign of life a connection is lost.
    idle_timeout_ms: u64,
    /// A sign of life is sent that often.
    keep_alive_ms: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Congestion {
    /// BBR3, and Cubic where the round trip is that of one machine or one switch.
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

/// Which relays, and whether peers are looked up with the relays' operator.
#[derive(Debug, Clone)]
pub(crate) enum RelayChoice {
    Off,
    /// Those of n0, iroh's maker, with their address lookup.
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
    /// # Errors
    /// `BadArgument` names the option and what is allowed.
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
                return Err(bad(&format!("`{key}` is {value}, 1 to 3600000 milliseconds are allowed")));
            }
        }
        if self.keep_alive_ms >= self.idle_timeout_ms {
            return Err(bad(
                "`keep_alive_ms` must be less than `idle_timeout_ms`, or idle connections are lost",
            ));
        }
        if !(1..=10_000).contains(&self.max_peers) {
            return Err(bad(&format!("`max_peers` is {}, 1 to 10000 are allowed", self.max_peers)));
        }
        if !(1..=10_000).contains(&self.max_streams_per_peer) {
            let streams = self.max_streams_per_peer;
            return Err(bad(&format!("`max_streams_per_peer` is {streams}, 1 to 10000 are allowed")));
        }
        if matches!(self.relay()?, RelayChoice::Off) && !self.direct {
            return Err(bad(
                "`direct` is false and `relay` is \"off\", so there is no way to anybody; set one of them",
            ));
        }
        Ok(())
    }

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
