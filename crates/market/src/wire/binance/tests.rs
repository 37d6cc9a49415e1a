//! Binance's own documented messages, every field; other spellings of the same message; what is refused.

use proptest::prelude::*;
use serde_json::Value;

use super::super::{Batch, BookUpdate, Coverage, Feed, Level, Update, WireErrorKind};
use super::usual;
use starling_core::order::Side;
use starling_core::{Price, Qty, UnixNanos};

fn decode(frame: &str) -> (Update, Batch) {
    let mut batch = Batch::new();
    Feed::named("binance-spot")
        .unwrap()
        .decode(frame.as_bytes(), &mut batch)
        .unwrap_or_else(|e| panic!("{e}: {frame}"));
    assert_eq!(batch.updates.len(), 1);
    (batch.updates[0], batch)
}

fn refused(frame: &str) -> String {
    let mut batch = Batch::new();
    let error = Feed::named("binance-coinm").unwrap().decode(frame.as_bytes(), &mut batch).unwrap_err();
    assert!(batch.updates.is_empty() && batch.levels.is_empty());
    error.to_string()
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

const MS: u64 = 1_000_000;

const SPOT_TRADE: &str = r#"{"stream":"btcusdt@trade","data":{"e":"trade","E":1723161255343,"s":"BTCUSDT","t":3735683259,"p":"61837.63000000","q":"0.02000000","T":1723161255342,"m":true,"M":true}}"#;
const USDM_TRADE: &str = r#"{"e":"trade","E":1723161256322,"T":1723161256321,"s":"BTCUSDT","t":5266583935,"p":"61800.30","q":"0.006","X":"MARKET","m":false}"#;
const SPOT_QUOTE: &str = r#"{"stream":"btcusdt@bookTicker","data":{"u":50093239212,"s":"BTCUSDT","b":"61837.63000000","B":"3.78826000","a":"61837.64000000","A":"1.54698000"}}"#;
const USDM_QUOTE: &str = r#"{"e":"bookTicker","u":5123107839020,"s":"BTCUSDT","b":"61800.20","B":"2.507","a":"61800.30","A":"2.510","T":1723161256313,"E":1723161256314}"#;
const COINM_QUOTE: &str = r#"{"stream":"btcusd_perp@bookTicker","data":{"u":1007198632021,"e":"bookTicker","s":"BTCUSD_PERP","ps":"BTCUSD","b":"61804.7","B":"35","a":"61804.8","A":"1645","T":1723161257465,"E":1723161257476}}"#;
const SPOT_DIFF: &str = r#"{"stream":"ethusdt@depth@100ms","data":{"e":"depthUpdate","E":1723161255308,"s":"ETHUSDT","U":35346513499,"u":35346513505,"b":[["2683.80000000","3.02920000"],["2674.54000000","0.00000000"]],"a":[["2733.70000000","0.00000000"]]}}"#;
const COINM_DIFF: &str = r#"{"e":"depthUpdate","E":1723161257491,"T":1723161257482,"s":"BTCUSD_PERP","ps":"BTCUSD","U":1007198632033,"u":1007198632185,"pu":1007198631985,"b":[],"a":[["61804.8","1645"]]}"#;
const USDM_PARTIAL: &str = r#"{"stream":"btcusdt@depth5@100ms","data":{"e":"depthUpdate","E":1571889248277,"T":1571889248276,"s":"BTCUSDT","U":390497796,"u":390497878,"pu":390497794,"b":[["7403.89","0.002"]],"a":[["7405.96","3.340"]]}}"#;
const SPOT_PARTIAL: &str = r#"{"stream":"bnbbtc@depth20@100ms","data":{"lastUpdateId":160,"bids":[["0.0024","10"]],"asks":[["0.0026","100"]]}}"#;
const SPOT_AGGREGATE: &str = r#"{"stream":"nknusdt@aggTrade","data":{"e":"aggTrade","E":1633998523964,"s":"NKNUSDT","a":15683430,"p":"0.35280000","q":"58.00000000","f":19862789,"l":19862790,"T":1633998523963,"m":false,"M":true}}"#;
const USDM_AGGREGATE: &str = r#"{"e":"aggTrade","E":1626992741575,"a":16599292,"s":"CTKUSDT","p":"1.01100","q":"10","f":23961321,"l":23961322,"T":1626992741421,"m":true}"#;
const KLINE: &str = r#"{"e":"kline","E":1633998523963,"s":"NKNUSDT","k":{"t":1633998480000,"T":1633998539999,"s":"NKNUSDT","i":"1m","f":19862761,"L":19862790,"o":"0.35270000","c":"0.35280000","h":"0.35280000","l":"0.35220000","v":"25877.00000000","n":30,"x":false,"q":"9116.04600000","V":"58.00000000","Q":"20.46240000","B":"0"}}"#;
const DEPTH_REST: &str = r#"{"lastUpdateId":1007198635033,"E":1723161257835,"T":1723161257823,"symbol":"BTCUSD_PERP","pair":"BTCUSD","bids":[["61804.7","35"]],"asks":[]}"#;

const HOT: [&str; 11] = [
    SPOT_TRADE,
    USDM_TRADE,
    SPOT_QUOTE,
    USDM_QUOTE,
    COINM_QUOTE,
    SPOT_DIFF,
    COINM_DIFF,
    USDM_PARTIAL,
    SPOT_PARTIAL,
    SPOT_AGGREGATE,
    USDM_AGGREGATE,
];

#[test]
fn trades_name_the_taker() {
    for (frame, at, size, ms, aggressor, id) in [
        (SPOT_TRADE, "61837.63", "0.02", 1_723_161_255_342, Side::Sell, 3_735_683_259),
        (USDM_TRADE, "61800.3", "0.006", 1_723_161_256_321, Side::Buy, 5_266_583_935),
        (SPOT_AGGREGATE, "0.3528", "58", 1_633_998_523_963, Side::Buy, 19_862_790),
        (USDM_AGGREGATE, "1.011", "10", 1_626_992_741_421, Side::Sell, 23_961_322),
    ] {
        let (update, _) = decode(frame);
        let Update::Trade { symbol, ts_event, price: p, size: q, aggressor: side, trade_id } = update else { panic!() };
        assert!(frame.contains(&format!("\"{}\"", std::str::from_utf8(symbol.of(frame.as_bytes())).unwrap())));
        assert_eq!((p, q, ts_event.get()), (price(at), qty(size), ms * MS));
        assert_eq!((side, trade_id), (Some(aggressor), id));
    }
}

#[test]
fn quotes_carry_the_transaction_time_where_there_is_one() {
    for (frame, name, ms, id, bid, ask) in [
        (SPOT_QUOTE, "BTCUSDT", 0, 50_093_239_212, level("61837.63", "3.78826"), level("61837.64", "1.54698")),
        (
            USDM_QUOTE,
            "BTCUSDT",
            1_723_161_256_313,
            5_123_107_839_020,
            level("61800.2", "2.507"),
            level("61800.3", "2.51"),
        ),
        (
            COINM_QUOTE,
            "BTCUSD_PERP",
            1_723_161_257_465,
            1_007_198_632_021,
            level("61804.7", "35"),
            level("61804.8", "1645"),
        ),
    ] {
        let (update, _) = decode(frame);
        let Update::Quote { symbol, ts_event, update_id, bid: b, ask: a } = update else { panic!("{update:?}") };
        assert_eq!(symbol.of(frame.as_bytes()), name.as_bytes());
        assert_eq!((ts_event, update_id, b, a), (UnixNanos::new(ms * MS), id, bid, ask));
    }
}

fn book(frame: &str) -> (String, BookUpdate, Vec<Level>, Vec<Level>) {
    let (update, batch) = decode(frame);
    let Update::Book { symbol, book } = update else { panic!("{update:?}") };
    let name = String::from_utf8(symbol.of(frame.as_bytes()).to_vec()).unwrap();
    (name, book, batch.levels_of(book.bids).to_vec(), batch.levels_of(book.asks).to_vec())
}

#[test]
fn depth_is_a_diff_or_a_snapshot() {
    let (name, diff, bids, asks) = book(SPOT_DIFF);
    assert_eq!((name.as_str(), diff.coverage, diff.previous_id), ("ETHUSDT", Coverage::Delta, None));
    assert_eq!(
        (diff.first_id, diff.last_id, diff.ts_event.get()),
        (35_346_513_499, 35_346_513_505, 1_723_161_255_308 * MS)
    );
    assert_eq!(bids, [level("2683.8", "3.0292"), level("2674.54", "0")]);
    assert_eq!(asks, [level("2733.7", "0")]);

    let (name, diff, bids, asks) = book(COINM_DIFF);
    assert_eq!((name.as_str(), diff.previous_id), ("BTCUSD_PERP", Some(1_007_198_631_985)));
    assert_eq!(diff.ts_event.get(), 1_723_161_257_482 * MS, "when it happened, not when it was published");
    assert_eq!((bids.len(), asks), (0, vec![level("61804.8", "1645")]));

    // The same shape as a diff: only the name of the stream tells.
    let (_, top, ..) = book(USDM_PARTIAL);
    assert_eq!((top.coverage, top.last_id), (Coverage::Snapshot, 390_497_878));
    assert_eq!(book(&USDM_PARTIAL.replace("@depth5@", "@depth@")).1.coverage, Coverage::Delta);

    let (name, top, bids, asks) = book(SPOT_PARTIAL);
    assert_eq!((name.as_str(), top.coverage, top.last_id), ("bnbbtc", Coverage::Snapshot, 160));
    assert_eq!((bids, asks), (vec![level("0.0024", "10")], vec![level("0.0026", "100")]));

    let (name, rest, ..) = book(DEPTH_REST);
    assert_eq!((name.as_str(), rest.coverage, rest.last_id), ("BTCUSD_PERP", Coverage::Snapshot, 1_007_198_635_033));
    assert_eq!(rest.ts_event.get(), 1_723_161_257_823 * MS);
}

#[test]
fn bars_know_their_length_and_whether_they_are_done() {
    let (update, _) = decode(KLINE);
    let Update::Bar { ts_open, interval_ns, open, high, low, close, volume, closed, .. } = update else { panic!() };
    assert_eq!((ts_open.get(), interval_ns, closed), (1_633_998_480_000 * MS, 60_000 * MS, false));
    assert_eq!([open, high, low, close], ["0.3527", "0.3528", "0.3522", "0.3528"].map(price));
    assert_eq!(volume, qty("25877"));
    for (text, seconds) in [("1s", 1), ("15m", 900), ("12h", 43_200), ("3d", 259_200), ("1w", 604_800), ("1M", 0)] {
        let (update, _) = decode(&KLINE.replace("\"1m\"", &format!("\"{text}\"")));
        assert!(matches!(update, Update::Bar { interval_ns, .. } if interval_ns == seconds * 1_000_000_000));
    }
    assert!(refused(&KLINE.replace("\"1m\"", "\"1y\"")).ends_with("`1y` is not an interval such as 1m, 4h, 1d"));
}

#[test]
fn answers_are_acknowledged_or_refused() {
    assert_eq!(decode(r#"{"result":null,"id":1}"#).0, Update::Acknowledged);
    assert_eq!(decode(r#"{"result":["btcusdt@aggTrade"],"id":3}"#).0, Update::Acknowledged);
    for (frame, words) in [
        (
            r#"{"error":{"code":2,"msg":"Invalid request: property name must be a string"},"id":1}"#,
            "Invalid request: property name must be a string",
        ),
        (r#"{"code":-1121,"msg":"Invalid symbol."}"#, "Invalid symbol."),
    ] {
        let Update::Refused(text) = decode(frame).0 else { panic!("{frame}") };
        assert_eq!(text.of(frame.as_bytes()), words.as_bytes());
    }
    for frame in [
        r#"{"e":"markPriceUpdate","E":1562305380000,"s":"BTCUSDT","p":"11794.15"}"#,
        r#"{"stream":"!ticker@arr","data":[{"e":"24hrTicker"}]}"#,
        r#"[{"id":1}]"#,
        r#"{"serverTime":1499827319559}"#,
    ] {
        assert_eq!(decode(frame).0, Update::Ignored);
    }
}

#[test]
fn what_is_no_trade_of_the_market_is_ignored() {
    for (kind, at) in
        [("NA", "0"), ("INSURANCE_FUND", "61800.30"), ("ADL", "61800.30"), ("MARKET", "0"), ("MARKET", "0.00")]
    {
        let frame = USDM_TRADE.replace("MARKET", kind).replace("61800.30", at);
        assert_eq!(decode(&frame).0, Update::Ignored, "{frame}");
    }
    for (number, none) in [("\"q\":\"10\"", "\"q\":\"00\""), ("\"p\":\"1.01100\"", "\"p\":\"0.00000\"")] {
        let frame = USDM_AGGREGATE.replace(number, none);
        assert_ne!(frame, USDM_AGGREGATE);
        assert_eq!(decode(&frame).0, Update::Ignored, "{frame}");
    }
    assert!(matches!(decode(&USDM_TRADE.replace("MARKET", "RPI")).0, Update::Trade { .. }));
}

#[test]
fn microseconds_are_told_by_their_size() {
    let us = SPOT_TRADE.replace("1723161255342", "1723161255342417");
    assert!(matches!(decode(&us).0, Update::Trade { ts_event, .. } if ts_event.get() == 1_723_161_255_342_417_000));
    assert!(
        refused(&SPOT_TRADE.replace("1723161255342", "18446744073709552")).contains("is not a stamp in microseconds")
    );
}

#[test]
fn refusals_name_the_place() {
    let error = refused(&SPOT_TRADE.replace(r#""p":"61837.63000000","#, ""));
    assert_eq!(error, "byte 33: the object that starts here has no field `p`");
    let error = refused(&SPOT_TRADE.replace("61837.63000000", "61837.6300000001"));
    assert!(error.starts_with("byte 98: `61837.6300000001` has more than 9 decimal places"), "{error}");
    let error = refused(&SPOT_TRADE.replace("3735683259", "-1"));
    assert_eq!(error, "byte 82: `-1` is not a whole number below 2^64");
    assert_eq!(refused(&SPOT_TRADE.replace("3735683259", "0123")), "byte 83: expected `,` or `}`, found `1`");
    assert_eq!(
        refused(&format!("{SPOT_TRADE}x")),
        format!("byte {}: expected the end of the frame, found `x`", SPOT_TRADE.len())
    );
    assert!(refused("").starts_with("byte 0: expected a value"));
    let error = Feed::named("binance-coinm").unwrap().decode(b"{\"e\":7}", &mut Batch::new()).unwrap_err();
    assert!(matches!(error.kind, WireErrorKind::Expected { wanted: "a string", found: Some(b'7') }));
}

#[test]
fn the_hot_messages_take_the_quick_path() {
    for frame in HOT {
        assert!(usual::read(frame.as_bytes(), &mut Batch::new()).is_some(), "{frame}");
    }
}

/// A value with its objects' fields permuted, and space where JSON allows it, by a stream of choices.
fn respell(value: &Value, choices: &mut impl Iterator<Item = u8>, out: &mut String) {
    let space = |out: &mut String, choice: u8| out.push_str(["", "", " ", "\n\t", "\r\n  "][usize::from(choice) % 5]);
    match value {
        Value::Object(map) => {
            let mut fields: Vec<_> =
                map.iter().map(|(name, value)| (choices.next().unwrap_or(0), name, value)).collect();
            fields.sort_by_key(|field| field.0);
            out.push('{');
            for (i, (choice, name, value)) in fields.into_iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                space(out, choice);
                out.push_str(&format!("\"{name}\""));
                space(out, choice / 5);
                out.push(':');
                space(out, choice / 25);
                respell(value, choices, out);
                space(out, choice / 7);
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                respell(item, choices, out);
                space(out, choices.next().unwrap_or(0));
            }
            out.push(']');
        }
        scalar => out.push_str(&scalar.to_string()),
    }
}

// Updates with the texts they name instead of where those lie.
fn told(frame: &str) -> String {
    let (update, batch) = decode(frame);
    let symbol = match update {
        Update::Trade { symbol, .. }
        | Update::Quote { symbol, .. }
        | Update::Book { symbol, .. }
        | Update::Bar { symbol, .. } => symbol,
        _ => Default::default(),
    };
    let update = format!("{update:?}");
    let update = update.split_once("},").map_or(update.as_str(), |(_, rest)| rest);
    format!("{} {update} {:?}", String::from_utf8_lossy(symbol.of(frame.as_bytes())), batch.levels)
}

proptest! {
    #[test]
    fn order_and_space_and_unknown_fields_change_nothing(which in 0..HOT.len() + 2, choices in prop::collection::vec(any::<u8>(), 40), extra in any::<bool>()) {
        let frame = *HOT.iter().chain(&[KLINE, DEPTH_REST]).nth(which).unwrap();
        let mut value: Value = serde_json::from_str(frame).unwrap();
        if extra {
            let object = value.as_object_mut().unwrap();
            object.insert("zz".into(), serde_json::json!({"s": "x", "deep": [1.5e3, null, "\u{e9}\n"]}));
        }
        let mut other = String::new();
        respell(&value, &mut choices.into_iter().cycle().take(400), &mut other);
        prop_assert_eq!(told(&other), told(frame), "{}", other);
    }

    // One byte replaced: whichever path reads it, it is read as the general path reads it.
    #[test]
    fn the_quick_path_agrees_with_the_general_one(which in 0..HOT.len(), at in any::<prop::sample::Index>(), with in prop_oneof![any::<u8>(), Just(b'0'), Just(b'.'), Just(b'-'), Just(b' ')]) {
        let mut frame = HOT[which].as_bytes().to_vec();
        let at = at.index(frame.len());
        frame[at] = with;
        let (mut quick, mut slow) = (Batch::new(), Batch::new());
        if let Some(update) = usual::read(&frame, &mut quick) {
            // A space after the frame is JSON, and not the usual spelling.
            frame.push(b' ');
            super::read(&frame, &mut slow).unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&frame)));
            prop_assert_eq!(update, slow.updates[0]);
            prop_assert_eq!(&quick.levels, &slow.levels);
        }
    }
}
