//! One client's subscriptions, and what a profile may do with them when the client speaks.
//!
//! Invariants: a stream is wanted exactly while a subscription that names it stands; what [`Desk::say`] takes is sent in
//! that order, before any frame that is played later. It knows no socket and no venue's words.

use std::collections::BTreeMap;
use std::sync::Arc;

use hyper::body::Bytes;
use serde_json::Value;
use starling_core::time::UnixNanos;

use super::state::State;
use super::tape::Tape;

/// Streams of one connection.
pub(super) const STREAMS_MAX: usize = 1_024;

/// What one client has asked for.
#[derive(Debug, Default)]
pub(super) struct Seat {
    /// By channel and symbol, as the client named them: how it called the two together.
    pub(super) asked: BTreeMap<(String, String), Arc<str>>,
    /// By the tape's number of a stream: under which name it is wanted.
    pub(super) wanted: Vec<Option<Arc<str>>>,
    /// Whether messages come wrapped with their stream's name, where the venue can do that.
    pub(super) combined: bool,
    /// How the client has configured the connection, in the venue's bits.
    pub(super) flags: u64,
    /// Messages that were numbered so far, where the venue numbers them.
    pub(super) numbered: u64,
}

impl Seat {
    /// What it subscribes to: channel, symbol and the two together.
    pub(super) fn subscriptions(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.asked.iter().map(|((channel, symbol), name)| (channel.as_str(), symbol.as_str(), &**name))
    }

    fn refresh(&mut self, tape: &Tape) {
        self.wanted = vec![None; tape.names.streams.len()];
        for ((channel, symbol), name) in &self.asked {
            for stream in tape.find(channel, symbol) {
                self.wanted[stream as usize] = Some(Arc::clone(name));
            }
        }
    }

    /// Adds a subscription; false where there are too many.
    pub(super) fn subscribe(&mut self, tape: &Tape, channel: &str, symbol: &str, name: &str) -> bool {
        let key = (channel.to_owned(), symbol.to_owned());
        if self.asked.len() >= STREAMS_MAX && !self.asked.contains_key(&key) {
            return false;
        }
        self.asked.insert(key, name.into());
        self.refresh(tape);
        true
    }

    /// Adds one by the name it has in a path, `btcusdt@trade`; false where there are too many.
    pub(super) fn subscribe_named(&mut self, tape: &Tape, name: &str) -> bool {
        // A name that is none is none of a stream on the tape.
        let (symbol, channel) = name.split_once('@').unwrap_or((name, ""));
        self.subscribe(tape, channel, &symbol.to_uppercase(), name)
    }

    /// Ends one; false where there was none.
    pub(super) fn unsubscribe(&mut self, tape: &Tape, channel: &str, symbol: &str) -> bool {
        let there = self.asked.remove(&(channel.to_owned(), symbol.to_owned())).is_some();
        self.refresh(tape);
        there
    }

    /// Whether it has this one.
    pub(super) fn has(&self, channel: &str, symbol: &str) -> bool {
        self.asked.contains_key(&(channel.to_owned(), symbol.to_owned()))
    }
}

/// A client that has said something, and the venue at that moment.
pub(super) struct Desk<'a> {
    pub(super) tape: &'a Tape,
    pub(super) state: &'a State,
    pub(super) seat: &'a mut Seat,
    pub(super) said: Vec<Bytes>,
}

impl Desk<'_> {
    /// Whether the venue has this instrument.
    pub(super) fn knows(&self, symbol: &str) -> bool {
        self.tape.names.symbols.iter().any(|known| known == symbol)
    }

    /// Adds a subscription; false where there are too many.
    pub(super) fn subscribe(&mut self, channel: &str, symbol: &str) -> bool {
        self.seat.subscribe(self.tape, channel, symbol, &format!("{channel}:{symbol}"))
    }

    /// Ends one; false where there was none.
    pub(super) fn unsubscribe(&mut self, channel: &str, symbol: &str) -> bool {
        self.seat.unsubscribe(self.tape, channel, symbol)
    }

    /// Says how a stream stands now: the book as a whole, the latest quote. What the tape has not come to yet will tell
    /// itself.
    pub(super) fn begin(&mut self, channel: &str, symbol: &str) {
        for stream in self.tape.find(channel, symbol) {
            let standing = self.state.standing(stream, channel, symbol);
            let numbered = standing.map(|frame| self.state.profile.numbered(self.seat, frame));
            self.said.extend(numbered);
        }
    }

    /// The tape's number of a stream.
    pub(super) fn stream(&self, channel: &str, symbol: &str) -> Option<u32> {
        self.tape.find(channel, symbol).first().copied()
    }

    /// The number of the message that is said next.
    pub(super) fn number(&mut self) -> u64 {
        let number = self.seat.numbered;
        self.seat.numbered += 1;
        number
    }

    /// The tape's time.
    pub(super) fn now(&self) -> UnixNanos {
        self.state.now
    }

    /// Tells the client something.
    pub(super) fn say(&mut self, message: &Value) {
        self.say_text(message.to_string());
    }

    /// The same as text.
    pub(super) fn say_text(&mut self, text: impl Into<Bytes>) {
        self.said.push(text.into());
    }
}

/// A client's message; what is no JSON object has no fields.
pub(super) fn message_of(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_default()
}

/// The texts of a list, or the one text that stands for it.
pub(super) fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(list) => list.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}
