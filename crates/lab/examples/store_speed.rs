//! How fast a store is read: quotes of a busy day, written once, scanned by column, as events, and from a mapped file.
//!
//! `cargo run --release -p starling-lab --example store_speed [ROWS]`; one core, files in the system's cache.

use std::error::Error;
use std::hint::black_box;
use std::time::Instant;

use starling_core::{BarSeriesId, Event, InstrumentId, Price, Qty, Quote, UnixNanos};
use starling_lab::data::mapped::{Mapped, write_mapped};
use starling_lab::data::store::{Existing, Scan, ScanFeed, Store, StoreKind, StoreWriter};
use starling_market::feed::Feed;

const NAME: &str = "BTCUSDT.BINANCE";

/// Quotes as a venue sends them: some microseconds apart, prices a tick up or down now and then, sizes at random.
fn quotes(rows: u64) -> impl Iterator<Item = Quote> {
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    let mut noise = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    let (mut ts, mut bid) = (1_723_075_200_000_000_000_u64, 61_837_640_000_000_i64);
    let step = 80_000_000_000_000 / rows.max(1);
    (0..rows).map(move |_| {
        ts += noise() % (2 * step).max(2);
        let jump = noise() % 16;
        bid += if jump == 0 {
            10_000_000
        } else if jump == 1 {
            -10_000_000
        } else {
            0
        };
        let size = |n: u64| Qty::from_units((n % 5_000_000) as i64 * 10_000);
        Quote {
            instrument: InstrumentId(0),
            ts_event: UnixNanos::new(ts - 900_000 - noise() % 400_000),
            ts_recv: UnixNanos::new(ts),
            bid: Price::from_units(bid),
            ask: Price::from_units(bid + 10_000_000),
            bid_size: size(noise()),
            ask_size: size(noise()),
        }
    })
}

fn scan(store: &Store, columns: &[&str]) -> Result<Scan, Box<dyn Error>> {
    Ok(store.scan(&StoreKind::Quotes, NAME, UnixNanos::EPOCH..UnixNanos::MAX, columns)?)
}

#[expect(clippy::print_stdout, reason = "an example that prints what it measured")]
fn timed(what: &str, mut work: impl FnMut() -> Result<u64, Box<dyn Error>>) -> Result<(), Box<dyn Error>> {
    let mut best = f64::MAX;
    let mut rows = 0;
    for _ in 0..3 {
        let from = Instant::now();
        rows = work()?;
        best = best.min(from.elapsed().as_secs_f64());
    }
    println!("{what:<28} {:>8.1} million rows a second ({rows} rows, {:.1} ms)", rows as f64 / best / 1e6, best * 1e3);
    Ok(())
}

#[expect(clippy::print_stdout, reason = "an example that prints what it measured")]
fn main() -> Result<(), Box<dyn Error>> {
    let rows = std::env::args().nth(1).map_or(Ok(5_000_000), |text| text.parse())?;
    let folder = std::env::temp_dir().join(format!("starling-store-speed-{}", std::process::id()));
    let store = Store::new(&folder);
    let mut writer = StoreWriter::new(&store, StoreKind::Quotes, NAME, Existing::Refuse);
    for quote in quotes(rows) {
        writer.push(&Event::Quote(quote))?;
    }
    let bytes: u64 = writer.finish()?.iter().filter_map(|day| day.path.metadata().ok()).map(|m| m.len()).sum();
    println!("{rows} quotes in {bytes} bytes, {:.1} a quote", bytes as f64 / rows as f64);
    timed("scan, six columns", || {
        let (mut scan, mut seen) = (scan(&store, &[])?, 0);
        while let Some(columns) = scan.next_rows()? {
            seen += columns.len() as u64;
            black_box(columns);
        }
        Ok(seen)
    })?;
    timed("scan, stamp and bid", || {
        let (mut scan, mut sum, mut seen) = (scan(&store, &["bid"])?, 0_i64, 0);
        while let Some(columns) = scan.next_rows()? {
            sum = columns.column("bid").unwrap_or_default().iter().fold(sum, |sum, bid| sum.wrapping_add(*bid));
            seen += columns.len() as u64;
        }
        black_box(sum);
        Ok(seen)
    })?;
    timed("events of a scan", || {
        let mut feed = ScanFeed::new(scan(&store, &[])?, InstrumentId(0), BarSeriesId(0));
        let (mut events, mut seen) = (Vec::new(), 0);
        loop {
            events.clear();
            feed.fill(&mut events).map_err(|error| -> Box<dyn Error> { error })?;
            if events.is_empty() {
                return Ok(seen);
            }
            seen += events.len() as u64;
            black_box(&events);
        }
    })?;
    let path = folder.join("quotes.mapped");
    write_mapped(&mut scan(&store, &[])?, &StoreKind::Quotes, [0; 32], &path)?;
    let mapped = Mapped::open(&path, [0; 32])?.ok_or("the file that was just written")?;
    timed("events of a mapped file", || {
        let mut sum = 0_u64;
        for event in mapped.events(InstrumentId(0)) {
            sum = sum.wrapping_add(black_box(event).ts().get());
        }
        black_box(sum);
        Ok(mapped.rows() as u64)
    })?;
    drop(mapped);
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}
