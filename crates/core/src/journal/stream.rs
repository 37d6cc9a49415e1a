//! Reading a journal piece by piece, in memory bounded by one record whatever the file holds.
//!
//! Invariant: yields the same records and the same errors as [`Reader`](super::Reader) over the same bytes.

use std::io::{self, Read};

use super::decoder::{Decoder, Source};
use super::{Digest, HEADER_LEN, Header, JournalError, Position, Record, Verification};

/// Bytes asked of the source at a time; the buffer holds one record and at most this much behind it.
const CHUNK: usize = 64 * 1024;

/// A window that slides over a stream. Bytes that leave it are hashed first, so groups need not fit.
#[derive(Debug)]
struct Window<R> {
    read: R,
    buffer: Vec<u8>,
    /// Offset in the journal of the buffer's first byte.
    base: u64,
    /// Everything before this offset is in `hasher`, or in a group already closed.
    hashed: u64,
    hasher: blake3::Hasher,
    exhausted: bool,
}

impl<R: Read> Window<R> {
    fn new(read: R) -> Window<R> {
        Window { read, buffer: Vec::new(), base: 0, hashed: 0, hasher: blake3::Hasher::new(), exhausted: false }
    }

    fn end(&self) -> u64 {
        self.base + self.buffer.len() as u64
    }

    /// Index in the buffer of an offset that is in it or right behind it.
    fn index(&self, offset: u64) -> usize {
        assert!((self.base..=self.end()).contains(&offset), "offset {offset} has left the window");
        usize::try_from(offset - self.base).expect("the buffer's length is a usize")
    }

    fn hash_up_to(&mut self, offset: u64) {
        if offset > self.hashed {
            let (from, to) = (self.index(self.hashed), self.index(offset));
            self.hasher.update(&self.buffer[from..to]);
            self.hashed = offset;
        }
    }

    fn drop_before(&mut self, offset: u64) {
        let offset = offset.min(self.end());
        self.hash_up_to(offset);
        let count = self.index(offset);
        self.buffer.drain(..count);
        self.base = offset;
    }

    fn fill(&mut self) -> io::Result<()> {
        let len = self.buffer.len();
        self.buffer.resize(len + CHUNK, 0);
        let got = loop {
            match self.read.read(&mut self.buffer[len..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        self.buffer.truncate(len + *got.as_ref().unwrap_or(&0));
        self.exhausted = got? == 0;
        Ok(())
    }
}

impl<R: Read> Source for Window<R> {
    fn peek(&mut self, offset: u64, len: usize) -> io::Result<&[u8]> {
        while !self.exhausted && self.end() < offset + len as u64 {
            self.drop_before(offset);
            self.fill()?;
        }
        let from = self.index(offset.min(self.end()));
        let to = self.buffer.len().min(from + len);
        Ok(&self.buffer[from..to])
    }

    fn digest(&mut self, from: u64, to: u64) -> Digest {
        assert!(from <= self.hashed, "groups follow one another");
        self.hash_up_to(to);
        let digest = Digest(*self.hasher.finalize().as_bytes());
        self.hasher.reset();
        digest
    }
}

/// Reads a journal from any [`Read`], one record in memory at a time.
#[derive(Debug)]
pub struct StreamReader<R> {
    window: Window<R>,
    decoder: Decoder,
    stopped: bool,
}

impl<R: Read> StreamReader<R> {
    /// Reads the file header.
    ///
    /// # Errors
    /// Those of [`Header::decode`], and [`JournalError::Read`].
    pub fn new(read: R) -> Result<StreamReader<R>, JournalError> {
        let mut window = Window::new(read);
        // Longer than our header, so that one of a later version is named as such and not as damage.
        let bytes = window.peek(0, CHUNK).map_err(|source| JournalError::Read { offset: 0, source })?;
        let header = Header::decode(bytes)?;
        assert!(bytes.len() >= HEADER_LEN, "a decoded header was there");
        Ok(StreamReader { window, decoder: Decoder::new(header, Position::start(&header)), stopped: false })
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

    /// Bytes of memory that the window takes.
    #[cfg(test)]
    pub(super) fn buffered(&self) -> usize {
        self.window.buffer.capacity()
    }

    /// The next record, seals and end included; `None` at the end of the journal and ever after an error.
    ///
    /// # Errors
    /// The first fault, as [`Reader`](super::Reader) reports it, and [`JournalError::Read`].
    pub fn next_record(&mut self) -> Result<Option<Record<'_>>, JournalError> {
        if self.stopped {
            return Ok(None);
        }
        self.stopped = true;
        while let Some(frame) = self.decoder.step(&mut self.window)? {
            let from = self.window.index(frame.offset);
            if frame.record(&self.window.buffer[from..])?.is_some() {
                self.stopped = false;
                return frame.record(&self.window.buffer[from..]);
            }
        }
        Ok(None)
    }
}

/// Checks every byte of a journal without holding it.
///
/// # Errors
/// As [`verify`](super::verify), and [`JournalError::Read`].
pub fn verify_stream(read: impl Read) -> Result<Verification, JournalError> {
    let mut reader = StreamReader::new(read)?;
    reader.decoder.verify(&mut reader.window)
}
