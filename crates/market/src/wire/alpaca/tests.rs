//! Alpaca's documented messages: their numbers, and that both encodings say the same. The MessagePack is PyPI msgpack's
//! (`scripts/alpaca_golden.py`).

use super::super::Feed;
use super::*;

const GOLDEN: &str = include_str!("golden.txt");

fn decode(feed: &str, frame: &[u8]) -> Result<Batch, WireError> {
    let mut batch = Batch::new();
    Feed::named(feed).unwrap().decode(frame, &mut batch).map(|()| batch)
}

fn pairs() -> impl Iterator<Item = (&'static str, Vec<u8>)> {
    GOLDEN.lines().map(|line| {
        let (json, packed) = line.split_once('\t').unwrap();
        let bytes = |at: usize| u8::from_str_radix(&packed[at..at + 2], 16).unwrap();
        (json, (0..packed.len()).step_by(2).map(bytes).collect())
    })
}

// An update with its texts in place of where they are, which differs between the encodings.
fn told(batch: &Batch, frame: &[u8]) -> Vec<(String, Update)> {
    let mut updates = batch.updates.clone();
    let text = |update: &mut Update| {
        let place = match update {
            Update::Trade { symbol, .. }
            | Update::Quote { symbol, .. }
            | Update::Book { symbol, .. }
            | Update::Bar { symbol, .. } => symbol,
            Update::Refused(text) => text,
            _ => return String::new(),
        };
        String::from_utf8(std::mem::take(place).of(frame).to_vec()).unwrap()
    };
    updates.iter_mut().map(|update| (text(update), *update)).collect()
}

#[test]
fn both_encodings_say_the_same() {
    let mut count = 0;
    for (json, packed) in pairs() {
        let by_json = decode("alpaca", json.as_bytes()).unwrap_or_else(|e| panic!("{e}: {json}"));
        let by_pack = decode("alpaca-msgpack", &packed).unwrap_or_else(|e| panic!("{e}: {json}"));
        assert_eq!(told(&by_pack, &packed), told(&by_json, json.as_bytes()), "{json}");
        assert_eq!(by_pack.levels, by_json.levels, "{json}");
        count += by_json.updates.len();
    }
    // Each of the 20 messages twice.
    assert_eq!(count, 2 * 20 + 2);
}

#[test]
fn the_messages_say_what_the_documents_say() {
    let frames: Vec<_> = pairs().map(|(json, _)| json).step_by(2).collect();
    let all: Vec<_> =
        frames.iter().flat_map(|json| told(&decode("alpaca", json.as_bytes()).unwrap(), json.as_bytes())).collect();
    let words = |text: &str, update: &Update| match *update {
        Update::Trade { ts_event, price, size, aggressor, trade_id, .. } => {
            format!("{text} {ts_event} {price} x {size} {aggressor:?} {trade_id}")
        }
        Update::Quote { ts_event, bid, ask, .. } => {
            format!("{text} {ts_event} {} x {} / {} x {}", bid.price, bid.size, ask.price, ask.size)
        }
        Update::Bar { ts_open, interval_ns, open, high, low, close, volume, closed, .. } => {
            format!("{text} {ts_open} {} {open} {high} {low} {close} {volume} {closed}", interval_ns / MINUTE)
        }
        Update::Book { book, .. } => {
            format!("{text} {} {:?} {} {}", book.ts_event, book.coverage, book.bids.len, book.asks.len)
        }
        ref other => format!("{other:?} {text}"),
    };
    let all: Vec<_> = all.iter().map(|(text, update)| words(text, update)).collect();
    let refused = "Refused(Text { start: 0, len: 0 })";
    assert_eq!(
        all,
        [
            "Acknowledged ",
            "Acknowledged ",
            "Acknowledged ",
            &format!("{refused} invalid syntax"),
            &format!("{refused} connection limit exceeded"),
            "AAPL 2021-02-22T15:51:44.208Z 126.55 x 1 None 96921",
            "AMD 2021-02-22T15:51:45.335689322Z 87.66 x 1 / 87.68 x 4",
            "SPY 2021-02-22T19:15:00Z 1 388.985 389.13 388.975 389.12 49378 true",
            "VOO 2021-02-22T05:00:00Z 1440 358 358.27 357.895 358.1 1302 false",
            "SPY 2021-02-22T19:15:00Z 1 388.985 389.14 388.975 389.12 49380 true",
            "BTC/USD 2022-10-13T18:14:23.001234560Z 20050.5 x 0.000000025 Some(Buy) 74119264",
            "ETH/USD 2022-08-12T21:22:25.631Z 1316.562 x 20.4717 Some(Sell) 1",
            "ETH/USD 2022-07-25T17:22:32.123456789Z 1445.34 x 4.339 / 1445.69 x 8.8195",
            "BTC/USD 2022-07-25T17:23:00.500Z Snapshot 2 1",
            "BTC/USD 2022-07-25T17:23:01Z Delta 0 1",
            "AAPL240315C00172500 2024-03-11T13:35:35.133122560Z 2.84 x 1 None 0",
            "Ignored ",
            "Ignored ",
            "Ignored ",
            "Ignored ",
            "X 2521-01-01T00:00:00.000000001Z 0.0001 x 9000000000 None 18446744073709551615",
        ]
    );
}

#[test]
fn damaged_frames_are_refused_or_read_and_never_panic() {
    for (json, packed) in pairs() {
        for len in 0..packed.len() {
            assert!(decode("alpaca-msgpack", &packed[..len]).is_err(), "{json} cut to {len}");
        }
        for len in 0..json.len() {
            assert!(decode("alpaca", &json.as_bytes()[..len]).is_err(), "{json} cut to {len}");
        }
        let mut damaged = packed.clone();
        for at in 0..packed.len() {
            for with in [packed[at] ^ 1, packed[at] ^ 0x80, 0xC0, 0xC1, 0xCB, 0xDD, 0xFF, 0] {
                damaged[at] = with;
                let _ = decode("alpaca-msgpack", &damaged);
            }
            damaged[at] = packed[at];
        }
    }
}

#[test]
fn what_is_refused() {
    let why = |frame: &str| decode("alpaca", frame.as_bytes()).unwrap_err().to_string();
    assert_eq!(why(r#"{"T":"success"}"#), "byte 0: expected an array, found `{`");
    assert_eq!(why(r#"[{"S":"AAPL"}]"#), "byte 1: the object that starts here has no field `T`");
    assert_eq!(
        why(r#"[{"T":"t","S":"A","p":1,"s":1,"t":"2021-02-22T15:51:44Z","tks":"X"}]"#),
        "byte 64: `X` is not `B` or `S`"
    );
    let packed = decode("alpaca-msgpack", b"\x81\xa1T\xa1t").unwrap_err();
    assert_eq!(packed.to_string(), "byte 0: expected an array, found the byte 0x81");
    let packed = decode("alpaca-msgpack", b"\x91\x81\xa1T\xa1t").unwrap_err();
    assert_eq!(packed.to_string(), "byte 1: the object that starts here has no field `S`");
}
