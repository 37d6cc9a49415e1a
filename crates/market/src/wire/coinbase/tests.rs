//! Coinbase's own documented messages, and what is refused.

use super::super::{BookOrder, Coverage, Feed, Level, OrderAction, Update, json};
use super::*;
use starling_core::{Price, Qty};

fn decode(frame: &str) -> Batch {
    let mut batch = Batch::new();
    Feed::named("coinbase").unwrap().decode(frame.as_bytes(), &mut batch).unwrap_or_else(|e| panic!("{e}: {frame}"));
    batch
}

fn refused(frame: &str) -> String {
    Feed::named("coinbase").unwrap().decode(frame.as_bytes(), &mut Batch::new()).unwrap_err().to_string()
}

fn level(price: &str, size: &str) -> Level {
    Level { price: price.parse().unwrap(), size: size.parse().unwrap() }
}

const TRADES: &str = r#"{"channel":"market_trades","client_id":"","timestamp":"2023-02-09T20:19:35.39625135Z","sequence_num":7,"events":[{"type":"update","trades":[{"trade_id":"12345","product_id":"ETH-USD","price":"1260.01","size":"0.3","side":"BUY","time":"2019-08-14T20:42:27.265Z"},{"trade_id":"12346","product_id":"ETH-USD","price":"1260.02","size":"0.1","side":"SELL","time":"2019-08-14T20:42:27.266Z"}]}]}"#;
const LEVEL2: &str = r#"{"channel":"l2_data","client_id":"","timestamp":"2023-02-09T20:32:50.714964855Z","sequence_num":8,"events":[{"type":"update","product_id":"BTC-USD","updates":[{"side":"offer","event_time":"2023-02-09T20:32:50.2Z","price_level":"21921.80","new_quantity":"0.06317902"},{"side":"bid","event_time":"2023-02-09T20:32:50.3Z","price_level":"21921.73","new_quantity":"0"},{"side":"bid","event_time":"2023-02-09T20:32:50.1Z","price_level":"21921.30","new_quantity":"0.02"}]}]}"#;

#[test]
fn the_side_of_a_trade_is_the_makers() {
    let batch = decode(TRADES);
    let told: Vec<_> = batch
        .updates
        .iter()
        .map(|update| match *update {
            Update::Trade { symbol, ts_event, price, size, aggressor, trade_id } => {
                assert_eq!(symbol.of(TRADES.as_bytes()), b"ETH-USD");
                (ts_event.to_string(), price.to_string(), size.to_string(), aggressor, trade_id)
            }
            other => panic!("{other:?}"),
        })
        .collect();
    let row = |at: &str, price: &str, size: &str, side, id| (at.into(), price.into(), size.into(), Some(side), id);
    assert_eq!(
        told,
        [
            row("2019-08-14T20:42:27.265Z", "1260.01", "0.3", Side::Sell, 12_345),
            row("2019-08-14T20:42:27.266Z", "1260.02", "0.1", Side::Buy, 12_346),
        ]
    );
    assert_eq!(batch.frame_number, Some(7));
}

#[test]
fn level2_comes_apart_by_side_under_its_latest_stamp() {
    let batch = decode(LEVEL2);
    let [Update::Book { symbol, book }] = batch.updates[..] else { panic!() };
    assert_eq!(symbol.of(LEVEL2.as_bytes()), b"BTC-USD");
    assert_eq!(batch.levels_of(book.bids), [level("21921.73", "0"), level("21921.30", "0.02")]);
    assert_eq!(batch.levels_of(book.asks), [level("21921.80", "0.06317902")]);
    assert_eq!((book.coverage, book.ts_event.to_string()), (Coverage::Delta, "2023-02-09T20:32:50.300Z".into()));
    assert_eq!(batch.frame_number, Some(8));
    // Snapshots say 1970 of every level.
    let frame = LEVEL2.replace("\"update\"", "\"snapshot\"").replace("2023-02-09T20:32:50.1Z", "1970-01-01T00:00:00Z");
    let frame = frame.replace("2023-02-09T20:32:50.2Z", "1970-01-01T00:00:00Z");
    let frame = frame.replace("2023-02-09T20:32:50.3Z", "1970-01-01T00:00:00Z");
    let [Update::Book { book, .. }] = decode(&frame).updates[..] else { panic!() };
    assert_eq!(
        (book.coverage, book.ts_event.to_string()),
        (Coverage::Snapshot, "2023-02-09T20:32:50.714964855Z".into())
    );
    assert!(refused(&LEVEL2.replace("offer", "ask")).contains("`bid` or `offer`"));
}

#[test]
fn a_frame_number_does_not_outlive_its_frame() {
    let (feed, mut batch) = (Feed::named("coinbase").unwrap(), Batch::new());
    feed.decode(TRADES.as_bytes(), &mut batch).unwrap();
    feed.decode(br#"{"type":"heartbeat","sequence":90,"last_trade_id":20,"product_id":"BTC-USD","time":"2014-11-07T08:19:28.464459Z"}"#, &mut batch).unwrap();
    assert_eq!((batch.updates.as_slice(), batch.frame_number), (&[Update::Heartbeat][..], None));
    feed.decode(TRADES.as_bytes(), &mut batch).unwrap();
    feed.decode(TRADES.replace("1260.02", "?").as_bytes(), &mut batch).unwrap_err();
    assert_eq!((batch.updates.len(), batch.frame_number), (0, None));
}

#[test]
fn exchange_tickers_need_sizes_for_a_quote() {
    let ticker = r#"{"type":"ticker","sequence":37475248783,"product_id":"ETH-USD","price":"1285.22","best_bid":"1285.04","best_bid_size":"0.46688654","best_ask":"1285.27","best_ask_size":"1.56637040","side":"buy","time":"2022-10-19T23:28:22.061769Z","trade_id":370843401,"last_size":"11.4396987"}"#;
    let [Update::Quote { update_id, bid, ask, ts_event, .. }] = decode(ticker).updates[..] else { panic!() };
    assert_eq!((bid, ask), (level("1285.04", "0.46688654"), level("1285.27", "1.5663704")));
    assert_eq!((update_id, ts_event.to_string()), (37_475_248_783, "2022-10-19T23:28:22.061769Z".into()));
    assert_eq!(decode(&ticker.replace("best_bid_size", "other")).updates, [Update::Ignored]);
    // Of a side on which nothing rests the venue writes an empty text.
    let empty = ticker.replace("\"1285.04\"", "\"\"").replace("\"0.46688654\"", "\"\"");
    let [Update::Quote { bid, .. }] = decode(&empty).updates[..] else { panic!() };
    assert_eq!(bid, Level { price: Price::ZERO, size: Qty::ZERO });
}

#[test]
fn a_book_of_level_3_becomes_orders() {
    let frame = r#"{"sequence":13051505638,"bids":[["6247.58","6.3578146","9c1ad8b4-b3a3-4b4c-8f5f-2d7cfd2c9a3b"]],"asks":[["6251.52","2","e3d5-77"]],"time":"2021-02-12T01:09:23.334723Z"}"#;
    let batch = decode(frame);
    let [Update::Orders { ts_event, coverage, sequence, checksum, orders, .. }] = batch.updates[..] else { panic!() };
    assert_eq!((coverage, sequence, checksum), (Coverage::Snapshot, 13_051_505_638, None));
    assert_eq!(ts_event.to_string(), "2021-02-12T01:09:23.334723Z");
    let row = |id: &[u8], side, at: &str, size: &str| {
        let Level { price, size } = level(at, size);
        BookOrder { action: OrderAction::Add, order_id: json::digest(id), side: Some(side), price, size }
    };
    let told = [
        row(b"9c1ad8b4-b3a3-4b4c-8f5f-2d7cfd2c9a3b", Side::Buy, "6247.58", "6.3578146"),
        row(b"e3d5-77", Side::Sell, "6251.52", "2"),
    ];
    assert_eq!(batch.orders_of(orders), told);
    // Level 2 has a count in third place.
    let frame = r#"{"sequence":3,"bids":[["295.96","4.39088265",2]],"asks":[["295.97","25.23542881",12],["9999999999","1",1]]}"#;
    let batch = decode(frame);
    let [Update::Book { book, .. }] = batch.updates[..] else { panic!() };
    assert_eq!((book.last_id, book.ts_event), (3, UnixNanos::EPOCH));
    assert_eq!(batch.levels_of(book.bids), [level("295.96", "4.39088265")]);
    assert_eq!(batch.levels_of(book.asks), [level("295.97", "25.23542881")], "an ask of ten billion is left out");
}

#[test]
fn errors_and_strangers() {
    let text = |frame: &str| match decode(frame).updates[..] {
        [Update::Refused(text)] => String::from_utf8(text.of(frame.as_bytes()).to_vec()).unwrap(),
        ref other => panic!("{other:?}"),
    };
    assert_eq!(text(r#"{"type":"error","message":"authentication failure","reason":"x"}"#), "authentication failure");
    assert_eq!(text(r#"{"message":"NotFound"}"#), "NotFound");
    for ignored in [r#"{"type":"done","side":"buy"}"#, r#"{"channel":"status","events":[]}"#, "{}", "7", "[[1,2]]"] {
        assert_eq!(decode(ignored).updates, [Update::Ignored], "{ignored}");
    }
    assert_eq!(decode("[]").updates, []);
    assert!(
        refused(
            r#"{"type":"l2update","product_id":"A-B","changes":[["buy","1"]],"time":"2022-08-04T15:25:05.010758Z"}"#
        )
        .contains("size of a change")
    );
    assert!(refused(r#"{"type":"match","trade_id":1,"side":"buy","size":"1","price":"1","product_id":"A-B","time":"2022-08-04 15:25:05"}"#).contains("RFC 3339"));
}
