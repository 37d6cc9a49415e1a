//! The journal's readers, over a file and what its last byte says to do with its checksums first: nothing, or to put
//! them right, so that the readers get behind them (`docs/journal.md` has the bytes).
//!
//! The reader in memory and the streaming one tell the same, to the byte; what they yield is numbered without gaps; a
//! journal cut where a reader advises is intact, and a writer goes on behind it.

use std::io::Read;

use starling_core::journal::{
    Digest, HEADER_LEN, JournalError, Kind, RECORD_HEADER_LEN, Reader, Record, StreamReader, Writer, verify,
    verify_stream,
};

use super::bytes::{crc32, get_u32, put_u32};

const SIGN_HEADER: u8 = 1;
const SIGN_RECORDS: u8 = 2;
const SIGN_SEALS: u8 = 4;
const SEAL_PAYLOAD_LEN: usize = 40;

/// Makes the checksums of a file say what they would of these bytes, but for the record that `choice` leaves out.
fn sign(bytes: &mut [u8], choice: u8) {
    if bytes.len() < HEADER_LEN || choice & SIGN_HEADER == 0 {
        return;
    }
    let seed = crc32(0, &bytes[..HEADER_LEN - 4]);
    put_u32(bytes, HEADER_LEN - 4, seed);
    let left_out = usize::from(choice >> 3);
    let (mut at, mut group) = (HEADER_LEN, 0);
    for number in 1.. {
        if bytes.len() - at < RECORD_HEADER_LEN || choice & SIGN_RECORDS == 0 {
            return;
        }
        let end = at + RECORD_HEADER_LEN + get_u32(bytes, at + 8) as usize;
        let kind = u16::from_le_bytes([bytes[at + 12], bytes[at + 13]]);
        let is_seal = Kind::from_code(kind).is_some_and(Kind::is_seal);
        let (past, rest) = bytes.split_at_mut(at);
        if let Some(payload) = rest.get_mut(RECORD_HEADER_LEN..end - at) {
            if is_seal && payload.len() == SEAL_PAYLOAD_LEN && choice & SIGN_SEALS != 0 {
                payload[8..].copy_from_slice(&Digest::of(&past[group..]).0);
            }
            let sum = crc32(seed, payload);
            put_u32(rest, 4, sum);
        }
        if number != left_out {
            let sum = crc32(seed, &rest[4..RECORD_HEADER_LEN]);
            put_u32(rest, 0, sum);
        }
        if end > bytes.len() {
            return;
        }
        group = if is_seal { at } else { group };
        at = end;
    }
}

/// Gives a few bytes at each call.
struct Trickle<'a>(&'a [u8]);

impl Read for Trickle<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let n = self.0.len().min(buffer.len()).min(401);
        buffer[..n].copy_from_slice(&self.0[..n]);
        self.0 = &self.0[n..];
        Ok(n)
    }
}

fn same(memory: &JournalError, stream: &JournalError) {
    assert_eq!(format!("{memory:?}"), format!("{stream:?}"));
}

/// The records of a journal, and the fault behind them.
fn records(bytes: &[u8]) -> Result<(Vec<Record<'_>>, Option<JournalError>), JournalError> {
    let mut records = Vec::new();
    for record in Reader::new(bytes)? {
        match record {
            Ok(record) => records.push(record),
            Err(fault) => return Ok((records, Some(fault))),
        }
    }
    Ok((records, None))
}

fn judge_stream(bytes: &[u8]) {
    match (records(bytes), StreamReader::new(Trickle(bytes))) {
        (Err(memory), Err(stream)) => same(&memory, &stream),
        (Ok((expected, fault)), Ok(mut stream)) => {
            let first_seq = stream.header().first_seq;
            let unknown_before = |record: &Record<'_>, at: usize| record.seq - first_seq >= at as u64;
            for (at, record) in expected.iter().enumerate() {
                assert!(unknown_before(record, at), "numbers grow by one a record");
                assert_eq!(stream.next_record().ok().flatten().as_ref(), Some(record));
            }
            match (fault, stream.next_record()) {
                (None, Ok(None)) => {}
                (Some(memory), Err(stream)) => same(&memory, &stream),
                (memory, stream) => panic!("{memory:?} is not {stream:?}"),
            }
            assert!(matches!(stream.next_record(), Ok(None)), "nothing comes behind the end or a fault");
        }
        (memory, stream) => panic!("{memory:?} is not {:?}", stream.map(|_| ())),
    }
}

/// A writer goes on behind an intact journal, and everything that was in it stays.
fn judge_resumed(journal: &[u8]) {
    let Ok((before, None)) = records(journal) else { return };
    let mut writer = match Writer::resume(Vec::new(), journal) {
        Ok(writer) => writer,
        Err(JournalError::Finished { offset }) => return assert_eq!(offset, journal.len() as u64),
        Err(fault) => panic!("{fault} of a journal that verifies"),
    };
    if before.last().is_some_and(|last| last.seq > u64::MAX - 8) {
        return;
    }
    writer.append(Kind::Note, 7, b"and on").expect("a short note into memory");
    let finished = writer.finish().expect("into memory");
    let whole = [journal, &finished.sink].concat();
    let found = verify(&whole).expect("what a writer wrote behind an intact journal");
    assert!(found.finished && found.sealed && found.digest == finished.digest);
    assert!(records(&whole).expect("it verifies").0.starts_with(&before));
}

pub fn judge(input: &[u8]) {
    let Some((choice, rest)) = input.split_last() else { return };
    let mut bytes = rest.to_vec();
    sign(&mut bytes, *choice);
    judge_stream(&bytes);
    match (verify(&bytes), verify_stream(&bytes[..])) {
        (Ok(memory), Ok(stream)) => {
            assert_eq!(memory, stream);
            assert_eq!(memory.bytes, bytes.len() as u64);
            judge_resumed(&bytes);
        }
        (Err(memory), Err(stream)) => {
            same(&memory, &stream);
            let Some(offset) = memory.truncate_at() else { return };
            if offset > 0 {
                let kept = &bytes[..offset as usize];
                verify(kept).expect("what is left of a torn journal is intact");
                judge_resumed(kept);
            }
        }
        (memory, stream) => panic!("{memory:?} is not {stream:?}"),
    }
}
