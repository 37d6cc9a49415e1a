//! The report of a finished run: one self-contained HTML page, or Markdown with SVG charts.
//!
//! Invariant: both show the same [`document::Document`], composed from the [`RunRecord`] alone; the page loads nothing
//! from anywhere, and no text of the record can become markup. Deliberately not here: writing files (the command does)
//! and computing statistics (the run did).

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

use starling_lab::tearsheet::RunRecord;

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
