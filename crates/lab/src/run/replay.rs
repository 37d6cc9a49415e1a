//! Replay: a journal names its configuration and its data; the run is done again and every byte is compared.
//!
//! Invariant: equal means equal to the byte. A difference is told by record, not by offset alone.

use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::PathBuf;

use starling_core::UnixNanos;
use starling_core::journal::{JournalError, Kind, Reader, verify};

use super::{Outcome, Run, RunError};

/// Why a journal could not be replayed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// The journal itself is damaged.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The journal holds no configuration.
    #[error("the journal holds no configuration: it was written by a host that keeps it elsewhere")]
    NoConfiguration,
    /// The run stopped.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The data is not the same any more.
    #[error(
        "{path}: the data has changed since the run (BLAKE3 {found}, journaled {journaled}); restore the file, or run the backtest anew"
    )]
    Data {
        /// The file.
        path: String,
        /// Its hash now.
        found: String,
        /// Its hash then.
        journaled: String,
    },
    /// The journal breaks off.
    #[error(
        "it ends after record {record}, stamped {ts}, and its run did not: that was killed, or the rest of the file is lost; as far as it goes, the run comes out the same, so do it anew"
    )]
    Unfinished {
        /// The last record.
        record: u64,
        /// Its stamp.
        ts: UnixNanos,
    },
    /// The run came out differently.
    #[error(
        "the replay differs at record {record} ({kind}, stamped {ts}): another version of Starling wrote this journal, or it was not made by this configuration"
    )]
    Differs {
        /// The first record that differs.
        record: u64,
        /// Its kind in the journal.
        kind: String,
        /// Its stamp in the journal.
        ts: UnixNanos,
    },
}

/// What a replay found.
#[derive(Debug)]
pub struct Replay {
    /// The run, done again.
    pub outcome: Outcome<io::Sink>,
    /// Records compared.
    pub records: u64,
}

/// Compares what is written with what was written before.
struct Comparison<'a> {
    before: &'a [u8],
    at: usize,
    differs_at: Option<usize>,
}

impl Write for Comparison<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.differs_at.is_none() {
            let before = self.before.get(self.at..).unwrap_or_default();
            let same = bytes.iter().zip(before).take_while(|(a, b)| a == b).count();
            if same < bytes.len() {
                self.differs_at = Some(self.at + same);
            }
        }
        self.at += bytes.len();
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The configuration that a journal was written by.
pub(super) fn configuration(journal: &[u8]) -> Result<String, ReplayError> {
    let mut text = Vec::new();
    for record in Reader::new(journal)? {
        let record = record?;
        if record.kind != Kind::RunHeader {
            break;
        }
        text.extend_from_slice(record.payload);
    }
    String::from_utf8(text).ok().filter(|t| !t.is_empty()).ok_or(ReplayError::NoConfiguration)
}

/// Verifies a journal and does its run again. Relative data paths are looked up in `search`.
pub fn replay(
    journal: &[u8],
    search: Vec<PathBuf>,
    progress: impl FnMut(u64, UnixNanos) -> ControlFlow<()>,
) -> Result<Replay, ReplayError> {
    let verified = verify(journal)?;
    let run = Run::new(configuration(journal)?, search).map_err(RunError::from)?;
    let comparison = Comparison { before: journal, at: 0, differs_at: None };
    let outcome = run.drive(comparison, Some(journal), progress)?;
    let Outcome { record, counts, run_hash, journal_digest, journal: comparison } = outcome;
    if !verified.finished && comparison.differs_at.is_none_or(|at| at >= journal.len()) {
        let last = Reader::new(journal)?.last().transpose()?;
        let (record, ts) = last.map_or((0, 0), |record| (record.seq, record.ts));
        return Err(ReplayError::Unfinished { record, ts: UnixNanos::new(ts) });
    }
    let shorter = (comparison.at < journal.len()).then_some(comparison.at);
    if let Some(at) = comparison.differs_at.or(shorter) {
        return Err(difference(journal, at, &record.sources)?);
    }
    let outcome = Outcome { record, counts, run_hash, journal_digest, journal: io::sink() };
    Ok(Replay { outcome, records: verified.records })
}

/// What stands in the journal at the first byte that came out differently.
fn difference(journal: &[u8], at: usize, sources: &[crate::tearsheet::DataSource]) -> Result<ReplayError, ReplayError> {
    let mut found = None;
    let mut reader = Reader::new(journal)?;
    while let Some(record) = reader.next() {
        let record = record?;
        if record.kind == Kind::DataReference {
            let told: serde_json::Value = serde_json::from_slice(record.payload).unwrap_or_default();
            let text = |key: &str| told[key].as_str().unwrap_or_default().to_owned();
            let (path, journaled) = (text("path"), text("blake3"));
            if let Some(now) = sources.iter().find(|s| s.path == path && s.blake3 != journaled) {
                return Ok(ReplayError::Data { path, found: now.blake3.clone(), journaled });
            }
        }
        if found.is_none() && reader.position().offset() > at as u64 {
            let kind = format!("{:?}", record.kind);
            found = Some(ReplayError::Differs { record: record.seq, kind, ts: UnixNanos::new(record.ts) });
        }
    }
    Ok(found.unwrap_or(ReplayError::Differs { record: 0, kind: "End".into(), ts: UnixNanos::EPOCH }))
}
