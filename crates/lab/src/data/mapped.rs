//! Rows of a store as fixed-size records in a file that is mapped into memory: parsed once, scanned by every run after.
//!
//! The file is a header of 64 bytes (`SLMAPPED`, version, kind, columns, rows, and the hash of what it was made of) and
//! rows of 64-bit little-endian integers, one for each column of the kind. It is a cache: what does not fit is made
//! anew, and it is never the only copy.
//!
//! Invariant: a file is taken only if header and length agree. What it deliberately does not do: checksum its rows, as
//! that would read all of them; the hash names the source, and the file is written whole or not at all.

mod map;

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use starling_core::{Event, InstrumentId, Price, Qty, Quote, Side, Trade, UnixNanos};

use super::error::DataError;
use super::store::{Scan, StoreKind};

const MAGIC: [u8; 8] = *b"SLMAPPED";
const VERSION: u16 = 1;
const HEADER_LEN: usize = 64;

/// A mapped file of rows.
#[derive(Debug)]
pub struct Mapped {
    map: map::ReadOnly,
    kind: StoreKind,
    row_len: usize,
    rows: usize,
}

fn code(kind: &StoreKind) -> Option<u8> {
    match kind {
        StoreKind::Quotes => Some(0),
        StoreKind::Trades => Some(1),
        StoreKind::Bars(_) | StoreKind::Deltas => None,
    }
}

fn unsupported(path: &Path, problem: &str) -> DataError {
    DataError::Unsupported { path: path.display().to_string(), problem: problem.to_owned() }
}

/// Writes all rows of a scan of quotes or trades, of all their columns; `source` is the hash of what they come of.
/// Gives their number.
pub fn write_mapped(scan: &mut Scan, kind: &StoreKind, source: [u8; 32], path: &Path) -> Result<u64, DataError> {
    let code =
        code(kind).ok_or_else(|| unsupported(path, "holds quotes or trades only; scan the store for the rest"))?;
    let columns = kind.columns().count();
    let io = |e| DataError::io("write", path.display(), e);
    super::write::whole(path, |file| {
        let mut out = BufWriter::new(file);
        // The number of rows is known at the end; the header is written again then.
        out.write_all(&[0; HEADER_LEN]).map_err(io)?;
        let mut rows = 0_u64;
        let mut bytes = Vec::new();
        while let Some(batch) = scan.next_rows()? {
            bytes.clear();
            let values: Vec<&[i64]> = kind.columns().filter_map(|name| batch.column(name)).collect();
            for row in 0..batch.len() {
                for column in &values {
                    bytes.extend(column[row].to_le_bytes());
                }
            }
            out.write_all(&bytes).map_err(io)?;
            rows += batch.len() as u64;
        }
        let mut header = Vec::with_capacity(HEADER_LEN);
        header.extend(MAGIC);
        header.extend(VERSION.to_le_bytes());
        header.extend([code, columns as u8, 0, 0, 0, 0]);
        header.extend(rows.to_le_bytes());
        header.extend(source);
        header.resize(HEADER_LEN, 0);
        std::io::Seek::rewind(&mut out).and_then(|()| out.write_all(&header)).and_then(|()| out.flush()).map_err(io)?;
        Ok(rows)
    })
}

impl Mapped {
    /// Maps a file, if it was made of `source`; none if it was made of something else, or by another version.
    pub fn open(path: &Path, source: [u8; 32]) -> Result<Option<Self>, DataError> {
        let file = File::open(path).map_err(|e| DataError::io("open", path.display(), e))?;
        let map = map::ReadOnly::of(&file).map_err(|e| DataError::io("map", path.display(), e))?;
        let Some(header) = map.bytes().get(..HEADER_LEN).filter(|h| h[..8] == MAGIC) else {
            return Err(unsupported(path, "is no mapped file; remove it"));
        };
        let kind = match header[10] {
            0 => StoreKind::Quotes,
            1 => StoreKind::Trades,
            _ => return Ok(None),
        };
        let columns = kind.columns().count();
        if header[8..10] != VERSION.to_le_bytes() || usize::from(header[11]) != columns || header[24..56] != source {
            return Ok(None);
        }
        let row_len = columns * size_of::<i64>();
        let rows = u64::from_le_bytes(header[16..24].try_into().expect("eight bytes"));
        let rows =
            usize::try_from(rows).ok().filter(|n| n.checked_mul(row_len) == Some(map.bytes().len() - HEADER_LEN));
        let rows = rows.ok_or_else(|| unsupported(path, "is shorter or longer than its header says; remove it"))?;
        Ok(Some(Self { map, kind, row_len, rows }))
    }

    /// What it holds.
    #[must_use]
    pub fn kind(&self) -> &StoreKind {
        &self.kind
    }

    /// Its rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Its events, as of an instrument of the run.
    pub fn events(&self, instrument: InstrumentId) -> impl Iterator<Item = Event> + '_ {
        let quotes = self.kind == StoreKind::Quotes;
        self.map.bytes()[HEADER_LEN..].chunks_exact(self.row_len).map(move |row| {
            let at = |place: usize| {
                i64::from_le_bytes(row[place * 8..place * 8 + 8].try_into().expect("eight bytes of the row"))
            };
            let stamp = |place: usize| UnixNanos::new(at(place).cast_unsigned());
            let (ts_event, ts_recv) = (stamp(0), stamp(1));
            if quotes {
                return Event::Quote(Quote {
                    instrument,
                    ts_event,
                    ts_recv,
                    bid: Price::from_units(at(2)),
                    ask: Price::from_units(at(3)),
                    bid_size: Qty::from_units(at(4)),
                    ask_size: Qty::from_units(at(5)),
                });
            }
            Event::Trade(Trade {
                instrument,
                ts_event,
                ts_recv,
                price: Price::from_units(at(2)),
                size: Qty::from_units(at(3)),
                aggressor: match at(4) {
                    1 => Some(Side::Buy),
                    -1 => Some(Side::Sell),
                    _ => None,
                },
                trade_id: at(5).cast_unsigned(),
            })
        })
    }
}

#[cfg(test)]
mod tests;
