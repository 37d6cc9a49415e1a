//! OKX v5, public channels.
//!
//! Sources: OKX API guide v5, "WebSocket" (a connection is closed after 30 s without data unless the client says `ping`;
//! 3 connections a second, 480 subscribe/unsubscribe/login requests an hour, all arguments of a connection together at
//! most 64 KB), "Order book channel", "Trades channel", "Get trades". Invariant: never more arguments in a message than
//! stay far below 4,096 bytes.
//!
//! Of `trades`, one message may stand for several prints: its number is that of the last, so numbers rise with holes.
//! `candle` channels live at another address and are not offered.

use serde_json::json;
use starling_core::time::{DAY, SECOND};
use starling_market::book::Rules;

use super::{Confirms, Dialect, QuoteSource, Topic};
use crate::lane::{Channel, TradeNumbers};

/// Arguments of a message.
const TOPICS_PER_MESSAGE: usize = 40;

pub(super) const OKX: Dialect = Dialect {
    name: "okx",
    feed: "okx",
    stream_url: "wss://ws.okx.com:8443",
    stream_path: "/ws/v5/public",
    rest_url: "https://www.okx.com",
    channels: &[Channel::Trade, Channel::Quote, Channel::Book],
    capitals: true,
    subscribe: |topics| request("subscribe", topics),
    unsubscribe: Some(|topics| request("unsubscribe", topics)),
    greetings: 0,
    confirms: Confirms::Topics,
    login: None,
    messages_per_second: 3,
    topics_max: 480,
    idle_max_ns: 30 * SECOND,
    ping_every_ns: 20 * SECOND,
    ping_text: Some("ping"),
    // The guide names no limit: better on a time of our own than on the venue's maintenance.
    life_max_ns: DAY,
    rules: Rules::OKX,
    checksum: None,
    book_depth: None,
    quotes: QuoteSource::Stream,
    numbers: TradeNumbers::Increasing,
    depth: None,
    trades: None,
    rest_weight_per_minute: 600,
};

fn request(op: &str, topics: &[Topic]) -> Vec<String> {
    let argument = |topic: &Topic| {
        let channel = match topic.channel {
            Channel::Trade => "trades",
            Channel::Quote => "bbo-tbt",
            Channel::Book => "books",
            Channel::Bar => "candle1m",
        };
        json!({ "channel": channel, "instId": topic.symbol })
    };
    let message = |topics: &[Topic]| {
        let args: Vec<_> = topics.iter().map(argument).collect();
        json!({ "op": op, "args": args }).to_string()
    };
    topics.chunks(TOPICS_PER_MESSAGE).map(message).collect()
}
