//! Kraken's own documented messages, and what is refused.

use super::super::{Feed, json};
use super::*;

fn decode(frame: &str) -> Batch {
    let mut batch = Batch::new();
    Feed::named("kraken").unwrap().decode(frame.as_bytes(), &mut batch).unwrap_or_else(|e| panic!("{e}: {frame}"));
    batch
}

fn refused(frame: &str) -> String {
    Feed::named("kraken").unwrap().decode(frame.as_bytes(), &mut Batch::new()).unwrap_err().to_string()
}

fn level(price: &str, size: &str) -> Level {
    Level { price: price.parse().unwrap(), size: size.parse().unwrap() }
}

// The example of the guide to the checksum of v2, cut to two levels.
const BOOK: &str = r#"{"channel":"book","type":"snapshot","data":[{"symbol":"BTC/USD","bids":[{"price":45283.5,"qty":0.10000000},{"price":45283.4,"qty":1.54582015}],"asks":[{"price":45285.2,"qty":0.00100000}],"checksum":3310070434,"timestamp":"2023-10-06T17:35:55.440295Z"}]}"#;

#[test]
fn a_book_of_v2() {
    let batch = decode(BOOK);
    let [Update::Book { symbol, book }] = batch.updates[..] else { panic!() };
    assert_eq!(symbol.of(BOOK.as_bytes()), b"BTC/USD");
    assert_eq!(batch.levels_of(book.bids), [level("45283.5", "0.1"), level("45283.4", "1.54582015")]);
    assert_eq!(batch.levels_of(book.asks), [level("45285.2", "0.001")]);
    assert_eq!((book.coverage, book.checksum), (Coverage::Snapshot, Some(3_310_070_434)));
    assert_eq!(book.ts_event.to_string(), "2023-10-06T17:35:55.440295Z");
    // Only its low 32 bits would be another number.
    let wide = BOOK.replace("3310070434", "7605037730");
    assert_eq!(refused(&wide), "byte 198: `7605037730` is not a checksum of 32 bits");
    let [Update::Book { book, .. }] =
        decode(&BOOK.replace("snapshot", "update").replace("timestamp", "other")).updates[..]
    else {
        panic!()
    };
    assert_eq!((book.coverage, book.ts_event), (Coverage::Delta, UnixNanos::EPOCH));
    assert!(refused(&BOOK.replace("snapshot", "delta")).contains("`snapshot` or `update`"));
}

#[test]
fn quotes_and_bars_of_v2() {
    let ticker = r#"{"channel":"ticker","type":"update","data":[{"symbol":"ALGO/USD","bid":0.10025,"bid_qty":740.0,"ask":0.10035,"ask_qty":740.0,"last":0.10035,"volume":997038.98383185,"vwap":0.10148,"low":0.09979,"high":0.10285,"change":-0.00017,"change_pct":-0.17}]}"#;
    let [Update::Quote { bid, ask, ts_event, .. }] = decode(ticker).updates[..] else { panic!() };
    assert_eq!((bid, ask, ts_event), (level("0.10025", "740"), level("0.10035", "740"), UnixNanos::EPOCH));
    let bar = r#"{"channel":"ohlc","type":"update","timestamp":"2023-10-04T16:26:30.524394914Z","data":[{"symbol":"MATIC/USD","open":0.5624,"high":0.5628,"low":0.5622,"close":0.5627,"trades":12,"volume":30927.68066226,"vwap":0.5626,"interval_begin":"2023-10-04T16:25:00.000000000Z","interval":5,"timestamp":"2023-10-04T16:30:00.000000Z"}]}"#;
    let [Update::Bar { ts_open, interval_ns, open, high, low, close, volume, closed, .. }] = decode(bar).updates[..]
    else {
        panic!()
    };
    assert_eq!(ts_open.to_string(), "2023-10-04T16:25:00Z");
    assert_eq!([open, high, low, close].map(|p| p.to_string()), ["0.5624", "0.5628", "0.5622", "0.5627"]);
    assert_eq!((volume.to_string().as_str(), interval_ns, closed), ("30927.68066226", 300_000_000_000, false));
    let long = bar.replace("\"interval\":5", "\"interval\":18446744073709551615");
    assert!(refused(&long).contains("`18446744073709551615` is not a length in minutes"));
}

#[test]
fn orders_of_level3_keep_their_names_digest() {
    let frame = r#"{"channel":"level3","type":"update","data":[{"checksum":2143854316,"symbol":"MATIC/USD","bids":[{"event":"delete","order_id":"O6ZQNQ-BXL4E-5WGINO","limit_price":0.5629,"order_qty":111.56125344,"timestamp":"2023-10-06T18:20:56.506266318Z"},{"event":"add","order_id":"OLADEP-E5D5S-IKEHMF","limit_price":0.5625,"order_qty":158.21,"timestamp":"2023-10-06T18:20:56.50629834Z"}],"asks":[]}]}"#;
    let batch = decode(frame);
    let [Update::Orders { ts_event, coverage, checksum, orders, .. }] = batch.updates[..] else { panic!() };
    assert_eq!((coverage, checksum), (Coverage::Delta, Some(2_143_854_316)));
    assert_eq!(ts_event.to_string(), "2023-10-06T18:20:56.506298340Z", "the latest of its orders");
    let [deleted, added] = *batch.orders_of(orders) else { panic!() };
    assert_eq!((deleted.action, deleted.order_id), (OrderAction::Delete, json::digest(b"O6ZQNQ-BXL4E-5WGINO")));
    assert_eq!(
        (added.action, added.side, added.size.to_string()),
        (OrderAction::Add, Some(Side::Buy), "158.21".into())
    );
    assert!(refused(&frame.replace("delete", "gone")).contains("`add`, `modify` or `delete`"));
}

#[test]
fn both_sides_of_a_book_of_v1_are_one_update() {
    let frame = r#"[1234,{"a":[["5541.30000","2.50700000","1534614248.456738"],["5542.50000","0.40100000","1534614248.456739"]]},{"b":[["5541.30000","0.00000000","1534614335.345903","r"]],"c":"974942666"},"book-10","XBT/USD"]"#;
    let batch = decode(frame);
    let [Update::Book { symbol, book }] = batch.updates[..] else { panic!() };
    assert_eq!(symbol.of(frame.as_bytes()), b"XBT/USD");
    assert_eq!(batch.levels_of(book.asks), [level("5541.3", "2.507"), level("5542.5", "0.401")]);
    assert_eq!(batch.levels_of(book.bids), [level("5541.3", "0")]);
    assert_eq!((book.checksum, book.ts_event.get()), (Some(974_942_666), 1_534_614_335_345_903_000));
    assert!(refused(r#"[1,{"a":[]}]"#).contains("channel name and pair"));
    assert!(refused(r#"[1,2,3,4,5,6]"#).contains("after five elements"));
}

#[test]
fn spreads_and_bars_of_v1() {
    let frame = r#"[0,["5698.40000","5700.00000","1542057299.545897","1.01234567","0.98765432"],"spread","XBT/USD"]"#;
    let [Update::Quote { bid, ask, ts_event, .. }] = decode(frame).updates[..] else { panic!() };
    assert_eq!((bid, ask), (level("5698.4", "1.01234567"), level("5700", "0.98765432")));
    assert_eq!(ts_event.get(), 1_542_057_299_545_897_000);
    let frame = r#"[42,["1542057314.748456","1542057360.435743","3586.70000","3586.70000","3586.60000","3586.60000","3586.68894","0.03373000",2],"ohlc-5","XBT/USD"]"#;
    let [Update::Bar { ts_open, interval_ns, volume, .. }] = decode(frame).updates[..] else { panic!() };
    assert_eq!((ts_open.get(), interval_ns), (1_542_057_060_435_743_000, 300_000_000_000));
    assert_eq!(volume.to_string(), "0.03373");
    assert!(refused(&frame.replace("ohlc-5", "ohlc-x")).contains("a channel such as ohlc-5"));
    assert!(refused(&frame.replace("ohlc-5", "ohlc-99999999999")).contains("ohlc-99999999999"));
}

#[test]
fn what_rest_answers() {
    let frame = r#"{"error":[],"result":{"XXBTZUSD":{"asks":[["52523.00000","1.199",1616663113]],"bids":[["52522.90000","0.753",1616663112],["52522.80000","0.006",1616663109]]}}}"#;
    let batch = decode(frame);
    let [Update::Book { symbol, book }] = batch.updates[..] else { panic!() };
    assert_eq!(symbol.of(frame.as_bytes()), b"XXBTZUSD");
    assert_eq!((book.bids.len, book.asks.len, book.ts_event.get()), (2, 1, 1_616_663_113_000_000_000));
    let frame = r#"{"error":["EQuery:Unknown asset pair"]}"#;
    let [Update::Refused(text)] = decode(frame).updates[..] else { panic!() };
    assert_eq!(text.of(frame.as_bytes()), b"EQuery:Unknown asset pair");
    let bars = r#"{"error":[],"result":{"XXBTZUSD":[[1688671200,"30306.1","30306.2","30305.7","30305.7","30306.1","3.39",23]],"last":1688672160}}"#;
    assert_eq!(decode(bars).updates, [Update::Ignored]);
}

#[test]
fn what_is_said_of_the_connection() {
    for (frame, update) in [
        (r#"{"channel":"heartbeat"}"#, Update::Heartbeat),
        (r#"{"channel":"status","type":"update","data":[{"system":"online"}]}"#, Update::Acknowledged),
        (r#"{"method":"subscribe","result":{"channel":"trade"},"success":true}"#, Update::Acknowledged),
        (r#"{"method":"add_order","success":true,"result":{}}"#, Update::Ignored),
        (r#"{"event":"pong","reqid":42}"#, Update::Heartbeat),
        (r#"{"channel":"instrument","type":"snapshot","data":{}}"#, Update::Ignored),
        ("true", Update::Ignored),
    ] {
        assert_eq!(decode(frame).updates, [update], "{frame}");
    }
    for (frame, said) in [
        (
            r#"{"error":"Currency pair not supported XXX/USD","method":"subscribe","success":false}"#,
            "Currency pair not supported XXX/USD",
        ),
        (
            r#"{"errorMessage":"Subscription depth not supported","event":"subscriptionStatus","pair":"XBT/USD","status":"error"}"#,
            "Subscription depth not supported",
        ),
    ] {
        let [Update::Refused(text)] = decode(frame).updates[..] else { panic!("{frame}") };
        assert_eq!(text.of(frame.as_bytes()), said.as_bytes());
    }
}
