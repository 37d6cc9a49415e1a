//! From recorded frames to the store: every frame decoded by its feed, every update under its instrument.
//!
//! Invariants: what a frame says is stored with the stamp of its receipt, in order of receipt; a frame that cannot be
//! decoded is counted with its place and reason, and stops nothing. Bars still growing are passed over: their last
//! state comes by itself.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;

use serde::Serialize;
use starling_core::time::{DAY, HOUR, MINUTE, SECOND};
use starling_core::{Bar, BarSeriesId, Event, InstrumentId, Quote, Trade, UnixNanos};
use starling_market::frames::Direction;
use starling_market::wire::{Batch, Connection, Feed, Text, Update};

use super::super::error::DataError;
use super::super::frames::{FramePlace, open_frames};
use super::{Existing, Store, StoreImport, StoreKind, StoreWriter, deltas_of};

/// Instruments a recording may speak of; beyond them it is no recording but noise.
pub const INSTRUMENTS_MAX: usize = 10_000;

/// What became of a recording's frames.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Normalised {
    /// Frames received from the venue.
    pub frames: u64,
    /// Frames that could not be decoded.
    pub refused: u64,
    /// The first of them, and why.
    pub first_refused: Option<(FramePlace, String)>,
    /// Book messages of an instrument that neither they nor the recording name.
    pub unnamed: u64,
}

/// How frames are read.
#[derive(Debug, Clone, Copy)]
pub struct Normalising<'a> {
    /// What decodes them.
    pub feed: &'static Feed,
    /// What instruments are called behind their point, as in `BTCUSDT.BINANCE`.
    pub venue: &'a str,
    /// What becomes of a day that is there already.
    pub existing: Existing,
}

/// Decodes the frames of a file and writes what they say to the store. `progress` is told frames and stamps, and may
/// break it off: days that were finished stay.
pub fn import_frames(
    path: &Path,
    how: Normalising<'_>,
    store: &Store,
    progress: &mut dyn FnMut(u64, UnixNanos) -> ControlFlow<()>,
) -> Result<(StoreImport, Normalised), DataError> {
    let name = path.display().to_string();
    let mut reader = open_frames(path)?;
    let session = reader.header().session.clone();
    // A book that was asked for names no instrument: it is that of its address, or the only one there is.
    let only = if let [symbol] = &session.symbols[..] { Some(symbol.to_ascii_uppercase()) } else { None };
    let mut sorter = Sorter { store, how, writers: BTreeMap::new(), rows: 0 };
    let mut connections: BTreeMap<u16, Connection> = BTreeMap::new();
    let (mut batch, mut deltas, mut done) = (Batch::new(), Vec::new(), Normalised::default());
    let mut blocks = 0u64;
    while let Some(block) = reader.next_block().map_err(|cause| DataError::Frames { path: name.clone(), cause })? {
        let mut last = UnixNanos::EPOCH;
        for (at, frame) in block.frames().enumerate() {
            if !matches!(frame.direction, Direction::Received | Direction::Answer) {
                continue;
            }
            done.frames += 1;
            last = frame.ts_recv;
            let connection = connections.entry(frame.connection).or_insert_with(|| Connection::new(how.feed));
            if let Err(error) = connection.decode(frame.bytes, &mut batch) {
                done.refused += 1;
                let place = FramePlace { block: blocks, frame: at as u64, ts: frame.ts_recv };
                done.first_refused.get_or_insert((place, error.to_string()));
                continue;
            }
            for update in &batch.updates {
                let text = symbol_of(update).map(|text| connection.symbol(text, frame.bytes));
                let symbol = match text {
                    None => continue,
                    Some([]) => symbol_of_address(frame.subject).or_else(|| only.clone()).or_else(|| sorter.only()),
                    Some(text) => Some(String::from_utf8_lossy(text).into_owned()),
                };
                let Some(symbol) = symbol else {
                    done.unnamed += 1;
                    continue;
                };
                deltas.clear();
                deltas_of(update, &batch, frame.ts_recv, &mut deltas);
                for delta in &deltas {
                    sorter.writer(&symbol, StoreKind::Deltas)?.push_delta(delta)?;
                }
                if let Some((kind, event)) = event_of(update, frame.ts_recv) {
                    sorter.writer(&symbol, kind)?.push(&event)?;
                }
            }
        }
        blocks += 1;
        if progress(done.frames, last).is_break() {
            let days = sorter.writers.values().flatten().map(|(_, writer)| writer.written().len()).sum();
            return Err(DataError::Interrupted { rows: sorter.rows, ts: last, days });
        }
    }
    if sorter.rows == 0 {
        return Err(DataError::Unsupported {
            path: name,
            problem: match &done.first_refused {
                Some((place, why)) => format!(
                    "says nothing that {} decodes ({place}: {why}); name the feed it was recorded from",
                    how.feed.name
                ),
                None => format!(
                    "has {} frames, none of which is market data to {}; name the feed it was recorded from",
                    done.frames, how.feed.name
                ),
            },
        });
    }
    let (rows, mut written) = (sorter.rows, Vec::new());
    for (_, writer) in sorter.writers.into_values().flatten() {
        written.extend(writer.finish()?);
    }
    Ok((StoreImport { rows, written, sources: Vec::new() }, done))
}

/// The writers of all kinds and instruments.
struct Sorter<'a> {
    store: &'a Store,
    how: Normalising<'a>,
    writers: BTreeMap<String, Vec<(StoreKind, StoreWriter<'a>)>>,
    rows: u64,
}

impl<'a> Sorter<'a> {
    /// The one instrument that was spoken of so far.
    fn only(&self) -> Option<String> {
        let mut names = self.writers.keys();
        names.next().filter(|_| names.next().is_none()).cloned()
    }

    /// The writer of one kind of an instrument, made when first asked for.
    fn writer(&mut self, symbol: &str, kind: StoreKind) -> Result<&mut StoreWriter<'a>, DataError> {
        self.rows += 1;
        if !self.writers.contains_key(symbol) {
            if self.writers.len() >= INSTRUMENTS_MAX {
                return Err(DataError::Unsupported {
                    path: self.store.root().display().to_string(),
                    problem: format!("was given more than {INSTRUMENTS_MAX} instruments in one recording"),
                });
            }
            self.writers.insert(symbol.to_owned(), Vec::new());
        }
        let kinds = self.writers.get_mut(symbol).expect("it is there now");
        let at = match kinds.iter().position(|(known, _)| *known == kind) {
            Some(at) => at,
            None => {
                let instrument = format!("{symbol}.{}", self.how.venue);
                let writer = StoreWriter::new(self.store, kind.clone(), instrument, self.how.existing);
                kinds.push((kind, writer));
                kinds.len() - 1
            }
        };
        Ok(&mut kinds[at].1)
    }
}

/// The instrument an update is about, as the venue names it; none for one about no instrument.
fn symbol_of(update: &Update) -> Option<Text> {
    match *update {
        Update::Trade { symbol, .. }
        | Update::Quote { symbol, .. }
        | Update::Book { symbol, .. }
        | Update::Orders { symbol, .. }
        | Update::Bar { symbol, .. } => Some(symbol),
        _ => None,
    }
}

/// The `symbol` that the address of a REST request asks for.
fn symbol_of_address(address: &str) -> Option<String> {
    let query = address.split_once('?')?.1;
    let value = query.split('&').find_map(|pair| pair.strip_prefix("symbol="))?;
    Some(value.to_ascii_uppercase())
}

/// An update as an event of the engine, and where it is kept. Levels and orders are none; nor are quotes with a side
/// missing and bars that still grow.
fn event_of(update: &Update, ts_recv: UnixNanos) -> Option<(StoreKind, Event)> {
    let instrument = InstrumentId(0);
    let at = |ts: UnixNanos| if ts == UnixNanos::EPOCH { ts_recv } else { ts };
    match *update {
        Update::Trade { ts_event, price, size, aggressor, trade_id, .. } => {
            let trade = Trade { instrument, ts_event: at(ts_event), ts_recv, price, size, aggressor, trade_id };
            Some((StoreKind::Trades, Event::Trade(trade)))
        }
        Update::Quote { ts_event, bid, ask, .. } if !bid.size.is_zero() && !ask.size.is_zero() => {
            let quote = Quote {
                instrument,
                ts_event: at(ts_event),
                ts_recv,
                bid: bid.price,
                ask: ask.price,
                bid_size: bid.size,
                ask_size: ask.size,
            };
            Some((StoreKind::Quotes, Event::Quote(quote)))
        }
        Update::Bar { ts_open, interval_ns, open, high, low, close, volume, closed: true, .. } if interval_ns > 0 => {
            let ts_event = ts_open.saturating_add(interval_ns);
            let series = BarSeriesId(0);
            let bar = Bar { instrument, series, ts_event, ts_recv, open, high, low, close, volume };
            Some((StoreKind::Bars(length(interval_ns)), Event::Bar(bar)))
        }
        _ => None,
    }
}

/// A bar's length as it is written, in the largest unit that divides it.
fn length(nanos: u64) -> String {
    let unit = [(DAY, "d"), (HOUR, "h"), (MINUTE, "m"), (SECOND, "s")]
        .into_iter()
        .find(|(unit, _)| nanos.is_multiple_of(*unit));
    unit.map_or_else(|| format!("{nanos}ns"), |(unit, name)| format!("{}{name}", nanos / unit))
}

#[cfg(test)]
mod tests;
