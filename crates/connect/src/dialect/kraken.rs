//! Kraken spot, WebSocket v2, public channels.
//!
//! Sources: Kraken API center, "Spot WebSocket v2: Introduction" (`status` by itself after opening, a `heartbeat` each
//! second in which nothing else is sent, a connection without subscriptions is closed after a minute), "Ticker", "Book"
//! (depths 10, 25, 100, 500, 1000; a reader drops what falls out of the depth), "Book checksum", "Trades" (`trade_id` is
//! a sequence number, unique per book; a snapshot holds the last 50). "Rate limits" names about 150 new connections in ten
//! minutes.
//!
//! Bars are not offered: the venue does not say which is complete. A book's checksum is compared where the instrument's
//! decimals are known. Trades are not asked for over REST, which knows them by time; the 50 of the snapshot, sent at every
//! subscription, fill short breaks.

use serde_json::json;
use starling_core::time::{DAY, SECOND};
use starling_market::book::{Checksum, Rules};

use super::{Confirms, Dialect, QuoteSource, Topic, by_channel};
use crate::lane::{Channel, TradeNumbers};

/// Levels a side.
const DEPTH: usize = 25;
/// Symbols of a message.
const SYMBOLS_PER_MESSAGE: usize = 100;

pub(super) const KRAKEN: Dialect = Dialect {
    name: "kraken",
    feed: "kraken",
    stream_url: "wss://ws.kraken.com",
    stream_path: "/v2",
    rest_url: "https://api.kraken.com",
    channels: &[Channel::Trade, Channel::Quote, Channel::Book],
    capitals: true,
    subscribe: |topics| request("subscribe", topics),
    unsubscribe: Some(|topics| request("unsubscribe", topics)),
    greetings: 1,
    confirms: Confirms::Topics,
    login: None,
    messages_per_second: 5,
    topics_max: 500,
    idle_max_ns: 15 * SECOND,
    ping_every_ns: 10 * SECOND,
    ping_text: Some(r#"{"method":"ping"}"#),
    life_max_ns: DAY,
    // By [`Dialect::checksum`] the instrument's.
    rules: Rules { checksum: None, ..Rules::kraken(0, 0) },
    checksum: Some(|price_digits, size_digits| Checksum::Kraken { price_digits, size_digits }),
    book_depth: Some(DEPTH),
    quotes: QuoteSource::Stream,
    numbers: TradeNumbers::Contiguous,
    depth: None,
    trades: None,
    rest_weight_per_minute: 60,
};

fn request(method: &str, topics: &[Topic]) -> Vec<String> {
    let message = |(channel, topics): (Channel, Vec<&Topic>)| {
        let symbols: Vec<&str> = topics.iter().map(|topic| topic.symbol.as_str()).collect();
        let mut params = match channel {
            Channel::Trade => json!({ "channel": "trade", "snapshot": true }),
            Channel::Quote => json!({ "channel": "ticker", "event_trigger": "bbo" }),
            Channel::Book => json!({ "channel": "book", "depth": DEPTH }),
            Channel::Bar => json!({ "channel": "ohlc", "interval": 1 }),
        };
        params["symbol"] = json!(symbols);
        json!({ "method": method, "params": params }).to_string()
    };
    by_channel(topics, SYMBOLS_PER_MESSAGE).map(message).collect()
}
