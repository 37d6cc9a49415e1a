//! DBN against Databento's own decoder: every sample file to its last record, and what we write.
//!
//! `sums.jsonl` is the output of `scripts/dbn_check.py` over the real files.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;
use starling_core::{Event, Price, Side};
use starling_lab::data::{self, DataError, DataSpec, DbnOptions, open_dbn};
use starling_market::dbn::{DbnError, Raw, Record, rtype};

use crate::{Any, Scratch, ask, exact, folder, judge, number};

fn events(table: &str, folder: &Path) -> Result<Vec<Event>, DataError> {
    crate::events(&toml::from_str(table).unwrap(), folder)
}

/// The sums that the script makes.
#[derive(Debug, Default, PartialEq, Eq)]
struct Sums {
    records: i128,
    price: i128,
    size: i128,
    ts_event: i128,
    sequence: i128,
    levels: i128,
}

impl Sums {
    fn add(&mut self, raw: &Raw<'_>) {
        let units = |price: Option<Price>| price.map_or(0, |p| i128::from(p.units()));
        let header = raw.header();
        self.records += 1;
        self.ts_event += i128::from(header.ts_event.map_or(u64::MAX, |ts| ts.get()));
        match raw.record() {
            Record::Tick(tick) => {
                self.price += units(tick.price);
                self.size += i128::from(tick.size);
                // Consolidated records have none.
                if !matches!(header.rtype, rtype::CMBP_1..=rtype::TCBBO) {
                    self.sequence += i128::from(tick.sequence);
                }
                for level in tick.levels.iter() {
                    self.levels += units(level.bid) + units(level.ask);
                    self.levels += i128::from(level.bid_size) + i128::from(level.ask_size);
                }
            }
            Record::Order(order) => {
                self.price += units(order.price);
                self.size += i128::from(order.size);
                self.sequence += i128::from(order.sequence);
            }
            Record::Bar(bar) => {
                self.price += units(bar.open) + units(bar.high) + units(bar.low) + units(bar.close);
                self.size += i128::from(bar.volume);
            }
            Record::Statistic(statistic) => self.price += units(statistic.price),
            _ => {}
        }
    }
}

fn golden() -> Vec<Value> {
    let text = include_str!("sums.jsonl");
    text.lines().map(exact).collect()
}

fn sums(line: &Value) -> Sums {
    Sums {
        records: number(&line["records"]),
        price: number(&line["price"]),
        size: number(&line["size"]),
        ts_event: number(&line["ts_event"]),
        sequence: number(&line["sequence"]),
        levels: number(&line["levels"]),
    }
}

#[test]
fn every_sample_decodes_to_the_last_record_as_with_databentos_decoder() {
    let Some(folder) = folder() else { return };
    let mut files = BTreeMap::new();
    for part in ["dbn", "book", "trades", "bars"] {
        for entry in std::fs::read_dir(folder.join(part)).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if name.contains(".dbn") || name.ends_with(".dbz") {
                files.insert(name, path);
            }
        }
    }
    // 81 files of the encoding's own samples, 5 others.
    assert_eq!(files.len(), 86);
    let mut records = 0;
    for line in golden() {
        let name = line["file"].as_str().unwrap();
        let mut reader = open_dbn(&files.remove(name).unwrap()).unwrap();
        if let Some(metadata) = reader.metadata() {
            assert_eq!(i128::from(metadata.version), number(&line["version"]), "{name}");
            assert_eq!(metadata.dataset, line["dataset"], "{name}");
            let symbols: Vec<&str> = line["symbols"].as_array().unwrap().iter().map(|s| s.as_str().unwrap()).collect();
            assert_eq!(metadata.symbols, symbols, "{name}");
        }
        let mut found = Sums::default();
        while let Some(raw) = reader.next_record().unwrap_or_else(|e| panic!("{name}: {e}")) {
            found.add(&raw);
        }
        assert_eq!(found, sums(&line), "{name}");
        records += found.records;
    }
    assert_eq!(records, RECORDS);
    // What is left is of the predecessor, and refused by name.
    assert_eq!(files.len(), 10);
    for (name, path) in files {
        let error = open_dbn(&path).err().unwrap();
        assert!(matches!(error, DataError::Dbn { cause: DbnError::Dbz, .. }), "{name}: {error}");
        assert!(error.to_string().contains("convert it"), "{error}");
    }
}

/// Sum of the script's record counts.
const RECORDS: i128 = 25_147;

#[test]
fn definitions_read_alike_in_every_version() {
    let Some(folder) = folder() else { return };
    let mut seen = Vec::new();
    for version in 1..=3 {
        let path = folder.join(format!("dbn/test_data.definition.v{version}.dbn.zst"));
        let mut reader = open_dbn(&path).unwrap();
        let mut all = Vec::new();
        while let Some(raw) = reader.next_record().unwrap() {
            let Record::Definition(d) = raw.record() else { panic!("{raw:?}") };
            let texts = [d.raw_symbol(), d.group(), d.exchange(), d.asset(), d.currency()].map(str::to_owned);
            let prices = [d.price_increment(), d.display_factor(), d.strike()].map(|p| p.map(|p| p.to_string()));
            all.push((texts, prices, d.instrument_class(), d.round_lot(), d.contract_multiplier(), d.expiration()));
        }
        seen.push(all);
    }
    assert_eq!(seen[0], seen[1]);
    assert_eq!(seen[1], seen[2]);
    // databento-dbn: raw_symbol, exchange and instrument_class of the first record.
    let (texts, _, class, ..) = &seen[0][0];
    assert_eq!((texts[0].as_str(), texts[2].as_str(), *class), DEFINITION);
}

const DEFINITION: (&str, &str, u8) = ("MSFT", "XNAS", b'K');

#[test]
fn a_data_table_reads_dbn() {
    let Some(folder) = folder() else { return };
    let trades = r#"
        instrument = "ES.CME"
        kind = "trades"
        path = "trades/databento_futures_trades_20240701.dbn.zst"
    "#;
    let found = events(trades, &folder).unwrap();
    assert_eq!(found.len(), 120);
    let price: i128 = found.iter().map(|e| if let Event::Trade(t) = e { i128::from(t.price.units()) } else { 0 }).sum();
    assert_eq!(price, 663_482_000_000_000);
    assert!(found.iter().any(|e| matches!(e, Event::Trade(t) if t.aggressor == Some(Side::Sell))));

    let quotes = r#"
        instrument = "ES.CME"
        kind = "quotes"
        path = "book/databento_futures_mbp1_20240701.dbn.zst"
        on_crossed = "accept"
    "#;
    assert_eq!(events(quotes, &folder).unwrap().len(), 2_288);
    // The same file holds the trades between them.
    let within =
        quotes.replace("\"quotes\"", "\"trades\"").replace("on_crossed = \"accept\"", "where = { action = \"T\" }");
    assert_eq!(events(&within, &folder).unwrap().len(), 120);

    let bars = r#"
        instrument = "ES.CME"
        kind = "bars"
        series = "1m last external"
        path = "bars/databento_futures_ohlcv1m_20240701.dbn.zst"
        stamp = "open"
    "#;
    let several = events(bars, &folder).unwrap_err().to_string();
    assert!(several.contains("several instruments") && several.contains("where = { symbol"), "{several}");
    let found = events(&format!("{bars}\nwhere = {{ symbol = \"ESU4\" }}"), &folder).unwrap();
    assert_eq!(found.len(), 30);
    let Event::Bar(first) = found[0] else { panic!() };
    assert_eq!(first.ts_event.to_string(), "2024-07-01T23:41:00Z", "a bar is seen at its close");
}

#[test]
fn databentos_decoder_reads_what_is_written() {
    let (Some(folder), Some(python)) = (folder(), judge("databento_dbn, pyarrow")) else { return };
    let scratch = Scratch::new("write");
    let cases = [
        (
            "trades.dbn",
            "kind = \"trades\"\npath = \"trades/tardis_binancefutures_btcusdt_trades_20200222.csv.gz\"",
            DbnOptions { size_scale: 1_000, symbol: "BTCUSDT".into(), instrument_id: 7, ..DbnOptions::default() },
        ),
        (
            "quotes.dbn.zst",
            "kind = \"quotes\"\npath = \"ticks/tardis_binancefutures_btcusdt_quotes_20200222.csv.gz\"",
            DbnOptions { size_scale: 1_000, ..DbnOptions::default() },
        ),
        (
            "bars.dbn",
            "kind = \"bars\"\nseries = \"1m last external\"\npath = \"bars/cme_6eh4_1m_202401.csv.gz\"",
            DbnOptions::default(),
        ),
    ];
    for (name, table, options) in cases {
        let table = format!("instrument = \"X.SIM\"\n{table}");
        let spec: DataSpec = toml::from_str(&table).unwrap();
        let mut feed = data::open(&spec, std::slice::from_ref(&folder), &mut Any).unwrap();
        let path = scratch.0.join(name);
        let rows = data::write_dbn(&mut feed, &path, &options).unwrap();
        let given = events(&table, &folder).unwrap();
        assert_eq!(rows, given.len() as u64);
        let mut want = Sums { records: rows.into(), ..Sums::default() };
        let scale = i128::from(options.size_scale);
        let whole = |units: i64| i128::from(units) * scale / 1_000_000_000;
        for event in &given {
            match event {
                Event::Trade(e) => {
                    want.price += i128::from(e.price.units());
                    want.size += whole(e.size.units());
                    want.ts_event += i128::from(e.ts_event.get());
                }
                Event::Quote(e) => {
                    want.levels += i128::from(e.bid.units()) + i128::from(e.ask.units());
                    want.levels += whole(e.bid_size.units()) + whole(e.ask_size.units());
                    want.ts_event += i128::from(e.ts_event.get());
                }
                Event::Bar(e) => {
                    want.price += [e.open, e.high, e.low, e.close].iter().map(|p| i128::from(p.units())).sum::<i128>();
                    want.size += whole(e.volume.units());
                    want.ts_event += i128::from(e.ts_event.get()) - i128::from(options.interval_ns);
                }
                other => panic!("{other:?}"),
            }
        }
        let line = exact(&ask(&python, "dbn_check.py", &[path.as_path()]));
        assert_eq!(sums(&line), want, "{name}");
        assert_eq!((number(&line["version"]), line["symbols"][0].as_str().unwrap()), (3, options.symbol.as_str()));
        // And by our own reader, as a table.
        let back = table.replace(table.split('"').nth(table.split('"').count() - 2).unwrap(), name);
        let back =
            if name == "bars.dbn" { format!("{back}\nstamp = \"open\"") } else { format!("{back}\nsize_scale = 1000") };
        assert_eq!(events(&back, &scratch.0).unwrap().len(), given.len(), "{name}");
    }
}

#[test]
fn a_size_that_is_not_whole_is_refused_with_the_way_out() {
    let Some(folder) = folder() else { return };
    let table = "instrument = \"X.SIM\"\nkind = \"trades\"\n\
        path = \"trades/tardis_binancefutures_btcusdt_trades_20200222.csv.gz\"";
    let spec: DataSpec = toml::from_str(table).unwrap();
    let mut feed = data::open(&spec, &[folder], &mut Any).unwrap();
    let scratch = Scratch::new("whole");
    let error = data::write_dbn(&mut feed, &scratch.0.join("x.dbn"), &DbnOptions::default()).unwrap_err().to_string();
    assert!(error.contains("is no whole number") && error.contains("size scale"), "{error}");
    assert_eq!(std::fs::read_dir(&scratch.0).unwrap().count(), 0, "nothing half-written");
}
