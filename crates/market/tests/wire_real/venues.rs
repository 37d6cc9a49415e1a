//! Every field of the captures of Coinbase, Kraken, Hyperliquid and Bitfinex, against serde_json, from which the updates
//! are made anew.

use serde_json::Value;
use starling_core::{Price, Qty, Side, UnixNanos};
use starling_market::wire::{Batch, BookUpdate, Connection, Coverage, Level, Update};

use super::{feed_of, folder, messages};

const MILLISECOND: u64 = 1_000_000;

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

// The text of a number in the frames of these files is what serde_json prints of it again: the shortest.
fn decimal(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn level(price: &Value, size: &Value) -> Level {
    Level { price: decimal(price).parse().unwrap(), size: decimal(size).parse().unwrap() }
}

// Ten billion and the like, above the range of a price.
fn is_held(row: &Value) -> bool {
    decimal(&row[0]).parse::<Price>().is_ok()
}

fn pairs(rows: &Value) -> Vec<Level> {
    let rows = rows.as_array().into_iter().flatten().filter(|row| is_held(row));
    rows.map(|row| level(&row[0], &row[1])).collect()
}

// Microseconds of a day by hand: all captured stamps are of 2021-04-17 and have six decimals.
fn captured_stamp(value: &Value) -> UnixNanos {
    let text = text(value);
    let clock = text.strip_prefix("2021-04-").unwrap().strip_suffix('Z').unwrap();
    let (day, clock) = clock.split_once('T').unwrap();
    let [hours, minutes, seconds] = clock.split(':').collect::<Vec<_>>()[..] else { panic!("{text}") };
    let whole = |text: &str| text.parse::<u64>().unwrap();
    let (seconds, fraction) = seconds.split_once('.').unwrap();
    assert_eq!(fraction.len(), 6);
    // 2021-04-17T00:00:00Z by GNU date.
    let midnight = 1_618_617_600 - (17 - whole(day)) * 86_400;
    let seconds = midnight + whole(hours) * 3_600 + whole(minutes) * 60 + whole(seconds);
    UnixNanos::new(seconds * 1_000_000_000 + whole(fraction) * 1_000)
}

fn seconds(value: &Value) -> UnixNanos {
    let (whole, fraction) = text(value).split_once('.').unwrap();
    assert_eq!(fraction.len(), 6);
    UnixNanos::new(whole.parse::<u64>().unwrap() * 1_000_000_000 + fraction.parse::<u64>().unwrap() * 1_000)
}

fn book(batch: &Batch, book: BookUpdate) -> (Coverage, UnixNanos, Option<u32>, Vec<Level>, Vec<Level>) {
    assert_eq!((book.first_id, book.last_id, book.previous_id), (0, 0, None));
    let (bids, asks) = (batch.levels_of(book.bids).to_vec(), batch.levels_of(book.asks).to_vec());
    (book.coverage, book.ts_event, book.checksum, bids, asks)
}

/// Calls `check` with each message of a file that gave updates, and them; the number of messages.
fn each(file: &str, mut check: impl FnMut(&Value, &Batch, &mut dyn FnMut(&Update) -> String)) -> usize {
    let Some(folder) = folder() else { return 0 };
    let mut batch = Batch::new();
    let mut connection = Connection::new(feed_of(file));
    let all = messages(&folder, file);
    for frame in &all {
        connection.decode(frame, &mut batch).unwrap();
        let value: Value = serde_json::from_slice(frame).unwrap();
        check(&value, &batch, &mut |update| match *update {
            Update::Trade { symbol, .. }
            | Update::Quote { symbol, .. }
            | Update::Book { symbol, .. }
            | Update::Orders { symbol, .. } => String::from_utf8(connection.symbol(symbol, frame).to_vec()).unwrap(),
            _ => String::new(),
        });
    }
    all.len()
}

#[test]
fn every_field_of_coinbase_equals_serde_jsons() {
    let count = each("ws_streams/cryptofeed_COINBASE.ws.28.0.gz", |m, batch, symbol| {
        let [update] = batch.updates[..] else { panic!("one message, one update") };
        match update {
            Update::Trade { ts_event, price, size, aggressor, trade_id, .. } => {
                assert!(matches!(text(&m["type"]), "match" | "last_match"));
                assert_eq!(Level { price, size }, level(&m["price"], &m["size"]));
                assert_eq!((ts_event, Some(trade_id)), (captured_stamp(&m["time"]), m["trade_id"].as_u64()));
                // Of the maker.
                assert_eq!(aggressor, Some(if m["side"] == "sell" { Side::Buy } else { Side::Sell }));
            }
            Update::Book { book: update, .. } if m["type"] == "snapshot" => {
                let told = (Coverage::Snapshot, UnixNanos::EPOCH, None, pairs(&m["bids"]), pairs(&m["asks"]));
                assert_eq!(book(batch, update), told);
            }
            Update::Book { book: update, .. } => {
                assert_eq!(m["type"], "l2update");
                let of = |side| {
                    let rows = m["changes"].as_array().unwrap().iter().filter(move |row| row[0] == side);
                    rows.map(|row| level(&row[1], &row[2])).collect::<Vec<_>>()
                };
                let told = (Coverage::Delta, captured_stamp(&m["time"]), None, of("buy"), of("sell"));
                assert_eq!(book(batch, update), told);
            }
            Update::Acknowledged => return assert_eq!(m["type"], "subscriptions"),
            Update::Ignored => return assert_eq!(m["type"], "ticker"),
            other => panic!("{other:?}"),
        }
        assert_eq!(symbol(&update), m["product_id"]);
    });
    assert!(matches!(count, 0 | 9_946), "{count}");
}

#[test]
fn every_field_of_kraken_v1_equals_serde_jsons() {
    let mut count = 0;
    for connection in [48, 49, 50] {
        count += each(&format!("ws_streams/cryptofeed_KRAKEN.ws.{connection}.0.gz"), |m, batch, symbol| {
            let Some(items) = m.as_array() else {
                let kind = if m["event"] == "heartbeat" { Update::Heartbeat } else { Update::Acknowledged };
                return assert_eq!(batch.updates, [kind]);
            };
            let (payloads, pair) = (&items[1..items.len() - 2], &items[items.len() - 1]);
            let named = |name: &str| payloads.iter().find_map(|payload| payload.get(name)).unwrap_or(&Value::Null);
            for (at, update) in batch.updates.iter().enumerate() {
                assert_eq!(symbol(update), *pair);
                match *update {
                    Update::Trade { ts_event, price, size, aggressor, trade_id, .. } => {
                        let row = &items[1][at];
                        assert_eq!(Level { price, size }, level(&row[0], &row[1]));
                        assert_eq!((ts_event, trade_id), (seconds(&row[2]), 0));
                        assert_eq!(aggressor, Some(if row[3] == "b" { Side::Buy } else { Side::Sell }));
                    }
                    Update::Quote { ts_event, update_id, bid, ask, .. } => {
                        let side = |name| level(&named(name)[0], &named(name)[2]);
                        assert_eq!((bid, ask, ts_event, update_id), (side("b"), side("a"), UnixNanos::EPOCH, 0));
                    }
                    Update::Book { book: update, .. } => {
                        let whole = payloads[0].get("as").is_some();
                        let (bids, asks) = if whole { ("bs", "as") } else { ("b", "a") };
                        let (bids, asks) = (named(bids), named(asks));
                        let rows = [bids, asks].into_iter().filter_map(Value::as_array).flatten();
                        let told = (
                            if whole { Coverage::Snapshot } else { Coverage::Delta },
                            rows.map(|row| seconds(&row[2])).max().unwrap(),
                            named("c").as_str().map(|text| text.parse().unwrap()),
                            pairs(bids),
                            pairs(asks),
                        );
                        assert_eq!(book(batch, update), told);
                    }
                    other => panic!("{other:?}"),
                }
            }
        });
    }
    assert!(matches!(count, 0 | 4_430), "{count}");
}

#[test]
fn every_field_of_hyperliquid_equals_serde_jsons() {
    let count = each("ws_streams/hyperliquid_btc_l2book_raw_20250126.gz", |m, batch, symbol| {
        let data = &m["data"];
        for (at, update) in batch.updates.iter().enumerate() {
            let of = if m["channel"] == "trades" { &data[at] } else { data };
            let stamp = UnixNanos::new(of["time"].as_u64().unwrap() * MILLISECOND);
            assert_eq!(symbol(update), of["coin"]);
            match *update {
                Update::Trade { ts_event, price, size, aggressor, trade_id, .. } => {
                    assert_eq!(Level { price, size }, level(&of["px"], &of["sz"]));
                    assert_eq!((ts_event, Some(trade_id)), (stamp, of["tid"].as_u64()));
                    assert_eq!(aggressor, Some(if of["side"] == "B" { Side::Buy } else { Side::Sell }));
                }
                Update::Book { book: update, .. } => {
                    let side = |at: usize| {
                        let rows = of["levels"][at].as_array().unwrap();
                        rows.iter().map(|row| level(&row["px"], &row["sz"])).collect::<Vec<_>>()
                    };
                    assert_eq!(book(batch, update), (Coverage::Snapshot, stamp, None, side(0), side(1)));
                }
                other => panic!("{other:?}"),
            }
        }
    });
    assert!(matches!(count, 0 | 55), "{count}");
}

#[test]
fn every_field_of_bitfinex_equals_serde_jsons() {
    let signed = |value: &Value| {
        let text = decimal(value);
        let size: Qty = text.trim_start_matches('-').parse().unwrap();
        (if text.starts_with('-') { Side::Sell } else { Side::Buy }, size)
    };
    let row_of = |row: &Value| {
        let (side, size) = signed(&row[2]);
        let size = if row[1] == 0 { Qty::ZERO } else { size };
        (side, Level { price: decimal(&row[0]).parse().unwrap(), size })
    };
    let count = each("ws_streams/cryptofeed_BITFINEX.ws.11.0.gz", |m, batch, _| {
        for (at, update) in batch.updates.iter().enumerate() {
            match *update {
                Update::Trade { ts_event, price, size, aggressor, trade_id, .. } => {
                    let row = &m[1][at];
                    let told: Price = decimal(&row[3]).parse().unwrap();
                    let (side, amount) = signed(&row[2]);
                    assert_eq!((price, size, aggressor), (told, amount, Some(side)));
                    assert_eq!(Some(ts_event.get()), row[1].as_u64().map(|stamp| stamp * MILLISECOND));
                    assert_eq!(Some(trade_id), row[0].as_u64());
                }
                Update::Book { book: update, .. } => {
                    let whole = m[1][0].is_array();
                    let rows = if whole { m[1].as_array().unwrap().clone() } else { vec![m[1].clone()] };
                    let of = |wanted| {
                        let rows = rows.iter().map(row_of).filter(|(side, _)| *side == wanted);
                        rows.map(|(_, level)| level).collect::<Vec<_>>()
                    };
                    let coverage = if whole { Coverage::Snapshot } else { Coverage::Delta };
                    let told = (coverage, UnixNanos::EPOCH, None, of(Side::Buy), of(Side::Sell));
                    assert_eq!(book(batch, update), told);
                }
                _ => {}
            }
        }
        assert_eq!(batch.frame_number, m.get(m.as_array().map_or(0, |items| items.len() - 1)).and_then(Value::as_u64));
    });
    assert!(matches!(count, 0 | 1_693), "{count}");
}
