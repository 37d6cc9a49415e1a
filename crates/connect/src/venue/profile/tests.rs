use std::io::Write;

use starling_market::wire::{Batch, Connection, Feed, Update};

use super::super::desk::{Desk, Seat};
use super::super::state::State;
use super::super::tape::Tape;
use super::*;
use crate::dialect::Topic;
use crate::lane::Channel;

/// A recorded message of each venue, with the symbol it is of.
const RECORDED: &[(&str, &str, &str)] = &[
    ("binance", "BTCUSDT", r#"{"e":"trade","E":1,"s":"BTCUSDT","t":1,"p":"1","q":"1","T":1,"m":true}"#),
    ("bitfinex", "tBTCUSD", r#"{"event":"subscribed","channel":"book","chanId":8047,"symbol":"tBTCUSD","prec":"P0"}"#),
    ("bitfinex", "tBTCUSD", "[8047,[[9,1,0.5],[10,1,-0.5]]]"),
    (
        "bybit",
        "BTCUSDT",
        r#"{"topic":"orderbook.50.BTCUSDT","type":"snapshot","ts":1,"data":{"s":"BTCUSDT","b":[["9","0.5"]],"a":[["10","0.5"]],"u":7,"seq":9}}"#,
    ),
    (
        "coinbase",
        "BTC-USD",
        r#"{"channel":"l2_data","client_id":"","timestamp":"2026-04-07T14:30:00Z","sequence_num":44,"events":[{"type":"snapshot","product_id":"BTC-USD","updates":[{"side":"bid","event_time":"2026-04-07T14:30:00Z","price_level":"9","new_quantity":"0.5"},{"side":"offer","event_time":"2026-04-07T14:30:00Z","price_level":"10","new_quantity":"0.5"}]}]}"#,
    ),
    (
        "hyperliquid",
        "BTC",
        r#"{"channel":"l2Book","data":{"coin":"BTC","time":1,"levels":[[{"px":"9","sz":"0.5","n":1}],[{"px":"10","sz":"0.5","n":1}]]}}"#,
    ),
    (
        "kraken",
        "BTC/USD",
        r#"{"channel":"book","type":"snapshot","data":[{"symbol":"BTC/USD","bids":[{"price":9,"qty":0.5}],"asks":[{"price":10,"qty":0.5}]}]}"#,
    ),
    (
        "okx",
        "BTC-USDT",
        r#"{"arg":{"channel":"books","instId":"BTC-USDT"},"action":"snapshot","data":[{"asks":[["10","0.5","0","1"]],"bids":[["9","0.5","0","1"]],"ts":"1","prevSeqId":-1,"seqId":7}]}"#,
    ),
];

/// A venue that has recorded one book, played to its end, and one client.
struct Venue {
    profile: &'static Profile,
    symbol: &'static str,
    tape: Tape,
    state: State,
    seat: Seat,
}

impl Venue {
    fn of(profile: &'static Profile) -> Self {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let mut symbol = "";
        for (venue, name, message) in RECORDED {
            if profile.name.starts_with(venue) {
                writeln!(file, "1723161253937085768 {message}").unwrap();
                symbol = name;
            }
        }
        let tape = Tape::open(profile, &[file.path().to_owned()]).unwrap();
        let mut state = State::new(profile, &tape);
        tape.frames.iter().for_each(|frame| state.play(&tape.names, frame));
        Self { profile, symbol, tape, state, seat: Seat::default() }
    }

    fn topics(&self, symbol: &str) -> Vec<Topic> {
        [Channel::Book].map(|channel| Topic { symbol: symbol.to_owned(), channel }).to_vec()
    }

    fn with(&mut self, speak: impl FnOnce(&mut Desk<'_>)) -> Vec<Bytes> {
        let mut desk = Desk { tape: &self.tape, state: &self.state, seat: &mut self.seat, said: Vec::new() };
        speak(&mut desk);
        desk.said
    }

    fn tell(&mut self, message: &str) -> Vec<Bytes> {
        let hear = self.profile.hear;
        self.with(|desk| hear(message, desk))
    }
}

fn decoded(wire: &mut Connection, said: &[Bytes]) -> Vec<Update> {
    let mut batch = Batch::new();
    let mut updates = Vec::new();
    for frame in said {
        wire.decode(frame, &mut batch).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(frame)));
        updates.append(&mut batch.updates);
    }
    updates
}

#[test]
fn profiles_have_dialects() {
    assert!(PROFILES.windows(2).all(|p| p[0].name < p[1].name));
    for profile in PROFILES {
        assert_eq!(profile.dialect().name, profile.name);
        let path = profile.dialect().stream_path;
        assert!((profile.open)(profile, path, "").is_some_and(|(names, _)| names.is_empty()), "{}", profile.name);
        assert!((profile.open)(profile, "/nowhere", "").is_none());
    }
}

#[test]
fn what_a_dialect_asks_its_profile_confirms_and_begins_with_the_book() {
    for profile in PROFILES {
        let mut venue = Venue::of(profile);
        let dialect = profile.dialect();
        let mut wire = Connection::new(Feed::named(dialect.feed).unwrap());
        let mut said = profile.greet.map_or_else(Vec::new, |greet| venue.with(greet));
        assert_eq!(said.len(), dialect.greetings, "{}", profile.name);
        let topics = venue.topics(venue.symbol);
        let messages = (dialect.subscribe)(&topics);
        for message in &messages {
            said.extend(venue.tell(message));
        }
        let updates = decoded(&mut wire, &said);
        let confirmed = updates.iter().filter(|u| matches!(u, Update::Acknowledged)).count();
        assert_eq!(confirmed, dialect.greetings + dialect.confirmations(&topics, &messages), "{}", profile.name);
        let books: Vec<_> = updates.iter().filter(|u| matches!(u, Update::Book { .. })).collect();
        assert_eq!(books.len(), usize::from(!profile.name.starts_with("binance")), "{}: {updates:?}", profile.name);
        for book in books {
            let Update::Book { book, .. } = book else { unreachable!("filtered") };
            assert_eq!((book.bids.len, book.asks.len), (1, 1), "{}", profile.name);
        }
        assert_eq!(venue.seat.subscriptions().filter(|(channel, ..)| *channel != "heartbeats").count(), 1);
        // It ends as it was asked for.
        let ends = dialect.unsubscribe.map_or_else(Vec::new, |unsubscribe| unsubscribe(&topics));
        for message in &ends {
            let updates = decoded(&mut wire, &venue.tell(message));
            assert!(matches!(updates[..], [Update::Acknowledged]), "{}: {updates:?}", profile.name);
            assert!(venue.seat.wanted.iter().all(Option::is_none));
        }
    }
}

#[test]
fn pings_are_answered_and_what_there_is_not_is_refused() {
    for profile in PROFILES {
        let mut venue = Venue::of(profile);
        let dialect = profile.dialect();
        let mut wire = Connection::new(Feed::named(dialect.feed).unwrap());
        if let Some(ping) = dialect.ping_text {
            let updates = decoded(&mut wire, &venue.tell(ping));
            assert!(matches!(updates[..], [Update::Heartbeat]), "{}: {updates:?}", profile.name);
        }
        if let Some(heartbeat) = profile.heartbeat {
            (dialect.subscribe)(&venue.topics(venue.symbol)).iter().for_each(|message| _ = venue.tell(message));
            let updates = decoded(&mut wire, &venue.with(heartbeat.say));
            assert!(matches!(updates[..], [Update::Heartbeat]), "{}: {updates:?}", profile.name);
        }
        let mut wrong = (dialect.subscribe)(&venue.topics("NONE"));
        wrong.extend(["{}".to_owned(), "[]".to_owned(), "nonsense".to_owned(), "\"".to_owned()]);
        let said: Vec<Bytes> = wrong.iter().flat_map(|message| venue.tell(message)).collect();
        assert!(said.len() >= 4, "{}", profile.name);
        let refused = decoded(&mut wire, &said).iter().filter(|u| matches!(u, Update::Refused(_))).count();
        // Binance takes any name; that of a stream which never speaks is no error there.
        assert!(refused >= if profile.name.starts_with("binance") { 4 } else { 5 }, "{}: {refused}", profile.name);
    }
}

#[test]
fn a_recorded_number_gives_way_to_the_clients_count() {
    let mut seat = Seat { flags: 65_536, ..Seat::default() };
    let frame = Bytes::from_static(br#"{"channel":"ticker","sequence_num":812,"events":[]}"#);
    let coinbase = Profile::named("coinbase").unwrap();
    for number in 0..3 {
        let text = format!(r#"{{"channel":"ticker","sequence_num":{number},"events":[]}}"#);
        assert_eq!(coinbase.numbered(&mut seat, frame.clone()), text);
    }
    let exchange = Bytes::from_static(br#"{"type":"match","trade_id":1}"#);
    assert_eq!(coinbase.numbered(&mut seat, exchange.clone()), exchange);
    assert_eq!(seat.numbered, 3);

    // [channel, payload, number]: the channel is that of the tape, the number comes and goes with the client's flags.
    let mut names = Names::default();
    names.flags = 65_536;
    let bitfinex = Profile::named("bitfinex").unwrap();
    let subscribed = br#"{"event":"subscribed","channel":"trades","chanId":232959,"symbol":"tBTCUSD"}"#;
    assert_eq!((bitfinex.stream)(subscribed, &mut names), None);
    assert_eq!((bitfinex.stream)(b"[232959,\"hb\",17]", &mut names), None);
    let (stream, data) = (bitfinex.stream)(br#"[232959,"te",[1,2,-0.5,4],18]"#, &mut names).unwrap();
    assert_eq!((stream, &data[..]), (0, &br#"[1,"te",[1,2,-0.5,4]]"#[..]));
    seat.numbered = 0;
    assert_eq!(bitfinex.numbered(&mut seat, data.clone()), &br#"[1,"te",[1,2,-0.5,4],1]"#[..]);
    seat.flags = 0;
    assert_eq!(bitfinex.numbered(&mut seat, data.clone()), data);
}
