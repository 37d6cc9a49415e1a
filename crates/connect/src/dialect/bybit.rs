//! Bybit v5: spot, linear and inverse, public topics.
//!
//! Sources: Bybit API docs v5, "Connect" (a `ping` operation every 20 s; 500 connections in five minutes; arguments of one
//! public connection at most 21,000 characters; on spot ten arguments a request), "Orderbook", "Trade", "Kline".
//!
//! Best prices come from the book: the ticker of a derivative leaves out what has not changed, and that of spot has no
//! bid and ask. Trade numbers are UUIDs on derivatives.

use serde_json::json;
use starling_core::time::{DAY, SECOND};
use starling_market::book::Rules;

use super::{Confirms, Dialect, QuoteSource, Topic};
use crate::lane::{Channel, TradeNumbers};

/// Arguments of a message: what spot takes.
const TOPICS_PER_MESSAGE: usize = 10;

pub(super) const SPOT: Dialect = Dialect {
    name: "bybit-spot",
    feed: "bybit",
    stream_url: "wss://stream.bybit.com",
    stream_path: "/v5/public/spot",
    rest_url: "https://api.bybit.com",
    channels: &Channel::ALL,
    capitals: true,
    subscribe: |topics| request("subscribe", topics),
    unsubscribe: Some(|topics| request("unsubscribe", topics)),
    greetings: 0,
    confirms: Confirms::Messages,
    login: None,
    messages_per_second: 10,
    topics_max: 500,
    idle_max_ns: 30 * SECOND,
    ping_every_ns: 20 * SECOND,
    ping_text: Some(r#"{"op":"ping"}"#),
    life_max_ns: DAY,
    rules: Rules::BYBIT,
    checksum: None,
    book_depth: None,
    quotes: QuoteSource::Book,
    numbers: TradeNumbers::Opaque,
    depth: None,
    trades: None,
    rest_weight_per_minute: 600,
};

pub(super) const LINEAR: Dialect = Dialect { name: "bybit-linear", stream_path: "/v5/public/linear", ..SPOT };

pub(super) const INVERSE: Dialect = Dialect { name: "bybit-inverse", stream_path: "/v5/public/inverse", ..SPOT };

fn request(op: &str, topics: &[Topic]) -> Vec<String> {
    let argument = |topic: &Topic| {
        let channel = match topic.channel {
            Channel::Trade => "publicTrade",
            Channel::Quote | Channel::Book => "orderbook.50",
            Channel::Bar => "kline.1",
        };
        format!("{channel}.{}", topic.symbol)
    };
    let mut arguments: Vec<String> = topics.iter().map(argument).collect();
    // Quotes and book are one topic.
    arguments.sort_unstable();
    arguments.dedup();
    arguments.chunks(TOPICS_PER_MESSAGE).map(|args| json!({ "op": op, "args": args }).to_string()).collect()
}
