//! Every way to damage a file that can be enumerated is found, where it is, and called by its name.

use super::*;

const KIB_64: usize = 64 * 1024;

/// The fault at the record that begins at `from`, everything before it being known to be intact.
fn fault_from(bytes: &[u8], from: Position) -> JournalError {
    let mut reader = Reader::resume(bytes, from).unwrap();
    match reader.next() {
        Some(Err(error)) => error,
        other => panic!("undetected at {from:?}: {other:?}"),
    }
}

/// All 524,288 flips. Each is verified from the record it lies in: `verify` comes there with the very same state,
/// because the bytes before are untouched. (`flips_are_found_from_the_start` walks the whole way for a part of them.)
#[test]
fn each_bit_flipped_in_64_kib_is_found_at_its_record() {
    let mut bytes = journal(KIB_64, 40);
    let edges = edges(&bytes);
    let seals: Vec<_> =
        records(&bytes).iter().filter(|record| record.kind.is_seal()).map(|record| record.seq).collect();
    let last_group = seals[seals.len() - 2] + 1;
    let mut flips = 0;
    for bit in 0..8 * HEADER_LEN {
        bytes[bit / 8] ^= 1 << (bit % 8);
        let error = verify(&bytes).unwrap_err();
        assert!(matches!(error, JournalError::NotAJournal { .. } | JournalError::HeaderCorrupt), "bit {bit}: {error}");
        bytes[bit / 8] ^= 1 << (bit % 8);
        flips += 1;
    }
    for (index, pair) in edges.windows(2).enumerate() {
        let (from, to) = (pair[0], pair[1]);
        for bit in 8 * from.offset..8 * to.offset {
            let (byte, mask) = (bit as usize / 8, 1_u8 << (bit % 8));
            bytes[byte] ^= mask;
            let error = fault_from(&bytes, from);
            bytes[byte] ^= mask;
            flips += 1;
            let in_header = bit / 8 < from.offset + RECORD_HEADER_LEN as u64;
            match error {
                JournalError::TornTail { offset, valid_records, cut } if to.offset == KIB_64 as u64 => {
                    assert_eq!(offset, from.offset);
                    assert_eq!(valid_records, index as u64);
                    assert_eq!(cut, to.offset - from.offset);
                }
                JournalError::Corrupt { offset, seq, damage, resumes_at, in_last_write }
                    if to.offset < KIB_64 as u64 =>
                {
                    assert_eq!(offset, from.offset);
                    assert_eq!(seq, from.next_seq());
                    assert_eq!(damage == Damage::HeaderChecksum, in_header);
                    assert_eq!(damage == Damage::PayloadChecksum, !in_header);
                    assert_eq!(resumes_at, Some(to.offset));
                    assert_eq!(in_last_write, seq >= last_group, "record {seq}");
                }
                other => panic!("bit {bit}: {other}"),
            }
        }
    }
    assert_eq!(flips, 524_288);
}

#[test]
fn flips_are_found_from_the_start() {
    let mut bytes = journal(KIB_64, 40);
    // 61 is coprime to 8 and to the record sizes, so it visits every bit of a byte and every field.
    for bit in (0..8 * KIB_64).step_by(61) {
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(verify(&bytes).is_err(), "bit {bit}");
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
    assert!(verify(&bytes).unwrap().finished);
}

#[test]
fn truncation_at_each_byte_leaves_a_prefix_or_a_torn_tail() {
    let bytes = journal(KIB_64, 40);
    let edges = edges(&bytes);
    for cut in 1..bytes.len() {
        let intact = edges.partition_point(|edge| edge.offset <= cut as u64);
        match verify(&bytes[..cut]) {
            Ok(found) => {
                let edge = edges[intact - 1];
                assert_eq!(edge.offset, cut as u64);
                assert_eq!(found.next_seq, edge.next_seq);
                assert!(!found.finished);
                assert_eq!(found.sealed, edge.seals > 0 && edge.group_first_seq == edge.next_seq);
            }
            Err(JournalError::TornTail { offset, valid_records, cut: lost }) => {
                let edge = intact.checked_sub(1).map(|index| edges[index]);
                assert_eq!(offset, edge.map_or(0, |edge| edge.offset));
                assert_eq!(valid_records, edge.map_or(0, |edge| edge.next_seq));
                assert_eq!(lost, cut as u64 - offset);
                assert_ne!(lost, 0, "an edge is not torn");
            }
            Err(other) => panic!("cut at {cut}: {other}"),
        }
    }
}

#[test]
fn an_empty_file_is_a_torn_header() {
    let error = verify(&[]).unwrap_err();
    assert_eq!(error.truncate_at(), Some(0));
}

/// A crash may leave the file longer than what was written: zeros (preallocation, delayed allocation) or old blocks.
#[test]
fn a_tail_of_filler_is_torn_at_the_last_whole_record() {
    let bytes = journal(6 * 1024, 10);
    let whole = records(&bytes);
    for filler in [0x00, 0xff, 0xa5] {
        for cut in HEADER_LEN..bytes.len() {
            let mut torn = bytes[..cut].to_vec();
            torn.resize(bytes.len() + 100, filler);
            let same = bytes.iter().zip(&torn).take_while(|(a, b)| a == b).count();
            let (found, error) = prefix(&torn);
            let expected = whole
                .iter()
                .take_while(|record| record.offset as usize + RECORD_HEADER_LEN + record.payload.len() <= same)
                .count();
            assert_eq!(found, whole[..expected]);
            let edge = found
                .last()
                .map_or(HEADER_LEN, |record| record.offset as usize + RECORD_HEADER_LEN + record.payload.len());
            assert_eq!(error.unwrap().truncate_at(), Some(edge as u64), "cut {cut}, filler {filler}");
        }
    }
}

/// Sectors of one write may reach the disk in any order. Behind the hole stand intact records, so a machine does not
/// truncate; the error tells a person whether an interrupted write can explain it.
#[test]
fn a_hole_is_never_truncated_by_a_machine() {
    let bytes = journal(KIB_64, 40);
    let seals: Vec<_> =
        records(&bytes).iter().filter(|record| record.kind.is_seal()).map(|record| record.offset as usize).collect();
    let last_write = seals[seals.len() - 2] + SEAL_LEN;
    for hole in (512..KIB_64 - 512).step_by(512) {
        let mut torn = bytes.clone();
        torn[hole..hole + 512].fill(0);
        let error = verify(&torn).unwrap_err();
        assert_eq!(error.truncate_at(), None, "{error}");
        let JournalError::Corrupt { offset, in_last_write, resumes_at: Some(_), .. } = error else {
            panic!("hole at {hole}: {error}");
        };
        assert!(offset < hole as u64 + 512);
        assert_eq!(in_last_write, offset >= last_write as u64);
    }
}

#[test]
fn removed_records_leave_a_gap_in_the_sequence() {
    let bytes = journal(4 * 1024, 10);
    let edges = edges(&bytes);
    for index in 0..edges.len() - 2 {
        let (from, to) = (edges[index].offset as usize, edges[index + 1].offset as usize);
        let removed = [&bytes[..from], &bytes[to..]].concat();
        let expected = edges[index].next_seq();
        match verify(&removed).unwrap_err() {
            JournalError::Corrupt { offset, seq, damage: Damage::Sequence { found }, .. } => {
                assert_eq!((offset, seq, found), (from as u64, expected, expected + 1));
            }
            other => panic!("{other}"),
        }
    }
    // Without its end record a journal is a clean prefix that says it is unfinished.
    let end = edges[edges.len() - 2].offset as usize;
    assert!(!verify(&bytes[..end]).unwrap().finished);
}

#[test]
fn repeated_and_swapped_records_are_found() {
    let bytes = journal(4 * 1024, 10);
    let edges: Vec<_> = edges(&bytes).iter().map(|edge| edge.offset as usize).collect();
    for triple in edges.windows(3) {
        let (first, second) = (&bytes[triple[0]..triple[1]], &bytes[triple[1]..triple[2]]);
        let (before, after) = (&bytes[..triple[0]], &bytes[triple[2]..]);
        let repeated = [before, first, first, second, after].concat();
        let swapped = [before, second, first, after].concat();
        for (damaged, at) in [(repeated, triple[1]), (swapped, triple[0])] {
            let error = verify(&damaged).unwrap_err();
            assert!(
                matches!(
                    error,
                    JournalError::Corrupt { offset, damage: Damage::Sequence { .. }, .. } if offset == at as u64
                ),
                "{error}"
            );
        }
    }
    let repeated_end = [&bytes[..], &bytes[edges[edges.len() - 2]..]].concat();
    assert_eq!(
        verify(&repeated_end).unwrap_err().truncate_at(),
        Some(bytes.len() as u64),
        "an old record behind the end proves nothing was lost"
    );
}

/// CRCs are no secret: a change that keeps them right is found by the seal.
#[test]
fn a_change_with_right_checksums_breaks_the_chain() {
    let bytes = journal(4 * 1024, 10);
    let records = records(&bytes);
    for record in records.iter().filter(|record| record.payload.len() > 1) {
        let mut payload = record.payload.to_vec();
        payload[0] ^= 1;
        let flags = u16::from(record.kind == Kind::Note);
        let fake = forged(record.kind.code(), flags, record.seq, None, &payload);
        let (from, to) = (record.offset as usize, record.offset as usize + fake.len());
        let changed = [&bytes[..from], &fake, &bytes[to..]].concat();
        // A seal with another digest is caught at once, a record by the seal behind it.
        let seal = records.iter().find(|seal| seal.kind.is_seal() && seal.offset >= record.offset).unwrap();
        let error = verify(&changed).unwrap_err();
        assert!(
            matches!(
                error,
                JournalError::Corrupt { offset, damage: Damage::Chain { group_start }, .. }
                    if offset == seal.offset && group_start <= record.offset
            ),
            "{error}"
        );
    }
}

#[test]
fn a_record_of_another_run_does_not_pass() {
    let ours = journal(4 * 1024, 10);
    let mut writer = Writer::create(Vec::new(), Header::first(RunId::derive(&[7; 32], 43), 0));
    writer.append(Kind::RunHeader, T0, &payload(0)).unwrap();
    let theirs = writer.finish().unwrap().sink;
    let end = edges(&ours)[1].offset as usize;
    let spliced = [&ours[..HEADER_LEN], &theirs[HEADER_LEN..end], &ours[end..]].concat();
    let error = verify(&spliced).unwrap_err();
    assert!(matches!(error, JournalError::Corrupt { offset: 84, damage: Damage::HeaderChecksum, .. }), "{error}");
}

/// A flip seldom shows in one bit of the checksum alone, so each of the 32 is tried in a record made by hand.
#[test]
fn each_bit_of_the_payload_checksum_counts() {
    let crc = Checksum::of_file(&header());
    for bit in 0..32 {
        let head = RecordHeader {
            payload_crc: crc.over(b"buy") ^ (1 << bit),
            len: 3,
            kind: Kind::Order.code(),
            flags: 0,
            seq: 0,
            ts: T0,
        };
        let next = forged(7, 0, 1, None, b"sell");
        let bytes = [&header().encode()[..], &head.encode(&crc), b"buy", &next].concat();
        let error = verify(&bytes).unwrap_err();
        assert!(matches!(error, JournalError::Corrupt { damage: Damage::PayloadChecksum, .. }), "{error}");
    }
}

#[test]
fn a_length_above_the_limit_is_refused_before_it_is_used() {
    for len in [MAX_PAYLOAD as u32 + 1, u32::MAX] {
        let bytes = [&header().encode()[..], &forged(7, 0, 0, Some(len), b"")].concat();
        let error = verify(&bytes).unwrap_err();
        assert!(
            matches!(error, JournalError::Corrupt { damage: Damage::Oversized { len: found }, .. } if found == len),
            "{error}"
        );
        assert_eq!(error.truncate_at(), None);
    }
    // At the limit it is a record whose end is missing.
    let bytes = [&header().encode()[..], &forged(7, 0, 0, Some(MAX_PAYLOAD as u32), b"")].concat();
    assert_eq!(verify(&bytes).unwrap_err().truncate_at(), Some(84));
}

#[test]
fn what_a_later_version_wrote_is_named_not_guessed() {
    let start = header().encode();
    let unknown = |bytes: &[u8]| match prefix(bytes).1 {
        Some(JournalError::Unsupported { what, value, offset }) => (what, value, offset),
        other => panic!("{other:?}"),
    };

    let kind = [&start[..], &forged(900, 0, 0, None, b"?")].concat();
    assert_eq!(unknown(&kind), ("record kind", 900, 84 + 12));
    assert_eq!(verify(&kind).unwrap().unknown, 1);

    let skippable = [&start[..], &forged(900, 1, 0, None, b"?"), &forged(7, 0, 1, None, b"!")].concat();
    let records = records(&skippable);
    assert_eq!((records.len(), records[0].seq), (1, 1));
    assert_eq!(verify(&skippable).unwrap().records, 2);

    let flags = [&start[..], &forged(7, 4, 0, None, b"")].concat();
    assert_eq!(unknown(&flags), ("record flags", 4, 84 + 14));
    assert!(verify(&flags).is_err());

    let with_header = |at: usize, value: u8, len: usize| {
        let mut bytes = start[..80].to_vec();
        bytes[at] = value;
        bytes.resize(len - 4, 0);
        bytes[10..12].copy_from_slice(&(len as u16).to_le_bytes());
        let crc = crc32fast::hash(&bytes);
        [&bytes[..], &crc.to_le_bytes()].concat()
    };
    assert_eq!(unknown(&with_header(8, 2, 84)), ("format version", 2, 8));
    assert_eq!(unknown(&with_header(8, 2, 60)), ("format version", 2, 8));
    assert_eq!(unknown(&with_header(8, 2, 200)), ("format version", 2, 8));
    assert_eq!(unknown(&with_header(12, 1, 84)), ("header flags", 1, 12));
    for (value, len) in [(1, 200), (2, 5000)] {
        let error = Header::decode(&with_header(8, value, len)).unwrap_err();
        assert!(matches!(error, JournalError::HeaderCorrupt), "{error}");
    }
}

#[test]
fn nothing_may_stand_behind_the_end() {
    let bytes = journal(4 * 1024, 10);
    let next = verify(&bytes).unwrap().next_seq;
    let zeros = [&bytes[..], &[0; 700]].concat();
    let error = verify(&zeros).unwrap_err();
    assert!(matches!(error, JournalError::TornTail { offset: 4096, cut: 700, .. }), "{error}");
    let more = [&bytes[..], &forged(7, 0, next, None, b"late")].concat();
    let error = verify(&more).unwrap_err();
    assert!(
        matches!(error, JournalError::Corrupt { offset: 4096, damage: Damage::AfterEnd, in_last_write: false, .. }),
        "{error}"
    );
}

#[test]
fn a_reader_stops_for_good_at_the_first_fault() {
    let mut bytes = journal(4 * 1024, 10);
    bytes[HEADER_LEN] ^= 1;
    let mut reader = Reader::new(&bytes).unwrap();
    assert!(reader.next().unwrap().is_err());
    assert!(reader.next().is_none());
    let behind = edges(&journal(8 * 1024, 10)).pop().unwrap();
    assert!(matches!(Reader::resume(&bytes, behind), Err(JournalError::PositionBeyondEnd { offset: 8192, len: 4096 })));
}

#[test]
fn errors_say_where_and_what_to_do() {
    let bytes = journal(4 * 1024, 10);
    assert_eq!(
        verify(&bytes[..4090]).unwrap_err().to_string(),
        format!(
            "torn tail at byte 4024: {} records before it are intact, 66 bytes are not a record; \
             truncate the file to 4024 bytes and resume",
            edges(&bytes).len() - 2
        )
    );
    let mut flipped = bytes.clone();
    flipped[HEADER_LEN + 8] ^= 1;
    let next = edges(&bytes)[1].offset;
    assert_eq!(
        verify(&flipped).unwrap_err().to_string(),
        format!(
            "journal corrupt at byte 84, where record 0 belongs: the record header's checksum fails; \
             intact records follow: from byte {next}; restore the file from a copy"
        )
    );
}

/// Found by fuzzing: a record numbered `u64::MAX` was followed by an overflow, in readers and in a writer that resumed.
#[test]
fn a_header_numbered_so_high_that_counting_would_wrap_is_damage() {
    let highest = Header { first_seq: u64::MAX >> 1, ..Header::first(RunId([7; 16]), 1) };
    assert_eq!(Header::decode(&highest.encode()).unwrap(), highest);
    for first_seq in [(u64::MAX >> 1) + 1, u64::MAX] {
        let bytes = Header { first_seq, ..highest }.encode();
        assert!(matches!(verify(&bytes), Err(JournalError::HeaderCorrupt)));
        assert!(matches!(verify_stream(&bytes[..]), Err(JournalError::HeaderCorrupt)));
        assert!(matches!(Writer::resume(Vec::new(), &bytes), Err(JournalError::HeaderCorrupt)));
    }
}
