//! The layout, against files that `scripts/journal_golden.py` computed with zlib and the blake3 package.

use super::*;

/// BLAKE3 of the whole file that `journal_golden.py large` writes.
const LARGE_FILE: &str = "9e2827039a0d3ebdadff46d01006af83aa040659761c3727f0145b50dcbb3630";
/// Its final digest.
const LARGE_DIGEST: &str = "59b48c31c7076947e67a56d5013ce5ba2aa5a2c2263ed49eb0e8e12d1f97260c";
/// The final digest of the tiny file, as `journal_golden.py verify` prints it.
const GOLDEN_DIGEST: &str = "c9baa21c349c214c5b734e1e6fcc101d5f896e2fbc34af0e2387ee1052a6cc76";

const GOLDEN: &str = include_str!("../golden.hex");

fn golden_bytes() -> Vec<u8> {
    let digits = GOLDEN.lines().flat_map(|line| {
        let bytes = line[8..].split_once('#').unwrap().0;
        bytes.split_whitespace()
    });
    digits.map(|digits| u8::from_str_radix(digits, 16).unwrap()).collect()
}

fn write_golden() -> (Vec<u8>, Finished<Vec<u8>>) {
    let mut writer = Writer::create(Vec::new(), header());
    writer.append(Kind::RunHeader, T0, b"demo").unwrap();
    writer.append(Kind::Order, T0 + 1, b"buy 3").unwrap();
    writer.flush().unwrap();
    writer.append(Kind::Note, T0 + 2, b"").unwrap();
    let finished = writer.finish().unwrap();
    (finished.sink.clone(), finished)
}

#[test]
fn writer_makes_the_golden_bytes() {
    let (bytes, finished) = write_golden();
    assert_eq!(bytes, golden_bytes());
    assert_eq!(finished.digest.to_string(), GOLDEN_DIGEST);
    assert_eq!(finished.records, 3);
}

#[test]
fn reader_accepts_the_golden_bytes() {
    let bytes = golden_bytes();
    let found = verify(&bytes).unwrap();
    assert_eq!(found.digest.to_string(), GOLDEN_DIGEST);
    assert_eq!((found.records, found.seals, found.next_seq, found.bytes), (3, 2, 5, 333));
    assert!(found.sealed && found.finished && found.unknown == 0);
    let records = records(&bytes);
    let summary: Vec<_> =
        records.iter().map(|record| (record.offset, record.kind, record.ts - T0, record.seq)).collect();
    assert_eq!(
        summary,
        [
            (0x54, Kind::RunHeader, 0, 0),
            (0x78, Kind::Order, 1, 1),
            (0x9d, Kind::Seal, 1, 2),
            (0xe5, Kind::Note, 2, 3),
            (0x105, Kind::End, 2, 4),
        ]
    );
    assert_eq!(records[1].payload, b"buy 3");
}

#[test]
fn a_larger_successor_matches_byte_for_byte() {
    let (before, finished) = write_golden();
    let kinds = kinds();
    let mut writer = Writer::create(Vec::new(), finished.successor);
    let mut x = 1_u64;
    for index in 0..3000 {
        x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let payload = &x.to_le_bytes().repeat(25)[..(x >> 33) as usize % 200];
        let kind = kinds[(x >> 7) as usize % kinds.len()];
        writer.append(kind, T0 + 1000 * index, payload).unwrap();
        if index % 1000 == 999 {
            writer.flush().unwrap();
        }
    }
    let finished = writer.finish().unwrap();
    assert_eq!(Digest::of(&finished.sink).to_string(), LARGE_FILE);
    assert_eq!(finished.digest.to_string(), LARGE_DIGEST);
    let found = verify(&finished.sink).unwrap();
    assert_eq!((found.records, found.seals, found.next_seq), (3000, 10, 3015));
    assert!(found.follows(&verify(&before).unwrap()));
    assert!(!found.follows(&found));
}

#[test]
fn the_document_shows_the_golden_bytes() {
    let document = include_str!("../../../../../docs/journal.md");
    assert!(document.contains(GOLDEN.trim_end()), "docs/journal.md must hold golden.hex line for line");
}

#[test]
fn kinds_keep_their_numbers() {
    for (index, &kind) in Kind::ALL.iter().enumerate() {
        assert_eq!(usize::from(kind.code()), index + 1);
        assert_eq!(Kind::from_code(kind.code()), Some(kind));
    }
    assert_eq!(Kind::from_code(0), None);
    assert_eq!(Kind::from_code(16), None);
}
