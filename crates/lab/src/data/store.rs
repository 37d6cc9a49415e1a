//! The store: normalised events in Parquet, one file for each kind, instrument and UTC day of receipt.
//!
//! `STORE/quotes/BTCUSDT.BINANCE/2024-08-08.parquet`, and `trades`, `deltas` (changes of a book), `bars-1m`, ... beside.
//!
//! Invariants: a file is whole or absent, its rows stand in order of receipt, all of its day; what is there is never
//! overwritten without being told to. Prices and quantities are 64-bit integers of 1e-9, as everywhere here: exact for
//! every reader, half the bytes of a decimal, and decoded without a conversion (a decimal of 19 digits, which it takes
//! to hold them all, has no integer form in Parquet). The file says so in its metadata (`starling.units`), and
//! `[[data]]` tables heed it.
//!
//! What it deliberately does not do: index, compact, or know what a symbol is.

mod check;
mod columns;
mod delta;
mod import;
mod normalise;
mod scan;
mod write;

use std::path::{Path, PathBuf};

use starling_core::UnixNanos;

use super::error::DataError;

pub use check::PartCheck;
pub use columns::{Columns, StoreKind};
pub use delta::{Action, Delta, deltas_of};
pub use import::{StoreImport, import_orders, import_to_store};
pub use normalise::{INSTRUMENTS_MAX, Normalised, Normalising, import_frames};
pub use scan::{SCAN_ROWS, Scan, ScanFeed, ScanReport};
pub use write::{DAY_ROWS_MAX, Existing, STORE_ROW_GROUP_ROWS, StoreWriter, Written};

/// A store on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    root: PathBuf,
}

impl Store {
    /// At a folder, which need not exist before something is written.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Its folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn folder(&self, kind: &StoreKind, instrument: &str) -> PathBuf {
        // A pair's slash would make a folder of its own.
        self.root.join(kind.folder()).join(instrument.replace('/', "-"))
    }

    /// The file of a day.
    #[must_use]
    pub fn path(&self, kind: &StoreKind, instrument: &str, day: UnixNanos) -> PathBuf {
        let (year, month, day) = day.civil();
        self.folder(kind, instrument).join(format!("{year:04}-{month:02}-{day:02}.parquet"))
    }

    /// The days there are, in order, each by its midnight; none for an instrument the store does not have.
    pub fn days(&self, kind: &StoreKind, instrument: &str) -> Result<Vec<UnixNanos>, DataError> {
        let folder = self.folder(kind, instrument);
        let mut days: Vec<UnixNanos> = names(&folder)?.iter().filter_map(|name| day_of(name)).collect();
        days.sort_unstable();
        Ok(days)
    }

    /// The kinds there are, in order of their folders' names.
    pub fn kinds(&self) -> Result<Vec<StoreKind>, DataError> {
        let mut folders = names(&self.root)?;
        folders.sort_unstable();
        Ok(folders.iter().filter_map(|name| StoreKind::of_folder(name)).collect())
    }

    /// The instruments that have files of a kind, in order of their names.
    pub fn instruments(&self, kind: &StoreKind) -> Result<Vec<String>, DataError> {
        let mut found = names(&self.root.join(kind.folder()))?;
        found.sort_unstable();
        Ok(found)
    }
}

fn names(folder: &Path) -> Result<Vec<String>, DataError> {
    let entries = match std::fs::read_dir(folder) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(|e| DataError::io("list", folder.display(), e))?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|e| DataError::io("list", folder.display(), e))?;
        names.extend(entry.file_name().into_string().ok());
    }
    Ok(names)
}

/// `2024-08-08.parquet` as its midnight.
fn day_of(name: &str) -> Option<UnixNanos> {
    let mut parts = name.strip_suffix(".parquet")?.splitn(3, '-');
    let mut next = || parts.next()?.parse::<u32>().ok();
    let (year, month, day) = (next()?, next()?, next()?);
    UnixNanos::from_civil(i32::try_from(year).ok()?, month, day)
}

#[cfg(test)]
mod tests;
