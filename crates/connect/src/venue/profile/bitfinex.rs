//! Bitfinex v2, public channels.
//!
//! Source: Bitfinex API docs, "WebSocket: General" (`info` by itself after opening, `conf`, `ping`, error codes 10001, 10300,
//! 10301, 10400), "Conf flags" (65536 numbers messages), "Books", "Trades".
//!
//! Numbers of channels and of messages belong to a connection, so those of the recording are replaced: a channel's by that
//! of its stream on the tape, a message's by the client's count, if it asked for one. Heartbeats are the server's own. Rows
//! of a snapshot that is made here count one order.

use hyper::body::Bytes;
use serde_json::{Value, json};
use starling_core::order::Side;
use starling_core::time::MILLISECOND;
use starling_market::wire::Level;

use super::super::desk::{Desk, Seat, message_of};
use super::super::tape::Names;
use super::{Heartbeat, PLAIN, Profile, Standing, Whole, json_of, text_at};

/// Frames end with the connection's stamp, or with their number.
const FLAG_TIMESTAMP: u64 = 32_768;
const FLAG_SEQUENCE: u64 = 65_536;

pub(super) const BITFINEX: Profile = Profile {
    name: "bitfinex",
    stream,
    greet: Some(|desk| {
        desk.say(&json!({ "event": "info", "version": 2, "serverId": "starling", "platform": { "status": 1 } }));
    }),
    hear,
    heartbeat: Some(Heartbeat { every_s: 15, say: beat }),
    standing: Standing::Made(snapshot),
    announce: Some(announcement),
    number: Some(number),
    ..PLAIN
};

/// Books order by order and by price are two channels.
fn channel_of(message: &Value) -> Option<&str> {
    match text_at(message, &["/channel"])? {
        "book" if message["prec"] == "R0" => Some("book-R0"),
        channel => Some(channel),
    }
}

/// `[232952,[60400,1,0.5],17]` without the recorded numbers.
fn stream(frame: &[u8], names: &mut Names) -> Option<(u32, Bytes)> {
    let frame = frame.trim_ascii();
    if frame.starts_with(b"{") {
        let message = json_of(frame)?;
        match message["event"].as_str()? {
            "conf" => names.flags = message["flags"].as_u64().unwrap_or(0),
            "subscribed" => {
                let stream = names.number(channel_of(&message)?, text_at(&message, &["/symbol", "/key"])?);
                names.announced.insert(message["chanId"].as_u64()?, stream);
            }
            _ => {}
        }
        return None;
    }
    let comma = frame.iter().position(|byte| *byte == b',')?;
    let channel: u64 = std::str::from_utf8(frame[..comma].strip_prefix(b"[")?).ok()?.parse().ok()?;
    let stream = *names.announced.get(&channel)?;
    let mut body = frame[comma..].strip_suffix(b"]")?;
    for flag in [FLAG_TIMESTAMP, FLAG_SEQUENCE] {
        if names.flags & flag != 0 {
            body = &body[..body.iter().rposition(|byte| *byte == b',')?];
        }
    }
    if body == b",\"hb\"" {
        return None;
    }
    Some((stream, [format!("[{}", id_of(stream)).as_bytes(), body, b"]"].concat().into()))
}

const fn id_of(stream: u32) -> u64 {
    stream as u64 + 1
}

fn announcement(stream: u32, channel: &str, symbol: &str) -> Value {
    let mut said = json!({
        "event": "subscribed", "channel": channel, "chanId": id_of(stream), "symbol": symbol,
        "pair": symbol.strip_prefix('t').unwrap_or(symbol),
    });
    if let Some(kind) = channel.strip_prefix("book") {
        said["channel"] = "book".into();
        said["prec"] = if kind == "-R0" { "R0" } else { "P0" }.into();
        said["freq"] = "F0".into();
        said["len"] = "100".into();
    }
    said
}

fn hear(text: &str, desk: &mut Desk<'_>) {
    let message = message_of(text);
    let error = |code: u64, words: &str| json!({ "event": "error", "msg": words, "code": code });
    match message["event"].as_str() {
        Some("ping") => {
            let ts = desk.now().get() / MILLISECOND;
            desk.say(&json!({ "event": "pong", "ts": ts, "cid": message["cid"] }));
        }
        Some("conf") => {
            desk.seat.flags = message["flags"].as_u64().unwrap_or(0);
            desk.say(&json!({ "event": "conf", "status": "OK", "flags": desk.seat.flags & FLAG_SEQUENCE }));
        }
        Some("subscribe") => {
            let symbol = text_at(&message, &["/symbol", "/key"]).unwrap_or_default();
            let channel = channel_of(&message).unwrap_or_default();
            let Some(stream) = desk.stream(channel, symbol) else {
                return desk.say(&error(10_300, "symbol: invalid"));
            };
            if desk.seat.has(channel, symbol) {
                return desk.say(&error(10_301, "subscribe: dup"));
            }
            if !desk.subscribe(channel, symbol) {
                return desk.say(&error(10_300, "subscribe: limit"));
            }
            desk.say(&announcement(stream, channel, symbol));
            desk.begin(channel, symbol);
        }
        Some("unsubscribe") => {
            let id = message["chanId"].as_u64();
            let tape = desk.tape;
            let named = (0u32..).zip(&tape.names.streams).find(|(stream, _)| Some(id_of(*stream)) == id);
            let known =
                named.is_some_and(|(_, stream)| desk.unsubscribe(&stream.channel, tape.names.symbol(stream.symbol)));
            let said = json!({ "event": "unsubscribed", "status": "OK", "chanId": id });
            desk.say(&if known { said } else { error(10_400, "unsubscribe: invalid") });
        }
        _ => desk.say(&error(10_001, "event: invalid")),
    }
}

/// Numbers a message behind its payload.
fn number(data: &[u8], seat: &mut Seat) -> Option<Vec<u8>> {
    if seat.flags & FLAG_SEQUENCE == 0 {
        return None;
    }
    seat.numbered += 1;
    Some([data.strip_suffix(b"]")?, format!(",{}]", seat.numbered).as_bytes()].concat())
}

fn beat(desk: &mut Desk<'_>) {
    for stream in 0..desk.seat.wanted.len() as u32 {
        if desk.seat.wanted[stream as usize].is_some() {
            let beat = format!("[{},\"hb\"]", id_of(stream));
            let beat = number(beat.as_bytes(), desk.seat).unwrap_or_else(|| beat.into_bytes());
            desk.say_text(beat);
        }
    }
}

fn snapshot(whole: &Whole<'_>) -> String {
    let bids = whole.book.levels(Side::Buy, usize::MAX).map(|level| (level, ""));
    let asks = whole.book.levels(Side::Sell, usize::MAX).map(|level| (level, "-"));
    let row = |(level, sign): (Level, &str)| format!("[{},1,{sign}{}]", level.price, level.size);
    let rows: Vec<String> = bids.chain(asks).map(row).collect();
    format!("[{},[{}]]", id_of(whole.stream), rows.join(","))
}
