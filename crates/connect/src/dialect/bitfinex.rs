//! Bitfinex v2, public channels.
//!
//! Sources: Bitfinex API docs, "WebSocket: General" (`info` by itself after opening, 25 channels of a connection, 20
//! connections a minute, a heartbeat every 15 s), "Conf flags" (65536 numbers messages, 131072 sends checksums of books),
//! "Books", "Trades".
//!
//! Quotes are not offered as a ticker, whose sizes are sums over orders: they are taken from the book. Subscriptions are
//! named by numbers, so that a book is had anew by connecting anew. Trade numbers rise over all pairs together.

use serde_json::json;
use starling_core::time::{DAY, SECOND};
use starling_market::book::Rules;

use super::{Confirms, Dialect, QuoteSource, Topic};
use crate::lane::{Channel, TradeNumbers};

/// Number messages, send checksums.
const FLAGS: u64 = 65_536 | 131_072;

pub(super) const BITFINEX: Dialect = Dialect {
    name: "bitfinex",
    feed: "bitfinex",
    stream_url: "wss://api-pub.bitfinex.com",
    stream_path: "/ws/2",
    rest_url: "https://api-pub.bitfinex.com",
    channels: &[Channel::Trade, Channel::Quote, Channel::Book],
    // `tBTCUSD`
    capitals: false,
    subscribe,
    unsubscribe: None,
    greetings: 1,
    confirms: Confirms::Messages,
    login: None,
    messages_per_second: 20,
    topics_max: 25,
    idle_max_ns: 30 * SECOND,
    ping_every_ns: 15 * SECOND,
    ping_text: Some(r#"{"event":"ping"}"#),
    life_max_ns: DAY,
    rules: Rules::BITFINEX,
    checksum: None,
    book_depth: None,
    quotes: QuoteSource::Book,
    numbers: TradeNumbers::Increasing,
    depth: None,
    trades: None,
    rest_weight_per_minute: 30,
};

fn subscribe(topics: &[Topic]) -> Vec<String> {
    let channel = |topic: &Topic| match topic.channel {
        Channel::Trade => json!({ "event": "subscribe", "channel": "trades", "symbol": topic.symbol }).to_string(),
        _ => json!({
            "event": "subscribe", "channel": "book", "symbol": topic.symbol, "prec": "P0", "freq": "F0", "len": "100",
        })
        .to_string(),
    };
    let mut messages = vec![json!({ "event": "conf", "flags": FLAGS }).to_string()];
    for message in topics.iter().map(channel) {
        // Quotes and book are one channel.
        if !messages.contains(&message) {
            messages.push(message);
        }
    }
    messages
}
