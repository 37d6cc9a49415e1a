//! What can go wrong with a journal: each case says where, and what to do.
//!
//! Invariant: a torn tail and damage in the middle are different variants, because one is mended by a machine and
//! the other must be seen by a person.

use std::io;

use super::{Kind, MAX_PAYLOAD};

/// What is wrong with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Damage {
    /// The checksum over the record's own 28 header bytes fails, so its length is unknown.
    #[error("the record header's checksum fails")]
    HeaderChecksum,
    /// The header is intact and the payload is not.
    #[error("the payload's checksum fails")]
    PayloadChecksum,
    /// An intact record stands where another belongs: records were removed, repeated or swapped.
    #[error("record {found} stands here")]
    Sequence {
        /// The number it bears.
        found: u64,
    },
    /// An intact header claims more than [`MAX_PAYLOAD`]; no writer of ours made it.
    #[error("its payload claims {len} bytes, above the limit of {MAX_PAYLOAD}")]
    Oversized {
        /// The claimed length.
        len: u32,
    },
    /// A seal does not match the bytes since the seal before: some byte from `group_start` on was changed in a way
    /// that kept the checksums right.
    #[error("the seal does not match the bytes from {group_start} on")]
    Chain {
        /// Where the sealed bytes begin.
        group_start: u64,
    },
    /// Bytes behind the end record.
    #[error("there are bytes behind the end record")]
    AfterEnd,
}

/// Why a journal cannot be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The file does not begin with the magic.
    #[error("not a journal: it begins with {found:02x?} instead of \"STARLJNL\"; check the file's name")]
    NotAJournal {
        /// The first bytes, zero-filled.
        found: [u8; 8],
    },
    /// A later version wrote something this build must not pass over.
    #[error("{what} {value} at byte {offset} is unknown to this build; read the journal with a newer one")]
    Unsupported {
        /// What is unknown.
        what: &'static str,
        /// Its value.
        value: u64,
        /// The byte it stands at.
        offset: u64,
    },
    /// The file header fails its checksum, or says what no writer of ours says.
    #[error("the journal's file header is damaged; restore the file from a copy, do not truncate it")]
    HeaderCorrupt,
    /// The file stops within a record and nothing intact follows: an interrupted write. Cut it at `offset`.
    #[error(
        "torn tail at byte {offset}: {valid_records} records before it are intact, {cut} bytes are not a record; \
         truncate the file to {offset} bytes and resume"
    )]
    TornTail {
        /// The record edge to truncate at.
        offset: u64,
        /// Intact records before it, seals included.
        valid_records: u64,
        /// Bytes that truncation drops.
        cut: u64,
    },
    /// A record is damaged and it is not a torn tail. Never truncated by a machine: what follows was once durable.
    #[error(
        "journal corrupt at byte {offset}, where record {seq} belongs: {damage}; intact records follow: {}; \
         restore the file from a copy{}",
        resumes_at.map_or_else(|| "unknown".to_owned(), |at| format!("from byte {at}")),
        if *in_last_write {
            ", or, if the machine lost power during the last write, reconcile with the venue and truncate there"
        } else {
            ""
        }
    )]
    Corrupt {
        /// Where the damaged record starts.
        offset: u64,
        /// The sequence number that belongs there.
        seq: u64,
        /// What is wrong.
        damage: Damage,
        /// The next intact record, where the damage left one to be searched for.
        resumes_at: Option<u64>,
        /// No intact record of a later group exists: sectors of one write that reached the disk out of order could
        /// explain the damage as well as a flipped bit could.
        in_last_write: bool,
    },
    /// A payload above [`MAX_PAYLOAD`]; nothing was appended.
    #[error("a {kind:?} record of {len} bytes is above the limit of {MAX_PAYLOAD}; split it or journal a reference")]
    PayloadTooLarge {
        /// The record's kind.
        kind: Kind,
        /// The payload's bytes.
        len: usize,
    },
    /// Seals are the writer's own; nothing was appended.
    #[error("{kind:?} records are written by the journal itself; use flush or finish")]
    ReservedKind {
        /// The kind asked for.
        kind: Kind,
    },
    /// The journal ends with an end record, so it cannot be continued.
    #[error("the journal was finished at byte {offset}; begin a new file whose header names its digest")]
    Finished {
        /// Its length.
        offset: u64,
    },
    /// The sink refused bytes. How many of them it kept is unknown, so the writer stops for good.
    #[error("writing the journal failed at byte {offset} or behind it; verify the file, truncate a torn tail, resume")]
    Write {
        /// Where the refused bytes begin.
        offset: u64,
        /// The sink's own error.
        source: io::Error,
    },
    /// A write failed before, and this writer writes no more.
    #[error("the journal's writer stopped when a write failed at byte {offset}; verify the file and resume")]
    Stopped {
        /// Where that write began.
        offset: u64,
    },
    /// The source of bytes failed.
    #[error("reading the journal failed at byte {offset}; nothing is known of the rest")]
    Read {
        /// The first byte that could not be read.
        offset: u64,
        /// The source's own error.
        source: io::Error,
    },
    /// A reader was asked to go on behind the end of the file: the file is shorter than when the position was taken.
    #[error("the journal has {len} bytes and position {offset} lies behind them; verify the file")]
    PositionBeyondEnd {
        /// The position.
        offset: u64,
        /// The file's length.
        len: u64,
    },
}

impl JournalError {
    /// The length to truncate the file to, if a machine may mend it: only for [`JournalError::TornTail`].
    #[must_use]
    pub fn truncate_at(&self) -> Option<u64> {
        match self {
            JournalError::TornTail { offset, .. } => Some(*offset),
            _ => None,
        }
    }
}
