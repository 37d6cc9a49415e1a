//! A report before it is HTML or Markdown: sections of blocks, in plain text.
//!
//! Invariant: a document holds text and numbers, no markup; both renderers show every block of it, so the page and the
//! Markdown cannot say different things.

use std::borrow::Cow;

use starling_lab::tearsheet::MonthlyReturns;

use super::chart::{Bars, Plot, Strips};

/// A whole report.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Document {
    /// The name of what is reported.
    pub(crate) title: String,
    /// What it is of, when and where it was made.
    pub(crate) byline: String,
    /// The result in one line.
    pub(crate) verdict: String,
    /// How that line should strike the reader.
    pub(crate) tone: Tone,
    /// What flatters the result, to be read before it.
    pub(crate) flags: Vec<String>,
    /// In reading order.
    pub(crate) sections: Vec<Section>,
}

/// A part of a report under its own heading.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Section {
    /// Its anchor.
    pub(crate) id: Cow<'static, str>,
    /// Its heading.
    pub(crate) title: Cow<'static, str>,
    /// Its content.
    pub(crate) blocks: Vec<Block>,
}

impl Section {
    pub(crate) fn new(
        id: impl Into<Cow<'static, str>>,
        title: impl Into<Cow<'static, str>>,
        blocks: Vec<Block>,
    ) -> Self {
        Self { id: id.into(), title: title.into(), blocks }
    }
}

/// A piece of content.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Block {
    /// A paragraph.
    Text(String),
    /// The figures a reader looks for first.
    Figures(Vec<Figure>),
    /// Names with their values.
    Facts(Vec<Fact>),
    /// Curves.
    Plot(Plot),
    /// Bars.
    Bars(Bars),
    /// Rows over one axis.
    Strips(Strips),
    /// Returns by month and year.
    Months {
        /// Name of the drawing.
        title: String,
        /// The returns.
        table: MonthlyReturns,
    },
    /// A table.
    Table(Table),
    /// One of several, by the reader's choice.
    Choice {
        /// What is chosen.
        label: &'static str,
        /// Name and content of each.
        options: Vec<(String, Vec<Block>)>,
    },
    /// Things to read with care.
    Notes {
        /// How they are set.
        tone: Tone,
        /// What they are.
        title: &'static str,
        /// Each in a sentence.
        items: Vec<String>,
    },
    /// A command to type.
    Command(String),
    /// What to do, why, and how to see that it is done.
    Advice(Advice),
    /// Numbered definitions: (key, term, definition).
    Definitions(Vec<(&'static str, &'static str, String)>),
}

/// A recommendation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Advice {
    /// How pressing it is.
    pub(crate) level: &'static str,
    /// How that should strike the reader.
    pub(crate) tone: Tone,
    /// What to do.
    pub(crate) text: String,
    /// What speaks for it.
    pub(crate) evidence: Vec<String>,
    /// The command that shows whether it holds.
    pub(crate) command: String,
}

/// A figure of its own: label, value, and what stands under it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Figure {
    pub(crate) label: String,
    pub(crate) value: String,
    pub(crate) detail: String,
    pub(crate) tone: Tone,
}

/// A name and its value.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Fact {
    pub(crate) label: String,
    pub(crate) value: String,
    pub(crate) tone: Tone,
    /// The key of the definition that explains it.
    pub(crate) defined: Option<&'static str>,
}

impl Fact {
    pub(crate) fn new(label: impl Into<String>, value: impl Into<String>) -> Self {
        Self { label: label.into(), value: value.into(), ..Self::default() }
    }
}

/// How something should strike the reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Tone {
    /// As it is.
    #[default]
    Plain,
    /// As a profit.
    Gain,
    /// As a loss.
    Loss,
    /// As a warning.
    Warn,
}

impl Tone {
    /// The tone of an amount of money or a return.
    pub(crate) fn of(value: f64) -> Self {
        if value > 0.0 {
            Self::Gain
        } else if value < 0.0 {
            Self::Loss
        } else {
            Self::Plain
        }
    }
}

/// A table.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Table {
    /// What it shows; empty under a heading that says it.
    pub(crate) caption: String,
    /// The columns.
    pub(crate) columns: Vec<Column>,
    /// The rows, as many as are shown; each as long as the columns.
    pub(crate) rows: Vec<Vec<Cell>>,
    /// What a row is and how many there are in all, if they may be more than are shown.
    pub(crate) total: Option<(&'static str, u64)>,
}

/// A column of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) title: &'static str,
    pub(crate) numeric: bool,
}

/// A column of words.
pub(crate) const fn words(title: &'static str) -> Column {
    Column { title, numeric: false }
}

/// A column of numbers.
pub(crate) const fn numbers(title: &'static str) -> Column {
    Column { title, numeric: true }
}

/// A cell of a table.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Cell {
    pub(crate) text: String,
    /// What it is sorted by, where the text would sort wrongly.
    pub(crate) value: Option<f64>,
    pub(crate) tone: Tone,
}

impl Cell {
    /// Words.
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }
    /// A number and how it is written.
    pub(crate) fn number(value: f64, text: impl Into<String>) -> Self {
        Self { text: text.into(), value: Some(value), ..Self::default() }
    }
    /// A number that is a profit or a loss.
    pub(crate) fn money(value: f64, text: impl Into<String>) -> Self {
        Self { tone: Tone::of(value), ..Self::number(value, text) }
    }
    /// A count.
    pub(crate) fn count(value: u64) -> Self {
        Self::number(value as f64, super::number::count(value))
    }
}
