//! Reading a frame file block by block, in memory bounded by one block.
//!
//! Invariant: blocks come in order and whole; behind the last stands either the end of the file, or a tail in which no
//! further sound block begins. Anything else is damage, and an error.

use std::io::Read;

use super::block::Block;
use super::error::FramesError;
use super::layout::{BLOCK_HEADER_LEN, BlockHeader, FILE_FIXED_LEN, Header};

/// How a file ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tail {
    /// With a whole block, or right behind its header.
    Whole,
    /// With bytes that make no block: the writer was stopped in the middle. Cutting the file at `at` makes it whole.
    Torn {
        /// Where the last whole block ends.
        at: u64,
        /// Bytes behind it.
        bytes: u64,
    },
}

/// Bytes asked of the source at a time when looking for a block behind damage.
const CHUNK: usize = 64 * 1024;

/// Reads blocks from anything that gives bytes.
#[derive(Debug)]
pub struct Reader<R> {
    source: R,
    header: Header,
    /// Offset of the next byte of the source.
    offset: u64,
    blocks: u64,
    frames: u64,
    stored: Vec<u8>,
    block: Block,
    tail: Option<Tail>,
}

/// Reads until `buffer` is full or the source ends; gives the bytes read.
fn read_full<R: Read>(source: &mut R, buffer: &mut [u8], offset: u64) -> Result<usize, FramesError> {
    let mut filled = 0;
    while filled < buffer.len() {
        match source.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(cause) if cause.kind() == std::io::ErrorKind::Interrupted => {}
            Err(cause) => return Err(FramesError::Read { offset: offset + filled as u64, cause }),
        }
    }
    Ok(filled)
}

impl<R: Read> Reader<R> {
    /// Reads the file's header.
    pub fn open(mut source: R) -> Result<Self, FramesError> {
        let mut bytes = vec![0; FILE_FIXED_LEN];
        let n = read_full(&mut source, &mut bytes, 0)?;
        let len = Header::length(&bytes[..n])?;
        bytes.resize(len, 0);
        let n = read_full(&mut source, &mut bytes[FILE_FIXED_LEN..], FILE_FIXED_LEN as u64)?;
        if FILE_FIXED_LEN + n < len {
            return Err(FramesError::Header { problem: format!("cut off after {} bytes", FILE_FIXED_LEN + n) });
        }
        let header = Header::parse(&bytes)?;
        let offset = len as u64;
        Ok(Self { source, header, offset, blocks: 0, frames: 0, stored: Vec::new(), block: Block::empty(), tail: None })
    }

    /// What the header says.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Blocks read.
    #[must_use]
    pub fn blocks(&self) -> u64 {
        self.blocks
    }

    /// Frames read.
    #[must_use]
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// How the file ends, once [`Reader::next_block`] has given none.
    #[must_use]
    pub fn tail(&self) -> Option<Tail> {
        self.tail
    }

    /// The next block; none behind the last whole one.
    pub fn next_block(&mut self) -> Result<Option<&Block>, FramesError> {
        if self.tail.is_some() {
            return Ok(None);
        }
        let start = self.offset;
        let mut head = [0; BLOCK_HEADER_LEN];
        let n = read_full(&mut self.source, &mut head, start)?;
        if n == 0 {
            self.tail = Some(Tail::Whole);
            return Ok(None);
        }
        self.stored.clear();
        if n < BLOCK_HEADER_LEN {
            return self.torn(start, &head[..n], "its header is cut off");
        }
        let Some(header) = BlockHeader::decode(&head, self.header.seed) else {
            return self.torn(start, &head, "its header is malformed");
        };
        let mut stored = std::mem::take(&mut self.stored);
        stored.resize(header.stored as usize, 0);
        let n = read_full(&mut self.source, &mut stored, start + BLOCK_HEADER_LEN as u64)?;
        stored.truncate(n);
        self.stored = stored;
        if n < header.stored as usize {
            return self.torn(start, &head, "it is cut off");
        }
        if header.first != self.frames {
            return self.torn(start, &head, "frames before it are missing");
        }
        if let Err(problem) = self.block.unpack(header, &self.stored, self.header.seed) {
            return self.torn(start, &head, problem);
        }
        (self.block.number, self.block.offset) = (self.blocks, start);
        self.offset = start + self.block.bytes();
        self.blocks += 1;
        self.frames += u64::from(header.count);
        Ok(Some(&self.block))
    }

    /// Looks for a sound block header in the rest: with one the block at `start` is damaged, without it the tail is torn.
    fn torn(&mut self, start: u64, head: &[u8], problem: &'static str) -> Result<Option<&Block>, FramesError> {
        // The block's own header is not one that follows it.
        let mut window: Vec<u8> = head.iter().copied().skip(1).chain(self.stored.drain(..)).collect();
        let mut base = start + 1;
        loop {
            let last = window.len().saturating_sub(BLOCK_HEADER_LEN - 1);
            let found = (0..last)
                .find(|at| BlockHeader::decode(&window[*at..*at + BLOCK_HEADER_LEN], self.header.seed).is_some());
            if let Some(at) = found {
                let next = base + at as u64;
                self.tail = Some(Tail::Torn { at: start, bytes: 0 });
                return Err(FramesError::Damaged { block: self.blocks, offset: start, next, problem });
            }
            window.drain(..last);
            base += last as u64;
            let len = window.len();
            window.resize(len + CHUNK, 0);
            let n = read_full(&mut self.source, &mut window[len..], base + len as u64)?;
            window.truncate(len + n);
            if n == 0 {
                let end = base + len as u64;
                self.tail = Some(Tail::Torn { at: start, bytes: end - start });
                return Ok(None);
            }
        }
    }
}
