use std::fs;

use proptest::prelude::*;
use starling_core::fixed::{Price, Qty};
use starling_core::time::{DAY, SECOND};
use starling_core::{BarSeriesId, Event, InstrumentId, Side, Trade};
use starling_market::feed::Feed;
use starling_market::wire::{Batch, BookUpdate, Coverage, Level, Span, Text, Update};

use super::*;

/// 2024-08-08T00:00:00Z.
const DAY_ONE: u64 = 1_723_075_200 * SECOND;

struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("starling-store-{name}-{}", std::process::id()));
        fs::remove_dir_all(&path).ok();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

fn trade(ts: u64, id: u64) -> Event {
    Event::Trade(Trade {
        instrument: InstrumentId(3),
        ts_event: UnixNanos::new(ts - 1),
        ts_recv: UnixNanos::new(ts),
        price: Price::from_units(61_837_640_000_000 + id.cast_signed()),
        size: Qty::from_units(20_000_000),
        aggressor: [Some(Side::Buy), Some(Side::Sell), None][(id % 3) as usize],
        trade_id: id,
    })
}

fn put(store: &Store, events: &[Event], existing: Existing) -> Result<Vec<Written>, DataError> {
    let mut writer = StoreWriter::new(store, StoreKind::Trades, "BTC/USDT.BINANCE", existing);
    events.iter().try_for_each(|event| writer.push(event))?;
    writer.finish()
}

fn get(store: &Store, range: std::ops::Range<u64>) -> (Vec<Event>, ScanReport) {
    let range = UnixNanos::new(range.start)..UnixNanos::new(range.end);
    let mut scan = store.scan(&StoreKind::Trades, "BTC/USDT.BINANCE", range, &[]).unwrap();
    let mut events = Vec::new();
    while let Some(columns) = scan.next_rows().unwrap() {
        events.extend((0..columns.len()).filter_map(|at| columns.event(at, InstrumentId(3), BarSeriesId(0))));
    }
    (events, scan.report())
}

#[test]
fn days_are_files_and_ranges_are_read_from_them() {
    let scratch = Scratch::new("days");
    let store = Store::new(&scratch.0);
    let events: Vec<Event> = (0..30).map(|n| trade(DAY_ONE + n * DAY / 10, n)).collect();
    let written = put(&store, &events, Existing::Refuse).unwrap();
    let names: Vec<_> =
        written.iter().map(|w| w.path.strip_prefix(&scratch.0).unwrap().display().to_string()).collect();
    assert_eq!(names, [8, 9, 10].map(|d| format!("trades/BTC-USDT.BINANCE/2024-08-{d:02}.parquet")));
    assert_eq!(written.iter().map(|w| w.rows).collect::<Vec<_>>(), [10, 10, 10]);
    assert_eq!(store.instruments(&StoreKind::Trades).unwrap(), ["BTC-USDT.BINANCE"]);
    assert_eq!(store.days(&StoreKind::Trades, "BTC/USDT.BINANCE").unwrap().len(), 3);
    assert_eq!(get(&store, 0..u64::MAX).0, events);
    let (found, report) = get(&store, DAY_ONE + DAY / 2..DAY_ONE + DAY + 1);
    assert_eq!((found, report.files), (events[5..11].to_vec(), 2));
    let (found, report) = get(&store, DAY_ONE + 3 * DAY..u64::MAX);
    assert_eq!((found.len(), report), (0, ScanReport::default()), "no file is opened in vain");
    assert_eq!(store.days(&StoreKind::Quotes, "nothing").unwrap(), []);
}

#[test]
fn what_is_there_is_kept_replaced_or_merged_as_told() {
    let scratch = Scratch::new("merge");
    let store = Store::new(&scratch.0);
    let at = |n: u64| trade(DAY_ONE + n, n);
    put(&store, &[at(1), at(3), at(3), at(5)], Existing::Refuse).unwrap();
    let refused = put(&store, &[at(2)], Existing::Refuse).unwrap_err();
    assert!(matches!(refused, DataError::Exists { .. }), "{refused}");
    assert_eq!(get(&store, 0..u64::MAX).0, [at(1), at(3), at(3), at(5)]);
    // What both have stands as often as the one that has it more often; of one stamp the old stand first.
    let twin = trade(DAY_ONE + 3, 77);
    let more = [at(2), twin, at(3), at(5), at(5), at(6)];
    let done = put(&store, &more, Existing::Merge).unwrap();
    assert_eq!((done[0].rows, done[0].kept), (8, 4));
    let all = [at(1), at(2), at(3), at(3), twin, at(5), at(5), at(6)];
    assert_eq!(get(&store, 0..u64::MAX).0, all);
    put(&store, &more, Existing::Merge).unwrap();
    assert_eq!(get(&store, 0..u64::MAX).0, all, "a second time changes nothing");
    put(&store, &[at(9)], Existing::Replace).unwrap();
    assert_eq!(get(&store, 0..u64::MAX).0, [at(9)]);
}

#[test]
fn row_groups_outside_the_range_are_passed_over() {
    let scratch = Scratch::new("groups");
    let store = Store::new(&scratch.0);
    let rows = 3 * STORE_ROW_GROUP_ROWS as u64;
    let events: Vec<Event> = (0..rows).map(|n| trade(DAY_ONE + n, n)).collect();
    put(&store, &events, Existing::Refuse).unwrap();
    let from = STORE_ROW_GROUP_ROWS as u64 + 5;
    let (found, report) = get(&store, DAY_ONE + from..DAY_ONE + from + 20_000);
    assert_eq!(found, events[from as usize..from as usize + 20_000]);
    assert_eq!((report.groups, report.pruned, report.rows), (1, 2, 20_000));
    let range = UnixNanos::EPOCH..UnixNanos::MAX;
    let mut scan = store.scan(&StoreKind::Trades, "BTC/USDT.BINANCE", range.clone(), &["price"]).unwrap();
    let mut sum = 0;
    while let Some(columns) = scan.next_rows().unwrap() {
        assert!(columns.column("size").unwrap().is_empty(), "only what was asked for is read");
        sum += columns.column("price").unwrap().iter().map(|p| i128::from(*p)).sum::<i128>();
    }
    let n = i128::from(rows);
    assert_eq!(sum, n * 61_837_640_000_000 + n * (n - 1) / 2);
    let unknown = store.scan(&StoreKind::Trades, "BTC/USDT.BINANCE", range.clone(), &["bid"]);
    assert!(matches!(unknown, Err(DataError::ColumnUnknown { .. })));
    // As a feed, with the last batch empty.
    let scan = store.scan(&StoreKind::Trades, "BTC/USDT.BINANCE", range, &[]).unwrap();
    let mut feed = ScanFeed::new(scan, InstrumentId(3), BarSeriesId(0));
    let (mut batch, mut seen) = (Vec::new(), 0);
    loop {
        batch.clear();
        feed.fill(&mut batch).unwrap();
        assert_eq!(batch[..], events[seen..seen + batch.len()]);
        seen += batch.len();
        if batch.is_empty() {
            break;
        }
    }
    assert_eq!(seen, events.len());
}

#[test]
fn a_file_of_the_store_is_data_like_any_other() {
    let scratch = Scratch::new("table");
    let store = Store::new(&scratch.0);
    let events: Vec<Event> = (1..200).map(|n| trade(DAY_ONE + n * 1_000_000, n)).collect();
    put(&store, &events, Existing::Refuse).unwrap();
    let spec = super::super::DataSpec::new(
        "trades/BTC-USDT.BINANCE/*.parquet",
        "BTC/USDT.BINANCE",
        super::super::Kind::Trades,
    );
    struct Three;
    impl super::super::Resolve for Three {
        fn instrument(&mut self, _: &str) -> Result<InstrumentId, String> {
            Ok(InstrumentId(3))
        }
        fn series(&mut self, _: InstrumentId, _: &str) -> Result<BarSeriesId, String> {
            Ok(BarSeriesId(0))
        }
        fn tick(&mut self, _: InstrumentId) -> Price {
            Price::ZERO
        }
    }
    let mut feed = super::super::open(&spec, std::slice::from_ref(&scratch.0), &mut Three).unwrap();
    let mut read = Vec::new();
    feed.read(&mut read).unwrap();
    assert_eq!(read, events, "integers of 1e-9 are read as such");
}

#[test]
fn a_book_message_becomes_deltas_and_comes_back() {
    let batch = Batch {
        levels: [(1, 5), (2, 0), (3, 7)]
            .map(|(price, size)| Level { price: Price::from_units(price), size: Qty::from_units(size) })
            .to_vec(),
        ..Batch::new()
    };
    let book = BookUpdate {
        coverage: Coverage::Delta,
        ts_event: UnixNanos::EPOCH,
        first_id: 10,
        last_id: 12,
        previous_id: None,
        checksum: None,
        bids: Span { start: 0, len: 2 },
        asks: Span { start: 2, len: 1 },
    };
    let ts = UnixNanos::new(DAY_ONE + 9);
    let mut deltas = Vec::new();
    deltas_of(&Update::Book { symbol: Text::default(), book }, &batch, ts, &mut deltas);
    let snapshot = BookUpdate { coverage: Coverage::Snapshot, ts_event: UnixNanos::new(DAY_ONE + 8), ..book };
    deltas_of(&Update::Book { symbol: Text::default(), book: snapshot }, &batch, ts, &mut deltas);
    deltas_of(&Update::Heartbeat, &batch, ts, &mut deltas);
    let seen: Vec<_> = deltas.iter().map(|d| (d.action, d.side, d.price.units(), d.size.units(), d.flags)).collect();
    use Action::{Clear, Level as L};
    let (bid, ask) = (Some(Side::Buy), Some(Side::Sell));
    assert_eq!(seen[..3], [(L, bid, 1, 5, 0), (L, bid, 2, 0, 0), (L, ask, 3, 7, Delta::LAST)]);
    assert_eq!(seen[3], (Clear, None, 0, 0, Delta::SNAPSHOT));
    assert_eq!(seen[6], (L, ask, 3, 7, Delta::SNAPSHOT | Delta::LAST));
    assert_eq!((deltas[0].ts_event, deltas[3].ts_event.get(), deltas[3].sequence), (ts, DAY_ONE + 8, 12));
    let scratch = Scratch::new("deltas");
    let store = Store::new(&scratch.0);
    let mut writer = StoreWriter::new(&store, StoreKind::Deltas, "X", Existing::Refuse);
    deltas.iter().for_each(|d| writer.push_delta(d).unwrap());
    assert!(matches!(writer.push(&trade(DAY_ONE, 1)), Err(DataError::Mixed { .. })));
    writer.finish().unwrap();
    let mut scan = store.scan(&StoreKind::Deltas, "X", UnixNanos::EPOCH..UnixNanos::MAX, &[]).unwrap();
    let columns = scan.next_rows().unwrap().unwrap();
    assert_eq!((0..columns.len()).filter_map(|at| columns.delta(at)).collect::<Vec<_>>(), deltas);
}

#[test]
fn folders_name_their_kinds() {
    for kind in [StoreKind::Quotes, StoreKind::Trades, StoreKind::Deltas, StoreKind::Bars("5m".into())] {
        assert_eq!(StoreKind::of_folder(&kind.folder()), Some(kind));
    }
    assert_eq!(StoreKind::of_folder("books"), None);
    assert_eq!(day_of("2024-02-30.parquet"), None);
    assert_eq!(day_of("2024-08-08.parquet"), Some(UnixNanos::new(DAY_ONE)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// Whatever order rows come in and however often they are merged: the union of both, in order of receipt.
    #[test]
    fn merging_is_a_union(first in prop::collection::vec((0_u64..40, 0_u64..4), 1..60),
                          second in prop::collection::vec((0_u64..40, 0_u64..4), 1..60)) {
        let scratch = Scratch::new("union");
        let store = Store::new(&scratch.0);
        let events = |rows: &[(u64, u64)]| rows.iter().map(|(ts, id)| trade(DAY_ONE + 1 + ts, *id)).collect::<Vec<_>>();
        put(&store, &events(&first), Existing::Refuse).unwrap();
        put(&store, &events(&second), Existing::Merge).unwrap();
        let key = |event: &Event| if let Event::Trade(t) = event { (t.ts_recv.get(), t.trade_id) } else { (0, 0) };
        let mut found: Vec<_> = get(&store, 0..u64::MAX).0.iter().map(key).collect();
        prop_assert!(found.is_sorted_by_key(|(ts, _)| *ts));
        found.sort_unstable();
        let count = |rows: &[(u64, u64)], row: &(u64, u64)| rows.iter().filter(|r| *r == row).count();
        let mut want = Vec::new();
        for ts in 0..40 {
            for id in 0..4 {
                let n = count(&first, &(ts, id)).max(count(&second, &(ts, id)));
                want.extend(std::iter::repeat_n((DAY_ONE + 1 + ts, id), n));
            }
        }
        prop_assert_eq!(found, want);
    }
}
