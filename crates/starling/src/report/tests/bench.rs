//! Reports of benchmarks: what they show of a made-up record, and what they say only when it is so.

pub(crate) mod specimen;

use specimen::{engine, runs, swarm};
use starling_lab::bench::{BenchRecord, Check, Distribution, Id, Judged, Subject};

use super::super::document::{Advice, Block, Document};
use super::super::{BenchReport, Past, bench};

/// The sections of a report of swarms, in the order a reader meets them.
const SECTIONS: [&str; 10] = [
    "Executive summary",
    "Creation",
    "Scalability",
    "Trading operations",
    "Communication",
    "Resources",
    "Cost",
    "Recommendations",
    "Comparison charts",
    "Conclusions",
];

fn alone(record: &BenchRecord) -> Document {
    bench::document(record, &Past::default())
}

fn after_runs(record: &BenchRecord, runs: &[BenchRecord]) -> Document {
    bench::document(record, &Past { runs: runs.iter().collect(), ..Past::default() })
}

fn text(record: &BenchRecord, past: &Past) -> String {
    BenchReport::of(record, past).markdown("charts").0
}

fn advices(document: &Document) -> Vec<&Advice> {
    let blocks = document.sections.iter().flat_map(|section| &section.blocks);
    blocks.filter_map(|block| if let Block::Advice(advice) = block { Some(advice) } else { None }).collect()
}

/// A rule's name, how its recommendation begins, and what is done to a record to bring it about, or to end it.
type Cause<'a> = (&'a str, &'a str, &'a dyn Fn(&mut BenchRecord));

/// True if some recommendation begins so.
fn recommends(document: &Document, begin: &str) -> bool {
    advices(document).iter().any(|advice| advice.text.starts_with(begin))
}

/// Writes reports to look at: `cargo test -p starling write_bench_specimens -- --ignored`, then see `target/specimens`.
#[test]
#[ignore = "writes files for a person to look at"]
fn write_bench_specimens() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/specimens");
    let (history, named) = (runs(19, 12), swarm(3, 1.25));
    let past = Past { runs: history.iter().collect(), older: 0, baseline: Some(("autumn", &named)) };
    let mut failing = swarm(1, 1.0);
    failing.benchmarks[8].samples = Distribution::of(&[230.0, 240.0, 250.0, 260.0, 270.0]).unwrap();
    failing.benchmarks[2].checks[0].holds = false;
    failing.benchmarks.iter_mut().for_each(starling_lab::bench::Benchmark::judge);
    for (name, record, past) in [
        ("bench", swarm(1, 1.0), past),
        ("bench-first", swarm(1, 1.0), Past::default()),
        ("bench-failing", failing, Past { runs: history.iter().collect(), ..Past::default() }),
        ("bench-engine", engine(), Past::default()),
    ] {
        let report = BenchReport::of(&record, &past);
        let folder = folder.join(name);
        std::fs::create_dir_all(folder.join("bench-charts")).unwrap();
        std::fs::write(folder.join("bench.json"), serde_json::to_string(&record).unwrap()).unwrap();
        std::fs::write(folder.join("bench.html"), report.html()).unwrap();
        let (text, files) = report.markdown("bench-charts");
        std::fs::write(folder.join("bench.md"), text).unwrap();
        for (file, svg) in files {
            std::fs::write(folder.join("bench-charts").join(file), svg).unwrap();
        }
    }
}

#[test]
fn the_markdown_of_a_small_record() {
    let mut record = swarm(1, 1.0);
    // One benchmark of each sort keeps the text small enough to read: cases, a series by name, costs.
    record.benchmarks.retain(|b| {
        let number = b.id.to_string();
        b.provider.as_deref() == Some("in-process") && ["6", "9", "17"].contains(&number.as_str())
    });
    insta::assert_snapshot!(text(&record, &Past::default()));
}

#[test]
fn both_forms_have_ten_sections_in_order() {
    for record in [swarm(1, 1.0), BenchRecord { benchmarks: Vec::new(), missing: Vec::new(), ..swarm(1, 1.0) }] {
        let report = BenchReport::of(&record, &Past::default());
        let (page, (text, files)) = (report.html(), report.markdown("bench-charts"));
        let (mut rest, mut words) = (page.as_str(), text.as_str());
        for section in SECTIONS {
            rest = rest.split_once(&format!("<h2>{section}</h2>")).expect(section).1;
            words = words.split_once(&format!("\n## {section}\n")).expect(section).1;
        }
        let shown = &page[..page.find("<script").unwrap()];
        assert!(!shown.contains("NaN") && !text.contains("NaN") && !text.contains("inf "));
        for (name, svg) in &files {
            assert!(text.contains(&format!("(<bench-charts/{name}>)")), "{name} is not shown");
            assert!(!svg.contains("NaN") && !svg.contains("inf"), "{name}: {svg}");
        }
        let names: std::collections::BTreeSet<&String> = files.iter().map(|(name, _)| name).collect();
        assert_eq!(names.len(), files.len(), "every chart has a file of its own");
    }
    let headings: Vec<String> = alone(&engine()).sections.iter().map(|s| s.title.to_string()).collect();
    let suites =
        ["Executive summary", "Engine", "Risk calculations", "Recommendations", "Comparison charts", "Conclusions"];
    assert_eq!(headings, suites);
}

#[test]
fn the_page_loads_nothing_and_no_text_becomes_markup() {
    let evil = "<script>alert('1')</script>\"`|</style>";
    let mut record = swarm(1, 1.0);
    for slot in [&mut record.machine, &mut record.commit, &mut record.date, &mut record.tier, &mut record.profile] {
        evil.clone_into(slot);
    }
    let b = &mut record.benchmarks[5];
    (b.name, b.unit, b.provider) = (evil.into(), evil.into(), Some(evil.into()));
    b.checks[0] = Check { claim: evil.into(), expected: evil.into(), found: evil.into(), holds: false };
    (b.series[0].name, b.series[0].points[0].x) = (evil.into(), evil.into());
    record.benchmarks[8].cases[0].name = evil.into();
    record.benchmarks[15].costs[0].prices.source = evil.into();
    record.benchmarks[3].category = Some(evil.into());
    record.missing[0].reason = evil.into();
    record.benchmarks.iter_mut().for_each(starling_lab::bench::Benchmark::judge);
    let report = BenchReport::of(&record, &Past::default());
    let page = report.html();
    assert!(!page.contains("<script>alert"));
    assert_eq!((page.matches("<script").count(), page.matches("</style>").count()), (2, 1));
    let (text, files) = report.markdown("");
    assert!(text.lines().filter(|line| !line.starts_with("    ")).all(|line| !line.contains("<script")));
    assert!(files.iter().all(|(name, svg)| !svg.contains("<script") && !name.contains(['<', '/', '|'])));
    let page = BenchReport::of(&swarm(1, 1.0), &Past::default()).html();
    for loader in ["http://", "https://", "src=", "url(", "@import", "<link rel=\"stylesheet", "fetch(", "//cdn"] {
        assert!(!page.contains(loader), "{loader}");
    }
    assert!(page.contains("default-src 'none'") && page.len() < 2_000_000, "{} bytes", page.len());
}

#[test]
fn what_is_asked_and_what_was_measured_are_different_columns() {
    let mut record = swarm(1, 1.0);
    // A swarm's benchmarks have no targets of their own, and a column that nothing is in is left away.
    let without = text(&record, &Past::default());
    let head = "| Verdict | Benchmark | Provider | Measured | Unit | Required | Margin | Judged by | n |";
    assert!(without.contains(head) && !without.contains("| Target |"), "{without}");
    record.benchmarks[0].target = Some(1.4);
    let text = text(&record, &Past::default());
    for end in ["| n |", "|\n"] {
        let head = "| Verdict | Benchmark | Provider | Measured | Unit | Required | Target | Margin | Judged by ";
        assert!(text.contains(&format!("{head}{end}")), "{end}: {text}");
    }
    let row = text.lines().find(|line| line.starts_with("| pass | 17 cost by topology | in-process |")).unwrap();
    let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
    let measured: f64 = cells[3].parse().unwrap();
    assert!((measured / 0.8712 - 1.0).abs() < 0.15);
    assert_eq!((cells[4], cells[5], cells[6]), ("$/h", "2", "–"));
    let margin: f64 = cells[7].trim_start_matches('+').trim_end_matches(" %").parse().unwrap();
    assert!((margin - (1.0 - measured / 2.0) * 100.0).abs() < 0.06, "{row}");
}

#[test]
fn a_record_that_fails_says_so_first() {
    let passing = alone(&swarm(1, 1.0));
    assert!(passing.verdict.starts_with("PASS: all 36 benchmarks"), "{}", passing.verdict);
    assert!(!recommends(&passing, "Bring") && !recommends(&passing, "Mend"));
    let mut record = swarm(1, 1.0);
    record.benchmarks[8].samples = Distribution::of(&[210.0; 5]).unwrap();
    record.benchmarks[2].checks[0].holds = false;
    record.benchmarks.iter_mut().for_each(starling_lab::bench::Benchmark::judge);
    let document = alone(&record);
    let begin =
        "FAIL: 2 of 36 benchmarks, #3 parallel against sequential (in-process) and #9 consensus latency (in-process)";
    assert!(document.verdict.starts_with(begin), "{}", document.verdict);
    assert!(document.flags[0].starts_with("A check does not hold"), "{:?}", document.flags);
    let html = BenchReport::of(&record, &Past::default()).html();
    assert!(html.contains(r#"<p class="verdict loss">FAIL"#));
    let pressing = advices(&document);
    assert_eq!((pressing[0].level, pressing[1].level), ("High", "High"));
    assert!(pressing[0].evidence[0].contains("expected 0, found 0") && pressing[0].text.starts_with("Mend"));
    let over = "210 ms measured (mean), 200 ms asked, 5.0 % beyond it; 95 % of the median: 210 to 210";
    assert_eq!(pressing[1].evidence, [over]);
    assert_eq!(pressing[1].command, "starling bench swarm --tier fast --provider in-process --category 9");
}

/// What fails, by what, and what it was the last time, each in the unit of the figure that fails.
#[test]
fn why_it_fails_is_told_of_each_figure_in_its_own_unit() {
    let told = |record: &BenchRecord, runs: &[BenchRecord]| -> Vec<String> {
        let document = after_runs(record, runs);
        let notes = document.sections[0].blocks.iter().find_map(|block| match block {
            Block::Notes { title: "What fails, and by what", items, .. } => Some(items.clone()),
            _ => None,
        });
        notes.unwrap()
    };
    let judged = |mut record: BenchRecord| {
        record.benchmarks.iter_mut().for_each(starling_lab::bench::Benchmark::judge);
        record
    };
    let mut record = swarm(1, 1.0);
    let consensus = &mut record.benchmarks[8];
    consensus.samples = Distribution::of(&[1.0; 5]).unwrap();
    let case = &mut consensus.cases[0];
    (case.unit, case.more_is_better, case.requirement) = ("MB/s".into(), true, Some(12.0));
    case.samples = Distribution::of(&[8.5; 5]).unwrap();
    record.benchmarks[9].samples = Distribution::of(&[0.004; 9]).unwrap();
    record.benchmarks[2].checks[0].found = "a thread".into();
    record.benchmarks[2].checks[0].holds = false;
    let record = judged(record);
    let alone = told(&record, &[]);
    let check =
        "#3 parallel against sequential (in-process): nothing is left after destroy: expected 0, found a thread";
    assert_eq!(
        alone,
        [
            check,
            "#9 consensus latency (in-process): one agent is silent: 8.50 MB/s measured, at least 12 MB/s required",
            "#10 inter-agent latency (in-process): 9 samples carry no P95",
        ]
    );
    let mut before = swarm(1, 1.0);
    before.date = "2026-11-20 18:00:00 UTC".into();
    before.benchmarks[8].samples = Distribution::of(&[0.5; 5]).unwrap();
    before.benchmarks[2].samples = Distribution::of(&[1.25; 5]).unwrap();
    before.benchmarks.remove(9);
    let before = judged(before);
    let verdict = after_runs(&record, std::slice::from_ref(&before)).verdict;
    // #9 passed and #3 failed; #10 was not there, so it is not new that it fails.
    assert!(verdict.contains("; 1 newly failing, ") && !verdict.contains("mended"), "{verdict}");
    let verdict = after_runs(&before, std::slice::from_ref(&record)).verdict;
    assert!(verdict.contains("; 1 mended, "), "{verdict}");
    let with_past = told(&record, &[before]);
    let of = "In the run of 2026-11-20 18:00:00 UTC it";
    assert_eq!(with_past[0], format!("{check}. {of} failed, too, with 1.25"));
    assert!(with_past[1].ends_with(&format!(". {of} passed with 0.500 ms")), "{}", with_past[1]);
    assert!(with_past[2].ends_with(". It was not in the run of 2026-11-20 18:00:00 UTC"), "{}", with_past[2]);
}

#[test]
fn recommendations_fire_when_their_condition_holds_and_only_then() {
    let quiet = |change: &dyn Fn(&mut BenchRecord)| {
        let mut record = swarm(1, 1.0);
        change(&mut record);
        record.benchmarks.iter_mut().for_each(starling_lab::bench::Benchmark::judge);
        alone(&record)
    };
    let plain = quiet(&|_| ());
    let by_outliers = |count: usize| {
        let one = |i: usize| 0.9 + 0.001 * (i % 7) as f64 + if i < count { 2.0 } else { 0.0 };
        Distribution::of(&(0..20).map(one).collect::<Vec<_>>()).unwrap()
    };
    let causes: [Cause; 6] = [
        ("debug", "Measure a release build", &|r| r.profile = "debug: not for figures".into()),
        ("busy", "Measure again while nothing else runs", &|r| r.load = Some([1.9, 2.4])),
        ("failing", "Take more samples of #10", &|r| {
            r.benchmarks[9].samples = Distribution::of(&[0.004; 9]).unwrap();
        }),
        ("noisy", "Take more samples before", &|r| {
            r.benchmarks[0].samples = Distribution::of(&[0.5, 0.6, 1.0, 1.6, 1.9]).unwrap();
        }),
        ("steep", "Look at what grows faster", &|r| {
            let squared = |p: &mut starling_lab::bench::Point| p.y = p.x.parse::<f64>().unwrap().powi(2);
            r.benchmarks[4].series[0].points.iter_mut().for_each(squared);
        }),
        ("outlying", "Look at what the outliers", &|r| r.benchmarks[0].samples = by_outliers(2)),
    ];
    for (_, begin, change) in causes {
        assert!(!recommends(&plain, begin), "{begin} without cause");
        assert!(recommends(&quiet(change), begin), "{begin} does not fire");
    }
    // What the specimen is made with: one provider far better, one figure near its limit, a cheaper topology, loose bounds.
    let ends: [Cause; 5] = [
        ("apart", "Run agents in-process", &|r| r.benchmarks.retain(|b| b.provider.as_deref() == Some("process"))),
        ("near", "Find room before", &|r| {
            r.benchmarks.iter_mut().for_each(|b| b.requirement = b.requirement.filter(|_| b.judged == Judged::P95));
        }),
        ("topologies", "Prefer ring of 8", &|r| r.benchmarks.iter_mut().for_each(|b| b.costs.truncate(2))),
        ("loose", "Set targets of our own", &|r| r.benchmarks.iter_mut().for_each(|b| b.target = b.requirement)),
        ("missing", "Measure what is missing", &|r| r.missing.clear()),
    ];
    for (_, begin, change) in ends {
        assert!(recommends(&plain, begin), "{begin}: {:#?}", advices(&plain));
        assert!(!recommends(&quiet(change), begin), "{begin} without cause");
    }
    // Just not enough: one of twenty is what the rule allows, and a record without its cores says nothing of load.
    assert!(!recommends(&quiet(&|r| r.benchmarks[0].samples = by_outliers(1)), "Look at what the outliers"));
    assert!(!recommends(&quiet(&|r| (r.load, r.cores) = (Some([9.0, 9.0]), None)), "Measure again while"));
    let outlying = quiet(&|r| r.benchmarks[0].samples = by_outliers(2));
    let told =
        advices(&outlying).into_iter().find(|advice| advice.text.starts_with("Look at what the outliers")).unwrap();
    assert_eq!((told.level, told.evidence.len()), ("Low", 1));
    assert_eq!(told.evidence[0], "#1 swarm initialisation (in-process): 10.0 % of 20 samples, the largest 2.90 ms");
    // The other two are told from earlier runs; their tests are below.
    let mut tested: Vec<&str> = causes.iter().chain(&ends).map(|(rule, ..)| *rule).chain(["worse", "drifts"]).collect();
    let mut rules: Vec<&str> = bench::rules().into_iter().chain(["failing"]).collect();
    tested.sort_unstable();
    rules.sort_unstable();
    assert_eq!(tested, rules, "every rule has a cause here");
}

/// What a recommendation prints can be typed: the words are those that the command line knows.
#[test]
fn a_command_chooses_what_failed_and_nothing_else() {
    let failing = |mut record: BenchRecord, at: usize| {
        record.benchmarks[at].checks =
            vec![Check { claim: "it was done".into(), expected: "1".into(), found: "0".into(), holds: false }];
        record.benchmarks.iter_mut().for_each(starling_lab::bench::Benchmark::judge);
        advices(&alone(&record))[0].command.clone()
    };
    let of_swarms = "starling bench swarm --tier fast --provider process --category 11";
    assert_eq!(failing(swarm(1, 1.0), 18 + 10), of_swarms);
    let of_the_engine = "starling bench engine --tier standard --category 'engine/order cost/at 1,000'";
    assert_eq!(failing(engine(), 1), of_the_engine);
    let mut mesh = BenchRecord { subject: Subject::Mesh, ..swarm(1, 1.0) };
    let of_the_mesh = "starling bench mesh --tier fast --category 'mesh/9 trading'";
    assert_eq!(failing(mesh.clone(), 8), of_the_mesh);
    mesh.benchmarks[0].id = Id::Path("requirements/spawn in-process".into());
    assert_eq!(failing(mesh, 0), "starling bench mesh --tier fast --category 'requirements/spawn in-process'");
}

#[test]
fn a_slower_engine_is_measured_in_turn() {
    let slower = |before: &str, after: &str| {
        let mut old = engine();
        for b in &mut old.benchmarks {
            b.samples = Distribution::of(&b.samples.raw.iter().map(|x| x * 0.5).collect::<Vec<_>>()).unwrap();
            b.judge();
        }
        old.commit = before.into();
        let record = BenchRecord { commit: after.into(), ..engine() };
        let document = after_runs(&record, &[old]);
        let told = advices(&document).into_iter().find(|advice| advice.text.starts_with("See whether")).unwrap();
        told.command.clone()
    };
    let command = slower("0123456789ab", "ba9876543210");
    let lines: Vec<&str> = command.lines().collect();
    let last = "target/ba9876543210/target/release/starling bench compare target/0123456789ab/target/release/starling \
                target/ba9876543210/target/release/starling --category 'engine/order cost/at 1,000'";
    assert_eq!((lines.len(), lines[4]), (5, last));
    assert_eq!(lines[0], "git worktree add --detach target/0123456789ab 0123456789ab");
    let unknown = "starling bench compare OLD NEW --category 'engine/order cost/at 1,000'";
    for (before, after) in
        [("unknown", "ba9876543210"), ("0123456789ab", "0123456789ab"), ("-x --exec", "0123456789ab")]
    {
        assert_eq!(slower(before, after), unknown);
    }
}

#[test]
fn a_history_of_none_one_two_and_twenty_runs() {
    let record = swarm(1, 1.0);
    let first = text(&record, &Past::default());
    assert!(first.contains("There is no earlier run of this tier on this machine") && !first.contains("Over all runs"));
    assert!(first.contains("| Since last time | first run |"));

    let before = runs(1, 1);
    let second = text(&record, &Past { runs: before.iter().collect(), ..Past::default() });
    assert!(second.contains("Against the run of 2026-10-01 18:00:00 UTC, commit 0123456789ab: 36 benchmarks"));
    assert!(second.contains("2 runs of this tier, machine and build. Drift and jumps can be told from 8 runs on."));
    assert!(second.contains("| Change |") && second.contains("judges nothing"));

    let history = runs(20, 20);
    let calm = text(&record, &Past { runs: history.iter().collect(), ..Past::default() });
    assert!(calm.contains("21 runs of this tier"), "{calm}");
    assert!(!recommends(&after_runs(&record, &history), "Find the commit"), "nothing happened");

    let history = runs(19, 12);
    let jumped = after_runs(&swarm(1, 1.1), &history);
    assert!(recommends(&jumped, "Find the commit or the day"));
    let told = text(&swarm(1, 1.1), &Past { runs: history.iter().collect(), ..Past::default() });
    assert!(told.contains("with the run of 2026-10-13 18:00:00 UTC"), "the first of the slower ones");
}

#[test]
fn a_slower_run_is_told_beside_the_baseline_and_judges_nothing() {
    let (record, named) = (swarm(1, 1.1), swarm(2, 1.0));
    let past = Past { runs: Vec::new(), older: 2, baseline: Some(("autumn", &named)) };
    let document = bench::document(&record, &past);
    assert!(recommends(&document, "See whether what costs over 5 % more"));
    assert!(document.verdict.starts_with("PASS"), "another day fails nothing: {}", document.verdict);
    assert!(document.flags.iter().any(|flag| flag.starts_with("2 kept runs of an older layout")));
    let text = text(&record, &past);
    assert!(text.contains("Against baseline autumn, commit 0123456789ab"));
    let same = Past { baseline: Some(("autumn", &record)), ..Past::default() };
    assert!(!recommends(&bench::document(&record, &same), "See whether"));
    let mut moved = named.clone();
    moved.machine = "another, 64 cores, 1 GiB".into();
    let past = Past { baseline: Some(("autumn", &moved)), ..Past::default() };
    assert!(bench::document(&record, &past).flags.iter().any(|flag| flag.contains("of another machine")));
}

#[test]
fn too_few_samples_are_words_and_not_a_maximum() {
    let mut record = swarm(1, 1.0);
    record.benchmarks.truncate(1);
    let text = text(&record, &Past::default());
    let row = text.lines().find(|line| line.starts_with("| swarm initialisation | in-process | ms | 5 |")).unwrap();
    assert_eq!(row.matches("n too small").count(), 6, "{row}");
}

/// Needs jsonschema and numpy; see `tests/cli/runs.rs`, which checks a measured record. This one has every part.
#[test]
fn an_independent_judge_agrees_with_costs_cases_and_checks() {
    use std::process::Command;
    let found = Command::new("python3").args(["-c", "import jsonschema, numpy"]).output();
    if !found.is_ok_and(|output| output.status.success()) {
        assert!(std::env::var_os("STARLING_PEERS").is_none(), "python3 has no jsonschema or numpy");
        eprintln!("skipped: python3 has no jsonschema or numpy");
        return;
    }
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folder = tempfile::tempdir().unwrap();
    let check = |record: &BenchRecord| {
        let file = folder.path().join("record.json");
        std::fs::write(&file, serde_json::to_string(record).unwrap()).unwrap();
        let mut command = Command::new("python3");
        command.arg(root.join("scripts/bench_check.py")).arg(root.join("docs/bench.schema.json")).arg(file);
        command.output().unwrap()
    };
    for record in [swarm(1, 1.0), engine()] {
        let output = check(&record);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let mut wrong = swarm(1, 1.0);
    wrong.benchmarks[15].costs[0].micro_dollars += 2;
    assert!(!check(&wrong).status.success(), "two millionths too many");
}

/// A file may hold figures that are none: a report is made of whatever can be drawn, and what no measurement comes to is
/// refused with its benchmark.
#[test]
fn a_report_is_made_of_every_record_that_can_be_read() {
    let before = swarm(3, 1.0);
    for wrong in [0.0, -1.0] {
        for of_samples in [false, true] {
            let mut record = swarm(1, 1.0);
            for b in &mut record.benchmarks {
                b.measured = Some(wrong);
                b.cases.iter_mut().for_each(|case| case.measured = Some(wrong));
                if of_samples {
                    b.samples = Distribution::of(&[wrong, 1.0, 2.0]).unwrap();
                    b.series.iter_mut().flat_map(|series| &mut series.points).for_each(|point| point.y = wrong);
                }
            }
            for (record, other) in [(&record, &before), (&before, &record)] {
                let past = Past { runs: vec![other], older: 0, baseline: Some(("other", other)) };
                assert_eq!(bench::check(record, &past), Ok(()));
                let report = BenchReport::of(record, &past);
                assert!(report.html().contains("Executive summary"));
                for (name, svg) in report.markdown("charts").1 {
                    assert!(!svg.contains("NaN") && !svg.contains("inf"), "{wrong}: {name}: {svg}");
                }
            }
        }
    }
    for wrong in [1e100, -1e300] {
        let mut record = swarm(1, 1.0);
        record.benchmarks[8].samples.max = wrong;
        let told = bench::check(&record, &Past::default()).unwrap_err();
        assert!(told.contains("benchmark `9 consensus latency"), "{told}");
        assert!(told.contains(&format!("`max` is {wrong:e}, ")), "{told}");
        let past = Past { baseline: Some(("autumn", &record)), ..Past::default() };
        assert_eq!(bench::check(&before, &past), Err(told));
    }
}

#[test]
fn the_shares_of_limits_have_a_title_that_fits() {
    let document = alone(&swarm(1, 1.0));
    let strips = document.sections[0].blocks.iter().find_map(|block| match block {
        Block::Strips(strips) => Some(strips),
        _ => None,
    });
    let title = &strips.unwrap().title;
    // A heading has 15 pixels, and its letters some 8 of them each.
    assert!(title.chars().count() * 8 < 1_040, "{title}");
    assert!(text(&swarm(1, 1.0), &Past::default()).contains("\n\nLeft of the line is inside; "));
}
