//! Order by order: Bitfinex R0 and a LOBSTER reconstruction of Nasdaq.

use std::collections::BTreeMap;

use serde_json::Value;
use starling_core::fixed::{Price, Qty};
use starling_core::order::Side;
use starling_market::book::{BookError, OrderBook, UnknownChange};
use starling_market::wire::{BookOrder, Level, OrderAction};

use crate::capture::{decimal, folder, text};

/// `[id, price, amount]`: price 0 deletes, the sign of the amount is the side.
fn raw_order(row: &Value, action: OrderAction) -> BookOrder {
    let (price, amount): (Price, Qty) = (decimal(&row[1]), decimal(&row[2]));
    let action = if price.is_zero() { OrderAction::Delete } else { action };
    let side = Some(if amount.is_negative() { Side::Sell } else { Side::Buy });
    BookOrder { action, order_id: row[0].as_u64().unwrap(), side, price, size: amount.abs() }
}

#[test]
fn bitfinex_raw_book_without_an_unknown_delete() {
    let Some(folder) = folder() else { return };
    let text = text(&folder, "book/bitfinex_btcusd_L3_raw_R0_2021.log.gz");
    let mut book = OrderBook::new(UnknownChange::Adds);
    let (mut updates, mut deletes, mut crossed, mut one_sided, mut deepest) = (0, 0, 0, 0, 0);
    for line in text.lines() {
        let message: Value = serde_json::from_str(line).unwrap();
        let Some(body) = message.get(1) else { continue };
        if body[0].is_array() {
            for row in body.as_array().unwrap() {
                book.apply(&raw_order(row, OrderAction::Add)).unwrap();
            }
            assert_eq!(book.len(), 50);
        } else if body.is_array() {
            let order = raw_order(body, OrderAction::Change);
            book.apply(&order).unwrap_or_else(|e| panic!("update {updates}: {e}"));
            updates += 1;
            deletes += usize::from(order.action == OrderAction::Delete);
            if let (Some(bid), Some(ask)) = (book.best_bid(), book.best_ask()) {
                crossed += usize::from(bid.price >= ask.price);
            } else {
                one_sided += 1;
            }
            deepest = deepest.max(book.len());
        }
    }
    // The venue moves orders one message at a time, so for some messages a side is empty or the two overlap.
    assert_eq!((updates, deletes, crossed, one_sided, deepest), (99_998, 37_021, 21, 262, 50));
}

/// An order for what already rested at a price when the file begins: its orders are not in the file one by one.
fn unseen(side: Side, price: Price) -> u64 {
    (1 << 63) | (u64::from(side == Side::Sell) << 62) | price.units().unsigned_abs()
}

/// One row of the order-book file: ten times ask price, ask size, bid price, bid size (prices in 1e-4 dollars).
fn row(line: &str) -> [Vec<Level>; 2] {
    let numbers: Vec<i64> = line.split(',').map(|n| n.parse().unwrap()).collect();
    let level = |pair: &[i64]| Level { price: dollars(pair[0]), size: Qty::from_int(pair[1]) };
    let of = |offset: usize| numbers.chunks(4).map(|c| level(&c[offset..])).collect();
    [of(2), of(0)]
}

fn dollars(price: i64) -> Price {
    Price::from_units(price * 100_000)
}

/// Every event of the message file, applied order by order, gives the next row of the order-book file, as far as the
/// orders in it can be known: the message file tells of the ten best levels only, so what lay deeper comes into view when
/// a level above it goes, and is taken from the row in which it shows.
#[test]
fn lobster_messages_make_the_rows_of_the_order_book() {
    let Some(folder) = folder() else { return };
    let messages = text(&folder, "book/lobster_aapl_message_10_20120621_head.csv.gz");
    let rows = text(&folder, "book/lobster_aapl_orderbook_10_20120621_head.csv.gz");
    let mut book = OrderBook::default();
    // The worst price of a side of the row before: down to it the messages tell all.
    let mut known: BTreeMap<Side, Price> = BTreeMap::new();
    let (mut equal, mut revealed, mut fallen, mut old_orders) = (0, 0, 0, 0);
    for (at, (message, line)) in messages.lines().zip(rows.lines()).enumerate() {
        let fields: Vec<&str> = message.split(',').collect();
        let number = |i: usize| fields[i].parse::<i64>().unwrap();
        let (what, id, size) = (number(1), number(2) as u64, Qty::from_int(number(3)));
        let (price, side) = (dollars(number(4)), if number(5) > 0 { Side::Buy } else { Side::Sell });
        if at > 0 {
            let applied = match what {
                1 => book.add(id, Some(side), price, size),
                2 | 4 => book.reduce(id, size),
                3 => book.delete(id).map(drop),
                // Hidden liquidity and crosses leave the visible book as it is.
                5 | 6 => Ok(()),
                other => panic!("event type {other}"),
            };
            match applied {
                Err(BookError::UnknownOrder { .. }) => {
                    old_orders += 1;
                    book.reduce(unseen(side, price), size).unwrap_or_else(|e| panic!("row {at}: {e}"));
                }
                other => other.unwrap_or_else(|e| panic!("row {at}: {e}")),
            }
        }
        for (side, levels) in [Side::Buy, Side::Sell].into_iter().zip(row(line)) {
            let better = |a: Price, b: Price| if side == Side::Buy { a > b } else { a < b };
            for level in levels.iter().filter(|l| known.get(&side).is_none_or(|worst| better(*worst, l.price))) {
                let seen = book.level_at(side, level.price).map_or(Qty::ZERO, |l| l.level.size);
                if level.size > seen {
                    book.add(unseen(side, level.price), Some(side), level.price, level.size - seen).unwrap();
                    revealed += 1;
                }
            }
            let found: Vec<Level> = book.levels(side).take(10).map(|l| l.level).collect();
            assert_eq!(found, levels, "row {at}, {side:?}");
            equal += 10;
            // What fell out of sight is not spoken of any more.
            let worst = levels[9].price;
            let gone: Vec<u64> = book.orders(side).filter(|o| better(worst, o.price)).map(|o| o.order_id).collect();
            for id in gone {
                book.delete(id).unwrap();
                fallen += 1;
            }
            known.insert(side, worst);
        }
    }
    assert_eq!((equal, revealed, fallen, old_orders), (2 * 999 * 10, 338, 347, 17));
}
