//! Alpaca market data: stocks by IEX or by all exchanges (SIP), and crypto; JSON.
//!
//! Sources: Alpaca Market Data docs, "WebSocket stream" (`connected` by itself after opening, a login within 10 s, most
//! plans allow one connection, messages below 16,384 bytes), "Real-time stock data", "Real-time crypto data".
//!
//! The keys come from `APCA_API_KEY_ID` and `APCA_API_SECRET_KEY`, as Alpaca's own clients have them. Trades of stocks are
//! numbered per exchange, which gives no order. Stocks have no book here.

use serde_json::{Value, json};
use starling_core::time::{DAY, SECOND};
use starling_market::book::Rules;

use super::{Confirms, Dialect, Login, QuoteSource, Topic};
use crate::lane::{Channel, TradeNumbers};

/// Topics of a message: names of at most 21 letters leave it below 16 KB.
const TOPICS_PER_MESSAGE: usize = 500;

pub(super) const IEX: Dialect = Dialect {
    name: "alpaca-iex",
    feed: "alpaca",
    stream_url: "wss://stream.data.alpaca.markets",
    stream_path: "/v2/iex",
    rest_url: "https://data.alpaca.markets",
    channels: &[Channel::Trade, Channel::Quote, Channel::Bar],
    capitals: true,
    subscribe: |topics| request("subscribe", topics),
    unsubscribe: Some(|topics| request("unsubscribe", topics)),
    greetings: 1,
    confirms: Confirms::Messages,
    login: Some(Login {
        variables: ["APCA_API_KEY_ID", "APCA_API_SECRET_KEY"],
        message: |key, secret| json!({ "action": "auth", "key": key, "secret": secret }).to_string(),
        // 402 of the docs; 406, too many connections, heals.
        is_final: |said| said == b"auth failed",
    }),
    messages_per_second: 5,
    topics_max: 10_000,
    // Nothing comes while markets are closed but answers to our pings.
    idle_max_ns: 30 * SECOND,
    ping_every_ns: 10 * SECOND,
    ping_text: None,
    life_max_ns: DAY,
    // Snapshots say so themselves; nothing is numbered.
    rules: Rules::COINBASE,
    checksum: None,
    book_depth: None,
    quotes: QuoteSource::Stream,
    numbers: TradeNumbers::Opaque,
    depth: None,
    trades: None,
    rest_weight_per_minute: 200,
};

pub(super) const SIP: Dialect = Dialect { name: "alpaca-sip", stream_path: "/v2/sip", ..IEX };

pub(super) const CRYPTO: Dialect =
    Dialect { name: "alpaca-crypto", stream_path: "/v1beta3/crypto/us", channels: &Channel::ALL, ..IEX };

fn request(action: &str, topics: &[Topic]) -> Vec<String> {
    let message = |topics: &[Topic]| {
        let mut message = json!({ "action": action });
        for topic in topics {
            let list = match topic.channel {
                Channel::Trade => "trades",
                Channel::Quote => "quotes",
                Channel::Book => "orderbooks",
                Channel::Bar => "bars",
            };
            if message[list].is_null() {
                message[list] = json!([]);
            }
            if let Value::Array(symbols) = &mut message[list] {
                symbols.push(topic.symbol.as_str().into());
            }
        }
        message.to_string()
    };
    topics.chunks(TOPICS_PER_MESSAGE).map(message).collect()
}
