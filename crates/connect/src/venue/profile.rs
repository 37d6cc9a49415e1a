//! What makes the served venue this one: paths, names of streams, the texts of its REST answers.
//!
//! Invariant: a profile is data; its name is that of a [`crate::dialect::Dialect`], so client and server agree on rules.
//! Source: binance-spot-api-docs `rest-api.md` and `web-socket-streams.md`; derivatives docs for the futures paths.

use crate::dialect::Dialect;

/// A venue that can be served.
#[derive(Debug, Clone, Copy)]
pub struct Profile {
    /// Its name: that of its dialect and decoder.
    pub name: &'static str,
    /// The path all REST requests of this market begin with.
    pub rest: &'static str,
    /// Decimals of prices and quantities in REST answers; none writes as few as needed.
    pub decimals: Option<u8>,
    /// Whether its instruments are perpetuals.
    pub is_futures: bool,
    /// Messages a client may send a second before it is cut off.
    pub messages_per_second: u64,
    /// Seconds between two pings of the server.
    pub ping_s: u64,
    /// Seconds without a pong after which a client is cut off.
    pub pong_max_s: u64,
}

/// Every profile, by name.
pub const PROFILES: &[Profile] = &[
    Profile {
        name: "binance-coinm",
        rest: "/dapi/v1",
        decimals: None,
        is_futures: true,
        messages_per_second: 10,
        ..SPOT
    },
    SPOT,
    Profile {
        name: "binance-usdm",
        rest: "/fapi/v1",
        decimals: None,
        is_futures: true,
        messages_per_second: 10,
        ..SPOT
    },
];

const SPOT: Profile = Profile {
    name: "binance-spot",
    rest: "/api/v3",
    decimals: Some(8),
    is_futures: false,
    messages_per_second: 5,
    ping_s: 20,
    pong_max_s: 60,
};

impl Profile {
    /// The one of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        PROFILES.iter().find(|profile| profile.name == name)
    }

    /// Its client's side.
    #[must_use]
    pub fn dialect(&self) -> &'static Dialect {
        Dialect::named(self.name).expect("every profile has a dialect")
    }
}

/// A stream's name without the pace of a depth stream: `btcusdt@depth@100ms` and `btcusdt@depth` carry the same changes,
/// and a recording has one of them.
#[must_use]
pub fn stream_key(name: &str) -> &str {
    match name.split_once("@depth@") {
        Some((symbol, pace)) if pace.ends_with("ms") => &name[..symbol.len() + "@depth".len()],
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_have_dialects() {
        assert!(PROFILES.windows(2).all(|p| p[0].name < p[1].name));
        for profile in PROFILES {
            assert_eq!(profile.dialect().name, profile.name);
        }
    }

    #[test]
    fn the_pace_of_a_depth_stream_is_no_part_of_its_key() {
        let keys = ["btcusdt@depth@100ms", "btcusdt@depth@0ms", "btcusdt@depth", "btcusdt@depth20@100ms", "a@trade"];
        let expected = ["btcusdt@depth", "btcusdt@depth", "btcusdt@depth", "btcusdt@depth20@100ms", "a@trade"];
        assert_eq!(keys.map(stream_key), expected);
    }
}
