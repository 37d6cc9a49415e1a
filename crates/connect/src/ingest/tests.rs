use starling_core::{Price, Qty};

use super::*;
use crate::lane::{Gap, GapState, Item, LaneLimits, LaneReader};

const T0: u64 = 1_723_161_255 * SECOND;

fn at(ms: u64) -> UnixNanos {
    UnixNanos::new(T0 + ms * 1_000_000)
}

fn setup() -> (Ingest, LaneReader) {
    let (mut ingest, door) = connection();
    let reader = door.subscribe(LaneLimits::default()).unwrap();
    ingest.tick(at(0));
    (ingest, reader)
}

fn connection() -> (Ingest, Door) {
    let of = Subscription {
        symbol: "BTCUSDT".into(),
        instrument: InstrumentId(3),
        tick: Price::parse(b"0.01").unwrap(),
        digits: None,
        channels: vec![Channel::Trade, Channel::Quote, Channel::Book],
    };
    let limits = IngestLimits { skew: SkewRule::Fixed(0), ..IngestLimits::default() };
    let dialect = Dialect::named("binance-spot").unwrap();
    Ingest::new(dialect, vec![of], limits, Arc::new(Metrics::new("t")), at(0)).unwrap()
}

fn trade(id: u64, ms: u64, price: &str) -> String {
    let t = at(ms).get() / 1_000_000;
    format!(
        r#"{{"stream":"btcusdt@trade","data":{{"e":"trade","E":{t},"s":"BTCUSDT","t":{id},"p":"{price}","q":"0.02000000","T":{t},"m":true,"M":true}}}}"#
    )
}

fn diff(first: u64, last: u64, bid: &str, size: &str) -> String {
    let t = at(0).get() / 1_000_000;
    format!(
        r#"{{"stream":"btcusdt@depth@100ms","data":{{"e":"depthUpdate","E":{t},"s":"BTCUSDT","U":{first},"u":{last},"b":[["{bid}","{size}"]],"a":[]}}}}"#
    )
}

fn quote(id: u64, bid: &str, ask: &str) -> String {
    format!(
        r#"{{"stream":"btcusdt@bookTicker","data":{{"u":{id},"s":"BTCUSDT","b":"{bid}","B":"3.7","a":"{ask}","A":"1.5"}}}}"#
    )
}

fn items(reader: &mut LaneReader) -> Vec<Item> {
    std::iter::from_fn(|| reader.pop()).collect()
}

fn wants(ingest: &mut Ingest, now: UnixNanos) -> Vec<Fetch> {
    let mut out = Vec::new();
    ingest.wants(now, &mut out);
    out
}

#[test]
fn a_missing_trade_is_fetched_and_delivered_in_its_place() {
    let (mut ingest, mut reader) = setup();
    for id in [10, 11, 13, 14] {
        assert_eq!(ingest.frame(trade(id, 1, "61837.63").as_bytes(), at(1)), FrameKind::Data);
    }
    ingest.tick(at(2));
    assert_eq!(wants(&mut ingest, at(2)), []);
    ingest.tick(at(300));
    let fetch = wants(&mut ingest, at(300));
    assert_eq!(fetch[0].path, "/api/v3/historicalTrades?symbol=BTCUSDT&fromId=12&limit=1");
    assert_eq!(wants(&mut ingest, at(301)), [], "in flight");
    let body = br#"[{"id":12,"price":"61837.00","qty":"0.5","time":1723161255001,"isBuyerMaker":false}]"#;
    ingest.answer(fetch[0].purpose, Some(body), at(310));
    let told: Vec<String> = items(&mut reader)
        .iter()
        .map(|item| match item {
            Item::Trade(t) => t.trade_id.to_string(),
            Item::Gap(Gap { state, .. }) => format!("{state:?}"),
            other => format!("{other:?}"),
        })
        .collect();
    assert_eq!(told, ["10", "11", "Opened", "12", "Filled", "13", "14"]);
}

/// One that is thousands of trades behind asks for page after page; that is no reason to give up what another misses.
#[test]
fn a_lane_far_behind_costs_another_nothing() {
    let (mut ingest, door) = connection();
    let mut quick = door.subscribe(LaneLimits::default()).unwrap();
    let mut slow = door.subscribe(LaneLimits { ring_max: 8, hold_max: 1, ..LaneLimits::default() }).unwrap();
    ingest.tick(at(0));
    let mut ids = Vec::new();
    let mut read = |quick: &mut LaneReader| {
        ids.extend(std::iter::from_fn(|| quick.pop()).filter_map(|item| match item {
            Item::Trade(t) => Some(t.trade_id),
            Item::Gap(Gap { state: GapState::Lost, .. }) => panic!("{item:?}"),
            _ => None,
        }));
    };
    let mut pages = 0;
    let mut next = 1;
    for turn in 0..200 {
        let now = at(turn * 20);
        // The slow one falls behind at once and is asking when the quick one comes to miss a trade.
        while next <= [3_000, 6_000][usize::from(turn > 40)] {
            if next != 5_990 {
                ingest.frame(trade(next, turn * 20, "61837.63").as_bytes(), now);
                read(&mut quick);
            }
            next += 1;
        }
        for _ in 0..8 {
            slow.pop();
        }
        ingest.tick(now);
        for fetch in wants(&mut ingest, now) {
            let Purpose::Trades(_) = fetch.purpose else { continue };
            let argument = |name: &str| -> u64 {
                let (_, rest) = fetch.path.split_once(name).unwrap();
                rest.split('&').next().unwrap().parse().unwrap()
            };
            let (from, limit) = (argument("fromId="), argument("limit="));
            pages += usize::from(limit == 1_000);
            let row = |id| {
                format!(r#"{{"id":{id},"price":"61837.63","qty":"0.02","time":1723161255001,"isBuyerMaker":true}}"#)
            };
            let rows: Vec<String> = (from..from + limit).map(row).collect();
            ingest.answer(fetch.purpose, Some(format!("[{}]", rows.join(",")).as_bytes()), now);
        }
        read(&mut quick);
    }
    assert!(pages > 20, "{pages}");
    assert!(ids.iter().copied().eq(1..=6_000), "{} trades", ids.len());
}

#[test]
fn bad_input_is_counted_and_quarantined_and_reaches_nobody() {
    let (mut ingest, mut reader) = setup();
    ingest.frame(trade(10, 0, "100.00").as_bytes(), at(0));
    items(&mut reader);
    let cases = [
        ("{\"stream\":\"btcusdt@tr".to_owned(), Counter::Undecodable),
        (trade(11, 5_001, "100.00"), Counter::Future),
        (trade(11, 0, "111.00"), Counter::Jump),
        (trade(99_999_999, 0, "100.00"), Counter::OutOfSequence),
        (quote(1, "101.00", "100.00"), Counter::Crossed),
        (quote(1, "0", "100.00"), Counter::Empty),
    ];
    for (n, (frame, counter)) in cases.iter().enumerate() {
        let before = ingest.metrics().get(*counter);
        ingest.frame(frame.as_bytes(), at(0));
        assert_eq!(ingest.metrics().get(*counter), before + 1, "{frame}");
        let last = ingest.quarantine().entries().last().unwrap();
        assert_eq!((&*last.bytes, last.reason.counter()), (frame.as_bytes(), *counter), "{n}");
    }
    ingest.frame(trade(11, 0, "100.00").as_bytes(), at(30_001));
    assert_eq!(ingest.metrics().get(Counter::Stale), 1);
    ingest.frame(trade(11, 0, "100.00").replace("BTCUSDT", "ETHUSDT").as_bytes(), at(0));
    assert_eq!(ingest.metrics().get(Counter::Unknown), 1);
    assert_eq!(items(&mut reader), []);
    ingest.frame(trade(10, 0, "100.00").as_bytes(), at(0));
    ingest.frame(quote(5, "99.00", "100.00").as_bytes(), at(0));
    ingest.frame(quote(5, "99.00", "100.00").as_bytes(), at(0));
    ingest.frame(quote(4, "98.00", "100.00").as_bytes(), at(0));
    assert_eq!(ingest.metrics().get(Counter::Duplicates), 3);
    assert_eq!(items(&mut reader).len(), 1);
}

#[test]
fn a_book_is_joined_broken_and_joined_again() {
    let (mut ingest, mut reader) = setup();
    assert_eq!(wants(&mut ingest, at(0)), [], "nothing flows yet");
    ingest.frame(diff(11, 12, "99.00", "1").as_bytes(), at(1));
    let fetch = wants(&mut ingest, at(1));
    assert_eq!(fetch[0].path, "/api/v3/depth?symbol=BTCUSDT&limit=1000");
    ingest.frame(diff(13, 15, "98.00", "2").as_bytes(), at(2));
    let body = br#"{"lastUpdateId":12,"bids":[["99.00","5"],["97.00","4"]],"asks":[["101.00","1"]]}"#;
    ingest.answer(fetch[0].purpose, Some(body), at(3));
    let found = items(&mut reader);
    let Item::Book { change, .. } = &found[0] else { panic!("{found:?}") };
    let level = |p: i64, q: i64| Level { price: Price::from_int(p), size: Qty::from_int(q) };
    assert_eq!((change.coverage, change.last_id), (Coverage::Snapshot, 15));
    assert_eq!(*change.bids, [level(99, 5), level(98, 2), level(97, 4)]);
    ingest.frame(diff(16, 16, "99.00", "0").as_bytes(), at(4));
    ingest.frame(diff(16, 16, "99.00", "0").as_bytes(), at(4));
    // 17 is missing.
    ingest.frame(diff(18, 18, "98.50", "1").as_bytes(), at(5));
    let found = items(&mut reader);
    assert!(matches!(&found[..], [Item::Book { .. }, Item::BookLost { .. }]), "{found:?}");
    assert!(ingest.book(0).is_none());
    assert_eq!(wants(&mut ingest, at(6)), [], "once a second");
    let fetch = wants(&mut ingest, at(1_001));
    let body = br#"{"lastUpdateId":18,"bids":[["98.50","1"]],"asks":[["101.00","1"]]}"#;
    ingest.answer(fetch[0].purpose, Some(body), at(1_002));
    assert!(matches!(&items(&mut reader)[..], [Item::Book { .. }]));
    assert_eq!(ingest.book(0).map(SyncedBook::last_id), Some(18));
    ingest.disconnected();
    assert!(matches!(&items(&mut reader)[..], [Item::BookLost { .. }]));
    assert_eq!(ingest.metrics().get(Counter::BookGaps), 1);
}

#[test]
fn failed_and_foolish_answers_are_asked_for_again() {
    let (mut ingest, _reader) = setup();
    ingest.frame(diff(11, 12, "99.00", "1").as_bytes(), at(1));
    for (n, body) in
        [None, Some(&b"<html>"[..]), Some(&b"{\"lastUpdateId\":9,\"bids\":[],\"asks\":[]}"[..])].into_iter().enumerate()
    {
        let now = at(1 + n as u64 * 1_000);
        let fetch = wants(&mut ingest, now);
        assert_eq!(fetch.len(), 1, "{n}");
        ingest.answer(fetch[0].purpose, body, now);
    }
    assert_eq!(ingest.metrics().get(Counter::FetchFailures), 2);
    assert_eq!(ingest.metrics().get(Counter::BookGaps), 1, "a snapshot older than what was kept");
}

#[test]
fn the_weight_of_a_minute_is_not_overdrawn() {
    let (mut ingest, _reader) = setup();
    ingest.frame(diff(11, 12, "99.00", "1").as_bytes(), at(1));
    let mut made = 0;
    for ms in (0..60_000).step_by(100) {
        for fetch in wants(&mut ingest, at(ms)) {
            ingest.answer(fetch.purpose, None, at(ms));
            made += 1;
        }
    }
    // One a second, 50 each: 3,000 of 6,000.
    assert_eq!(made, 60);
    ingest.limits.snapshot_every_ns = 0;
    made = 0;
    for ms in (60_000..120_000).step_by(10) {
        for fetch in wants(&mut ingest, at(ms)) {
            ingest.answer(fetch.purpose, None, at(ms));
            made += 1;
        }
    }
    assert!((119..=140).contains(&made), "{made}");
    assert!(ingest.metrics().get(Counter::Throttled) > 0);
}

#[test]
fn silence_is_stale_per_channel() {
    let (mut ingest, _reader) = setup();
    for s in 0..60 {
        ingest.frame(quote(s + 1, "99.00", "100.00").as_bytes(), at(s * 1_000));
        ingest.tick(at(s * 1_000));
    }
    assert!(ingest.is_stale(0, Channel::Trade) && !ingest.is_stale(0, Channel::Quote));
    assert_eq!(ingest.metrics().gauge(Gauge::FeedsStale), 2);
    ingest.frame(trade(1, 60_000, "100.00").as_bytes(), at(60_000));
    assert!(!ingest.is_stale(0, Channel::Trade));
    assert_eq!(ingest.metrics().gauge(Gauge::FeedsStale), 1);
    assert_eq!(ingest.metrics().get(Counter::WentStale), 2);
}

#[test]
fn setups_that_cannot_work_are_refused() {
    let dialect = Dialect::named("binance-spot").unwrap();
    let of = |symbol: &str, tick: &str, n: usize| Subscription {
        symbol: symbol.into(),
        instrument: InstrumentId(0),
        tick: Price::parse(tick.as_bytes()).unwrap(),
        digits: None,
        channels: vec![Channel::Trade; n],
    };
    let new = |of| Ingest::new(dialect, of, IngestLimits::default(), Arc::new(Metrics::new("t")), at(0)).err();
    assert!(matches!(new(vec![of("A", "1", 1_025)]), Some(SetupError::TooManyTopics { .. })));
    assert!(matches!(new(vec![of("A", "0", 1)]), Some(SetupError::Tick { .. })));
    assert!(matches!(new(vec![of("A", "1", 1), of("A", "1", 1)]), Some(SetupError::Twice(_))));
}
