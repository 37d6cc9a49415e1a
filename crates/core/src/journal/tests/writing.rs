//! The writer: limits, groups, failing sinks, and going on after a crash at any byte.

use std::io::{self, Write};

use super::*;

#[test]
fn payloads_end_at_the_limit() {
    let mut writer = Writer::create(Vec::new(), header());
    let long = vec![0; MAX_PAYLOAD + 1];
    let error = writer.append(Kind::Snapshot, T0, &long).unwrap_err();
    assert!(
        matches!(error, JournalError::PayloadTooLarge { kind: Kind::Snapshot, len } if len == MAX_PAYLOAD + 1),
        "{error}"
    );
    let error = writer.append_with(Kind::Snapshot, T0, |buffer| buffer.extend_from_slice(&long)).unwrap_err();
    assert!(matches!(error, JournalError::PayloadTooLarge { .. }));
    assert_eq!((writer.records(), writer.bytes()), (0, 84));
    writer.append(Kind::Snapshot, T0, &long[1..]).unwrap();
    assert_eq!(verify(&writer.finish().unwrap().sink).unwrap().records, 1);
}

#[test]
fn seals_are_the_writers_own() {
    let mut writer = Writer::create(Vec::new(), header());
    for kind in [Kind::Seal, Kind::End] {
        let error = writer.append(kind, T0, b"").unwrap_err();
        assert!(matches!(error, JournalError::ReservedKind { kind: found } if found == kind));
    }
    assert_eq!(writer.records(), 0);
}

#[test]
fn a_group_is_sealed_when_it_is_full() {
    let mut writer = Writer::create(Vec::new(), header());
    // 84 + 511 * 128 = 65,492 bytes: 44 short of a group.
    for _ in 0..511 {
        writer.append(Kind::Order, T0, &[1; 96]).unwrap();
    }
    assert!(writer.sink_mut().is_empty());
    writer.append(Kind::Order, T0, &[1; 12]).unwrap();
    assert_eq!(writer.sink_mut().len(), GROUP_BYTES + SEAL_LEN);
    assert_eq!((writer.records(), writer.next_seq()), (512, 513));
    writer.flush().unwrap();
    writer.flush().unwrap();
    assert_eq!(writer.sink_mut().len(), GROUP_BYTES + SEAL_LEN, "an empty group needs no seal");
}

#[test]
fn a_flush_without_records_sends_the_header() {
    let mut writer = Writer::create(Vec::new(), header());
    writer.flush().unwrap();
    let found = verify(writer.sink_mut()).unwrap();
    assert_eq!((found.records, found.seals, found.sealed), (0, 0, false));
    assert_eq!(found.digest, writer.digest());
}

#[test]
fn append_with_equals_append_and_the_null_sink_hashes_alike() {
    let mut one = Writer::create(Vec::new(), header());
    let mut two = Writer::create(io::sink(), header());
    for index in 0..2000 {
        let bytes = payload(index);
        let seq = one.append(Kind::Posting, T0 + index, &bytes).unwrap();
        let other = two
            .append_with(Kind::Posting, T0 + index, |buffer| {
                assert!(buffer.is_empty());
                buffer.extend_from_slice(&bytes);
            })
            .unwrap();
        assert_eq!(seq, other);
        assert_eq!(one.digest(), two.digest());
    }
    assert_eq!(one.finish().unwrap().digest, two.finish().unwrap().digest);
}

/// Keeps `room` bytes and then fails, as a full disk does.
#[derive(Debug)]
struct Full {
    kept: Vec<u8>,
    room: usize,
}

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let len = bytes.len().min(self.room - self.kept.len());
        if len == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.kept.extend_from_slice(&bytes[..len]);
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What [`write_all_of`] appends: number, stamp and payload follow from the sequence number alone.
fn write_all_of<W: Write>(writer: &mut Writer<W>) -> Result<(), JournalError> {
    while writer.next_seq() < 40 {
        let seq = writer.next_seq();
        if seq % 8 == 7 {
            writer.flush()?;
        } else {
            writer.append(Kind::Order, T0 + seq, &payload(seq))?;
        }
    }
    Ok(())
}

fn uninterrupted() -> Vec<u8> {
    let mut writer = Writer::create(Vec::new(), header());
    write_all_of(&mut writer).unwrap();
    writer.finish().unwrap().sink
}

/// A disk that fills up at every byte in turn: the file is verified, cut, continued, and ends up with the very bytes
/// of the run that was never disturbed.
#[test]
fn a_crash_at_each_byte_is_mended() {
    let whole = uninterrupted();
    let mut torn = 0;
    for room in HEADER_LEN..whole.len() {
        let mut disk = Full { kept: Vec::new(), room };
        let mut writer = Writer::create(&mut disk, header());
        let error = match write_all_of(&mut writer) {
            Ok(()) => writer.finish().unwrap_err(),
            Err(error) => {
                let again = writer.append(Kind::Order, T0, b"").unwrap_err();
                assert!(matches!(again, JournalError::Stopped { .. }));
                assert!(matches!(writer.flush(), Err(JournalError::Stopped { .. })));
                assert!(matches!(writer.finish(), Err(JournalError::Stopped { .. })));
                error
            }
        };
        assert!(matches!(error, JournalError::Write { offset, .. } if offset <= room as u64));

        let mut file = disk.kept;
        if let Err(error) = verify(&file) {
            file.truncate(error.truncate_at().expect("a full disk tears only the tail") as usize);
            torn += 1;
        }
        let prefix = file.clone();
        let mut writer = Writer::resume(&mut file, &prefix).unwrap();
        assert_eq!(writer.digest(), verify(&prefix).unwrap().digest);
        assert_eq!(writer.records(), verify(&prefix).unwrap().records);
        write_all_of(&mut writer).unwrap();
        writer.finish().unwrap();
        assert!(file == whole, "room {room}");
    }
    assert!(torn > 1000);
}

#[test]
fn only_a_clean_unfinished_journal_is_resumed() {
    let whole = uninterrupted();
    assert!(matches!(
        Writer::resume(io::sink(), &whole),
        Err(JournalError::Finished { offset }) if offset == whole.len() as u64
    ));
    let torn = Writer::resume(io::sink(), &whole[..whole.len() - 1]);
    assert!(matches!(torn, Err(JournalError::TornTail { .. })));
}

#[test]
fn a_failed_flush_stops_the_writer() {
    #[derive(Debug)]
    struct NoSync;
    impl Write for NoSync {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Err(io::Error::other("fsync: EIO"))
        }
    }
    let mut writer = Writer::create(NoSync, header());
    writer.append(Kind::Order, T0, b"buy").unwrap();
    assert!(matches!(writer.flush(), Err(JournalError::Write { .. })));
    assert!(matches!(writer.flush(), Err(JournalError::Stopped { .. })));
}
