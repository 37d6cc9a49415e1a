//! `starling report FILE`: the report of a finished run, written again from its `report.json`.

use std::fs;
use std::path::PathBuf;

use clap::Args;
use serde_json::json;
use starling_lab::tearsheet::RunRecord;

use super::output;
use crate::terminal::{Failure, put, say};

/// Write the report of a finished run again.
#[derive(Debug, Args)]
pub(crate) struct Report {
    /// The `report.json` that a run wrote.
    file: PathBuf,
    /// Folder for `report.html`, `report.md` and its charts. Default: the file's.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

impl Report {
    /// Reads the record and writes the pages.
    pub(crate) fn run(self, json: bool) -> Result<(), Failure> {
        let name = self.file.display();
        let text = fs::read_to_string(&self.file).map_err(|e| {
            Failure::usage(format!("{name}: cannot be read: {e}; name the report.json that a run wrote"))
        })?;
        let record = RunRecord::from_json(&text).map_err(|e| Failure::usage(format!("{name}: {e}")))?;
        let out = self.out.unwrap_or_else(|| self.file.parent().map(PathBuf::from).unwrap_or_default());
        let page = output::pages(&record, &out)?;
        let markdown = page.with_extension("md");
        if json {
            return put(json!({
                "report": page.display().to_string(),
                "markdown": markdown.display().to_string(),
                "name": record.name,
                "run_hash": record.run_hash,
            }));
        }
        say(format_args!("{}: {} and {}", record.name, page.display(), markdown.display()));
        Ok(())
    }
}
