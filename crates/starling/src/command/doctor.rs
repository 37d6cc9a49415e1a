//! `starling doctor`: whether this machine is fit to run, and what to do where it is not.
//!
//! Invariant: nothing is changed; the one file it writes, to see that it can, it removes.

use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use std::{env, fs};

use clap::Args;
use serde::Serialize;

use super::backtest;
use crate::terminal::{Failure, put, say};

/// Least memory to expect a run of bundled size to fit in.
const MEMORY_BYTES_MIN: u64 = 512 << 20;
/// Free disk below which reports and journals soon find no room.
const DISK_BYTES_MIN: u64 = 1 << 30;
/// A clock coarser than this tells nothing about a single event.
const CLOCK_STEP_NS_MAX: u128 = 1_000;
/// Readings of the clock.
const CLOCK_READINGS: usize = 10_000;
/// 2024-01-01T00:00:00Z: an earlier clock was never set.
const CLOCK_SECONDS_MIN: u64 = 1_704_067_200;

/// Check this machine: processor, memory, clock, disk, permissions, build. Exit code 1 if something stands in the way.
#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// The output folder to check, as runs take it.
    #[arg(long, value_name = "DIR", default_value = "out")]
    out: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Ok,
    Warn,
    Fail,
}

/// A line of the report.
#[derive(Debug, Serialize)]
struct Finding {
    check: &'static str,
    state: State,
    found: String,
    /// What to do, unless all is well.
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<&'static str>,
}

impl Finding {
    fn ok(check: &'static str, found: impl Into<String>) -> Self {
        Self { check, state: State::Ok, found: found.into(), remedy: None }
    }
    fn warn(check: &'static str, found: impl Into<String>, remedy: &'static str) -> Self {
        Self { check, state: State::Warn, found: found.into(), remedy: Some(remedy) }
    }
    fn fail(check: &'static str, found: impl Into<String>, remedy: &'static str) -> Self {
        Self { check, state: State::Fail, found: found.into(), remedy: Some(remedy) }
    }
}

impl Doctor {
    /// Checks and tells.
    pub(crate) fn run(self, json: bool) -> Result<(), Failure> {
        let place = existing(&self.out);
        let findings = [
            build(),
            formats(),
            processor(),
            vectors(),
            memory(),
            clock(),
            date(),
            disk(&place),
            writing(&self.out, &place),
            locale(),
        ];
        let failed = findings.iter().filter(|f| f.state == State::Fail).count();
        if json {
            put(serde_json::json!({ "ok": failed == 0, "version": env!("CARGO_PKG_VERSION"), "checks": findings }))?;
        } else {
            let wide = findings.iter().map(|f| f.check.len()).max().unwrap_or(0);
            for finding in &findings {
                let state = match finding.state {
                    State::Ok => "ok",
                    State::Warn => "warn",
                    State::Fail => "fail",
                };
                let remedy = finding.remedy.map(|remedy| format!("; {remedy}")).unwrap_or_default();
                say(format_args!("{state:<4}  {:<wide$}  {}{remedy}", finding.check, finding.found));
            }
        }
        match failed {
            0 => Ok(()),
            1 => Err(Failure::run("one check failed")),
            n => Err(Failure::run(format!("{n} checks failed"))),
        }
    }
}

fn build() -> Finding {
    let version = env!("CARGO_PKG_VERSION");
    let found = |profile: &str| format!("starling {version}, {profile}, {}-{}", env::consts::ARCH, env::consts::OS);
    if cfg!(debug_assertions) {
        return Finding::warn("build", found("development build"), "its speed says nothing: build with --release");
    }
    Finding::ok("build", found("release build"))
}

fn formats() -> Finding {
    let text = "CSV, gzip, Zstandard, zip, tar";
    if starling_lab::data::HAS_PARQUET {
        return Finding::ok("formats", format!("{text}, Parquet"));
    }
    Finding::warn("formats", text, "Parquet is left out: build with the feature `parquet` to read it")
}

fn processor() -> Finding {
    match std::thread::available_parallelism().map_or(1, usize::from) {
        1 => Finding::warn(
            "processor",
            backtest::machine(),
            "one run takes one core; sweeps gain nothing from more jobs",
        ),
        _ => Finding::ok("processor", backtest::machine()),
    }
}

#[cfg(target_arch = "x86_64")]
fn vectors() -> Finding {
    let avx2 = std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma");
    match (avx2, std::arch::is_x86_feature_detected!("avx512f")) {
        (true, true) => Finding::ok("vectors", "AVX2 and AVX-512"),
        (true, false) => Finding::ok("vectors", "AVX2 (no AVX-512, which nothing needs)"),
        (false, _) => Finding::warn("vectors", "no AVX2", "all results are the same; models and searches are slower"),
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn vectors() -> Finding {
    Finding::ok("vectors", format!("those of {}; all results are the same", env::consts::ARCH))
}

/// What the machine, or the container around us, has left.
fn memory() -> Finding {
    let info = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let field = |name: &str| {
        let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
    };
    let (Some(total), Some(free)) = (field("MemTotal"), field("MemAvailable")) else {
        return Finding::ok(
            "memory",
            "not told by this system; a run needs what its state needs, not what its data needs",
        );
    };
    let number = |path: &str| fs::read_to_string(path).ok()?.trim().parse::<u64>().ok();
    let limit = number("/sys/fs/cgroup/memory.max").filter(|limit| *limit < total);
    let left = match (limit, number("/sys/fs/cgroup/memory.current")) {
        (Some(limit), Some(used)) => free.min(limit.saturating_sub(used)),
        _ => free,
    };
    let found = format!("{} free of {}", bytes(left), bytes(limit.unwrap_or(total)));
    if left < MEMORY_BYTES_MIN {
        return Finding::warn("memory", found, "close other programs before a large run");
    }
    Finding::ok("memory", found)
}

/// The smallest step that two readings of the clock show.
fn clock() -> Finding {
    let mut before = Instant::now();
    let mut least = u128::MAX;
    for _ in 0..CLOCK_READINGS {
        let now = Instant::now();
        let step = now.duration_since(before).as_nanos();
        if step > 0 {
            least = least.min(step);
        }
        before = now;
    }
    let found = format!("steps of {least} ns");
    if least > CLOCK_STEP_NS_MAX {
        return Finding::warn("clock", found, "latencies it measures are coarse; backtests do not read it");
    }
    Finding::ok("clock", found)
}

fn date() -> Finding {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let found = jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M UTC").to_string();
    if seconds < CLOCK_SECONDS_MIN {
        return Finding::warn("date", found, "the clock was never set; live trading needs it set, backtests do not");
    }
    Finding::ok("date", found)
}

/// The folder, or the nearest above it that is there.
fn existing(folder: &Path) -> PathBuf {
    let here = env::current_dir().unwrap_or_default().join(folder);
    here.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/")).to_path_buf()
}

#[cfg(unix)]
fn disk(place: &Path) -> Finding {
    let Ok(disk) = nix::sys::statvfs::statvfs(place) else {
        return Finding::warn("disk", "not told by this system", "see that there is room for reports and journals");
    };
    // The types differ between systems.
    #[expect(clippy::useless_conversion, reason = "u32 on some systems, u64 on others")]
    let left = u64::from(disk.blocks_available()).saturating_mul(u64::from(disk.fragment_size()));
    let found = format!("{} free for {}", bytes(left), place.display());
    if left < DISK_BYTES_MIN {
        return Finding::warn("disk", found, "make room, or write elsewhere with --out");
    }
    Finding::ok("disk", found)
}

#[cfg(not(unix))]
fn disk(_: &Path) -> Finding {
    Finding::ok("disk", "not told by this system")
}

fn writing(out: &Path, place: &Path) -> Finding {
    let shown = out.display();
    let remedy = "give a folder that you may write to with --out";
    if !place.is_dir() {
        return Finding::fail(
            "output",
            format!("{} is a file, so {shown} cannot be a folder", place.display()),
            remedy,
        );
    }
    let trial = place.join(format!(".starling-doctor-{}", std::process::id()));
    let outcome = fs::write(&trial, "x").and_then(|()| fs::remove_file(&trial));
    match outcome {
        Ok(()) => Finding::ok("output", format!("{shown} can be written")),
        Err(error) => Finding::fail("output", format!("{shown} cannot be written: {error}"), remedy),
    }
}

/// Nothing depends on it; said because so much other software does.
fn locale() -> Finding {
    let set = |name: &str| env::var(name).ok().filter(|value| !value.is_empty()).map(|value| format!("{name}={value}"));
    let all: Vec<String> = ["TZ", "LC_ALL", "LANG"].into_iter().filter_map(set).collect();
    let all = if all.is_empty() { "none set".to_owned() } else { all.join(" ") };
    Finding::ok("locale", format!("{all}; not used: stamps are UTC, zones are built in, decimals have a point"))
}

fn bytes(n: u64) -> String {
    let gib = n as f64 / (1_u64 << 30) as f64;
    if gib < 1.0 { format!("{:.0} MiB", gib * 1024.0) } else { format!("{gib:.1} GiB") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_told_in_units_a_person_reads() {
        assert_eq!([bytes(3 << 20), bytes(1 << 30), bytes(5 << 29)], ["3 MiB", "1.0 GiB", "2.5 GiB"]);
    }

    #[test]
    fn the_nearest_folder_that_exists_is_found() {
        let here = env::current_dir().unwrap();
        assert_eq!(existing(Path::new("no/such/folder")), here);
    }

    #[test]
    fn a_file_is_no_output_folder() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
        assert_eq!(writing(&file.join("out"), &existing(&file.join("out"))).state, State::Fail);
    }
}
