//! Bybit's 500 levels with changes, Coinbase's whole book, Hyperliquid's snapshots.

use serde_json::Value;
use starling_core::fixed::{Price, Qty};
use starling_core::order::Side;
use starling_core::time::UnixNanos;
use starling_market::book::{LevelBook, Limits, Outcome, Rules, Shape, SyncedBook};
use starling_market::wire::{BookUpdate, Coverage, Level};

use crate::capture::{decimal, folder, levels, messages, text, update};

#[test]
fn bybit_500_levels() {
    let Some(folder) = folder() else { return };
    let text = text(&folder, "book/bybit_xrpusdt_ob500_20241201.jsonl.zip");
    let mut book = SyncedBook::new(Rules::BYBIT, "0.0001".parse().unwrap(), Shape::default(), Limits::default());
    let (mut joined, mut applied) = (0, 0);
    for line in text.lines() {
        let message: Value = serde_json::from_str(line).unwrap();
        let coverage = if message["type"] == "snapshot" { Coverage::Snapshot } else { Coverage::Delta };
        let data = &message["data"];
        let update = BookUpdate { last_id: data["u"].as_u64().unwrap(), ..update(coverage) };
        match book.on_levels(&update, &levels(&data["b"]), &levels(&data["a"])) {
            Outcome::Joined { .. } => joined += 1,
            Outcome::Applied => applied += 1,
            other => panic!("{other:?}"),
        }
        // The venue deletes what falls out of its 500 levels by itself.
        for side in [Side::Buy, Side::Sell] {
            assert_eq!(book.book().unwrap().side(side).len(), 500);
        }
    }
    assert_eq!((joined, applied, book.last_id()), (1, 49, 20_254_918));
}

#[test]
fn coinbase_whole_book() {
    let Some(folder) = folder() else { return };
    let snapshot: Value =
        serde_json::from_str(&text(&folder, "book/coinbase_btcusd_l2_snapshot_20260807.json.gz")).unwrap();
    let (bids, asks) = (levels(&snapshot["bids"]), levels(&snapshot["asks"]));
    let shape = Shape { window: 1 << 15, ..Shape::default() };
    let mut book = LevelBook::with_shape("0.01".parse().unwrap(), shape);
    book.apply_levels(Coverage::Snapshot, &bids, &asks).unwrap();
    // The venue lists both sides best first.
    assert!(book.side(Side::Buy).levels().eq(bids.iter().copied()));
    assert!(book.side(Side::Sell).levels().eq(asks.iter().copied()));
    assert_eq!(bids.len() + asks.len(), 45_393);
    // Most of a whole book lies further from the touch than the window reaches.
    let outside = book.side(Side::Buy).outside() + book.side(Side::Sell).outside();
    assert_eq!((bids.len(), asks.len(), outside), (18_376, 27_017, 44_794));
    let best: [Level; 2] = [book.best_bid().unwrap(), book.best_ask().unwrap()];
    assert_eq!(best[0].price, "64930.57".parse::<Price>().unwrap());
    assert_eq!(best[0].size, "0.07705309".parse::<Qty>().unwrap());
}

#[test]
fn hyperliquid_replaces_the_book_with_each_message() {
    let Some(folder) = folder() else { return };
    let text = text(&folder, "ws_streams/hyperliquid_btc_l2book_raw_20250126.gz");
    let mut book = SyncedBook::new(Rules::HYPERLIQUID, Price::ONE, Shape::default(), Limits::default());
    let mut taken = 0;
    for message in messages(&text, " ").filter(|m| m["channel"] == "l2Book") {
        let data = &message["data"];
        let side = |i: usize| -> Vec<Level> {
            let of = |l: &Value| Level { price: decimal(&l["px"]), size: decimal(&l["sz"]) };
            data["levels"][i].as_array().unwrap().iter().map(of).collect()
        };
        let ts_event = UnixNanos::new(data["time"].as_u64().unwrap() * 1_000_000);
        let (bids, asks) = (side(0), side(1));
        let outcome = book.on_levels(&BookUpdate { ts_event, ..update(Coverage::Snapshot) }, &bids, &asks);
        assert_eq!(outcome, if taken == 0 { Outcome::Joined { replayed: 0 } } else { Outcome::Applied });
        let live = book.book().unwrap();
        assert!(live.levels(Side::Buy, 20).eq(bids) && live.levels(Side::Sell, 20).eq(asks));
        taken += 1;
    }
    assert_eq!(taken, 46);
}
