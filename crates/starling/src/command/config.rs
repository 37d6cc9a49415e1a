//! `starling config`: the schema of configurations, and one of them checked or shown.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::json;
use starling_lab::config::Config;

use super::backtest::{config_failure, key_value, read_config};
use crate::terminal::{Failure, put, say};

/// Configurations: their JSON schema, and one of them checked or shown.
#[derive(Debug, Args)]
pub(crate) struct Configuration {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Print the JSON schema of configurations (draft 2020-12), as editors take it.
    Schema,
    /// Name every fault of a configuration, each with its line.
    Check(Named),
    /// Print a configuration with all defaults filled in.
    Show(Named),
}

/// A configuration, perhaps with values replaced.
#[derive(Debug, Args)]
struct Named {
    /// The configuration.
    file: PathBuf,
    /// Replace a value, as in `--set data.path=bars.csv` or `--set strategies.0.fast=12`.
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = key_value)]
    set: Vec<(String, String)>,
}

impl Named {
    fn read(&self) -> Result<Config, Failure> {
        Config::read(&read_config(&self.file, &self.set)?).map_err(|faults| config_failure(&self.file, &faults))
    }
}

impl Configuration {
    /// Does it.
    pub(crate) fn run(self, json: bool) -> Result<(), Failure> {
        match self.action {
            Action::Schema => put(format_args!("{:#}", Config::schema())),
            Action::Check(named) => check(&named.file, &named.read()?, json),
            Action::Show(named) => show(&named.read()?, json),
        }
    }
}

fn check(file: &Path, config: &Config, json: bool) -> Result<(), Failure> {
    let counted = [
        ("venues", config.venues.len()),
        ("accounts", config.accounts.len()),
        ("instruments", config.instruments.len()),
        ("data", config.data.len()),
        ("strategies", config.strategies.len()),
    ];
    if json {
        let mut object = json!({ "ok": true, "file": file.display().to_string(), "name": config.name });
        for (what, count) in counted {
            object[what] = count.into();
        }
        return put(object);
    }
    let singular = ["venue", "account", "instrument", "data table", "strategy"];
    let plural = ["venues", "accounts", "instruments", "data tables", "strategies"];
    let told = counted.iter().zip(singular.iter().zip(plural));
    let told = told.map(|((_, n), (one, many))| format!("{n} {}", if *n == 1 { *one } else { many }));
    say(format_args!("ok: {}: \"{}\", {}", file.display(), config.name, told.collect::<Vec<_>>().join(", ")));
    Ok(())
}

fn show(config: &Config, json: bool) -> Result<(), Failure> {
    if json {
        return put(serde_json::to_string(config).expect("a configuration is plain data"));
    }
    let text = toml::to_string(config).map_err(|e| Failure::run(format!("the configuration cannot be shown: {e}")))?;
    put(text.trim_end())
}
