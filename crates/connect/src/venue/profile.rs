//! What makes the served venue this one, as data: paths, how its messages name their streams, what it answers to a client,
//! what a stream begins with, its REST.
//!
//! Invariants: a profile is a row of [`PROFILES`]; its name is that of a [`Dialect`], so client and server agree on rules;
//! what it answers to that dialect's messages, that dialect's decoder reads as a confirmation. Sources are named at each
//! row.

mod binance;
mod bitfinex;
mod bybit;
mod coinbase;
mod hyperliquid;
mod kraken;
mod okx;
#[cfg(test)]
mod tests;

use hyper::body::Bytes;
use serde_json::Value;
use starling_core::time::UnixNanos;
use starling_market::book::LevelBook;
use starling_market::wire::Level;

use super::desk::{Desk, Seat};
use super::state::{Answer, State};
use super::tape::Names;
use crate::dialect::Dialect;

/// What a path of streams asks for at once: names of streams, and whether they come wrapped.
pub(super) type Opening = (Vec<String>, bool);

/// Finds the stream of a recorded message, and the message as it is streamed.
pub(super) type NameStream = fn(&[u8], &mut Names) -> Option<(u32, Bytes)>;

/// Gives a message the connection's own number; none where it stays as it is.
pub(super) type Renumber = fn(&[u8], &mut Seat) -> Option<Vec<u8>>;

/// How a stream begins for who subscribes in the middle of the tape.
#[derive(Debug, Clone, Copy)]
pub(super) enum Standing {
    /// With nothing: a snapshot is asked for.
    Nothing,
    /// With its last message, where that says all.
    Repeated,
    /// A book with a snapshot made of it, a quote with its last message.
    Made(fn(&Whole<'_>) -> String),
}

/// A book at one point of the tape.
pub(super) struct Whole<'a> {
    /// The tape's number of its stream.
    pub(super) stream: u32,
    /// The channel as the client called it.
    pub(super) channel: &'a str,
    /// The venue's name of the instrument.
    pub(super) symbol: &'a str,
    /// The number of the last change in it, zero where they have none.
    pub(super) id: u64,
    /// The stamp of the last change.
    pub(super) ts: UnixNanos,
    /// The book.
    pub(super) book: &'a LevelBook,
}

/// What the venue says by itself to who has subscribed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Heartbeat {
    pub(super) every_s: u64,
    pub(super) say: fn(&mut Desk<'_>),
}

/// Pings of the protocol.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ping {
    pub(super) every_s: u64,
    /// Seconds without a pong after which a client is cut off.
    pub(super) pong_max_s: u64,
}

/// REST of a market.
#[derive(Debug, Clone, Copy)]
pub struct Rest {
    /// The path all its requests begin with.
    pub base: &'static str,
    /// Answers a request for a path below it.
    pub(super) answer: fn(&State, path: &str, query: &str) -> Answer,
    /// The header that tells what was used of the weight.
    pub(super) used_header: Option<&'static str>,
}

/// A venue that can be served.
#[derive(Debug, Clone, Copy)]
pub struct Profile {
    /// Its name: that of its dialect.
    pub name: &'static str,
    /// Reads a path of streams.
    pub(super) open: fn(&Self, path: &str, query: &str) -> Option<Opening>,
    /// The number of the stream a recorded message belongs to, and the message as it is streamed.
    pub(super) stream: NameStream,
    /// What channels of other ages or paces are called, so that the one that was recorded serves who asks for the other.
    pub(super) key: fn(&str) -> &str,
    /// What it says by itself after opening.
    pub(super) greet: Option<fn(&mut Desk<'_>)>,
    /// Takes a client's message.
    pub(super) hear: fn(&str, &mut Desk<'_>),
    /// What it says while a client has subscriptions.
    pub(super) heartbeat: Option<Heartbeat>,
    /// What streams begin with.
    pub(super) standing: Standing,
    /// The announcement of a stream whose messages name it by number.
    pub(super) announce: Option<fn(stream: u32, channel: &str, symbol: &str) -> Value>,
    /// Puts the connection's own number into a message, where the venue counts what it sends.
    pub(super) number: Option<Renumber>,
    /// REST, where there is any.
    pub rest: Option<Rest>,
    /// Messages a client may send a second before it is cut off, where the venue says so.
    pub(super) messages_per_second: Option<u64>,
    /// Pings of the protocol, where the venue sends any.
    pub(super) ping: Option<Ping>,
}

/// Every profile, by name.
pub const PROFILES: &[Profile] = &[
    binance::COINM,
    binance::SPOT,
    binance::USDM,
    bitfinex::BITFINEX,
    bybit::INVERSE,
    bybit::LINEAR,
    bybit::SPOT,
    coinbase::COINBASE,
    hyperliquid::HYPERLIQUID,
    kraken::KRAKEN,
    okx::OKX,
];

impl Profile {
    /// The one of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        PROFILES.iter().find(|profile| profile.name == name)
    }

    /// Its client's side.
    #[must_use]
    pub fn dialect(&self) -> &'static Dialect {
        Dialect::named(self.name).expect("every profile has a dialect")
    }

    /// A message as this client gets it.
    pub(super) fn numbered(&self, seat: &mut Seat, data: Bytes) -> Bytes {
        self.number.and_then(|number| number(&data, seat)).map_or(data, Bytes::from)
    }

    /// The dialect's path, and nothing else.
    fn at_its_path(&self, path: &str, _: &str) -> Option<Opening> {
        let wanted = self.dialect().stream_path.trim_end_matches('/');
        (path.trim_end_matches('/') == wanted).then(Opening::default)
    }
}

/// What most venues have in common.
const PLAIN: Profile = Profile {
    name: "",
    open: Profile::at_its_path,
    stream: |_, _| None,
    key: |channel| channel,
    greet: None,
    hear: |_, _| {},
    heartbeat: None,
    standing: Standing::Nothing,
    announce: None,
    number: None,
    rest: None,
    messages_per_second: None,
    ping: None,
};

/// Where a JSON message names something: the first of some pointers under which there is a text.
fn text_at<'a>(message: &'a Value, pointers: &[&str]) -> Option<&'a str> {
    pointers.iter().find_map(|pointer| message.pointer(pointer)?.as_str())
}

fn json_of(frame: &[u8]) -> Option<Value> {
    serde_json::from_slice(frame).ok()
}

/// Levels as a JSON list.
fn list(levels: impl Iterator<Item = Level>, row: impl Fn(Level) -> String) -> String {
    format!("[{}]", levels.map(row).collect::<Vec<_>>().join(","))
}
