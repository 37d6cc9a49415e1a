//! What can be wrong with data: each error names file, line, column, the text found, and what to do about it.

use std::fmt;
use std::io;
use std::path::PathBuf;

use starling_core::UnixNanos;
use starling_market::csv::CsvError;
use starling_market::dbn::DbnError;
use starling_market::feed::FeedError;
use starling_market::frames::{CaptureError, FramesError};

use super::spec::SpecFault;

/// Where in a file something stands: `bars.csv:1042`, or `day.zip > bars.csv:7` inside an archive.
///
/// The line counts from 1 in the decompressed text; in a Parquet file it is the row, counted from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file as the configuration names it, and the members down to the text.
    pub source: String,
    /// The line.
    pub line: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.source, self.line)
    }
}

/// A fault of one row that a policy decides about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Stamped before the row above.
    Unsorted,
    /// The row above once more.
    Duplicate,
    /// Bid over ask.
    Crossed,
    /// No number where one belongs.
    Nan,
    /// A quantity below zero, a price of zero or less.
    Negative,
    /// High and low do not bound open and close.
    Ohlc,
}

impl Fault {
    /// The field of the configuration that decides about it.
    #[must_use]
    pub fn policy(self) -> &'static str {
        match self {
            Self::Unsorted => "on_unsorted",
            Self::Duplicate => "on_duplicate",
            Self::Crossed => "on_crossed",
            Self::Nan => "on_nan",
            Self::Negative => "on_negative",
            Self::Ohlc => "on_ohlc",
        }
    }
}

fn list(items: &[String]) -> String {
    const SHOWN_MAX: usize = 12;
    let mut text = items.iter().take(SHOWN_MAX).map(|i| format!("`{i}`")).collect::<Vec<_>>().join(", ");
    if items.len() > SHOWN_MAX {
        text.push_str(&format!(" and {} more", items.len() - SHOWN_MAX));
    }
    text
}

fn dirs(paths: &[PathBuf]) -> String {
    if paths.is_empty() {
        "the path as it stands".into()
    } else {
        let shown = |path: &PathBuf| if path.as_os_str().is_empty() { ".".into() } else { path.display().to_string() };
        list(&paths.iter().map(shown).collect::<Vec<_>>())
    }
}

/// Why data could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// The table contradicts itself.
    #[error("the [[data]] table of `{instrument}` is wrong: {}", faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Spec {
        /// The instrument it is about.
        instrument: String,
        /// Everything found.
        faults: Vec<SpecFault>,
    },
    /// The file is nowhere.
    #[error("`{path}` is not there; looked in {}; correct `path`, or name its folder with --data-dir", dirs(searched))]
    Missing {
        /// As the configuration names it.
        path: String,
        /// Where it was looked for.
        searched: Vec<PathBuf>,
    },
    /// A folder stands where a file was named.
    #[error("`{path}` is a folder; name the files in it, as in `{}/*.csv`", path.trim_end_matches('/'))]
    Folder {
        /// As the configuration names it.
        path: String,
    },
    /// The system refused.
    #[error("cannot {attempt} `{path}`: {cause}")]
    Io {
        /// What was tried.
        attempt: &'static str,
        /// The file.
        path: String,
        /// The system's word.
        cause: io::Error,
    },
    /// A compressed file ends early or is damaged.
    #[error("`{source_name}` is not a whole {format} file: {cause}{}; fetch it again", line.map(|n| format!(", after line {n}")).unwrap_or_default())]
    Broken {
        /// File, and members down to the one.
        source_name: String,
        /// The compression.
        format: &'static str,
        /// What the decompressor says.
        cause: String,
        /// The last line that was whole, once there was one.
        line: Option<u64>,
    },
    /// No member of an archive has the name.
    #[error("`{path}` has no member that matches member = \"{pattern}\"; it has {}", list(present))]
    Member {
        /// The archive.
        path: String,
        /// What was asked for.
        pattern: String,
        /// What is there.
        present: Vec<String>,
    },
    /// An archive in an archive is too large to unpack in memory.
    #[error("`{source_name}` takes more than {limit} bytes inside its bundle; unpack the bundle and name the files")]
    NestedTooLarge {
        /// The member.
        source_name: String,
        /// The limit.
        limit: usize,
    },
    /// There is no data row.
    #[error("`{source_name}` holds no rows; leave it out, or fetch it again")]
    Empty {
        /// The file or member.
        source_name: String,
    },
    /// The text cannot be cut into rows.
    #[error("{source_name}: {cause}")]
    Csv {
        /// The file or member.
        source_name: String,
        /// What is wrong.
        cause: CsvError,
    },
    /// The text is not UTF-8.
    #[error("{place}: byte 0x{byte:02X} is not UTF-8 text; convert the file, or name its format if it is not text")]
    NotUtf8 {
        /// Where.
        place: Place,
        /// The first byte at fault.
        byte: u8,
    },
    /// A column that is needed is not there.
    #[error(
        "{source_name}: no column holds {wanted}; there are {}; name the column, as in columns = {{ {wanted} = \"NAME\" }}",
        list(present)
    )]
    ColumnMissing {
        /// The file or member.
        source_name: String,
        /// The field wanted.
        wanted: String,
        /// The columns there are.
        present: Vec<String>,
    },
    /// A column that the table names is not there.
    #[error("{source_name}: there is no column `{column}`; there are {}; correct `columns` or `where`", list(present))]
    ColumnUnknown {
        /// The file or member.
        source_name: String,
        /// The column as the table names it.
        column: String,
        /// The columns there are.
        present: Vec<String>,
    },
    /// The usual order of columns does not fit a file without header.
    #[error(
        "{source_name}: no header names the {count} columns; say which is which, as in columns = {{ ts = 0, ... }}"
    )]
    ColumnsUnnamed {
        /// The file or member.
        source_name: String,
        /// How many columns the first row has.
        count: usize,
    },
    /// A row has fewer fields than it needs.
    #[error("{place}: the row has {found} fields, but column `{column}` is number {needed}; fix or remove the row")]
    ShortRow {
        /// Where.
        place: Place,
        /// The column that is missing.
        column: String,
        /// Fields found.
        found: usize,
        /// Fields needed.
        needed: usize,
    },
    /// A field cannot be read.
    #[error("{place}: column `{column}`: {problem}; {remedy}")]
    Field {
        /// Where.
        place: Place,
        /// The column.
        column: String,
        /// What is wrong, with the text found.
        problem: String,
        /// What to do.
        remedy: String,
    },
    /// A row has a fault that the policy refuses.
    #[error("{place}: {problem}; fix the row or set {} = \"drop\"{}", fault.policy(), also(*fault))]
    Row {
        /// Where.
        place: Place,
        /// Which fault.
        fault: Fault,
        /// The values at fault.
        problem: String,
    },
    /// The run knows no such instrument or series.
    #[error("`{name}`: {reason}")]
    Unknown {
        /// The instrument or series of the table.
        name: String,
        /// What the run says.
        reason: String,
    },
    /// The file is of a kind that is not read.
    #[error("`{path}`: {problem}")]
    Unsupported {
        /// The file.
        path: String,
        /// What is not read, and what to do.
        problem: String,
    },
    /// The feed that was to be written stopped.
    #[error("cannot write `{path}`, as its source stopped: {cause}")]
    Feed {
        /// The file to be written.
        path: String,
        /// The source's error.
        cause: FeedError,
    },
    /// A file holds one kind of event and one instrument.
    #[error(
        "cannot write `{path}`: the event at {stamp} is of another kind or instrument than the first, or of none that files hold; write one file for each"
    )]
    Mixed {
        /// The file to be written.
        path: String,
        /// The event's stamp.
        stamp: UnixNanos,
    },
    /// Somebody interrupted an import.
    #[error("interrupted after {rows} rows, at {ts}; {}", left(*days))]
    Interrupted {
        /// Rows read.
        rows: u64,
        /// The stamp reached.
        ts: UnixNanos,
        /// Days that a store has of it.
        days: usize,
    },
    /// A file of raw frames cannot be read or written.
    #[error("`{path}`: {cause}")]
    Frames {
        /// The file.
        path: String,
        /// What is wrong.
        cause: FramesError,
    },
    /// A capture of another program cannot be read.
    #[error("`{path}`: {cause}")]
    Capture {
        /// The file.
        path: String,
        /// What is wrong.
        cause: CaptureError,
    },
    /// A DBN file cannot be read or written.
    #[error("`{path}`: {cause}")]
    Dbn {
        /// The file.
        path: String,
        /// What is wrong.
        cause: DbnError,
    },
    /// A value has no place in the format that is written.
    #[error("cannot write `{path}`: {field} {value} of the event at {stamp} {problem}")]
    Unwritable {
        /// The file.
        path: String,
        /// Which of its fields.
        field: &'static str,
        /// Its value.
        value: String,
        /// The event's stamp.
        stamp: UnixNanos,
        /// Why not, and what to do.
        problem: &'static str,
    },
    /// A file that is there would be overwritten.
    #[error("`{path}` is there already; {remedy}")]
    Exists {
        /// The file.
        path: String,
        /// What to do.
        remedy: &'static str,
    },
    /// A Parquet or Arrow file cannot be read or written; the cause names which.
    #[error("`{path}`: {cause}")]
    Parquet {
        /// The file.
        path: String,
        /// What the library says.
        cause: String,
    },
}

// Files are whole or absent, and so is each day of a store.
fn left(days: usize) -> String {
    let (those, stay) = match days {
        0 => return "nothing was written".to_owned(),
        1 => ("1 day".to_owned(), "stays"),
        n => (format!("{n} days"), "stay"),
    };
    format!("{those} of it had been written to the store, and {stay} there; to go on, import it with --existing merge")
}

fn also(fault: Fault) -> &'static str {
    match fault {
        Fault::Nan => "",
        _ => " or \"accept\"",
    }
}

impl DataError {
    pub(super) fn io(attempt: &'static str, path: impl fmt::Display, cause: io::Error) -> Self {
        Self::Io { attempt, path: path.to_string(), cause }
    }
}
