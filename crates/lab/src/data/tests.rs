//! Faults, one each, with the message a user reads; joins, order, and the bound on memory.

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use insta::assert_snapshot;
use starling_market::feed::SliceFeed;

use super::*;

struct One;

impl Resolve for One {
    fn instrument(&mut self, name: &str) -> Result<InstrumentId, String> {
        if name == "X.SIM" { Ok(InstrumentId(1)) } else { Err("no such instrument; there is `X.SIM`".into()) }
    }
    fn series(&mut self, _: InstrumentId, _: &str) -> Result<BarSeriesId, String> {
        Ok(BarSeriesId(2))
    }
    fn tick(&mut self, _: InstrumentId) -> Price {
        "0.05".parse().unwrap()
    }
}

/// A folder of its own for each test, removed at its end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("starling-data-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
    fn with(self, name: &str, bytes: impl AsRef<[u8]>) -> Self {
        std::fs::write(self.0.join(name), bytes).unwrap();
        self
    }
    fn search(&self) -> Vec<PathBuf> {
        vec![self.0.clone()]
    }
    fn read(&self, table: &str) -> Result<(Vec<Event>, Vec<SourceReport>), DataError> {
        let spec: DataSpec = toml::from_str(table).unwrap();
        all(&mut open(&spec, &self.search(), &mut One)?)
    }
    fn fault(&self, table: &str) -> String {
        let text = self.read(table).unwrap_err().to_string();
        text.replace(&self.0.display().to_string(), "DIR")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

fn all(feed: &mut OpenedFeed) -> Result<(Vec<Event>, Vec<SourceReport>), DataError> {
    let mut events = Vec::new();
    loop {
        let before = events.len();
        feed.read(&mut events)?;
        if events.len() == before {
            return Ok((events, feed.sources()));
        }
    }
}

const BARS: &str = r#"
    instrument = "X.SIM"
    kind = "bars"
    series = "1m last external"
    path = "bars.csv"
"#;
const QUOTES: &str = r#"
    instrument = "X.SIM"
    kind = "quotes"
    path = "quotes.csv"
"#;
const HEAD: &str = "timestamp,open,high,low,close,volume\n";

fn bars(rows: &str) -> Folder {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let name = format!("bars{}", NUMBER.fetch_add(1, Ordering::Relaxed));
    Folder::new(&name).with("bars.csv", format!("{HEAD}{rows}"))
}

#[test]
fn a_missing_column_names_those_there_are() {
    let folder = Folder::new("column").with("bars.csv", "timestamp,open,high,low,last_price\n2024-01-01,1,1,1,1\n");
    assert_snapshot!(folder.fault(BARS), @"bars.csv: no column holds close; there are `timestamp`, `open`, `high`, `low`, `last_price`; name the column, as in columns = { close = \"NAME\" }");
    let named = format!("{BARS} columns = {{ close = \"Last\" }}");
    assert_snapshot!(folder.fault(&named), @"bars.csv: there is no column `Last`; there are `timestamp`, `open`, `high`, `low`, `last_price`; correct `columns` or `where`");
}

#[test]
fn a_row_out_of_order() {
    let folder = bars("2024-01-01 00:02,1,1,1,1,1\n2024-01-01 00:01,1,1,1,1,1\n2024-01-01 00:03,1,1,1,1,1\n");
    assert_snapshot!(folder.fault(BARS), @r#"bars.csv:3: stamped 2024-01-01T00:01:00Z, before the row above (2024-01-01T00:02:00Z), so the rows are not sorted; fix the row or set on_unsorted = "drop" or "accept""#);
    let (events, sources) = folder.read(&format!("{BARS} on_unsorted = \"drop\"")).unwrap();
    assert_eq!((events.len(), sources[0].counts.dropped.unsorted), (2, 1));
    let (events, sources) = folder.read(&format!("{BARS} on_unsorted = \"accept\"")).unwrap();
    assert_eq!((events.len(), sources[0].counts.accepted.unsorted), (3, 1));
    assert!(events.is_sorted_by_key(Event::ts), "an accepted row is handed over when the one above it was");
}

/// Found by the fuzzer: a sound row took the quick path past the stamp of a dropped one.
#[test]
fn a_row_before_one_that_is_dropped_is_out_of_order_too() {
    let folder = bars("2024-01-01 00:02,1,0.5,1,1,1\n2024-01-01 00:01,1,1,1,1,1\n2024-01-01 00:03,1,1,1,1,1\n");
    for hours in ["", "hours = [\"00:00\", \"24:00\"]"] {
        let table = format!("{BARS} on_ohlc = \"drop\"\n {hours}");
        assert!(folder.fault(&table).contains("bars.csv:3: stamped"), "{}", folder.fault(&table));
        let (events, sources) = folder.read(&format!("{table}\n on_unsorted = \"drop\"")).unwrap();
        assert_eq!((events.len(), sources[0].counts.dropped.unsorted), (1, 1));
    }
}

#[test]
fn a_bar_that_stands_twice() {
    let folder = bars("2024-01-01 00:01,1,1,1,1,1\n2024-01-01 00:01,1,1,1,1,1\n");
    assert_snapshot!(folder.fault(BARS), @r#"bars.csv:3: the stamp 2024-01-01T00:01:00Z stands twice; fix the row or set on_duplicate = "drop" or "accept""#);
    let (events, sources) = folder.read(&format!("{BARS} on_duplicate = \"drop\"")).unwrap();
    assert_eq!((events.len(), sources[0].counts.dropped.duplicate), (1, 1));
}

#[test]
fn a_price_that_is_no_number() {
    let folder = bars("2024-01-01 00:01,1,1,1,1,1\n2024-01-01 00:02,1,1,1,nan,1\n");
    assert_snapshot!(folder.fault(BARS), @r#"bars.csv:3: column `close`: `nan` is not a decimal number; fix the row or set on_nan = "drop""#);
    for policy in ["drop", "accept"] {
        let (events, sources) = folder.read(&format!("{BARS} on_nan = \"{policy}\"")).unwrap();
        assert_eq!((events.len(), sources[0].counts.dropped.nan), (1, 1), "there is nothing to hand over");
    }
    assert_snapshot!(bars("2024-01-01 00:01,1,1,1,1.2.3,1\n").fault(BARS), @"bars.csv:2: column `close`: `1.2.3` is not a decimal number; fix the row, or name another column");
    assert_snapshot!(bars("2024-01-01 00:01,1,1,1,1.0000000001,1\n").fault(BARS), @"bars.csv:2: column `close`: `1.0000000001` has more than 9 decimals; set price_digits to round prices");
    assert_snapshot!(bars("1.1.2024 00:01,1,1,1,1,1\n").fault(BARS), @r#"bars.csv:2: column `timestamp`: `1.1.2024 00:01` is no stamp; set ts_format to its pattern, as in ts_format = "%m/%d/%Y %H:%M""#);
}

#[test]
fn a_missing_volume_takes_the_default_when_accepted() {
    let folder = bars("2024-01-01 00:01,1,1,1,1,\n");
    assert_snapshot!(folder.fault(BARS), @r#"bars.csv:2: column `volume`: `` is not a decimal number; fix the row or set on_nan = "drop""#);
    let (events, _) = folder.read(&format!("{BARS} on_nan = \"accept\"\n default_volume = 12.5")).unwrap();
    let Event::Bar(bar) = events[0] else { panic!() };
    assert_eq!(bar.volume.to_string(), "12.5");
}

#[test]
fn a_negative_volume_and_a_price_of_zero() {
    assert_snapshot!(bars("2024-01-01 00:01,1,1,1,1,-5\n").fault(BARS), @r#"bars.csv:2: column `volume`: `-5` is not positive; fix the row or set on_negative = "drop" or "accept""#);
    let folder = bars("2024-01-01 00:01,1,1,0,1,5\n");
    assert_snapshot!(folder.fault(BARS), @r#"bars.csv:2: column `low`: `0` is not positive; fix the row or set on_negative = "drop" or "accept""#);
    let (events, sources) = folder.read(&format!("{BARS} on_negative = \"accept\"")).unwrap();
    assert_eq!((events.len(), sources[0].counts.accepted.negative), (1, 1));
}

#[test]
fn a_bar_whose_high_is_no_high() {
    let folder = bars("2024-01-01 00:01,1,1.5,1,2,5\n");
    assert_snapshot!(folder.fault(BARS), @r#"bars.csv:2: open 1, high 1.5, low 1, close 2 make no bar; fix the row or set on_ohlc = "drop" or "accept""#);
    let (events, sources) = folder.read(&format!("{BARS} on_ohlc = \"accept\"")).unwrap();
    assert_eq!((events.len(), sources[0].counts.accepted.ohlc), (1, 1));
}

#[test]
fn a_crossed_quote_under_each_policy() {
    let folder =
        Folder::new("crossed").with("quotes.csv", "time,bid,ask\n1700000000,1,2\n1700000001,3,2\n1700000002,2,2\n");
    assert_snapshot!(folder.fault(QUOTES), @r#"quotes.csv:3: bid 3 is over ask 2; fix the row or set on_crossed = "drop" or "accept""#);
    let (events, sources) = folder.read(&format!("{QUOTES} on_crossed = \"drop\"")).unwrap();
    assert_eq!((events.len(), sources[0].counts.dropped.crossed), (2, 1));
    let (events, sources) = folder.read(&format!("{QUOTES} on_crossed = \"accept\"")).unwrap();
    assert_eq!((events.len(), sources[0].counts.accepted.crossed), (3, 1));
}

#[test]
fn a_quote_with_one_side() {
    let folder =
        Folder::new("sides").with("quotes.csv", "time,bid,ask\n1700000000,1,0\n1700000001,0,2\n1700000002,1.5,\n");
    assert_snapshot!(folder.fault(QUOTES), @r#"quotes.csv:2: column `bid`: the quote has one side only; set one_sided = "merge" to keep the last of each side"#);
    let (events, sources) = folder.read(&format!("{QUOTES} one_sided = \"merge\"")).unwrap();
    assert_eq!((events.len(), sources[0].counts.one_sided), (2, 1));
    let Event::Quote(last) = events[1] else { panic!() };
    assert_eq!((last.bid.to_string(), last.ask.to_string()), ("1.5".into(), "2".into()));
}

#[test]
fn a_short_row() {
    assert_snapshot!(bars("2024-01-01 00:01,1,1,1,1,1\n2024-01-01 00:02,1,1\n").fault(BARS), @"bars.csv:3: the row has 3 fields, but column `low` is number 4; fix or remove the row");
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    out.write_all(text).unwrap();
    out.finish().unwrap()
}

fn zipped(members: &[(&str, &str)]) -> Vec<u8> {
    let mut out = zip::ZipWriter::new(io::Cursor::new(Vec::new()));
    for (name, text) in members {
        out.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        out.write_all(text.as_bytes()).unwrap();
    }
    out.finish().unwrap().into_inner()
}

fn many_rows(n: u64) -> String {
    (0..n).map(|i| format!("{},1.{:02},2,1,1.5,{i}\n", 1_700_000_000 + 60 * i, i * i % 100)).collect()
}

#[test]
fn compressed_files_that_end_early() {
    let whole = gzip(format!("{HEAD}{}", many_rows(20_000)).as_bytes());
    let folder = Folder::new("gz").with("bars.csv.gz", &whole[..whole.len() / 2]);
    let table = BARS.replace("bars.csv", "bars.csv.gz");
    assert_snapshot!(folder.fault(&table), @"`bars.csv.gz` is not a whole gzip file: incomplete deflate stream, after line 10029; fetch it again");
    let mut feed = open(&toml::from_str(&table).unwrap(), &folder.search(), &mut One).unwrap();
    let mut events = Vec::new();
    while feed.read(&mut events).is_ok() {}
    assert!(events.len() > 5_000, "what was whole is handed over before the error");

    let zip = zipped(&[("bars.csv", &format!("{HEAD}{}", many_rows(50)))]);
    let folder = Folder::new("zip").with("bars.zip", &zip[..zip.len() - 30]);
    assert_snapshot!(folder.fault(&BARS.replace("bars.csv", "bars.zip")), @"`bars.zip` is not a whole zip file: invalid Zip archive: Could not find EOCD; fetch it again");
    let folder = Folder::new("zst").with("bars.csv.zst", b"no frame");
    assert_snapshot!(folder.fault(&BARS.replace("bars.csv", "bars.csv.zst")), @"`bars.csv.zst` is not a whole zstd file: Unknown frame descriptor; fetch it again");
}

#[test]
fn members_of_archives() {
    let (a, b) = (format!("{HEAD}{}", many_rows(3)), format!("{HEAD}{}", many_rows(2)));
    let folder = Folder::new("members").with("day.zip", zipped(&[("a.csv", &a), ("b.csv", &b)]));
    let table = BARS.replace("bars.csv", "day.zip");
    assert_snapshot!(folder.fault(&format!("{table} member = \"c*\"")), @r#"`day.zip` has no member that matches member = "c*"; it has `a.csv`, `b.csv`"#);
    assert_eq!(folder.read(&format!("{table} member = \"b*\"")).unwrap().0.len(), 2);
    assert_snapshot!(folder.fault(&table), @r#"day.zip > b.csv:2: stamped 2023-11-14T22:13:20Z, before the row above (2023-11-14T22:15:20Z), so the rows are not sorted; fix the row or set on_unsorted = "drop" or "accept""#);

    let mut tar = tar::Builder::new(Vec::new());
    for (name, bytes) in [("1.zip", zipped(&[("a.csv", &a)])), ("2.csv.gz", gzip(b.as_bytes()))] {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, name, bytes.as_slice()).unwrap();
    }
    let bundle = gzip(&tar.into_inner().unwrap());
    let folder = Folder::new("bundle").with("bars.tgz", &bundle);
    let table = BARS.replace("bars.csv", "bars.tgz");
    let (events, sources) = folder.read(&format!("{table} on_unsorted = \"drop\"")).unwrap();
    assert_eq!((events.len(), sources[0].counts.rows), (3, 5), "the second member repeats the first's stamps");
    assert_eq!(sources[0].blake3, blake3::hash(&bundle).to_hex().to_string());
    assert_eq!(sources[0].bytes, bundle.len() as u64);
}

#[test]
fn empty_files_and_files_that_are_no_text() {
    assert_snapshot!(bars("").fault(BARS), @"`bars.csv` holds no rows; leave it out, or fetch it again");
    let folder = Folder::new("latin").with("bars.csv", b"timestamp,op\xE9n,high,low,close\n2024-01-01,1,1,1,1\n");
    assert_snapshot!(folder.fault(BARS), @"bars.csv:1: byte 0xE9 is not UTF-8 text; convert the file, or name its format if it is not text");
    let folder = Folder::new("latin2").with("bars.csv", [HEAD.as_bytes(), b"2024-01-01,1,1,1,\xA31,1\n"].concat());
    assert_snapshot!(folder.fault(BARS), @"bars.csv:2: byte 0xA3 is not UTF-8 text; convert the file, or name its format if it is not text");
    let folder = Folder::new("noheader").with("bars.csv", "2024-01-01,1,1,1,1,1,1,1\n");
    assert_snapshot!(folder.fault(BARS), @"bars.csv: no header names the 8 columns; say which is which, as in columns = { ts = 0, ... }");
}

#[test]
fn a_missing_file_names_where_it_was_looked_for() {
    let spec: DataSpec = toml::from_str(BARS).unwrap();
    let search = [PathBuf::new(), PathBuf::from("examples")];
    let text = |spec: &DataSpec, search: &[PathBuf]| open(spec, search, &mut One).err().unwrap().to_string();
    assert_snapshot!(text(&spec, &search), @"`bars.csv` is not there; looked in `.`, `examples`; correct `path`, or name its folder with --data-dir");
    assert_snapshot!(text(&DataSpec::new("no/such.csv", "X.SIM", Kind::Quotes), &[]), @"`no/such.csv` is not there; looked in the path as it stands; correct `path`, or name its folder with --data-dir");
    assert_snapshot!(text(&DataSpec::new("no/such.csv", "Y.SIM", Kind::Quotes), &[]), @"`Y.SIM`: no such instrument; there is `X.SIM`");
}

#[test]
fn tables_that_are_wrong() {
    let parse = |more: &str| toml::from_str::<DataSpec>(&format!("{BARS}{more}")).unwrap_err().message().to_owned();
    assert_snapshot!(parse("kid = 1"), @"unknown field `kid`, expected one of `path`, `member`, `bid`, `ask`, `instrument`, `kind`, `as`, `series`, `format`, `delimiter`, `header`, `columns`, `where`, `skip`, `limit`, `from`, `to`, `hours`, `ts_unit`, `ts_format`, `timezone`, `date_from`, `stamp`, `interval`, `session_close`, `price_scale`, `size_scale`, `price_factor`, `price_digits`, `size_digits`, `round_to_tick`, `default_volume`, `default_size`, `quote_offsets_ms`, `one_sided`, `on_unsorted`, `on_duplicate`, `on_crossed`, `on_nan`, `on_negative`, `on_ohlc`");
    assert_snapshot!(parse("limit = \"many\""), @r#"invalid type: string "many", expected u64"#);
    assert_snapshot!(parse("on_nan = \"ignore\""), @"unknown variant `ignore`, expected one of `refuse`, `drop`, `accept`");
    assert_snapshot!(parse("columns = { opne = 1 }"), @"unknown field `opne`, expected one of `ts`, `ts_recv`, `open`, `high`, `low`, `close`, `volume`, `adjusted_close`, `bid`, `ask`, `bid_size`, `ask_size`, `price`, `size`, `side`, `buyer_maker`, `trade_id`, `bid_open`, `bid_high`, `bid_low`, `bid_close`, `ask_open`, `ask_high`, `ask_low`, `ask_close`, `rate`, `mark`");
    assert_snapshot!(parse("price_factor = true"), @"a decimal number, or a decimal in quotes");
    let wrong = r#"
        instrument = "X.SIM"
        kind = "quotes"
        as = "bars"
        stamp = "open"
        price_scale = 0
        bid = { path = "bid.csv" }
        quote_offsets_ms = [0, 100, 200, 300]
    "#;
    let spec: DataSpec = toml::from_str(wrong).unwrap();
    assert_snapshot!(open(&spec, &[], &mut One).err().unwrap().to_string(), @r#"the [[data]] table of `X.SIM` is wrong: `ask` is missing beside `bid`; name its file; `bid` a pair of files needs kind = "bars" and as = "quotes"; or use one table for each side; `as` is for bars; quotes, trades and funding are handed over as they are; `interval` is missing; a bar stamped at its open is moved to its close, as in interval = "1m"; `stamp` is for bars; remove it; `price_scale` is 0; it divides, so it must be at least 1; `quote_offsets_ms` must not increase: open, high, low and close are quoted in this order"#);
}

#[test]
fn a_table_survives_being_written() {
    let table = r#"
        instrument = "X.SIM"
        kind = "bars"
        as = "quotes"
        path = ["a.csv", "b*.csv"]
        columns = { ts = 0, close = "Last" }
        where = { Ticker = "AAPL", n = 3 }
        price_factor = 0.1
        default_volume = "4000000.5"
        on_crossed = "accept"
        limit = 10
    "#;
    let spec: DataSpec = toml::from_str(table).unwrap();
    assert_eq!(spec.price_factor, "0.1".parse().ok());
    assert_eq!(toml::from_str::<DataSpec>(&toml::to_string(&spec).unwrap()).unwrap(), spec);
    let schema = serde_json::to_value(schemars::schema_for!(DataSpec)).unwrap();
    let fields = schema["properties"].as_object().unwrap();
    assert!(
        fields.values().all(|f| f["description"].is_string() || f["$ref"].is_string()),
        "each field says what it is"
    );
    assert_eq!(schema["additionalProperties"], false);
}

#[test]
fn bid_and_ask_are_joined_by_stamp() {
    let rows = |stamps: &[u64], price: &str| {
        let rows: String = stamps.iter().map(|t| format!("{t},{price},{price},{price},{price},8\n")).collect();
        format!("{HEAD}{rows}")
    };
    let folder = Folder::new("join")
        .with("bid.csv", rows(&[1_700_000_000, 1_700_000_060, 1_700_000_120, 1_700_000_240], "1"))
        .with("ask.csv", rows(&[1_700_000_060, 1_700_000_180, 1_700_000_240, 1_700_000_300], "2"));
    let table = r#"
        instrument = "X.SIM"
        kind = "bars"
        as = "quotes"
        bid = { path = "bid.csv" }
        ask = { path = "ask.csv" }
    "#;
    let (events, sources) = folder.read(table).unwrap();
    let stamps: Vec<u64> = events.iter().map(|e| e.ts().get() / 1_000_000).collect();
    let four = |t: u64| [t - 300, t - 200, t - 100, t];
    assert_eq!(stamps, [four(1_700_000_060_000), four(1_700_000_240_000)].concat());
    assert_eq!((sources[0].counts.unpaired, sources[1].counts.unpaired), (2, 2));
    let Event::Quote(quote) = events[0] else { panic!() };
    assert_eq!((quote.bid, quote.ask, quote.ask_size), (Price::from_int(1), Price::from_int(2), Qty::from_int(2)));
    let (events, _) = folder.read(&format!("{table} quote_offsets_ms = [59000, 100, 0, 0]")).unwrap();
    assert_eq!(events[0].ts().get() / 1_000_000, 1_700_000_001_000);
    let long = table.replace("bid.csv", "ask.csv") + "quote_offsets_ms = [70000, 0, 0, 0]";
    assert_snapshot!(folder.fault(&long), @r#"ask.csv:4: a quote of the bar falls at 2023-11-14T22:16:10Z, before the one above it (2023-11-14T22:16:20Z); shorten quote_offsets_ms; fix the row or set on_unsorted = "drop" or "accept""#);
}

#[test]
fn rows_are_chosen_by_range_number_and_cell() {
    let folder = bars(&many_rows(100));
    let count = |more: &str| folder.read(&format!("{BARS}{more}")).unwrap();
    let first = |events: &[Event]| events[0].ts().get() / 1_000_000_000 - 1_700_000_000;
    let (events, sources) = count("skip = 10\n limit = 5");
    assert_eq!((events.len(), first(&events), sources[0].counts.outside), (5, 600, 10));
    let (events, sources) = count("from = \"2023-11-14 22:14:20\"\n to = \"2023-11-14T22:16:20Z\"");
    assert_eq!(
        (events.len(), first(&events), sources[0].counts.outside),
        (2, 60, 2),
        "the start counts, the end does not"
    );
    // Rows end at 22:13:20, 22:14:20 and so on: the bar that ends with the hours counts, the one that only begins does not.
    for hours in [
        "hours = [\"22:14:20\", \"22:17:20\"]",
        "hours = [\"17:14:20\", \"17:17:20\"]\n timezone = \"America/New_York\"",
    ] {
        let (events, sources) = count(hours);
        assert_eq!((events.len(), first(&events), sources[0].counts.outside), (3, 120, 97));
    }
    let backwards = folder.fault(&format!("{BARS}hours = [\"16:00\", \"09:30\"]"));
    assert!(backwards.contains("two times of one day, the earlier first"), "{backwards}");
    let (events, sources) = count("where = { volume = 7 }");
    assert_eq!((events.len(), first(&events), sources[0].counts.filtered), (1, 420, 99));
    let (events, _) = count("round_to_tick = true");
    let Event::Bar(bar) = events[2] else { panic!() };
    assert_eq!(bar.open.to_string(), "1.05", "1.04 to the tick of 0.05");
}

#[test]
fn globs_are_read_in_order_of_names() {
    let part = |i: u64| format!("{HEAD}{},1,1,1,1,1\n", 1_700_000_000 + i);
    let folder = Folder::new("glob")
        .with("b-2.csv", part(2))
        .with("b-1.csv", part(1))
        .with("b-3.csv", part(3))
        .with("c.txt", "x");
    let (events, sources) = folder.read(&BARS.replace("bars.csv", "b-*.csv")).unwrap();
    assert_eq!(events.len(), 3);
    let names: Vec<&str> = sources.iter().map(|s| s.path.as_str()).collect();
    assert_eq!(names, ["b-1.csv", "b-2.csv", "b-3.csv"]);
    for (pattern, text, want) in [
        ("*", "", true),
        ("a*b*c", "a1b2c", true),
        ("a*b*c", "acb", false),
        ("ab*ba", "aba", false),
        ("*.csv", "x.csv.gz", false),
        ("abc", "abc", true),
    ] {
        assert_eq!(source::matches(pattern, text), want, "{pattern} {text}");
    }
}

/// Text made while it is read, which counts what was taken.
struct Endless {
    made: Arc<AtomicU64>,
    row: u64,
    rows: u64,
    rest: Vec<u8>,
}

impl Read for Endless {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.rest.is_empty() && self.row < self.rows {
            self.rest =
                format!("{:019},1.00000,1.00000,1.00000,1.00000,1\n", 1_700_000_000_000_000_000 + self.row).into();
            self.row += 1;
        }
        let n = self.rest.len().min(out.len());
        out[..n].copy_from_slice(&self.rest[..n]);
        self.rest.drain(..n);
        self.made.fetch_add(n as u64, Ordering::SeqCst);
        Ok(n)
    }
}

impl Seek for Endless {
    fn seek(&mut self, _: SeekFrom) -> io::Result<u64> {
        Err(io::Error::other("a stream"))
    }
}

#[test]
fn memory_does_not_grow_with_the_file() {
    const ROWS: u64 = 200_000;
    const ROW_BYTES: u64 = 54;
    let made = Arc::new(AtomicU64::new(0));
    let input = Endless { made: Arc::clone(&made), row: 0, rows: ROWS, rest: Vec::new() };
    let spec: DataSpec = toml::from_str(BARS).unwrap();
    let decoder = Decoder::new(&spec, Price::ZERO).unwrap();
    let table = Table::reading(&spec, "made.csv", Box::new(input), decoder);
    let mut feed = OpenedFeed::new(&spec, Input::One(Box::new(table)), InstrumentId(0), BarSeriesId(0));
    let (mut out, mut taken, mut held_max) = (Vec::new(), 0, 0);
    loop {
        feed.read(&mut out).unwrap();
        if out.is_empty() {
            break;
        }
        assert!(out.len() <= BATCH_MAX);
        taken += out.len() as u64;
        // Rows that are out hold no text; the rest is what the reader and the scanner keep.
        held_max = held_max.max(made.load(Ordering::SeqCst) - taken * ROW_BYTES);
        out.clear();
    }
    assert_eq!(taken, ROWS);
    assert!(held_max <= TEXT_BYTES_MAX as u64, "{held_max} of {} bytes", ROWS * ROW_BYTES);
    assert!(held_max > 0);
}

#[test]
fn a_feed_that_is_dropped_stops_its_thread() {
    let made = Arc::new(AtomicU64::new(0));
    let input = Endless { made: Arc::clone(&made), row: 0, rows: u64::MAX, rest: Vec::new() };
    let spec: DataSpec = toml::from_str(BARS).unwrap();
    let table = Table::reading(&spec, "made.csv", Box::new(input), Decoder::new(&spec, Price::ZERO).unwrap());
    drop(OpenedFeed::new(&spec, Input::One(Box::new(table)), InstrumentId(0), BarSeriesId(0)));
    let after = made.load(Ordering::SeqCst);
    std::thread::yield_now();
    assert_eq!(made.load(Ordering::SeqCst), after);
}

fn sample(kind: Kind) -> Vec<Event> {
    let at = |i: u64| UnixNanos::new(1_700_000_000_000_000_001 + i * 1_000);
    let price = |i: u64| Price::from_units(1_000_000_007 + i as i64 * 3);
    let qty = |i: u64| Qty::from_units(1 + i as i64);
    let (instrument, series) = (InstrumentId(1), BarSeriesId(2));
    let event = |i: u64| match kind {
        Kind::Quotes | Kind::QuoteBars => Event::Quote(Quote {
            instrument,
            ts_event: at(i),
            ts_recv: at(i + 1),
            bid: price(i),
            ask: price(i + 1),
            bid_size: qty(i),
            ask_size: qty(2 * i),
        }),
        Kind::Trades => Event::Trade(Trade {
            instrument,
            ts_event: at(i),
            ts_recv: at(i + 1),
            price: price(i),
            size: qty(i),
            aggressor: [None, Some(starling_core::Side::Buy), Some(starling_core::Side::Sell)][(i % 3) as usize],
            trade_id: i,
        }),
        Kind::Bars => Event::Bar(Bar {
            instrument,
            series,
            ts_event: at(i),
            ts_recv: at(i),
            open: price(i),
            high: price(i + 2),
            low: price(i),
            close: price(i + 1),
            volume: qty(i),
        }),
        Kind::Funding => Event::Funding(Funding {
            instrument,
            ts_event: at(i),
            ts_recv: at(i),
            rate: starling_core::Rate::from_units(i as i64 - 5),
            mark: price(i),
        }),
    };
    (0..10_000).map(event).collect()
}

fn survives(name: &str, write: impl Fn(&mut SliceFeed<'_>, &Path) -> Result<u64, DataError>) {
    for kind in [Kind::Bars, Kind::Quotes, Kind::Trades, Kind::Funding] {
        let folder = Folder::new(&format!("{}-{name}", kind.name()));
        let events = sample(kind);
        let path = folder.0.join(name);
        assert_eq!(write(&mut SliceFeed::new(&events), &path).unwrap(), 10_000);
        let mut spec = DataSpec::new(name, "X.SIM", kind);
        spec.series = (kind == Kind::Bars).then(|| "1m last external".into());
        let (read, sources) = all(&mut open(&spec, &folder.search(), &mut One).unwrap()).unwrap();
        assert!(read == events, "{} through {name}", kind.name());
        assert_eq!(sources[0].blake3, blake3::hash(&std::fs::read(&path).unwrap()).to_hex().to_string());
        assert_eq!(std::fs::read_dir(&folder.0).unwrap().count(), 1, "no half-written file is left");

        let mixed = [
            events[0],
            Event::Timer(starling_core::event::Timer {
                strategy: starling_core::StrategyId(0),
                token: 0,
                due: UnixNanos::MAX,
            }),
        ];
        assert!(matches!(write(&mut SliceFeed::new(&mixed), &path), Err(DataError::Mixed { .. })));
        let (read, _) = all(&mut open(&spec, &folder.search(), &mut One).unwrap()).unwrap();
        assert_eq!(read.len(), 10_000, "a failed write leaves the old file");
    }
}

#[test]
fn events_survive_text() {
    for name in ["x.csv", "x.csv.gz", "x.csv.zst"] {
        survives(name, |feed, path| write_csv(feed, path));
    }
}

#[cfg(feature = "parquet")]
#[test]
fn events_survive_parquet() {
    survives("x.parquet", |feed, path| write_parquet(feed, path));
}
