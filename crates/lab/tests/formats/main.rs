//! Formats against their own independent readers, on real files: DBN, Parquet and Arrow, and captures.
//!
//! The folder of real files is named by `STARLING_DATA`; the interpreter that has the readers by `PYTHON`, else it is
//! `python3`. Without either, the tests that need it say so.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod captures;
mod dbn;
mod dbn_book;
mod store;

use std::path::{Path, PathBuf};
use std::process::Command;

use starling_core::{BarSeriesId, Event, InstrumentId, Price};
use starling_lab::data::{self, DataError, DataSpec, Resolve};

fn folder() -> Option<PathBuf> {
    let named = std::env::var_os("STARLING_DATA").map(PathBuf::from);
    if let Some(named) = &named {
        assert!(named.is_dir(), "STARLING_DATA names {}, which is no folder", named.display());
    }
    let found = named.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"));
    if !found.is_dir() {
        eprintln!("SKIPPED: no real data; name its folder with STARLING_DATA");
        return None;
    }
    Some(found)
}

/// The interpreter that has these packages.
fn judge(packages: &str) -> Option<String> {
    let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let has = Command::new(&python).args(["-c", &format!("import {packages}")]).output();
    if has.is_ok_and(|output| output.status.success()) {
        return Some(python);
    }
    eprintln!("SKIPPED: {python} lacks one of {packages}; `.ci/run` installs them");
    None
}

/// What a script of the repository prints about files.
fn ask(python: &str, script: &str, files: &[&Path]) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts").join(script);
    let said = Command::new(python).arg(script).args(files).output().unwrap();
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    String::from_utf8(said.stdout).unwrap()
}

/// A line of JSON with its numbers as texts, so that 64 bits do not round the sums.
fn exact(line: &str) -> serde_json::Value {
    let mut out = String::new();
    let (mut digits, mut in_text) = (false, false);
    for c in line.chars() {
        if c == '"' {
            in_text = !in_text;
        }
        let number = !in_text && (c.is_ascii_digit() || c == '-');
        if number != digits {
            out.push('"');
        }
        digits = number;
        out.push(c);
    }
    serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: {out}"))
}

fn number(value: &serde_json::Value) -> i128 {
    value.as_str().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("a number: {value}"))
}

/// A folder of its own, removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("starling-formats-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

struct Any;

impl Resolve for Any {
    fn instrument(&mut self, _: &str) -> Result<InstrumentId, String> {
        Ok(InstrumentId(0))
    }
    fn series(&mut self, _: InstrumentId, _: &str) -> Result<BarSeriesId, String> {
        Ok(BarSeriesId(0))
    }
    fn tick(&mut self, _: InstrumentId) -> Price {
        Price::ZERO
    }
}

fn table(text: &str) -> DataSpec {
    toml::from_str(&format!("instrument = \"X.SIM\"\n{text}")).unwrap()
}

fn events(spec: &DataSpec, folder: &Path) -> Result<Vec<Event>, DataError> {
    let mut feed = data::open(spec, &[folder.to_owned()], &mut Any)?;
    let mut events = Vec::new();
    loop {
        let before = events.len();
        feed.read(&mut events)?;
        if events.len() == before {
            return Ok(events);
        }
    }
}
