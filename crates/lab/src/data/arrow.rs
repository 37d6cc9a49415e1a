//! Arrow IPC files (Feather version 2), in and out.
//!
//! Invariant: a column means what it means in Parquet; the two share their rows and their builders.

use std::fs::File;
use std::io::{BufReader, BufWriter, Seek, Write};
use std::path::Path;
use std::sync::Arc;

use arrow_ipc::CompressionType;
use arrow_ipc::reader::FileReader;
use arrow_ipc::writer::{FileWriter, IpcWriteOptions};
use starling_market::feed::{BATCH_MAX, Feed};

use super::decode::{Cells, Decoder, Row};
use super::error::DataError;
use super::parquet::{BatchRow, Columns, NANO_COLUMNS, UNITS, fault, torn};
use super::source::{CHUNK_BYTES, Digest};
use super::table::{FileRows, Next, ROWS_MAX};

/// Rows of a batch that is written.
pub const ARROW_BATCH_ROWS: usize = 1 << 16;

/// The rows of an Arrow file.
pub(super) struct ArrowRows {
    name: String,
    reader: FileReader<BufReader<File>>,
    batch: Option<arrow_array::RecordBatch>,
    row: usize,
    columns: Vec<Option<usize>>,
    nano: Vec<bool>,
    digest: Digest,
    line: u64,
}

type Opened = (FileReader<BufReader<File>>, Vec<String>, Vec<bool>);

fn reader(name: &str, file: File) -> Result<Opened, DataError> {
    let file = BufReader::with_capacity(CHUNK_BYTES, file);
    let reader = FileReader::try_new(file, None).map_err(|e| torn(name, "Arrow", e))?;
    let schema = reader.schema();
    let names: Vec<String> = schema.fields().iter().map(|f| f.name().clone()).collect();
    let in_units = schema.metadata().get(UNITS.0).is_some_and(|units| units == UNITS.1);
    let nano = names.iter().map(|name| in_units && NANO_COLUMNS.contains(&name.as_str())).collect();
    Ok((reader, names, nano))
}

impl ArrowRows {
    /// Hashes the file, then opens it.
    pub(super) fn open(name: &str, path: &Path, decoder: &mut Decoder) -> Result<Self, DataError> {
        let mut file = File::open(path).map_err(|e| DataError::io("open", name, e))?;
        let digest = Digest::of(&mut file).map_err(|e| DataError::io("read", name, e))?;
        file.rewind().map_err(|e| DataError::io("read", name, e))?;
        let (reader, names, nano) = reader(name, file)?;
        let count = names.len();
        decoder.begin(name, Some(names), count)?;
        let columns = (0..count).map(Some).collect();
        Ok(Self { name: name.to_owned(), reader, batch: None, row: 0, columns, nano, digest, line: 0 })
    }
}

impl FileRows for ArrowRows {
    fn fill(&mut self, decoder: &mut Decoder, out: &mut Vec<Row>) -> Result<Next, DataError> {
        let batch = match self.batch.take() {
            Some(batch) => batch,
            None => {
                self.row = 0;
                match self.reader.next() {
                    Some(batch) => batch.map_err(|e| fault(&self.name, e))?,
                    None if self.line == 0 => return Err(DataError::Empty { source_name: self.name.clone() }),
                    None => return Ok(Next::EndOfFile),
                }
            }
        };
        while self.row < batch.num_rows() {
            if out.len() >= ROWS_MAX {
                self.batch = Some(batch);
                return Ok(Next::More);
            }
            self.line += 1;
            let (columns, nano) = (&self.columns, &self.nano);
            let cells = BatchRow { batch: &batch, columns, nano, row: self.row, line: self.line };
            self.row += 1;
            if decoder.row(&cells, out)? {
                return Ok(Next::Done);
            }
        }
        Ok(Next::More)
    }

    fn digest(self: Box<Self>) -> Digest {
        self.digest
    }
}

/// The names of the columns and the first rows as text.
pub(super) fn sample(name: &str, path: &Path, rows: usize) -> Result<(Vec<String>, Vec<Vec<String>>), DataError> {
    let file = File::open(path).map_err(|e| DataError::io("open", name, e))?;
    let (reader, names, nano) = reader(name, file)?;
    let columns: Vec<Option<usize>> = (0..names.len()).map(Some).collect();
    let mut sample = Vec::new();
    for batch in reader {
        let batch = batch.map_err(|e| fault(name, e))?;
        for row in 0..batch.num_rows().min(rows - sample.len()) {
            let cells = BatchRow { batch: &batch, columns: &columns, nano: &nano, row, line: 0 };
            let text = |place| String::from_utf8_lossy(&cells.text(place).unwrap_or_default()).into_owned();
            sample.push((0..names.len()).map(text).collect());
        }
        if sample.len() == rows {
            break;
        }
    }
    Ok((names, sample))
}

/// Writes a feed of one kind of event and one instrument as Arrow IPC, whole or not at all; returns the number of rows.
///
/// Columns are those of [`write_parquet`](super::write_parquet); batches are compressed with zstd.
pub fn write_arrow<F: Feed + ?Sized>(feed: &mut F, path: &Path) -> Result<u64, DataError> {
    let name = path.display().to_string();
    let mut events = Vec::with_capacity(BATCH_MAX);
    feed.fill(&mut events).map_err(|cause| DataError::Feed { path: name.clone(), cause })?;
    let Some(first) = events.first() else { return Err(DataError::Empty { source_name: name }) };
    let mixed = |event: &starling_core::Event| DataError::Mixed { path: name.clone(), stamp: event.ts() };
    let instrument = first.instrument();
    let mut columns = Columns::of(first).ok_or_else(|| mixed(first))?;
    let schema = Arc::new(columns.schema());
    let options =
        IpcWriteOptions::default().try_with_compression(Some(CompressionType::ZSTD)).map_err(|e| fault(&name, e))?;
    super::write::whole(path, |file| {
        let out = BufWriter::new(file);
        let mut writer = FileWriter::try_new_with_options(out, &schema, options).map_err(|e| fault(&name, e))?;
        let (mut rows, mut held) = (0, 0);
        while !events.is_empty() {
            for event in &events {
                if event.instrument() != instrument || !columns.push(event) {
                    return Err(mixed(event));
                }
            }
            rows += events.len() as u64;
            held += events.len();
            if held >= ARROW_BATCH_ROWS {
                writer.write(&columns.finish(&schema, &name)?).map_err(|e| fault(&name, e))?;
                held = 0;
            }
            events.clear();
            feed.fill(&mut events).map_err(|cause| DataError::Feed { path: name.clone(), cause })?;
        }
        if held > 0 {
            writer.write(&columns.finish(&schema, &name)?).map_err(|e| fault(&name, e))?;
        }
        let mut out = writer.into_inner().map_err(|e| fault(&name, e))?;
        out.flush().map_err(|e| DataError::io("write", path.display(), e))?;
        Ok(rows)
    })
}
