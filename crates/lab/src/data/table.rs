//! Tables: the files of one `[[data]]` table (or one side of a pair), read one after the other into decoded rows.
//!
//! Invariant: a batch of rows is of one text, at most [`ROWS_MAX`], and behind the last row of a file stands its report
//! with the hash of the whole file, however little of it was wanted.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::path::PathBuf;

use serde::Serialize;
use starling_core::UnixNanos;
use starling_core::fixed::FixedError;
use starling_market::csv::{self, CsvError, Scanner};

use super::decode::{Cells, Counts, Decoder, Row};
use super::error::DataError;
use super::number::{Exact, Scaling, is_nan};
use super::source::{CHUNK_BYTES, CHUNKS_IN_FLIGHT, Digest, Message, Source, extension, locate, plain_name};
use super::spec::{DataSpec, Format, Paths, TsUnit};
use super::stamp::{Clock, Moment, StampFault};

/// Rows decoded at a time, at most; a bar makes four quotes, so this fills a feed's batch.
pub const ROWS_MAX: usize = starling_market::feed::BATCH_MAX / 4;

/// Bytes of text that a table holds, at most: chunks in flight, one at either end, and the row being cut.
pub const TEXT_BYTES_MAX: usize = (CHUNKS_IN_FLIGHT + 3) * CHUNK_BYTES + csv::ROW_BYTES_MAX;

/// What became of a file: enough to replay the run from the same bytes and to know what was left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SourceReport {
    /// As the configuration names it.
    pub path: String,
    /// BLAKE3 of its bytes as they lie on disk, in hex.
    pub blake3: String,
    /// Its size.
    pub bytes: u64,
    /// The stamp of the first row handed on.
    pub first: Option<UnixNanos>,
    /// The stamp of the last row handed on.
    pub last: Option<UnixNanos>,
    /// Rows read, left out and faulty.
    #[serde(flatten)]
    pub counts: Counts,
}

impl Cells for csv::Row<'_> {
    #[inline]
    fn line(&self) -> u64 {
        csv::Row::line(self)
    }
    #[inline]
    fn len(&self) -> usize {
        csv::Row::len(self)
    }
    fn text(&self, place: usize) -> Option<Cow<'_, [u8]>> {
        self.field(place).map(Cow::Borrowed)
    }
    #[inline]
    fn number(&self, place: usize, scaling: &Scaling, name: &'static str) -> Result<Option<i64>, FixedError> {
        let text = self.field(place).unwrap_or_default();
        match scaling.text(text, name) {
            Ok(units) => Ok(Some(units)),
            Err(FixedError::Malformed { .. }) if is_nan(text) => Ok(None),
            Err(fault) => Err(fault),
        }
    }
    #[inline]
    fn quick(&self, place: usize, scaling: &Scaling) -> Option<i64> {
        scaling.quick(self.field(place)?)
    }
    #[inline]
    fn instant(&self, place: usize, clock: &Clock, unit: Option<TsUnit>) -> Option<UnixNanos> {
        clock.instant(self.field(place)?, unit)
    }
    fn exact(&self, place: usize) -> Option<Exact> {
        self.field(place).and_then(Exact::parse)
    }
    #[inline]
    fn moment(
        &self,
        place: usize,
        clock: &Clock,
        unit: Option<TsUnit>,
        day: Option<i64>,
    ) -> Result<Moment, StampFault> {
        clock.read(self.field(place).unwrap_or_default(), unit, day)
    }
}

enum Open {
    Text { source: Source, scanner: Scanner, begun: Option<bool>, name: String, rows: u64 },
    Rows(Box<dyn FileRows>),
}

/// A file that is rows already, and no text to be cut into them.
pub(super) trait FileRows: Send {
    /// Decodes the next of them.
    fn fill(&mut self, decoder: &mut Decoder, out: &mut Vec<Row>) -> Result<Next, DataError>;
    /// What the file is known by.
    fn digest(self: Box<Self>) -> Digest;
}

/// The files of a table.
pub(super) struct Table {
    files: VecDeque<(String, PathBuf)>,
    file: String,
    member: Option<String>,
    delimiter: u8,
    header: Option<bool>,
    format: Option<Format>,
    open: Option<Open>,
    pub(super) decoder: Decoder,
    reports: Vec<SourceReport>,
    done: bool,
}

impl Table {
    /// Finds the files; opens none.
    pub(super) fn new(
        spec: &DataSpec,
        paths: &Paths,
        member: Option<&str>,
        search: &[PathBuf],
        decoder: Decoder,
    ) -> Result<Self, DataError> {
        let mut files = VecDeque::new();
        for path in paths.as_slice() {
            files.extend(locate(path, search)?);
        }
        Ok(Self::over(spec, files, member, decoder))
    }

    fn over(spec: &DataSpec, files: VecDeque<(String, PathBuf)>, member: Option<&str>, decoder: Decoder) -> Self {
        Self {
            files,
            file: String::new(),
            member: member.map(str::to_owned),
            delimiter: spec.delimiter.map_or(b',', |c| c as u8),
            header: spec.header,
            format: spec.format,
            open: None,
            decoder,
            reports: Vec::new(),
            done: false,
        }
    }

    /// Over one text that lies in memory; `name` is what messages and reports call it.
    pub(super) fn of_text(spec: &DataSpec, name: &str, text: &[u8], decoder: Decoder) -> Self {
        let mut table = Self::over(spec, VecDeque::new(), None, decoder);
        table.begin_text(name, Source::of_text(name, text));
        table
    }

    /// Over text that is no file, for measuring and tests.
    #[cfg(test)]
    pub(super) fn reading(
        spec: &DataSpec,
        name: &str,
        input: Box<dyn super::source::ReadSeek>,
        decoder: Decoder,
    ) -> Self {
        let mut table = Self::over(spec, VecDeque::new(), None, decoder);
        table.begin_text(name, Source::start(name, None, input));
        table
    }

    fn begin_text(&mut self, name: &str, source: Source) {
        self.file = name.to_owned();
        let scanner = Scanner::new(self.delimiter);
        self.open = Some(Open::Text { source, scanner, begun: None, name: name.to_owned(), rows: 0 });
    }

    /// Appends rows of one text; none at the end of the last.
    pub(super) fn fill(&mut self, out: &mut Vec<Row>) -> Result<(), DataError> {
        while out.is_empty() {
            let goes_on = match &mut self.open {
                None => {
                    let Some((name, path)) = self.files.pop_front().filter(|_| !self.done) else { return Ok(()) };
                    self.begin_file(&name, &path)?;
                    continue;
                }
                Some(Open::Text { source, scanner, begun, name, rows }) => {
                    let header = self.header;
                    let mut text = Text { source, scanner, begun, name, rows, header, delimiter: self.delimiter };
                    text.fill(&mut self.decoder, out)?
                }
                Some(Open::Rows(rows)) => rows.fill(&mut self.decoder, out)?,
            };
            match goes_on {
                Next::More => {}
                Next::EndOfFile => self.end_file()?,
                Next::Done => {
                    self.done = true;
                    self.end_file()?;
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn begin_file(&mut self, name: &str, path: &std::path::Path) -> Result<(), DataError> {
        let plain = plain_name(name);
        let unsupported = |problem: &str| DataError::Unsupported { path: name.to_owned(), problem: problem.to_owned() };
        let rows: Box<dyn FileRows> = match (self.format.unwrap_or(Format::of_name(&plain)), extension(&plain)) {
            #[cfg(feature = "parquet")]
            (Format::Parquet, _) => Box::new(super::parquet::ParquetRows::open(name, path, &mut self.decoder)?),
            #[cfg(feature = "parquet")]
            (Format::Arrow, _) => Box::new(super::arrow::ArrowRows::open(name, path, &mut self.decoder)?),
            #[cfg(not(feature = "parquet"))]
            (Format::Parquet | Format::Arrow, _) => {
                return Err(unsupported("is Parquet or Arrow; build with the feature `parquet`"));
            }
            (Format::Dbn, _) => Box::new(super::dbn::DbnRows::open(name, path, &mut self.decoder)?),
            (Format::Csv, "frames") => {
                return Err(unsupported("holds raw frames; `starling data import` turns them into events"));
            }
            (Format::Csv, "json" | "xlsx" | "xls") => {
                return Err(unsupported("is neither CSV, Parquet, Arrow nor DBN; convert it to one of them"));
            }
            (Format::Csv, _) => {
                let source = Source::open(name, path, self.member.as_deref())?;
                self.begin_text(name, source);
                return Ok(());
            }
        };
        self.file = name.to_owned();
        self.open = Some(Open::Rows(rows));
        Ok(())
    }

    /// What became of each file that was read to its end.
    pub(super) fn reports(&self) -> Vec<SourceReport> {
        let mut reports = self.reports.clone();
        // Events made of the last rows are judged after their file is closed.
        if let Some(last) = reports.last_mut().filter(|_| self.open.is_none()) {
            last.counts.add(&self.decoder.counts);
        }
        reports
    }

    fn end_file(&mut self) -> Result<(), DataError> {
        let digest = match self.open.take() {
            Some(Open::Text { mut source, .. }) => source.finish()?,
            Some(Open::Rows(rows)) => rows.digest(),
            None => return Ok(()),
        };
        let range = self.decoder.range.take();
        self.reports.push(SourceReport {
            path: std::mem::take(&mut self.file),
            blake3: digest.blake3.to_hex().to_string(),
            bytes: digest.bytes,
            first: range.map(|r| r.0),
            last: range.map(|r| r.1),
            counts: std::mem::take(&mut self.decoder.counts),
        });
        Ok(())
    }
}

/// How a file goes on after a batch.
pub(super) enum Next {
    More,
    EndOfFile,
    /// The table has all rows it wants.
    Done,
}

struct Text<'a> {
    source: &'a mut Source,
    scanner: &'a mut Scanner,
    // Whether the header of the present text was read, once it has begun.
    begun: &'a mut Option<bool>,
    name: &'a mut String,
    rows: &'a mut u64,
    header: Option<bool>,
    delimiter: u8,
}

impl Text<'_> {
    fn fill(&mut self, decoder: &mut Decoder, out: &mut Vec<Row>) -> Result<Next, DataError> {
        loop {
            if self.rows_at_hand(decoder, out)? {
                return Ok(Next::Done);
            }
            if out.len() >= ROWS_MAX {
                return Ok(Next::More);
            }
            match self.source.next() {
                Some(Message::Begin(name)) => {
                    *self.scanner = Scanner::new(self.delimiter);
                    (*self.begun, *self.name, *self.rows) = (Some(false), name, 0);
                }
                Some(Message::Bytes(bytes)) => self.scanner.push(&bytes),
                Some(Message::End) => {
                    self.scanner.finish();
                    // What is left fits a batch, or is taken out by the next call.
                    if self.rows_at_hand(decoder, out)? {
                        return Ok(Next::Done);
                    }
                    if *self.rows == 0 {
                        return Err(DataError::Empty { source_name: self.name.clone() });
                    }
                    // The next text's rows have another name, so a batch ends here.
                    if !out.is_empty() {
                        return Ok(Next::More);
                    }
                }
                Some(Message::Failed(mut error)) => {
                    if let DataError::Broken { line, .. } = &mut error {
                        *line = Some(self.scanner.line() - 1).filter(|n| *n > 0);
                    }
                    return Err(error);
                }
                None => return Ok(Next::EndOfFile),
            }
        }
    }

    // True when the decoder wants no more.
    fn rows_at_hand(&mut self, decoder: &mut Decoder, out: &mut Vec<Row>) -> Result<bool, DataError> {
        let Some(begun) = self.begun else { return Ok(false) };
        let name = &*self.name;
        let fault = |cause: CsvError| DataError::Csv { source_name: name.clone(), cause };
        if !*begun {
            let Some(row) = self.scanner.next_row().map_err(fault)? else { return Ok(false) };
            *begun = true;
            let is_header = self.header.unwrap_or_else(|| !row.iter().any(is_number));
            let names = if is_header { Some(header_names(&row, name)?) } else { None };
            decoder.begin(name, names, csv::Row::len(&row))?;
            if !is_header {
                *self.rows += 1;
                if decoder.row(&row, out)? {
                    return Ok(true);
                }
            }
        }
        while out.len() < ROWS_MAX {
            let Some(row) = self.scanner.next_row().map_err(fault)? else { break };
            *self.rows += 1;
            if decoder.row(&row, out)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

pub(super) fn is_number(text: &[u8]) -> bool {
    Exact::parse(text).is_some()
}

pub(super) fn header_names(row: &csv::Row<'_>, name: &str) -> Result<Vec<String>, DataError> {
    let text = |field: &[u8]| match std::str::from_utf8(field) {
        Ok(text) => Ok(text.trim().to_owned()),
        Err(fault) => Err(DataError::NotUtf8 {
            place: super::error::Place { source: name.to_owned(), line: row.line() },
            byte: field[fault.valid_up_to()],
        }),
    };
    row.iter().map(text).collect()
}
