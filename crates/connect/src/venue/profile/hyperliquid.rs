//! Hyperliquid, public subscriptions.
//!
//! Source: Hyperliquid docs, "WebSocket: Subscriptions" (answers, `l2Book` as a whole each time), "Timeouts and heartbeats"
//! (`ping` is a method), "Rate limits" (2,000 messages a minute). Errors are worded as the venue's API does; its docs give
//! no list.

use serde_json::json;

use super::super::desk::{Desk, message_of};
use super::{PLAIN, Profile, Standing, json_of, text_at};

pub(super) const HYPERLIQUID: Profile = Profile {
    name: "hyperliquid",
    stream: |frame, names| {
        let message = json_of(frame)?;
        let symbol = text_at(&message, &["/data/coin", "/data/0/coin", "/data/s"])?;
        Some((names.number(text_at(&message, &["/channel"])?, symbol), frame.to_vec().into()))
    },
    hear,
    standing: Standing::Repeated,
    messages_per_second: Some(34),
    ..PLAIN
};

fn hear(text: &str, desk: &mut Desk<'_>) {
    let message = message_of(text);
    let subscription = &message["subscription"];
    let named = (subscription["type"].as_str(), subscription["coin"].as_str());
    match (message["method"].as_str(), named) {
        (Some("ping"), _) => desk.say(&json!({ "channel": "pong" })),
        (Some(method @ ("subscribe" | "unsubscribe")), (Some(channel), Some(coin))) => {
            let taken = desk.knows(coin)
                && if method == "subscribe" { desk.subscribe(channel, coin) } else { desk.unsubscribe(channel, coin) };
            if !taken {
                let words = format!("Invalid subscription {subscription}");
                return desk.say(&json!({ "channel": "error", "data": words }));
            }
            let answer = json!({ "method": method, "subscription": subscription });
            desk.say(&json!({ "channel": "subscriptionResponse", "data": answer }));
            if method == "subscribe" {
                desk.begin(channel, coin);
            }
        }
        _ => desk.say(
            &json!({ "channel": "error", "data": format!("Error parsing JSON into valid websocket request: {text}") }),
        ),
    }
}
