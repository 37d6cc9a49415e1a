use proptest::prelude::*;
use starling_core::{Price, UnixNanos};

use super::record::HEADER_LEN;
use super::*;

fn metadata() -> Metadata {
    Metadata {
        version: VERSION,
        dataset: "GLBX.MDP3".into(),
        schema: Some(Schema::Mbp1),
        start: 1_719_878_280_000_000_000,
        end: Some(1_719_878_520_000_000_000),
        limit: Some(2),
        stype_in: Some(1),
        symbols: vec!["ESU4".into(), "NQU4".into()],
        partial: vec!["NQU4".into()],
        not_found: vec!["XXXX".into()],
        mappings: vec![Mapping {
            raw_symbol: "ESU4".into(),
            intervals: vec![
                Interval { start: 20_240_701, end: 20_240_702, symbol: "118".into() },
                Interval { start: 20_240_702, end: 20_240_703, symbol: "5602".into() },
            ],
        }],
        ..Metadata::default()
    }
}

fn tick(levels: &[u8]) -> Tick<'_> {
    Tick {
        price: Some(Price::from_units(5_532_250_000_000)),
        size: 3,
        action: b'T',
        side: b'A',
        flags: 0x80,
        depth: 0,
        ts_recv: Some(UnixNanos::new(1_719_878_280_000_000_007)),
        ts_in_delta: -12,
        sequence: 99,
        levels: Raw::new(levels, VERSION, false).map_or_else(
            || panic!("a record"),
            |raw| match raw.record() {
                Record::Tick(tick) => tick.levels,
                other => panic!("{other:?}"),
            },
        ),
    }
}

fn head(rtype: u8) -> Header {
    Header { rtype, publisher_id: 1, instrument_id: 118, ts_event: Some(UnixNanos::new(1_719_878_280_000_000_000)) }
}

/// A file of one record of each kind that is written.
fn file() -> (Vec<u8>, Vec<usize>) {
    let mut out = Vec::new();
    metadata().write(&mut out).unwrap();
    let mut edges = vec![out.len()];
    let mut trade = vec![0; 48];
    trade[..2].copy_from_slice(&[12, rtype::TRADE]);
    let tick = tick(&trade);
    let level =
        Level { bid: Some(Price::from_units(1)), ask: None, bid_size: 2, ask_size: 3, bid_count: 4, ask_count: 5 };
    write_tick(&head(rtype::TRADE), &tick, &[], &mut out);
    edges.push(out.len());
    write_tick(&head(rtype::MBP_1), &tick, &[level], &mut out);
    edges.push(out.len());
    write_tick(&head(rtype::MBP_10), &tick, &[level; 10], &mut out);
    edges.push(out.len());
    let order = Order {
        order_id: u64::MAX,
        price: None,
        size: 7,
        flags: 1,
        channel: 2,
        action: b'A',
        side: b'B',
        ts_recv: None,
        ts_in_delta: i32::MIN,
        sequence: 8,
    };
    write_order(&head(rtype::MBO), &order, &mut out);
    edges.push(out.len());
    let price = |units| Some(Price::from_units(units));
    let bar = Bar { open: price(1), high: price(4), low: price(-1), close: price(2), volume: u64::MAX };
    write_bar(&head(rtype::OHLCV_1M), &bar, &mut out);
    edges.push(out.len());
    (out, edges)
}

#[test]
fn what_is_written_is_read() {
    let (bytes, _) = file();
    let mut reader = Reader::open(&bytes[..]).unwrap();
    assert_eq!(reader.metadata(), Some(&metadata()));
    let trade = reader.next_record().unwrap().unwrap();
    assert_eq!((trade.header(), trade.bytes().len(), trade.ts_out()), (head(rtype::TRADE), 48, None));
    let Record::Tick(tick) = trade.record() else { panic!("{trade:?}") };
    assert_eq!((tick.price.unwrap().to_string(), tick.size, tick.sequence), ("5532.25".into(), 3, 99));
    assert_eq!((tick.action, tick.side, tick.flags, tick.ts_in_delta, tick.levels.len()), (b'T', b'A', 0x80, -12, 0));
    let raw = reader.next_record().unwrap().unwrap();
    let Record::Tick(tick) = raw.record() else { panic!("{raw:?}") };
    let level = tick.levels.get(0).unwrap();
    assert_eq!((level.bid.unwrap().units(), level.ask, level.bid_size, level.ask_count), (1, None, 2, 5));
    assert_eq!((tick.levels.get(1), tick.levels.iter().count()), (None, 1));
    let raw = reader.next_record().unwrap().unwrap();
    let Record::Tick(tick) = raw.record() else { panic!("{raw:?}") };
    assert_eq!(tick.levels.iter().filter(|l| *l == level).count(), 10);
    let raw = reader.next_record().unwrap().unwrap();
    let Record::Order(order) = raw.record() else { panic!("{raw:?}") };
    assert_eq!((order.order_id, order.price, order.ts_recv, order.ts_in_delta), (u64::MAX, None, None, i32::MIN));
    let raw = reader.next_record().unwrap().unwrap();
    let Record::Bar(bar) = raw.record() else { panic!("{raw:?}") };
    assert_eq!((bar.low.unwrap().units(), bar.volume), (-1, u64::MAX));
    assert!(reader.next_record().unwrap().is_none());
    assert_eq!(reader.records(), 5);
}

#[test]
fn numbers_mean_symbols_by_day() {
    let metadata = metadata();
    assert_eq!(metadata.symbol(118, 20_240_701), Some("ESU4"));
    assert_eq!(metadata.symbol(118, 20_240_702), None);
    assert_eq!(metadata.symbol(5_602, 20_240_702), Some("ESU4"));
}

#[test]
fn every_truncation_is_an_error_or_a_prefix() {
    let (bytes, edges) = file();
    for len in 0..bytes.len() {
        let mut reader = match Reader::open(&bytes[..len]) {
            Err(DbnError::Magic { .. }) if len < 8 => continue,
            Err(DbnError::Metadata { .. }) if len < edges[0] => continue,
            other => other.unwrap(),
        };
        let whole = edges.iter().rposition(|edge| *edge <= len).unwrap();
        for _ in 0..whole {
            assert!(reader.next_record().unwrap().is_some(), "{len}");
        }
        match reader.next_record() {
            Ok(None) => assert_eq!(len, edges[whole]),
            Err(DbnError::Cut { record, offset, has, .. }) => {
                assert_eq!((record, offset as usize, has), (whole as u64, edges[whole], len - edges[whole]));
            }
            other => panic!("{len}: {other:?}"),
        }
    }
}

#[test]
fn what_is_no_dbn_is_named() {
    let open = |bytes: &[u8]| Reader::open(bytes).unwrap_err();
    assert!(matches!(open(&[0x51, 0x2a, 0x4d, 0x18, 1, 2, 3, 4]), DbnError::Dbz));
    assert!(matches!(open(b"PAR1 and more"), DbnError::Magic { .. }));
    assert!(matches!(open(b"DBN\x04\x00\x00\x00\x00"), DbnError::Version { found: 4 }));
    assert!(matches!(open(b"DBN\x03\xff\xff\xff\xff"), DbnError::Metadata { at: 4, .. }));
    let (mut bytes, edges) = file();
    bytes[edges[1]] = 12;
    let mut reader = Reader::open(&bytes[..]).unwrap();
    reader.next_record().unwrap();
    let error = reader.next_record().unwrap_err();
    assert!(matches!(error, DbnError::Length { record: 1, rtype: rtype::MBP_1, length: 48, .. }), "{error}");
    bytes[edges[1]] = 0;
    let mut reader = Reader::open(&bytes[..]).unwrap();
    reader.next_record().unwrap();
    assert!(matches!(reader.next_record(), Err(DbnError::Length { length: 0, .. })));
    let text = Metadata { dataset: "A NAME TOO LONG.X".into(), ..metadata() };
    assert!(matches!(text.write(&mut Vec::new()), Err(DbnError::Text { limit: 15, .. })));
    // A count that the metadata has no room for is not believed.
    let mut many = Vec::new();
    Metadata { version: VERSION, ..Metadata::default() }.write(&mut many).unwrap();
    many[8 + 104..8 + 108].copy_from_slice(&u32::MAX.to_le_bytes());
    assert!(matches!(open(&many), DbnError::Metadata { at: 112, .. }));
}

#[test]
fn a_record_longer_than_a_piece_of_the_source_is_read_whole() {
    /// Gives a byte at a time.
    struct Slow<'a>(&'a [u8]);
    impl std::io::Read for Slow<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let n = self.0.len().min(1);
            buffer[..n].copy_from_slice(&self.0[..n]);
            self.0 = &self.0[n..];
            Ok(n)
        }
    }
    let (bytes, _) = file();
    let mut reader = Reader::open(Slow(&bytes)).unwrap();
    let mut seen = Vec::new();
    while let Some(raw) = reader.next_record().unwrap() {
        seen.extend(raw.bytes());
    }
    assert!(bytes.ends_with(&seen));
    assert_eq!(reader.records(), 5);
}

proptest! {
    #[test]
    fn noise_never_panics(noise in prop::collection::vec(any::<u8>(), 0..600), version in 1_u8..=3) {
        let mut reader = Reader::fragment(&noise[..], version);
        while let Ok(Some(raw)) = reader.next_record() {
            prop_assert!(raw.bytes().len() >= HEADER_LEN);
            if let Record::Definition(d) = raw.record() {
                let _ = (d.raw_symbol(), d.asset(), d.strike(), d.round_lot(), d.exchange(), d.group());
            }
        }
        let mut head = b"DBN".to_vec();
        head.extend([version, noise.len() as u8, (noise.len() >> 8) as u8, 0, 0]);
        head.extend(&noise);
        drop(Reader::open(&head[..]));
    }

    #[test]
    fn metadata_survives_the_round_trip(symbols in prop::collection::vec("[A-Z0-9. ]{1,70}", 0..20), start: u64) {
        let metadata = Metadata { symbols, start, ..metadata() };
        let mut bytes = Vec::new();
        metadata.write(&mut bytes).unwrap();
        prop_assert_eq!(bytes.len() % 8, 0);
        let reader = Reader::open(&bytes[..]).unwrap();
        prop_assert_eq!(reader.metadata(), Some(&metadata));
    }
}

/// Found by fuzzing: symbols of no length were read four billion times, into as many strings.
#[test]
fn symbols_of_no_length_claim_no_memory() {
    let mut bytes = Vec::new();
    metadata().write(&mut bytes).unwrap();
    // Behind dataset, schema, three numbers and three bytes; the first count behind the reserved bytes and a length.
    let symbol_len = 8 + 16 + 2 + 24 + 3;
    let count = symbol_len + 2 + 53 + 4;
    assert_eq!((bytes[symbol_len], bytes[count]), (71, 2));
    bytes[symbol_len..symbol_len + 2].fill(0);
    bytes[count..count + 4].fill(0xFF);
    let fault = Reader::open(&bytes[..]).unwrap_err().to_string();
    assert!(fault.contains("it claims more entries than it has room for"), "{fault}");
}
