//! Bitfinex, whose frames lean on earlier ones: a day's raw book rebuilt order by order, and frames without their hello.

use std::collections::BTreeMap;

use starling_core::Side;
use starling_market::wire::{Batch, Connection, Coverage, Feed, OrderAction, Update, WireErrorKind};

use super::{folder, messages};

const RAW_BOOK: &str = "book/bitfinex_btcusd_L3_raw_R0_2021.log.gz";
const SESSION: &str = "ws_streams/cryptofeed_BITFINEX.ws.11.0.gz";

// The README of the data counts 62,977 orders set and 37,021 deleted, not one of them unknown.
#[test]
fn the_raw_book_deletes_only_what_it_holds() {
    let Some(folder) = folder() else { return };
    let (mut connection, mut batch) = (Connection::new(Feed::named("bitfinex").unwrap()), Batch::new());
    let (mut resting, mut set, mut deleted, mut crossed) = (BTreeMap::new(), 0, 0, 0);
    for frame in messages(&folder, RAW_BOOK) {
        connection.decode(&frame, &mut batch).unwrap();
        for update in &batch.updates {
            let Update::Orders { symbol, coverage, orders, .. } = *update else { continue };
            assert_eq!(connection.symbol(symbol, &frame), b"tBTCUSD");
            for row in batch.orders_of(orders) {
                match row.action {
                    OrderAction::Delete => {
                        assert!(resting.remove(&row.order_id).is_some(), "{row:?}");
                        deleted += 1;
                    }
                    _ => {
                        resting.insert(row.order_id, (row.side, row.price));
                        set += u64::from(coverage == Coverage::Delta);
                    }
                }
            }
        }
        let best = |wanted| resting.values().filter(move |(side, _)| *side == Some(wanted)).map(|(_, price)| *price);
        if (set + deleted) % 1_000 == 999 {
            crossed += u64::from(best(Side::Buy).max() >= best(Side::Sell).min());
        }
    }
    assert_eq!((set, deleted, crossed), (62_977, 37_021, 0));
}

// With flag 65536 (SEQ_ALL) each frame ends with its number.
#[test]
fn the_frames_of_a_numbered_session_are_without_a_hole() {
    let Some(folder) = folder() else { return };
    let (mut connection, mut batch) = (Connection::new(Feed::named("bitfinex").unwrap()), Batch::new());
    let (mut last, mut symbols) = (None, BTreeMap::<Vec<u8>, u64>::new());
    for frame in messages(&folder, SESSION) {
        connection.decode(&frame, &mut batch).unwrap();
        if let Some(number) = batch.frame_number {
            assert!(last.is_none_or(|last| number == last + 1), "{last:?} {number}");
            last = Some(number);
        }
        for update in &batch.updates {
            if let Update::Book { symbol, .. } | Update::Trade { symbol, .. } = *update {
                *symbols.entry(connection.symbol(symbol, &frame).to_vec()).or_default() += 1;
            }
        }
    }
    assert_eq!(last, Some(1_670));
    assert_eq!(symbols.values().sum::<u64>(), 1_810);
    assert_eq!(symbols.len(), 7);
    assert!(symbols.contains_key(&b"tTESTBTC:TESTUSD"[..]));
}

#[test]
fn frames_of_channels_that_were_not_announced_are_refused() {
    let Some(folder) = folder() else { return };
    let feed = Feed::named("bitfinex").unwrap();
    let mut batch = Batch::new();
    let mut refused = 0;
    for frame in messages(&folder, SESSION) {
        if let Err(error) = feed.decode(&frame, &mut batch) {
            assert!(matches!(error.kind, WireErrorKind::UnknownChannel(_)), "{error}");
            refused += 1;
        }
    }
    // All but 23 events and 42 heartbeats.
    assert_eq!(refused, 1_693 - 23 - 42);
}
