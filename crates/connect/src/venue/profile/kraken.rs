//! Kraken spot, WebSocket v2; recordings of v1 are streamed as they are, to who subscribes in the words of v2.
//!
//! Source: Kraken API center, "Spot WebSocket v2: Introduction" (`status` by itself after opening, a `heartbeat` each
//! second), "Subscribe", "Book", "Ping". A snapshot that is made here has no checksum: a recording does not say how many
//! decimals the pair has. The 50 trades that a subscription begins with there are not repeated.

use serde_json::{Value, json};
use starling_core::order::Side;
use starling_market::wire::Level;

use super::super::desk::{Desk, message_of, texts};
use super::{Heartbeat, PLAIN, Profile, Standing, Whole, json_of, list, text_at};

pub(super) const KRAKEN: Profile = Profile {
    name: "kraken",
    stream: |frame, names| {
        let message = json_of(frame)?;
        // v1: [number, payload, (second payload,) "book-1000", "XBT/USD"]
        let named = match message.as_array().map(Vec::as_slice) {
            Some([.., channel, pair]) => (channel.as_str()?, pair.as_str()?),
            _ => (text_at(&message, &["/channel"])?, text_at(&message, &["/data/0/symbol"])?),
        };
        Some((names.number(named.0, named.1), frame.to_vec().into()))
    },
    key: |channel| channel.split('-').next().unwrap_or(channel),
    greet: Some(|desk| {
        let system = json!({ "version": "2.0.10", "system": "online", "api_version": "v2", "connection_id": 1 });
        desk.say(&json!({ "channel": "status", "type": "update", "data": [system] }));
    }),
    hear,
    heartbeat: Some(Heartbeat { every_s: 1, say: |desk| desk.say(&json!({ "channel": "heartbeat" })) }),
    standing: Standing::Made(snapshot),
    ..PLAIN
};

fn hear(text: &str, desk: &mut Desk<'_>) {
    let message = message_of(text);
    let method = message["method"].as_str().unwrap_or_default();
    let now = desk.now().to_string();
    let answer = |mut fields: Value| {
        fields["method"] = method.into();
        fields["time_in"] = now.as_str().into();
        fields["time_out"] = now.as_str().into();
        if let Some(id) = message.get("req_id") {
            fields["req_id"] = id.clone();
        }
        fields
    };
    let params = &message["params"];
    match (method, params["channel"].as_str()) {
        ("ping", _) => {
            let mut pong = answer(json!({}));
            pong["method"] = "pong".into();
            desk.say(&pong);
        }
        ("subscribe" | "unsubscribe", Some(channel)) => {
            for symbol in texts(&params["symbol"]) {
                let taken = desk.knows(symbol)
                    && if method == "subscribe" {
                        desk.subscribe(channel, symbol)
                    } else {
                        desk.unsubscribe(channel, symbol)
                    };
                if !taken {
                    let words = format!("Currency pair not supported {symbol}");
                    desk.say(&answer(json!({ "error": words, "success": false, "symbol": symbol })));
                    continue;
                }
                let mut result = params.clone();
                result["symbol"] = symbol.into();
                desk.say(&answer(json!({ "result": result, "success": true })));
                if method == "subscribe" {
                    desk.begin(channel, symbol);
                }
            }
        }
        _ => desk.say(&answer(json!({ "error": "Unsupported request", "success": false }))),
    }
}

fn snapshot(whole: &Whole<'_>) -> String {
    let row = |level: Level| format!(r#"{{"price":{},"qty":{}}}"#, level.price, level.size);
    let [bids, asks] = [Side::Buy, Side::Sell].map(|side| list(whole.book.levels(side, usize::MAX), row));
    format!(
        r#"{{"channel":"book","type":"snapshot","data":[{{"symbol":"{}","bids":{bids},"asks":{asks},"timestamp":"{}"}}]}}"#,
        whole.symbol, whole.ts
    )
}
