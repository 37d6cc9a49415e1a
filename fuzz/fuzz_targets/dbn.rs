//! DBN: any bytes as a file and as a fragment of each version; every field of what is handed out is read, and metadata
//! that is written again reads as it was.
#![no_main]

use libfuzzer_sys::fuzz_target;
use starling_market::dbn::{Metadata, Reader, Record};

fn read_all(mut reader: Reader<&[u8]>) {
    while let Ok(Some(raw)) = reader.next_record() {
        let _ = (raw.header(), raw.ts_out(), raw.version());
        match raw.record() {
            Record::Tick(tick) => assert_eq!(tick.levels.iter().count(), tick.levels.len()),
            Record::Definition(d) => {
                let _ = (d.raw_symbol(), d.group(), d.exchange(), d.asset(), d.currency(), d.instrument_class());
                let _ = (d.strike(), d.contract_multiplier(), d.round_lot(), d.price_increment(), d.ts_recv());
            }
            _ => {}
        }
    }
}

fuzz_target!(|data: &[u8]| {
    for version in 1..=3 {
        read_all(Reader::fragment(data, version));
    }
    let Ok(reader) = Reader::open(data) else { return };
    let metadata = reader.metadata().expect("a file has it").clone();
    let mut bytes = Vec::new();
    // Symbols that are not ASCII are read and cannot be written.
    if metadata.write(&mut bytes).is_ok() {
        let again = Reader::open(&bytes[..]).expect("what was written");
        assert_eq!(again.metadata(), Some(&Metadata { version: 3, ..metadata }));
    }
    read_all(reader);
});
