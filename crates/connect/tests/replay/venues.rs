//! Sessions with the other venues: our state machines hear what was recorded there, acknowledgements and data.
//!
//! Captures of 2021 to 2025 hold older forms of some messages than the dialects ask for (Kraken v1, Coinbase Exchange); the
//! decoders read both. What no capture has (greetings, newer fields) is taken from the venues' documents, and said.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use starling_connect::dialect::{Dialect, Topic};
use starling_connect::ingest::{FrameKind, Ingest, IngestLimits, Subscription};
use starling_connect::lane::{Channel, Item, LaneLimits, LaneReader};
use starling_connect::metrics::{Counter, Metrics};
use starling_connect::session::{Action, Retry, Session};
use starling_connect::watch::SkewRule;
use starling_core::fixed::{Price, pow10};
use starling_core::{InstrumentId, UnixNanos};
use starling_market::book::{Chain, Rules};
use starling_market::frames::{Capture, Direction};
use starling_market::wire::Coverage;

use super::recordings;

const SECOND: u64 = 1_000_000_000;

/// The frames received in a capture, with their stamps.
pub(super) fn received(folder: &Path, file: &str) -> Vec<(UnixNanos, Vec<u8>)> {
    let packed = std::fs::read(folder.join(file)).unwrap();
    let mut text = Vec::new();
    flate2::read::MultiGzDecoder::new(&packed[..]).read_to_end(&mut text).unwrap();
    let mut capture = Capture::new();
    let mut frames = Vec::new();
    for line in text.split(|byte| *byte == b'\n') {
        if let Some(captured) = capture.line(line).unwrap() {
            let frame = captured.frame(0);
            if frame.direction == Direction::Received {
                frames.push((frame.ts_recv, frame.bytes.to_vec()));
            }
        }
    }
    frames
}

/// A sample of the collection beside the captures.
fn sample(folder: &Path, file: &str) -> Vec<u8> {
    std::fs::read(folder.join("../rest_fixtures/nautilus").join(file)).unwrap()
}

/// A dialect as another time had it.
pub(super) fn with(name: &str, change: impl FnOnce(&mut Dialect)) -> &'static Dialect {
    let mut dialect = *Dialect::named(name).unwrap();
    change(&mut dialect);
    Box::leak(Box::new(dialect))
}

/// One connection, without a socket.
pub(super) struct Line {
    session: Session,
    pub(super) ingest: Ingest,
    pub(super) lane: LaneReader,
    sent: Vec<String>,
    now: UnixNanos,
}

pub(super) fn of(symbol: &str, at: usize, digits: Option<(u8, u8)>, channels: &[Channel]) -> Subscription {
    Subscription {
        symbol: symbol.into(),
        instrument: InstrumentId::from(at),
        tick: Price::from_units(pow10(9 - digits.map_or(1, |d| d.0))),
        digits,
        channels: channels.to_vec(),
    }
}

impl Line {
    pub(super) fn open(dialect: &'static Dialect, of: Vec<Subscription>, now: UnixNanos) -> Self {
        let limits = IngestLimits { skew: SkewRule::Ignore, ..IngestLimits::default() };
        let (mut ingest, door) = Ingest::new(dialect, of, limits, Arc::new(Metrics::new(dialect.name)), now).unwrap();
        let lane = door.subscribe(LaneLimits { ring_max: 1 << 16, ..LaneLimits::default() }).unwrap();
        ingest.tick(now);
        let login = dialect.login_message(|name| Some(name.to_lowercase())).unwrap();
        let mut session = Session::new(dialect, &ingest.topics(), Retry::default(), 1).with_login(login);
        let mut actions = Vec::new();
        session.poll(now, &mut actions);
        assert_eq!(actions, [Action::Connect]);
        session.opened(now);
        let mut line = Self { session, ingest, lane, sent: Vec::new(), now };
        line.poll(now);
        line
    }

    fn poll(&mut self, now: UnixNanos) {
        self.now = self.now.max(now);
        let mut actions = Vec::new();
        self.session.poll(self.now, &mut actions);
        for action in actions {
            match action {
                Action::Send(text) => self.sent.push(text),
                Action::Login(secret) => self.sent.push(secret.reveal().to_owned()),
                Action::Ping => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// Until all that may be sent is.
    fn settle(&mut self) {
        for _ in 0..20 {
            self.poll(self.now.saturating_add(SECOND / 10));
        }
    }

    pub(super) fn hear(&mut self, frame: impl AsRef<[u8]>, now: UnixNanos) -> FrameKind {
        self.session.heard(now);
        let kind = self.ingest.frame(frame.as_ref(), now);
        match kind {
            FrameKind::Confirmed => self.session.confirmed(now),
            FrameKind::Refused => assert!(!self.session.declined(self.ingest.refusal(), now)),
            FrameKind::Undecodable => panic!("{}", String::from_utf8_lossy(frame.as_ref())),
            FrameKind::Data => {}
        }
        self.poll(now);
        kind
    }

    fn count(&self, counter: Counter) -> u64 {
        self.ingest.metrics().get(counter)
    }

    /// Items by kind: trades, quotes, snapshots, deltas, gaps; trade numbers of each instrument rise where they must.
    fn tally(&mut self, numbered: bool) -> [usize; 5] {
        let (mut tally, mut last) = ([0; 5], BTreeMap::new());
        while let Some(item) = self.lane.pop() {
            match item {
                Item::Trade(trade) => {
                    tally[0] += 1;
                    let before = last.insert(trade.instrument, trade.trade_id);
                    assert!(!numbered || before.is_none_or(|id| id < trade.trade_id), "{trade:?} after {before:?}");
                }
                Item::Quote(_) => tally[1] += 1,
                Item::Book { change, .. } if change.coverage == Coverage::Snapshot => tally[2] += 1,
                Item::Book { .. } => tally[3] += 1,
                Item::Gap(_) => tally[4] += 1,
                Item::Stale { .. } | Item::Fresh { .. } | Item::BookLost { .. } => {}
                other => panic!("{other:?}"),
            }
        }
        tally
    }

    fn renewals(&mut self, now: UnixNanos) -> Vec<Topic> {
        let mut topics = Vec::new();
        self.ingest.renewals(now, &mut topics);
        topics
    }
}

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap()
}

pub(super) const OKX: [(&str, u8); 3] = [("BTC-USD-220527", 1), ("UNI-USD-SWAP", 3), ("BTC-USDT", 1)];

fn okx(dialect: &'static Dialect, now: UnixNanos) -> Line {
    let channels = [Channel::Quote, Channel::Trade, Channel::Book];
    let all = OKX.iter().enumerate().map(|(at, (name, digits))| of(name, at, Some((*digits, 8)), &channels)).collect();
    Line::open(dialect, all, now)
}

#[test]
fn okx_of_2022() {
    let Some(folder) = recordings() else { return };
    let frames = received(&folder, "cryptofeed_OKX.ws.1.0.gz");
    // Nothing was numbered then; the checksums were true.
    let dialect = with("okx", |d| d.rules = Rules { chain: Chain::Unnumbered, ..Rules::OKX });
    let mut line = okx(dialect, frames[0].0);
    // The recording asked for tickers; the best prices by their own channel came later.
    let asked = json(&line.sent[0]);
    assert_eq!(
        (line.sent.len(), asked["op"].as_str(), asked["args"].as_array().map(Vec::len)),
        (1, Some("subscribe"), Some(9))
    );
    assert_eq!(asked["args"][2], json(r#"{"channel":"books","instId":"BTC-USD-220527"}"#));
    for (n, (now, frame)) in frames.iter().enumerate() {
        line.hear(frame, *now);
        assert_eq!(line.session.is_live(), n >= 8, "nine topics, nine confirmations");
    }
    let acknowledged = frames.iter().filter(|(_, f)| f.starts_with(b"{\"event\"")).count();
    assert_eq!((frames.len(), acknowledged), (410, 18));
    assert_eq!((line.count(Counter::BookSnapshots), line.count(Counter::BookMessages)), (3, 290));
    assert_eq!((line.count(Counter::BookGaps), line.count(Counter::Quarantined)), (0, 0));
    let [trades, quotes, snapshots, deltas, gaps] = line.tally(true);
    assert_eq!((snapshots, deltas, gaps), (3, 287, 0));
    assert_eq!((trades + quotes + line.count(Counter::Duplicates) as usize), 410 - 18 - 290);
    assert!(trades > 50 && quotes > 20, "{trades} {quotes}");
}

/// The same with the numbers that the venue has put in since 2023, and a change missing: the book is asked for anew.
#[test]
fn an_okx_book_with_a_gap_is_subscribed_to_anew() {
    let Some(folder) = recordings() else { return };
    let frames = received(&folder, "cryptofeed_OKX.ws.1.0.gz");
    let mut line = okx(Dialect::named("okx").unwrap(), frames[0].0);
    let mut last: BTreeMap<String, i64> = BTreeMap::new();
    let (mut seen, mut snapshots) = (0, BTreeMap::new());
    for (now, frame) in &frames {
        let mut message: serde_json::Value = serde_json::from_slice(frame).unwrap();
        if message["arg"]["channel"] != "books" || message["data"].is_null() {
            line.hear(frame, *now);
            continue;
        }
        let symbol = message["arg"]["instId"].as_str().unwrap().to_owned();
        let snapshot = message["action"] == "snapshot";
        let previous = if snapshot { -1 } else { last[&symbol] };
        let number = last.get(&symbol).map_or(1_000, |n| n + 3);
        last.insert(symbol.clone(), number);
        message["data"][0]["prevSeqId"] = previous.into();
        message["data"][0]["seqId"] = number.into();
        let frame = message.to_string();
        if snapshot {
            snapshots.insert(symbol.clone(), frame.clone());
        }
        seen += u32::from(symbol == "BTC-USDT");
        if seen == 50 && symbol == "BTC-USDT" {
            continue;
        }
        line.hear(&frame, *now);
    }
    assert_eq!(line.count(Counter::BookGaps), 1);
    let now = line.now;
    let topics = line.renewals(now);
    assert_eq!(topics, [Topic { symbol: "BTC-USDT".into(), channel: Channel::Book }]);
    assert_eq!(line.renewals(now), [], "not again at once");
    line.session.renew(&topics);
    line.settle();
    let sent: Vec<_> = line.sent[1..].iter().filter(|text| *text != "ping").map(|text| json(text)).collect();
    assert_eq!((sent[0]["op"].as_str(), sent[1]["op"].as_str()), (Some("unsubscribe"), Some("subscribe")));
    assert_eq!(sent[1]["args"], json(r#"[{"channel":"books","instId":"BTC-USDT"}]"#));
    assert!(line.ingest.book(2).is_none() && line.ingest.book(0).is_some());
    line.hear(&snapshots["BTC-USDT"], now);
    assert!(line.ingest.book(2).is_some());
    assert_eq!(line.count(Counter::BookRenewals), 1);
    let later = line.now.saturating_add(60 * SECOND);
    assert_eq!(line.renewals(later), []);
}

/// The decimals of Kraken's pairs as the wire of 2021 writes them: often more than the venue's list of pairs says.
pub(super) fn kraken_digits(frames: &[(UnixNanos, Vec<u8>)]) -> BTreeMap<String, (u8, u8)> {
    let decimals = |text: &str| text.split_once('.').map_or(0, |(_, fraction)| fraction.len() as u8);
    let digits = |message: serde_json::Value| {
        let ask = message[1]["as"][0].as_array()?;
        Some((message[3].as_str()?.to_owned(), (decimals(ask[0].as_str()?), decimals(ask[1].as_str()?))))
    };
    frames.iter().filter_map(|(_, frame)| digits(serde_json::from_slice(frame).unwrap())).collect()
}

/// Ten books of a thousand levels, with the decimals of their pairs: 4,269 checksums.
#[test]
fn kraken_books_of_2021() {
    let Some(folder) = recordings() else { return };
    let frames = received(&folder, "cryptofeed_KRAKEN.ws.50.0.gz");
    let pairs = kraken_digits(&frames);
    let names = [
        "WAVES/EUR",
        "XMR/USD",
        "KSM/XBT",
        "GRT/ETH",
        "SC/EUR",
        "ETH/CHF",
        "OCEAN/XBT",
        "OMG/USD",
        "XBT/CHF",
        "ADA/XBT",
    ];
    let all = || names.iter().enumerate().map(|(at, n)| of(n, at, Some(pairs[*n]), &[Channel::Book])).collect();
    let dialect = with("kraken", |d| d.book_depth = Some(1_000));
    let mut line = Line::open(dialect, all(), frames[0].0);
    let asked = json(&line.sent[0]);
    assert_eq!((line.sent.len(), asked["params"]["symbol"].as_array().map(Vec::len)), (1, Some(10)));
    for (n, (now, frame)) in frames.iter().enumerate() {
        line.hear(frame, *now);
        // A greeting, and a confirmation of each pair.
        assert!(line.session.is_live() == (n >= 10), "{n}");
    }
    assert_eq!(line.count(Counter::BookGaps), 0);
    assert_eq!((line.count(Counter::BookSnapshots), line.count(Counter::BookMessages)), (10, 10 + 4_269));
    // Every change as a whole, because the reader would have to know what falls out.
    assert_eq!(line.tally(true), [0, 0, 4_279, 0, 0]);

    // With other decimals no checksum agrees.
    let wrong = names.iter().enumerate().map(|(at, n)| of(n, at, Some((pairs[*n].0, 7)), &[Channel::Book])).collect();
    let mut line = Line::open(dialect, wrong, frames[0].0);
    frames.iter().for_each(|(now, frame)| {
        line.hear(frame, *now);
    });
    assert!(line.count(Counter::BookGaps) >= 10, "{}", line.count(Counter::BookGaps));
}

#[test]
fn kraken_tickers_and_the_messages_of_v2() {
    let Some(folder) = recordings() else { return };
    let now = UnixNanos::new(1_696_613_756 * SECOND);
    let channels = [Channel::Quote, Channel::Trade, Channel::Book];
    let mut line = Line::open(Dialect::named("kraken").unwrap(), vec![of("BTC/USD", 0, None, &channels)], now);
    let sent: Vec<_> = line.sent.iter().map(|text| json(text)["params"].clone()).collect();
    assert_eq!(
        sent,
        [
            json(r#"{"channel":"trade","snapshot":true,"symbol":["BTC/USD"]}"#),
            json(r#"{"channel":"ticker","event_trigger":"bbo","symbol":["BTC/USD"]}"#),
            json(r#"{"channel":"book","depth":25,"symbol":["BTC/USD"]}"#),
        ]
    );
    // As documented: the state of the system by itself.
    let greeting = r#"{"channel":"status","type":"update","data":[{"version":"2.0.0","system":"online","api_version":"v2","connection_id":1}]}"#;
    assert_eq!(line.hear(greeting, now), FrameKind::Confirmed);
    for n in 0..3 {
        assert!(!line.session.is_live(), "{n}");
        line.hear(sample(&folder, "kraken/ws_subscribe_response.json"), now);
    }
    assert!(line.session.is_live());
    line.hear(sample(&folder, "kraken/ws_book_snapshot.json"), now);
    line.hear(sample(&folder, "kraken/ws_trade_update.json"), now);
    line.hear(sample(&folder, "kraken/ws_pong.json"), now);
    assert_eq!(line.tally(true), [2, 0, 1, 0, 0]);
}

#[test]
fn coinbase_exchange_of_2021() {
    let Some(folder) = recordings() else { return };
    let frames = received(&folder, "cryptofeed_COINBASE.ws.28.0.gz");
    let names = [
        "SKL-USD", "SKL-BTC", "BAND-GBP", "NMR-EUR", "BAND-BTC", "YFI-BTC", "DASH-BTC", "NU-GBP", "CRV-EUR", "SKL-GBP",
    ];
    let channels = [Channel::Trade, Channel::Quote, Channel::Book];
    let all = names.iter().enumerate().map(|(at, n)| of(n, at, Some((8, 8)), &channels)).collect();
    let mut line = Line::open(Dialect::named("coinbase").unwrap(), all, frames[0].0);
    assert_eq!(line.sent.len(), 4, "one channel a message, and heartbeats");
    // The recording knows three channels, and three confirmations.
    let now = line.now;
    line.hear(r#"{"channel":"subscriptions","timestamp":"2021-04-17T16:44:08Z","sequence_num":0,"events":[]}"#, now);
    for (now, frame) in &frames {
        line.hear(frame, *now);
    }
    assert!(line.session.is_live());
    assert_eq!((line.count(Counter::BookSnapshots), line.count(Counter::BookGaps)), (10, 0));
    let [trades, _, snapshots, deltas, gaps] = line.tally(true);
    // Trades are numbered without holes here, so none is missing. The latest before the subscription is told as well.
    let told =
        |kind: &str| frames.iter().filter(|(_, f)| f.starts_with(format!("{{\"type\":\"{kind}\"").as_bytes())).count();
    assert_eq!(trades, told("match") + told("last_match"));
    assert_eq!((snapshots, deltas + line.count(Counter::Duplicates) as usize, gaps), (10, told("l2update"), 0));
    assert!(trades > 15 && deltas > 9_000, "{trades} {deltas}");
}

#[test]
fn a_lost_frame_of_coinbase_breaks_its_books() {
    let Some(folder) = recordings() else { return };
    let now = UnixNanos::new(1_775_572_200 * SECOND);
    let channels = [Channel::Trade, Channel::Quote, Channel::Book, Channel::Bar];
    let of = vec![of("BTC-USD", 0, Some((2, 8)), &channels)];
    let mut line = Line::open(Dialect::named("coinbase").unwrap(), of, now);
    line.settle();
    assert_eq!(json(&line.sent[2]), json(r#"{"type":"subscribe","product_ids":["BTC-USD"],"channel":"level2"}"#));
    line.hear(sample(&folder, "coinbase/ws_l2_data_snapshot.json"), now);
    line.hear(sample(&folder, "coinbase/ws_l2_data_update.json"), now);
    assert!(line.ingest.book(0).is_some());
    // The sample is the thirteenth frame of its connection, this connection had two.
    line.hear(sample(&folder, "coinbase/ws_ticker.json"), now);
    assert_eq!((line.count(Counter::FrameGaps), line.count(Counter::BookGaps)), (1, 1));
    assert!(line.ingest.book(0).is_none());
    assert_eq!(line.renewals(now).len(), 1);
    assert_eq!(line.tally(true), [0, 1, 1, 1, 0]);
}

#[test]
fn missing_trades_of_coinbase_are_asked_for_by_number() {
    let history = Dialect::named("coinbase").unwrap().trades.unwrap();
    assert_eq!((history.call)("BTC-USD", 74, 74).path, "/products/BTC-USD/trades?after=75&limit=1");
    assert_eq!((history.call)("BTC-USD", 10, 5_000).path, "/products/BTC-USD/trades?after=1010&limit=1000");
    // The example of the documents: the maker's side, the latest first.
    let answer = br#"[{"trade_id":74,"side":"sell","size":"0.01000000","price":"10.00000000","time":"2014-11-07T22:19:28.578544Z"},
        {"trade_id":73,"side":"buy","size":"0.01","price":"100.0","time":"2014-11-07T01:08:43.642366Z"}]"#;
    let trades = (history.read)(answer).unwrap();
    assert_eq!(trades.iter().map(|t| t.trade_id).collect::<Vec<_>>(), [73, 74]);
    assert_eq!(trades[1].aggressor, Some(starling_core::Side::Buy));
    assert!((history.read)(br#"{"message":"NotFound"}"#).is_err());
}

#[test]
fn hyperliquid_of_2025() {
    let Some(folder) = recordings() else { return };
    let frames = received(&folder, "hyperliquid_btc_l2book_raw_20250126.gz");
    let channels = [Channel::Trade, Channel::Book];
    let dialect = Dialect::named("hyperliquid").unwrap();
    let mut line = Line::open(dialect, vec![of("BTC", 0, Some((1, 5)), &channels)], frames[0].0);
    assert_eq!(json(&line.sent[1]), json(r#"{"method":"subscribe","subscription":{"type":"l2Book","coin":"BTC"}}"#));
    for kind in ["trades", "l2Book"] {
        let answer = format!(
            r#"{{"channel":"subscriptionResponse","data":{{"method":"subscribe","subscription":{{"type":"{kind}","coin":"BTC"}}}}}}"#
        );
        line.hear(answer, frames[0].0);
    }
    assert!(line.session.is_live());
    frames.iter().for_each(|(now, frame)| {
        line.hear(frame, *now);
    });
    let names: Vec<u64> = frames
        .iter()
        .map(|(_, frame)| serde_json::from_slice::<serde_json::Value>(frame).unwrap())
        .filter(|m| m["channel"] == "trades")
        .flat_map(|m| m["data"].as_array().unwrap().iter().map(|t| t["tid"].as_u64().unwrap()).collect::<Vec<_>>())
        .collect();
    let told = line.count(Counter::Duplicates);
    assert_eq!(line.tally(false), [names.len(), 0, 46, 0, 0], "every book message is a whole one");
    assert_eq!(told, 0);
    // After a new connection the latest trades are told again, and are known.
    line.ingest.disconnected();
    let (now, again) = frames.iter().find(|(_, f)| f.starts_with(b"{\"channel\":\"trades\"")).unwrap();
    line.hear(again, *now);
    assert_eq!(line.tally(false)[0], 0);
    assert!(line.count(Counter::Duplicates) > told);
}

#[test]
fn bybit_makes_quotes_of_its_book() {
    let Some(folder) = recordings() else { return };
    let now = UnixNanos::new(1_709_891_679 * SECOND);
    let of = vec![of("BTCUSDT", 0, Some((2, 3)), &Channel::ALL)];
    let mut line = Line::open(Dialect::named("bybit-linear").unwrap(), of, now);
    let asked = json(r#"{"op":"subscribe","args":["kline.1.BTCUSDT","orderbook.50.BTCUSDT","publicTrade.BTCUSDT"]}"#);
    assert_eq!(line.sent.iter().map(|s| json(s)).collect::<Vec<_>>(), [asked], "book and quotes are one topic");
    line.hear(sample(&folder, "bybit/ws_subscription_ack.json"), now);
    assert!(line.session.is_live());
    for file in ["ws_orderbook_snapshot", "ws_orderbook_delta", "ws_public_trade", "ws_kline"] {
        line.hear(sample(&folder, &format!("bybit/{file}.json")), now);
    }
    let mut quotes = Vec::new();
    let mut items = 0;
    while let Some(item) = line.lane.pop() {
        items += 1;
        if let Item::Quote(q) = item {
            quotes.push(format!("{} {} {} {}", q.bid, q.bid_size, q.ask, q.ask_size));
        }
    }
    assert_eq!(quotes, ["27450 0.5 27451 0.75", "27450 0.4 27451.5 0.9"]);
    assert_eq!(items, 2 + 2 + 1, "two of the book, two quotes, a trade; the bar still grows");
    // The next number is 123456791.
    let gap = r#"{"topic":"orderbook.50.BTCUSDT","type":"delta","ts":1709891679600,"data":{"s":"BTCUSDT","b":[],"a":[["27452","1"]],"u":123456792,"seq":9}}"#;
    line.hear(gap, now);
    assert_eq!((line.count(Counter::BookGaps), line.renewals(now).len()), (1, 1));
    assert!(matches!(line.lane.pop(), Some(Item::BookLost { .. })));
}

/// The examples of the documents.
#[test]
fn alpaca_as_documented() {
    let now = UnixNanos::new(1_614_009_104 * SECOND);
    let of = vec![
        of("AAPL", 0, None, &[Channel::Trade]),
        of("AMD", 1, None, &[Channel::Quote]),
        of("SPY", 2, None, &[Channel::Bar]),
    ];
    let mut line = Line::open(Dialect::named("alpaca-iex").unwrap(), of, now);
    assert_eq!(line.sent, Vec::<String>::new());
    line.hear(r#"[{"T":"success","msg":"connected"}]"#, now);
    assert_eq!(line.sent, [r#"{"action":"auth","key":"apca_api_key_id","secret":"apca_api_secret_key"}"#]);
    line.hear(r#"[{"T":"success","msg":"authenticated"}]"#, now);
    assert_eq!(
        json(&line.sent[1]),
        json(r#"{"action":"subscribe","trades":["AAPL"],"quotes":["AMD"],"bars":["SPY"]}"#)
    );
    assert!(!line.session.is_live());
    line.hear(r#"[{"T":"subscription","trades":["AAPL"],"quotes":["AMD"],"bars":["SPY"],"updatedBars":[],"dailyBars":[],"statuses":[],"lulds":[],"corrections":[],"cancelErrors":[]}]"#, now);
    assert!(line.session.is_live());
    for frame in [
        r#"[{"T":"t","i":96921,"S":"AAPL","x":"D","p":126.55,"s":1,"t":"2021-02-22T15:51:44.208Z","c":["@","I"],"z":"C"}]"#,
        r#"[{"T":"q","S":"AMD","bx":"U","bp":87.66,"bs":1,"ax":"X","ap":87.68,"as":4,"t":"2021-02-22T15:51:45.335689322Z","c":["R"],"z":"C"}]"#,
        r#"[{"T":"b","S":"SPY","o":388.985,"h":389.13,"l":388.975,"c":389.12,"v":49378,"n":461,"vw":389.062639,"t":"2021-02-22T19:15:00Z"}]"#,
    ] {
        line.hear(frame, now);
    }
    let items: Vec<Item> = std::iter::from_fn(|| line.lane.pop()).collect();
    assert!(matches!(&items[..], [Item::Trade(_), Item::Quote(_), Item::Bar(_)]), "{items:?}");
}

#[test]
fn bitfinex_of_2021() {
    let Some(folder) = recordings() else { return };
    let frames = received(&folder, "cryptofeed_BITFINEX.ws.11.0.gz");
    let names = ["tBFTUSD", "tIOTETH", "tDOGUSD", "tMNABTC", "tODEUSD", "tTESTBTC:TESTUSD", "tSNGUSD"];
    let channels = [Channel::Trade, Channel::Book];
    let all = names.iter().enumerate().map(|(at, n)| of(n, at, Some((8, 8)), &channels)).collect();
    let mut line = Line::open(Dialect::named("bitfinex").unwrap(), all, frames[0].0);
    line.settle();
    // Told by the venue in this order by name; the recording subscribed likewise.
    assert_eq!(line.sent[0], r#"{"event":"conf","flags":196608}"#);
    assert_eq!(
        json(&line.sent[2]),
        json(r#"{"event":"subscribe","channel":"book","symbol":"tBFTUSD","prec":"P0","freq":"F0","len":"100"}"#)
    );
    for (now, frame) in &frames {
        line.hear(frame, *now);
    }
    assert!(line.session.is_live());
    // Every frame is numbered, none is missing.
    assert_eq!((line.count(Counter::FrameGaps), line.count(Counter::Undecodable)), (0, 0));
    assert_eq!((line.count(Counter::BookSnapshots), line.count(Counter::BookGaps)), (7, 0));
    let [trades, _, snapshots, deltas, gaps] = line.tally(true);
    assert_eq!((snapshots, gaps), (7, 0));
    assert!(trades > 7 * 20 && deltas > 500, "{trades} {deltas}");
    assert_eq!(line.lane.stats().overflowed.load(Ordering::Relaxed), 0);
}

#[test]
fn what_a_venue_does_not_offer_is_refused() {
    let new = |name: &str, channel| {
        let now = UnixNanos::EPOCH;
        let of = vec![of("X", 0, None, &[channel])];
        Ingest::new(Dialect::named(name).unwrap(), of, IngestLimits::default(), Arc::new(Metrics::new("t")), now).err()
    };
    for (name, channel) in [
        ("kraken", Channel::Bar),
        ("hyperliquid", Channel::Bar),
        ("okx", Channel::Bar),
        ("bitfinex", Channel::Bar),
        ("alpaca-sip", Channel::Book),
    ] {
        let error = new(name, channel).unwrap().to_string();
        assert!(error.contains(name) && error.contains(&format!("{channel:?}")), "{error}");
    }
    assert_eq!(new("alpaca-crypto", Channel::Book), None);
}
