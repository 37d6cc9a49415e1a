//! What differs between venues in keeping a market-data connection, as data: addresses, subscriptions, limits, REST.
//!
//! Invariant: a dialect is a row of [`DIALECTS`], its functions are pure, and its name is that of the decoder in
//! `market::wire` that reads its frames. Sources are named at each row.

mod binance;

use starling_core::fixed::{Price, Qty};
use starling_core::order::Side;
use starling_core::time::UnixNanos;
use starling_market::book::Rules;

use crate::lane::Channel;

/// One channel of one instrument, as the venue names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Topic {
    /// The venue's name of the instrument.
    pub symbol: String,
    /// Which data of it.
    pub channel: Channel,
}

/// A REST request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestCall {
    /// Path and query, after the base address.
    pub path: String,
    /// What it costs of the venue's request weight.
    pub weight: u64,
}

/// A trade of a REST answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RestTrade {
    /// The venue's number.
    pub trade_id: u64,
    /// When it traded.
    pub ts_event: UnixNanos,
    /// The price.
    pub price: Price,
    /// The quantity.
    pub size: Qty,
    /// Who took liquidity.
    pub aggressor: Option<Side>,
}

/// An answer that is not what was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the answer to {path} is not {wanted}: {found}; the venue may have changed its interface")]
pub struct AnswerError {
    /// What was asked for.
    pub path: &'static str,
    /// What was expected.
    pub wanted: &'static str,
    /// What came, or where it broke.
    pub found: String,
}

/// Where missing trades come from.
#[derive(Debug, Clone, Copy)]
pub struct TradeHistory {
    /// Asks for trades of a symbol, from an id on.
    pub call: fn(symbol: &str, first: u64, last: u64) -> RestCall,
    /// Reads the answer, by increasing id.
    pub read: fn(&[u8]) -> Result<Vec<RestTrade>, AnswerError>,
}

/// A venue's way of keeping a connection.
#[derive(Debug, Clone, Copy)]
pub struct Dialect {
    /// Name of the venue's market, and of its decoder.
    pub name: &'static str,
    /// Base address of the streams.
    pub stream_url: &'static str,
    /// Path that is connected to.
    pub stream_path: &'static str,
    /// Base address of REST.
    pub rest_url: &'static str,
    /// Messages that subscribe to some topics; each counts against `messages_per_second`.
    pub subscribe: fn(&[Topic]) -> Vec<String>,
    /// Messages a client may send a second.
    pub messages_per_second: u64,
    /// Topics of one connection at most.
    pub topics_max: usize,
    /// A connection that says nothing for longer is dead, nanoseconds.
    pub idle_max_ns: u64,
    /// How often we ping, nanoseconds.
    pub ping_every_ns: u64,
    /// What a ping is, where it is not the protocol's own.
    pub ping_text: Option<&'static str>,
    /// How long the venue lets a connection live, nanoseconds.
    pub life_max_ns: u64,
    /// How books are joined.
    pub rules: Rules,
    /// Whether trades are numbered without holes.
    pub contiguous_trades: bool,
    /// Asks for a book snapshot.
    pub depth: Option<fn(symbol: &str) -> RestCall>,
    /// Asks for trades.
    pub trades: Option<TradeHistory>,
    /// REST weight a minute.
    pub rest_weight_per_minute: u64,
}

/// Every dialect, by name.
pub const DIALECTS: &[Dialect] = &[binance::COINM, binance::SPOT, binance::USDM];

impl Dialect {
    /// The one of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        DIALECTS.iter().find(|dialect| dialect.name == name)
    }
}

#[cfg(test)]
mod tests {
    use starling_market::wire::Feed;

    use super::*;

    #[test]
    fn every_dialect_has_a_decoder_and_secure_addresses() {
        assert!(DIALECTS.windows(2).all(|pair| pair[0].name < pair[1].name));
        for dialect in DIALECTS {
            assert!(Feed::named(dialect.name).is_some(), "{}", dialect.name);
            assert!(dialect.stream_url.starts_with("wss://") && dialect.rest_url.starts_with("https://"));
        }
    }
}
