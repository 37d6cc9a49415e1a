//! Binance spot, USD-M and COIN-M.
//!
//! Sources: binance-spot-api-docs `web-socket-streams.md` (5 incoming messages a second, 1,024 streams, 24 hours, pings
//! every 20 s) and `rest-api.md` (weights; 6,000 a minute); derivatives docs "General WSS Information" (10 messages a
//! second, 200 streams, 24 hours) and REST (2,400 a minute). Invariant: never more streams in a message than the path takes.

use starling_core::fixed::{Price, Qty};
use starling_core::order::Side;
use starling_core::time::{HOUR, MILLISECOND, MINUTE, SECOND, UnixNanos};
use starling_market::book::Rules;

use super::{AnswerError, Confirms, Dialect, QuoteSource, RestCall, RestTrade, Topic, TradeHistory};
use crate::lane::{Channel, TradeNumbers};

/// Streams named in one subscription message.
const STREAMS_PER_MESSAGE: usize = 100;
/// Levels of a book snapshot, and trades of a page.
const PAGE: usize = 1_000;

pub(super) const SPOT: Dialect = Dialect {
    name: "binance-spot",
    feed: "binance-spot",
    stream_url: "wss://stream.binance.com:9443",
    stream_path: "/stream",
    rest_url: "https://api.binance.com",
    channels: &Channel::ALL,
    capitals: true,
    subscribe: |topics| request("SUBSCRIBE", topics),
    unsubscribe: Some(|topics| request("UNSUBSCRIBE", topics)),
    greetings: 0,
    confirms: Confirms::Messages,
    login: None,
    messages_per_second: 5,
    topics_max: 1_024,
    idle_max_ns: 30 * SECOND,
    ping_every_ns: 15 * SECOND,
    ping_text: None,
    // The venue's is 24 hours: better on a time of our own.
    life_max_ns: 23 * HOUR + 50 * MINUTE,
    rules: Rules::BINANCE_SPOT,
    checksum: None,
    book_depth: None,
    quotes: QuoteSource::Stream,
    numbers: TradeNumbers::Contiguous,
    depth: Some(|symbol| RestCall { path: format!("/api/v3/depth?symbol={symbol}&limit={PAGE}"), weight: 50 }),
    trades: Some(TradeHistory {
        call: |symbol, first, last| RestCall { path: history("/api/v3", symbol, first, last), weight: 25 },
        read,
    }),
    rest_weight_per_minute: 6_000,
};

pub(super) const USDM: Dialect = Dialect {
    name: "binance-usdm",
    feed: "binance-usdm",
    stream_url: "wss://fstream.binance.com",
    rest_url: "https://fapi.binance.com",
    messages_per_second: 10,
    topics_max: 200,
    rules: Rules::BINANCE_FUTURES,
    // Trades of the insurance fund and of auto-deleveraging take numbers and are no trades of the market.
    numbers: TradeNumbers::Increasing,
    depth: Some(|symbol| RestCall { path: format!("/fapi/v1/depth?symbol={symbol}&limit={PAGE}"), weight: 20 }),
    trades: None,
    rest_weight_per_minute: 2_400,
    ..SPOT
};

pub(super) const COINM: Dialect = Dialect {
    name: "binance-coinm",
    feed: "binance-coinm",
    stream_url: "wss://dstream.binance.com",
    rest_url: "https://dapi.binance.com",
    depth: Some(|symbol| RestCall { path: format!("/dapi/v1/depth?symbol={symbol}&limit={PAGE}"), weight: 20 }),
    ..USDM
};

fn history(base: &str, symbol: &str, first: u64, last: u64) -> String {
    let limit = last.saturating_sub(first).saturating_add(1).min(PAGE as u64);
    format!("{base}/historicalTrades?symbol={symbol}&fromId={first}&limit={limit}")
}

/// The stream's name.
fn stream(topic: &Topic) -> String {
    let channel = match topic.channel {
        Channel::Trade => "trade",
        Channel::Quote => "bookTicker",
        Channel::Book => "depth@100ms",
        Channel::Bar => "kline_1m",
    };
    format!("{}@{channel}", topic.symbol.to_lowercase())
}

fn request(method: &str, topics: &[Topic]) -> Vec<String> {
    let messages = topics.chunks(STREAMS_PER_MESSAGE).zip(1u64..);
    messages
        .map(|(topics, id)| {
            let params: Vec<String> = topics.iter().map(stream).collect();
            serde_json::json!({ "method": method, "params": params, "id": id }).to_string()
        })
        .collect()
}

/// `[{"id":28457,"price":"4.00000100","qty":"12.00000000","time":1499865549590,"isBuyerMaker":true,...}]`
fn read(answer: &[u8]) -> Result<Vec<RestTrade>, AnswerError> {
    let error = |found: String| AnswerError { path: "historicalTrades", wanted: "a list of trades", found };
    let rows: Vec<serde_json::Value> = serde_json::from_slice(answer).map_err(|e| error(e.to_string()))?;
    let mut trades = Vec::with_capacity(rows.len());
    for row in &rows {
        let whole = |name: &str| row[name].as_u64().ok_or_else(|| error(row.to_string()));
        let decimal = |name: &str| row[name].as_str().ok_or_else(|| error(row.to_string()));
        let maker = row["isBuyerMaker"].as_bool();
        trades.push(RestTrade {
            trade_id: whole("id")?,
            ts_event: UnixNanos::new(whole("time")?.saturating_mul(MILLISECOND)),
            price: Price::parse(decimal("price")?.as_bytes()).map_err(|e| error(e.to_string()))?,
            size: Qty::parse(decimal("qty")?.as_bytes()).map_err(|e| error(e.to_string()))?,
            aggressor: maker.map(|maker| if maker { Side::Sell } else { Side::Buy }),
        });
    }
    trades.sort_unstable_by_key(|t| t.trade_id);
    Ok(trades)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subscriptions_name_streams_as_the_venue_does() {
        let topic = |channel| Topic { symbol: "BTCUSDT".into(), channel };
        let subscribe = SPOT.subscribe;
        let messages = subscribe(&[topic(Channel::Trade), topic(Channel::Quote), topic(Channel::Book)]);
        assert_eq!(messages.len(), 1);
        let message: serde_json::Value = serde_json::from_str(&messages[0]).unwrap();
        assert_eq!(
            message["params"],
            serde_json::json!(["btcusdt@trade", "btcusdt@bookTicker", "btcusdt@depth@100ms"])
        );
        assert_eq!(subscribe(&vec![topic(Channel::Trade); 250]).len(), 3);
    }

    #[test]
    fn trades_of_the_documentation() {
        // The example of rest-api.md, "Old trade lookup".
        let answer = br#"[{"id":28457,"price":"4.00000100","qty":"12.00000000","quoteQty":"48.000012",
            "time":1499865549590,"isBuyerMaker":true,"isBestMatch":true}]"#;
        let trades = read(answer).unwrap();
        assert_eq!((trades[0].trade_id, trades[0].aggressor), (28_457, Some(Side::Sell)));
        assert_eq!(trades[0].price, Price::parse(b"4.000001").unwrap());
        assert_eq!(trades[0].ts_event, UnixNanos::new(1_499_865_549_590_000_000));
        assert!(read(br#"{"code":-1121,"msg":"Invalid symbol."}"#).is_err());
        assert!(read(br#"[{"id":1}]"#).is_err());
    }

    #[test]
    fn a_page_is_no_longer_than_what_is_missing() {
        assert_eq!(history("/api/v3", "A", 11, 14), "/api/v3/historicalTrades?symbol=A&fromId=11&limit=4");
        assert!(history("/api/v3", "A", 11, 99_999).ends_with("limit=1000"));
    }
}
