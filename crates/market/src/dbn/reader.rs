//! Reading DBN record by record, in memory bounded by its metadata and one piece.

use std::io::Read;

use super::metadata::{Metadata, PRELUDE_LEN};
use super::record::{HEADER_LEN, Raw};
use super::{DbnError, VERSION};

/// Bytes of a record at most: its length is counted in fours, in one byte.
pub const RECORD_BYTES_MAX: usize = 255 * 4;

/// Bytes asked of the source at a time.
const CHUNK: usize = 64 * 1024;

/// Reads the records of a file or a fragment, decompressed.
#[derive(Debug)]
pub struct Reader<R> {
    source: R,
    metadata: Option<Metadata>,
    version: u8,
    buffer: Vec<u8>,
    /// Where the next record begins in the buffer.
    at: usize,
    /// Offset of the buffer's first byte.
    base: u64,
    records: u64,
    ended: bool,
}

impl<R: Read> Reader<R> {
    /// A file: with metadata.
    pub fn open(source: R) -> Result<Self, DbnError> {
        let mut reader = Self::fragment(source, VERSION);
        reader.need(PRELUDE_LEN)?;
        let (version, len) = Metadata::prelude(&reader.buffer[..reader.buffer.len().min(PRELUDE_LEN)])?;
        // Grown as bytes come, so that a length which is a lie takes no memory.
        let has = reader.need(PRELUDE_LEN + len)?;
        if has < PRELUDE_LEN + len {
            return Err(DbnError::Metadata { at: has, problem: "the file ends in it" });
        }
        reader.metadata = Some(Metadata::parse(version, &reader.buffer[PRELUDE_LEN..PRELUDE_LEN + len])?);
        (reader.version, reader.at) = (version, PRELUDE_LEN + len);
        Ok(reader)
    }

    /// Records alone, of a version that somebody says.
    #[must_use]
    pub fn fragment(source: R, version: u8) -> Self {
        Self { source, metadata: None, version, buffer: Vec::new(), at: 0, base: 0, records: 0, ended: false }
    }

    /// The metadata; none in a fragment.
    #[must_use]
    pub fn metadata(&self) -> Option<&Metadata> {
        self.metadata.as_ref()
    }

    /// Records read.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.records
    }

    /// Fills the buffer until `len` bytes stand behind `at`, or the source ends; gives the bytes there.
    fn need(&mut self, len: usize) -> Result<usize, DbnError> {
        while self.buffer.len() - self.at < len && !self.ended {
            if self.at > CHUNK {
                self.buffer.drain(..self.at);
                self.base += self.at as u64;
                self.at = 0;
            }
            let filled = self.buffer.len();
            self.buffer.resize(filled + CHUNK, 0);
            let outcome = loop {
                match self.source.read(&mut self.buffer[filled..]) {
                    Err(cause) if cause.kind() == std::io::ErrorKind::Interrupted => {}
                    other => break other,
                }
            };
            self.buffer.truncate(filled + *outcome.as_ref().unwrap_or(&0));
            let offset = self.base + filled as u64;
            self.ended = outcome.map_err(|cause| DbnError::Read { offset, cause })? == 0;
        }
        Ok(self.buffer.len() - self.at)
    }

    /// The next record; none at the end.
    pub fn next_record(&mut self) -> Result<Option<Raw<'_>>, DbnError> {
        if self.buffer.len() - self.at < RECORD_BYTES_MAX && !self.ended {
            self.need(RECORD_BYTES_MAX)?;
        }
        let rest = &self.buffer[self.at..];
        if rest.is_empty() {
            return Ok(None);
        }
        let (record, offset) = (self.records, self.base + self.at as u64);
        let needs = usize::from(rest[0]) * 4;
        if needs < HEADER_LEN {
            let rtype = rest.get(1).copied().unwrap_or(0);
            return Err(DbnError::Length { record, offset, rtype, length: needs });
        }
        if rest.len() < needs {
            return Err(DbnError::Cut { record, offset, has: rest.len(), needs });
        }
        let bytes = &rest[..needs];
        let ts_out = self.metadata.as_ref().is_some_and(|m| m.ts_out);
        let raw = Raw::new(bytes, self.version, ts_out).ok_or(DbnError::Length {
            record,
            offset,
            rtype: bytes[1],
            length: needs,
        })?;
        self.at += needs;
        self.records += 1;
        Ok(Some(raw))
    }
}
