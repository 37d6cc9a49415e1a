//! `starling replay JOURNAL`: the run of a journal, done again and compared byte for byte.

use std::path::PathBuf;

use clap::Args;
use starling_lab::run::{ReplayError, replay};

use super::{backtest, output};
use crate::terminal::{Failure, Progress, put, say};

/// Do the run of a journal again.
#[derive(Debug, Args)]
pub(crate) struct Replay {
    /// The journal that a run wrote.
    journal: PathBuf,
    /// Only check the journal itself (checksums, chain, order of records), without running it again.
    #[arg(long)]
    check_only: bool,
    /// Compare every byte with the journal (always done; named for scripts).
    #[arg(long)]
    verify: bool,
    /// Folder in which relative data paths are looked up. Default: the journal's folder, its parent, and this one.
    #[arg(long, value_name = "DIR")]
    data_dir: Vec<PathBuf>,
}

impl Replay {
    /// Replays and tells.
    pub(crate) fn run(self, json: bool) -> Result<(), Failure> {
        let name = self.journal.display();
        let bytes = std::fs::read(&self.journal).map_err(|e| Failure::usage(format!("{name}: cannot be read: {e}")))?;
        if bytes.is_empty() {
            return Err(Failure::usage(format!("{name}: is empty, so no run is in it; do the run anew")));
        }
        if self.check_only {
            let found = starling_core::journal::verify(&bytes).map_err(|e| Failure::usage(format!("{name}: {e}")))?;
            let (records, digest) = (found.records, found.digest.to_string());
            if json {
                return put(serde_json::json!({ "records": records, "digest": digest, "intact": true }));
            }
            say(format_args!("{name}: intact: {} records, digest {digest}", output::grouped(records)));
            return Ok(());
        }
        let beside = self.journal.parent().map(|p| p.to_path_buf()).unwrap_or_default();
        let above = beside.join("..");
        let search = self.data_dir.into_iter().chain([PathBuf::new(), beside, above]).collect();
        let progress = Progress::start(json);
        let replayed = replay(&bytes, search, |n, ts| progress.tell(n, ts));
        drop(progress);
        let replayed = replayed.map_err(|error| match error {
            ReplayError::Run(error) => backtest::run_failure(&self.journal, &error),
            ReplayError::Differs { .. } | ReplayError::Data { .. } => Failure::run(format!("{name}: {error}")),
            error => Failure::usage(format!("{name}: {error}")),
        })?;
        let record = replayed.outcome.record;
        if json {
            let mut object = output::object(&record, None);
            object["verified"] = true.into();
            object["records"] = replayed.records.into();
            return put(object);
        }
        say(format_args!(
            "{name}: intact, and the run came out the same: {} records, run hash {}",
            replayed.records, record.run_hash
        ));
        Ok(())
    }
}
