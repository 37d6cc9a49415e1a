//! Coinbase Advanced Trade, public channels; missing trades from Coinbase Exchange, which trades the same books.
//!
//! Sources: Advanced Trade docs, "WebSocket overview" (a subscription within 5 s of opening; one channel a message),
//! "WebSocket rate limits" (8 messages a second for who is not logged in), "WebSocket channels" (`heartbeats` every second
//! keeps quiet products open; `sequence_num` counts all messages of a connection); Exchange docs, "Get product trades"
//! (`after` gives what is older than a number, at most 1,000; 10 requests a second).
//!
//! Candles span five minutes, and say by their time whether they are complete.

use serde_json::json;
use starling_core::time::{DAY, SECOND};
use starling_market::book::Rules;
use starling_market::wire::{Batch, Feed, Update};

use super::{AnswerError, Confirms, Dialect, QuoteSource, RestCall, RestTrade, Topic, TradeHistory, by_channel};
use crate::lane::{Channel, TradeNumbers};

/// Products of a message.
const PRODUCTS_PER_MESSAGE: usize = 100;
/// Trades of a page.
const PAGE: u64 = 1_000;

pub(super) const COINBASE: Dialect = Dialect {
    name: "coinbase",
    feed: "coinbase",
    stream_url: "wss://advanced-trade-ws.coinbase.com",
    stream_path: "/",
    rest_url: "https://api.exchange.coinbase.com",
    channels: &Channel::ALL,
    capitals: true,
    subscribe: |topics| {
        let mut messages = request("subscribe", topics);
        messages.push(json!({ "type": "subscribe", "channel": "heartbeats" }).to_string());
        messages
    },
    unsubscribe: Some(|topics| request("unsubscribe", topics)),
    greetings: 0,
    confirms: Confirms::Messages,
    login: None,
    messages_per_second: 8,
    topics_max: 500,
    idle_max_ns: 10 * SECOND,
    ping_every_ns: 15 * SECOND,
    ping_text: None,
    life_max_ns: DAY,
    rules: Rules::COINBASE,
    checksum: None,
    book_depth: None,
    quotes: QuoteSource::Stream,
    numbers: TradeNumbers::Contiguous,
    depth: None,
    trades: Some(TradeHistory {
        call: |product, first, last| {
            // The newest come first, so the page must end with the first that is missing.
            let count = last.saturating_sub(first).saturating_add(1).min(PAGE);
            let after = first.saturating_add(count);
            RestCall { path: format!("/products/{product}/trades?after={after}&limit={count}"), weight: 1 }
        },
        read,
    }),
    rest_weight_per_minute: 600,
};

fn request(kind: &str, topics: &[Topic]) -> Vec<String> {
    let message = |(channel, topics): (Channel, Vec<&Topic>)| {
        let products: Vec<&str> = topics.iter().map(|topic| topic.symbol.as_str()).collect();
        let channel = match channel {
            Channel::Trade => "market_trades",
            Channel::Quote => "ticker",
            Channel::Book => "level2",
            Channel::Bar => "candles",
        };
        json!({ "type": kind, "product_ids": products, "channel": channel }).to_string()
    };
    by_channel(topics, PRODUCTS_PER_MESSAGE).map(message).collect()
}

/// `[{"trade_id":74,"side":"sell","size":"0.01","price":"10.00","time":"2014-11-07T22:19:28.578544Z"},...]`
fn read(answer: &[u8]) -> Result<Vec<RestTrade>, AnswerError> {
    let error = |found: String| AnswerError { path: "products/trades", wanted: "a list of trades", found };
    let feed = Feed::named(COINBASE.feed).expect("every dialect has a decoder");
    let mut batch = Batch::new();
    feed.decode(answer, &mut batch).map_err(|e| error(e.to_string()))?;
    let mut trades = Vec::with_capacity(batch.updates.len());
    for update in &batch.updates {
        let Update::Trade { ts_event, price, size, aggressor, trade_id, .. } = *update else {
            return Err(error(format!("{update:?}")));
        };
        trades.push(RestTrade { trade_id, ts_event, price, size, aggressor });
    }
    trades.sort_unstable_by_key(|trade| trade.trade_id);
    Ok(trades)
}
