//! `starling bench mesh`: the ten benchmarks of the mesh, and what a mesh is required to do, in one process and in many.
//!
//! What needs one process only is `starling_lab::bench::mesh`'s; processes and what they say to each other are measured here.

#[cfg(target_os = "linux")]
pub(crate) mod echo;
#[cfg(target_os = "linux")]
mod process;

use clap::Args;
use starling_lab::bench::mesh::{Definition, definitions, missing};
use starling_lab::bench::{BenchError, Benchmark, Missing, Subject, Tier};

use super::engine::{TierChoice, progress};
use super::runs::{Keeping, Sitting, conclude};
use crate::terminal::{Failure, put, say};

/// Measure the mesh against what is required of it.
#[derive(Debug, Args)]
pub(crate) struct Mesh {
    /// How long it may take.
    #[arg(long, value_enum, default_value = "fast")]
    tier: TierChoice,
    /// Only what has this in its title, as in `--category mesh/5`, `--category capability` or `--category requirements/`. May be
    /// repeated.
    #[arg(long, value_name = "TEXT")]
    category: Vec<String>,
    #[command(flatten)]
    keeping: Keeping,
    /// List what there is, without measuring.
    #[arg(long)]
    list: bool,
}

/// Something to measure, and its title.
struct Work {
    title: String,
    measure: Box<dyn Fn(Tier) -> Result<Benchmark, BenchError>>,
}

impl From<Definition> for Work {
    fn from(definition: Definition) -> Self {
        Self { title: definition.title(), measure: Box::new(move |tier| definition.measure(tier)) }
    }
}

fn all() -> (Vec<Work>, Vec<Missing>) {
    let mut works: Vec<Work> = definitions().into_iter().map(Work::from).collect();
    let mut missing = missing();
    #[cfg(target_os = "linux")]
    works.extend(process::works());
    #[cfg(not(target_os = "linux"))]
    missing.push(Missing {
        suite: "requirements/processes".to_owned(),
        reason: "agents in processes of their own need Linux".to_owned(),
    });
    missing.push(Missing {
        suite: "requirements/messages over Zenoh, pooled connect < 10 ms".to_owned(),
        reason:
            "not in this command yet: `cargo run --release -p starling-connect --features mesh --example mesh_speed`"
                .to_owned(),
    });
    (works, missing)
}

impl Mesh {
    pub(super) fn run(self, json: bool) -> Result<(), Failure> {
        self.keeping.prices.mean_nothing(Subject::Mesh)?;
        let (mut works, mut missing) = all();
        let chosen = |title: &str| self.category.is_empty() || self.category.iter().any(|text| title.contains(text));
        works.retain(|work| chosen(&work.title));
        missing.retain(|missing| chosen(&missing.suite));
        if works.is_empty() && missing.is_empty() {
            return Err(Failure::usage(format!(
                "no benchmark is titled `{}`; `starling bench mesh --list` shows what there is",
                self.category.join("`, `")
            )));
        }
        if self.list {
            return works.iter().try_for_each(|work| put(&work.title));
        }
        let tier = self.tier.tier();
        let desk = self.keeping.open(Subject::Mesh)?;
        let sitting = Sitting::begin();
        let benchmarks = measure(&works, tier, json)?;
        let record = sitting.end(Subject::Mesh, tier, benchmarks, missing);
        let page = desk.map(|desk| desk.publish(&record)).transpose()?;
        conclude(&record, page.as_deref(), json)
    }
}

fn measure(works: &[Work], tier: Tier, json: bool) -> Result<Vec<Benchmark>, Failure> {
    let bar = progress(works.len() as u64, json, "{pos}/{len} {wide_msg}");
    if cfg!(debug_assertions) {
        say("this is a debug build: its figures say nothing about the mesh");
    }
    let one = |work: &Work| {
        bar.set_message(work.title.clone());
        let result = (work.measure)(tier).map_err(|e| Failure::run(format!("{}: {e}", work.title)));
        bar.inc(1);
        result
    };
    let results = works.iter().map(one).collect();
    bar.finish_and_clear();
    results
}
