//! Hyperliquid's own documented messages, and what is refused.

use super::super::Feed;
use super::*;
use starling_core::Side;

fn decode(frame: &str) -> Batch {
    let mut batch = Batch::new();
    Feed::named("hyperliquid").unwrap().decode(frame.as_bytes(), &mut batch).unwrap_or_else(|e| panic!("{e}: {frame}"));
    batch
}

fn refused(frame: &str) -> String {
    Feed::named("hyperliquid").unwrap().decode(frame.as_bytes(), &mut Batch::new()).unwrap_err().to_string()
}

#[test]
fn the_side_of_a_trade_is_the_takers() {
    let frame = r#"{"channel":"trades","data":[{"coin":"AVAX","side":"B","px":"18.435","sz":"93.53","hash":"0xa1","time":1681222254710,"tid":1}]}"#;
    let [Update::Trade { symbol, ts_event, aggressor, trade_id, .. }] = decode(frame).updates[..] else { panic!() };
    assert_eq!((symbol.of(frame.as_bytes()), trade_id), (&b"AVAX"[..], 1));
    assert_eq!((ts_event.get(), aggressor), (1_681_222_254_710_000_000, Some(Side::Buy)));
    let sold = frame.replace("\"B\"", "\"A\"");
    assert!(matches!(decode(&sold).updates[..], [Update::Trade { aggressor: Some(Side::Sell), .. }]));
    assert!(refused(&frame.replace("\"B\"", "\"S\"")).contains("`B` or `A`"));
}

#[test]
fn best_prices_with_an_empty_side() {
    let frame =
        r#"{"channel":"bbo","data":{"coin":"PURR","time":1708622398623,"bbo":[null,{"px":"0.1","sz":"20.5","n":1}]}}"#;
    let [Update::Quote { bid, ask, .. }] = decode(frame).updates[..] else { panic!() };
    assert_eq!(bid, Level { price: Price::ZERO, size: Qty::ZERO });
    assert_eq!((ask.price.to_string(), ask.size.to_string()), ("0.1".into(), "20.5".into()));
}

#[test]
fn candles_and_books() {
    let frame = r#"{"channel":"candle","data":{"t":1681923600000,"T":1681924499999,"s":"BTC","i":"15m","o":"29295.0","c":"29258.0","h":"29309.0","l":"29250.0","v":"0.98639","n":189}}"#;
    let [Update::Bar { interval_ns, ts_open, close, closed, .. }] = decode(frame).updates[..] else { panic!() };
    assert_eq!((interval_ns, ts_open.get()), (900_000_000_000, 1_681_923_600_000_000_000));
    assert_eq!((close.to_string().as_str(), closed), ("29258", false));
    assert!(refused(&frame.replace("15m", "15y")).contains("an interval such as"));
    let listed = format!("[{}]", &frame[frame.find("{\"t\"").unwrap()..frame.len() - 1]);
    assert!(matches!(decode(&listed).updates[..], [Update::Bar { .. }]));
    // One side only.
    let book = r#"{"channel":"l2Book","data":{"coin":"BTC","time":1,"levels":[[]]}}"#;
    assert!(refused(book).contains("no field `asks`"));
}

#[test]
fn what_is_said_of_the_connection() {
    let error = r#"{"channel":"error","data":"Invalid subscription {\"type\":\"l2Books\"}"}"#;
    let [Update::Refused(text)] = decode(error).updates[..] else { panic!() };
    assert_eq!(text.of(error.as_bytes()), br#"Invalid subscription {\"type\":\"l2Books\"}"#);
    for (frame, update) in [
        (r#"{"channel":"pong"}"#, Update::Heartbeat),
        (r#"{"channel":"subscriptionResponse","data":{"method":"subscribe"}}"#, Update::Acknowledged),
        (r#"{"channel":"userFills","data":{}}"#, Update::Ignored),
        ("null", Update::Ignored),
    ] {
        assert_eq!(decode(frame).updates, [update], "{frame}");
    }
}
