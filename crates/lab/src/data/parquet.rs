//! Apache Parquet, in and out.
//!
//! Invariant: integers, decimals and stamps pass exactly; a float column, which is inexact by its nature, is taken at
//! its shortest decimal text and rounded to nine decimals. A file being written stands under another name until it is
//! whole.
//!
//! A written file holds events of one kind: `ts_event` and `ts_recv` as `timestamp[ns, UTC]`, prices, quantities and
//! rates as `decimal128(19, 9)`, `side` as text (`buy`, `sell`, or null), `trade_id` as `int64` (null for none).

use std::borrow::Cow;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow_array::builder::{Decimal128Builder, Int64Builder, StringBuilder, TimestampNanosecondBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType, UInt8Type,
    UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field as Header, Schema, TimeUnit};
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::arrow::{ArrowWriter, ProjectionMask};
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use starling_core::fixed::FixedError;
use starling_core::time::DAY;
use starling_core::{Event, Side, UnixNanos};
use starling_market::feed::{BATCH_MAX, Feed};

use super::decode::{Cells, Decoder, Row};
use super::error::DataError;
use super::number::{Exact, Scaling, is_nan};
use super::source::Digest;
use super::spec::TsUnit;
use super::stamp::{Clock, Moment, StampFault};
use super::table::{FileRows, Next, ROWS_MAX};

/// Rows of a row group that is written: what a reader of the file decompresses at a time.
pub const ROW_GROUP_ROWS: usize = 1 << 17;

/// What the metadata of a file says whose prices and quantities are integers of 1e-9.
pub(super) const UNITS: (&str, &str) = ("starling.units", "1e-9");
/// The columns that are so.
pub(super) const NANO_COLUMNS: [&str; 11] =
    ["bid", "ask", "bid_size", "ask_size", "price", "size", "open", "high", "low", "close", "volume"];

/// The rows of a Parquet file.
pub(super) struct ParquetRows {
    name: String,
    reader: ParquetRecordBatchReader,
    columns: Vec<Option<usize>>,
    nano: Vec<bool>,
    digest: Digest,
    line: u64,
}

pub(super) fn fault(path: &str, cause: impl std::fmt::Display) -> DataError {
    DataError::Parquet { path: path.to_owned(), cause: cause.to_string() }
}

/// A file that cannot even be opened: its directory stands at its end.
pub(super) fn torn(path: &str, format: &'static str, cause: impl std::fmt::Display) -> DataError {
    DataError::Broken { source_name: path.to_owned(), format, cause: cause.to_string(), line: None }
}

impl ParquetRows {
    /// Hashes the file, then opens it: its directory stands at its end.
    pub(super) fn open(name: &str, path: &Path, decoder: &mut Decoder) -> Result<Self, DataError> {
        let mut file = File::open(path).map_err(|e| DataError::io("open", name, e))?;
        let digest = Digest::of(&mut file).map_err(|e| DataError::io("read", name, e))?;
        // Without the schema that Arrow adds, text is text: no dictionaries, no views.
        let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let builder = ParquetRecordBatchReaderBuilder::try_new_with_options(file, options)
            .map_err(|e| torn(name, "Parquet", e))?;
        let names: Vec<String> = builder.schema().fields().iter().map(|f| f.name().clone()).collect();
        let nano = nano(&names, in_units(&builder));
        if builder.metadata().file_metadata().num_rows() == 0 {
            return Err(DataError::Empty { source_name: name.to_owned() });
        }
        let count = names.len();
        decoder.begin(name, Some(names), count)?;
        let used = decoder.places();
        let mut columns = vec![None; count];
        for (at, place) in used.iter().enumerate() {
            columns[*place] = Some(at);
        }
        let mask = ProjectionMask::roots(builder.parquet_schema(), used);
        let reader = builder.with_projection(mask).with_batch_size(ROWS_MAX).build().map_err(|e| fault(name, e))?;
        Ok(Self { name: name.to_owned(), reader, columns, nano, digest, line: 0 })
    }
}

impl FileRows for ParquetRows {
    fn fill(&mut self, decoder: &mut Decoder, out: &mut Vec<Row>) -> Result<Next, DataError> {
        let Some(batch) = self.reader.next() else { return Ok(Next::EndOfFile) };
        let batch = batch.map_err(|e| fault(&self.name, e))?;
        for row in 0..batch.num_rows() {
            self.line += 1;
            let cells = BatchRow { batch: &batch, columns: &self.columns, nano: &self.nano, row, line: self.line };
            if decoder.row(&cells, out)? {
                return Ok(Next::Done);
            }
        }
        Ok(Next::More)
    }

    fn digest(self: Box<Self>) -> Digest {
        self.digest
    }
}

/// Whether the file says that its numbers are integers of 1e-9.
fn in_units(builder: &ParquetRecordBatchReaderBuilder<File>) -> bool {
    let pairs = builder.metadata().file_metadata().key_value_metadata();
    pairs.is_some_and(|pairs| pairs.iter().any(|pair| pair.key == UNITS.0 && pair.value.as_deref() == Some(UNITS.1)))
}

/// Which columns of a file in units are: those of prices and quantities.
pub(super) fn nano(names: &[String], in_units: bool) -> Vec<bool> {
    names.iter().map(|name| in_units && NANO_COLUMNS.contains(&name.as_str())).collect()
}

/// The names of the columns and the first rows as text.
pub(super) fn sample(name: &str, path: &Path, rows: usize) -> Result<(Vec<String>, Vec<Vec<String>>), DataError> {
    let file = File::open(path).map_err(|e| DataError::io("open", name, e))?;
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let builder =
        ParquetRecordBatchReaderBuilder::try_new_with_options(file, options).map_err(|e| torn(name, "Parquet", e))?;
    let names: Vec<String> = builder.schema().fields().iter().map(|f| f.name().clone()).collect();
    let nano = nano(&names, in_units(&builder));
    let columns: Vec<Option<usize>> = (0..names.len()).map(Some).collect();
    let reader = builder.with_batch_size(rows).with_limit(rows).build().map_err(|e| fault(name, e))?;
    let mut sample = Vec::new();
    for batch in reader {
        let batch = batch.map_err(|e| fault(name, e))?;
        for row in 0..batch.num_rows() {
            let cells = BatchRow { batch: &batch, columns: &columns, nano: &nano, row, line: 0 };
            let text = |place| String::from_utf8_lossy(&cells.text(place).unwrap_or_default()).into_owned();
            sample.push((0..names.len()).map(text).collect());
        }
    }
    Ok((names, sample))
}

/// A row of a batch of Arrow columns.
pub(super) struct BatchRow<'a> {
    pub(super) batch: &'a RecordBatch,
    /// Where the columns of the file stand in the batch.
    pub(super) columns: &'a [Option<usize>],
    /// Columns of the file whose integers count units of 1e-9, as those of a store do.
    pub(super) nano: &'a [bool],
    pub(super) row: usize,
    pub(super) line: u64,
}

/// A cell's value, as far as market data uses one.
enum Value<'a> {
    Null,
    Whole(i128),
    Decimal(Exact),
    Float(f64),
    Text(Cow<'a, str>),
    Instant(i128),
    Local { day: i64, time: Option<u64> },
}

impl<'a> BatchRow<'a> {
    fn value(&self, place: usize) -> Value<'a> {
        let Some(array) = self.columns.get(place).copied().flatten().map(|c| self.batch.column(c)) else {
            return Value::Null;
        };
        let i = self.row;
        if array.is_null(i) {
            return Value::Null;
        }
        macro_rules! whole {
            ($type:ty) => {
                Value::Whole(array.as_primitive::<$type>().value(i).into())
            };
        }
        match array.data_type() {
            DataType::Int64 if self.nano.get(place) == Some(&true) => {
                Value::Decimal(Exact { mantissa: array.as_primitive::<Int64Type>().value(i).into(), exponent: -9 })
            }
            DataType::Int64 => whole!(Int64Type),
            DataType::Float64 => Value::Float(array.as_primitive::<Float64Type>().value(i)),
            DataType::Decimal128(_, scale) => Value::Decimal(Exact {
                mantissa: array.as_primitive::<Decimal128Type>().value(i),
                exponent: -i32::from(*scale),
            }),
            DataType::Timestamp(unit, zone) => stamp(array, i, *unit, zone.is_some()),
            DataType::Utf8 => Value::Text(array.as_string::<i32>().value(i).into()),
            DataType::LargeUtf8 => Value::Text(array.as_string::<i64>().value(i).into()),
            DataType::Boolean => Value::Text(array.as_boolean().value(i).to_string().into()),
            DataType::Date32 => Value::Local { day: array.as_primitive::<Date32Type>().value(i).into(), time: None },
            DataType::Float32 => Value::Text(array.as_primitive::<Float32Type>().value(i).to_string().into()),
            DataType::Int32 => whole!(Int32Type),
            DataType::Int16 => whole!(Int16Type),
            DataType::Int8 => whole!(Int8Type),
            DataType::UInt64 => whole!(UInt64Type),
            DataType::UInt32 => whole!(UInt32Type),
            DataType::UInt16 => whole!(UInt16Type),
            DataType::UInt8 => whole!(UInt8Type),
            other => Value::Text(format!("a value of type {other}").into()),
        }
    }
}

/// The decimal as a person writes it.
fn plain(Exact { mantissa, exponent }: Exact) -> String {
    let Some(places) = usize::try_from(-exponent).ok().filter(|places| *places > 0) else {
        return format!("{mantissa}e{exponent}");
    };
    let digits = format!("{:0>width$}", mantissa.unsigned_abs(), width = places + 1);
    let (whole, rest) = digits.split_at(digits.len() - places);
    let rest = rest.trim_end_matches('0');
    let (sign, point) = (if mantissa < 0 { "-" } else { "" }, if rest.is_empty() { "" } else { "." });
    format!("{sign}{whole}{point}{rest}")
}

fn stamp(array: &ArrayRef, i: usize, unit: TimeUnit, zoned: bool) -> Value<'static> {
    let nanos = match unit {
        TimeUnit::Second => i128::from(array.as_primitive::<TimestampSecondType>().value(i)) * 1_000_000_000,
        TimeUnit::Millisecond => i128::from(array.as_primitive::<TimestampMillisecondType>().value(i)) * 1_000_000,
        TimeUnit::Microsecond => i128::from(array.as_primitive::<TimestampMicrosecondType>().value(i)) * 1_000,
        TimeUnit::Nanosecond => array.as_primitive::<TimestampNanosecondType>().value(i).into(),
    };
    if zoned {
        return Value::Instant(nanos);
    }
    let day = i128::from(DAY);
    let time = u64::try_from(nanos.rem_euclid(day)).unwrap_or(0);
    Value::Local { day: i64::try_from(nanos.div_euclid(day)).unwrap_or(i64::MAX), time: Some(time) }
}

impl Cells for BatchRow<'_> {
    fn line(&self) -> u64 {
        self.line
    }
    fn len(&self) -> usize {
        self.columns.len()
    }
    fn text(&self, place: usize) -> Option<Cow<'_, [u8]>> {
        let text = match self.value(place) {
            Value::Null => String::new(),
            Value::Whole(n) => n.to_string(),
            Value::Decimal(d) => plain(d),
            Value::Float(x) => x.to_string(),
            Value::Text(text) => text.into_owned(),
            Value::Instant(n) => u64::try_from(n).map(|n| UnixNanos::new(n).to_string()).unwrap_or_default(),
            Value::Local { day, time } => format!("day {day}, {} ns", time.unwrap_or(0)),
        };
        Some(Cow::Owned(text.into_bytes()))
    }
    fn number(&self, place: usize, scaling: &Scaling, name: &'static str) -> Result<Option<i64>, FixedError> {
        let value = match self.value(place) {
            Value::Null => return Ok(None),
            Value::Float(x) if !x.is_finite() => return Ok(None),
            Value::Float(x) => return scaling.lenient().text(x.to_string().as_bytes(), name).map(Some),
            Value::Text(text) if is_nan(text.as_bytes()) => return Ok(None),
            Value::Text(text) => return scaling.text(text.as_bytes(), name).map(Some),
            Value::Whole(n) => Exact { mantissa: n, exponent: 0 },
            Value::Decimal(d) => d,
            Value::Instant(_) | Value::Local { .. } => {
                return Err(FixedError::Malformed { input: "a stamp".into() });
            }
        };
        scaling.exact(value, name).map(Some)
    }
    fn exact(&self, place: usize) -> Option<Exact> {
        match self.value(place) {
            Value::Whole(n) => Some(Exact { mantissa: n, exponent: 0 }),
            Value::Decimal(d) => Some(d),
            Value::Float(x) => Exact::parse(x.to_string().as_bytes()),
            Value::Text(text) => Exact::parse(text.as_bytes()),
            Value::Null | Value::Instant(_) | Value::Local { .. } => None,
        }
    }
    fn moment(
        &self,
        place: usize,
        clock: &Clock,
        unit: Option<TsUnit>,
        day: Option<i64>,
    ) -> Result<Moment, StampFault> {
        match self.value(place) {
            Value::Instant(n) => match u64::try_from(n) {
                Ok(n) => Ok(Moment::Instant(UnixNanos::new(n))),
                Err(_) => clock.read(n.to_string().as_bytes(), Some(TsUnit::Ns), None),
            },
            Value::Local { day, time } => Ok(Moment::Local { day, time }),
            Value::Text(text) => clock.read(text.as_bytes(), unit, day),
            Value::Whole(n) => clock.read(n.to_string().as_bytes(), unit, day),
            Value::Float(x) => clock.read(x.to_string().as_bytes(), unit, day),
            Value::Decimal(_) | Value::Null => clock.read(&self.text(place).unwrap_or_default(), unit, day),
        }
    }
}

/// Builds the columns of one kind of event.
pub(super) struct Columns {
    kind: &'static str,
    stamps: [TimestampNanosecondBuilder; 2],
    names: &'static [&'static str],
    numbers: Vec<Decimal128Builder>,
    side: StringBuilder,
    trade_id: Int64Builder,
}

const PRECISION: u8 = 19;
const PLACES: i8 = 9;

impl Columns {
    pub(super) fn of(event: &Event) -> Option<Self> {
        let (kind, names): (_, &[_]) = match event {
            Event::Quote(_) => ("quotes", &["bid", "ask", "bid_size", "ask_size"]),
            Event::Trade(_) => ("trades", &["price", "size"]),
            Event::Bar(_) => ("bars", &["open", "high", "low", "close", "volume"]),
            Event::Funding(_) => ("funding", &["rate", "mark"]),
            _ => return None,
        };
        let decimal = DataType::Decimal128(PRECISION, PLACES);
        Some(Self {
            kind,
            stamps: [(); 2].map(|()| TimestampNanosecondBuilder::new().with_timezone("UTC")),
            names,
            numbers: names.iter().map(|_| Decimal128Builder::new().with_data_type(decimal.clone())).collect(),
            side: StringBuilder::new(),
            trade_id: Int64Builder::new(),
        })
    }

    pub(super) fn schema(&self) -> Schema {
        let stamp = || DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into()));
        let mut fields = vec![Header::new("ts_event", stamp(), false), Header::new("ts_recv", stamp(), false)];
        fields.extend(self.names.iter().map(|n| Header::new(*n, DataType::Decimal128(PRECISION, PLACES), false)));
        if self.kind == "trades" {
            fields.push(Header::new("side", DataType::Utf8, true));
            fields.push(Header::new("trade_id", DataType::Int64, true));
        }
        Schema::new(fields)
    }

    /// False if the event is of another kind.
    pub(super) fn push(&mut self, event: &Event) -> bool {
        let (stamps, numbers): (_, &[i64]) = match event {
            Event::Quote(e) if self.kind == "quotes" => {
                ([e.ts_event, e.ts_recv], &[e.bid.units(), e.ask.units(), e.bid_size.units(), e.ask_size.units()])
            }
            Event::Trade(e) if self.kind == "trades" => {
                self.side.append_option(e.aggressor.map(|side| match side {
                    Side::Buy => "buy",
                    Side::Sell => "sell",
                }));
                self.trade_id.append_option(i64::try_from(e.trade_id).ok().filter(|id| *id != 0));
                ([e.ts_event, e.ts_recv], &[e.price.units(), e.size.units()])
            }
            Event::Bar(e) if self.kind == "bars" => (
                [e.ts_event, e.ts_recv],
                &[e.open.units(), e.high.units(), e.low.units(), e.close.units(), e.volume.units()],
            ),
            Event::Funding(e) if self.kind == "funding" => ([e.ts_event, e.ts_recv], &[e.rate.units(), e.mark.units()]),
            _ => return false,
        };
        for (builder, stamp) in self.stamps.iter_mut().zip(stamps) {
            // Past 2262 a signed stamp has no room; no market data is.
            builder.append_value(i64::try_from(stamp.get()).unwrap_or(i64::MAX));
        }
        for (builder, number) in self.numbers.iter_mut().zip(numbers) {
            builder.append_value((*number).into());
        }
        true
    }

    pub(super) fn finish(&mut self, schema: &Arc<Schema>, path: &str) -> Result<RecordBatch, DataError> {
        let mut arrays: Vec<ArrayRef> = self.stamps.iter_mut().map(|b| Arc::new(b.finish()) as ArrayRef).collect();
        arrays.extend(self.numbers.iter_mut().map(|b| Arc::new(b.finish()) as ArrayRef));
        if self.kind == "trades" {
            arrays.push(Arc::new(self.side.finish()));
            arrays.push(Arc::new(self.trade_id.finish()));
        }
        RecordBatch::try_new(Arc::clone(schema), arrays).map_err(|e| fault(path, e))
    }
}

/// Writes a feed of one kind of event and one instrument, whole or not at all; returns the number of rows.
///
/// Instrument and series are not written: the `[[data]]` table that reads the file names them.
pub fn write_parquet<F: Feed + ?Sized>(feed: &mut F, path: &Path) -> Result<u64, DataError> {
    let name = path.display().to_string();
    let mut events = Vec::with_capacity(BATCH_MAX);
    feed.fill(&mut events).map_err(|cause| DataError::Feed { path: name.clone(), cause })?;
    let Some(first) = events.first() else { return Err(DataError::Empty { source_name: name }) };
    let mixed = |event: &Event| DataError::Mixed { path: name.clone(), stamp: event.ts() };
    let instrument = first.instrument();
    let mut columns = Columns::of(first).ok_or_else(|| mixed(first))?;
    let schema = Arc::new(columns.schema());
    let level = ZstdLevel::try_new(3).map_err(|e| fault(&name, e))?;
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(level))
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .build();
    super::write::whole(path, |file| {
        let mut writer =
            ArrowWriter::try_new(file, Arc::clone(&schema), Some(properties)).map_err(|e| fault(&name, e))?;
        let mut rows = 0;
        while !events.is_empty() {
            for event in &events {
                if event.instrument() != instrument || !columns.push(event) {
                    return Err(mixed(event));
                }
            }
            rows += events.len() as u64;
            writer.write(&columns.finish(&schema, &name)?).map_err(|e| fault(&name, e))?;
            events.clear();
            feed.fill(&mut events).map_err(|cause| DataError::Feed { path: name.clone(), cause })?;
        }
        writer.close().map_err(|e| fault(&name, e))?;
        Ok(rows)
    })
}
