use std::collections::BTreeSet;

use proptest::prelude::*;
use starling_sim::rng::SplitMix64;

use super::*;

const T0: u64 = 1_723_161_253 * SECOND;

fn at(ms: u64) -> UnixNanos {
    UnixNanos::new(T0 + ms * MILLISECOND)
}

fn trade(id: u64) -> Trade {
    Trade {
        instrument: InstrumentId(7),
        ts_event: at(id),
        ts_recv: at(id),
        price: Price::from_int(100),
        size: Qty::from_int(1),
        aggressor: None,
        trade_id: id,
    }
}

fn quote(n: i64) -> Quote {
    Quote {
        instrument: InstrumentId(7),
        ts_event: at(0),
        ts_recv: at(0),
        bid: Price::from_int(n),
        ask: Price::from_int(n + 1),
        bid_size: Qty::ONE,
        ask_size: Qty::ONE,
    }
}

fn change(coverage: Coverage, last_id: u64) -> Arc<BookChange> {
    Arc::new(BookChange { coverage, ts_event: at(0), last_id, bids: Box::default(), asks: Box::default() })
}

/// What a lane wants is asked for.
fn ask(w: &mut LaneWriter, now: UnixNanos) -> Option<(u64, u64)> {
    let Wanted { first, last, .. } = w.wanted(0, now)?;
    w.asked(0, now);
    Some((first, last))
}

fn one(contiguous_trades: bool, ring_max: usize, hold_max: usize) -> (LaneWriter, LaneReader) {
    let limits = LaneLimits { ring_max, hold_max, ..LaneLimits::default() };
    let numbers = if contiguous_trades { TradeNumbers::Contiguous } else { TradeNumbers::Increasing };
    lane(&[LaneInstrument { instrument: InstrumentId(7), numbers, refill: true }], limits)
}

fn no_book(_: usize) -> Option<Arc<BookChange>> {
    None
}

fn drain(reader: &mut LaneReader) -> Vec<String> {
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
            Item::Switched { .. } => unreachable!("a lane knows one connection"),
        });
    }
    told
}

#[test]
fn a_late_trade_takes_its_place_and_no_gap_is_cried() {
    let (mut w, mut r) = one(true, 100, 100);
    for (ms, id) in [(0, 10), (1, 12), (2, 13), (3, 11), (4, 11), (5, 14)] {
        w.trade(0, trade(id), at(ms));
    }
    assert_eq!(drain(&mut r), ["t10", "t11", "t12", "t13", "t14"]);
    w.flush(at(1_000), &no_book);
    assert!(w.is_settled() && ask(&mut w, at(1_000)).is_none());
    assert_eq!(w.stats().duplicates.load(Ordering::Relaxed), 1);
}

#[test]
fn a_missing_range_is_marked_asked_for_once_and_filled_in_its_place() {
    let (mut w, mut r) = one(true, 100, 100);
    w.trade(0, trade(10), at(0));
    w.trade(0, trade(15), at(1));
    w.flush(at(100), &no_book);
    assert_eq!(ask(&mut w, at(100)), None, "within the grace");
    w.flush(at(202), &no_book);
    assert_eq!(ask(&mut w, at(202)), Some((11, 14)));
    assert_eq!(ask(&mut w, at(300)), None, "asked already");
    w.trade(0, trade(16), at(301));
    // The venue's page is cut in the middle: the rest is asked for again.
    w.refill(0, &[trade(9), trade(11), trade(12)], at(310));
    assert_eq!(ask(&mut w, at(311)), Some((13, 14)));
    w.refill(0, &[trade(13), trade(14), trade(15)], at(320));
    assert_eq!(
        drain(&mut r),
        ["t10", "Opened 11..=14 (4)", "t11", "t12", "t13", "t14", "Filled 11..=14 (4)", "t15", "t16"]
    );
    w.flush(at(330), &no_book);
    assert!(w.is_settled());
}

#[test]
fn where_nothing_can_be_asked_for_a_missing_range_is_lost_after_the_grace() {
    let of = LaneInstrument { instrument: InstrumentId(7), numbers: TradeNumbers::Contiguous, refill: false };
    let (mut w, mut r) = lane(&[of], LaneLimits::default());
    for (ms, id) in [(0, 10), (1, 13), (2, 14)] {
        w.trade(0, trade(id), at(ms));
    }
    w.flush(at(200), &no_book);
    assert_eq!(drain(&mut r), ["t10"], "it may be only late");
    w.flush(at(201), &no_book);
    assert_eq!(drain(&mut r), ["Lost 11..=12 (2)", "t13", "t14"]);
    assert!(w.is_settled() && ask(&mut w, at(300)).is_none());
    assert_eq!((w.stats().lost.load(Ordering::Relaxed), w.stats().gaps_opened.load(Ordering::Relaxed)), (2, 0));
}

#[test]
fn staleness_is_told_once_each_way_and_waits_for_room() {
    let (mut w, mut r) = one(true, 2, 100);
    w.staleness(0, Channel::Quote, true, at(0));
    w.staleness(0, Channel::Quote, true, at(1));
    assert_eq!(drain(&mut r), ["stale Quote"]);
    w.quote(0, quote(1));
    w.quote(0, quote(2));
    // No room: the turn of the quotes waits, and that of the trades cancels out.
    w.staleness(0, Channel::Quote, false, at(2));
    w.staleness(0, Channel::Trade, true, at(3));
    w.staleness(0, Channel::Trade, false, at(4));
    assert!(!w.is_settled());
    assert_eq!(drain(&mut r), ["q1", "q2"]);
    w.flush(at(5), &no_book);
    assert_eq!(drain(&mut r), ["fresh Quote"]);
    assert!(w.is_settled());
    assert_eq!(w.stats().went_stale.load(Ordering::Relaxed), 1);
}

#[test]
fn a_reader_may_ask_for_a_book_anew() {
    let (mut w, mut r) = one(true, 100, 100);
    w.book(0, at(0), &change(Coverage::Snapshot, 1));
    w.book(0, at(1), &change(Coverage::Delta, 2));
    r.resync(0);
    assert!(!w.is_settled());
    w.flush(at(2), &|_| Some(change(Coverage::Snapshot, 2)));
    w.book(0, at(3), &change(Coverage::Delta, 3));
    assert_eq!(drain(&mut r), ["s1", "d2", "s2", "d3"]);
    // Without a whole mirror it is unknown until the next one.
    r.resync(0);
    w.flush(at(4), &no_book);
    w.book(0, at(5), &change(Coverage::Delta, 4));
    w.book(0, at(6), &change(Coverage::Snapshot, 9));
    assert_eq!(drain(&mut r), ["s9"]);
    assert_eq!(w.stats().resyncs.load(Ordering::Relaxed), 2);
    assert!(w.is_settled());
}

#[test]
fn a_range_the_venue_does_not_have_is_marked_lost() {
    let (mut w, mut r) = one(true, 100, 100);
    w.trade(0, trade(10), at(0));
    w.trade(0, trade(13), at(1));
    w.flush(at(300), &no_book);
    for n in 0..3 {
        assert_eq!(ask(&mut w, at(300 + n)), Some((11, 12)));
        w.refill(0, &[], at(300 + n));
    }
    assert_eq!(drain(&mut r), ["t10", "Opened 11..=12 (2)", "Lost 11..=12 (2)", "t13"]);
    // And without any answer, by time.
    w.trade(0, trade(20), at(400));
    w.flush(at(700), &no_book);
    w.flush(at(30_699), &no_book);
    assert_eq!(drain(&mut r), ["Opened 14..=19 (6)"]);
    w.flush(at(30_700), &no_book);
    assert_eq!(drain(&mut r), ["Lost 14..=19 (6)", "t20"]);
    assert_eq!(w.stats().lost.load(Ordering::Relaxed), 8);
}

#[test]
fn a_full_lane_holds_then_marks_then_catches_up() {
    let (mut w, mut r) = one(true, 4, 3);
    for id in 1..=20 {
        w.trade(0, trade(id), at(id));
    }
    // Four in the ring, three held, thirteen found no room.
    assert_eq!(w.stats().overflowed.load(Ordering::Relaxed), 13);
    assert_eq!(drain(&mut r), ["t1", "t2", "t3", "t4"]);
    w.flush(at(30), &no_book);
    w.flush(at(300), &no_book);
    assert_eq!(ask(&mut w, at(300)), None, "a ring that is still full is not filled further");
    assert_eq!(drain(&mut r), ["t5", "t6", "t7", "Opened 8..=20 (13)"]);
    let mut told = Vec::new();
    for _ in 0..40 {
        w.flush(at(300), &no_book);
        if let Some((first, last)) = ask(&mut w, at(300)) {
            w.refill(0, &(first..=last).map(trade).collect::<Vec<_>>(), at(300));
        }
        told.extend(drain(&mut r));
    }
    let expected: Vec<String> = (8..=20).map(|id| format!("t{id}")).chain(["Filled 8..=20 (13)".to_owned()]).collect();
    assert_eq!(told, expected);
    assert!(w.is_settled());
}

#[test]
fn trades_without_numbers_are_counted_where_they_are_missing() {
    let (mut w, mut r) = one(false, 2, 2);
    for id in [5, 3, 9, 4, 8, 7, 6] {
        w.trade(0, trade(id), at(0));
    }
    let mut told = drain(&mut r);
    for _ in 0..3 {
        w.flush(at(1), &no_book);
        told.extend(drain(&mut r));
    }
    w.trade(0, trade(2), at(2));
    told.extend(drain(&mut r));
    assert_eq!(told, ["t5", "t3", "t9", "t4", "Lost 0..=0 (3)", "t2"]);
}

#[test]
fn quotes_conflate_to_the_latest() {
    let (mut w, mut r) = one(true, 2, 2);
    for n in 1..=9 {
        w.quote(0, quote(n));
    }
    assert_eq!(drain(&mut r), ["q1", "q2"]);
    w.flush(at(0), &no_book);
    assert_eq!(drain(&mut r), ["q9"]);
    assert_eq!(w.stats().conflated.load(Ordering::Relaxed), 6);
}

#[test]
fn an_overflowed_book_goes_back_to_a_snapshot() {
    let (mut w, mut r) = one(true, 2, 2);
    w.book(0, at(0), &change(Coverage::Delta, 1));
    assert_eq!(drain(&mut r), Vec::<String>::new(), "a delta on nothing");
    w.book(0, at(0), &change(Coverage::Snapshot, 2));
    for id in 3..=6 {
        w.book(0, at(0), &change(Coverage::Delta, id));
    }
    assert_eq!(drain(&mut r), ["s2", "d3"]);
    w.book(0, at(0), &change(Coverage::Delta, 7));
    assert_eq!(drain(&mut r), Vec::<String>::new(), "4 to 6 are missing");
    w.flush(at(0), &|_| Some(change(Coverage::Snapshot, 7)));
    w.book(0, at(0), &change(Coverage::Delta, 8));
    assert_eq!(drain(&mut r), ["s7", "d8"]);
    w.book_lost(0);
    w.book(0, at(0), &change(Coverage::Delta, 9));
    w.book(0, at(0), &change(Coverage::Snapshot, 10));
    assert_eq!(drain(&mut r), ["lost", "s10"]);
    assert_eq!(w.stats().books_reset.load(Ordering::Relaxed), 1);
}

#[test]
fn a_book_that_breaks_while_the_lane_is_full_is_told_later() {
    let (mut w, mut r) = one(true, 1, 1);
    w.book(0, at(0), &change(Coverage::Snapshot, 1));
    w.book_lost(0);
    assert_eq!(drain(&mut r), ["s1"]);
    w.flush(at(0), &no_book);
    assert_eq!(drain(&mut r), ["lost"]);
    // The same when it breaks after its changes found no room.
    w.book(0, at(0), &change(Coverage::Snapshot, 2));
    w.book(0, at(0), &change(Coverage::Delta, 3));
    assert_eq!(drain(&mut r), ["s2"]);
    w.flush(at(0), &no_book);
    w.flush(at(0), &no_book);
    assert_eq!(drain(&mut r), ["lost"]);
    w.flush(at(0), &no_book);
    assert!(w.is_settled());
}

#[test]
fn a_numbering_that_starts_anew_is_marked() {
    let (mut w, mut r) = one(true, 10, 10);
    w.trade(0, trade(100), at(0));
    w.restart_trades(0, 5, at(1));
    w.trade(0, trade(5), at(1));
    w.trade(0, trade(6), at(1));
    w.restart_trades(0, 1_000, at(2));
    w.trade(0, trade(1_000), at(2));
    assert_eq!(drain(&mut r), ["t100", "Lost 101..=4 (0)", "t5", "t6", "Lost 7..=999 (993)", "t1000"]);
}

#[test]
fn a_writer_in_another_thread_loses_nothing() {
    let (mut w, mut r) = one(true, 64, 100_000);
    let writer = std::thread::spawn(move || {
        for id in 1..=50_000 {
            w.trade(0, trade(id), at(0));
        }
        while !w.is_settled() {
            w.flush(at(0), &no_book);
            std::thread::yield_now();
        }
    });
    let mut next = 1;
    while next <= 50_000 {
        match r.pop() {
            Some(Item::Trade(t)) => {
                assert_eq!(t.trade_id, next);
                next += 1;
            }
            Some(other) => panic!("{other:?}"),
            None => std::thread::yield_now(),
        }
    }
    writer.join().unwrap();
    assert!(r.is_closed() && r.stats().lag() == 0);
}

proptest! {
    /// Whatever is dropped, repeated, swapped or too fast: what is delivered is the venue's tape in order, and each id is
    /// either there or inside a gap marked lost.
    #[test]
    fn every_trade_is_delivered_in_order_or_marked(
        seed in any::<u64>(),
        ring_max in 1usize..40,
        hold_max in 1usize..40,
        reads in 0u64..6,
        venue_forgets in 0u64..4,
    ) {
        let mut rng = SplitMix64::new(seed);
        let (mut w, mut r) = one(true, ring_max, hold_max);
        let tape: Vec<u64> = (1..=300).collect();
        let mut wire: Vec<u64> = Vec::new();
        for id in &tape {
            match rng.next_u64() % 12 {
                0 if *id > 1 => {}
                1 => wire.extend([*id, *id]),
                2 if *id > 2 => wire.insert(wire.len() - 1, *id),
                _ => wire.push(*id),
            }
        }
        let first = wire[0];
        wire.push(301);
        let (mut got, mut lost, mut now) = (Vec::new(), BTreeSet::new(), 0);
        let mut take = |r: &mut LaneReader, n: u64, got: &mut Vec<u64>| {
            for _ in 0..n {
                match r.pop() {
                    Some(Item::Trade(t)) => got.push(t.trade_id),
                    Some(Item::Gap(g)) if g.state == GapState::Lost => lost.extend(g.first_id..=g.last_id),
                    _ => {}
                }
            }
        };
        let answer = |w: &mut LaneWriter, rng: &mut SplitMix64, now: u64| {
            if let Some((from, to)) = ask(w, at(now)) {
                prop_assert!(from <= to && to <= 301);
                let known = |id: &u64| venue_forgets == 0 || !id.is_multiple_of(7 * venue_forgets);
                let page = 1 + rng.next_u64() % 50;
                let trades: Vec<Trade> = (from..=to.max(from) + 3).filter(known).take(page as usize).map(trade).collect();
                w.refill(0, &trades, at(now));
            }
            Ok(())
        };
        for id in wire {
            now += rng.next_u64() % 50;
            w.trade(0, trade(id), at(now));
            w.flush(at(now), &no_book);
            answer(&mut w, &mut rng, now)?;
            take(&mut r, rng.next_u64() % (reads + 1), &mut got);
        }
        let mut rounds = 0;
        while !(w.is_settled() && r.stats().lag() == 0) {
            now += 500;
            w.flush(at(now), &no_book);
            answer(&mut w, &mut rng, now)?;
            take(&mut r, 1_000, &mut got);
            rounds += 1;
            prop_assert!(rounds < 5_000, "the stage never drains");
        }
        prop_assert!(got.windows(2).all(|pair| pair[0] < pair[1]), "{got:?}");
        let got: BTreeSet<u64> = got.into_iter().collect();
        for id in first..=301 {
            prop_assert!(got.contains(&id) != lost.contains(&id), "{id}");
        }
        if venue_forgets == 0 {
            prop_assert!(lost.is_empty(), "{lost:?}");
        }
    }
}
