//! Cold start: from the start of the program to the end of a run of a few bars, as another program sees it.
//!
//! The run makes decisions from its 20th bar on, so the time is an upper bound of that to the first decision.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{BenchError, Prepared, Unit, Workload, file};

/// Bars of the run.
const BARS: usize = 200;

/// Two workloads over the program at `binary`: wall time of the process, and the time the run itself reports.
#[must_use]
pub fn cold_start(binary: &Path) -> Vec<Workload> {
    let wall = binary.to_owned();
    let inside = binary.to_owned();
    let of = |parameters: &str, prepare: Box<dyn Fn() -> Result<Prepared, BenchError>>| {
        Workload::new("engine", "cold start", parameters, (1, "starts"), prepare).told_in(Unit::Milliseconds)
    };
    vec![
        of("process to first decisions", Box::new(move || process(wall.clone(), Shown::Orders))).held_to(
            Some(500.0),
            Some(50.0),
            None,
        ),
        of("the run within it", Box::new(move || process(inside.clone(), Shown::Elapsed))),
    ]
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shown {
    Orders,
    Elapsed,
}

fn process(binary: PathBuf, shown: Shown) -> Result<Prepared, BenchError> {
    let (folder, config, orders) = file::small_run(BARS)?;
    let fail = |binary: &Path, reason: String| BenchError::Program { program: binary.display().to_string(), reason };
    let work = move || {
        let _kept = &folder;
        let output = Command::new(&binary).arg("backtest").arg(&config).arg("--json").output();
        let output = output.map_err(|e| fail(&binary, e.to_string()))?;
        if !output.status.success() {
            return Err(fail(&binary, String::from_utf8_lossy(&output.stderr).into_owned()));
        }
        let told: serde_json::Value =
            serde_json::from_slice(&output.stdout).map_err(|e| fail(&binary, format!("no JSON on stdout: {e}")))?;
        let number = |key: &str| told[key].as_f64().ok_or_else(|| fail(&binary, format!("no `{key}` in its JSON")));
        let found = number("orders")?;
        match shown {
            Shown::Orders => Ok(found),
            Shown::Elapsed if found == orders as f64 => number("elapsed_ns"),
            Shown::Elapsed => Err(fail(&binary, format!("{found} orders, {orders} are right"))),
        }
    };
    let expected = (shown == Shown::Orders).then_some(orders as f64);
    Ok(Prepared { work: Box::new(work), expected })
}
