//! Bybit v5: spot, linear and inverse, public topics.
//!
//! Source: Bybit API docs v5, "Connect" (operations, the answer to `ping`), "Orderbook" (a snapshot first, then deltas whose
//! `u` counts), "Trade", "Kline". Recordings of the wire before v5 are other messages and cannot be served.

use serde_json::{Value, json};
use starling_core::order::Side;
use starling_core::time::MILLISECOND;
use starling_market::wire::Level;

use super::super::desk::{Desk, message_of, texts};
use super::{PLAIN, Profile, Standing, Whole, json_of, list, text_at};

pub(super) const SPOT: Profile = Profile {
    name: "bybit-spot",
    stream: |frame, names| {
        let message = json_of(frame)?;
        let (channel, symbol) = text_at(&message, &["/topic"])?.rsplit_once('.')?;
        Some((names.number(channel, symbol), frame.to_vec().into()))
    },
    // A recording has one depth of a book.
    key: |channel| if channel.starts_with("orderbook.") { "orderbook" } else { channel },
    hear,
    standing: Standing::Made(snapshot),
    ..PLAIN
};

pub(super) const LINEAR: Profile = Profile { name: "bybit-linear", ..SPOT };

pub(super) const INVERSE: Profile = Profile { name: "bybit-inverse", ..SPOT };

fn hear(text: &str, desk: &mut Desk<'_>) {
    let message = message_of(text);
    let op = message["op"].as_str().unwrap_or_default();
    let id = message.get("req_id").cloned().unwrap_or_else(|| "".into());
    let answer = |success: bool, words: &str| json!({ "success": success, "ret_msg": words, "conn_id": "starling", "req_id": id, "op": op });
    let topics: Vec<(&str, &str)> =
        texts(&message["args"]).iter().map(|topic| topic.rsplit_once('.').unwrap_or((topic, ""))).collect();
    match op {
        "ping" => desk.say(&answer(true, "pong")),
        "subscribe" | "unsubscribe" => {
            // A wrong topic is named, and none of the message is taken.
            if let Some((channel, symbol)) = topics.iter().find(|(_, symbol)| !desk.knows(symbol)) {
                return desk.say(&answer(false, &format!("error:handler not found,topic:{channel}.{symbol}")));
            }
            for (channel, symbol) in &topics {
                if op == "unsubscribe" {
                    desk.unsubscribe(channel, symbol);
                } else if !desk.subscribe(channel, symbol) {
                    return desk.say(&answer(false, "error:too many topics"));
                }
            }
            desk.say(&answer(true, ""));
            if op == "subscribe" {
                topics.iter().for_each(|(channel, symbol)| desk.begin(channel, symbol));
            }
        }
        _ => desk.say(&answer(false, "error:unknown operation")),
    }
}

fn snapshot(whole: &Whole<'_>) -> String {
    let row = |level: Level| format!(r#"["{}","{}"]"#, level.price, level.size);
    let [bids, asks] = [Side::Buy, Side::Sell].map(|side| list(whole.book.levels(side, usize::MAX), row));
    let topic: Value = format!("{}.{}", whole.channel, whole.symbol).into();
    let ts = whole.ts.get() / MILLISECOND;
    format!(
        r#"{{"topic":{topic},"type":"snapshot","ts":{ts},"data":{{"s":"{}","b":{bids},"a":{asks},"u":{},"seq":{}}},"cts":{ts}}}"#,
        whole.symbol, whole.id, whole.id
    )
}
