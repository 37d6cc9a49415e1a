//! Files out: text of a feed in one fixed layout, and the rule that a file is whole or absent.
//!
//! Invariant: a name that existed keeps its old content until the new one is complete and on disk.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use starling_core::{Event, Side};
use starling_market::feed::{BATCH_MAX, Feed};

use super::error::DataError;

/// Writes beside `path`, then takes its name; on an error what was written is removed.
pub(super) fn whole<T>(path: &Path, write: impl FnOnce(&File) -> Result<T, DataError>) -> Result<T, DataError> {
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let part = Path::new(&part);
    let file = File::create(part).map_err(|e| DataError::io("create", part.display(), e))?;
    let outcome = write(&file).and_then(|done| {
        file.sync_all().map_err(|e| DataError::io("write", part.display(), e))?;
        std::fs::rename(part, path).map_err(|e| DataError::io("rename to", path.display(), e))?;
        Ok(done)
    });
    if outcome.is_err() {
        // The first error is the one to report.
        std::fs::remove_file(part).ok();
    }
    outcome
}

/// Writes a feed of one kind of event and one instrument in the format that the name says, whole or not at all; returns
/// the number of rows. `dbn` is for names that end in `.dbn` or `.dbn.zst`.
pub fn write_feed<F: Feed + ?Sized>(feed: &mut F, path: &Path, dbn: &super::DbnOptions) -> Result<u64, DataError> {
    let name = path.display().to_string();
    let plain = super::source::plain_name(&name);
    match (super::source::extension(&plain), super::source::extension(&name.to_ascii_lowercase())) {
        #[cfg(feature = "parquet")]
        ("parquet", "parquet") => super::write_parquet(feed, path),
        #[cfg(feature = "parquet")]
        ("arrow" | "feather" | "ipc", "arrow" | "feather" | "ipc") => super::write_arrow(feed, path),
        ("dbn", "dbn" | "zst") => super::write_dbn(feed, path, dbn),
        ("csv", "csv" | "gz" | "zst") => write_csv(feed, path),
        _ => {
            let problem =
                "is no name to write to; end it in .parquet, .arrow, .dbn, .dbn.zst, .csv, .csv.gz or .csv.zst";
            Err(DataError::Unsupported { path: name, problem: problem.to_owned() })
        }
    }
}

/// Writes a feed of one kind of event and one instrument as text, compressed if the name ends in `.gz` or `.zst`;
/// returns the number of rows.
///
/// The first row names the columns: `ts_event,ts_recv` in nanoseconds and those of the kind, as `write_parquet` has
/// them; decimals are the shortest exact ones. The same events give the same bytes.
pub fn write_csv<F: Feed + ?Sized>(feed: &mut F, path: &Path) -> Result<u64, DataError> {
    let name = path.display().to_string();
    let io = |e| DataError::io("write", path.display(), e);
    whole(path, |file| match super::source::extension(&name) {
        "gz" => {
            let mut out = flate2::GzBuilder::new().write(BufWriter::new(file), flate2::Compression::default());
            let rows = text(feed, &name, &mut out)?;
            out.finish().and_then(|mut inner| inner.flush()).map_err(io)?;
            Ok(rows)
        }
        "zst" => {
            let mut out = zstd::stream::write::Encoder::new(BufWriter::new(file), 3).map_err(io)?;
            let rows = text(feed, &name, &mut out)?;
            out.finish().and_then(|mut inner| inner.flush()).map_err(io)?;
            Ok(rows)
        }
        _ => {
            let mut out = BufWriter::new(file);
            let rows = text(feed, &name, &mut out)?;
            out.flush().map_err(io)?;
            Ok(rows)
        }
    })
}

fn header(event: &Event) -> Option<&'static str> {
    match event {
        Event::Quote(_) => Some("ts_event,ts_recv,bid,ask,bid_size,ask_size"),
        Event::Trade(_) => Some("ts_event,ts_recv,price,size,side,trade_id"),
        Event::Bar(_) => Some("ts_event,ts_recv,open,high,low,close,volume"),
        Event::Funding(_) => Some("ts_event,ts_recv,rate,mark"),
        _ => None,
    }
}

fn text<F: Feed + ?Sized>(feed: &mut F, name: &str, out: &mut impl Write) -> Result<u64, DataError> {
    let mut events = Vec::with_capacity(BATCH_MAX);
    let mut first = None;
    let mut rows = 0;
    loop {
        events.clear();
        feed.fill(&mut events).map_err(|cause| DataError::Feed { path: name.to_owned(), cause })?;
        if events.is_empty() {
            return if rows == 0 { Err(DataError::Empty { source_name: name.to_owned() }) } else { Ok(rows) };
        }
        for event in &events {
            let kind = (header(event), event.instrument());
            let mixed = || DataError::Mixed { path: name.to_owned(), stamp: event.ts() };
            let names = kind.0.ok_or_else(mixed)?;
            let io = |e| DataError::io("write", name, e);
            if first.is_none() {
                first = Some(kind);
                writeln!(out, "{names}").map_err(io)?;
            }
            if first != Some(kind) {
                return Err(mixed());
            }
            line(event, out).map_err(io)?;
            rows += 1;
        }
    }
}

fn line(event: &Event, out: &mut impl Write) -> std::io::Result<()> {
    match event {
        Event::Quote(e) => {
            let (a, b) = (e.ts_event.get(), e.ts_recv.get());
            writeln!(out, "{a},{b},{},{},{},{}", e.bid, e.ask, e.bid_size, e.ask_size)
        }
        Event::Trade(e) => {
            let (a, b) = (e.ts_event.get(), e.ts_recv.get());
            let side = match e.aggressor {
                Some(Side::Buy) => "buy",
                Some(Side::Sell) => "sell",
                None => "",
            };
            write!(out, "{a},{b},{},{},{side},", e.price, e.size)?;
            if e.trade_id == 0 { writeln!(out) } else { writeln!(out, "{}", e.trade_id) }
        }
        Event::Bar(e) => {
            let (a, b) = (e.ts_event.get(), e.ts_recv.get());
            writeln!(out, "{a},{b},{},{},{},{},{}", e.open, e.high, e.low, e.close, e.volume)
        }
        Event::Funding(e) => {
            writeln!(out, "{},{},{},{}", e.ts_event.get(), e.ts_recv.get(), e.rate, e.mark)
        }
        _ => unreachable!("a kind without a header is refused"),
    }
}
