//! What the data commands read: a file whose columns are guessed, or the `[[data]]` tables of a configuration; either way
//! with fields replaced from the command line.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Deserialize;
use starling_core::Price;
use starling_lab::config::{Config, ConfigFaults};
use starling_lab::data::{self, DataError, DataSpec};

use crate::command::backtest::{config_failure, key_value, read_config};
use crate::terminal::Failure;

/// The source of a data command.
#[derive(Debug, Args)]
pub(super) struct Source {
    /// A data file, a recording (.frames), a configuration (.toml) with [[data]] tables, or, for `check`, the folder of a
    /// store.
    source: PathBuf,
    /// Only this [[data]] table of the configuration, counted from 0.
    #[arg(long, value_name = "N")]
    table: Option<usize>,
    /// Folder in which relative data paths are looked up after the configuration's own.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// What a row holds. Default: guessed from the columns.
    #[arg(long, value_parser = ["bars", "quotes", "trades", "quote_bars", "funding"])]
    kind: Option<String>,
    /// Symbol, dot, venue, as in BTC/USDT.BINANCE.
    #[arg(long, value_name = "NAME")]
    instrument: Option<String>,
    /// Which column holds what, by name or by place from 0, as in `ts=Date,open=1,high=2`.
    #[arg(long, value_name = "FIELD=COLUMN,...", value_delimiter = ',', value_parser = key_value)]
    columns: Vec<(String, String)>,
    /// Unit of whole-number stamps.
    #[arg(long, value_parser = ["ns", "us", "ms", "s"])]
    ts_unit: Option<String>,
    /// Pattern of textual stamps, as in `%d.%m.%Y %H:%M`.
    #[arg(long, value_name = "PATTERN")]
    ts_format: Option<String>,
    /// Zone of stamps without offset, as in America/New_York. Default: UTC.
    #[arg(long, value_name = "ZONE")]
    timezone: Option<String>,
    /// Which end of its interval a bar is stamped with.
    #[arg(long, value_parser = ["open", "close"])]
    stamp: Option<String>,
    /// Length of a bar, as in 1m, 4h, 1d.
    #[arg(long, value_name = "LENGTH")]
    interval: Option<String>,
    /// Any field of a [[data]] table, as in `--set price_scale=10000` or `--set where.Ticker=AAPL`.
    #[arg(long = "set", value_name = "FIELD=VALUE", value_parser = key_value)]
    set: Vec<(String, String)>,
}

/// A table to read.
pub(super) struct Table {
    /// What it is called in reports.
    pub(super) name: String,
    /// What it says.
    pub(super) spec: DataSpec,
    /// Where its relative paths are looked up.
    pub(super) search: Vec<PathBuf>,
    /// The price step of its instrument.
    pub(super) tick: Price,
    /// What a person should look at, where the table was guessed.
    pub(super) notes: Vec<String>,
    /// The line of a configuration that names its files, as `run.toml:23: `; empty of a file itself.
    origin: String,
}

impl Table {
    /// An error in reading it; a faulty row may come of a wrong guess.
    pub(super) fn failure(&self, error: &DataError) -> Failure {
        let mut failure = super::failure(error);
        if matches!(error, DataError::Missing { .. } | DataError::Folder { .. }) {
            failure.message.insert_str(0, &self.origin);
        }
        if matches!(error, DataError::Row { .. }) {
            failure.message.extend(self.notes.iter().map(|note| format!("\n note: {note}")));
        }
        failure
    }
}

impl Source {
    /// The file or configuration.
    pub(super) fn path(&self) -> &Path {
        &self.source
    }

    /// What the command line says about the table, as `--set` of a configuration takes it.
    fn fields(&self) -> Vec<(String, String)> {
        // In quotes, so that no text is taken for a number.
        let text = |value: &String| toml::Value::String(value.clone()).to_string();
        let named = [
            ("kind", &self.kind),
            ("instrument", &self.instrument),
            ("ts_unit", &self.ts_unit),
            ("ts_format", &self.ts_format),
            ("timezone", &self.timezone),
            ("stamp", &self.stamp),
            ("interval", &self.interval),
        ];
        let named = named.iter().filter_map(|(key, value)| Some(((*key).to_owned(), text(value.as_ref()?))));
        let columns = self.columns.iter().map(|(field, column)| {
            let place = column.parse::<usize>().map_or_else(|_| text(column), |place| place.to_string());
            (format!("columns.{field}"), place)
        });
        named.chain(columns).chain(self.set.iter().cloned()).collect()
    }

    /// A table's text with the fields of the command line in it.
    fn changed(&self, text: &str) -> Result<DataSpec, Failure> {
        let told = |faults: ConfigFaults| {
            let line = |f: &starling_lab::config::ConfigFault| match f.path.as_str() {
                "" => format!("{}: {}", self.source.display(), f.message),
                path => format!("{}: `{path}`: {}", self.source.display(), f.message),
            };
            Failure::usage(faults.0.iter().map(line).collect::<Vec<_>>().join("\n"))
        };
        Config::with_values(text, &self.fields()).and_then(|text| Config::read_table(&text)).map_err(told)
    }

    /// All tables.
    pub(super) fn all(&self) -> Result<Vec<Table>, Failure> {
        let is_config = self.source.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("toml"));
        if is_config { self.of_config() } else { Ok(vec![self.of_file()?]) }
    }

    /// The only one.
    pub(super) fn one(&self) -> Result<Table, Failure> {
        let mut tables = self.all()?;
        match tables.len() {
            1 => Ok(tables.remove(0)),
            n => {
                let list: Vec<String> = tables.iter().map(|t| format!(" {}", t.name)).collect();
                let (source, list) = (self.source.display(), list.join("\n"));
                Err(Failure::usage(format!("{source}: has {n} [[data]] tables; choose one with --table\n{list}")))
            }
        }
    }

    fn of_config(&self) -> Result<Vec<Table>, Failure> {
        let text = read_config(&self.source, &[])?;
        let config = Config::read(&text).map_err(|f| config_failure(&self.source, &f))?;
        let beside = self.source.parent().map_or_else(PathBuf::new, Path::to_path_buf);
        let search: Vec<PathBuf> = std::iter::once(beside).chain(self.data_dir.clone()).collect();
        let count = config.data.len();
        if let Some(table) = self.table.filter(|table| *table >= count) {
            let source = self.source.display();
            return Err(Failure::usage(format!("{source}: --table {table}: there are {count}, counted from 0")));
        }
        let wanted = config.data.iter().enumerate().filter(|(at, _)| self.table.is_none_or(|table| table == *at));
        let changed = |(at, spec): (usize, &DataSpec)| {
            let spec = if self.fields().is_empty() { spec.clone() } else { self.changed(&text_of(spec))? };
            let instrument = config.instruments.iter().find(|i| i.id == spec.instrument);
            let source = self.source.display();
            let line = Config::line(&text, &format!("data[{at}].path")).filter(|_| self.fields().is_empty());
            Ok(Table {
                origin: line.map_or_else(String::new, |line| format!("{source}:{line}: ")),
                name: format!("data[{at}], {} {} of {}", spec.instrument, spec.kind.name(), paths_of(&spec)),
                tick: instrument.map_or(Price::ZERO, |i| i.price_step()),
                search: search.clone(),
                notes: Vec::new(),
                spec,
            })
        };
        wanted.map(changed).collect()
    }

    fn of_file(&self) -> Result<Table, Failure> {
        let file = self.source.display();
        if self.table.is_some() {
            return Err(Failure::usage(format!("{file}: --table is for a configuration, whose name ends in .toml")));
        }
        let found = data::inspect(&self.source).map_err(|error| super::failure(&error))?;
        let guessed = found.kind.map(starling_lab::data::Kind::name);
        let text = match (guessed, &self.kind) {
            (Some(guess), kind) if kind.as_deref().is_none_or(|kind| kind == guess) => {
                #[derive(Deserialize)]
                struct Suggestion {
                    data: [DataSpec; 1],
                }
                let Suggestion { data: [spec] } = toml::from_str(&found.suggestion).expect("a suggestion is a table");
                text_of(&spec)
            }
            (_, Some(kind)) => {
                let kind = serde_json::from_value(kind.clone().into()).expect("the argument's values are the kinds");
                let mut spec = DataSpec::new(file.to_string(), "SYMBOL.VENUE", kind);
                // A file needs no series to be read, only its bars' length where they are stamped at their open.
                if kind == data::Kind::Bars {
                    spec.series = Some(format!("{} last external", self.interval.as_deref().unwrap_or("1m")));
                }
                text_of(&spec)
            }
            (_, None) => {
                let names: Vec<String> = found.columns.iter().map(|c| format!("{}={}", c.place, c.name)).collect();
                return Err(Failure::usage(format!(
                    "{file}: cannot tell what the columns {} hold; say it with --kind, and with --columns as in \
                     `--kind quotes --columns ts=0,bid=1,ask=2`",
                    names.join(", "),
                )));
            }
        };
        let spec = self.changed(&text)?;
        let name = format!("{file}, {}", spec.kind.name());
        let (search, origin) = (Vec::new(), String::new());
        Ok(Table { name, spec, search, tick: Price::ZERO, notes: found.notes, origin })
    }
}

fn text_of(spec: &DataSpec) -> String {
    toml::to_string(spec).expect("a table is plain data")
}

fn paths_of(spec: &DataSpec) -> String {
    let sides = [&spec.bid, &spec.ask].into_iter().flatten().map(|side| &side.path);
    spec.path.iter().chain(sides).flat_map(|paths| paths.as_slice()).cloned().collect::<Vec<_>>().join(", ")
}
