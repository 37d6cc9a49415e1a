//! Hyperliquid, public subscriptions.
//!
//! Sources: Hyperliquid docs, "WebSocket: Subscriptions" and "Timeouts and heartbeats" (a connection is closed that was
//! sent nothing for a minute; `ping` is a method), "Rate limits and user limits" (2,000 messages a minute, 1,000
//! subscriptions).
//!
//! Every `l2Book` is the whole top, so nothing needs a snapshot. Bars are not offered: the venue does not say which is
//! complete. Trades carry digests of transactions, without an order; those of before a subscription come first in it.

use serde_json::json;
use starling_core::time::{DAY, SECOND};
use starling_market::book::Rules;

use super::{Confirms, Dialect, QuoteSource, Topic};
use crate::lane::{Channel, TradeNumbers};

pub(super) const HYPERLIQUID: Dialect = Dialect {
    name: "hyperliquid",
    feed: "hyperliquid",
    stream_url: "wss://api.hyperliquid.xyz",
    stream_path: "/ws",
    rest_url: "https://api.hyperliquid.xyz",
    channels: &[Channel::Trade, Channel::Quote, Channel::Book],
    // `kPEPE` is not `KPEPE`.
    capitals: false,
    subscribe: |topics| request("subscribe", topics),
    unsubscribe: Some(|topics| request("unsubscribe", topics)),
    greetings: 0,
    confirms: Confirms::Messages,
    login: None,
    messages_per_second: 30,
    topics_max: 1_000,
    idle_max_ns: 60 * SECOND,
    ping_every_ns: 30 * SECOND,
    ping_text: Some(r#"{"method":"ping"}"#),
    life_max_ns: DAY,
    rules: Rules::HYPERLIQUID,
    checksum: None,
    book_depth: None,
    quotes: QuoteSource::Stream,
    numbers: TradeNumbers::Opaque,
    depth: None,
    trades: None,
    rest_weight_per_minute: 1_200,
};

fn request(method: &str, topics: &[Topic]) -> Vec<String> {
    let message = |topic: &Topic| {
        let kind = match topic.channel {
            Channel::Trade => "trades",
            Channel::Quote => "bbo",
            Channel::Book => "l2Book",
            Channel::Bar => "candle",
        };
        json!({ "method": method, "subscription": { "type": kind, "coin": topic.symbol } }).to_string()
    };
    topics.iter().map(message).collect()
}
