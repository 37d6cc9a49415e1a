//! The venue's documented messages, every field, and what is refused.

use super::super::{Batch, BookUpdate, Coverage, Feed, Level, Update};
use starling_core::order::Side;
use starling_core::{Price, Qty};

fn decode(frame: &str) -> Batch {
    let mut batch = Batch::new();
    Feed::named("bybit").unwrap().decode(frame.as_bytes(), &mut batch).unwrap_or_else(|e| panic!("{e}: {frame}"));
    batch
}

fn one(frame: &str) -> Update {
    let batch = decode(frame);
    assert_eq!(batch.updates.len(), 1, "{frame}");
    batch.updates[0]
}

fn refused(frame: &str) -> String {
    Feed::named("bybit").unwrap().decode(frame.as_bytes(), &mut Batch::new()).unwrap_err().to_string()
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

const TRADE: &str = r#"{"topic":"publicTrade.BTCUSDT","type":"snapshot","ts":1672304486868,"data":[{"T":1672304486865,"s":"BTCUSDT","S":"Buy","v":"0.001","p":"16578.50","L":"PlusTick","i":"20f43950-d8dd-5b31-9112-a178eb6023af","BT":false,"seq":1783284617}]}"#;
const DELTA: &str = r#"{"topic":"orderbook.50.BTCUSDT","type":"delta","ts":1687940967466,"data":{"s":"BTCUSDT","b":[["30247.20","30.028"],["30240.30","0"]],"a":[["30248.70","0"]],"u":177400507,"seq":66544703342},"cts":1687940967464}"#;
const TICKER: &str = r#"{"topic":"tickers.BTCUSDT","type":"snapshot","data":{"symbol":"BTCUSDT","lastPrice":"17216.00","bid1Price":"17215.50","bid1Size":"84.489","ask1Price":"17216.00","ask1Size":"83.020","fundingRate":"-0.000212"},"cs":24987956059,"ts":1673272861686}"#;
const KLINE: &str = r#"{"topic":"kline.5.BTCUSDT","data":[{"start":1672324800000,"end":1672325099999,"interval":"5","open":"16649.5","close":"16677","high":"16678","low":"16608","volume":"2.081","turnover":"34666.4005","confirm":false,"timestamp":1672324988882}],"ts":1672324988882,"type":"snapshot"}"#;

#[test]
fn trades_name_the_taker() {
    let Update::Trade { symbol, ts_event, price: at, size, aggressor, trade_id } = one(TRADE) else { panic!() };
    assert_eq!((symbol.of(TRADE.as_bytes()), ts_event.get()), (&b"BTCUSDT"[..], 1_672_304_486_865_000_000));
    assert_eq!((at, size, aggressor), (price("16578.5"), qty("0.001"), Some(Side::Buy)));
    assert_eq!(trade_id, super::super::json::digest(b"20f43950-d8dd-5b31-9112-a178eb6023af"));
    let spot = TRADE.replace("20f43950-d8dd-5b31-9112-a178eb6023af", "2290000000068683864").replace("Buy", "Sell");
    assert!(matches!(
        one(&spot),
        Update::Trade { trade_id: 2_290_000_000_068_683_864, aggressor: Some(Side::Sell), .. }
    ));
    assert_eq!(one(&TRADE.replace("\"BT\":false", "\"BT\":true")), Update::Ignored);
    assert!(refused(&TRADE.replace("Buy", "buy")).ends_with("`buy` is not `Buy` or `Sell`"));
}

fn book(frame: &str) -> (String, BookUpdate, Vec<Level>, Vec<Level>) {
    let batch = decode(frame);
    let Update::Book { symbol, book } = batch.updates[0] else { panic!() };
    let name = String::from_utf8(symbol.of(frame.as_bytes()).to_vec()).unwrap();
    (name, book, batch.levels_of(book.bids).to_vec(), batch.levels_of(book.asks).to_vec())
}

#[test]
fn books_are_deltas_or_snapshots_by_the_engines_clock() {
    let (name, delta, bids, asks) = book(DELTA);
    assert_eq!((name.as_str(), delta.coverage, delta.last_id), ("BTCUSDT", Coverage::Delta, 177_400_507));
    assert_eq!(delta.ts_event.get(), 1_687_940_967_464_000_000);
    assert_eq!(bids, [level("30247.2", "30.028"), level("30240.3", "0")]);
    assert_eq!(asks, [level("30248.7", "0")]);
    let (_, whole, ..) = book(&DELTA.replace("\"delta\"", "\"snapshot\"").replace(r#","cts":1687940967464"#, ""));
    assert_eq!((whole.coverage, whole.ts_event.get()), (Coverage::Snapshot, 1_687_940_967_466_000_000));
    let rest = r#"{"retCode":0,"retMsg":"OK","result":{"s":"BTCUSDT","b":[["27450.50","1.500"]],"a":[["27451.00","1.200"]],"ts":1709891679000,"u":1234567,"seq":9876543,"cts":1709891679001},"time":1709891679050}"#;
    let (name, whole, ..) = book(rest);
    assert_eq!((name.as_str(), whole.coverage, whole.last_id), ("BTCUSDT", Coverage::Snapshot, 1_234_567));
    assert!(refused(&DELTA.replace("delta", "change")).contains("`change` is not `snapshot` or `delta`"));
    assert!(refused(&DELTA.replace("\"u\"", "\"x\"")).contains("has no field `u`"));
}

#[test]
fn a_ticker_is_a_quote_where_it_has_both_sides() {
    let Update::Quote { symbol, ts_event, bid, ask, .. } = one(TICKER) else { panic!() };
    assert_eq!((symbol.of(TICKER.as_bytes()), ts_event.get()), (&b"BTCUSDT"[..], 1_673_272_861_686_000_000));
    assert_eq!((bid, ask), (level("17215.5", "84.489"), level("17216", "83.02")));
    assert_eq!(one(&TICKER.replace(r#""ask1Size":"83.020","#, "")), Update::Ignored, "unchanged is not told");
    assert!(matches!(one(&TICKER.replace("17215.50", "")), Update::Quote { bid, .. } if bid == level("0", "0")));
    let option = r#"{"id":"x","topic":"tickers.BTC-6JAN23-17500-C","ts":1672917511074,"data":{"symbol":"BTC-6JAN23-17500-C","bidPrice":"0","bidSize":"0","bidIv":"0","askPrice":"10","askSize":"5.1"},"type":"snapshot"}"#;
    assert!(
        matches!(one(option), Update::Quote { ask, bid, .. } if ask == level("10", "5.1") && bid == level("0", "0"))
    );
}

#[test]
fn bars_know_their_length_and_whether_they_are_done() {
    let Update::Bar { symbol, ts_open, interval_ns, open, high, low, close, volume, closed } = one(KLINE) else {
        panic!()
    };
    assert_eq!((symbol.of(KLINE.as_bytes()), interval_ns, closed), (&b"BTCUSDT"[..], 300_000_000_000, false));
    assert_eq!(ts_open.get(), 1_672_324_800_000_000_000);
    assert_eq!([open, high, low, close], ["16649.5", "16678", "16608", "16677"].map(price));
    assert_eq!(volume, qty("2.081"));
    assert!(matches!(one(&KLINE.replace("\"5\"", "\"D\"")), Update::Bar { interval_ns: 86_400_000_000_000, .. }));
    assert!(refused(&KLINE.replace("\"5\"", "\"Y\"")).contains("`Y` is not an interval"));
}

#[test]
fn answers_and_heartbeats() {
    for (frame, update) in [
        (
            r#"{"success":true,"ret_msg":"","conn_id":"cejreaspqfm9se7usbrg-2xh","req_id":"1","op":"subscribe"}"#,
            Update::Acknowledged,
        ),
        (r#"{"op":"auth","success":true,"retCode":0,"retMsg":"","connId":"x"}"#, Update::Acknowledged),
        (r#"{"success":true,"ret_msg":"pong","conn_id":"0970e817","req_id":"","op":"ping"}"#, Update::Heartbeat),
        (
            r#"{"req_id":"test","op":"pong","args":["1675418560633"],"conn_id":"cfcb4ocsvfriu23r3er0-1b"}"#,
            Update::Heartbeat,
        ),
        (r#"{"op":"order.create","retCode":0,"retMsg":"OK","data":{}}"#, Update::Ignored),
        (r#"{"topic":"liquidation.BTCUSDT","type":"snapshot","ts":1,"data":{}}"#, Update::Ignored),
        ("[1]", Update::Ignored),
    ] {
        assert_eq!(one(frame), update, "{frame}");
    }
    for (frame, words) in [
        (r#"{"op":"auth","success":false,"retCode":10003,"retMsg":"Invalid apikey","connId":"x"}"#, "Invalid apikey"),
        (
            r#"{"success":false,"ret_msg":"error:handler not found","conn_id":"x","op":"subscribe"}"#,
            "error:handler not found",
        ),
        (r#"{"retCode":10001,"retMsg":"params error","result":{}}"#, "params error"),
    ] {
        let Update::Refused(text) = one(frame) else { panic!() };
        assert_eq!(text.of(frame.as_bytes()), words.as_bytes());
    }
}
