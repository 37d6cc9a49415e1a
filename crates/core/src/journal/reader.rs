//! Reading a journal that lies in memory, whole or mapped: no copy, no allocation.
//!
//! Invariant: the records yielded are a verified prefix; after an error, or at the end, nothing more comes.

use std::io;

use super::decoder::{Decoder, Source};
use super::{Digest, Header, JournalError, Position, Record, Verification};

/// A journal in memory; an empty slice behind its end.
#[derive(Clone, Debug)]
struct Slice<'a>(&'a [u8]);

impl<'a> Slice<'a> {
    fn from(&self, offset: u64) -> &'a [u8] {
        usize::try_from(offset).ok().and_then(|offset| self.0.get(offset..)).unwrap_or_default()
    }
}

impl Source for Slice<'_> {
    fn peek(&mut self, offset: u64, len: usize) -> io::Result<&[u8]> {
        let rest = self.from(offset);
        Ok(&rest[..rest.len().min(len)])
    }

    fn digest(&mut self, from: u64, to: u64) -> Digest {
        assert!(from <= to, "a group ends behind its start");
        let rest = self.from(from);
        let len = usize::try_from(to - from).unwrap_or(usize::MAX);
        Digest::of(&rest[..len])
    }
}

/// Iterates over the records of a journal in memory, seals and end included, verifying each.
///
/// A record is yielded when its checksums hold, before the seal behind it has been seen; to act on sealed records
/// only, call [`verify`] first.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    bytes: Slice<'a>,
    decoder: Decoder,
    stopped: bool,
}

impl<'a> Reader<'a> {
    /// Reads from the first record.
    ///
    /// # Errors
    /// Those of [`Header::decode`].
    pub fn new(bytes: &'a [u8]) -> Result<Reader<'a>, JournalError> {
        let header = Header::decode(bytes)?;
        Ok(Reader::at(bytes, header, Position::start(&header)))
    }

    /// Goes on from a position that an earlier reader of the same journal reached. What lies before it is trusted,
    /// but for the open group, which the next seal proves again.
    ///
    /// # Errors
    /// Those of [`Header::decode`], and [`JournalError::PositionBeyondEnd`] for a journal that has become shorter.
    pub fn resume(bytes: &'a [u8], position: Position) -> Result<Reader<'a>, JournalError> {
        let header = Header::decode(bytes)?;
        if position.offset > bytes.len() as u64 {
            return Err(JournalError::PositionBeyondEnd { offset: position.offset, len: bytes.len() as u64 });
        }
        Ok(Reader::at(bytes, header, position))
    }

    fn at(bytes: &'a [u8], header: Header, position: Position) -> Reader<'a> {
        Reader { bytes: Slice(bytes), decoder: Decoder::new(header, position), stopped: false }
    }

    /// The file header.
    #[must_use]
    pub fn header(&self) -> &Header {
        self.decoder.header()
    }

    /// The edge behind the last record that was verified.
    #[must_use]
    pub fn position(&self) -> Position {
        *self.decoder.position()
    }

    fn advance(&mut self) -> Result<Option<Record<'a>>, JournalError> {
        while let Some(frame) = self.decoder.step(&mut self.bytes)? {
            if let Some(record) = frame.record(self.bytes.from(frame.offset))? {
                return Ok(Some(record));
            }
        }
        Ok(None)
    }
}

impl<'a> Iterator for Reader<'a> {
    type Item = Result<Record<'a>, JournalError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.stopped {
            return None;
        }
        let item = self.advance().transpose();
        self.stopped = !matches!(item, Some(Ok(_)));
        item
    }
}

/// Checks every byte of a journal in memory.
///
/// # Errors
/// The first fault; [`JournalError::truncate_at`] says whether a machine may mend it.
pub fn verify(bytes: &[u8]) -> Result<Verification, JournalError> {
    let mut reader = Reader::new(bytes)?;
    reader.decoder.verify(&mut reader.bytes)
}
