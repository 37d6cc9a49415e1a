//! The stream reader says what the slice reader says, in bounded memory.

use std::io::{self, Read};

use super::*;

/// Gives at most `size` bytes a call, and is interrupted before each.
struct Trickle<'a> {
    bytes: &'a [u8],
    size: usize,
    interrupted: bool,
}

impl Read for Trickle<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.interrupted = !self.interrupted;
        if self.interrupted {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let len = self.size.min(buffer.len());
        self.bytes.read(&mut buffer[..len])
    }
}

fn trickle(bytes: &[u8], size: usize) -> Trickle<'_> {
    Trickle { bytes, size, interrupted: false }
}

/// Everything a stream reader yields, in words, to compare with the slice reader's.
fn streamed(read: impl Read) -> String {
    let mut reader = match StreamReader::new(read) {
        Ok(reader) => reader,
        Err(error) => return format!("{error:?}"),
    };
    let mut said = String::new();
    loop {
        match reader.next_record() {
            Ok(Some(record)) => said.push_str(&format!("{record:?}\n")),
            Ok(None) => return said,
            Err(error) => {
                assert!(matches!(reader.next_record(), Ok(None)), "an error ends the stream");
                return said + &format!("{error:?}");
            }
        }
    }
}

fn sliced(bytes: &[u8]) -> String {
    let (records, error) = prefix(bytes);
    let mut said: String = records.iter().map(|record| format!("{record:?}\n")).collect();
    if let Some(error) = error {
        said.push_str(&format!("{error:?}"));
    }
    said
}

#[test]
fn damage_is_reported_alike() {
    let mut bytes = journal(1536, 3);
    for cut in 0..=bytes.len() {
        assert_eq!(streamed(trickle(&bytes[..cut], 7)), sliced(&bytes[..cut]));
    }
    for byte in 0..bytes.len() {
        let bit = 1 << (byte % 8);
        bytes[byte] ^= bit;
        assert_eq!(streamed(trickle(&bytes, 64)), sliced(&bytes), "byte {byte}");
        bytes[byte] ^= bit;
    }
}

#[test]
fn a_long_journal_passes_through_a_short_buffer() {
    let mut writer = Writer::create(Vec::new(), header());
    for index in 0..20_000 {
        writer.append(Kind::Report, T0, &payload(index)).unwrap();
    }
    let bytes = writer.finish().unwrap().sink;
    assert!(bytes.len() > 2 << 20);
    assert_eq!(verify_stream(trickle(&bytes, 10_000)).unwrap(), verify(&bytes).unwrap());

    let mut reader = StreamReader::new(&bytes[..]).unwrap();
    while reader.next_record().unwrap().is_some() {}
    assert!(reader.buffered() < 256 * 1024, "{}", reader.buffered());
    assert_eq!(reader.position().offset(), bytes.len() as u64);
    assert_eq!(reader.header(), &header());

    // A wide hole makes it search; even then it holds a window only.
    let mut holed = bytes.clone();
    holed[100_000..1_500_000].fill(0);
    let mut reader = StreamReader::new(&holed[..]).unwrap();
    let error = loop {
        match reader.next_record() {
            Ok(record) => assert!(record.is_some()),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, JournalError::Corrupt { .. }), "{error}");
    assert_eq!(format!("{error:?}"), format!("{:?}", verify(&holed).unwrap_err()));
    assert!(reader.buffered() < 256 * 1024, "{}", reader.buffered());
}

#[test]
fn the_longest_payload_passes_and_a_longer_claim_allocates_nothing() {
    let longest = vec![9; MAX_PAYLOAD];
    let mut writer = Writer::create(Vec::new(), header());
    writer.append(Kind::Snapshot, T0, &longest).unwrap();
    let bytes = writer.finish().unwrap().sink;
    let mut reader = StreamReader::new(trickle(&bytes, 5000)).unwrap();
    assert_eq!(reader.next_record().unwrap().unwrap().payload, longest);
    assert!(reader.next_record().unwrap().is_some_and(|record| record.kind == Kind::Seal));
    assert_eq!(verify_stream(&bytes[..]).unwrap(), verify(&bytes).unwrap());

    let claim = [&header().encode()[..], &forged(7, 0, 0, Some(u32::MAX), b"")].concat();
    let mut reader = StreamReader::new(&claim[..]).unwrap();
    assert!(reader.next_record().is_err());
    assert!(reader.buffered() <= 128 * 1024, "{}", reader.buffered());
}

#[test]
fn a_source_that_fails_is_not_a_torn_tail() {
    #[derive(Debug)]
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("unplugged"))
        }
    }
    let bytes = journal(4096, 10);
    let error = StreamReader::new(Broken).unwrap_err();
    assert!(matches!(error, JournalError::Read { offset: 0, .. }), "{error}");
    let error = verify_stream(bytes[..2000].chain(Broken)).unwrap_err();
    assert!(matches!(error, JournalError::Read { .. }), "{error}");
    assert_eq!(error.truncate_at(), None);
}
