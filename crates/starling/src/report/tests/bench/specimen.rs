//! A record of all eighteen benchmarks of swarms with two providers, made up for tests: never a result.

use starling_lab::bench::{
    BenchRecord, Benchmark, Case, Check, Cost, Distribution, Id, Judged, Missing, Point, SCHEMA, Series, Subject, price,
};
use starling_swarm::cost::{Resources, Usage};

use crate::report::tests::specimen::Walk;

/// Number, category, name, unit, whether more is better, what is required, what is judged, samples, centre in one process
/// and in processes of their own.
type Row = (u32, &'static str, &'static str, &'static str, bool, f64, Judged, usize, [f64; 2]);

const ROWS: [Row; 18] = [
    (1, "creation", "swarm initialisation", "ms", false, 5_000.0, Judged::Mean, 5, [0.9, 41.0]),
    (2, "creation", "agent deployment latency", "ms", false, 3_000.0, Judged::Mean, 25, [0.2, 9.4]),
    (3, "creation", "parallel against sequential", "ratio", true, 1.5, Judged::Median, 5, [2.1, 1.7]),
    (4, "scalability", "1, 5 and 10 agents", "ratio", false, 2.0, Judged::Median, 5, [1.05, 1.31]),
    (5, "scalability", "2 to 20 agents", "ms", false, 60_000.0, Judged::Worst, 5, [7.5, 230.0]),
    (6, "scalability", "topology comparison", "ratio", false, 1.5, Judged::Median, 20, [1.11, 0.93]),
    (7, "trading", "strategy execution", "ms", false, 100.0, Judged::Mean, 250, [1.9, 2.3]),
    (8, "trading", "task distribution", "tasks/s", true, 10.0, Judged::Median, 5, [21_500.0, 3_400.0]),
    (9, "trading", "consensus latency", "ms", false, 200.0, Judged::Mean, 20, [0.7, 3.9]),
    (10, "communication", "inter-agent latency", "ms", false, 50.0, Judged::P95, 600, [0.004, 0.091]),
    (11, "communication", "state synchronisation", "ms", false, 1_000.0, Judged::Mean, 5, [1.2, 6.6]),
    (12, "communication", "message throughput", "msg/s", true, 50.0, Judged::Median, 5, [310_000.0, 48_000.0]),
    (13, "resources", "memory per agent", "MB", false, 50.0, Judged::Worst, 5, [2.9, 14.0]),
    (14, "resources", "CPU per topology", "%", false, 100.0, Judged::Worst, 8, [74.0, 82.0]),
    (15, "resources", "network bandwidth", "bytes", true, 1.0, Judged::Median, 5, [48_211.0, 61_040.0]),
    (16, "cost", "cost per operation", "$", false, 0.01, Judged::Mean, 5, [0.000_000_6, 0.000_000_9]),
    (17, "cost", "cost by topology", "$/h", false, 2.0, Judged::Worst, 4, [0.8712, 0.8712]),
    (18, "cost", "scalability cost efficiency", "ratio", false, 7.5, Judged::Median, 5, [1.9, 2.4]),
];

const PROVIDERS: [&str; 2] = ["in-process", "process"];
pub(super) const SHAPES: [&str; 4] = ["mesh", "hierarchical", "ring", "star"];

/// Samples around a centre, a few per cent either way; every 40th stands far out.
fn samples(walk: &mut Walk, n: usize, centre: f64) -> Distribution {
    let one = |i: usize| centre * (1.0 + 0.03 * walk.normal() + if i % 40 == 39 { 0.8 } else { 0.0 }).max(0.1);
    Distribution::of(&(0..n).map(one).collect::<Vec<_>>()).unwrap()
}

/// The record of a run whose costs are `factor` times those of the first.
pub(crate) fn swarm(seed: u64, factor: f64) -> BenchRecord {
    let mut walk = Walk(seed);
    let mut record = BenchRecord {
        schema: SCHEMA,
        subject: Subject::Swarm,
        benchmarks: Vec::new(),
        missing: vec![Missing { suite: "provider e2b".into(), reason: "this provider does not exist yet".into() }],
        machine: "a processor of tests, 2 cores, 8 GiB".into(),
        cores: Some(2),
        load: Some([0.2, 1.7]),
        commit: "0123456789ab".into(),
        date: "2026-11-21 18:00:00 UTC".into(),
        profile: "release".into(),
        tier: "fast".into(),
        seconds: 48.2,
    };
    for (place, provider) in PROVIDERS.into_iter().enumerate() {
        for (number, category, name, unit, more_is_better, required, judged, n, centre) in ROWS {
            let centre = if more_is_better { centre[place] / factor } else { centre[place] * factor };
            let mut benchmark = Benchmark {
                id: Id::Number(number),
                suite: "swarm".into(),
                name: name.into(),
                unit: unit.into(),
                more_is_better,
                item: String::new(),
                items: 1,
                requirement: Some(required),
                target: None,
                aim: None,
                judged,
                measured: None,
                pass: None,
                category: Some(category.into()),
                provider: Some(provider.into()),
                checks: vec![Check {
                    claim: "nothing is left after destroy".into(),
                    expected: "0".into(),
                    found: "0".into(),
                    holds: true,
                }],
                cases: Vec::new(),
                series: Vec::new(),
                costs: Vec::new(),
                samples: samples(&mut walk, n, centre),
            };
            furnish(&mut benchmark, number, centre, &mut walk);
            benchmark.judge();
            record.benchmarks.push(benchmark);
        }
    }
    record
}

/// Cases, series and costs, where the definitions have them.
fn furnish(benchmark: &mut Benchmark, number: u32, centre: f64, walk: &mut Walk) {
    let series = |name: &str, x: &str, y: &str, points: Vec<(String, f64)>| Series {
        name: name.into(),
        x: x.into(),
        y: y.into(),
        points: points.into_iter().map(|(x, y)| Point { x, y }).collect(),
    };
    let by_agents = |power: f64| {
        [2u32, 4, 8, 12, 16, 20].map(|n| (n.to_string(), centre * (f64::from(n) / 20.0).powf(power))).to_vec()
    };
    match number {
        5 => benchmark.series.push(series("start to ready", "agents", "ms", by_agents(1.05))),
        6 => benchmark.series.push(series(
            "hops of a message",
            "topology",
            "hops",
            SHAPES.iter().zip([1.0, 3.4, 2.3, 1.8]).map(|(shape, hops)| ((*shape).to_owned(), hops)).collect(),
        )),
        9 => {
            for (name, times) in [("one agent is silent", 1.4), ("one agent lies", 1.1)] {
                let mut case = Case {
                    name: name.into(),
                    unit: "ms".into(),
                    more_is_better: false,
                    requirement: Some(200.0),
                    target: None,
                    judged: Judged::Mean,
                    measured: None,
                    pass: None,
                    samples: samples(walk, 20, centre * times),
                };
                case.judge();
                benchmark.cases.push(case);
            }
        }
        13 => benchmark.series.push(series(
            "memory of an agent",
            "agents",
            "MB",
            [1u32, 5, 10].map(|n| (n.to_string(), centre * (0.9 + 0.01 * f64::from(n)))).to_vec(),
        )),
        14 => benchmark.series.push(series(
            "CPU",
            "topology",
            "%",
            SHAPES
                .iter()
                .zip([1.0, 0.9, 0.7, 0.8])
                .map(|(shape, share)| ((*shape).to_owned(), centre * share))
                .collect(),
        )),
        16 => benchmark.costs = costs("mesh of 5", 5, 2.0, 500),
        17 => {
            let times = SHAPES.iter().zip([5_000, 5_600, 6_100, 5_900]);
            benchmark.costs = times.flat_map(|(shape, n)| costs(&format!("{shape} of 8"), 8, 5.0, n)).collect();
        }
        18 => {
            let of = [(2u32, 100), (5, 240), (10, 450), (15, 610)];
            benchmark.costs = of.into_iter().flat_map(|(n, ops)| costs(&format!("mesh of {n}"), n, 1.5, ops)).collect();
        }
        _ => {}
    }
}

/// Default agents for some seconds, by every built-in table.
fn costs(subject: &str, agents: u32, seconds: f64, operations: u64) -> Vec<Cost> {
    let each = Resources::default();
    let one = each.over((seconds * 1e9) as u64);
    let usage = Usage { vcpu: one.vcpu * u128::from(agents), memory: one.memory * u128::from(agents) };
    price::built_in().iter().map(|table| Cost::of(table, subject, (agents, each), usage, operations)).collect()
}

/// Runs before `swarm(1, 1.0)`, a day apart, the oldest first; from `slower` on all cost a tenth more.
pub(crate) fn runs(count: usize, slower: usize) -> Vec<BenchRecord> {
    let one = |i: usize| {
        let mut run = swarm(100 + i as u64, if i < slower { 1.0 } else { 1.1 });
        run.date = format!("2026-10-{:02} 18:00:00 UTC", i + 1);
        run
    };
    (0..count).map(one).collect()
}

/// Suites of the engine: a rate that is well inside, a time without target, one that just fails.
pub(crate) fn engine() -> BenchRecord {
    let mut walk = Walk(5);
    let mut benchmark = |path: &str, unit: &str, more: bool, bounds: [Option<f64>; 3], centre: f64| {
        let (suite, name) = path.split_once('/').unwrap();
        let mut b = Benchmark {
            id: Id::Path(path.into()),
            suite: suite.into(),
            name: name.replace('/', ": "),
            unit: unit.into(),
            more_is_better: more,
            item: "events".into(),
            items: 1_000_000,
            requirement: bounds[0],
            target: bounds[1],
            aim: bounds[2],
            judged: Judged::Median,
            measured: None,
            pass: None,
            category: None,
            provider: None,
            checks: Vec::new(),
            cases: Vec::new(),
            series: Vec::new(),
            costs: Vec::new(),
            samples: samples(&mut walk, 30, centre),
        };
        b.judge();
        b
    };
    let benchmarks = vec![
        benchmark("engine/bars/EMA cross", "items/s", true, [Some(1e5), Some(3e6), Some(8e6)], 4.1e6),
        benchmark("engine/order cost/at 1,000", "ns/item", false, [None, Some(700.0), None], 760.0),
        benchmark("risk_calculations/VaR/historical x 1000", "ns/item", false, [None; 3], 12.0),
    ];
    BenchRecord {
        subject: Subject::Engine,
        benchmarks,
        missing: vec![Missing { suite: "memory_queries".into(), reason: "the memory crate does not exist yet".into() }],
        tier: "standard".into(),
        ..swarm(1, 1.0)
    }
}
