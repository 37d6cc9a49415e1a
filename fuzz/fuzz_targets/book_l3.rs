//! A level-3 book against a list of orders in order of arrival.

#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use starling_core::fixed::{Price, Qty};
use starling_core::order::Side;
use starling_market::book::{Checksum, OrderBook, RestingOrder, UnknownChange};
use starling_market::wire::{BookOrder, OrderAction};

#[derive(Debug, Arbitrary)]
enum Step {
    Row { action: u8, id: u8, side: Option<bool>, price: i8, size: i64 },
    Small { action: u8, id: u8, side: bool, price: i8, size: u8 },
    Reduce { id: u8, by: i64 },
    Clear,
}

fn side_of(buy: bool) -> Side {
    if buy { Side::Buy } else { Side::Sell }
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

fuzz_target!(|input: (bool, Vec<Step>)| {
    let (adds, steps) = input;
    let mut book = OrderBook::new(if adds { UnknownChange::Adds } else { UnknownChange::Refused });
    let mut model: Vec<RestingOrder> = Vec::new();
    for step in steps {
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
            Step::Row { action, id, side, price, size } => Some((action, id, side, price, size)),
            Step::Small { action, id, side, price, size } => Some((action, id, Some(side), price, i64::from(size))),
        };
        if let Some((action, id, side, price, size)) = row {
            let row = BookOrder {
                action: [OrderAction::Add, OrderAction::Change, OrderAction::Delete][usize::from(action % 3)],
                order_id: u64::from(id % 32),
                side: side.map(side_of),
                price: Price::from_units(price.into()),
                size: Qty::from_units(size),
            };
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
});
