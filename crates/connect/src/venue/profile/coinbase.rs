//! Coinbase Advanced Trade; recordings of Coinbase Exchange are streamed as they are, to who subscribes in the words of
//! Advanced Trade. REST is that of Exchange, which trades the same books: missing trades.
//!
//! Source: Advanced Trade docs, "WebSocket channels" (`subscriptions` lists all after each message, `heartbeats` every
//! second, `sequence_num` counts all messages of a connection from 0), "WebSocket errors"; Exchange docs, "Get product
//! trades". The number of the recording is replaced by the client's count.

use hyper::StatusCode;
use serde_json::{Map, Value, json};
use starling_core::order::Side;
use starling_market::wire::Level;

use super::super::desk::{Desk, Seat, message_of, texts};
use super::super::state::{Answer, State};
use super::{Heartbeat, PLAIN, Profile, Rest, Standing, Whole, json_of, list, text_at};

/// Trades of an answer at most.
const TRADE_ROWS_MAX: usize = 1_000;

pub(super) const COINBASE: Profile = Profile {
    name: "coinbase",
    stream: |frame, names| {
        let message = json_of(frame)?;
        let places = [
            "/events/0/product_id",
            "/events/0/trades/0/product_id",
            "/events/0/tickers/0/product_id",
            "/events/0/candles/0/product_id",
            "/product_id",
        ];
        let channel = text_at(&message, &["/channel", "/type"])?;
        Some((names.number(key(channel), text_at(&message, &places)?), frame.to_vec().into()))
    },
    key,
    hear,
    heartbeat: Some(Heartbeat { every_s: 1, say: beat }),
    standing: Standing::Made(snapshot),
    number: Some(number),
    rest: Some(Rest { base: "/products", answer, used_header: None }),
    messages_per_second: Some(8),
    ..PLAIN
};

/// A channel as one subscribes to it.
fn key(channel: &str) -> &str {
    match channel {
        "l2_data" | "snapshot" | "l2update" => "level2",
        "match" | "last_match" => "market_trades",
        other => other,
    }
}

fn hear(text: &str, desk: &mut Desk<'_>) {
    let message = message_of(text);
    let error = |words: &str| json!({ "type": "error", "message": words });
    let channel = message["channel"].as_str();
    let (Some(kind @ ("subscribe" | "unsubscribe")), Some(channel)) = (message["type"].as_str(), channel) else {
        return desk.say(&error("invalid request"));
    };
    let mut products = texts(&message["product_ids"]);
    if channel == "heartbeats" {
        // Of the connection, whatever products it names.
        products = vec![""];
    } else if let Some(product) = products.iter().find(|product| !desk.knows(product)) {
        return desk.say(&error(&format!("{product} is not a valid product")));
    }
    for product in &products {
        if kind == "unsubscribe" {
            desk.unsubscribe(channel, product);
        } else if !desk.subscribe(channel, product) {
            return desk.say(&error("too many subscriptions"));
        }
    }
    let mut all: Map<String, Value> = Map::new();
    for (channel, product, _) in desk.seat.subscriptions() {
        let product = if product.is_empty() { "heartbeats" } else { product };
        if let Value::Array(list) = all.entry(channel).or_insert_with(|| json!([])) {
            list.push(product.into());
        }
    }
    let answer = message_on("subscriptions", json!([{ "subscriptions": all }]), desk);
    desk.say(&answer);
    if kind == "subscribe" {
        products.iter().for_each(|product| desk.begin(channel, product));
    }
}

fn message_on(channel: &str, events: Value, desk: &mut Desk<'_>) -> Value {
    let (now, number) = (desk.now().to_string(), desk.number());
    json!({ "channel": channel, "client_id": "", "timestamp": now, "sequence_num": number, "events": events })
}

fn beat(desk: &mut Desk<'_>) {
    if desk.seat.has("heartbeats", "") {
        let now = desk.now().to_string();
        let number = desk.seat.numbered;
        let beat = message_on("heartbeats", json!([{ "current_time": now, "heartbeat_counter": number }]), desk);
        desk.say(&beat);
    }
}

/// Replaces the recorded number; messages of Exchange have none.
fn number(data: &[u8], seat: &mut Seat) -> Option<Vec<u8>> {
    let key = b"\"sequence_num\":";
    let at = data.windows(key.len()).position(|window| window == key)? + key.len();
    let digits = data[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let number = seat.numbered;
    seat.numbered += 1;
    Some([&data[..at], number.to_string().as_bytes(), &data[at + digits..]].concat())
}

fn snapshot(whole: &Whole<'_>) -> String {
    let ts = whole.ts;
    let rows = |side, name: &str| {
        list(whole.book.levels(side, usize::MAX), |Level { price, size }| {
            format!(r#"{{"side":"{name}","event_time":"{ts}","price_level":"{price}","new_quantity":"{size}"}}"#)
        })
    };
    let (bids, asks) = (rows(Side::Buy, "bid"), rows(Side::Sell, "offer"));
    let both = match (&bids[1..bids.len() - 1], &asks[1..asks.len() - 1]) {
        ("", one) | (one, "") => one.to_owned(),
        (bids, asks) => format!("{bids},{asks}"),
    };
    format!(
        r#"{{"channel":"l2_data","client_id":"","timestamp":"{ts}","sequence_num":0,"events":[{{"type":"snapshot","product_id":"{}","updates":[{both}]}}]}}"#,
        whole.symbol
    )
}

/// `/{product}/trades?after=NUMBER&limit=COUNT`: the latest before a number, the newest first.
fn answer(state: &State, path: &str, query: &str) -> Answer {
    let missing = || Answer { status: StatusCode::NOT_FOUND, body: r#"{"message":"NotFound"}"#.into(), weight: 1 };
    let Some(product) = path.strip_prefix('/').and_then(|path| path.strip_suffix("/trades")) else { return missing() };
    let Some(market) = state.market(product) else { return missing() };
    let field = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')?.parse().ok());
    let (after, limit): (u64, u64) =
        (field("after").unwrap_or(u64::MAX), field("limit").unwrap_or(TRADE_ROWS_MAX as u64));
    let end = market.trades.partition_point(|trade| trade.trade_id < after);
    let start = end.saturating_sub((limit as usize).min(TRADE_ROWS_MAX));
    let row = |trade: &crate::dialect::RestTrade| {
        // The side is the maker's.
        let side = if trade.aggressor == Some(Side::Buy) { "sell" } else { "buy" };
        json!({
            "trade_id": trade.trade_id, "side": side, "size": trade.size.to_string(),
            "price": trade.price.to_string(), "time": trade.ts_event.to_string(),
        })
    };
    let rows: Vec<Value> = market.trades.range(start..end).rev().map(row).collect();
    Answer { status: StatusCode::OK, body: Value::from(rows).to_string().into(), weight: 1 }
}
