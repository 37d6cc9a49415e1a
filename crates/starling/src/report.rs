//! The reports of a finished run and of benchmarks: one self-contained HTML page, or Markdown with SVG charts.
//!
//! Invariant: both show the same [`document::Document`], composed from records alone; the page loads nothing from anywhere,
//! and no text of the record can become markup. Deliberately not here: writing files (the command does) and computing
//! statistics (the run did).

mod bench;
mod chart;
mod compose;
mod document;
mod html;
mod markdown;
mod markup;
mod number;
mod palette;
#[cfg(test)]
mod tests;

use starling_lab::bench::BenchRecord;
use starling_lab::tearsheet::RunRecord;

pub(crate) use bench::{Past, check};
pub(crate) use markdown::charts;

/// The report as one HTML page.
pub(crate) fn html(run: &RunRecord) -> String {
    html::render(&compose::document(run))
}

/// The report as Markdown, and the charts it shows as (file name, SVG).
///
/// `svg_dir` is the folder that the caller writes the charts to, as seen from the Markdown file; empty for the same
/// folder.
pub(crate) fn markdown(run: &RunRecord, svg_dir: &str) -> (String, Vec<(String, String)>) {
    markdown::render(&compose::document(run), svg_dir)
}

/// The report of benchmarks: what was asked and measured, what it cost, what changed.
pub(crate) struct BenchReport(document::Document);

impl BenchReport {
    /// Of a result, beside those before it.
    pub(crate) fn of(record: &BenchRecord, past: &Past) -> Self {
        Self(bench::document(record, past))
    }

    /// As one HTML page.
    pub(crate) fn html(&self) -> String {
        html::render(&self.0)
    }

    /// As Markdown, with its charts as (file name, SVG) for the folder `svg_dir`.
    pub(crate) fn markdown(&self, svg_dir: &str) -> (String, Vec<(String, String)>) {
        markdown::render(&self.0, svg_dir)
    }
}
