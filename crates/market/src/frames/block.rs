//! Blocks: frames gathered, compressed and sealed; and the other way.

use starling_core::UnixNanos;

use super::error::FramesError;
use super::layout::{
    BLOCK_HEADER_LEN, BlockHeader, FRAME_HEADER_LEN, Header, crc, read_frame, stored_max, write_frame,
};
use super::{BLOCK_BYTES_MAX, FRAME_BYTES_MAX, Frame, SUBJECT_BYTES_MAX};

/// Gathers frames and seals them into blocks. Memory: one block, plain and compressed.
#[derive(Debug)]
pub struct Encoder {
    seed: u32,
    level: i32,
    /// Frames in sealed blocks.
    sealed: u64,
    plain: Vec<u8>,
    count: u32,
    earliest: UnixNanos,
    latest: UnixNanos,
}

impl Encoder {
    /// For the file that `header` opened; `level` is zstd's, 1 to 22, 0 for its default.
    #[must_use]
    pub fn new(header: &Header, level: i32) -> Self {
        Self {
            seed: header.seed,
            level,
            sealed: 0,
            plain: Vec::new(),
            count: 0,
            earliest: UnixNanos::MAX,
            latest: UnixNanos::EPOCH,
        }
    }

    /// Goes on behind `frames` frames that stand in the file.
    #[must_use]
    pub fn behind(self, frames: u64) -> Self {
        assert!(self.count == 0 && self.sealed == 0, "an encoder goes on before its first frame");
        Self { sealed: frames, ..self }
    }

    /// Frames written, those of the open block included.
    #[must_use]
    pub fn frames(&self) -> u64 {
        self.sealed + u64::from(self.count)
    }

    /// Bytes of the open block before compression.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.plain.len()
    }

    /// The earliest stamp of the open block.
    #[must_use]
    pub fn pending_since(&self) -> Option<UnixNanos> {
        (self.count > 0).then_some(self.earliest)
    }

    /// Adds a frame to the open block. True if the block would have grown past [`BLOCK_BYTES_MAX`], and was sealed
    /// into `out` first.
    pub fn push(&mut self, frame: &Frame<'_>, out: &mut Vec<u8>) -> Result<bool, FramesError> {
        if frame.subject.len() > SUBJECT_BYTES_MAX {
            let bytes = frame.subject.len();
            return Err(FramesError::TooLarge { what: "a frame's subject", bytes, limit: SUBJECT_BYTES_MAX });
        }
        let len = FRAME_HEADER_LEN + frame.subject.len() + frame.bytes.len();
        if len > FRAME_BYTES_MAX {
            return Err(FramesError::TooLarge { what: "a frame", bytes: len, limit: FRAME_BYTES_MAX });
        }
        let full = self.plain.len() + len > BLOCK_BYTES_MAX;
        if full {
            self.seal(out)?;
        }
        write_frame(frame, &mut self.plain);
        self.count += 1;
        self.earliest = self.earliest.min(frame.ts_recv);
        self.latest = self.latest.max(frame.ts_recv);
        Ok(full)
    }

    /// Closes the open block and appends it to `out`; without frames it appends nothing.
    pub fn seal(&mut self, out: &mut Vec<u8>) -> Result<(), FramesError> {
        if self.count == 0 {
            return Ok(());
        }
        let stored = zstd::bulk::compress(&self.plain, self.level)
            .map_err(|cause| FramesError::Compress { bytes: self.plain.len(), cause })?;
        assert!(stored.len() <= stored_max(self.plain.len()), "zstd keeps its bound");
        let header = BlockHeader {
            stored: stored.len() as u32,
            plain: self.plain.len() as u32,
            count: self.count,
            earliest: self.earliest,
            latest: self.latest,
            first: self.sealed,
            payload_crc: crc(self.seed, &stored),
        };
        out.extend(header.encode(self.seed));
        out.extend(stored);
        self.sealed += u64::from(self.count);
        self.plain.clear();
        (self.count, self.earliest, self.latest) = (0, UnixNanos::MAX, UnixNanos::EPOCH);
        Ok(())
    }
}

/// A block that was read: its header and its frames.
#[derive(Debug, Clone)]
pub struct Block {
    /// What it says about itself.
    pub header: BlockHeader,
    /// Its number in the file, from 0.
    pub number: u64,
    /// Where it begins in the file.
    pub offset: u64,
    plain: Vec<u8>,
}

impl Block {
    pub(super) fn empty() -> Self {
        let header = BlockHeader {
            stored: 0,
            plain: 0,
            count: 0,
            earliest: UnixNanos::EPOCH,
            latest: UnixNanos::EPOCH,
            first: 0,
            payload_crc: 0,
        };
        Self { header, number: 0, offset: 0, plain: Vec::new() }
    }

    /// Unpacks and checks what stands behind a sound header; the error names the rule that is broken.
    pub(super) fn unpack(&mut self, header: BlockHeader, stored: &[u8], seed: u32) -> Result<(), &'static str> {
        self.header = header;
        if crc(seed, stored) != header.payload_crc {
            return Err("the checksum of its frames is wrong");
        }
        self.plain.resize(header.plain as usize, 0);
        let len = zstd::bulk::decompress_to_buffer(stored, &mut self.plain).map_err(|_| "it does not decompress")?;
        if len != header.plain as usize {
            return Err("it decompresses to another length");
        }
        let mut rest = &self.plain[..];
        let (mut earliest, mut latest) = (UnixNanos::MAX, UnixNanos::EPOCH);
        for _ in 0..header.count {
            let (frame, behind) = read_frame(rest).ok_or("a frame in it is malformed")?;
            earliest = earliest.min(frame.ts_recv);
            latest = latest.max(frame.ts_recv);
            rest = behind;
        }
        if !rest.is_empty() || (earliest, latest) != (header.earliest, header.latest) {
            return Err("it holds other frames than its header says");
        }
        Ok(())
    }

    /// Its frames, in the order they were written.
    #[must_use]
    pub fn frames(&self) -> Frames<'_> {
        Frames { rest: &self.plain }
    }

    /// Bytes it takes in the file.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        BLOCK_HEADER_LEN as u64 + u64::from(self.header.stored)
    }
}

/// The frames of a block.
#[derive(Debug, Clone)]
pub struct Frames<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Frames<'a> {
    type Item = Frame<'a>;

    fn next(&mut self) -> Option<Frame<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        let (frame, rest) = read_frame(self.rest).expect("the block was checked when it was unpacked");
        self.rest = rest;
        Some(frame)
    }
}
