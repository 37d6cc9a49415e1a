//! The checks that every reader shares: one step, one record, or the reason why there is none.
//!
//! Invariant: a step either proves the next record (header checksum, limit, sequence, payload checksum, and for a
//! seal the chain) and moves behind it, or reports and stays. It holds no bytes: a [`Source`] does.

use std::io;

use super::format::{Checksum, RecordHeader, Seal};
use super::{Damage, Digest, HEADER_LEN, Header, JournalError, Kind, MAX_PAYLOAD, RECORD_HEADER_LEN};

/// Bytes looked at in one go while searching for an intact record.
const SEARCH_WINDOW: usize = 64 * 1024;

/// One verified record. Its payload is proven by CRC, and by the chain once the seal behind it has been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Where the record starts in the file.
    pub offset: u64,
    /// What it is.
    pub kind: Kind,
    /// Its position: counted from the run's first record, seals included, without gaps.
    pub seq: u64,
    /// The stamp it was appended with, in nanoseconds since 1970 UTC. The codec enforces no order on it.
    pub ts: u64,
    /// The bytes it was appended with.
    pub payload: &'a [u8],
}

/// A record edge up to which a journal has been verified: enough to go on from there without its past.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    pub(super) offset: u64,
    pub(super) next_seq: u64,
    /// Start of the seal that opened the group (of the file, for the first group).
    pub(super) group_start: u64,
    /// Sequence number of the group's first record.
    pub(super) group_first_seq: u64,
    pub(super) seals: u64,
    /// Records passed over because this build does not know their kind.
    pub(super) unknown: u64,
    pub(super) ended: bool,
}

impl Position {
    pub(super) fn start(header: &Header) -> Position {
        Position {
            offset: HEADER_LEN as u64,
            next_seq: header.first_seq,
            group_start: 0,
            group_first_seq: header.first_seq,
            seals: 0,
            unknown: 0,
            ended: false,
        }
    }

    /// Byte offset in the file.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The sequence number of the record that begins here.
    #[must_use]
    pub fn next_seq(&self) -> u64 {
        self.next_seq
    }
}

/// What a whole journal was found to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verification {
    /// The file header.
    pub header: Header,
    /// Records, seals excluded.
    pub records: u64,
    /// Seals, the end record included.
    pub seals: u64,
    /// Records of kinds this build does not know; they are intact all the same.
    pub unknown: u64,
    /// Length of the file.
    pub bytes: u64,
    /// The sequence number that the next record would bear.
    pub next_seq: u64,
    /// The running chain value over every byte: what [`Writer::digest`](super::Writer::digest) gave at this length.
    pub digest: Digest,
    /// The last record is a seal: everything lies under the chain, not under CRC alone.
    pub sealed: bool,
    /// The journal was finished: it lacks nothing at its end.
    pub finished: bool,
}

impl Verification {
    /// Whether this file is the one right after `earlier`: same run, next number, and its header names that digest.
    #[must_use]
    pub fn follows(&self, earlier: &Verification) -> bool {
        earlier.finished
            && self.header.run_id == earlier.header.run_id
            && self.header.first_seq == earlier.next_seq
            && self.header.previous == earlier.digest
    }
}

/// Where a decoder gets bytes. Offsets only grow between calls, but for the start of the record in hand.
pub(super) trait Source {
    /// The `len` bytes from `offset`, fewer only where the journal ends.
    fn peek(&mut self, offset: u64, len: usize) -> io::Result<&[u8]>;

    /// BLAKE3 of a group. `from` is the start of the file or the `to` of the call before.
    fn digest(&mut self, from: u64, to: u64) -> Digest;
}

/// A record that passed every check; its payload is the last `header.len` bytes from `offset`.
pub(super) struct Frame {
    pub(super) offset: u64,
    pub(super) header: RecordHeader,
}

impl Frame {
    /// The record, its payload taken from `bytes`, which begin at the frame's offset.
    ///
    /// `None` for a kind that may be passed over, and is.
    pub(super) fn record<'a>(&self, bytes: &'a [u8]) -> Result<Option<Record<'a>>, JournalError> {
        match Kind::from_code(self.header.kind) {
            Some(kind) => Ok(Some(Record {
                offset: self.offset,
                kind,
                seq: self.header.seq,
                ts: self.header.ts,
                payload: &bytes[RECORD_HEADER_LEN..self.header.record_len()],
            })),
            None if self.header.is_skippable() => Ok(None),
            None => Err(JournalError::Unsupported {
                what: "record kind",
                value: u64::from(self.header.kind),
                offset: self.offset + 12,
            }),
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Decoder {
    header: Header,
    crc: Checksum,
    position: Position,
}

impl Decoder {
    pub(super) fn new(header: Header, position: Position) -> Decoder {
        Decoder { header, crc: Checksum::of_file(&header), position }
    }

    pub(super) fn header(&self) -> &Header {
        &self.header
    }

    pub(super) fn position(&self) -> &Position {
        &self.position
    }

    /// Proves the next record and moves behind it; `None` where the file ends on a record edge.
    pub(super) fn step(&mut self, source: &mut impl Source) -> Result<Option<Frame>, JournalError> {
        let at = self.position;
        let bytes = peek(source, at.offset, RECORD_HEADER_LEN)?;
        if bytes.is_empty() {
            return Ok(None);
        }
        if at.ended {
            return Err(self.damaged(source, Damage::AfterEnd, at.offset)?);
        }
        let Some(header) = RecordHeader::decode(bytes, &self.crc) else {
            return Err(self.damaged(source, Damage::HeaderChecksum, at.offset + 1)?);
        };
        if header.len as usize > MAX_PAYLOAD {
            return Err(self.corrupt(Damage::Oversized { len: header.len }));
        }
        if header.seq != at.next_seq {
            return Err(self.corrupt(Damage::Sequence { found: header.seq }));
        }
        if header.unknown_flags() != 0 {
            return Err(JournalError::Unsupported {
                what: "record flags",
                value: u64::from(header.unknown_flags()),
                offset: at.offset + 14,
            });
        }
        let record = peek(source, at.offset, header.record_len())?;
        if record.len() < header.record_len() {
            return Err(self.torn(record.len() as u64));
        }
        let end = at.offset + header.record_len() as u64;
        let payload = &record[RECORD_HEADER_LEN..];
        if self.crc.over(payload) != header.payload_crc {
            return Err(self.damaged(source, Damage::PayloadChecksum, end)?);
        }

        let mut next = Position { offset: end, next_seq: at.next_seq + 1, ..at };
        if header.is_seal() {
            let found = Seal::decode(payload);
            let expected = Seal { first_seq: at.group_first_seq, digest: source.digest(at.group_start, at.offset) };
            if found != Some(expected) {
                return Err(self.corrupt(Damage::Chain { group_start: at.group_start }));
            }
            next.group_start = at.offset;
            next.group_first_seq = next.next_seq;
            next.seals += 1;
            next.ended = header.kind == Kind::End.code();
        } else if Kind::from_code(header.kind).is_none() {
            next.unknown += 1;
        }
        assert!(
            next.offset > at.offset && next.group_start <= at.offset,
            "a step moves forward and the open group begins at or before the last record"
        );
        self.position = next;
        Ok(Some(Frame { offset: at.offset, header }))
    }

    /// Steps to the end, whatever the kinds: integrity does not depend on meaning.
    pub(super) fn verify(&mut self, source: &mut impl Source) -> Result<Verification, JournalError> {
        while self.step(source)?.is_some() {}
        let at = &self.position;
        assert!(at.next_seq - self.header.first_seq >= at.seals, "seals are records");
        Ok(Verification {
            header: self.header,
            records: at.next_seq - self.header.first_seq - at.seals,
            seals: at.seals,
            unknown: at.unknown,
            bytes: at.offset,
            next_seq: at.next_seq,
            digest: source.digest(at.group_start, at.offset),
            sealed: at.seals > 0 && at.group_first_seq == at.next_seq,
            finished: at.ended,
        })
    }

    fn torn(&self, cut: u64) -> JournalError {
        JournalError::TornTail {
            offset: self.position.offset,
            valid_records: self.position.next_seq - self.header.first_seq,
            cut,
        }
    }

    /// Damage with both checksums right: no interrupted write does that, so there is nothing to search for.
    fn corrupt(&self, damage: Damage) -> JournalError {
        JournalError::Corrupt {
            offset: self.position.offset,
            seq: self.position.next_seq,
            damage,
            resumes_at: None,
            in_last_write: false,
        }
    }

    /// Tells a torn tail from corruption: a record intact behind the damage was appended after the damaged one, so
    /// cutting here would drop something that may have been acted upon.
    fn damaged(
        &self,
        source: &mut impl Source,
        damage: Damage,
        search_from: u64,
    ) -> Result<JournalError, JournalError> {
        let at = &self.position;
        match self.next_intact(source, search_from)? {
            Search::None { end } => Ok(self.torn(end - at.offset)),
            Search::Found { offset, header } => Ok(JournalError::Corrupt {
                offset: at.offset,
                seq: at.next_seq,
                damage,
                resumes_at: Some(offset),
                in_last_write: !at.ended && self.no_later_group(source, offset, header)?,
            }),
        }
    }

    /// Whether no intact record from `offset` on belongs to a later group than the damaged one.
    fn no_later_group(
        &self,
        source: &mut impl Source,
        mut offset: u64,
        mut header: RecordHeader,
    ) -> Result<bool, JournalError> {
        let mut sealed = false;
        loop {
            if sealed {
                return Ok(false);
            }
            if header.is_seal() {
                let record = peek(source, offset, header.record_len())?;
                let seal = record.get(RECORD_HEADER_LEN..).and_then(Seal::decode);
                if seal.is_some_and(|seal| seal.first_seq > self.position.next_seq) {
                    return Ok(false);
                }
                sealed = true;
            }
            match self.next_intact(source, offset + header.record_len() as u64)? {
                Search::Found { offset: next, header: following } => (offset, header) = (next, following),
                Search::None { .. } => return Ok(true),
            }
        }
    }

    /// The first intact record header from `from` on that could follow the present position. Linear in the bytes.
    fn next_intact(&self, source: &mut impl Source, from: u64) -> Result<Search, JournalError> {
        let mut from = from;
        // The next record nearly always begins right here: look before taking a window.
        let mut window = RECORD_HEADER_LEN;
        loop {
            let bytes = peek(source, from, window)?;
            for (index, candidate) in bytes.windows(RECORD_HEADER_LEN).enumerate() {
                if let Some(header) = RecordHeader::decode(candidate, &self.crc)
                    && header.len as usize <= MAX_PAYLOAD
                    && header.seq >= self.position.next_seq
                {
                    return Ok(Search::Found { offset: from + index as u64, header });
                }
            }
            if bytes.len() < window {
                return Ok(Search::None { end: from + bytes.len() as u64 });
            }
            from += (window - RECORD_HEADER_LEN + 1) as u64;
            window = (window * 8).min(SEARCH_WINDOW);
        }
    }
}

enum Search {
    Found { offset: u64, header: RecordHeader },
    None { end: u64 },
}

fn peek(source: &mut impl Source, offset: u64, len: usize) -> Result<&[u8], JournalError> {
    source.peek(offset, len).map_err(|source| JournalError::Read { offset, source })
}
