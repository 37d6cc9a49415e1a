//! Bitfinex's own documented messages, in the order of a connection, and what is refused.

use super::super::{Connection, Feed};
use super::*;

struct Session(Connection, Batch);

impl Session {
    fn new(hellos: &[&str]) -> Self {
        let mut session = Self(Connection::new(Feed::named("bitfinex").unwrap()), Batch::new());
        for hello in hellos {
            assert_eq!(session.decode(hello).updates, [Update::Acknowledged], "{hello}");
        }
        session
    }

    fn decode(&mut self, frame: &str) -> &Batch {
        self.0.decode(frame.as_bytes(), &mut self.1).unwrap_or_else(|e| panic!("{e}: {frame}"));
        &self.1
    }

    fn refused(&mut self, frame: &str) -> WireErrorKind {
        self.0.decode(frame.as_bytes(), &mut self.1).unwrap_err().kind
    }
}

fn level(price: &str, size: &str) -> Level {
    Level { price: price.parse().unwrap(), size: size.parse().unwrap() }
}

const TRADES: &str = r#"{"event":"subscribed","channel":"trades","chanId":17470,"symbol":"tBTCUSD","pair":"BTCUSD"}"#;
const BOOK: &str = r#"{"event":"subscribed","channel":"book","chanId":266343,"symbol":"tETHUSD","prec":"P0","freq":"F0","len":"25","subId":123,"pair":"ETHUSD"}"#;
const RAW: &str = r#"{"event":"subscribed","channel":"book","chanId":8,"symbol":"tBTCUSD","prec":"R0","freq":"F0","len":"25","pair":"BTCUSD"}"#;
const FUNDING: &str = r#"{"event":"subscribed","channel":"trades","chanId":9,"symbol":"fUSD","currency":"USD"}"#;

#[test]
fn a_trade_counts_once() {
    let mut session = Session::new(&[TRADES, FUNDING]);
    let frame = r#"[17470,"te",[401597395,1574694478808,-0.005,7245.3]]"#;
    let [Update::Trade { symbol, ts_event, price, size, aggressor, trade_id }] = session.decode(frame).updates[..]
    else {
        panic!()
    };
    assert_eq!(
        (symbol.of(frame.as_bytes()), session.0.symbol(symbol, frame.as_bytes())),
        (&b"17470"[..], &b"tBTCUSD"[..])
    );
    assert_eq!((ts_event.get(), trade_id, aggressor), (1_574_694_478_808_000_000, 401_597_395, Some(Side::Sell)));
    assert_eq!((price.to_string().as_str(), size.to_string().as_str()), ("7245.3", "0.005"));
    assert_eq!(session.decode(&frame.replace("te", "tu")).updates, [Update::Ignored]);
    // Lending is no trade of the market.
    let lent = r#"[9,"fte",[133323543,1574694605000,-59.84,0.00023647,2]]"#;
    assert_eq!(session.decode(lent).updates, [Update::Ignored]);
    assert_eq!(session.decode("[9,[[133323072,1574694245478,-258.7458086,0.00023647,2]]]").updates, [Update::Ignored]);
}

#[test]
fn a_book_by_price() {
    let mut session = Session::new(&[BOOK]);
    let batch = session.decode("[266343,[[7254.7,3,3.3],[7254.8,1,-0.5],[12000000000,1,-1]]]");
    let [Update::Book { book, .. }] = batch.updates[..] else { panic!() };
    assert_eq!((book.coverage, batch.levels_of(book.bids)), (Coverage::Snapshot, &[level("7254.7", "3.3")][..]));
    assert_eq!(batch.levels_of(book.asks), [level("7254.8", "0.5")], "an ask of twelve billion is left out");
    for (frame, bids, asks) in [
        ("[266343,[7254.5,1,0.25]]", vec![level("7254.5", "0.25")], vec![]),
        ("[266343,[7254.5,0,1]]", vec![level("7254.5", "0")], vec![]),
        ("[266343,[7254.8,0,-1]]", vec![], vec![level("7254.8", "0")]),
    ] {
        let batch = session.decode(frame);
        let [Update::Book { book, .. }] = batch.updates[..] else { panic!() };
        assert_eq!(book.coverage, Coverage::Delta);
        assert_eq!((batch.levels_of(book.bids), batch.levels_of(book.asks)), (&bids[..], &asks[..]), "{frame}");
    }
    let [Update::Book { book, .. }] = session.decode("[266343,\"cs\",-1220337712]").updates[..] else { panic!() };
    // As two's complement.
    assert_eq!((book.checksum, book.bids.len, book.asks.len), (Some(3_074_629_584), 0, 0));
    assert!(matches!(session.refused("[266343,\"cs\",3074629584]"), WireErrorKind::Integer { .. }));
    assert!(matches!(session.refused("[266343,[1,1,-9223372036.854775808]]"), WireErrorKind::Decimal(_)));
}

#[test]
fn a_book_order_by_order() {
    let mut session = Session::new(&[RAW]);
    let batch = session.decode("[8,[[34006738527,8744.9,0.25],[34005734397,8745,-1.5]]]");
    let [Update::Orders { coverage, orders, .. }] = batch.updates[..] else { panic!() };
    let told: Vec<_> = batch.orders_of(orders).iter().map(|row| (row.action, row.order_id, row.side)).collect();
    let (bid, ask) =
        ((OrderAction::Add, 34_006_738_527, Some(Side::Buy)), (OrderAction::Add, 34_005_734_397, Some(Side::Sell)));
    assert_eq!((coverage, told), (Coverage::Snapshot, vec![bid, ask]));
    let batch = session.decode("[8,[34005734397,0,-1]]");
    let [Update::Orders { coverage, orders, .. }] = batch.updates[..] else { panic!() };
    let deleted = BookOrder {
        action: OrderAction::Delete,
        order_id: 34_005_734_397,
        side: Some(Side::Sell),
        price: Price::ZERO,
        size: Qty::ZERO,
    };
    assert_eq!((coverage, batch.orders_of(orders)), (Coverage::Delta, &[deleted][..]));
    let [Update::Orders { checksum, orders, .. }] = session.decode("[8,\"cs\",1]").updates[..] else { panic!() };
    assert_eq!((checksum, orders.len), (Some(1), 0));
}

#[test]
fn numbers_and_stamps_where_they_are_configured() {
    let mut session = Session::new(&[TRADES, BOOK]);
    let mut tell = |flags: u64, frame: &str| {
        session.decode(&format!(r#"{{"event":"conf","status":"OK","flags":{flags}}}"#));
        let batch = session.decode(frame);
        let stamp = match batch.updates[..] {
            [Update::Book { book, .. }] => book.ts_event.get(),
            _ => 0,
        };
        (batch.frame_number, stamp)
    };
    assert_eq!(tell(0, "[266343,[1,1,1]]"), (None, 0));
    assert_eq!(tell(65_536, "[266343,[1,1,1],17]"), (Some(17), 0));
    assert_eq!(tell(65_536, "[17470,\"te\",[1,2,3,4],18]"), (Some(18), 0));
    assert_eq!(tell(65_536, "[17470,\"hb\",19]"), (Some(19), 0));
    assert_eq!(tell(32_768, "[266343,[1,1,1],1574694478808]"), (None, 1_574_694_478_808_000_000));
    assert_eq!(tell(98_304, "[266343,[1,1,1],20,1574694478808]"), (Some(20), 1_574_694_478_808_000_000));
    assert_eq!(tell(229_376, "[266343,\"cs\",5,21,1574694478808]"), (Some(21), 1_574_694_478_808_000_000));
}

#[test]
fn channels_come_and_go() {
    let mut session = Session::new(&[]);
    assert_eq!(session.decode("[17470,\"hb\"]").updates, [Update::Heartbeat], "before it is announced, too");
    let frame = "[17470,\"te\",[1,2,3,4]]";
    assert_eq!(session.refused(frame), WireErrorKind::UnknownChannel(17_470));
    session.decode(TRADES);
    session.decode(frame);
    // A refused frame announces nothing.
    assert!(matches!(session.refused(&TRADES.replace("BTCUSD\"}", "BTCUSD\"")), WireErrorKind::Expected { .. }));
    session.decode(r#"{"event":"unsubscribed","status":"OK","chanId":17470}"#);
    assert_eq!(session.refused(frame), WireErrorKind::UnknownChannel(17_470));
    let refused = r#"{"event":"error","msg":"symbol: invalid","code":10300,"pair":"XXX"}"#;
    let [Update::Refused(text)] = session.decode(refused).updates[..] else { panic!() };
    assert_eq!(text.of(refused.as_bytes()), b"symbol: invalid");
    let restart = r#"{"event":"info","code":20051,"msg":"Stopping. Please try to reconnect"}"#;
    assert!(matches!(session.decode(restart).updates[..], [Update::Refused(_)]));
    assert_eq!(
        session.decode(r#"{"event":"info","version":2,"platform":{"status":1}}"#).updates,
        [Update::Acknowledged]
    );
}
