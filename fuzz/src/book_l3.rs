//! A level-3 book against a list of orders in order of arrival.
//!
//! An input is a byte that says what a change of an unknown order is, and then steps: a byte that names it, and its
//! numbers.

use starling_core::fixed::{Price, Qty};
use starling_core::order::Side;
use starling_market::book::{Checksum, OrderBook, RestingOrder, UnknownChange};
use starling_market::wire::{BookOrder, OrderAction};

use super::bytes::Bytes;

#[derive(Debug)]
enum Step {
    Row(BookOrder),
    Reduce { id: u8, by: i64 },
    Clear,
}

impl Step {
    fn read(bytes: &mut Bytes<'_>) -> Option<Self> {
        let name = bytes.u8()?;
        let side = if name & 0x80 == 0 { Side::Buy } else { Side::Sell };
        let action = [OrderAction::Add, OrderAction::Change, OrderAction::Delete][usize::from((name >> 3) % 3)];
        Some(match name & 7 {
            6 => Self::Reduce { id: bytes.u8()?, by: bytes.i64()? },
            // A book is seldom emptied.
            7 if name >> 3 == 0 => Self::Clear,
            shape => Self::Row(BookOrder {
                action,
                order_id: u64::from(bytes.u8()? % 32),
                side: (shape != 5).then_some(side),
                price: Price::from_units(bytes.i8()?.into()),
                size: Qty::from_units(if shape == 4 { bytes.i64()? } else { bytes.u8()?.into() }),
            }),
        })
    }
}

/// What a row does to a list, where the book took it.
fn apply(model: &mut Vec<RestingOrder>, row: &BookOrder) {
    let found = model.iter().position(|o| o.order_id == row.order_id);
    let new = |side| RestingOrder { order_id: row.order_id, side, price: row.price, size: row.size };
    match (row.action, found) {
        (OrderAction::Delete, Some(at)) => drop(model.remove(at)),
        (OrderAction::Change, Some(at)) if row.size.is_zero() => drop(model.remove(at)),
        (OrderAction::Change, Some(at)) => {
            let old = model[at];
            let new = new(row.side.unwrap_or(old.side));
            if (new.side, new.price) == (old.side, old.price) && new.size <= old.size {
                model[at] = new;
            } else {
                model.remove(at);
                model.push(new);
            }
        }
        (OrderAction::Add | OrderAction::Change, None) => model.push(new(row.side.expect("taken with a side"))),
        (OrderAction::Add, Some(_)) | (OrderAction::Delete, None) => panic!("{row:?} was taken"),
    }
}

pub fn judge(input: &[u8]) {
    let mut bytes = Bytes(input);
    let Some(adds) = bytes.u8() else { return };
    let mut book = OrderBook::new(if adds & 1 == 0 { UnknownChange::Refused } else { UnknownChange::Adds });
    let mut model: Vec<RestingOrder> = Vec::new();
    for at in 0.. {
        let Some(step) = Step::read(&mut bytes) else { break };
        let row = match step {
            Step::Clear => {
                book.clear();
                model.clear();
                continue;
            }
            Step::Reduce { id, by } => {
                if book.reduce(id.into(), Qty::from_units(by)).is_ok() {
                    let at = model.iter().position(|o| o.order_id == u64::from(id)).expect("a known order");
                    model[at].size = Qty::from_units(model[at].size.units() - by);
                    model.retain(|o| !o.size.is_zero());
                }
                None
            }
            Step::Row(row) => Some(row),
        };
        if let Some(row) = row {
            let before = book.get(row.order_id);
            match book.apply(&row) {
                Ok(()) => apply(&mut model, &row),
                // A change that overflows its new level has left its old one.
                Err(_) if before.is_some() && book.get(row.order_id).is_none() => {
                    model.retain(|o| o.order_id != row.order_id);
                }
                Err(_) => assert_eq!(book.get(row.order_id), before),
            }
        }
        assert_eq!(book.len(), model.len());
        // Every order costs, and a wrong one stays.
        if at % 8 != 7 && !bytes.0.is_empty() {
            continue;
        }
        for side in [Side::Buy, Side::Sell] {
            let mut expected: Vec<RestingOrder> = model.iter().copied().filter(|o| o.side == side).collect();
            expected.sort_by_key(|o| if side == Side::Buy { -o.price.units() } else { o.price.units() });
            assert!(book.orders(side).eq(expected.iter().copied()));
            for level in book.levels(side) {
                let here = expected.iter().filter(|o| o.price == level.level.price);
                assert_eq!(level.level.size.units(), here.map(|o| o.size.units()).sum::<i64>());
            }
        }
    }
    assert_eq!(Checksum::of_bitfinex_orders(&book), Checksum::of_bitfinex_orders(&book.clone()));
}
