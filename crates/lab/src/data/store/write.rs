//! Writing: rows gathered by day, merged with what is there if that is wanted, and put in place whole.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, Int8Array, Int64Array, RecordBatch, TimestampNanosecondArray, UInt64Array};
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;
use starling_core::{Event, UnixNanos};

use super::super::error::DataError;
use super::super::parquet::{UNITS, fault};
use super::Store;
use super::columns::{Columns, Form, StoreKind, TS_RECV};
use super::delta::Delta;
use super::scan::Scan;

/// Rows of a row group: what a scan of a time range decompresses at least.
pub const STORE_ROW_GROUP_ROWS: usize = 1 << 17;
/// Rows of a day at most, as they are held in memory until the day is written.
pub const DAY_ROWS_MAX: usize = 100_000_000;

/// What becomes of a day that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// It stays, and the writing stops.
    Refuse,
    /// It is replaced.
    Replace,
    /// Both are kept, in order of receipt; a row that both have stands once.
    Merge,
}

/// A day that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The file.
    pub path: std::path::PathBuf,
    /// Its rows.
    pub rows: u64,
    /// Of these, such as were there before.
    pub kept: u64,
}

/// Writes events of one kind and instrument to a store.
///
/// Days may come in any order and mixed; each is written when [`StoreWriter::finish`] is called, or as soon as a row of
/// a later day comes, if rows come in order.
#[derive(Debug)]
pub struct StoreWriter<'a> {
    store: &'a Store,
    kind: StoreKind,
    instrument: String,
    existing: Existing,
    days: BTreeMap<u64, Columns>,
    written: Vec<Written>,
}

impl<'a> StoreWriter<'a> {
    /// Nothing is touched before the first day is complete.
    #[must_use]
    pub fn new(store: &'a Store, kind: StoreKind, instrument: impl Into<String>, existing: Existing) -> Self {
        Self { store, kind, instrument: instrument.into(), existing, days: BTreeMap::new(), written: Vec::new() }
    }

    /// Adds an event; one of another kind is an error.
    pub fn push(&mut self, event: &Event) -> Result<(), DataError> {
        let path = || self.store.root().display().to_string();
        let mixed = || DataError::Mixed { path: path(), stamp: event.ts() };
        if self.day(event.ts())?.push(event) { Ok(()) } else { Err(mixed()) }
    }

    /// Adds a change of a book; an error if the kind is not deltas.
    pub fn push_delta(&mut self, delta: &Delta) -> Result<(), DataError> {
        let path = self.store.root().display().to_string();
        if self.day(delta.ts_recv)?.push_delta(delta) {
            Ok(())
        } else {
            Err(DataError::Mixed { path, stamp: delta.ts_recv })
        }
    }

    fn day(&mut self, ts: UnixNanos) -> Result<&mut Columns, DataError> {
        let day = ts.unix_day();
        // A day that another has followed is over: rows come in order of receipt.
        if self.days.last_key_value().is_some_and(|(last, _)| *last < day) {
            self.flush()?;
        }
        let kind = &self.kind;
        let columns = self.days.entry(day).or_insert_with(|| Columns::new(kind.clone()));
        if columns.len() >= DAY_ROWS_MAX {
            return Err(DataError::Unsupported {
                path: self.store.path(&self.kind, &self.instrument, ts).display().to_string(),
                problem: format!("would take more than {DAY_ROWS_MAX} rows of one day; store fewer instruments in one"),
            });
        }
        Ok(columns)
    }

    fn flush(&mut self) -> Result<(), DataError> {
        while let Some((day, columns)) = self.days.pop_first() {
            let day = UnixNanos::new(day * starling_core::time::DAY);
            // A day that comes a second time in one import is one import's, and merged.
            let path = self.store.path(&self.kind, &self.instrument, day);
            let again = self.written.iter().any(|written| written.path == path);
            let existing = if again { Existing::Merge } else { self.existing };
            let done = write_day(&path, &self.instrument, sorted(columns), existing)?;
            self.written.retain(|written| written.path != path);
            self.written.push(done);
        }
        Ok(())
    }

    /// The days written so far.
    #[must_use]
    pub fn written(&self) -> &[Written] {
        &self.written
    }

    /// Writes what is left; the days written, in the order they were finished.
    pub fn finish(mut self) -> Result<Vec<Written>, DataError> {
        self.flush()?;
        Ok(self.written)
    }
}

/// In order of receipt; rows of one stamp keep theirs.
fn sorted(columns: Columns) -> Columns {
    let stamps = &columns.values[TS_RECV];
    if stamps.is_sorted() {
        return columns;
    }
    let mut order: Vec<usize> = (0..columns.len()).collect();
    order.sort_by_key(|at| stamps[*at]);
    let mut out = Columns::new(columns.kind.clone());
    order.into_iter().for_each(|at| out.copy_row(&columns, at));
    out
}

/// Both in order of receipt. Of rows with one stamp those of `old` stand first; a row of `new` that `old` has with the
/// same stamp is that one, each once.
fn merged(old: &Columns, new: &Columns) -> Columns {
    let mut out = Columns::new(old.kind.clone());
    let (a, b) = (&old.values[TS_RECV], &new.values[TS_RECV]);
    let (mut i, mut j) = (0, 0);
    while i < a.len() || j < b.len() {
        let stamp = match (a.get(i), b.get(j)) {
            (Some(a), Some(b)) => *a.min(b),
            (Some(only), None) | (None, Some(only)) => *only,
            (None, None) => break,
        };
        let (from, until) = (i, i + a[i..].iter().take_while(|ts| **ts == stamp).count());
        let mut taken = vec![false; until - from];
        for at in from..until {
            out.copy_row(old, at);
        }
        i = until;
        while b.get(j) == Some(&stamp) {
            let twin = (from..until).find(|at| !taken[at - from] && old.same_row(*at, new, j));
            match twin {
                Some(at) => taken[at - from] = true,
                None => out.copy_row(new, j),
            }
            j += 1;
        }
    }
    out
}

fn write_day(path: &Path, instrument: &str, new: Columns, existing: Existing) -> Result<Written, DataError> {
    let mut kept = 0;
    let columns = match existing {
        _ if !path.exists() => new,
        Existing::Replace => new,
        Existing::Refuse => {
            let remedy = "say whether to merge with it or to replace it";
            return Err(DataError::Exists { path: path.display().to_string(), remedy });
        }
        Existing::Merge => {
            let old = Scan::whole(path, new.kind.clone())?;
            kept = old.len() as u64;
            merged(&old, &new)
        }
    };
    let folder = path.parent().expect("a file of the store lies in a folder");
    std::fs::create_dir_all(folder).map_err(|e| DataError::io("create the folder", folder.display(), e))?;
    write_columns(path, instrument, &columns)?;
    Ok(Written { path: path.to_owned(), rows: columns.len() as u64, kept })
}

fn schema(kind: &StoreKind) -> Schema {
    let fields = kind.definition().iter().map(|(name, form)| {
        let of = match form {
            Form::Stamp => DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())),
            Form::Nano => DataType::Int64,
            Form::Whole => DataType::UInt64,
            Form::Code => DataType::Int8,
        };
        Field::new(*name, of, false)
    });
    Schema::new(fields.collect::<Vec<_>>())
}

/// Level 1 of zstd: a third of the time of level 3 for a few percent more bytes.
const LEVEL: i32 = 1;

fn properties(kind: &StoreKind, instrument: &str, path: &str) -> Result<WriterProperties, DataError> {
    let level = ZstdLevel::try_new(LEVEL).map_err(|e| fault(path, e))?;
    let pair = |key: &str, value: &str| KeyValue::new(key.to_owned(), value.to_owned());
    let metadata =
        vec![pair(UNITS.0, UNITS.1), pair("starling.kind", &kind.folder()), pair("starling.instrument", instrument)];
    let mut builder = WriterProperties::builder()
        .set_compression(Compression::ZSTD(level))
        .set_max_row_group_row_count(Some(STORE_ROW_GROUP_ROWS))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_key_value_metadata(Some(metadata));
    for (name, form) in kind.definition() {
        // Stamps and numbers rise slowly and are never the same again: their steps are small, a dictionary is not.
        if matches!(form, Form::Stamp | Form::Whole) {
            let column = ColumnPath::from(*name);
            builder = builder
                .set_column_dictionary_enabled(column.clone(), false)
                .set_column_encoding(column, Encoding::DELTA_BINARY_PACKED);
        }
    }
    Ok(builder.build())
}

/// Writes rows to a file, whole or not at all.
pub(super) fn write_columns(path: &Path, instrument: &str, columns: &Columns) -> Result<(), DataError> {
    let name = path.display().to_string();
    let schema = Arc::new(schema(&columns.kind));
    let properties = properties(&columns.kind, instrument, &name)?;
    super::super::write::whole(path, |file| {
        let mut writer =
            ArrowWriter::try_new(file, Arc::clone(&schema), Some(properties)).map_err(|e| fault(&name, e))?;
        let mut from = 0;
        while from < columns.len() {
            let to = (from + STORE_ROW_GROUP_ROWS).min(columns.len());
            let array = |(column, (_, form)): (&Vec<i64>, &(&str, Form))| -> ArrayRef {
                let values = column[from..to].iter().copied();
                match form {
                    Form::Stamp => Arc::new(TimestampNanosecondArray::from_iter_values(values).with_timezone("UTC")),
                    Form::Nano => Arc::new(Int64Array::from_iter_values(values)),
                    Form::Whole => Arc::new(UInt64Array::from_iter_values(values.map(i64::cast_unsigned))),
                    Form::Code => Arc::new(Int8Array::from_iter_values(values.map(|code| code as i8))),
                }
            };
            let arrays = columns.values.iter().zip(columns.kind.definition()).map(array).collect();
            let batch = RecordBatch::try_new(Arc::clone(&schema), arrays).map_err(|e| fault(&name, e))?;
            writer.write(&batch).map_err(|e| fault(&name, e))?;
            from = to;
        }
        writer.close().map_err(|e| fault(&name, e))?;
        Ok(())
    })
}
