//! The head of a DBN file: what was asked for, and which symbol each instrument's number means on which days.

use super::{DbnError, STAMP_UNDEFINED, Schema, VERSION};

/// Bytes before the metadata proper: magic, version, length.
pub(super) const PRELUDE_LEN: usize = 8;
/// Bytes of metadata at most: a full OPRA day has 1.5 million symbols.
pub(super) const METADATA_BYTES_MAX: usize = 1 << 30;
const DATASET_LEN: usize = 16;
/// Bytes of a symbol: in version 1, and in those after it.
const SYMBOL_LEN_V1: usize = 22;
pub(super) const SYMBOL_LEN: usize = 71;
/// Bytes of zero that stand where versions 2 and 3 keep room.
const RESERVED_LEN: usize = 53;
const SCHEMA_UNDEFINED: u16 = u16::MAX;
const SYMBOLOGY_UNDEFINED: u8 = u8::MAX;

/// The days on which a symbol means an instrument: from `start` to before `end`, both as `yyyymmdd`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interval {
    /// First day.
    pub start: u32,
    /// Day after the last.
    pub end: u32,
    /// What it means, mostly the instrument's number as text.
    pub symbol: String,
}

/// A symbol that was asked for, and what it means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    /// The symbol.
    pub raw_symbol: String,
    /// Its meanings by day.
    pub intervals: Vec<Interval>,
}

/// The head of a file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Metadata {
    /// Version of the encoding, 1 to 3.
    pub version: u8,
    /// Databento's name of the venue's feed, as in `GLBX.MDP3`.
    pub dataset: String,
    /// What the records are; none where they are mixed.
    pub schema: Option<Schema>,
    /// Nanoseconds: from.
    pub start: u64,
    /// Nanoseconds: to before.
    pub end: Option<u64>,
    /// Records asked for at most.
    pub limit: Option<u64>,
    /// Number of the symbology that was asked in.
    pub stype_in: Option<u8>,
    /// Number of the symbology of the answer; 0 is the instrument's number.
    pub stype_out: u8,
    /// Whether each record ends with the stamp it was sent at.
    pub ts_out: bool,
    /// Symbols asked for.
    pub symbols: Vec<String>,
    /// Symbols with data for a part of the days.
    pub partial: Vec<String>,
    /// Symbols without any.
    pub not_found: Vec<String>,
    /// What the symbols mean.
    pub mappings: Vec<Mapping>,
}

/// Reads fields one after the other.
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn take(&mut self, len: usize, problem: &'static str) -> Result<&'a [u8], DbnError> {
        let at = self.at;
        let piece = at.checked_add(len).and_then(|end| self.bytes.get(at..end));
        let piece = piece.ok_or(DbnError::Metadata { at: at + PRELUDE_LEN, problem })?;
        self.at += len;
        Ok(piece)
    }
    fn u8(&mut self) -> Result<u8, DbnError> {
        Ok(self.take(1, "it is too short")?[0])
    }
    fn u16(&mut self) -> Result<u16, DbnError> {
        Ok(u16::from_le_bytes(self.take(2, "it is too short")?.try_into().expect("two bytes")))
    }
    fn u32(&mut self) -> Result<u32, DbnError> {
        Ok(u32::from_le_bytes(self.take(4, "it is too short")?.try_into().expect("four bytes")))
    }
    fn u64(&mut self) -> Result<u64, DbnError> {
        Ok(u64::from_le_bytes(self.take(8, "it is too short")?.try_into().expect("eight bytes")))
    }
    /// A text of fixed room, ended by its first zero.
    fn text(&mut self, len: usize) -> Result<String, DbnError> {
        let at = self.at + PRELUDE_LEN;
        let bytes = self.take(len, "a symbol is cut off")?;
        let text = text_of(bytes).ok_or(DbnError::Metadata { at, problem: "a text is not UTF-8" })?;
        Ok(text.to_owned())
    }
    /// A count that is followed by so many entries of `len` bytes at least.
    fn count(&mut self, len: usize) -> Result<usize, DbnError> {
        let at = self.at + PRELUDE_LEN;
        let count = self.u32()? as usize;
        // An entry of no length takes a byte here, or any count would fit.
        if count.saturating_mul(len.max(1)) > self.bytes.len() - self.at {
            return Err(DbnError::Metadata { at, problem: "it claims more entries than it has room for" });
        }
        Ok(count)
    }
    fn texts(&mut self, len: usize) -> Result<Vec<String>, DbnError> {
        let count = self.count(len)?;
        (0..count).map(|_| self.text(len)).collect()
    }
}

/// The text before the first zero.
pub(super) fn text_of(bytes: &[u8]) -> Option<&str> {
    let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
    std::str::from_utf8(&bytes[..end]).ok()
}

impl Metadata {
    /// Version and length behind the prelude, told by the first eight bytes.
    pub(super) fn prelude(bytes: &[u8]) -> Result<(u8, usize), DbnError> {
        // DBZ began with a skippable zstd frame.
        if matches!(bytes, [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..]) {
            return Err(DbnError::Dbz);
        }
        if bytes.len() < PRELUDE_LEN || !bytes.starts_with(b"DBN") {
            return Err(DbnError::Magic { found: bytes[..bytes.len().min(4)].to_vec() });
        }
        let (version, len) = (bytes[3], u32::from_le_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]) as usize);
        if version == 0 || version > VERSION {
            return Err(DbnError::Version { found: version });
        }
        if len > METADATA_BYTES_MAX {
            return Err(DbnError::Metadata { at: 4, problem: "its length is beyond all measure" });
        }
        Ok((version, len))
    }

    /// Reads what stands behind the prelude.
    pub(super) fn parse(version: u8, bytes: &[u8]) -> Result<Self, DbnError> {
        let mut c = Cursor { bytes, at: 0 };
        let dataset = c.text(DATASET_LEN)?;
        let schema = c.u16()?;
        let schema = match Schema::of(schema) {
            None if schema != SCHEMA_UNDEFINED => {
                return Err(DbnError::Metadata { at: PRELUDE_LEN + DATASET_LEN, problem: "its schema is unknown" });
            }
            schema => schema,
        };
        let (start, end, limit) = (c.u64()?, c.u64()?, c.u64()?);
        if version == 1 {
            // The number of records, which nobody filled in.
            c.u64()?;
        }
        let (stype_in, stype_out, ts_out) = (c.u8()?, c.u8()?, c.u8()? != 0);
        let symbol_len = if version == 1 { SYMBOL_LEN_V1 } else { usize::from(c.u16()?) };
        c.take(if version == 1 { 47 } else { RESERVED_LEN }, "it is too short")?;
        let definition = c.u32()? as usize;
        c.take(definition, "its schema's definition is cut off")?;
        let (symbols, partial, not_found) = (c.texts(symbol_len)?, c.texts(symbol_len)?, c.texts(symbol_len)?);
        let mut mappings = Vec::new();
        for _ in 0..c.count(symbol_len + 4)? {
            let raw_symbol = c.text(symbol_len)?;
            let mut intervals = Vec::new();
            for _ in 0..c.count(symbol_len + 8)? {
                let (start, end) = (c.u32()?, c.u32()?);
                intervals.push(Interval { start, end, symbol: c.text(symbol_len)? });
            }
            mappings.push(Mapping { raw_symbol, intervals });
        }
        Ok(Self {
            version,
            dataset,
            schema,
            start,
            end: (end != STAMP_UNDEFINED && end != 0).then_some(end),
            limit: (limit != 0).then_some(limit),
            stype_in: (stype_in != SYMBOLOGY_UNDEFINED).then_some(stype_in),
            stype_out,
            ts_out,
            symbols,
            partial,
            not_found,
            mappings,
        })
    }

    /// Appends it as version [`VERSION`], whatever it was read from.
    pub fn write(&self, out: &mut Vec<u8>) -> Result<(), DbnError> {
        let start = out.len();
        out.extend(b"DBN");
        out.extend([VERSION, 0, 0, 0, 0]);
        text(&self.dataset, DATASET_LEN, out)?;
        out.extend(self.schema.map_or(SCHEMA_UNDEFINED, |schema| schema as u16).to_le_bytes());
        for number in [self.start, self.end.unwrap_or(STAMP_UNDEFINED), self.limit.unwrap_or(0)] {
            out.extend(number.to_le_bytes());
        }
        out.extend([self.stype_in.unwrap_or(SYMBOLOGY_UNDEFINED), self.stype_out, u8::from(self.ts_out)]);
        out.extend((SYMBOL_LEN as u16).to_le_bytes());
        out.extend([0; RESERVED_LEN]);
        // No definition of the schema.
        out.extend([0; 4]);
        let count = |n: usize| u32::try_from(n).expect("fewer symbols than 2^32").to_le_bytes();
        for list in [&self.symbols, &self.partial, &self.not_found] {
            out.extend(count(list.len()));
            list.iter().try_for_each(|symbol| text(symbol, SYMBOL_LEN, out))?;
        }
        out.extend(count(self.mappings.len()));
        for mapping in &self.mappings {
            text(&mapping.raw_symbol, SYMBOL_LEN, out)?;
            out.extend(count(mapping.intervals.len()));
            for interval in &mapping.intervals {
                out.extend(interval.start.to_le_bytes());
                out.extend(interval.end.to_le_bytes());
                text(&interval.symbol, SYMBOL_LEN, out)?;
            }
        }
        // Version 3 keeps the records aligned to eight bytes.
        while !(out.len() - start).is_multiple_of(8) {
            out.push(0);
        }
        let len = u32::try_from(out.len() - start - PRELUDE_LEN).expect("metadata within 4 GiB");
        out[start + 4..start + 8].copy_from_slice(&len.to_le_bytes());
        Ok(())
    }

    /// The symbol that an instrument's number means on a day (`yyyymmdd`), where the answer is by numbers.
    #[must_use]
    pub fn symbol(&self, instrument_id: u32, day: u32) -> Option<&str> {
        let number = instrument_id.to_string();
        let means = |interval: &Interval| interval.symbol == number && interval.start <= day && day < interval.end;
        let mapping = self.mappings.iter().find(|mapping| mapping.intervals.iter().any(means))?;
        Some(&mapping.raw_symbol)
    }
}

fn text(text: &str, len: usize, out: &mut Vec<u8>) -> Result<(), DbnError> {
    // One zero ends it.
    if !text.is_ascii() || text.len() >= len {
        return Err(DbnError::Text { text: text.to_owned(), limit: len - 1 });
    }
    out.extend(text.as_bytes());
    out.resize(out.len() + len - text.len(), 0);
    Ok(())
}
