use std::fs;

use starling_core::UnixNanos;

use super::super::store::{Existing, Store, StoreWriter};
use super::*;

#[test]
fn mapped_rows_are_those_of_the_store() {
    let folder = std::env::temp_dir().join(format!("starling-mapped-{}", std::process::id()));
    fs::remove_dir_all(&folder).ok();
    let store = Store::new(&folder);
    let quotes: Vec<Event> = (0..1_000_i64)
        .map(|n| {
            let ts = UnixNanos::new(1_723_075_200_000_000_000 + n.cast_unsigned() * 7);
            let price = |more: i64| Price::from_units(61_000_000_000_000 + (n % 13) * 10_000_000 + more);
            Event::Quote(Quote {
                instrument: InstrumentId(4),
                ts_event: ts.saturating_sub(3),
                ts_recv: ts,
                bid: price(0),
                ask: price(10_000_000),
                bid_size: Qty::from_units(n),
                ask_size: Qty::from_units(i64::MAX - n),
            })
        })
        .collect();
    let trades: Vec<Event> = [(Some(Side::Buy), 1), (Some(Side::Sell), u64::MAX), (None, 0)]
        .into_iter()
        .map(|(aggressor, trade_id)| {
            let ts = UnixNanos::new(1_723_075_200_000_000_000);
            let (price, size) = (Price::from_units(-5), Qty::from_units(6));
            Event::Trade(Trade {
                instrument: InstrumentId(4),
                ts_event: ts,
                ts_recv: ts,
                price,
                size,
                aggressor,
                trade_id,
            })
        })
        .collect();
    for (kind, events) in [(StoreKind::Quotes, quotes), (StoreKind::Trades, trades)] {
        let mut writer = StoreWriter::new(&store, kind.clone(), "X.Y", Existing::Refuse);
        events.iter().for_each(|e| writer.push(e).unwrap());
        writer.finish().unwrap();
        let mut scan = store.scan(&kind, "X.Y", UnixNanos::EPOCH..UnixNanos::MAX, &[]).unwrap();
        let path = folder.join("x.mapped");
        assert_eq!(write_mapped(&mut scan, &kind, [7; 32], &path).unwrap(), events.len() as u64);
        let mapped = Mapped::open(&path, [7; 32]).unwrap().unwrap();
        assert_eq!((mapped.rows(), mapped.kind()), (events.len(), &kind));
        assert_eq!(mapped.events(InstrumentId(4)).collect::<Vec<_>>(), events);
        assert!(Mapped::open(&path, [8; 32]).unwrap().is_none(), "made of something else");
        let whole = fs::read(&path).unwrap();
        drop(mapped);
        fs::write(&path, &whole[..whole.len() - 1]).unwrap();
        assert!(Mapped::open(&path, [7; 32]).unwrap_err().to_string().contains("shorter or longer"));
        fs::write(&path, b"something else").unwrap();
        assert!(Mapped::open(&path, [7; 32]).unwrap_err().to_string().contains("no mapped file"));
    }
    fs::remove_dir_all(&folder).ok();
}
