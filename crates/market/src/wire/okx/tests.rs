//! The venue's documented messages, every field, and what is refused.

use super::super::{Batch, BookUpdate, Coverage, Feed, Level, Update};
use starling_core::order::Side;
use starling_core::{Price, Qty};

fn decode(frame: &str) -> Batch {
    let mut batch = Batch::new();
    Feed::named("okx").unwrap().decode(frame.as_bytes(), &mut batch).unwrap_or_else(|e| panic!("{e}: {frame}"));
    batch
}

fn one(frame: &str) -> Update {
    let batch = decode(frame);
    assert_eq!(batch.updates.len(), 1, "{frame}");
    batch.updates[0]
}

fn refused(frame: &str) -> String {
    Feed::named("okx").unwrap().decode(frame.as_bytes(), &mut Batch::new()).unwrap_err().to_string()
}

fn price(text: &str) -> Price {
    text.parse().unwrap()
}
fn qty(text: &str) -> Qty {
    text.parse().unwrap()
}
fn level(at: &str, size: &str) -> Level {
    Level { price: price(at), size: qty(size) }
}

const TRADES: &str = r#"{"arg":{"channel":"trades","instId":"BTC-USD"},"data":[{"instId":"BTC-USD","tradeId":"130639474","px":"42219.9","sz":"0.12060306","side":"buy","ts":"1630048897897","count":"3"},{"instId":"BTC-USD","tradeId":"130639475","px":"42219.8","sz":"1","side":"sell","ts":"1630048897898"}]}"#;
const TICKER: &str = r#"{"arg":{"channel":"tickers","instId":"UNI-USD-SWAP"},"data":[{"instType":"SWAP","instId":"UNI-USD-SWAP","last":"5.123","lastSz":"100","askPx":"5.142","askSz":"25","bidPx":"5.134","bidSz":"96","open24h":"4.799","ts":"1652459223003"}]}"#;
const TOP: &str = r#"{"arg":{"channel":"bbo-tbt","instId":"BTC-USDT"},"data":[{"asks":[["8476.98","415","0","13"]],"bids":[["8476.97","256","0","12"]],"ts":"1597026383085","seqId":123456}]}"#;
const SNAPSHOT: &str = r#"{"arg":{"channel":"books","instId":"BTC-USDT"},"action":"snapshot","data":[{"asks":[["8476.98","415","0","13"],["8477","7","0","2"]],"bids":[["8476.97","256","0","12"]],"ts":"1597026383085","checksum":-855196043,"prevSeqId":-1,"seqId":123456}]}"#;
const CANDLE: &str = r#"{"arg":{"channel":"candle1D","instId":"BTC-USDT"},"data":[["1597026383085","8533.02","8553.74","8527.17","8548.26","45247","529.5858061","5529.5858061","1"]]}"#;

#[test]
fn every_trade_of_a_message_is_told() {
    let batch = decode(TRADES);
    let told: Vec<_> = batch
        .updates
        .iter()
        .map(|update| match update {
            Update::Trade { symbol, ts_event, price, size, aggressor, trade_id } => {
                assert_eq!(symbol.of(TRADES.as_bytes()), b"BTC-USD");
                (ts_event.get(), *price, *size, aggressor.unwrap(), *trade_id)
            }
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        told,
        [
            (1_630_048_897_897_000_000, price("42219.9"), qty("0.12060306"), Side::Buy, 130_639_474),
            (1_630_048_897_898_000_000, price("42219.8"), qty("1"), Side::Sell, 130_639_475),
        ]
    );
    assert!(refused(&TRADES.replace("\"sell\"", "\"sold\"")).ends_with("`sold` is not `buy` or `sell`"));
}

#[test]
fn best_prices_are_quotes_and_an_empty_side_is_size_zero() {
    let Update::Quote { symbol, ts_event, update_id, bid, ask } = one(TICKER) else { panic!() };
    assert_eq!((symbol.of(TICKER.as_bytes()), update_id), (&b"UNI-USD-SWAP"[..], 0));
    assert_eq!((ts_event.get(), bid, ask), (1_652_459_223_003_000_000, level("5.134", "96"), level("5.142", "25")));
    let Update::Quote { symbol, update_id, bid, ask, .. } = one(TOP) else { panic!() };
    assert_eq!((symbol.of(TOP.as_bytes()), update_id), (&b"BTC-USDT"[..], 123_456));
    assert_eq!((bid, ask), (level("8476.97", "256"), level("8476.98", "415")));

    let empty = TICKER.replace("\"5.134\"", "\"\"").replace("\"96\"", "\"\"");
    assert!(matches!(one(&empty), Update::Quote { bid, .. } if bid == level("0", "0")));
    let empty = TOP.replace(r#"[["8476.98","415","0","13"]]"#, "[]");
    assert!(
        matches!(one(&empty), Update::Quote { ask, bid, .. } if ask == level("0", "0") && bid == level("8476.97", "256"))
    );
}

fn book(frame: &str) -> (BookUpdate, Vec<Level>, Vec<Level>) {
    let batch = decode(frame);
    let Update::Book { book, .. } = batch.updates[0] else { panic!() };
    (book, batch.levels_of(book.bids).to_vec(), batch.levels_of(book.asks).to_vec())
}

#[test]
fn books_keep_their_chain_and_the_bits_of_their_checksum() {
    let (whole, bids, asks) = book(SNAPSHOT);
    assert_eq!((whole.coverage, whole.last_id, whole.previous_id), (Coverage::Snapshot, 123_456, None));
    assert_eq!(whole.checksum, Some(3_439_771_253), "-855196043 + 2^32");
    assert_eq!(bids, [level("8476.97", "256")]);
    assert_eq!(asks, [level("8476.98", "415"), level("8477", "7")]);

    let diff = SNAPSHOT.replace("snapshot", "update").replace(":-1,", ":123400,");
    let (diff, ..) = book(&diff);
    assert_eq!((diff.coverage, diff.previous_id), (Coverage::Delta, Some(123_400)));
    // Captures of 2022 have no numbers; books5 has no action.
    let (old, ..) = book(&SNAPSHOT.replace(r#","prevSeqId":-1,"seqId":123456"#, ""));
    assert_eq!((old.last_id, old.previous_id), (0, None));
    let (five, ..) = book(&SNAPSHOT.replace("\"books\"", "\"books5\"").replace(r#""action":"snapshot","#, ""));
    assert_eq!(five.coverage, Coverage::Snapshot);

    assert!(refused(&SNAPSHOT.replace("snapshot", "partial")).contains("`partial` is not `snapshot` or `update`"));
    assert!(refused(&SNAPSHOT.replace("-855196043", "2147483648")).contains("is not a whole number of 32 bits"));
    let rest =
        r#"{"code":"0","msg":"","data":[{"asks":[["41006.8","0.60038921","0","1"]],"bids":[],"ts":"1629966436396"}]}"#;
    assert_eq!(book(rest).0.coverage, Coverage::Snapshot);
}

#[test]
fn bars_are_done_when_confirmed() {
    let Update::Bar { ts_open, interval_ns, open, high, low, close, volume, closed, .. } = one(CANDLE) else {
        panic!()
    };
    assert_eq!((ts_open.get(), interval_ns, closed), (1_597_026_383_085_000_000, 86_400_000_000_000, true));
    assert_eq!([open, high, low, close], ["8533.02", "8553.74", "8527.17", "8548.26"].map(price));
    assert_eq!(volume, qty("45247"));
    for (channel, minutes) in [("candle1m", 1), ("candle4H", 240), ("candle1Wutc", 10_080), ("candle3M", 0)] {
        let update = one(&CANDLE.replace("candle1D", channel).replace("\"1\"]", "\"0\"]"));
        assert!(
            matches!(update, Update::Bar { interval_ns, closed: false, .. } if interval_ns == minutes * 60_000_000_000)
        );
    }
    assert_eq!(one(&CANDLE.replace("candle1D", "mark-price-candle1D")), Update::Ignored);
    assert!(refused(&CANDLE.replace(r#","1"]"#, "]")).contains("confirm"));
    assert!(refused(&CANDLE.replace(r#","1"]"#, r#","2"]"#)).contains("`2` is not `0` or `1`"));
}

#[test]
fn events_and_answers() {
    for (frame, update) in [
        ("pong", Update::Heartbeat),
        (r#"{"event":"subscribe","arg":{"channel":"tickers","instId":"BTC-USDT"}}"#, Update::Acknowledged),
        (r#"{"event":"login","code":"0","msg":"","connId":"a4d3ae55"}"#, Update::Acknowledged),
        (
            r#"{"event":"notice","code":"64008","msg":"The connection will soon be closed.","connId":"a4d3ae55"}"#,
            Update::Ignored,
        ),
        (
            r#"{"arg":{"channel":"funding-rate","instId":"BTC-USD-SWAP"},"data":[{"fundingRate":"0.01"}]}"#,
            Update::Ignored,
        ),
        (r#"{"code":"0","msg":"","data":[["1625097600000","33528.6"]]}"#, Update::Ignored),
        ("[]", Update::Ignored),
    ] {
        assert_eq!(one(frame), update, "{frame}");
    }
    for frame in [
        r#"{"event":"error","code":"60012","msg":"Illegal request","connId":"a4d3ae55"}"#,
        r#"{"code":"51001","msg":"Illegal request","data":[]}"#,
    ] {
        let Update::Refused(text) = one(frame) else { panic!() };
        assert_eq!(text.of(frame.as_bytes()), b"Illegal request");
    }
    for frame in ["pong ", "ping", "", "pon"] {
        refused(frame);
    }
}
