//! DBN: any bytes as a file and as a fragment of each version; every field of what is handed out is read, metadata
//! that is written again reads as it was, and bytes that come one at a time read the same.

use std::hint::black_box;
use std::io::Read;

use starling_market::dbn::{Metadata, Reader, Record};

/// Gives a few bytes at each call.
#[derive(Debug)]
struct Trickle<'a>(&'a [u8]);

impl Read for Trickle<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let n = self.0.len().min(buffer.len()).min(509);
        buffer[..n].copy_from_slice(&self.0[..n]);
        self.0 = &self.0[n..];
        Ok(n)
    }
}

/// The bytes of all records, and the fault behind them.
fn read_all(mut reader: Reader<impl Read>) -> (Vec<u8>, Option<String>) {
    let mut bytes = Vec::new();
    loop {
        let raw = match reader.next_record() {
            Ok(Some(raw)) => raw,
            Ok(None) => return (bytes, None),
            Err(fault) => return (bytes, Some(fault.to_string())),
        };
        bytes.extend(raw.bytes());
        black_box((raw.header(), raw.ts_out(), raw.version()));
        match raw.record() {
            Record::Tick(tick) => assert_eq!(tick.levels.iter().count(), tick.levels.len()),
            Record::Definition(d) => {
                black_box((d.raw_symbol(), d.group(), d.exchange(), d.asset(), d.currency(), d.instrument_class()));
                black_box((d.strike(), d.contract_multiplier(), d.round_lot(), d.price_increment(), d.ts_recv()));
                black_box((d.display_factor(), d.expiration(), d.activation()));
            }
            _ => {}
        }
    }
}

pub fn judge(input: &[u8]) {
    let reader = match (Reader::open(input), Reader::open(Trickle(input))) {
        (Ok(reader), Ok(trickled)) => {
            assert_eq!(reader.metadata(), trickled.metadata());
            assert_eq!(read_all(trickled), read_all(Reader::open(input).expect("it was read before")));
            reader
        }
        (Err(fault), Err(trickled)) => {
            assert_eq!(fault.to_string(), trickled.to_string());
            // Of the versions, only definitions and statistics differ.
            for version in 1..=3 {
                let (records, _) = read_all(Reader::fragment(input, version));
                assert!(input.starts_with(&records));
            }
            return;
        }
        (whole, trickled) => panic!("{whole:?} is not {trickled:?}"),
    };
    let metadata = reader.metadata().expect("a file has it").clone();
    let mut bytes = Vec::new();
    // Symbols that are not ASCII are read and cannot be written.
    if metadata.write(&mut bytes).is_ok() {
        let again = Reader::open(&bytes[..]).expect("what was written");
        assert_eq!(again.metadata(), Some(&Metadata { version: 3, ..metadata }));
    }
    let (records, _) = read_all(reader);
    assert!(input.ends_with(&records) || input.windows(records.len()).any(|piece| piece == records));
}
