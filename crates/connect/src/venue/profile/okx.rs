//! OKX v5, the public path.
//!
//! Source: OKX API guide v5, "WebSocket: Subscribe, Unsubscribe", "Connection" (`ping` is answered by `pong`), "Order book
//! channel" (the first message is a snapshot of 400 levels, whose `prevSeqId` is -1), error codes 60012 and 60018.

use serde_json::{Value, json};
use starling_core::order::Side;
use starling_core::time::MILLISECOND;
use starling_market::book::Rules;
use starling_market::wire::Level;

use super::super::desk::{Desk, message_of};
use super::{PLAIN, Profile, Standing, Whole, json_of, list, text_at};

pub(super) const OKX: Profile = Profile {
    name: "okx",
    stream: |frame, names| {
        let message = json_of(frame)?;
        message.get("data")?;
        let channel = text_at(&message, &["/arg/channel"])?;
        Some((names.number(channel, text_at(&message, &["/arg/instId"])?), frame.to_vec().into()))
    },
    // Best prices on their own came after tickers.
    key: |channel| if channel == "tickers" { "bbo-tbt" } else { channel },
    hear,
    standing: Standing::Made(snapshot),
    ..PLAIN
};

fn hear(text: &str, desk: &mut Desk<'_>) {
    if text == "ping" {
        return desk.say_text("pong");
    }
    let message = message_of(text);
    let (op, args) = (message["op"].as_str(), message["args"].as_array());
    let (Some(op @ ("subscribe" | "unsubscribe")), Some(args)) = (op, args) else {
        return refuse("60012", format!("Invalid request: {text}"), desk);
    };
    for arg in args {
        let (channel, symbol) =
            (arg["channel"].as_str().unwrap_or_default(), arg["instId"].as_str().unwrap_or_default());
        let known = desk.knows(symbol);
        if !known || (op == "subscribe" && !desk.subscribe(channel, symbol)) {
            let words = "doesn't exist. Please use the correct URL, channel and parameters referring to API document.";
            refuse("60018", format!("Wrong URL or channel:{channel},instId:{symbol} {words}"), desk);
            continue;
        }
        let mut answer = json!({ "event": op, "arg": arg, "connId": "a4d3ae55" });
        if let Some(id @ Value::String(_)) = message.get("id") {
            answer["id"] = id.clone();
        }
        desk.say(&answer);
        if op == "subscribe" {
            desk.begin(channel, symbol);
        } else {
            desk.unsubscribe(channel, symbol);
        }
    }
}

fn refuse(code: &str, words: String, desk: &mut Desk<'_>) {
    desk.say(&json!({ "event": "error", "code": code, "msg": words, "connId": "a4d3ae55" }));
}

fn snapshot(whole: &Whole<'_>) -> String {
    let rule = Rules::OKX.checksum.expect("OKX has one");
    // How many orders make a level, the tape's book does not know.
    let row = |level: Level| format!(r#"["{}","{}","0","1"]"#, level.price, level.size);
    let [asks, bids] = [Side::Sell, Side::Buy].map(|side| list(whole.book.levels(side, 400), row));
    let (ts, checksum) = (whole.ts.get() / MILLISECOND, whole.book.checksum(rule).cast_signed());
    // Books were not numbered before 2023.
    let numbers = if whole.id == 0 { String::new() } else { format!(r#","prevSeqId":-1,"seqId":{}"#, whole.id) };
    format!(
        r#"{{"arg":{{"channel":"{}","instId":"{}"}},"action":"snapshot","data":[{{"asks":{asks},"bids":{bids},"ts":"{ts}","checksum":{checksum}{numbers}}}]}}"#,
        whole.channel, whole.symbol
    )
}
