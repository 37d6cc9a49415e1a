//! Runs the binary as a user does: a configuration in, the object of `--json` out.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

/// A file of `examples`.
pub(crate) fn example(name: &str) -> String {
    workspace().join("examples").join(name).display().to_string()
}

/// The root of the workspace.
pub(crate) fn workspace() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The folder of real data, or none and a word on stderr.
pub(crate) fn data_dir(case: &str) -> Option<String> {
    let folder = std::env::var("STARLING_DATA").map_or_else(|_| workspace().join("../shared/data"), PathBuf::from);
    if folder.join("bars").is_dir() {
        return Some(folder.display().to_string());
    }
    skip(case, &format!("no real data at {}; set STARLING_DATA", folder.display()));
    None
}

/// Says that a case is left out, past the harness, which keeps what a passing test prints to itself.
pub(crate) fn skip(case: &str, why: &str) {
    std::io::stderr().write_all(format!("SKIPPED {case}: {why}\n").as_bytes()).unwrap();
}

/// `starling backtest CONFIG --json` with more arguments.
pub(crate) fn backtest(config: &str, more: &[&str]) -> Value {
    run(&[&["backtest", config, "--json"], more].concat())
}

/// Any command that prints one JSON object.
pub(crate) fn run(arguments: &[&str]) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_starling")).args(arguments).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "starling {arguments:?} failed:\n{stderr}");
    serde_json::from_slice(&output.stdout).unwrap()
}
