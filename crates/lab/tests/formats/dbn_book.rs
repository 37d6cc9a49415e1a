//! Books of single orders, rebuilt from DBN's `mbo` records, against Databento's decoder and plain dicts in Python.
//!
//! `dbn_book.jsonl` is the output of `scripts/dbn_book.py` over the two real files; where the interpreter has the packages,
//! it is made anew and compared. The collection has no `mbp-1` or `tbbo` of the minutes of its `mbo` files, so the touch is
//! judged by the script, and by the trades among the records, which happen at it.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;
use starling_core::fixed::Qty;
use starling_core::{Price, Side};
use starling_lab::data::open_dbn;
use starling_market::book::{BookError, OrderBook, QueueLevel, UnknownChange};
use starling_market::dbn::{Order, Record};

use crate::{ask, exact, folder, judge, number};

/// The end of an event: behind it the book is consistent.
const LAST: u8 = 0x80;

/// A book that follows records, and what is asked of it.
#[derive(Default)]
struct Rebuilt {
    book: OrderBook,
    actions: BTreeMap<String, i128>,
    touch: Option<[i128; 6]>,
    touches: i128,
    digest: u64,
    /// Trades, and those of them at the touch they met.
    trades: [usize; 2],
}

/// Price, size and orders of the best level, zeros where nothing rests.
fn best(level: Option<QueueLevel>) -> [i128; 3] {
    level.map_or([0; 3], |l| {
        [l.level.price.units().into(), (l.level.size.units() / Qty::ONE.units()).into(), l.orders as i128]
    })
}

impl Rebuilt {
    fn take(&mut self, order: &Order) -> Result<(), BookError> {
        *self.actions.entry(char::from(order.action).to_string()).or_default() += 1;
        let side = match order.side {
            b'B' => Some(Side::Buy),
            b'A' => Some(Side::Sell),
            _ => None,
        };
        let (price, size) =
            (order.price.unwrap_or(Price::ZERO), Qty::from_units(i64::from(order.size) * Qty::ONE.units()));
        match order.action {
            b'R' => self.book.clear(),
            b'A' => self.book.add(order.order_id, side, price, size)?,
            // A cancel takes its size off; of the last it has, the order leaves.
            b'C' => self.book.reduce(order.order_id, size)?,
            b'M' => self.book.change(order.order_id, price, size)?,
            b'T' => {
                // The side is that of who took: a seller meets the best bid.
                let met = side.and_then(|taker| self.book.levels(taker.opposite()).next());
                self.trades[0] += 1;
                self.trades[1] += usize::from(met.is_some_and(|met| met.level.price == price));
            }
            _ => {}
        }
        if order.flags & LAST != 0 {
            let [bid, ask] = [Side::Buy, Side::Sell].map(|side| best(self.book.levels(side).next()));
            let touch = [bid[0], bid[1], bid[2], ask[0], ask[1], ask[2]];
            if self.touch != Some(touch) {
                self.touch = Some(touch);
                self.touches += 1;
                for value in touch {
                    let value = u64::try_from(value).unwrap();
                    self.digest = self.digest.wrapping_mul(31).wrapping_add(value);
                }
            }
        }
        Ok(())
    }
}

fn orders(path: &Path) -> Vec<Order> {
    let mut reader = open_dbn(path).unwrap();
    let mut orders = Vec::new();
    while let Some(raw) = reader.next_record().unwrap() {
        let Record::Order(order) = raw.record() else { panic!("{raw:?}") };
        orders.push(order);
    }
    orders
}

fn check(folder: &Path, golden: &Value, trades: [usize; 2]) {
    let name = golden["file"].as_str().unwrap();
    let mut rebuilt = Rebuilt::default();
    for order in orders(&folder.join("book").join(name)) {
        rebuilt.take(&order).unwrap_or_else(|error| panic!("{name}: {order:?}: {error}"));
    }
    let actions: BTreeMap<String, i128> =
        golden["actions"].as_object().unwrap().iter().map(|(action, count)| (action.clone(), number(count))).collect();
    assert_eq!(rebuilt.actions, actions, "{name}");
    let sides = [Side::Buy, Side::Sell].map(|side| rebuilt.book.levels(side).count() as i128);
    assert_eq!(rebuilt.book.len() as i128, number(&golden["orders"]), "{name}");
    assert_eq!(sides, [number(&golden["bids"]), number(&golden["asks"])], "{name}");
    // The sizes and counts of all levels are those of their orders.
    for side in [Side::Buy, Side::Sell] {
        let of_levels: i64 = rebuilt.book.levels(side).map(|l| l.level.size.units()).sum();
        assert_eq!(of_levels, rebuilt.book.orders(side).map(|order| order.size.units()).sum::<i64>(), "{name}");
    }
    let touch: Vec<i128> = golden["touch"].as_array().unwrap().iter().map(number).collect();
    assert_eq!(rebuilt.touch.unwrap().to_vec(), touch, "{name}");
    assert_eq!(
        (rebuilt.touches, i128::from(rebuilt.digest)),
        (number(&golden["touches"]), number(&golden["digest"])),
        "{name}"
    );
    assert_eq!(rebuilt.trades, trades, "{name}: trades, and those at the touch");
}

fn golden() -> Vec<Value> {
    include_str!("dbn_book.jsonl").lines().map(exact).collect()
}

#[test]
fn orders_of_real_files_make_the_judges_books() {
    let Some(folder) = folder() else { return };
    let golden = golden();
    // A snapshot of a holiday: 8,725 orders, one event.
    assert_eq!((number(&golden[0]["orders"]), number(&golden[0]["touches"])), (8_725, 1));
    check(&folder, &golden[0], [0, 0]);
    // Two seconds after a snapshot of 13,600 orders: 136 times another best bid or ask.
    assert_eq!((number(&golden[1]["orders"]), number(&golden[1]["touches"])), (13_598, 136));
    check(&folder, &golden[1], [5, 5]);
}

#[test]
fn the_judge_says_the_same_today() {
    let (Some(folder), Some(python)) = (folder(), judge("databento_dbn, pyarrow")) else { return };
    let files = ["cme_globex_esh4_mbo_20231224.dbn.zst", "cme_orderbooks_mbo_20240508.dbn.zst"];
    let paths = files.map(|file| folder.join("book").join(file));
    let said = ask(&python, "dbn_book.py", &[&paths[0], &paths[1]]);
    assert_eq!(said.lines().map(exact).collect::<Vec<_>>(), golden());
}

/// The encoding's own samples begin in mid-session: two cancels of orders that no record of theirs added.
#[test]
fn samples_without_a_snapshot_are_refused_at_their_first_cancel() {
    let Some(folder) = folder() else { return };
    let names = ["mbo.dbn", "mbo.v1.dbn.zst", "mbo.v2.dbn.zst", "mbo.v3.dbn", "mbo.v3.dbn.zst"];
    for name in names {
        let orders = orders(&folder.join("dbn").join(format!("test_data.{name}")));
        assert_eq!(orders.len(), 2, "{name}");
        let mut rebuilt = Rebuilt { book: OrderBook::new(UnknownChange::Refused), ..Rebuilt::default() };
        let refused: Vec<_> = orders.iter().map(|order| rebuilt.take(order)).collect();
        let unknown = [647_784_973_705, 647_784_973_631].map(|order_id| Err(BookError::UnknownOrder { order_id }));
        assert_eq!(refused, unknown, "{name}");
        assert!(rebuilt.book.is_empty());
    }
}
