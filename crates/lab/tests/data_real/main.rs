//! Real files, read as users would describe them; counts and sums are pandas' over the same files.
//!
//! The folder is named by `STARLING_DATA`, or is `../shared/data` beside the workspace. Without it each test says so.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use starling_core::{Bar, BarSeriesId, Event, InstrumentId, Price, Quote, Side, Trade};
use starling_lab::data::{DataSpec, Kind, OpenedFeed, Resolve, SourceReport, inspect, open};

struct Any;

impl Resolve for Any {
    fn instrument(&mut self, _: &str) -> Result<InstrumentId, String> {
        Ok(InstrumentId(7))
    }
    fn series(&mut self, _: InstrumentId, _: &str) -> Result<BarSeriesId, String> {
        Ok(BarSeriesId(3))
    }
    fn tick(&mut self, _: InstrumentId) -> Price {
        "0.01".parse().unwrap()
    }
}

fn folder() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let found = std::env::var_os("STARLING_DATA").map_or(beside, PathBuf::from);
    found.is_dir().then_some(found)
}

fn read(table: &str) -> Option<(Vec<Event>, Vec<SourceReport>)> {
    let Some(folder) = folder() else {
        eprintln!("SKIPPED: no real data; name its folder with STARLING_DATA");
        return None;
    };
    let spec: DataSpec = toml::from_str(table).unwrap();
    let mut feed = open(&spec, &[folder], &mut Any).unwrap();
    Some(drain(&mut feed))
}

fn drain(feed: &mut OpenedFeed) -> (Vec<Event>, Vec<SourceReport>) {
    let mut events = Vec::new();
    loop {
        let before = events.len();
        feed.read(&mut events).unwrap_or_else(|e| panic!("{e}"));
        if events.len() == before {
            break;
        }
    }
    assert!(events.is_sorted_by_key(Event::ts), "stamps never go back");
    (events, feed.sources())
}

fn quotes(events: &[Event]) -> Vec<Quote> {
    events.iter().map(|e| if let Event::Quote(q) = e { *q } else { panic!("{e:?}") }).collect()
}
fn bars(events: &[Event]) -> Vec<Bar> {
    events.iter().map(|e| if let Event::Bar(b) = e { *b } else { panic!("{e:?}") }).collect()
}
fn trades(events: &[Event]) -> Vec<Trade> {
    events.iter().map(|e| if let Event::Trade(t) = e { *t } else { panic!("{e:?}") }).collect()
}

#[test]
fn a_pair_of_minute_files_makes_four_quotes_a_minute() {
    let table = r#"
        instrument = "USD/JPY.SIM"
        kind = "bars"
        as = "quotes"
        bid = { path = "bars/fxcm_usdjpy_m1_bid_201302.csv.gz" }
        ask = { path = "bars/fxcm_usdjpy_m1_ask_201302.csv.gz" }
        on_crossed = "accept"
    "#;
    let Some((events, sources)) = read(table) else { return };
    let quotes = quotes(&events);
    assert_eq!(quotes.len(), 115_044);
    assert_eq!(quotes[0].ts_event.to_string(), "2013-01-31T23:59:59.700Z");
    assert_eq!(quotes[3].ts_event.to_string(), "2013-02-01T00:00:00Z");
    let first = (quotes[0].bid.to_string(), quotes[0].ask.to_string(), quotes[0].bid_size.to_string());
    assert_eq!(first, ("91.715".into(), "91.717".into(), "1000000".into()));
    assert_eq!(sources.len(), 2);
    assert_eq!((sources[0].counts.rows, sources[1].counts.rows, sources[0].counts.unpaired), (28_761, 28_761, 0));
    assert_eq!(sources[0].counts.accepted.crossed, CROSSED_QUOTES);
}

/// pandas: (bid > ask) summed over open, high, low and close of the two files.
const CROSSED_QUOTES: u64 = 2_549;

#[test]
fn one_file_of_bars_serves_as_bid_and_as_ask() {
    let table = r#"
        instrument = "BTC/USDT.SIM"
        kind = "bars"
        as = "quotes"
        path = "bars/ftx_btcperp_1m_20211231_20220201.csv.gz"
        limit = 10000
    "#;
    let Some((events, sources)) = read(table) else { return };
    let quotes = quotes(&events);
    assert_eq!(quotes.len(), 40_000);
    assert!(quotes.iter().all(|q| q.bid == q.ask));
    assert_eq!(quotes[0].bid_size.to_string(), "575103.432375");
    assert_eq!(quotes[0].ts_event.to_string(), "2021-12-31T23:00:59.700Z");
    // b3sum of the whole file, though its end was not wanted.
    assert_eq!((sources[0].bytes, sources[0].counts.rows), (834_619, 10_000));
    assert_eq!(sources[0].blake3.len(), 64);
}

#[test]
fn a_bundle_of_daily_zips_is_read_in_place() {
    let table = r#"
        instrument = "SPY.XNAS"
        kind = "bars"
        series = "1m last external"
        path = "bars/lean_usequity_spy_1m_2013_2023.tar.gz"
        member = "*_trade.csv"
        timezone = "America/New_York"
        date_from = "file_name"
        stamp = "open"
        price_scale = 10000
    "#;
    let Some((events, sources)) = read(table) else { return };
    let bars = bars(&events);
    assert_eq!(bars.len(), 5_786);
    let first = &bars[0];
    assert_eq!(first.ts_event.to_string(), "2013-10-04T08:07:00Z", "04:06 in New York, moved to its close");
    assert_eq!((first.open.to_string(), first.volume.to_string()), ("167.65".into(), "20000".into()));
    let close: i128 = bars.iter().map(|b| i128::from(b.close.units())).sum();
    assert_eq!(close, SPY_CLOSE_SUM);
    assert_eq!(sources.len(), 1);
}

/// Sum of the integer closes of the trade files, times 100,000.
const SPY_CLOSE_SUM: i128 = 1_236_519_188_000_000;

#[test]
fn quote_bars_hold_both_sides_of_a_row() {
    let table = r#"
        instrument = "XAU/USD.OANDA"
        kind = "quote_bars"
        path = "bars/lean_oanda_xauusd_1m_2014.tar.gz"
        date_from = "file_name"
        stamp = "open"
        interval = "1m"
        on_crossed = "accept"
    "#;
    let Some((events, _)) = read(table) else { return };
    let quotes = quotes(&events);
    assert_eq!(quotes.len(), 4 * 15_222);
    assert_eq!(quotes[0].ts_event.to_string(), "2014-05-01T00:00:59.700Z");
    assert_eq!((quotes[0].bid.to_string(), quotes[0].ask.to_string()), ("1291.677".into(), "1292.033".into()));
    assert_eq!(quotes[0].bid_size.to_string(), "1000000", "a size of zero is none");
}

#[test]
fn an_adjusted_close_scales_one_ticker_of_a_long_table() {
    let table = r#"
        instrument = "AAPL.XNAS"
        kind = "bars"
        series = "1d last external"
        path = "panel/bokeh_stocks5_1d_2000_2013.csv.gz"
        where = { Ticker = "AAPL" }
        columns = { adjusted_close = "Adj Close" }
        price_digits = 6
        timezone = "America/New_York"
        session_close = "16:00"
    "#;
    let Some((events, sources)) = read(table) else { return };
    let bars = bars(&events);
    assert_eq!(bars[0].ts_event.to_string(), "2000-03-01T21:00:00Z");
    assert_eq!(bars[0].close.to_string(), "4.186663");
    assert_eq!(bars[0].open.to_string(), AAPL_OPEN);
    assert_eq!(bars.len() as u64 + sources[0].counts.filtered, 12_154);
    assert_eq!(bars.len(), AAPL_ROWS);
}

/// Decimal: 118.56 * 4.186662803811 / 130.31 to six places.
const AAPL_OPEN: &str = "3.809153";
/// pandas: rows whose Ticker is AAPL.
const AAPL_ROWS: usize = 3_270;

#[test]
fn quotes_with_offset_stamps() {
    let table = r#"
        instrument = "USD/JPY.TRUEFX"
        kind = "quotes"
        path = "ticks/truefx_usdjpy_quotes_20130101.csv.gz"
    "#;
    let Some((events, _)) = read(table) else { return };
    let quotes = quotes(&events);
    assert_eq!(quotes.len(), 1_000);
    assert_eq!(quotes[999].ts_event.to_string(), "2013-01-01T22:35:13.494Z");
}

#[test]
fn crossed_ticks_are_counted_or_refused() {
    let table = r#"
        instrument = "EUR/USD.FXCM"
        kind = "quotes"
        path = "ticks/lean_fxcm_eurusd_tickquote_20140501.zip"
        date_from = "file_name"
        on_crossed = "accept"
    "#;
    let Some((events, sources)) = read(table) else { return };
    assert_eq!((events.len(), sources[0].counts.accepted.crossed), (51_053, 3_991));
    let Some((events, sources)) = read(&table.replace("accept", "drop")) else { return };
    assert_eq!((events.len(), sources[0].counts.dropped.crossed), (51_053 - 3_991, 3_991));
    let spec: DataSpec = toml::from_str(&table.replace("accept", "refuse")).unwrap();
    let mut feed = open(&spec, &[folder().unwrap()], &mut Any).unwrap();
    let error = loop {
        if let Err(error) = feed.read(&mut Vec::new()) {
            break error.to_string();
        }
    };
    assert!(error.contains("20140501_eurusd_tick_quote.csv:"), "{error}");
}

#[test]
fn one_sided_ticks_become_quotes_of_both_sides() {
    let table = r#"
        instrument = "IBM.XNYS"
        kind = "quotes"
        path = "ticks/lean_usequity_ibm_tickquote_20131007.zip"
        columns = { ts = 0, bid = 1, bid_size = 2, ask = 3, ask_size = 4 }
        timezone = "America/New_York"
        date_from = "file_name"
        price_scale = 10000
        one_sided = "merge"
        on_crossed = "drop"
    "#;
    let Some((events, sources)) = read(table) else { return };
    let counts = sources[0].counts;
    assert_eq!(counts.rows, 109_067);
    assert_eq!(events.len() as u64 + counts.one_sided + counts.dropped.crossed, 109_067);
    assert_eq!(counts.one_sided, 1);
    let first = quotes(&events)[0];
    assert_eq!(first.ts_event.to_string(), "2013-10-07T08:00:00.241Z");
    assert_eq!((first.bid.to_string(), first.ask.to_string()), ("180.01".into(), "183.63".into()));
}

#[test]
fn trades_with_exchange_and_receive_stamps() {
    let table = r#"
        instrument = "BTCUSDT.BINANCE"
        kind = "trades"
        path = "trades/tardis_binancefutures_btcusdt_trades_20200222.csv.gz"
    "#;
    let Some((events, _)) = read(table) else { return };
    let trades = trades(&events);
    assert_eq!(trades.len(), 9_999);
    let first = trades[0];
    assert_eq!((first.aggressor, first.trade_id), (Some(Side::Buy), 42_377_944));
    assert_eq!(first.ts_event.to_string(), "2020-02-22T00:00:02.111Z");
    assert_eq!(first.ts_recv.to_string(), "2020-02-22T00:00:02.418379Z");
}

#[test]
fn files_without_header_take_their_usual_order_or_the_order_given() {
    let table = r#"
        instrument = "BCH/EUR.KRAKEN"
        kind = "trades"
        path = "trades/kraken_bcheur_trades_2023q2.csv.gz"
    "#;
    let Some((events, _)) = read(table) else { return };
    assert_eq!(trades(&events).len(), 486);
    let table = r#"
        instrument = "ADA/BTC.BINANCE"
        kind = "bars"
        series = "1m last external"
        path = "bars/binance_adabtc_1m_20211127.csv.gz"
        columns = { ts = 0, open = 1, high = 2, low = 3, close = 4, volume = 5 }
        stamp = "open"
    "#;
    let Some((events, _)) = read(table) else { return };
    let bars = bars(&events);
    assert_eq!(bars.len(), 1_440);
    assert_eq!(bars[0].ts_event.to_string(), "2021-11-27T00:01:00Z");
    assert_eq!(bars[0].open.to_string(), "0.00002853");
}

#[test]
fn american_dates_are_read_by_their_pattern() {
    let table = r#"
        instrument = "SPX.CBOE"
        kind = "bars"
        series = "1m last external"
        path = "bars/mplfinance_sp500index_1m_201911.csv.gz"
        ts_format = "%m/%d/%Y %H:%M"
        timezone = "America/New_York"
        stamp = "open"
    "#;
    let Some((events, _)) = read(table) else { return };
    let bars = bars(&events);
    assert_eq!(bars.len(), 1_563);
    assert_eq!(bars[0].ts_event.to_string(), "2019-11-05T14:31:00Z");
    assert_eq!(bars[0].close.to_string(), "3080.49", "the columns stand in another order than usual");
}

#[test]
fn a_daily_bar_stamped_at_midnight_is_seen_at_its_close() {
    let table = r#"
        instrument = "SPY.ARCX"
        kind = "bars"
        series = "1d last external"
        path = "panel/lean_usequity_spy_1d.zip"
        timezone = "America/New_York"
        stamp = "open"
        session_close = "16:00"
        price_scale = 10000
    "#;
    let Some((events, _)) = read(table) else { return };
    let bars = bars(&events);
    assert_eq!(bars.len(), 5_849);
    assert_eq!(bars[0].ts_event.to_string(), "1998-01-02T21:00:00Z");
    assert_eq!(bars[5_848].ts_event.to_string(), "2021-03-31T20:00:00Z");
    assert_eq!(bars[0].close.to_string(), "97.36");
}

#[cfg(feature = "parquet")]
#[test]
fn parquet_files_written_by_pandas() {
    let table = r#"
        instrument = "BTC/USDT.BINANCE"
        kind = "trades"
        path = "trades/binance_btcusdt_trades.parquet"
    "#;
    let Some((events, sources)) = read(table) else { return };
    let trades = trades(&events);
    assert_eq!((trades.len(), sources[0].counts.rows), (2_001, 2_001));
    let first = trades[0];
    assert_eq!(first.ts_event.to_string(), "2021-01-08T00:00:00.278Z");
    assert_eq!((first.price.to_string(), first.size.to_string()), ("39432.48".into(), "0.000263".into()));
    assert_eq!((first.aggressor, first.trade_id), (Some(Side::Sell), 553_287_559), "the buyer was the maker");
    let sum: i128 = trades.iter().map(|t| i128::from(t.size.units())).sum();
    assert_eq!(sum, TRADES_SIZE_SUM);

    let table =
        table.replace("trades/binance_btcusdt_trades", "ticks/binance_btcusdt_quotes").replace("trades", "quotes");
    let Some((events, _)) = read(&table) else { return };
    let quotes = quotes(&events);
    assert_eq!(quotes.len(), 451);
    let sum = |price: fn(&Quote) -> Price| quotes.iter().map(|q| i128::from(price(q).units())).sum::<i128>();
    assert_eq!((sum(|q| q.bid), sum(|q| q.ask)), QUOTES_SUMS);
}

/// Sums of the columns' shortest texts, each rounded by Decimal to nine places, in units of 1e-9.
#[cfg(feature = "parquet")]
const TRADES_SIZE_SUM: i128 = 87_071_596_000;
#[cfg(feature = "parquet")]
const QUOTES_SUMS: (i128, i128) = (17_812_579_740_000_000, 17_813_644_680_000_000);

#[test]
fn inspection_guesses_a_table_that_reads_the_file() {
    let Some(folder) = folder() else {
        eprintln!("SKIPPED: no real data; name its folder with STARLING_DATA");
        return;
    };
    for (file, kind, rows, faults) in [
        ("bars/fxcm_usdjpy_m1_bid_201302.csv.gz", Kind::Bars, 28_761, 0),
        ("bars/bitfinex_ltcusd_1m_2016.csv.gz", Kind::Bars, LTC_ROWS, 0),
        ("bars/lean_usequity_spy_1m_2013_2023.tar.gz", Kind::QuoteBars, 6_373, 25),
        ("bars/lean_oanda_xauusd_1m_2014.tar.gz", Kind::QuoteBars, 15_222, 0),
        ("bars/mplfinance_sp500index_1m_201911.csv.gz", Kind::Bars, 1_563, 0),
        ("bars/backtesting_eurusd_1h_2017_2018.csv.gz", Kind::Bars, 5_000, 0),
        ("ticks/lean_fxcm_eurusd_tickquote_20140501.zip", Kind::Quotes, 51_053, 3_991),
        ("ticks/lean_usequity_ibm_tickquote_20131007.zip", Kind::Quotes, 109_067, u64::MAX),
        ("ticks/tardis_binancefutures_btcusdt_quotes_20200222.csv.gz", Kind::Quotes, 9_999, 0),
        ("trades/freqtrade_publictrades_20230202.csv.gz", Kind::Trades, 1_000, 0),
        ("trades/kraken_bcheur_trades_2023q2.csv.gz", Kind::Trades, 486, 0),
    ] {
        let seen = inspect(&folder.join(file)).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(seen.kind, Some(kind), "{seen}");
        let read = seen.read.clone().unwrap_or_else(|| panic!("{seen}"));
        assert_eq!(read.counts.rows, rows, "{seen}");
        assert!(faults == u64::MAX || read.counts.accepted.total() == faults, "{seen}");
        let spec: BTreeMap<String, Vec<DataSpec>> = toml::from_str(&seen.suggestion).unwrap();
        assert_eq!(spec["data"][0].kind, kind, "the suggestion is a table of the configuration");
    }
}

/// pandas: rows of the file.
const LTC_ROWS: u64 = 41_250;

#[test]
fn the_tables_of_the_guide_are_sound() {
    let guide = include_str!("../../../../docs/data.md");
    let blocks = guide.split("```toml\n").skip(1).filter_map(|b| b.split("```").next());
    let mut tables = 0;
    for block in blocks.filter(|b| b.starts_with("[[data]]")) {
        let parsed: BTreeMap<String, Vec<DataSpec>> = toml::from_str(block).unwrap_or_else(|e| panic!("{block}\n{e}"));
        for spec in &parsed["data"] {
            assert!(spec.faults().is_empty(), "{block}\n{:?}", spec.faults());
            tables += 1;
            let Some(folder) = folder() else { continue };
            let (events, _) = drain(&mut open(spec, &[folder], &mut Any).unwrap());
            assert!(!events.is_empty(), "{block}");
        }
    }
    assert_eq!(tables, 11, "the guide's examples are found");
}
