//! A document as Markdown, with its charts as SVG files beside it.
//!
//! Invariant: every chart it names is among the files it returns, and every table keeps its numbers as text.

use super::chart::{MONTHS, Size, Spread, months_svg, self_styled};
use super::document::{Block, Document, Table};
use super::html::shown;
use super::markup::{markdown as escape, put};
use super::number::{UNDEFINED, percent};

/// Most rows of a table that the page shows in full.
const TABLE_ROWS: usize = 20;

/// The text, and the charts as (file name, SVG).
pub(crate) fn render(document: &Document, svg_dir: &str) -> (String, Vec<(String, String)>) {
    let mut sheet = Sheet { out: String::new(), files: Vec::new(), folder: svg_dir.trim_end_matches('/') };
    put!(sheet.out, "# {}\n\n", escape(&document.title));
    put!(sheet.out, "**{}**\n\n{}\n\n", escape(&document.verdict), escape(&document.byline));
    if !document.flags.is_empty() {
        sheet.out.push_str("> **Read with care**\n>\n");
        document.flags.iter().for_each(|flag| put!(sheet.out, "> - {}\n", escape(flag)));
        sheet.out.push('\n');
    }
    for section in &document.sections {
        put!(sheet.out, "## {}\n\n", escape(&section.title));
        section.blocks.iter().for_each(|block| sheet.block(block));
    }
    (sheet.out.trim_end().to_owned() + "\n", sheet.files)
}

/// The charts that a text of [`render`] names in its folder, in its order. Whatever else the text holds, none of them
/// lies outside of the folder.
pub(crate) fn charts<'a>(text: &'a str, svg_dir: &str) -> impl Iterator<Item = &'a str> {
    let begin = format!("](<{}/", svg_dir.trim_end_matches('/'));
    let named = move |line: &'a str| line.strip_prefix("![")?.split_once(&begin)?.1.strip_suffix(">)");
    let is_chart = |name: &&str| name.len() > 4 && name.ends_with(".svg") && !name.contains(['/', '\\']);
    text.lines().filter_map(named).filter(is_chart)
}

struct Sheet<'a> {
    out: String,
    files: Vec<(String, String)>,
    folder: &'a str,
}

impl Sheet<'_> {
    fn block(&mut self, block: &Block) {
        match block {
            Block::Text(text) => put!(self.out, "{}\n\n", escape(text)),
            Block::Figures(figures) => {
                let rows = figures.iter().map(|f| vec![escape(&f.label), escape(&f.value), escape(&f.detail)]);
                self.rows(&[("Figure", false), ("Value", true), ("Beside it", false)], rows);
            }
            Block::Facts(facts) => {
                let rows = facts.iter().map(|f| vec![escape(&f.label), escape(&f.value)]);
                self.rows(&[("Name", false), ("Value", true)], rows);
            }
            Block::Plot(plot) => {
                for (i, spread) in plot.spreads.iter().enumerate() {
                    let (id, title) = match spread {
                        _ if i == 0 => (plot.id.clone(), plot.title.clone()),
                        Spread::Linear => (format!("{}-linear", plot.id), format!("{}, linear scale", plot.title)),
                        Spread::Log => (format!("{}-log", plot.id), format!("{}, log scale", plot.title)),
                    };
                    self.image(&id, &title, plot.svg(Size::Standalone, *spread));
                }
            }
            Block::Bars(bars) => self.image(&bars.id, &bars.title, bars.svg(Size::Standalone)),
            Block::Strips(strips) => self.image(&strips.id, &strips.title, strips.svg(Size::Standalone)),
            Block::Months { title, table } => {
                self.image("months", title, months_svg(table, title));
                let columns: Vec<(&str, bool)> =
                    [("Year", false)].into_iter().chain(MONTHS.map(|m| (m, true))).chain([("Total", true)]).collect();
                let rows = table.years.iter().map(|year| {
                    let month = |value: &Option<f64>| value.map_or(String::new(), |v| percent(v, 2));
                    let total = year.total.map_or(UNDEFINED.to_owned(), |v| percent(v, 2));
                    [year.year.to_string()].into_iter().chain(year.months.iter().map(month)).chain([total]).collect()
                });
                self.rows(&columns, rows);
            }
            Block::Table(table) => self.table(table),
            Block::Choice { options, .. } => {
                for (name, blocks) in options {
                    put!(self.out, "### {}\n\n", escape(name));
                    blocks.iter().for_each(|block| self.block(block));
                }
            }
            Block::Notes { title, items, .. } => {
                put!(self.out, "**{}**\n\n", escape(title));
                items.iter().for_each(|item| put!(self.out, "- {}\n", escape(item)));
                self.out.push('\n');
            }
            Block::Advice(advice) => {
                put!(self.out, "**{}** {}\n\n", advice.level, escape(&advice.text));
                advice.evidence.iter().for_each(|line| put!(self.out, "- {}\n", escape(line)));
                // Words between end the list, which would take the command in otherwise.
                self.out.push_str("\nTo see whether it holds:\n\n");
                self.block(&Block::Command(advice.command.clone()));
            }
            // An indented block, since no fence is safe from a command that holds the fence.
            Block::Command(command) => {
                command.lines().for_each(|line| put!(self.out, "    {line}\n"));
                self.out.push('\n');
            }
            Block::Definitions(items) => {
                items.iter().enumerate().for_each(|(i, (_, term, text))| {
                    put!(self.out, "{}. **{}** {}\n", i + 1, escape(term), escape(text));
                });
                self.out.push('\n');
            }
        }
    }

    fn image(&mut self, id: &str, title: &str, svg: String) {
        let file = format!("{id}.svg");
        let slash = if self.folder.is_empty() { "" } else { "/" };
        // Angle brackets let a folder hold spaces.
        put!(self.out, "![{}](<{}{slash}{file}>)\n\n", escape(title), self.folder);
        self.files.push((file, self_styled(&svg)));
    }

    fn table(&mut self, table: &Table) {
        if !table.caption.is_empty() {
            put!(self.out, "### {}\n\n", escape(&table.caption));
        }
        let limit = if table.total.is_some() { TABLE_ROWS } else { usize::MAX };
        let few: Vec<_> = table.rows.iter().take(limit).collect();
        if let Some((noun, total)) = table.total {
            put!(self.out, "{}\n\n", shown(few.len(), noun, total));
        }
        let columns: Vec<(&str, bool)> = table.columns.iter().map(|c| (c.title, c.numeric)).collect();
        self.rows(&columns, few.into_iter().map(|row| row.iter().map(|cell| escape(&cell.text)).collect()));
    }

    /// A table of cells that are already escaped.
    fn rows(&mut self, columns: &[(&str, bool)], rows: impl Iterator<Item = Vec<String>>) {
        let titles: Vec<&str> = columns.iter().map(|(title, _)| *title).collect();
        let rules: Vec<&str> = columns.iter().map(|(_, numeric)| if *numeric { "--:" } else { "---" }).collect();
        put!(self.out, "| {} |\n| {} |\n", titles.join(" | "), rules.join(" | "));
        rows.for_each(|row| put!(self.out, "| {} |\n", row.join(" | ")));
        self.out.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::charts;

    #[test]
    fn only_charts_of_the_folder_are_named() {
        let text = "\
# A title ![x](<charts/heading.svg>)
![Equity](<charts/equity.svg>)
![a \\](&lt;charts/quoted.svg&gt;)](<charts/second.svg>)
![up](<charts/../up.svg>)
![below](<charts/deep/er.svg>)
![elsewhere](<other/o.svg>)
![no chart](<charts/notes.md>)
![nothing](<charts/.svg>)
    ![in a command](<charts/command.svg>)
";
        assert_eq!(charts(text, "charts").collect::<Vec<_>>(), ["equity.svg", "second.svg"]);
        assert_eq!(charts(text, "charts/").count(), 2);
    }
}
