//! Criterion over the workloads of `starling_lab::bench`, one bench target per suite.
//!
//! Invariant: the settings are those of the definitions (100 samples, 5 s, 2 s of warm-up; 10 samples where one execution
//! takes more than 20 ms), and no workload is timed before it has proved that it does its work. With the environment
//! variable [`SMOKE`] set, or `--test`, everything is small: enough to see that it still runs.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput};
use starling_lab::bench::{Scale, Unit, Workload, cold_start, missing, order_cost_curve, workloads};

/// Set to anything but `0`, it makes the suites small.
pub const SMOKE: &str = "STARLING_BENCH_SMOKE";
/// An execution above this is sampled ten times, not a hundred.
const LONG: Duration = Duration::from_millis(20);

/// Runs a suite, with Criterion's usual arguments.
pub fn run(suite: &str) {
    let test = std::env::args().any(|argument| argument == "--test");
    let smoke = test || std::env::var_os(SMOKE).is_some_and(|value| value != "0");
    let seconds = |full: f64| Duration::from_secs_f64(if smoke { full / 20.0 } else { full });
    let mut criterion = Criterion::default()
        .sample_size(if smoke { 10 } else { 100 })
        .measurement_time(seconds(5.0))
        .warm_up_time(seconds(2.0))
        .configure_from_args();
    let mut list = workloads(if smoke { Scale::SMOKE } else { Scale::FULL });
    list.extend(program().iter().flat_map(|path| cold_start(path)));
    for workload in list.iter().filter(|w| w.suite == suite) {
        bench(&mut criterion, workload);
    }
    for missing in missing().iter().filter(|m| m.suite.starts_with(suite)) {
        eprintln!("missing  {}: {}", missing.suite, missing.reason);
    }
    if suite == "engine" {
        match order_cost_curve() {
            Ok(curve) => curve.iter().for_each(|p| eprintln!("order cost at {}: {:.0} ns", p.orders, p.ns_per_order)),
            Err(error) => eprintln!("order cost: {error}"),
        }
    }
    criterion.final_summary();
}

/// The program beside this one, if it was built with the same profile.
fn program() -> Option<std::path::PathBuf> {
    let own = std::env::current_exe().ok()?;
    let path = own.parent()?.parent()?.join("starling");
    path.exists().then_some(path)
}

fn bench(criterion: &mut Criterion, workload: &Workload) {
    let id = workload.id();
    let mut prepared = match workload.prove() {
        Ok(prepared) => prepared,
        Err(error) => panic!("{id}: {error}"),
    };
    // What answers with its own time is no iteration for Criterion: `starling bench engine` tells it.
    if prepared.expected.is_none() {
        return;
    }
    let started = Instant::now();
    let once = (prepared.work)();
    let long = started.elapsed() > LONG;
    once.unwrap_or_else(|error| panic!("{id}: {error}"));
    let mut group = criterion.benchmark_group(format!("{}/{}", workload.suite, workload.group));
    if long {
        group.sample_size(10);
    }
    if workload.unit == Unit::PerSecond || workload.items > 1 {
        group.throughput(Throughput::Elements(workload.items));
    }
    group.bench_function(&workload.parameters, |bencher| bencher.iter(|| black_box((prepared.work)())));
    group.finish();
}
