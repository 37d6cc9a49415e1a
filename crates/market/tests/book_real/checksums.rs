//! Checksums that venues sent with captured books, recomputed from the books rebuilt.

use std::collections::BTreeMap;

use serde_json::Value;
use starling_market::book::{Limits, Outcome, Rules, Shape, SyncedBook};
use starling_market::wire::{BookUpdate, Coverage};

use crate::capture::{decimal, folder, levels, messages, text, update};

/// `books` of three instruments in May 2022, before the venue numbered its messages.
#[test]
fn okx() {
    let Some(folder) = folder() else { return };
    let text = text(&folder, "ws_streams/cryptofeed_OKX.ws.1.0.gz");
    // No chain on the wire yet: the checksum alone is judged.
    let rules = Rules { chain: starling_market::book::Chain::Unnumbered, ..Rules::OKX };
    let ticks = BTreeMap::from([("BTC-USD-220527", "0.1"), ("BTC-USDT", "0.1"), ("UNI-USD-SWAP", "0.001")]);
    let mut books = BTreeMap::new();
    let (mut snapshots, mut changes) = (0, 0);
    for message in messages(&text, ": ") {
        if message["arg"]["channel"] != "books" || message["data"].is_null() {
            continue;
        }
        let name = message["arg"]["instId"].as_str().unwrap().to_owned();
        let tick = ticks[name.as_str()].parse().unwrap();
        let book =
            books.entry(name).or_insert_with(|| SyncedBook::new(rules, tick, Shape::default(), Limits::default()));
        let data = &message["data"][0];
        let coverage = if message["action"] == "snapshot" { Coverage::Snapshot } else { Coverage::Delta };
        // A signed number on the wire.
        let checksum = Some(data["checksum"].as_i64().unwrap() as u32);
        let update = BookUpdate { checksum, ..update(coverage) };
        match book.on_levels(&update, &levels(&data["bids"]), &levels(&data["asks"])) {
            Outcome::Joined { .. } => snapshots += 1,
            Outcome::Applied => changes += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((books.len(), snapshots, changes), (3, 3, 287));
}

/// `book-1000` of ten pairs in April 2021 (v1: the same sum as v2's, sent as text).
#[test]
fn kraken() {
    let Some(folder) = folder() else { return };
    let text = text(&folder, "ws_streams/cryptofeed_KRAKEN.ws.50.0.gz");
    let mut books: BTreeMap<String, SyncedBook> = BTreeMap::new();
    let (mut snapshots, mut checked) = (0, 0);
    for message in messages(&text, ": ") {
        let Some(parts) = message.as_array() else { continue };
        let pair = parts.last().unwrap().as_str().unwrap();
        let bodies = &parts[1..parts.len() - 2];
        let field = |name: &str| bodies.iter().find_map(|b| b.get(name)).unwrap_or(&Value::Null);
        let coverage = if field("as").is_array() { Coverage::Snapshot } else { Coverage::Delta };
        let (bids, asks) = match coverage {
            Coverage::Snapshot => (field("bs"), field("as")),
            Coverage::Delta => (field("b"), field("a")),
        };
        let book = books.entry(pair.to_owned()).or_insert_with(|| {
            // The decimals the pair is written with, as AssetPairs lists them.
            let price = asks[0][0].as_str().unwrap();
            let digits = (price.len() - price.find('.').unwrap() - 1) as u8;
            let tick = starling_core::fixed::Price::from_units(starling_core::fixed::pow10(9 - digits));
            let shape = Shape { depth: Some(1_000), ..Shape::default() };
            SyncedBook::new(Rules::kraken(digits, 8), tick, shape, Limits::default())
        });
        let checksum = field("c").as_str().map(|c| c.parse().unwrap());
        match book.on_levels(&BookUpdate { checksum, ..update(coverage) }, &levels(bids), &levels(asks)) {
            Outcome::Joined { .. } => snapshots += 1,
            Outcome::Applied => checked += usize::from(checksum.is_some()),
            other => panic!("{pair}: {other:?}"),
        }
    }
    assert_eq!((books.len(), snapshots, checked), (10, 10, 4_269));
}

/// A changed digit is found: the test above can fail.
#[test]
fn a_lost_change_is_found_by_the_next_checksum() {
    let Some(folder) = folder() else { return };
    let text = text(&folder, "ws_streams/cryptofeed_OKX.ws.1.0.gz");
    let rules = Rules { chain: starling_market::book::Chain::Unnumbered, ..Rules::OKX };
    let all: Vec<Value> = messages(&text, ": ")
        .filter(|m| m["arg"]["channel"] == "books" && m["arg"]["instId"] == "BTC-USDT" && !m["data"].is_null())
        .collect();
    let mut found = 0;
    for lost in 1..all.len() - 1 {
        let mut book = SyncedBook::new(rules, "0.1".parse().unwrap(), Shape::default(), Limits::default());
        for (at, message) in all.iter().enumerate().filter(|(at, _)| *at != lost) {
            let data = &message["data"][0];
            let coverage = if at == 0 { Coverage::Snapshot } else { Coverage::Delta };
            let checksum = Some(decimal::<i32>(&data["checksum"]) as u32);
            let update = BookUpdate { checksum, ..update(coverage) };
            if let Outcome::Resync(_) = book.on_levels(&update, &levels(&data["bids"]), &levels(&data["asks"])) {
                found += 1;
                break;
            }
        }
    }
    assert_eq!((found, all.len() - 2), (96, 96));
}
