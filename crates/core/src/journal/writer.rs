//! Writing a journal: records gather in one buffer, which is the open group; a seal closes it and sends it off.
//!
//! Invariant: the sink gets whole groups, each handed over at once and ending in a seal. With a host that syncs between
//! groups, an intact record of a later one proves that the earlier was once durable. After a failed write nothing more
//! is written.

use std::io::Write;

use super::format::{Checksum, FIRST_SEQ_MAX, RecordHeader, Seal};
use super::{Digest, GROUP_BYTES, HEADER_LEN, Header, JournalError, Kind, MAX_PAYLOAD, Reader, SEAL_LEN};

/// Appends records to a journal and keeps its chain.
///
/// Nothing is durable before [`flush`](Writer::flush) has returned and the host has synced the sink (or its `flush`
/// syncs). Dropping a writer loses the records since the last flush.
#[derive(Debug)]
pub struct Writer<W> {
    sink: W,
    header: Header,
    crc: Checksum,
    /// Every byte from the start of the seal that opened the group (of the file, for the first): what the next
    /// seal hashes.
    buffer: Vec<u8>,
    /// The bytes of `buffer` before this index are in the sink already.
    sent: usize,
    /// Offset in the file of the buffer's first byte.
    base: u64,
    group_first_seq: u64,
    next_seq: u64,
    seals: u64,
    last_ts: u64,
    scratch: Vec<u8>,
    stopped: Option<u64>,
}

/// What [`Writer::finish`] leaves.
#[derive(Debug)]
pub struct Finished<W> {
    /// The chain value over the whole file: the 32 bytes to keep somewhere else.
    pub digest: Digest,
    /// Records in this file, seals excluded.
    pub records: u64,
    /// The header of the file that would go on from here, created at the time of the last record.
    pub successor: Header,
    /// The sink.
    pub sink: W,
}

impl<W: Write> Writer<W> {
    /// Begins a journal; the header reaches the sink with the first group.
    ///
    /// # Panics
    /// If the first sequence number is not below 2^63: no reader would take the file.
    pub fn create(sink: W, header: Header) -> Writer<W> {
        assert!(header.first_seq <= FIRST_SEQ_MAX, "a journal is numbered from below 2^63");
        Writer {
            sink,
            header,
            crc: Checksum::of_file(&header),
            // It grows to a group's size within the first: hosts with many engines flush before.
            buffer: header.encode().to_vec(),
            sent: 0,
            base: 0,
            group_first_seq: header.first_seq,
            next_seq: header.first_seq,
            seals: 0,
            last_ts: header.created,
            scratch: Vec::new(),
            stopped: None,
        }
    }

    /// Goes on behind the last record of `journal`, all of which the sink already holds.
    ///
    /// # Errors
    /// Any fault that [`verify`](super::verify) finds (truncate a torn tail first), and [`JournalError::Finished`].
    pub fn resume(sink: W, journal: &[u8]) -> Result<Writer<W>, JournalError> {
        let mut reader = Reader::new(journal)?;
        let header = *reader.header();
        let mut last_ts = header.created;
        for record in &mut reader {
            last_ts = record?.ts;
        }
        let at = reader.position();
        if at.ended {
            return Err(JournalError::Finished { offset: at.offset });
        }
        let group_start = usize::try_from(at.group_start).expect("it lies within a slice");
        let mut writer = Writer::create(sink, header);
        writer.buffer.clear();
        writer.buffer.extend_from_slice(&journal[group_start..]);
        writer.sent = writer.buffer.len();
        writer.base = at.group_start;
        writer.group_first_seq = at.group_first_seq;
        writer.next_seq = at.next_seq;
        writer.seals = at.seals;
        writer.last_ts = last_ts;
        Ok(writer)
    }

    /// Appends one record stamped `ts` (nanoseconds since 1970 UTC); gives its sequence number.
    ///
    /// # Errors
    /// [`JournalError::PayloadTooLarge`] and [`JournalError::ReservedKind`], with nothing appended;
    /// [`JournalError::Write`] when a full group could not be sent, and [`JournalError::Stopped`] ever after.
    pub fn append(&mut self, kind: Kind, ts: u64, payload: &[u8]) -> Result<u64, JournalError> {
        self.going()?;
        if kind.is_seal() {
            return Err(JournalError::ReservedKind { kind });
        }
        if payload.len() > MAX_PAYLOAD {
            return Err(JournalError::PayloadTooLarge { kind, len: payload.len() });
        }
        let seq = self.next_seq;
        self.push(kind, ts, payload);
        if self.buffer.len() >= GROUP_BYTES {
            self.close(Kind::Seal)?;
        }
        Ok(seq)
    }

    /// Appends one record whose payload `encode` writes into a buffer that is empty, and reused from call to call.
    ///
    /// # Errors
    /// As [`append`](Writer::append).
    pub fn append_with(&mut self, kind: Kind, ts: u64, encode: impl FnOnce(&mut Vec<u8>)) -> Result<u64, JournalError> {
        let mut payload = std::mem::take(&mut self.scratch);
        payload.clear();
        encode(&mut payload);
        let appended = self.append(kind, ts, &payload);
        self.scratch = payload;
        appended
    }

    /// Seals the open group, if it has records, and hands everything to the sink; flushes the sink.
    ///
    /// # Errors
    /// [`JournalError::Write`], and [`JournalError::Stopped`] ever after.
    pub fn flush(&mut self) -> Result<(), JournalError> {
        self.going()?;
        if self.next_seq > self.group_first_seq {
            self.close(Kind::Seal)?;
        }
        self.send()?;
        let flushed = self.sink.flush();
        self.noting(flushed)
    }

    /// Writes the end record and flushes: the journal is complete.
    ///
    /// # Errors
    /// [`JournalError::Write`], [`JournalError::Stopped`].
    pub fn finish(mut self) -> Result<Finished<W>, JournalError> {
        self.going()?;
        self.close(Kind::End)?;
        let flushed = self.sink.flush();
        self.noting(flushed)?;
        let digest = self.digest();
        Ok(Finished {
            digest,
            records: self.records(),
            successor: self.header.after(digest, self.next_seq, self.last_ts),
            sink: self.sink,
        })
    }

    /// The chain value over every byte appended so far, sent or not: BLAKE3 from the start of the last seal. Costs a
    /// hash of the open group.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(&self.buffer)
    }

    /// Records in this file so far, seals excluded.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.next_seq - self.header.first_seq - self.seals
    }

    /// The sequence number of the next record. Seals take numbers too, so that a lost one is missed.
    #[must_use]
    pub fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// Bytes of the journal so far, sent or not.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.base + self.buffer.len() as u64
    }

    /// The sink, for the host to sync; writing to it here breaks the journal.
    pub fn sink_mut(&mut self) -> &mut W {
        &mut self.sink
    }

    fn push(&mut self, kind: Kind, ts: u64, payload: &[u8]) {
        let header = RecordHeader {
            payload_crc: self.crc.over(payload),
            len: u32::try_from(payload.len()).expect("payloads are at most MAX_PAYLOAD"),
            kind: kind.code(),
            flags: kind.flags(),
            seq: self.next_seq,
            ts,
        };
        self.buffer.extend_from_slice(&header.encode(&self.crc));
        self.buffer.extend_from_slice(payload);
        self.next_seq += 1;
        self.last_ts = ts;
    }

    /// Ends the group with a seal, sends it, and keeps the seal as the start of what the next one hashes.
    fn close(&mut self, kind: Kind) -> Result<(), JournalError> {
        let seal_start = self.buffer.len();
        let seal = Seal { first_seq: self.group_first_seq, digest: self.digest() };
        self.push(kind, self.last_ts, &seal.encode());
        assert_eq!(self.buffer.len() - seal_start, SEAL_LEN, "a seal has one length");
        self.seals += 1;
        self.send()?;
        self.buffer.drain(..seal_start);
        self.base += seal_start as u64;
        self.sent = SEAL_LEN;
        self.group_first_seq = self.next_seq;
        assert!(self.base >= HEADER_LEN as u64, "a seal stands behind the file header");
        Ok(())
    }

    fn send(&mut self) -> Result<(), JournalError> {
        if self.sent < self.buffer.len() {
            let written = self.sink.write_all(&self.buffer[self.sent..]);
            self.noting(written)?;
            self.sent = self.buffer.len();
        }
        Ok(())
    }

    fn going(&self) -> Result<(), JournalError> {
        self.stopped.map_or(Ok(()), |offset| Err(JournalError::Stopped { offset }))
    }

    /// Remembers a failure: a sink that failed once may hold any part of the write (and a failed sync may have
    /// dropped dirty pages), so trying again could leave a hole.
    fn noting(&mut self, result: std::io::Result<()>) -> Result<(), JournalError> {
        result.map_err(|source| {
            let offset = self.base + self.sent as u64;
            self.stopped = Some(offset);
            JournalError::Write { offset, source }
        })
    }
}
