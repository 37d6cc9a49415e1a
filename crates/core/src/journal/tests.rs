//! Journals for the tests, and what is asked of them.

use super::format::{Checksum, RecordHeader};
use super::*;

mod damage;
mod golden;
mod round_trip;
mod streaming;
mod writing;

/// A Thursday of 2023, as nanoseconds.
const T0: u64 = 1_700_000_000_000_000_000;

fn header() -> Header {
    Header::first(RunId::derive(&[7; 32], 42), 0)
}

/// Every kind that may be appended.
fn kinds() -> Vec<Kind> {
    let all = Kind::ALL.iter().copied();
    all.filter(|kind| !kind.is_seal()).collect()
}

/// Pseudo-random payload number `index` (Knuth's MMIX constants): 0 to 199 bytes.
fn payload(index: u64) -> Vec<u8> {
    let mut x = index.wrapping_mul(6_364_136_223_846_793_005) ^ 0x5bd1_e995;
    let mut next = || {
        x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (x >> 33) as u8
    };
    let len = next() % 200;
    (0..len).map(|_| next()).collect()
}

/// A finished journal of exactly `len` bytes with records of every kind, flushed after every `group` of them.
fn journal(len: usize, group: u64) -> Vec<u8> {
    let kinds = kinds();
    let mut bytes = Vec::new();
    let mut writer = Writer::create(&mut bytes, header());
    for index in 0.. {
        let kind = kinds[index as usize % kinds.len()];
        let left = len - writer.bytes() as usize;
        if left < 600 {
            let last = vec![0xa5; left - RECORD_HEADER_LEN - SEAL_LEN];
            writer.append(kind, T0 + index, &last).unwrap();
            break;
        }
        writer.append(kind, T0 + index, &payload(index)).unwrap();
        if index % group == group - 1 {
            writer.flush().unwrap();
        }
    }
    writer.finish().unwrap();
    assert_eq!(bytes.len(), len);
    bytes
}

/// The edge before each record, and the one behind the last.
fn edges(bytes: &[u8]) -> Vec<Position> {
    let mut reader = Reader::new(bytes).unwrap();
    let mut edges = vec![reader.position()];
    while let Some(record) = reader.next() {
        record.unwrap();
        edges.push(reader.position());
    }
    edges
}

fn records(bytes: &[u8]) -> Vec<Record<'_>> {
    let records: Result<Vec<_>, _> = Reader::new(bytes).unwrap().collect();
    records.unwrap()
}

/// The records before the first fault, and the fault.
fn prefix(bytes: &[u8]) -> (Vec<Record<'_>>, Option<JournalError>) {
    let mut found = Vec::new();
    match Reader::new(bytes) {
        Err(error) => return (found, Some(error)),
        Ok(reader) => {
            for record in reader {
                match record {
                    Ok(record) => found.push(record),
                    Err(error) => return (found, Some(error)),
                }
            }
        }
    }
    (found, None)
}

/// A record made by hand, its checksums right for files with our [`header`].
fn forged(kind: u16, flags: u16, seq: u64, len: Option<u32>, payload: &[u8]) -> Vec<u8> {
    let crc = Checksum::of_file(&header());
    let head = RecordHeader {
        payload_crc: crc.over(payload),
        len: len.unwrap_or(payload.len() as u32),
        kind,
        flags,
        seq,
        ts: T0,
    };
    [&head.encode(&crc), payload].concat()
}
