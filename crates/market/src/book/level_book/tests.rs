use super::*;

fn level(price: &str, size: &str) -> Level {
    Level { price: price.parse().unwrap(), size: size.parse().unwrap() }
}

/// The best of the Binance USD-M book of 2024-08-08 as its bookTicker showed it, and two levels made up behind.
fn book() -> LevelBook {
    let mut book = LevelBook::new("0.1".parse().unwrap());
    let bids = [level("61800.2", "2.507"), level("61800.1", "0.5"), level("61799", "4")];
    let asks = [level("61800.3", "2.51"), level("61800.5", "1"), level("61810", "10")];
    book.apply_levels(Coverage::Snapshot, &bids, &asks).unwrap();
    book
}

#[test]
fn prices_of_the_touch() {
    let book = book();
    assert_eq!(book.mid(), Some("61800.25".parse().unwrap()));
    assert_eq!(book.spread(), Some("0.1".parse().unwrap()));
    // By hand: 61800.2 + 0.1 * 2.507 / 5.017 and (7.007 - 13.51) / 20.517.
    assert!((book.microprice().unwrap() - 61_800.249_970_1).abs() < 1e-6);
    assert!((book.imbalance(3).unwrap() - -0.316_956_7).abs() < 1e-6);
    assert!((book.imbalance(1).unwrap() - -0.003 / 5.017).abs() < 1e-12);
    assert_eq!(book.depth(Side::Buy, "61800.1".parse().unwrap()), "3.007".parse().unwrap());
    assert_eq!(book.depth(Side::Sell, "61800.2".parse().unwrap()), Qty::ZERO);
}

#[test]
fn a_sweep_pays_level_by_level_and_rounds_against_the_taker() {
    let book = book();
    let buy = book.sweep(Side::Buy, "3".parse().unwrap());
    // 2.51 at 61800.3 and 0.49 at 61800.5: 185401.0 - 0.002 over 3.
    assert_eq!(buy.average, Some("61800.332666667".parse().unwrap()));
    assert_eq!((buy.filled, buy.worst, buy.levels), ("3".parse().unwrap(), Some("61800.5".parse().unwrap()), 2));
    let sell = book.sweep(Side::Sell, "3".parse().unwrap());
    // 2.507 at 61800.2 and 0.493 at 61800.1.
    assert_eq!(sell.average, Some("61800.183566666".parse().unwrap()));
    let all = book.sweep(Side::Sell, "100".parse().unwrap());
    assert_eq!((all.filled, all.levels), ("7.007".parse().unwrap(), 3), "no more than the book holds");
    assert_eq!(book.sweep(Side::Buy, Qty::ZERO), Sweep::default());
}

#[test]
fn a_delta_changes_and_a_snapshot_replaces() {
    let mut book = book();
    book.apply_levels(Coverage::Delta, &[level("61800.2", "0")], &[level("61800.2", "1")]).unwrap();
    assert_eq!(book.best_bid(), Some(level("61800.1", "0.5")));
    assert_eq!(book.best_ask(), Some(level("61800.2", "1")));
    assert!(!book.is_crossed() && !book.is_locked());
    book.apply_levels(Coverage::Delta, &[level("61800.2", "1")], &[]).unwrap();
    assert!(book.is_locked() && !book.is_crossed());
    book.apply_levels(Coverage::Delta, &[level("61800.3", "1")], &[]).unwrap();
    assert!(book.is_crossed() && !book.is_locked());
    book.apply_levels(Coverage::Snapshot, &[level("5", "1")], &[]).unwrap();
    assert_eq!((book.best_bid(), book.best_ask(), book.mid()), (Some(level("5", "1")), None, None));
    assert!(!book.is_crossed());
    assert_eq!(book.imbalance(5), Some(1.0));
}

#[test]
fn a_subscribed_depth_is_kept_after_each_message() {
    let mut book = LevelBook::with_shape("0.1".parse().unwrap(), Shape { depth: Some(2), ..Shape::default() });
    book.apply_levels(Coverage::Snapshot, &[level("1", "1"), level("2", "1")], &[]).unwrap();
    book.apply_levels(Coverage::Delta, &[level("3", "1")], &[]).unwrap();
    assert_eq!(
        book.levels(Side::Buy, 9).map(|l| l.price).collect::<Vec<_>>(),
        [Price::from_int(3), Price::from_int(2)]
    );
    // What fell out is not known any more, even where a deletion makes room.
    book.apply_levels(Coverage::Delta, &[level("3", "0")], &[]).unwrap();
    assert_eq!(book.side(Side::Buy).len(), 1);
}
