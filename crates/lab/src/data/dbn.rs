//! DBN files: as rows of a `[[data]]` table, and events written as DBN.
//!
//! Invariant: rows of one instrument leave a table, or the file is refused: a DBN file may hold many, and only `where`
//! can say which is meant. Compression is told by the bytes, not by the name.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, Write};
use std::path::Path;

use starling_core::fixed::FixedError;
use starling_core::time::{HOUR, MINUTE, SECOND};
use starling_core::{Event, Price, Qty, Side, UnixNanos};
use starling_market::dbn::{
    self, DbnError, Header, Interval, Level, Mapping, Metadata, Raw, Reader, Record, Schema, rtype, write_bar,
    write_tick,
};
use starling_market::feed::{BATCH_MAX, Feed};

use super::decode::{Cells, Decoder, Row};
use super::error::DataError;
use super::number::{Exact, Scaling};
use super::source::{CHUNK_BYTES, Digest};
use super::spec::{Kind, TsUnit};
use super::stamp::{Clock, Moment, StampFault};
use super::table::{FileRows, Next, ROWS_MAX};

/// A DBN file, decompressed as it is read.
pub type DbnFile = Reader<Box<dyn Read + Send>>;

const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

pub(super) fn fault(path: &str) -> impl Fn(DbnError) -> DataError + '_ {
    |cause| DataError::Dbn { path: path.to_owned(), cause }
}

/// Opens a DBN file: `.dbn`, or compressed with zstd whatever its name. A fragment (records without metadata) is told
/// by `.frag` in its name, and its version by `.v1.` to `.v3.` there; without that it is taken as version 1.
pub fn open_dbn(path: &Path) -> Result<DbnFile, DataError> {
    let name = path.display().to_string();
    let file = File::open(path).map_err(|e| DataError::io("open", &name, e))?;
    over(&name, file)
}

fn over(name: &str, mut file: File) -> Result<DbnFile, DataError> {
    let io = |e| DataError::io("read", name, e);
    let mut first = [0; 4];
    let n = file.read(&mut first).map_err(io)?;
    file.rewind().map_err(io)?;
    let source: Box<dyn Read + Send> = if first[..n] == ZSTD_MAGIC {
        Box::new(zstd::stream::read::Decoder::new(file).map_err(io)?)
    } else {
        Box::new(BufReader::with_capacity(CHUNK_BYTES, file))
    };
    if name.contains(".frag") {
        let version = (1..=3).find(|v| name.contains(&format!(".v{v}."))).unwrap_or(1);
        return Ok(Reader::fragment(source, version));
    }
    Reader::open(source).map_err(fault(name))
}

/// What rows of a schema are read as, unless the table says otherwise; none for those that are no market data of a run.
pub(super) fn kind_of(schema: Schema) -> Option<Kind> {
    use Schema::{
        Bbo1M, Bbo1S, Cbbo1M, Cbbo1S, Cmbp1, Mbp1, Mbp10, Ohlcv1D, Ohlcv1H, Ohlcv1M, Ohlcv1S, OhlcvEod, Tbbo, Tcbbo,
        Trades,
    };
    match schema {
        Trades => Some(Kind::Trades),
        Mbp1 | Mbp10 | Tbbo | Tcbbo | Cmbp1 | Cbbo1S | Cbbo1M | Bbo1S | Bbo1M => Some(Kind::Quotes),
        Ohlcv1S | Ohlcv1M | Ohlcv1H | Ohlcv1D | OhlcvEod => Some(Kind::Bars),
        _ => None,
    }
}

/// The length of a schema's bars, as a table writes it.
pub(super) fn interval_of(schema: Schema) -> Option<&'static str> {
    match schema {
        Schema::Ohlcv1S => Some("1s"),
        Schema::Ohlcv1M => Some("1m"),
        Schema::Ohlcv1H => Some("1h"),
        Schema::Ohlcv1D | Schema::OhlcvEod => Some("1d"),
        _ => None,
    }
}

/// The columns of a record, by what it is. A bar's stamp is its open, and its column's name says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Tick,
    Order,
    Bar,
}

impl Shape {
    fn of(rtype: u8) -> Option<Self> {
        match rtype {
            rtype::TRADE | rtype::MBP_1 | rtype::MBP_10 | rtype::CMBP_1..=rtype::TBBO => Some(Self::Tick),
            rtype::MBO => Some(Self::Order),
            rtype::OHLCV_OLD | rtype::OHLCV_1S..=rtype::OHLCV_EOD => Some(Self::Bar),
            _ => None,
        }
    }

    fn names(self) -> &'static [&'static str] {
        match self {
            Self::Tick => &[
                "ts_event",
                "ts_recv",
                "instrument_id",
                "symbol",
                "action",
                "side",
                "price",
                "size",
                "sequence",
                "flags",
                "bid",
                "ask",
                "bid_size",
                "ask_size",
            ],
            Self::Order => &[
                "ts_event",
                "ts_recv",
                "instrument_id",
                "symbol",
                "action",
                "side",
                "price",
                "size",
                "sequence",
                "flags",
                "order_id",
            ],
            Self::Bar => {
                &["open_time", "publisher_id", "instrument_id", "symbol", "open", "high", "low", "close", "volume"]
            }
        }
    }
}

/// What instruments' numbers mean.
#[derive(Debug, Clone, Default)]
pub(super) struct Symbols(BTreeMap<u32, Vec<(u32, u32, String)>>);

impl Symbols {
    pub(super) fn of(metadata: Option<&Metadata>) -> Self {
        let mut symbols = BTreeMap::<u32, Vec<_>>::new();
        for mapping in metadata.map_or(&[][..], |m| &m.mappings) {
            for interval in &mapping.intervals {
                if let Ok(number) = interval.symbol.parse() {
                    let meaning = (interval.start, interval.end, mapping.raw_symbol.clone());
                    symbols.entry(number).or_default().push(meaning);
                }
            }
        }
        Self(symbols)
    }

    /// The symbol at a moment, else the number itself.
    pub(super) fn name(&self, number: u32, at: Option<UnixNanos>) -> Cow<'_, str> {
        let day = at.map(UnixNanos::civil).map_or(0, |(y, m, d)| y as u32 * 10_000 + m * 100 + d);
        let meanings = self.0.get(&number).map_or(&[][..], Vec::as_slice);
        let found = meanings.iter().find(|(start, end, _)| *start <= day && day < *end).or(match meanings {
            [only] => Some(only),
            _ => None,
        });
        found.map_or_else(|| number.to_string().into(), |(_, _, symbol)| symbol.as_str().into())
    }
}

/// The rows of a DBN file.
pub(super) struct DbnRows {
    name: String,
    reader: DbnFile,
    symbols: Symbols,
    shape: Option<Shape>,
    chosen: bool,
    first: Option<(u32, String)>,
    digest: Digest,
}

impl DbnRows {
    /// Hashes the file, then opens it.
    pub(super) fn open(name: &str, path: &Path, decoder: &mut Decoder) -> Result<Self, DataError> {
        let mut file = File::open(path).map_err(|e| DataError::io("open", name, e))?;
        let digest = Digest::of(&mut file).map_err(|e| DataError::io("read", name, e))?;
        file.rewind().map_err(|e| DataError::io("read", name, e))?;
        let reader = over(name, file)?;
        let symbols = Symbols::of(reader.metadata());
        let chosen = decoder.chooses_by(&["symbol", "instrument_id"]);
        Ok(Self { name: name.to_owned(), reader, symbols, shape: None, chosen, first: None, digest })
    }

    fn unsupported(name: &str, problem: String) -> DataError {
        DataError::Unsupported { path: name.to_owned(), problem }
    }
}

impl FileRows for DbnRows {
    fn fill(&mut self, decoder: &mut Decoder, out: &mut Vec<Row>) -> Result<Next, DataError> {
        while out.len() < ROWS_MAX {
            let line = self.reader.records() + 1;
            let Some(raw) = self.reader.next_record().map_err(fault(&self.name))? else {
                if self.shape.is_none() {
                    return Err(DataError::Empty { source_name: self.name.clone() });
                }
                return Ok(Next::EndOfFile);
            };
            let header = raw.header();
            let Some(shape) = Shape::of(header.rtype) else {
                let schema = Schema::of_records(header.rtype);
                match schema {
                    // Words of the gateway stand between the data.
                    None => continue,
                    Some(schema) => {
                        let problem = format!("holds `{}`, which is no market data of a run", schema.name());
                        return Err(Self::unsupported(&self.name, problem));
                    }
                }
            };
            if self.shape.is_some_and(|known| known != shape) {
                return Err(Self::unsupported(&self.name, "holds records of several shapes; export one schema".into()));
            }
            if self.shape.is_none() {
                self.shape = Some(shape);
                let names: Vec<String> = shape.names().iter().map(|n| (*n).to_owned()).collect();
                let count = names.len();
                decoder.begin(&self.name, Some(names), count)?;
            }
            let row = RecordRow { raw, symbols: &self.symbols, line };
            if !self.chosen {
                let number = header.instrument_id;
                if self.first.as_ref().is_none_or(|(first, _)| *first != number) {
                    let symbol = self.symbols.name(number, row.ts()).into_owned();
                    match &self.first {
                        Some((_, first)) if *first != symbol => {
                            let problem = format!(
                                "holds several instruments ({first} and {symbol} among them); choose one with \
                                 where = {{ symbol = \"{first}\" }}"
                            );
                            return Err(Self::unsupported(&self.name, problem));
                        }
                        _ => self.first = Some((number, symbol)),
                    }
                }
            }
            if decoder.row(&row, out)? {
                return Ok(Next::Done);
            }
        }
        Ok(Next::More)
    }

    fn digest(self: Box<Self>) -> Digest {
        self.digest
    }
}

/// A record as a row.
struct RecordRow<'a> {
    raw: Raw<'a>,
    symbols: &'a Symbols,
    line: u64,
}

/// A cell of a record.
enum Value {
    None,
    Stamp(UnixNanos),
    Whole(u64),
    Price(Price),
    Letter(u8),
    Symbol,
}

impl RecordRow<'_> {
    /// When it happened; snapshots of an interval without a trade have the stamp of receipt only.
    fn ts(&self) -> Option<UnixNanos> {
        self.raw.header().ts_event.or(match self.raw.record() {
            Record::Tick(tick) => tick.ts_recv,
            Record::Order(order) => order.ts_recv,
            _ => None,
        })
    }

    fn value(&self, place: usize) -> Value {
        let price = |price: Option<Price>| price.map_or(Value::None, Value::Price);
        let whole = |number: u32| Value::Whole(number.into());
        let stamp = |stamp: Option<UnixNanos>| stamp.map_or(Value::None, Value::Stamp);
        match (place, self.raw.record()) {
            (0, _) => stamp(self.ts()),
            (2, _) => whole(self.raw.header().instrument_id),
            (3, _) => Value::Symbol,
            (1, Record::Tick(t)) => stamp(t.ts_recv.or(self.raw.header().ts_event)),
            (4, Record::Tick(t)) => Value::Letter(t.action),
            (5, Record::Tick(t)) => Value::Letter(t.side),
            (6, Record::Tick(t)) => price(t.price),
            (7, Record::Tick(t)) => whole(t.size),
            (8, Record::Tick(t)) => whole(t.sequence),
            (9, Record::Tick(t)) => whole(t.flags.into()),
            (10, Record::Tick(t)) => price(t.levels.get(0).and_then(|l| l.bid)),
            (11, Record::Tick(t)) => price(t.levels.get(0).and_then(|l| l.ask)),
            (12, Record::Tick(t)) => t.levels.get(0).map_or(Value::None, |l| whole(l.bid_size)),
            (13, Record::Tick(t)) => t.levels.get(0).map_or(Value::None, |l| whole(l.ask_size)),
            (1, Record::Order(o)) => stamp(o.ts_recv.or(self.raw.header().ts_event)),
            (4, Record::Order(o)) => Value::Letter(o.action),
            (5, Record::Order(o)) => Value::Letter(o.side),
            (6, Record::Order(o)) => price(o.price),
            (7, Record::Order(o)) => whole(o.size),
            (8, Record::Order(o)) => whole(o.sequence),
            (9, Record::Order(o)) => whole(o.flags.into()),
            (10, Record::Order(o)) => Value::Whole(o.order_id),
            (4, Record::Bar(b)) => price(b.open),
            (5, Record::Bar(b)) => price(b.high),
            (6, Record::Bar(b)) => price(b.low),
            (7, Record::Bar(b)) => price(b.close),
            (8, Record::Bar(b)) => Value::Whole(b.volume),
            // No stamp of receipt: a bar is received when it ends, which the table's interval tells.
            (1, Record::Bar(_)) => whole(self.raw.header().publisher_id.into()),
            _ => Value::None,
        }
    }
}

impl Cells for RecordRow<'_> {
    fn line(&self) -> u64 {
        self.line
    }
    fn len(&self) -> usize {
        Shape::of(self.raw.header().rtype).map_or(0, |shape| shape.names().len())
    }
    fn text(&self, place: usize) -> Option<Cow<'_, [u8]>> {
        let text = match self.value(place) {
            Value::None => String::new(),
            Value::Stamp(ts) => ts.to_string(),
            Value::Whole(n) => n.to_string(),
            Value::Price(p) => p.to_string(),
            Value::Letter(0) => String::new(),
            Value::Letter(letter) => char::from(letter).to_string(),
            Value::Symbol => self.symbols.name(self.raw.header().instrument_id, self.ts()).into_owned(),
        };
        Some(Cow::Owned(text.into_bytes()))
    }
    fn number(&self, place: usize, scaling: &Scaling, name: &'static str) -> Result<Option<i64>, FixedError> {
        self.exact(place).map(|exact| scaling.exact(exact, name)).transpose()
    }
    fn exact(&self, place: usize) -> Option<Exact> {
        match self.value(place) {
            Value::Price(price) => Some(Exact { mantissa: price.units().into(), exponent: -9 }),
            Value::Whole(n) => Some(Exact { mantissa: n.into(), exponent: 0 }),
            _ => None,
        }
    }
    fn moment(&self, place: usize, clock: &Clock, unit: Option<TsUnit>, _: Option<i64>) -> Result<Moment, StampFault> {
        match self.value(place) {
            Value::Stamp(ts) => Ok(Moment::Instant(ts)),
            _ => clock.read(&self.text(place).unwrap_or_default(), unit, None),
        }
    }
}

/// The names of the columns and the first rows as text, and what the metadata says.
pub(super) fn sample(path: &Path, rows: usize) -> Result<DbnSample, DataError> {
    let name = path.display().to_string();
    let mut reader = open_dbn(path)?;
    let symbols = Symbols::of(reader.metadata());
    let metadata = reader.metadata().cloned();
    let mut sample =
        DbnSample { schema: metadata.as_ref().and_then(|m| m.schema), metadata, names: Vec::new(), rows: Vec::new() };
    let mut line = 0;
    while sample.rows.len() < rows {
        let Some(raw) = reader.next_record().map_err(fault(&name))? else { break };
        line += 1;
        let rtype = raw.header().rtype;
        sample.schema = sample.schema.or(Schema::of_records(rtype));
        let Some(shape) = Shape::of(rtype) else { continue };
        sample.names = shape.names().iter().map(|n| (*n).to_owned()).collect();
        let row = RecordRow { raw, symbols: &symbols, line };
        let text = |place| String::from_utf8_lossy(&row.text(place).unwrap_or_default()).into_owned();
        sample.rows.push((0..sample.names.len()).map(text).collect());
    }
    Ok(sample)
}

/// The start of a DBN file.
pub(super) struct DbnSample {
    pub(super) schema: Option<Schema>,
    pub(super) metadata: Option<Metadata>,
    pub(super) names: Vec<String>,
    pub(super) rows: Vec<Vec<String>>,
}

/// What events alone do not say, and DBN wants said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DbnOptions {
    /// Databento's name of the feed, 15 letters at most; anything for data of one's own.
    pub dataset: String,
    /// The instrument's symbol.
    pub symbol: String,
    /// The instrument's number in the file.
    pub instrument_id: u32,
    /// Sizes are whole numbers in DBN: they are multiplied by this first, and refused if they are not whole then.
    pub size_scale: u32,
    /// The length of bars in nanoseconds: a second, a minute, an hour or a day.
    pub interval_ns: u64,
}

impl Default for DbnOptions {
    fn default() -> Self {
        Self {
            dataset: "STARLING".into(),
            symbol: "SYMBOL".into(),
            instrument_id: 1,
            size_scale: 1,
            interval_ns: MINUTE,
        }
    }
}

/// Writes a feed of one kind of event and one instrument as DBN version 3, compressed if the name ends in `.zst`, whole
/// or not at all; returns the number of records.
///
/// Trades become `trades`, quotes `mbp-1`, bars `ohlcv-*` stamped at their open. DBN has no place for a trade's number.
pub fn write_dbn<F: Feed + ?Sized>(feed: &mut F, path: &Path, options: &DbnOptions) -> Result<u64, DataError> {
    super::write::whole(path, |file| {
        let io = |e| DataError::io("write", path.display(), e);
        if path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("zst")) {
            let mut out = zstd::stream::write::Encoder::new(BufWriter::new(file), 3).map_err(io)?;
            let rows = records(feed, path, options, &mut out)?;
            out.finish().and_then(|mut inner| inner.flush()).map_err(io)?;
            return Ok(rows);
        }
        let mut out = BufWriter::new(file);
        let rows = records(feed, path, options, &mut out)?;
        out.flush().map_err(io)?;
        Ok(rows)
    })
}

fn schema_of(event: &Event, interval_ns: u64) -> Option<(Schema, u8)> {
    match event {
        Event::Trade(_) => Some((Schema::Trades, rtype::TRADE)),
        Event::Quote(_) => Some((Schema::Mbp1, rtype::MBP_1)),
        Event::Bar(_) => match interval_ns {
            SECOND => Some((Schema::Ohlcv1S, rtype::OHLCV_1S)),
            MINUTE => Some((Schema::Ohlcv1M, rtype::OHLCV_1M)),
            HOUR => Some((Schema::Ohlcv1H, rtype::OHLCV_1H)),
            starling_core::time::DAY => Some((Schema::Ohlcv1D, rtype::OHLCV_1D)),
            _ => None,
        },
        _ => None,
    }
}

fn records<F: Feed + ?Sized>(
    feed: &mut F,
    path: &Path,
    options: &DbnOptions,
    out: &mut impl Write,
) -> Result<u64, DataError> {
    let name = path.display().to_string();
    let io = |e| DataError::io("write", &name, e);
    let mut events = Vec::with_capacity(BATCH_MAX);
    let (mut bytes, mut rows, mut first) = (Vec::new(), 0, None);
    loop {
        events.clear();
        feed.fill(&mut events).map_err(|cause| DataError::Feed { path: name.clone(), cause })?;
        if events.is_empty() {
            return if rows == 0 { Err(DataError::Empty { source_name: name }) } else { Ok(rows) };
        }
        for event in &events {
            let mixed = || DataError::Mixed { path: name.clone(), stamp: event.ts() };
            let (schema, rtype) = schema_of(event, options.interval_ns).ok_or_else(mixed)?;
            if first.is_none() {
                first = Some((schema, event.instrument()));
                head(schema, event.ts(), options).write(&mut bytes).map_err(fault(&name))?;
            }
            if first != Some((schema, event.instrument())) {
                return Err(mixed());
            }
            record(event, rtype, options, &name, &mut bytes)?;
        }
        rows += events.len() as u64;
        out.write_all(&bytes).map_err(io)?;
        bytes.clear();
    }
}

fn head(schema: Schema, start: UnixNanos, options: &DbnOptions) -> Metadata {
    let number = options.instrument_id.to_string();
    // All days that a stamp of the encoding can have: what follows is not known yet.
    let intervals = vec![Interval { start: 19_700_101, end: 25_540_101, symbol: number }];
    Metadata {
        version: dbn::VERSION,
        dataset: options.dataset.clone(),
        schema: Some(schema),
        start: start.get(),
        stype_in: Some(1),
        symbols: vec![options.symbol.clone()],
        mappings: vec![Mapping { raw_symbol: options.symbol.clone(), intervals }],
        ..Metadata::default()
    }
}

fn record(event: &Event, rtype: u8, options: &DbnOptions, path: &str, out: &mut Vec<u8>) -> Result<(), DataError> {
    let header =
        |ts: UnixNanos| Header { rtype, publisher_id: 0, instrument_id: options.instrument_id, ts_event: Some(ts) };
    let whole = |field: &'static str, size: Qty| {
        let units = i128::from(size.units()) * i128::from(options.size_scale);
        let scale = i128::from(Qty::ONE.units());
        let number = (units % scale == 0).then(|| u64::try_from(units / scale).ok()).flatten();
        number.ok_or_else(|| DataError::Unwritable {
            path: path.to_owned(),
            field,
            value: size.to_string(),
            stamp: event.ts(),
            problem: "is no whole number, which DBN's sizes are; multiply sizes by giving a size scale",
        })
    };
    let small = |field: &'static str, size: Qty| {
        u32::try_from(whole(field, size)?).map_err(|_| DataError::Unwritable {
            path: path.to_owned(),
            field,
            value: size.to_string(),
            stamp: event.ts(),
            problem: "is over 4294967295, the most that DBN holds; give a smaller size scale",
        })
    };
    let tick = |price: Option<Price>, size: u32, side: u8, action: u8, ts_recv: UnixNanos| dbn::Tick {
        price,
        size,
        action,
        side,
        flags: 0x80,
        depth: 0,
        ts_recv: Some(ts_recv),
        ts_in_delta: 0,
        sequence: 0,
        levels: dbn::Levels::default(),
    };
    match event {
        Event::Trade(e) => {
            let side = match e.aggressor {
                Some(Side::Buy) => b'B',
                Some(Side::Sell) => b'A',
                None => b'N',
            };
            let tick = tick(Some(e.price), small("size", e.size)?, side, b'T', e.ts_recv);
            write_tick(&header(e.ts_event), &tick, &[], out);
        }
        Event::Quote(e) => {
            let level = Level {
                bid: Some(e.bid),
                ask: Some(e.ask),
                bid_size: small("bid_size", e.bid_size)?,
                ask_size: small("ask_size", e.ask_size)?,
                bid_count: 0,
                ask_count: 0,
            };
            // A quote does not tell which side changed.
            write_tick(&header(e.ts_event), &tick(None, 0, b'N', b'M', e.ts_recv), &[level], out);
        }
        Event::Bar(e) => {
            let [open, high, low, close] = [e.open, e.high, e.low, e.close].map(Some);
            let bar = dbn::Bar { open, high, low, close, volume: whole("volume", e.volume)? };
            write_bar(&header(e.ts_event.saturating_sub(options.interval_ns)), &bar, out);
        }
        _ => unreachable!("a kind without a schema is refused"),
    }
    Ok(())
}
