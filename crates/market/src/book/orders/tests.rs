use proptest::prelude::*;

use super::*;

fn price(units: i64) -> Price {
    Price::from_units(units)
}
fn qty(units: i64) -> Qty {
    Qty::from_units(units)
}
fn add(book: &mut OrderBook, order_id: u64, side: Side, at: i64, size: i64) {
    book.add(order_id, Some(side), price(at), qty(size)).unwrap();
}
fn queue(book: &OrderBook, side: Side) -> Vec<(u64, i64, i64)> {
    book.orders(side).map(|o| (o.order_id, o.price.units(), o.size.units())).collect()
}

fn three() -> OrderBook {
    let mut book = OrderBook::default();
    add(&mut book, 1, Side::Sell, 100, 5);
    add(&mut book, 2, Side::Sell, 100, 7);
    add(&mut book, 3, Side::Sell, 100, 9);
    book
}

#[test]
fn first_come_first_served() {
    let mut book = three();
    add(&mut book, 4, Side::Sell, 99, 1);
    assert_eq!(queue(&book, Side::Sell), [(4, 99, 1), (1, 100, 5), (2, 100, 7), (3, 100, 9)]);
    assert_eq!(book.ahead(3), Some(Ahead { orders: 2, size: qty(12) }));
    assert_eq!(book.ahead(4), Some(Ahead::default()));
    assert_eq!(book.ahead(5), None);
    let level = book.level_at(Side::Sell, price(100)).unwrap();
    assert_eq!((level.level.size, level.orders), (qty(21), 3));
    assert_eq!(book.best_ask().unwrap().price, price(99));
    assert_eq!(book.best_bid(), None);
}

#[test]
fn a_decrease_keeps_the_place_and_an_increase_or_a_new_price_loses_it() {
    let mut book = three();
    book.change(2, price(100), qty(6)).unwrap();
    assert_eq!(queue(&book, Side::Sell), [(1, 100, 5), (2, 100, 6), (3, 100, 9)]);
    book.reduce(1, qty(4)).unwrap();
    assert_eq!(queue(&book, Side::Sell), [(1, 100, 1), (2, 100, 6), (3, 100, 9)]);
    book.change(1, price(100), qty(2)).unwrap();
    assert_eq!(queue(&book, Side::Sell), [(2, 100, 6), (3, 100, 9), (1, 100, 2)]);
    book.change(2, price(101), qty(6)).unwrap();
    book.change(2, price(100), qty(6)).unwrap();
    assert_eq!(queue(&book, Side::Sell), [(3, 100, 9), (1, 100, 2), (2, 100, 6)]);
    book.reduce(3, qty(9)).unwrap();
    assert_eq!(queue(&book, Side::Sell), [(1, 100, 2), (2, 100, 6)]);
    assert_eq!(book.delete(1).unwrap().size, qty(2));
    assert_eq!(book.level_at(Side::Sell, price(100)).unwrap().level.size, qty(6));
}

#[test]
fn what_cannot_be_is_refused() {
    let mut book = three();
    let before = queue(&book, Side::Sell);
    assert_eq!(book.delete(9), Err(BookError::UnknownOrder { order_id: 9 }));
    assert_eq!(book.reduce(9, qty(1)), Err(BookError::UnknownOrder { order_id: 9 }));
    assert_eq!(book.change(9, price(1), qty(1)), Err(BookError::UnknownOrder { order_id: 9 }));
    assert_eq!(book.reduce(1, qty(6)), Err(BookError::TooMuch { order_id: 1, resting: qty(5), by: qty(6) }));
    let twice = book.add(1, Some(Side::Buy), price(1), qty(1));
    assert_eq!(twice, Err(BookError::DuplicateOrder { order_id: 1 }));
    let sideless = BookError::Incomplete { order_id: 8, side: None, size: qty(1) };
    assert_eq!(book.add(8, None, price(1), qty(1)), Err(sideless));
    assert!(matches!(book.add(8, Some(Side::Buy), price(1), Qty::ZERO), Err(BookError::Incomplete { .. })));
    let huge = BookError::Overflow { price: price(100), size: Qty::MAX };
    assert_eq!(book.add(8, Some(Side::Sell), price(100), Qty::MAX), Err(huge));
    assert_eq!(queue(&book, Side::Sell), before);
    assert_eq!(book.len(), 3);
}

#[test]
fn a_change_of_an_unknown_order_adds_where_the_venue_says_so() {
    let row =
        BookOrder { action: OrderAction::Change, order_id: 1, side: Some(Side::Buy), price: price(5), size: qty(2) };
    assert_eq!(OrderBook::default().apply(&row), Err(BookError::UnknownOrder { order_id: 1 }));
    let mut book = OrderBook::new(UnknownChange::Adds);
    book.apply_all(Coverage::Delta, &[row, BookOrder { side: Some(Side::Sell), ..row }]).unwrap();
    assert_eq!(queue(&book, Side::Buy), []);
    assert_eq!(queue(&book, Side::Sell), [(1, 5, 2)], "an order that changes sides changes queues");
    book.apply_all(Coverage::Snapshot, &[BookOrder { order_id: 2, ..row }]).unwrap();
    assert_eq!((queue(&book, Side::Buy), book.len()), (vec![(2, 5, 2)], 1));
}

/// The book as a plain list in order of arrival.
#[derive(Default)]
struct Model(Vec<RestingOrder>);

impl Model {
    fn side(&self, side: Side) -> Vec<(u64, i64, i64)> {
        let mut orders: Vec<_> = self.0.iter().filter(|o| o.side == side).collect();
        // A stable sort: arrival decides between equals.
        orders.sort_by_key(|o| if side == Side::Buy { -o.price.units() } else { o.price.units() });
        orders.iter().map(|o| (o.order_id, o.price.units(), o.size.units())).collect()
    }
}

proptest! {
    #[test]
    fn queues_are_those_of_a_list_in_order_of_arrival(
        steps in prop::collection::vec((0..4u8, 0..12u64, any::<bool>(), -3..3i64, 1..6i64), 1..300),
    ) {
        let (mut book, mut model) = (OrderBook::default(), Model::default());
        for (what, id, buy, at, size) in steps {
            let side = if buy { Side::Buy } else { Side::Sell };
            let found = model.0.iter().position(|o| o.order_id == id);
            match (what, found) {
                (0, None) => {
                    add(&mut book, id, side, at, size);
                    model.0.push(RestingOrder { order_id: id, side, price: price(at), size: qty(size) });
                }
                (0, Some(_)) => prop_assert!(book.add(id, Some(side), price(at), qty(size)).is_err()),
                (_, None) => prop_assert!(book.delete(id).is_err()),
                (1, Some(i)) => {
                    book.change(id, price(at), qty(size)).unwrap();
                    let old = model.0[i];
                    let new = RestingOrder { price: price(at), size: qty(size), ..old };
                    if new.price == old.price && new.size <= old.size {
                        model.0[i] = new;
                    } else {
                        model.0.remove(i);
                        model.0.push(new);
                    }
                }
                (2, Some(i)) => {
                    let left = model.0[i].size.units() - size;
                    prop_assert_eq!(book.reduce(id, qty(size)).is_ok(), left >= 0);
                    match left {
                        0 => { model.0.remove(i); }
                        1.. => model.0[i].size = qty(left),
                        _ => {}
                    }
                }
                (_, Some(i)) => prop_assert_eq!(book.delete(id), Ok(model.0.remove(i))),
            }
            for side in [Side::Buy, Side::Sell] {
                let expected = model.side(side);
                prop_assert_eq!(&queue(&book, side), &expected);
                let total: i64 = book.levels(side).map(|l| l.level.size.units()).sum();
                prop_assert_eq!(total, expected.iter().map(|o| o.2).sum::<i64>());
                prop_assert_eq!(book.levels(side).map(|l| l.orders).sum::<usize>(), expected.len());
                for (id, at, _) in &expected {
                    let before: Vec<_> = expected.iter().take_while(|o| o.0 != *id).filter(|o| o.1 == *at).collect();
                    let ahead = book.ahead(*id).unwrap();
                    prop_assert_eq!(ahead.orders, before.len());
                    prop_assert_eq!(ahead.size.units(), before.iter().map(|o| o.2).sum::<i64>());
                }
            }
        }
    }
}
