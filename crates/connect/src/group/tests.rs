use starling_core::time::{MILLISECOND, SECOND};
use starling_core::{Price, Qty, Quote};

use super::*;
use crate::fanout::Fanout;
use crate::lane::{BookChange, LaneWriter};

const T0: u64 = 1_723_161_253 * SECOND;
const LIMITS: FailoverLimits = FailoverLimits { stale_ns: 500 * MILLISECOND, settle_ns: 2 * SECOND };

fn at(ms: u64) -> UnixNanos {
    UnixNanos::new(T0 + ms * MILLISECOND)
}

/// A group over connections that a test speaks for.
struct Rig {
    group: Group,
    door: GroupDoor,
    lines: Vec<Fanout>,
    metrics: Arc<Metrics>,
}

impl Rig {
    fn new(lines: usize, numbers: TradeNumbers) -> Self {
        let of = [LaneInstrument { instrument: InstrumentId(3), numbers, refill: true }];
        let made: Vec<(Fanout, Door)> = (0..lines).map(|_| Fanout::new(&of, Arc::new(Metrics::new("l")))).collect();
        let (lines, doors): (Vec<_>, Vec<_>) = made.into_iter().unzip();
        let metrics = Arc::new(Metrics::new("g"));
        let (group, door) = Group::new(doors, true, LIMITS, Arc::clone(&metrics), at(0)).unwrap();
        Self { group, door, lines, metrics }
    }

    fn subscribe(&mut self) -> GroupReader {
        let reader = self.door.subscribe(LaneLimits::default()).unwrap();
        for line in &mut self.lines {
            line.attend();
        }
        reader
    }

    fn lane(&mut self, line: usize, ms: u64) -> &mut LaneWriter {
        self.lines[line].pulses().beat(0, at(ms));
        &mut self.lines[line].lanes()[0]
    }

    fn trade(&mut self, line: usize, id: u64, ms: u64) {
        let trade = Trade {
            instrument: InstrumentId(3),
            ts_event: at(id),
            ts_recv: at(ms),
            price: Price::ONE,
            size: Qty::ONE,
            aggressor: None,
            trade_id: id,
        };
        self.lane(line, ms).trade(0, trade, at(ms));
    }

    fn quote(&mut self, line: usize, bid: i64, ts: u64, ms: u64) {
        let quote = Quote {
            instrument: InstrumentId(3),
            ts_event: at(ts),
            ts_recv: at(ms),
            bid: Price::from_int(bid),
            ask: Price::from_int(bid + 1),
            bid_size: Qty::ONE,
            ask_size: Qty::ONE,
        };
        self.lane(line, ms).quote(0, quote);
    }

    fn book(&mut self, line: usize, coverage: Coverage, last_id: u64, ms: u64) {
        let change = BookChange { coverage, ts_event: at(ms), last_id, bids: Box::default(), asks: Box::default() };
        self.lane(line, ms).book(0, at(ms), &Arc::new(change));
    }

    /// What the connections do every few milliseconds; `book` is the number of their whole mirrors.
    fn tick(&mut self, book: u64, ms: u64) -> Vec<Switched> {
        let bids = Box::default();
        let whole =
            BookChange { coverage: Coverage::Snapshot, ts_event: at(ms), last_id: book, asks: Box::default(), bids };
        let whole = Arc::new(whole);
        for line in &mut self.lines {
            for lane in line.lanes() {
                lane.flush(at(ms), &|_| Some(Arc::clone(&whole)));
            }
        }
        let mut out = Vec::new();
        self.group.check(at(ms), &mut out);
        out
    }
}

fn told(reader: &mut GroupReader) -> Vec<String> {
    let mut told = Vec::new();
    while let Some(item) = reader.pop() {
        told.push(match item {
            Item::Trade(t) => format!("t{}", t.trade_id),
            Item::Quote(q) => format!("q{}", q.bid.units() / starling_core::fixed::SCALE),
            Item::Bar(b) => format!("b{}", b.interval_ns),
            Item::Book { change, .. } => {
                format!("{}{}", if change.coverage == Coverage::Snapshot { "s" } else { "d" }, change.last_id)
            }
            Item::BookLost { .. } => "lost".into(),
            Item::Gap(g) => format!("{:?} {}..={} ({})", g.state, g.first_id, g.last_id, g.count),
            Item::Stale { channel, .. } => format!("stale {channel:?}"),
            Item::Fresh { channel, .. } => format!("fresh {channel:?}"),
            Item::Switched { from, to, .. } => format!("{from}>{to}"),
        });
    }
    told
}

#[test]
fn the_second_takes_over_with_the_trades_the_first_did_not_say_and_a_book_anew() {
    let mut rig = Rig::new(2, TradeNumbers::Contiguous);
    let mut reader = rig.subscribe();
    for line in 0..2 {
        rig.book(line, Coverage::Snapshot, 1, 0);
        rig.trade(line, 10, 1);
        rig.trade(line, 11, 2);
        rig.quote(line, 100, 2, 2);
        rig.book(line, Coverage::Delta, 2, 3);
    }
    assert_eq!(rig.tick(2, 4), []);
    assert_eq!(told(&mut reader), ["s1", "t10", "t11", "q100", "d2"]);
    // The first falls silent after 12, the second goes on.
    rig.trade(0, 12, 5);
    for (id, ms) in [(12, 5), (13, 100), (14, 200), (15, 601)] {
        rig.trade(1, id, ms);
        assert_eq!(rig.tick(2, ms).len(), usize::from(ms == 601));
        rig.book(1, Coverage::Delta, id, ms);
    }
    assert_eq!(told(&mut reader), ["t12", "lost", "0>1", "t13", "t14", "t15"]);
    rig.book(1, Coverage::Delta, 16, 602);
    rig.tick(16, 603);
    rig.book(1, Coverage::Delta, 17, 604);
    rig.trade(1, 16, 604);
    assert_eq!(told(&mut reader), ["s16", "d17", "t16"]);
    assert_eq!((rig.metrics.get(Counter::Failovers), rig.metrics.gauge(Gauge::AwayFromFirst)), (1, 1));

    // The first is back, with what it could not say; it is listened to again once it has settled.
    for id in 13..=16 {
        rig.trade(0, id, 610);
    }
    for ms in (700..2_600).step_by(100) {
        rig.quote(0, 101, ms, ms);
        rig.quote(1, 102, ms, ms);
        assert_eq!(rig.tick(20, ms), []);
    }
    told(&mut reader);
    rig.quote(1, 103, 2_700, 2_700);
    rig.quote(0, 101, 2_700, 2_700);
    let switch = Switch { from: 1, to: 0 };
    assert_eq!(rig.tick(20, 2_700), [Switched { instrument: InstrumentId(3), switch }]);
    // Told already, and an older quote, are not told again.
    rig.trade(0, 17, 2_701);
    rig.quote(0, 99, 2_500, 2_702);
    rig.quote(0, 104, 2_702, 2_702);
    rig.tick(21, 2_703);
    let heard = told(&mut reader);
    assert_eq!(heard[..5], ["q103", "lost", "1>0", "q101", "t17"]);
    assert!(heard.contains(&"q104".into()) && !heard.contains(&"q99".into()), "{heard:?}");
    assert_eq!(rig.metrics.gauge(Gauge::AwayFromFirst), 0);
    rig.quote(0, 105, 2_703, 2_703);
    assert_eq!(told(&mut reader), ["q105"]);
    assert!(rig.metrics.get(Counter::Duplicates) >= 1);
}

#[test]
fn all_readers_follow_and_a_late_one_learns_where_it_is() {
    let mut rig = Rig::new(2, TradeNumbers::Contiguous);
    let mut early = rig.subscribe();
    rig.trade(0, 10, 0);
    rig.trade(1, 10, 0);
    rig.tick(1, 1);
    // Its connection is known to be lost: no need to wait for it to be stale.
    rig.lines[0].pulses().stop();
    assert_eq!(rig.tick(1, 2).len(), 1);
    let mut late = rig.door.subscribe(LaneLimits::default()).unwrap();
    for line in &mut rig.lines {
        line.attend();
    }
    let trade = |rig: &mut Rig, id| {
        for lane in 0..2 {
            let trade = Trade {
                instrument: InstrumentId(3),
                ts_event: at(id),
                ts_recv: at(5),
                price: Price::ONE,
                size: Qty::ONE,
                aggressor: None,
                trade_id: id,
            };
            rig.lines[1].lanes()[lane].trade(0, trade, at(5));
        }
    };
    trade(&mut rig, 11);
    rig.tick(7, 6);
    assert_eq!(told(&mut early), ["t10", "s1", "lost", "0>1", "s1", "t11"]);
    assert_eq!(told(&mut late), ["0>1", "t11", "s7"], "it never heard the first");
}

#[test]
fn what_nobody_has_is_marked_and_what_the_standby_has_closes_an_open_gap() {
    let mut rig = Rig::new(2, TradeNumbers::Contiguous);
    let mut reader = rig.subscribe();
    // The first misses 12 and asks for it; the second has it, but lacks 15.
    for id in [10, 11, 13] {
        rig.trade(0, id, 1);
    }
    for id in [10, 11, 12, 13, 14] {
        rig.trade(1, id, 2);
    }
    rig.tick(1, 300);
    rig.tick(1, 301);
    assert_eq!(told(&mut reader), ["t10", "t11", "Opened 12..=12 (1)", "s1"]);
    rig.lines[0].pulses().stop();
    rig.tick(1, 302);
    rig.trade(1, 16, 303);
    rig.lines[1].lanes()[0].restart_trades(0, 17, at(304));
    rig.trade(1, 17, 304);
    let told = told(&mut reader);
    assert_eq!(told[..5], ["lost", "0>1", "t12", "Filled 12..=12 (1)", "t13"]);
    assert!(told.contains(&"Lost 15..=16 (2)".to_owned()) && told.last() == Some(&"t17".to_owned()), "{told:?}");
}

#[test]
fn providers_that_number_otherwise_leave_a_gap_of_unknown_size() {
    let mut rig = Rig::new(2, TradeNumbers::Opaque);
    let mut reader = rig.subscribe();
    rig.trade(0, 900, 1);
    rig.trade(1, 7, 1);
    rig.tick(0, 2);
    told(&mut reader);
    rig.lines[0].pulses().stop();
    rig.tick(0, 3);
    rig.trade(1, 8, 4);
    rig.trade(1, 901, 5);
    let told = told(&mut reader);
    // `ts_event` follows the id here: 8 is older than what was told.
    assert_eq!(
        told.iter().filter(|t| !t.starts_with('s')).collect::<Vec<_>>(),
        ["lost", "0>1", "Lost 0..=0 (0)", "t901"]
    );
}

#[test]
fn staleness_is_that_of_the_provider_listened_to() {
    let mut rig = Rig::new(2, TradeNumbers::Contiguous);
    let mut reader = rig.subscribe();
    rig.trade(0, 1, 1);
    rig.trade(1, 1, 1);
    rig.tick(0, 2);
    rig.lane(0, 3).staleness(0, Channel::Quote, true, at(3));
    rig.lane(1, 3).staleness(0, Channel::Bar, true, at(3));
    told(&mut reader);
    rig.lines[0].pulses().stop();
    rig.tick(0, 4);
    let told = told(&mut reader);
    let at = told.iter().position(|t| t == "0>1").unwrap();
    assert_eq!(told[at + 1..at + 3], ["fresh Quote", "stale Bar"]);
}

#[test]
fn the_standby_keeps_no_more_than_it_may() {
    let mut rig = Rig::new(2, TradeNumbers::Increasing);
    let mut reader = rig.subscribe();
    rig.trade(0, 1, 1);
    for id in 2..=STANDBY_TRADES_MAX as u64 + 11 {
        rig.trade(1, id, 2);
        while reader.pop().is_some() {}
    }
    assert_eq!(rig.metrics.get(Counter::StandbyForgotten), 10);
    rig.tick(0, 3);
    rig.lines[0].pulses().stop();
    rig.tick(0, 4);
    let trades: Vec<String> = told(&mut reader).into_iter().filter(|t| t.starts_with('t')).collect();
    assert_eq!((trades.len(), trades[0].as_str()), (STANDBY_TRADES_MAX, "t12"));
}

#[test]
fn groups_that_cannot_be_are_refused() {
    let door = |ids: &[u32]| {
        let of =
            |id: &u32| LaneInstrument { instrument: InstrumentId(*id), numbers: TradeNumbers::Opaque, refill: false };
        Fanout::new(&ids.iter().map(of).collect::<Vec<_>>(), Arc::new(Metrics::new("t"))).1
    };
    let new = |doors| Group::new(doors, true, LIMITS, Arc::new(Metrics::new("t")), at(0)).err();
    assert_eq!(new(vec![]), Some(GroupError::Providers(0)));
    assert_eq!(new((0..9).map(|_| door(&[1])).collect()), Some(GroupError::Providers(9)));
    assert_eq!(new(vec![door(&[1, 2]), door(&[2, 1])]), Some(GroupError::Instruments(1)));
    assert_eq!(new(vec![door(&[1, 1])]), Some(GroupError::Twice(1)));
    assert_eq!(new(vec![door(&[1]), door(&[1])]), None);
}
