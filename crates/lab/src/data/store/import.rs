//! Into the store: what a `[[data]]` table describes, and the orders of a DBN file.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use serde::Serialize;
use starling_core::{Event, UnixNanos};
use starling_market::dbn::Record;
use starling_market::feed::BATCH_MAX;

use super::super::dbn::{Symbols, fault};
use super::super::error::DataError;
use super::super::spec::{DataSpec, FeedAs, Kind};
use super::super::{Resolve, SourceReport, open, open_dbn};
use super::{Delta, Existing, Store, StoreKind, StoreWriter, Written};

/// What an import wrote to a store, and from what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StoreImport {
    /// Rows read.
    pub rows: u64,
    /// The days written, with all their rows.
    #[serde(serialize_with = "paths")]
    pub written: Vec<Written>,
    /// The files read.
    pub sources: Vec<SourceReport>,
}

fn paths<S: serde::Serializer>(written: &[Written], serializer: S) -> Result<S::Ok, S::Error> {
    let day = |w: &Written| serde_json::json!({ "path": w.path.display().to_string(), "rows": w.rows, "kept": w.kept });
    serializer.collect_seq(written.iter().map(day))
}

/// What a table's events are in a store.
fn kind_of(spec: &DataSpec) -> Option<StoreKind> {
    match spec.kind {
        Kind::Trades => Some(StoreKind::Trades),
        Kind::Quotes => Some(StoreKind::Quotes),
        Kind::Bars | Kind::QuoteBars if spec.feeds() == FeedAs::Quotes => Some(StoreKind::Quotes),
        Kind::Bars | Kind::QuoteBars => {
            let interval = spec.series.as_deref()?.split_whitespace().next()?;
            Some(StoreKind::Bars(interval.to_owned()))
        }
        Kind::Funding => None,
    }
}

/// Reads what a table describes and writes it to the store, day by day, under the table's instrument. `progress` is
/// told rows and stamps, and may break it off: days that were finished stay.
pub fn import_to_store(
    spec: &DataSpec,
    search: &[PathBuf],
    resolve: &mut dyn Resolve,
    store: &Store,
    existing: Existing,
    progress: &mut dyn FnMut(u64, UnixNanos) -> ControlFlow<()>,
) -> Result<StoreImport, DataError> {
    let kind = kind_of(spec).ok_or_else(|| DataError::Unsupported {
        path: store.root().display().to_string(),
        problem: format!("a store has no place for {}; keep them in a file of their own", spec.kind.name()),
    })?;
    let mut feed = open(spec, search, resolve)?;
    let mut writer = StoreWriter::new(store, kind, spec.instrument.clone(), existing);
    let mut events = Vec::with_capacity(BATCH_MAX);
    let mut rows = 0;
    loop {
        events.clear();
        feed.read(&mut events)?;
        let Some(ts) = events.last().map(Event::ts) else { break };
        events.iter().try_for_each(|event| writer.push(event))?;
        rows += events.len() as u64;
        if progress(rows, ts).is_break() {
            return Err(DataError::Interrupted { rows, ts, days: writer.written().len() });
        }
    }
    Ok(StoreImport { rows, written: writer.finish()?, sources: feed.sources() })
}

/// Writes the orders of a DBN file (`mbo`) to the store as deltas, each instrument under its symbol. `progress` is told
/// rows and stamps now and then, and may break it off: days that were finished stay.
pub fn import_orders(
    path: &Path,
    store: &Store,
    existing: Existing,
    progress: &mut dyn FnMut(u64, UnixNanos) -> ControlFlow<()>,
) -> Result<StoreImport, DataError> {
    let name = path.display().to_string();
    let mut reader = open_dbn(path)?;
    let symbols = Symbols::of(reader.metadata());
    let mut writers: BTreeMap<String, StoreWriter<'_>> = BTreeMap::new();
    let mut rows = 0;
    while let Some(raw) = reader.next_record().map_err(fault(&name))? {
        let Record::Order(order) = raw.record() else { continue };
        let header = raw.header();
        let Some(delta) = Delta::of_dbn(&header, &order) else { continue };
        let symbol = symbols.name(header.instrument_id, header.ts_event).into_owned();
        let writer = writers
            .entry(symbol)
            .or_insert_with_key(|symbol| StoreWriter::new(store, StoreKind::Deltas, symbol.clone(), existing));
        writer.push_delta(&delta)?;
        rows += 1;
        if rows % BATCH_MAX as u64 == 0 && progress(rows, delta.ts_recv).is_break() {
            let days = writers.values().map(|writer| writer.written().len()).sum();
            return Err(DataError::Interrupted { rows, ts: delta.ts_recv, days });
        }
    }
    if rows == 0 {
        return Err(DataError::Empty { source_name: name });
    }
    let mut written = Vec::new();
    for writer in writers.into_values() {
        written.extend(writer.finish()?);
    }
    Ok(StoreImport { rows, written, sources: Vec::new() })
}
