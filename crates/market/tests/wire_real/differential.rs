//! Binance's captures, every field of every message against serde_json, from which the update is made anew.

use serde_json::Value;
use starling_core::{Price, Qty, Side, UnixNanos};
use starling_market::wire::{Batch, Coverage, Level, Update};

use super::{feed_of, files, folder, messages};

const MILLISECOND: u64 = 1_000_000;

fn price(value: &Value) -> Price {
    value.as_str().unwrap().parse().unwrap()
}

fn qty(value: &Value) -> Qty {
    value.as_str().unwrap().parse().unwrap()
}

fn levels(value: &Value) -> Vec<Level> {
    let rows = value.as_array().unwrap();
    rows.iter().map(|row| Level { price: price(&row[0]), size: qty(&row[1]) }).collect()
}

fn check(frame: &[u8], batch: &Batch) {
    let value: Value = serde_json::from_slice(frame).unwrap();
    let m = value.get("data").unwrap_or(&value);
    let number = |name: &str| m.get(name).and_then(Value::as_u64).unwrap_or(0);
    let stamp = || UnixNanos::new(if m.get("T").is_some() { number("T") } else { number("E") } * MILLISECOND);
    let [update] = batch.updates[..] else { panic!("one message, one update") };
    let name = |text: starling_market::wire::Text| String::from_utf8(text.of(frame).to_vec()).unwrap();
    match update {
        Update::Trade { symbol, ts_event, price: at, size, aggressor, trade_id } => {
            let id = if m["e"] == "aggTrade" { "l" } else { "t" };
            let side = if m["m"].as_bool().unwrap() { Side::Sell } else { Side::Buy };
            assert_eq!((at, size, ts_event), (price(&m["p"]), qty(&m["q"]), stamp()));
            assert_eq!(
                (name(symbol).as_str(), aggressor, trade_id),
                (m["s"].as_str().unwrap(), Some(side), number(id))
            );
        }
        Update::Quote { symbol, ts_event, update_id, bid, ask } => {
            assert_eq!(bid, Level { price: price(&m["b"]), size: qty(&m["B"]) });
            assert_eq!(ask, Level { price: price(&m["a"]), size: qty(&m["A"]) });
            assert_eq!((name(symbol).as_str(), update_id, ts_event), (m["s"].as_str().unwrap(), number("u"), stamp()));
        }
        Update::Book { symbol, book } if m["e"] == "depthUpdate" => {
            assert_eq!(batch.levels_of(book.bids), levels(&m["b"]));
            assert_eq!(batch.levels_of(book.asks), levels(&m["a"]));
            assert_eq!((name(symbol).as_str(), book.coverage), (m["s"].as_str().unwrap(), Coverage::Delta));
            assert_eq!((book.first_id, book.last_id, book.ts_event), (number("U"), number("u"), stamp()));
            assert_eq!((book.previous_id, book.checksum), (m.get("pu").and_then(Value::as_u64), None));
        }
        Update::Book { symbol, book } => {
            assert_eq!(batch.levels_of(book.bids), levels(&m["bids"]));
            assert_eq!(batch.levels_of(book.asks), levels(&m["asks"]));
            assert_eq!((book.coverage, book.last_id), (Coverage::Snapshot, number("lastUpdateId")));
            assert_eq!((name(symbol).as_str(), book.ts_event), (m["symbol"].as_str().unwrap_or(""), stamp()));
        }
        Update::Bar { symbol, ts_open, open, high, low, close, volume, closed, .. } => {
            let k = &m["k"];
            assert_eq!([open, high, low, close], ["o", "h", "l", "c"].map(|name| price(&k[name])));
            assert_eq!((volume, closed), (qty(&k["v"]), k["x"].as_bool().unwrap()));
            assert_eq!(
                (name(symbol).as_str(), ts_open.get()),
                (k["s"].as_str().unwrap(), k["t"].as_u64().unwrap() * MILLISECOND)
            );
        }
        Update::Ignored => assert!(m.get("e").is_none() && m.get("timezone").is_some(), "{m}"),
        other => panic!("no such update in these files: {other:?}"),
    }
}

#[test]
fn every_field_of_binance_equals_serde_jsons() {
    let Some(folder) = folder() else { return };
    let (mut batch, mut count) = (Batch::new(), 0);
    for file in
        files().into_iter().filter(|file| file.starts_with("ws_streams/") && file.to_lowercase().contains("binance"))
    {
        for frame in messages(&folder, file) {
            feed_of(file).decode(&frame, &mut batch).unwrap();
            check(&frame, &batch);
            count += 1;
        }
    }
    assert_eq!(count, 327_342);
}
