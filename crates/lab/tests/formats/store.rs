//! The store and Arrow files against pyarrow and polars: rows, types, exact sums.

use std::ops::ControlFlow;
use std::path::PathBuf;

use starling_core::{BarSeriesId, Event, InstrumentId, UnixNanos};
use starling_lab::data::store::{Action, Existing, ScanFeed, Store, StoreKind, import_orders, import_to_store};
use starling_lab::data::{self, DbnOptions};

use crate::{Any, Scratch, ask, events, exact, folder, judge, number, table};

const TRADES: &str = "kind = \"trades\"\npath = \"trades/tardis_binancefutures_btcusdt_trades_20200222.csv.gz\"";
const QUOTES: &str = "kind = \"quotes\"\npath = \"ticks/tardis_binancefutures_btcusdt_quotes_20200222.csv.gz\"";
const BARS: &str = "kind = \"bars\"\nseries = \"1m last external\"\npath = \"bars/cme_6eh4_1m_202401.csv.gz\"";

/// Sums of a kind's columns, by the names they have in files.
fn sums(events: &[Event]) -> Vec<(&'static str, i128)> {
    let mut sums: Vec<(&'static str, i128)> = Vec::new();
    let mut add = |name, value: i128| match sums.iter_mut().find(|(known, _)| *known == name) {
        Some((_, sum)) => *sum += value,
        None => sums.push((name, value)),
    };
    for event in events {
        let mut units = |name, units: i64| add(name, units.into());
        let stamps = match event {
            Event::Trade(e) => {
                units("price", e.price.units());
                units("size", e.size.units());
                add("trade_id", e.trade_id.into());
                [e.ts_event, e.ts_recv]
            }
            Event::Quote(e) => {
                units("bid", e.bid.units());
                units("ask", e.ask.units());
                units("bid_size", e.bid_size.units());
                units("ask_size", e.ask_size.units());
                [e.ts_event, e.ts_recv]
            }
            Event::Bar(e) => {
                units("open", e.open.units());
                units("high", e.high.units());
                units("low", e.low.units());
                units("close", e.close.units());
                units("volume", e.volume.units());
                [e.ts_event, e.ts_recv]
            }
            other => panic!("{other:?}"),
        };
        add("ts_event", stamps[0].get().into());
        add("ts_recv", stamps[1].get().into());
    }
    sums
}

fn fill(store: &Store, text: &str, folder: &PathBuf) -> Vec<PathBuf> {
    let mut go_on = |_, _| ControlFlow::Continue(());
    let spec = table(text);
    let done = import_to_store(&spec, std::slice::from_ref(folder), &mut Any, store, Existing::Refuse, &mut go_on);
    done.unwrap().written.into_iter().map(|written| written.path).collect()
}

#[test]
fn pyarrow_and_polars_read_the_store_and_arrow_files() {
    let (Some(folder), Some(python)) = (folder(), judge("pyarrow, polars")) else { return };
    let scratch = Scratch::new("judged");
    let store = Store::new(scratch.0.join("store"));
    for (text, kind) in [(TRADES, StoreKind::Trades), (QUOTES, StoreKind::Quotes), (BARS, StoreKind::Bars("1m".into()))]
    {
        let given = events(&table(text), &folder).unwrap();
        let paths = fill(&store, text, &folder);
        let paths: Vec<_> = paths.iter().map(PathBuf::as_path).collect();
        let said = ask(&python, "store_check.py", &paths);
        let days: Vec<_> = said.lines().map(exact).collect();
        let rows: i128 = days.iter().map(|day| number(&day["rows"])).sum();
        assert_eq!(rows, given.len() as i128);
        for (name, want) in sums(&given) {
            let found: i128 = days.iter().map(|day| number(&day["sums"][name])).sum();
            assert_eq!(found, want, "{name} of {}", kind.folder());
        }
        assert_eq!(days[0]["types"]["ts_recv"], "timestamp[ns, tz=UTC]");
        // The scan gives the very events.
        let scan = store.scan(&kind, "X.SIM", UnixNanos::EPOCH..UnixNanos::MAX, &[]).unwrap();
        let mut feed = ScanFeed::new(scan, InstrumentId(0), BarSeriesId(0));
        let arrow = scratch.0.join(format!("{}.arrow", kind.folder()));
        data::write_feed(&mut feed, &arrow, &DbnOptions::default()).unwrap();
        let line = exact(ask(&python, "store_check.py", &[arrow.as_path()]).trim());
        for (name, want) in sums(&given) {
            assert_eq!(number(&line["sums"][name]), want, "{name} of {}", arrow.display());
        }
        let series = if kind == StoreKind::Bars("1m".into()) { "\nseries = \"1m last external\"" } else { "" };
        let word = kind.folder().replace("-1m", "");
        let back = table(&format!("kind = \"{word}\"\npath = \"{}\"{series}", arrow.display()));
        assert_eq!(events(&back, &folder).unwrap(), given);
    }
}

#[test]
fn feather_files_of_pandas_are_read() {
    let Some(folder) = folder() else { return };
    // pyarrow: rows, and the sum of the close's shortest texts in units of 1e-9.
    let spec = table(
        "kind = \"bars\"\nseries = \"5m last external\"\nstamp = \"open\"\n\
         path = \"bars/freqtrade_ethbtc_5m_20180110_20180130.feather\"",
    );
    let found = events(&spec, &folder).unwrap();
    let close: i128 = found.iter().map(|e| if let Event::Bar(b) = e { i128::from(b.close.units()) } else { 0 }).sum();
    assert_eq!((found.len(), close), FEATHER);
}

const FEATHER: (usize, i128) = (5_760, 538_669_922_350);

#[test]
fn orders_of_dbn_become_deltas() {
    let Some(folder) = folder() else { return };
    let scratch = Scratch::new("orders");
    let store = Store::new(&scratch.0);
    let orders = folder.join("book/cme_globex_esh4_mbo_20231224.dbn.zst");
    let done = import_orders(&orders, &store, Existing::Refuse, &mut |_, _| ControlFlow::Continue(())).unwrap();
    assert_eq!(store.instruments(&StoreKind::Deltas).unwrap(), ["ESH4"]);
    let mut scan = store.scan(&StoreKind::Deltas, "ESH4", UnixNanos::EPOCH..UnixNanos::MAX, &[]).unwrap();
    let (mut rows, mut adds, mut last) = (0, 0, 0);
    while let Some(columns) = scan.next_rows().unwrap() {
        for delta in (0..columns.len()).filter_map(|at| columns.delta(at)) {
            rows += 1;
            adds += u64::from(delta.action == Action::Add);
            last += u64::from(delta.flags & starling_lab::data::store::Delta::LAST != 0);
        }
    }
    assert_eq!((done.rows, rows, adds, last), ORDERS);
}

/// databento-dbn: records whose action is one of A, C, M, R, T, F; those that are A; those with flag 0x80 among them.
const ORDERS: (u64, u64, u64, u64) = (8_725, 8_725, 8_725, 1);
