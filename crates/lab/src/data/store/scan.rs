//! Reading: the days of a range, one after the other, only the columns asked for and only the row groups that can hold
//! rows of the range.
//!
//! The columns are 64-bit integers without nulls, so they are decoded into plain vectors, and no array is built. Memory:
//! [`SCAN_ROWS`] rows of each column, and a page of each.

use std::collections::VecDeque;
use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};

use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{Int32Type, Int64Type};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::statistics::Statistics;
use starling_core::time::DAY;
use starling_core::{BarSeriesId, Event, InstrumentId, UnixNanos};
use starling_market::feed::{BATCH_MAX, Feed, FeedError};

use super::super::error::DataError;
use super::super::parquet::fault;
use super::Store;
use super::columns::{Columns, StoreKind, TS_RECV};

/// Rows handed out at a time, at most: few enough that their columns stay in the processor's cache.
pub const SCAN_ROWS: usize = 1 << 14;

/// What a scan read and passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ScanReport {
    /// Files opened.
    pub files: u64,
    /// Row groups read.
    pub groups: u64,
    /// Row groups passed over, as their stamps lie outside the range.
    pub pruned: u64,
    /// Rows handed out.
    pub rows: u64,
}

enum Reader {
    Wide(ColumnReaderImpl<Int64Type>),
    Narrow(ColumnReaderImpl<Int32Type>),
}

/// The row group being read: the readers of its columns by their places, and the rows left.
struct Group {
    readers: Vec<(usize, Reader)>,
    left: usize,
}

struct OpenFile {
    name: String,
    reader: SerializedFileReader<File>,
    next_group: usize,
    group: Option<Group>,
}

/// A scan over days.
pub struct Scan {
    files: VecDeque<PathBuf>,
    open: Option<OpenFile>,
    wanted: Vec<usize>,
    range: Range<i64>,
    columns: Columns,
    narrow: Vec<i32>,
    report: ScanReport,
}

impl Store {
    /// Scans the rows received in a range, `columns` of them; all columns if none is named.
    pub fn scan(
        &self,
        kind: &StoreKind,
        instrument: &str,
        range: Range<UnixNanos>,
        columns: &[&str],
    ) -> Result<Scan, DataError> {
        let days = self.days(kind, instrument)?;
        let within = |day: &UnixNanos| day.saturating_add(DAY) > range.start && *day < range.end;
        let files = days.iter().filter(|day| within(day)).map(|day| self.path(kind, instrument, *day)).collect();
        Scan::over(files, kind.clone(), range, columns)
    }
}

impl Scan {
    fn over(
        files: VecDeque<PathBuf>,
        kind: StoreKind,
        range: Range<UnixNanos>,
        columns: &[&str],
    ) -> Result<Self, DataError> {
        let mut wanted = Vec::new();
        for (place, name) in kind.columns().enumerate() {
            // The stamp of receipt bounds the range, so it is always read.
            if columns.is_empty() || place == TS_RECV || columns.contains(&name) {
                wanted.push(place);
            }
        }
        if let Some(unknown) = columns.iter().find(|column| kind.columns().all(|name| name != **column)) {
            return Err(DataError::ColumnUnknown {
                source_name: kind.folder(),
                column: (*unknown).to_owned(),
                present: kind.columns().map(str::to_owned).collect(),
            });
        }
        let bound = |ts: UnixNanos| i64::try_from(ts.get()).unwrap_or(i64::MAX);
        Ok(Self {
            files,
            open: None,
            wanted,
            range: bound(range.start)..bound(range.end),
            columns: Columns::new(kind),
            narrow: Vec::new(),
            report: ScanReport::default(),
        })
    }

    /// All rows of one file.
    pub(super) fn whole(path: &Path, kind: StoreKind) -> Result<Columns, DataError> {
        let mut scan = Self::over([path.to_owned()].into(), kind.clone(), UnixNanos::EPOCH..UnixNanos::MAX, &[])?;
        let mut all = Columns::new(kind);
        while let Some(columns) = scan.next_rows()? {
            for (all, some) in all.values.iter_mut().zip(&columns.values) {
                all.extend_from_slice(some);
            }
        }
        Ok(all)
    }

    /// What was read so far.
    #[must_use]
    pub fn report(&self) -> ScanReport {
        self.report
    }

    /// The next rows, [`SCAN_ROWS`] at most; none at the end.
    pub fn next_rows(&mut self) -> Result<Option<&Columns>, DataError> {
        loop {
            let Some(open) = &mut self.open else {
                let Some(path) = self.files.pop_front() else { return Ok(None) };
                self.open = Some(self.open_file(&path)?);
                continue;
            };
            if open.group.is_none() && !next_group(open, &self.wanted, &self.range, &mut self.report)? {
                self.open = None;
                continue;
            }
            let group = open.group.as_mut().expect("a group is open");
            let rows = group.left.min(SCAN_ROWS);
            self.columns.clear();
            for (place, reader) in &mut group.readers {
                let column = &mut self.columns.values[*place];
                let read = read_exactly(reader, rows, column, &mut self.narrow).map_err(|e| fault(&open.name, e))?;
                if read != rows {
                    return Err(fault(&open.name, format!("a column ends {} rows before its group", rows - read)));
                }
            }
            group.left -= rows;
            if group.left == 0 {
                open.group = None;
            }
            trim(&mut self.columns, &self.wanted, &self.range);
            if !self.columns.is_empty() {
                self.report.rows += self.columns.len() as u64;
                return Ok(Some(&self.columns));
            }
        }
    }

    fn open_file(&mut self, path: &Path) -> Result<OpenFile, DataError> {
        let name = path.display().to_string();
        let file = File::open(path).map_err(|e| DataError::io("open", &name, e))?;
        let reader = SerializedFileReader::new(file).map_err(|e| fault(&name, e))?;
        let schema = reader.metadata().file_metadata().schema_descr_ptr();
        let there = schema.columns().iter().map(|column| column.name());
        if !there.eq(self.columns.kind.columns()) {
            let what = self.columns.kind.folder();
            return Err(fault(&name, format!("it is no file of `{what}` in a store: its columns are others")));
        }
        self.report.files += 1;
        Ok(OpenFile { name, reader, next_group: 0, group: None })
    }
}

/// Opens the next row group that can hold rows of the range; false if there is none.
fn next_group(
    open: &mut OpenFile,
    wanted: &[usize],
    range: &Range<i64>,
    report: &mut ScanReport,
) -> Result<bool, DataError> {
    while open.next_group < open.reader.num_row_groups() {
        let at = open.next_group;
        open.next_group += 1;
        let metadata = open.reader.metadata().row_group(at);
        if let Some(Statistics::Int64(stamps)) = metadata.column(TS_RECV).statistics() {
            let outside = stamps.max_opt().is_some_and(|max| *max < range.start)
                || stamps.min_opt().is_some_and(|min| *min >= range.end);
            if outside {
                report.pruned += 1;
                continue;
            }
        }
        let left = usize::try_from(metadata.num_rows()).unwrap_or(0);
        let group = open.reader.get_row_group(at).map_err(|e| fault(&open.name, e))?;
        let mut readers = Vec::with_capacity(wanted.len());
        for place in wanted {
            let reader = match group.get_column_reader(*place).map_err(|e| fault(&open.name, e))? {
                ColumnReader::Int64ColumnReader(reader) => Reader::Wide(reader),
                ColumnReader::Int32ColumnReader(reader) => Reader::Narrow(reader),
                _ => return Err(fault(&open.name, "it is no file of a store: a column is no integer")),
            };
            readers.push((*place, reader));
        }
        report.groups += 1;
        if left > 0 {
            open.group = Some(Group { readers, left });
            return Ok(true);
        }
    }
    Ok(false)
}

/// Reads so many values, unless the column ends.
fn read_exactly(
    reader: &mut Reader,
    rows: usize,
    column: &mut Vec<i64>,
    narrow: &mut Vec<i32>,
) -> parquet::errors::Result<usize> {
    let mut total = 0;
    narrow.clear();
    while total < rows {
        let (records, ..) = match reader {
            Reader::Wide(reader) => reader.read_records(rows - total, None, None, column)?,
            Reader::Narrow(reader) => reader.read_records(rows - total, None, None, narrow)?,
        };
        if records == 0 {
            break;
        }
        total += records;
    }
    if matches!(reader, Reader::Narrow(_)) {
        column.extend(narrow.iter().map(|code| i64::from(*code)));
    }
    Ok(total)
}

/// Leaves the rows of the range; stamps rise within a file.
fn trim(columns: &mut Columns, wanted: &[usize], range: &Range<i64>) {
    let stamps = &columns.values[TS_RECV];
    if stamps.first().is_none_or(|first| *first >= range.start) && stamps.last().is_none_or(|last| *last < range.end) {
        return;
    }
    let from = stamps.partition_point(|ts| *ts < range.start);
    let to = stamps.partition_point(|ts| *ts < range.end).max(from);
    for place in wanted {
        let column = &mut columns.values[*place];
        column.truncate(to);
        column.drain(..from);
    }
}

/// A scan as a feed of events.
pub struct ScanFeed {
    scan: Scan,
    instrument: InstrumentId,
    series: BarSeriesId,
    /// Rows handed over of those at hand.
    at: usize,
}

impl ScanFeed {
    /// Of a scan of all columns of quotes, trades or bars that nothing was read of yet.
    #[must_use]
    pub fn new(scan: Scan, instrument: InstrumentId, series: BarSeriesId) -> Self {
        assert!(scan.wanted.len() == scan.columns.values.len(), "events are made of all columns");
        assert!(scan.columns.kind != StoreKind::Deltas, "deltas are no events of a run");
        Self { scan, instrument, series, at: 0 }
    }
}

impl Feed for ScanFeed {
    fn fill(&mut self, out: &mut Vec<Event>) -> Result<(), FeedError> {
        if self.at == self.scan.columns.len() {
            self.at = 0;
            if self.scan.next_rows().map_err(FeedError::from)?.is_none() {
                self.scan.columns.clear();
                return Ok(());
            }
        }
        let columns = &self.scan.columns;
        let to = columns.len().min(self.at + BATCH_MAX);
        out.extend((self.at..to).filter_map(|row| columns.event(row, self.instrument, self.series)));
        self.at = to;
        Ok(())
    }
}
