//! Imports what one `[[data]]` table describes: `data_import TABLE.toml FOLDER OUT.parquet` (or `.csv`, `.csv.gz`, `.csv.zst`).
//!
//! The file holds the table's fields at its top level; its paths are looked up in FOLDER. Prints a JSON report.

use std::error::Error;
use std::ops::ControlFlow;
use std::path::Path;

use starling_core::{BarSeriesId, InstrumentId, Price};
use starling_lab::data::{DataSpec, Resolve, import};

struct One;

impl Resolve for One {
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

#[expect(clippy::print_stdout, reason = "an example that prints its report")]
fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [table, folder, to] = arguments.as_slice() else {
        return Err("usage: data_import TABLE.toml FOLDER OUT".into());
    };
    let spec: DataSpec = toml::from_str(&std::fs::read_to_string(table)?)?;
    let report = import(&spec, &[folder.into()], &mut One, Path::new(to), &mut |_, _| ControlFlow::Continue(()))?;
    println!("{}", serde_json::to_string_pretty(&report)?);
    Ok(())
}
