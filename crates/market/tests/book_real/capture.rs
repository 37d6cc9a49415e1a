//! Reads captures and turns their messages into updates: a plain reader for tests, where the decoders are not the matter.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::Value;
use starling_core::fixed::{FixedError, Price, Qty};
use starling_core::time::UnixNanos;
use starling_market::wire::{BookUpdate, Coverage, Level, Span};

/// The folder of real data; `None` says so on stderr.
pub(crate) fn folder() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("STARLING_DATA").map(PathBuf::from) {
        assert!(named.is_dir(), "STARLING_DATA names {}, which is no folder", named.display());
        return Some(named);
    }
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    if !beside.is_dir() {
        eprintln!("SKIPPED: no real data; name its folder with STARLING_DATA");
        return None;
    }
    Some(beside)
}

/// A file's text, unpacked.
pub(crate) fn text(folder: &Path, name: &str) -> String {
    let path = folder.join(name);
    let file = File::open(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let mut text = String::new();
    match path.extension().and_then(|e| e.to_str()) {
        Some("gz") => flate2::read::MultiGzDecoder::new(file).read_to_string(&mut text).unwrap(),
        Some("zip") => zip::ZipArchive::new(file).unwrap().by_index(0).unwrap().read_to_string(&mut text).unwrap(),
        _ => File::open(&path).unwrap().read_to_string(&mut text).unwrap(),
    };
    text
}

/// The messages of a capture whose lines are `stamp` + `separator` + JSON.
pub(crate) fn messages<'a>(text: &'a str, separator: &'a str) -> impl Iterator<Item = Value> + 'a {
    let bodies = text.lines().filter(|l| l.starts_with(|c: char| c.is_ascii_digit()));
    bodies.map(move |line| serde_json::from_str(line.split_once(separator).unwrap().1).unwrap())
}

pub(crate) fn decimal<T: std::str::FromStr<Err: std::fmt::Debug>>(value: &Value) -> T {
    match value {
        Value::String(text) => text.parse().unwrap(),
        other => other.to_string().parse().unwrap(),
    }
}

/// `[[price, size, ...], ...]`, but for prices that no [`Price`] holds: someone always asks ten milliards for a token.
pub(crate) fn levels(rows: &Value) -> Vec<Level> {
    let of = |row: &Value| {
        let price = match row[0].as_str().unwrap().parse::<Price>() {
            Err(FixedError::OutOfRange { .. }) => return None,
            price => price.unwrap(),
        };
        Some(Level { price, size: decimal::<Qty>(&row[1]) })
    };
    rows.as_array().into_iter().flatten().filter_map(of).collect()
}

/// A message without numbers or stamp.
pub(crate) fn update(coverage: Coverage) -> BookUpdate {
    BookUpdate {
        coverage,
        ts_event: UnixNanos::EPOCH,
        first_id: 0,
        last_id: 0,
        previous_id: None,
        checksum: None,
        bids: Span::default(),
        asks: Span::default(),
    }
}
