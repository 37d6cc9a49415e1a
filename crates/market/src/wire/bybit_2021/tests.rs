//! Messages of the captures of 2021-04-17, shortened, and what is refused.

use super::super::{Batch, Coverage, Feed, Level, Update};
use starling_core::order::Side;

fn decode(frame: &str) -> Batch {
    let mut batch = Batch::new();
    Feed::named("bybit-2021").unwrap().decode(frame.as_bytes(), &mut batch).unwrap_or_else(|e| panic!("{e}: {frame}"));
    batch
}

fn level(at: &str, size: &str) -> Level {
    Level { price: at.parse().unwrap(), size: size.parse().unwrap() }
}

const DELTA: &str = r#"{"topic":"orderBookL2_25.BTCUSD","type":"delta","data":{"delete":[{"price":"60590.50","symbol":"BTCUSD","id":605905000,"side":"Buy"}],"update":[{"price":"60617.00","symbol":"BTCUSD","id":606170000,"side":"Sell","size":4100285},{"price":"60616.50","symbol":"BTCUSD","id":606165000,"side":"Buy","size":8301714}],"insert":[{"price":"60592.50","symbol":"BTCUSD","id":605925000,"side":"Buy","size":30000}],"transactTimeE6":0},"cross_seq":5938954567,"timestamp_e6":1618677785558635}"#;
const LINEAR: &str = r#"{"topic":"orderBookL2_25.BCHUSDT","type":"snapshot","data":{"order_book":[{"price":"1053.05","symbol":"BCHUSDT","id":"10530500","side":"Buy","size":2.63},{"price":"1054.10","symbol":"BCHUSDT","id":"10541000","side":"Sell","size":0.5}]},"cross_seq":"1286240083","timestamp_e6":"1618677786805042"}"#;
const TRADE: &str = r#"{"topic":"trade.BCHUSDT","data":[{"symbol":"BCHUSDT","tick_direction":"MinusTick","price":"1053.90","size":0.14,"timestamp":"2021-04-17T16:43:05.000Z","trade_time_ms":"1618677785116","side":"Buy","trade_id":"01cacfe9-8d1c-5ee4-995d-d79a43f955a6"}]}"#;

#[test]
fn a_delta_has_deletions_as_zeros_and_its_sides_in_runs() {
    let batch = decode(DELTA);
    let Update::Book { symbol, book } = batch.updates[0] else { panic!() };
    assert_eq!(
        (symbol.of(DELTA.as_bytes()), book.coverage, book.last_id),
        (&b"BTCUSD"[..], Coverage::Delta, 5_938_954_567)
    );
    assert_eq!(book.ts_event.get(), 1_618_677_785_558_635_000);
    assert_eq!(
        batch.levels_of(book.bids),
        [level("60590.5", "0"), level("60616.5", "8301714"), level("60592.5", "30000")]
    );
    assert_eq!(batch.levels_of(book.asks), [level("60617", "4100285")]);
}

#[test]
fn a_snapshot_stands_in_the_data_or_one_deeper() {
    let inverse = LINEAR.replace(r#"{"order_book":"#, "").replace("]},", "],").replace("BCHUSDT", "BCHUSD");
    for frame in [LINEAR, &inverse] {
        let batch = decode(frame);
        let Update::Book { book, .. } = batch.updates[0] else { panic!() };
        assert_eq!((book.coverage, book.last_id), (Coverage::Snapshot, 1_286_240_083));
        assert_eq!(book.ts_event.get(), 1_618_677_786_805_042_000);
        assert_eq!(batch.levels_of(book.bids), [level("1053.05", "2.63")]);
        assert_eq!(batch.levels_of(book.asks), [level("1054.1", "0.5")]);
    }
}

#[test]
fn trades_come_with_bare_and_quoted_numbers() {
    let bare = TRADE.replace("\"1053.90\"", "1053.9").replace("\"1618677785116\"", "1618677785116");
    for frame in [TRADE, &bare] {
        let batch = decode(frame);
        let Update::Trade { symbol, ts_event, price, size, aggressor, .. } = batch.updates[0] else { panic!() };
        assert_eq!(symbol.of(frame.as_bytes()), b"BCHUSDT");
        assert_eq!((price, size), (level("1053.9", "0.14").price, level("1053.9", "0.14").size));
        assert_eq!((ts_event.get(), aggressor), (1_618_677_785_116_000_000, Some(Side::Buy)));
    }
}

#[test]
fn bars_and_the_rest() {
    let kline = r#"{"topic":"klineV2.1.BTCUSD","data":[{"start":1572425640,"end":1572425700,"open":9200,"close":9202.5,"high":9203,"low":9196,"volume":81790,"turnover":8.889247899999999,"confirm":true,"cross_seq":297503466,"timestamp":1572425676958323}],"timestamp_e6":1572425677047994}"#;
    let batch = decode(kline);
    let Update::Bar { symbol, ts_open, interval_ns, high, closed, .. } = batch.updates[0] else { panic!() };
    assert_eq!((symbol.of(kline.as_bytes()), ts_open.get()), (&b"BTCUSD"[..], 1_572_425_640_000_000_000));
    assert_eq!((interval_ns, high, closed), (60_000_000_000, level("9203", "0").price, true));
    for (frame, update) in [
        (
            r#"{"success":true,"ret_msg":"","conn_id":"x","request":{"op":"subscribe","args":["trade.BCHUSDT"]}}"#,
            Update::Acknowledged,
        ),
        (r#"{"success":true,"ret_msg":"pong","conn_id":"x","request":{"op":"ping","args":null}}"#, Update::Heartbeat),
        (
            r#"{"topic":"instrument_info.100ms.BTCUSD","type":"delta","data":{"update":[{"last_price_e4":1}]},"cross_seq":1,"timestamp_e6":1}"#,
            Update::Ignored,
        ),
    ] {
        assert_eq!(decode(frame).updates, [update]);
    }
    let feed = Feed::named("bybit-2021").unwrap();
    let error = feed.decode(DELTA.replace("\"Sell\"", "\"None\"").as_bytes(), &mut Batch::new()).unwrap_err();
    assert!(error.to_string().ends_with("`None` is not `Buy` or `Sell`"));
    let error =
        feed.decode(DELTA.replace("\"size\":30000", "\"lots\":30000").as_bytes(), &mut Batch::new()).unwrap_err();
    assert!(error.to_string().ends_with("has no field `size`"));
}
