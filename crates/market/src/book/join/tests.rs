use std::collections::BTreeMap;

use proptest::prelude::*;
use starling_core::fixed::Qty;
use starling_core::order::Side;

use super::*;

fn level(units: i64, size: i64) -> Level {
    Level { price: Price::from_units(units), size: Qty::from_units(size) }
}
fn synced(rules: Rules) -> SyncedBook {
    let shape = Shape { window: 64, ..Shape::default() };
    SyncedBook::new(rules, Price::from_units(1), shape, Limits::default())
}
fn change(first_id: u64, last_id: u64, previous_id: Option<u64>) -> BookUpdate {
    BookUpdate {
        coverage: Coverage::Delta,
        ts_event: UnixNanos::EPOCH,
        first_id,
        last_id,
        previous_id,
        checksum: None,
        bids: Span::default(),
        asks: Span::default(),
    }
}
fn snapshot(last_id: u64) -> BookUpdate {
    BookUpdate { coverage: Coverage::Snapshot, ..change(0, last_id, None) }
}
fn gap(expected: u64, found: u64) -> Outcome {
    Outcome::Resync(Reason::Gap { expected, found })
}

/// The steps of Binance's guide, with its own condition at each edge.
#[test]
fn binance_spot_drops_what_the_snapshot_holds_and_joins_at_the_next_number() {
    let mut book = synced(Rules::BINANCE_SPOT);
    assert_eq!(book.on_levels(&change(90, 95, None), &[level(10, 1)], &[]), Outcome::Buffered);
    assert_eq!(book.on_levels(&change(96, 100, None), &[level(11, 1)], &[]), Outcome::Buffered);
    assert_eq!(book.on_levels(&change(101, 103, None), &[level(12, 1)], &[]), Outcome::Buffered);
    assert_eq!(book.book().map(LevelBook::best_bid), None);
    assert_eq!(book.on_levels(&snapshot(100), &[level(9, 9)], &[level(20, 1)]), Outcome::Joined { replayed: 1 });
    assert_eq!((book.last_id(), book.state()), (103, State::Live));
    assert_eq!(book.book().unwrap().best_bid(), Some(level(12, 1)));
    assert_eq!(book.book().unwrap().side(Side::Buy).len(), 2, "what the snapshot holds was not applied again");
    assert_eq!(book.on_levels(&change(104, 104, None), &[level(12, 0)], &[]), Outcome::Applied);
    assert_eq!(book.on_levels(&change(104, 104, None), &[level(13, 1)], &[]), Outcome::Ignored);
    assert_eq!(book.on_levels(&snapshot(103), &[], &[]), Outcome::Ignored, "a late snapshot does not go back in time");
    assert_eq!(book.on_levels(&change(106, 107, None), &[level(14, 1)], &[]), gap(104, 105));
    assert!(book.book().is_none());
    // The change that showed the gap is kept for the new snapshot.
    assert_eq!(book.on_levels(&snapshot(105), &[], &[]), Outcome::Joined { replayed: 1 });
    assert_eq!(book.book().unwrap().best_bid(), Some(level(14, 1)));
}

#[test]
fn a_snapshot_older_than_what_is_kept_asks_for_another_and_keeps_it() {
    for (rules, changes) in [
        (Rules::BINANCE_SPOT, [change(90, 95, None), change(96, 100, None)]),
        (Rules::BINANCE_FUTURES, [change(91, 95, Some(89)), change(97, 100, Some(95))]),
    ] {
        let mut book = synced(rules);
        for update in &changes {
            assert_eq!(book.on_levels(update, &[level(1, 1)], &[]), Outcome::Buffered);
        }
        let old = Reason::SnapshotTooOld { snapshot: 88, first: 89 };
        assert_eq!(book.on_levels(&snapshot(88), &[], &[]), Outcome::Resync(old));
        assert_eq!(book.state(), State::Broken(old));
        assert_eq!(book.on_levels(&snapshot(89), &[], &[]), Outcome::Joined { replayed: 2 });
        assert_eq!(book.last_id(), 100);
    }
}

#[test]
fn binance_futures_follows_pu_and_takes_a_snapshot_within_or_between_messages() {
    // Numbers of the COIN-M stream of 2024-08-08: U begins after pu + 1.
    let first = change(1_007_198_631_580, 1_007_198_631_835, Some(1_007_198_631_565));
    for at in [1_007_198_631_565, 1_007_198_631_570, 1_007_198_631_580, 1_007_198_631_835] {
        let mut book = synced(Rules::BINANCE_FUTURES);
        assert_eq!(book.on_levels(&snapshot(at), &[], &[]), Outcome::Joined { replayed: 0 });
        assert_eq!(book.on_levels(&first, &[level(1, 1)], &[]), Outcome::Applied, "snapshot at {at}");
        let next = change(1_007_198_631_847, 1_007_198_631_985, Some(1_007_198_631_835));
        assert_eq!(book.on_levels(&next, &[level(2, 1)], &[]), Outcome::Applied);
        assert_eq!(book.on_levels(&next, &[], &[]), Outcome::Ignored);
        let far = change(1_007_198_632_500, 1_007_198_632_600, Some(1_007_198_632_400));
        assert_eq!(book.on_levels(&far, &[], &[]), gap(1_007_198_631_985, 1_007_198_632_400));
    }
    let mut book = synced(Rules::BINANCE_FUTURES);
    book.on_levels(&snapshot(1_007_198_631_836), &[], &[]);
    assert_eq!(book.on_levels(&first, &[], &[]), Outcome::Ignored, "it ends before the snapshot");
}

#[test]
fn okx_keeps_alive_starts_its_numbers_again_and_breaks_where_one_is_missing() {
    let mut book = synced(Rules::OKX);
    assert_eq!(book.on_levels(&change(0, 9, Some(8)), &[], &[]), Outcome::Ignored, "nothing to hang it on");
    assert_eq!(book.on_levels(&snapshot(10), &[level(1, 1)], &[]), Outcome::Joined { replayed: 0 });
    assert_eq!(book.on_levels(&change(0, 15, Some(10)), &[level(2, 1)], &[]), Outcome::Applied);
    assert_eq!(book.on_levels(&change(0, 15, Some(10)), &[level(2, 1)], &[]), Outcome::Ignored, "repeated");
    assert_eq!(book.on_levels(&change(0, 15, Some(15)), &[], &[]), Outcome::Applied, "keep-alive");
    assert_eq!(book.on_levels(&change(0, 3, Some(15)), &[level(3, 1)], &[]), Outcome::Applied, "maintenance");
    assert_eq!(book.on_levels(&change(0, 5, Some(3)), &[level(4, 1)], &[]), Outcome::Applied);
    assert_eq!(book.last_id(), 5);
    // Without the message (5 -> 2) this one is smaller than the last, and yet newer.
    assert_eq!(book.on_levels(&change(0, 4, Some(2)), &[], &[]), gap(5, 2));
    assert_eq!(book.on_levels(&change(0, 6, Some(4)), &[], &[]), Outcome::Ignored, "before the new snapshot");
    assert_eq!(book.on_levels(&snapshot(6), &[], &[]), Outcome::Joined { replayed: 0 });
}

#[test]
fn bybit_counts_messages_and_restarts_at_one() {
    let mut book = synced(Rules::BYBIT);
    book.on_levels(&snapshot(100), &[level(1, 1)], &[]);
    assert_eq!(book.on_levels(&change(0, 101, None), &[level(2, 1)], &[]), Outcome::Applied);
    assert_eq!(book.on_levels(&change(0, 101, None), &[level(2, 1)], &[]), Outcome::Ignored);
    assert_eq!(book.on_levels(&change(0, 1, None), &[level(3, 3)], &[]), Outcome::Applied);
    assert_eq!(book.book().unwrap().side(Side::Buy).len(), 1, "the restart replaced the book");
    assert_eq!(book.on_levels(&change(0, 2, None), &[], &[]), Outcome::Applied);
    assert_eq!(book.on_levels(&change(0, 4, None), &[], &[]), gap(2, 3));
    book.on_levels(&snapshot(100), &[], &[]);
    // The restart itself was lost: 2 is no old message.
    assert_eq!(book.on_levels(&change(0, 2, None), &[], &[]), gap(100, 1));
}

#[test]
fn deribit_follows_prev_change_id() {
    let mut book = synced(Rules::DERIBIT);
    book.on_levels(&snapshot(297_217), &[], &[]);
    assert_eq!(book.on_levels(&change(0, 297_218, Some(297_217)), &[], &[]), Outcome::Applied);
    assert_eq!(book.on_levels(&change(0, 297_221, Some(297_220)), &[], &[]), gap(297_218, 297_220));
    book.on_levels(&snapshot(297_221), &[], &[]);
    assert_eq!(book.on_levels(&change(0, 297_222, None), &[], &[]), gap(297_221, 0), "a message without its link");
}

#[test]
fn a_venue_of_snapshots_goes_by_their_stamps() {
    let mut book = synced(Rules::HYPERLIQUID);
    let at = |ts| BookUpdate { ts_event: UnixNanos::new(ts), ..snapshot(0) };
    assert_eq!(book.on_levels(&at(5), &[level(1, 1)], &[level(2, 1)]), Outcome::Joined { replayed: 0 });
    assert_eq!(book.on_levels(&at(4), &[], &[]), Outcome::Ignored);
    assert_eq!(book.on_levels(&at(6), &[level(3, 1)], &[level(4, 1)]), Outcome::Applied);
    assert_eq!((book.book().unwrap().best_bid(), book.ts_event()), (Some(level(3, 1)), UnixNanos::new(6)));
}

#[test]
fn a_wrong_checksum_a_crossed_book_and_a_bad_level_break_the_book() {
    let mut book = synced(Rules::kraken(9, 9));
    let with = |update: BookUpdate, checksum| BookUpdate { checksum: Some(checksum), ..update };
    // Python's zlib.crc32 of b"321117", and of b"311117".
    assert_eq!(book.on_levels(&with(snapshot(0), CRC_321117), &[level(1, 17)], &[level(3, 21)]), JOINED);
    let wrong = Reason::Checksum { computed: CRC_311117, sent: CRC_321117 };
    let refused = book.on_levels(&with(change(0, 0, None), CRC_321117), &[], &[level(3, 11)]);
    assert_eq!((refused, book.state()), (Outcome::Resync(wrong), State::Broken(wrong)));
    assert_eq!(book.on_levels(&change(0, 0, None), &[], &[]), Outcome::Ignored);

    assert_eq!(book.on_levels(&snapshot(0), &[level(1, 1)], &[level(3, 1)]), JOINED);
    let crossed = Reason::Crossed { bid: Price::from_units(4), ask: Price::from_units(3) };
    assert_eq!(book.on_levels(&change(0, 0, None), &[level(4, 1)], &[]), Outcome::Resync(crossed));
    assert_eq!(book.on_levels(&snapshot(0), &[level(1, 1)], &[level(3, 1)]), JOINED);
    let bad = BookError::NegativeSize { price: Price::from_units(1), size: Qty::from_units(-1) };
    assert_eq!(book.on_levels(&change(0, 0, None), &[level(1, -1)], &[]), Outcome::Resync(Reason::Refused(bad)));
    assert!(book.book().is_none());
}

const JOINED: Outcome = Outcome::Joined { replayed: 0 };
const CRC_321117: u32 = 4_212_362_648;
const CRC_311117: u32 = 3_165_910_856;

#[test]
fn okx_s_zero_is_no_checksum() {
    let mut book = synced(Rules::OKX);
    assert_eq!(book.on_levels(&BookUpdate { checksum: Some(0), ..snapshot(1) }, &[level(1, 1)], &[]), JOINED);
    let wrong = book.on_levels(&BookUpdate { checksum: Some(1), ..change(0, 2, Some(1)) }, &[], &[]);
    assert!(matches!(wrong, Outcome::Resync(Reason::Checksum { sent: 1, .. })));
}

#[test]
fn what_waits_for_a_snapshot_is_bounded() {
    let limits = Limits { updates_max: 3, levels_max: 5 };
    let new = || SyncedBook::new(Rules::BINANCE_SPOT, Price::from_units(1), Shape::default(), limits);
    let overflow = Outcome::Resync(Reason::Overflow { updates_max: 3, levels_max: 5 });
    let two = [level(1, 1), level(2, 1)];
    let mut book = new();
    for id in 1..=3 {
        assert_eq!(book.on_levels(&change(id, id, None), &[level(1, 1)], &[]), Outcome::Buffered);
    }
    assert_eq!(book.on_levels(&change(4, 4, None), &[level(1, 1)], &[]), overflow, "messages");
    assert_eq!((book.kept.updates.len(), book.kept.levels.len()), (1, 1), "the newest stays");
    assert_eq!(book.on_levels(&snapshot(3), &[], &[]), Outcome::Joined { replayed: 1 });
    let mut book = new();
    book.on_levels(&change(1, 1, None), &two, &[]);
    book.on_levels(&change(2, 2, None), &[], &two);
    assert_eq!(book.on_levels(&change(3, 3, None), &two, &[]), overflow, "levels");
    assert_eq!(book.on_levels(&change(4, 4, None), &[level(1, 1); 6], &[]), overflow, "one message alone");
    assert_eq!((book.kept.updates.len(), book.kept.levels.len()), (0, 0));
}

#[test]
fn a_connection_s_numbers_go_up_by_one() {
    let mut sequence = Sequence::default();
    assert_eq!(sequence.check(7), Ok(()));
    assert_eq!(sequence.check(8), Ok(()));
    assert_eq!(sequence.check(10), Err(Reason::Gap { expected: 8, found: 9 }));
    assert_eq!(sequence.check(11), Ok(()));
    assert_eq!(sequence.check(11), Err(Reason::Gap { expected: 11, found: 10 }));
    let mut book = synced(Rules::COINBASE);
    book.on_levels(&snapshot(0), &[level(1, 1)], &[]);
    book.invalidate(Reason::Gap { expected: 8, found: 9 });
    assert!(book.book().is_none());
    assert_eq!(book.on_levels(&change(0, 0, None), &[], &[]), Outcome::Ignored);
    book.reset();
    assert_eq!(book.state(), State::Waiting);
}

/// The venue: a book that changes one level at a time, each change with its number, sent in messages of several.
#[derive(Debug)]
struct Venue {
    /// The book before each change, and after the last.
    truth: Vec<BTreeMap<i64, i64>>,
    /// The venue's number of each of those states.
    ids: Vec<u64>,
    messages: Vec<(BookUpdate, Vec<Level>)>,
    /// The state after each message.
    ends: Vec<usize>,
}

fn venue(rules: Rules, changes: &[(i64, i64, u64)], sizes: &[usize]) -> Venue {
    let mut venue = Venue { truth: vec![BTreeMap::new()], ids: vec![1_000_000], messages: vec![], ends: vec![] };
    let mut id = 1_000_000;
    let mut at = 0;
    let mut restarts = 0;
    for size in sizes.iter().cycle() {
        if at >= changes.len() {
            return venue;
        }
        let previous = id;
        let mut first = None;
        let mut touched = BTreeMap::new();
        // Bybit numbers its messages; the others their changes.
        let counts_messages = rules == Rules::BYBIT;
        let part = &changes[at..(at + size).min(changes.len())];
        let restart = rules.resets && part[0].2 == 7;
        for (i, (price, quantity, skip)) in part.iter().enumerate() {
            let mut book = venue.truth.last().cloned().unwrap();
            if *quantity == 0 {
                book.remove(price);
            } else {
                book.insert(*price, *quantity);
            }
            touched.insert(*price, *quantity);
            if i == 0 && restart && !counts_messages {
                // Far below all before, so that numbers stay unique.
                restarts += 1;
                id = 1_000_000 - restarts * 10_000;
            } else if !(counts_messages && i > 0) {
                // A futures stream shares its numbers with other things.
                id += if rules.chain == Chain::Previous { 1 + skip } else { 1 };
            }
            first.get_or_insert(id);
            venue.truth.push(book);
            venue.ids.push(id);
        }
        let update = BookUpdate {
            first_id: first.unwrap_or_default(),
            last_id: id,
            previous_id: (rules.chain == Chain::Previous).then_some(previous),
            ..change(0, 0, None)
        };
        venue.messages.push((update, touched.iter().map(|(p, q)| level(*p, *q)).collect()));
        at += part.len();
        venue.ends.push(at);
    }
    venue
}

#[derive(Debug, Clone, Copy)]
enum Delivery {
    Next,
    Lose(usize),
    Repeat(usize),
    Swap,
    Snapshot(usize),
    FutureSnapshot(usize),
}

fn delivery() -> impl Strategy<Value = Delivery> {
    prop_oneof![
        12 => Just(Delivery::Next),
        1 => (1..4usize).prop_map(Delivery::Lose),
        1 => (1..6usize).prop_map(Delivery::Repeat),
        1 => Just(Delivery::Swap),
        3 => (0..12usize).prop_map(Delivery::Snapshot),
        1 => (0..6usize).prop_map(Delivery::FutureSnapshot),
    ]
}

struct Reader {
    venue: Venue,
    rules: Rules,
    book: SyncedBook,
    live_checks: usize,
}

impl Reader {
    fn message(&mut self, at: usize) {
        let Some((update, levels)) = self.venue.messages.get(at) else { return };
        let outcome = self.book.on_levels(update, levels, &[]);
        let end = self.venue.ends[at];
        self.check();
        // What is newer than the book is in it now, or the book is not shown.
        if let Some(position) = self.position() {
            assert!(position >= end, "message {at} is newer and was passed over: {outcome:?}");
        }
    }

    fn snapshot(&mut self, state: usize) {
        let state = match self.rules.snapshot {
            SnapshotSource::Requested => state,
            // In a stream it lies between two messages.
            SnapshotSource::InStream => *self.venue.ends.iter().filter(|e| **e <= state).max().unwrap_or(&0),
        };
        let rows: Vec<Level> = self.venue.truth[state].iter().map(|(p, q)| level(*p, *q)).collect();
        self.book.on_levels(&snapshot(self.venue.ids[state]), &rows, &[]);
        self.check();
    }

    /// The state the live book claims to be.
    fn position(&self) -> Option<usize> {
        self.book.book()?;
        Some(self.venue.ids.iter().rposition(|id| *id == self.book.last_id()).expect("a number the venue gave"))
    }

    fn check(&mut self) {
        let (Some(position), Some(book)) = (self.position(), self.book.book()) else { return };
        let found: BTreeMap<i64, i64> =
            book.side(Side::Buy).levels().map(|l| (l.price.units(), l.size.units())).collect();
        assert_eq!(found, self.venue.truth[position], "live at {}", self.book.last_id());
        self.live_checks += 1;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_live_book_is_the_venue_s_whatever_was_lost_repeated_or_swapped(
        rules in prop::sample::select(vec![
            Rules::BINANCE_SPOT, Rules::BINANCE_FUTURES, Rules::OKX, Rules::BYBIT, Rules::DERIBIT,
        ]),
        changes in prop::collection::vec((0..30i64, 0..4i64, 0..8u64), 20..200),
        sizes in prop::collection::vec(1..6usize, 1..8),
        deliveries in prop::collection::vec(delivery(), 10..150),
    ) {
        let venue = venue(rules, &changes, &sizes);
        // Sums of hashes are another test's.
        let book = synced(Rules { checksum: None, ..rules });
        let mut reader = Reader { venue, rules, book, live_checks: 0 };
        let mut at = 0;
        for delivery in deliveries {
            match delivery {
                Delivery::Next => {
                    reader.message(at);
                    at += 1;
                }
                Delivery::Lose(count) => at += count,
                Delivery::Repeat(back) => {
                    if at >= back {
                        reader.message(at - back);
                    }
                }
                Delivery::Swap => {
                    reader.message(at + 1);
                    reader.message(at);
                    at += 2;
                }
                Delivery::Snapshot(back) => {
                    let now = at.checked_sub(1).and_then(|a| reader.venue.ends.get(a)).copied();
                    let now = now.unwrap_or(if at == 0 { 0 } else { reader.venue.truth.len() - 1 });
                    // In a stream a snapshot is of now.
                    let back = if rules.snapshot == SnapshotSource::InStream { 0 } else { back };
                    reader.snapshot(now.saturating_sub(back));
                }
                Delivery::FutureSnapshot(ahead) => {
                    if rules.snapshot == SnapshotSource::Requested {
                        let now = reader.venue.ends.get(at).copied().unwrap_or(0);
                        reader.snapshot((now + ahead).min(reader.venue.truth.len() - 1));
                    }
                }
            }
        }
    }

    #[test]
    fn without_faults_a_book_joins_once_and_stays_live(
        rules in prop::sample::select(vec![Rules::BINANCE_SPOT, Rules::BINANCE_FUTURES]),
        changes in prop::collection::vec((0..30i64, 0..4i64, 0..8u64), 20..200),
        sizes in prop::collection::vec(1..6usize, 1..8),
        (asked, back) in (1..20usize, 0..8usize),
    ) {
        let venue = venue(rules, &changes, &sizes);
        let count = venue.messages.len();
        let mut reader = Reader { venue, rules, book: synced(rules), live_checks: 0 };
        let asked = asked.min(count);
        for at in 0..asked {
            reader.message(at);
        }
        // Taken while the kept messages arrived.
        let state = reader.venue.ends[asked - 1].saturating_sub(back);
        reader.snapshot(state);
        prop_assert_eq!(reader.book.state(), State::Live);
        for at in asked..count {
            reader.message(at);
            prop_assert_eq!(reader.book.state(), State::Live);
        }
        prop_assert_eq!(reader.position(), Some(reader.venue.truth.len() - 1));
        prop_assert_eq!(reader.live_checks, 1 + count - asked);
    }
}
