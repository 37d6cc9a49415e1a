//! Kraken Futures' own documented messages, and what is refused.

use super::super::{Feed, json};
use super::*;

fn decode(frame: &str) -> Batch {
    let mut batch = Batch::new();
    let feed = Feed::named("kraken-futures").unwrap();
    feed.decode(frame.as_bytes(), &mut batch).unwrap_or_else(|e| panic!("{e}: {frame}"));
    batch
}

fn level(price: &str, size: &str) -> Level {
    Level { price: price.parse().unwrap(), size: size.parse().unwrap() }
}

#[test]
fn a_change_is_one_level_under_its_number() {
    let frame = r#"{"feed":"book","product_id":"PI_XBTUSD","side":"sell","seq":326094134,"price":34981,"qty":0,"timestamp":1612269953629}"#;
    let batch = decode(frame);
    let [Update::Book { symbol, book }] = batch.updates[..] else { panic!() };
    assert_eq!(symbol.of(frame.as_bytes()), b"PI_XBTUSD");
    assert_eq!((batch.levels_of(book.bids), batch.levels_of(book.asks)), (&[][..], &[level("34981", "0")][..]));
    assert_eq!((book.coverage, book.first_id, book.last_id), (Coverage::Delta, 326_094_134, 326_094_134));
    assert_eq!(book.ts_event.get(), 1_612_269_953_629_000_000);
    let batch = decode(&frame.replace("sell", "buy"));
    let [Update::Book { book, .. }] = batch.updates[..] else { panic!() };
    assert_eq!((book.bids.len, book.asks.len), (1, 0));
    let error =
        Feed::named("kraken-futures").unwrap().decode(frame.replace("sell", "short").as_bytes(), &mut Batch::new());
    assert!(error.unwrap_err().to_string().contains("`buy` or `sell`"));
}

#[test]
fn quotes_trades_and_refusals() {
    let ticker = r#"{"time":1612270825253,"feed":"ticker","product_id":"PI_XBTUSD","bid":34832.5,"ask":34847.5,"bid_size":42864,"ask_size":2300,"volume":262306237,"dtm":0,"leverage":"50x","last":34852}"#;
    let [Update::Quote { bid, ask, ts_event, .. }] = decode(ticker).updates[..] else { panic!() };
    assert_eq!((bid, ask), (level("34832.5", "42864"), level("34847.5", "2300")));
    assert_eq!(ts_event.get(), 1_612_270_825_253_000_000);
    assert_eq!(decode(&ticker.replace("bid_size", "x")).updates, [Update::Ignored]);

    let trade = r#"{"feed":"trade","product_id":"PI_XBTUSD","uid":"05af78ac-a774-478c-a50c-8b9c234e071e","side":"sell","type":"fill","seq":653355,"time":1612266317519,"qty":15000,"price":34969.5}"#;
    let [Update::Trade { aggressor, trade_id, .. }] = decode(trade).updates[..] else { panic!() };
    assert_eq!((aggressor, trade_id), (Some(Side::Sell), json::digest(b"05af78ac-a774-478c-a50c-8b9c234e071e")));
    assert_eq!(decode(&trade.replace("fill", "block")).updates, [Update::Ignored]);

    let history = r#"{"result":"success","history":[{"time":"2018-12-17T16:57:15.123Z","trade_id":80,"price":3558.0,"size":100,"side":"buy","type":"fill","uid":"a-b"}],"serverTime":"2018-12-17T16:57:20.000Z"}"#;
    let [Update::Trade { ts_event, size, .. }] = decode(history).updates[..] else { panic!() };
    assert_eq!((ts_event.to_string().as_str(), size.to_string().as_str()), ("2018-12-17T16:57:15.123Z", "100"));

    for (frame, said) in [
        (r#"{"event":"alert","message":"Bad websocket message"}"#, "Bad websocket message"),
        (r#"{"event":"error","message":"Invalid product id"}"#, "Invalid product id"),
        (
            r#"{"result":"error","error":"apiLimitExceeded","serverTime":"2016-02-25T09:45:53.818Z"}"#,
            "apiLimitExceeded",
        ),
    ] {
        let [Update::Refused(text)] = decode(frame).updates[..] else { panic!("{frame}") };
        assert_eq!(text.of(frame.as_bytes()), said.as_bytes());
    }
    assert_eq!(decode(r#"{"event":"info","version":1}"#).updates, [Update::Acknowledged]);
    assert_eq!(decode(r#"{"feed":"heartbeat","time":1534262350627}"#).updates, [Update::Heartbeat]);
}
