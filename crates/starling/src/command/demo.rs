//! The demo: what `starling` does when nothing is asked of it.

use std::fs;
use std::path::PathBuf;

use clap::Args;

use super::backtest::Job;
use super::output;
use crate::terminal::{Failure, put, say};

/// The bundled configuration.
pub(crate) const CONFIG: &str = include_str!("../../demo/demo.toml");
/// The bundled data: five US stocks, daily, 2000 to 2013 (provenance in `demo/README.md`).
pub(crate) const STOCKS: &[u8] = include_bytes!("../../demo/stocks5_1d_2000_2013.csv.gz");

/// What the data is called where it is written.
pub(crate) const STOCKS_NAME: &str = "stocks5_1d_2000_2013.csv.gz";

/// The demo.
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Folder for report, journal, configuration and data.
    #[arg(long, value_name = "DIR", default_value = "out")]
    out: PathBuf,
}

impl Default for Demo {
    fn default() -> Self {
        Self { out: PathBuf::from("out") }
    }
}

impl Demo {
    /// Lays configuration and data down where the user can change them, and runs them.
    pub(crate) fn run(self, json: bool) -> Result<(), Failure> {
        output::folder(&self.out)?;
        let config = self.out.join("demo.toml");
        // It is there to be changed, and the work of whoever did is not ours to write over.
        if fs::read(&config).is_ok_and(|there| there != CONFIG.as_bytes()) {
            let shown = config.display();
            return Err(Failure::usage(format!(
                "{shown} was changed: run `starling backtest {shown}`, or give another folder with --out"
            )));
        }
        output::write_whole(&config, CONFIG.as_bytes())?;
        output::write_whole(&self.out.join(STOCKS_NAME), STOCKS)?;
        let search = vec![self.out.clone()];
        let job = Job {
            origin: &config,
            text: CONFIG.to_owned(),
            search,
            out: Some(self.out.clone()),
            journal: None,
            // A debug build's figures say nothing about the engine.
            measures_orders: !cfg!(debug_assertions),
            service: None,
        };
        let (record, page) = job.run(json)?;
        if json {
            return put(output::object(&record, page.as_deref()));
        }
        output::summary(&record);
        let page = page.unwrap_or_default();
        say(format_args!("  report {}", page.display()));
        say(format_args!("  next: change {0} and run `starling backtest {0}`", config.display()));
        Ok(())
    }
}
