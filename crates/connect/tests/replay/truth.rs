//! What a recording says, read by means that share nothing with the code under test: serde_json, f64-free text, a tree.

use std::collections::BTreeMap;

use serde_json::Value;
use starling_connect::venue::tape::{Piece, Tape};
use starling_core::{Price, Qty};

/// The truth of one symbol.
#[derive(Default)]
pub(crate) struct Truth {
    /// Price and quantity by trade id.
    pub(crate) trades: BTreeMap<u64, (Price, Qty)>,
    /// Update id, bid, bid size, ask, ask size, in the order recorded.
    pub(crate) quotes: Vec<(u64, Price, Qty, Price, Qty)>,
    /// Bids and asks by price after the last change.
    pub(crate) book: [BTreeMap<Price, Qty>; 2],
    /// Number of that change.
    pub(crate) last_id: u64,
}

fn price(value: &Value) -> Price {
    Price::parse(value.as_str().unwrap().as_bytes()).unwrap()
}

fn qty(value: &Value) -> Qty {
    Qty::parse(value.as_str().unwrap().as_bytes()).unwrap()
}

impl Truth {
    pub(crate) fn of(tape: &Tape) -> Self {
        let mut truth = Self::default();
        // A change that reaches beyond the snapshot may stand before it on the tape.
        let mut early: Vec<Value> = Vec::new();
        for frame in &tape.frames {
            let message: Value = serde_json::from_slice(&frame.data).unwrap();
            if matches!(frame.piece, Piece::Snapshot(_)) {
                truth.book = Default::default();
                truth.levels(&message["bids"], &message["asks"]);
                truth.last_id = message["lastUpdateId"].as_u64().unwrap();
                for change in std::mem::take(&mut early) {
                    truth.change(&change);
                }
            } else if message["e"] == "trade" {
                truth.trades.insert(message["t"].as_u64().unwrap(), (price(&message["p"]), qty(&message["q"])));
            } else if message["e"] == "depthUpdate" {
                if truth.last_id == 0 {
                    early.push(message);
                } else {
                    truth.change(&message);
                }
            } else {
                let id = message["u"].as_u64().unwrap();
                let [b, bs, a, az] = ["b", "B", "a", "A"].map(|key| &message[key]);
                truth.quotes.push((id, price(b), qty(bs), price(a), qty(az)));
            }
        }
        truth
    }

    fn change(&mut self, message: &Value) {
        let last = message["u"].as_u64().unwrap();
        if last > self.last_id {
            self.levels(&message["b"], &message["a"]);
            self.last_id = last;
        }
    }

    fn levels(&mut self, bids: &Value, asks: &Value) {
        for (side, levels) in self.book.iter_mut().zip([bids, asks]) {
            for level in levels.as_array().unwrap() {
                match qty(&level[1]) {
                    Qty::ZERO => side.remove(&price(&level[0])),
                    size => side.insert(price(&level[0]), size),
                };
            }
        }
    }
}
