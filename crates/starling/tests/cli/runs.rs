//! Kept runs of benchmarks: their report, their names, their schema, and what is said of a folder that is broken.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::scene::{Catalogue, Scene};

/// A benchmark that takes no time to prepare.
const QUICK: &str = "risk_calculations/sizing/Kelly(0.55, 1.5, 1.0)";

fn root() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// `docs/bench.schema.json` is what the program prints: `starling bench schema > docs/bench.schema.json` mends it.
#[test]
fn the_published_schema_is_the_program_s() {
    let said = Scene::new().run(&["bench", "schema"]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    let published = std::fs::read_to_string(root().join("docs/bench.schema.json")).unwrap();
    assert_eq!(published, said.stdout);
    assert_eq!(said.json()["$schema"], "https://json-schema.org/draft/2020-12/schema");
}

#[test]
fn every_run_is_kept_and_the_report_compares_with_the_one_before() {
    let scene = Scene::new();
    let measure = |more: &[&str]| {
        let said = scene.run(&[&["bench", "engine", "--category", QUICK, "--out", "out"], more].concat());
        assert_eq!(said.code, 0, "{}", said.stderr);
    };
    let kept = || scene.files().into_iter().filter(|file| file.starts_with("out/runs/")).collect::<Vec<_>>();
    measure(&[]);
    let first = scene.read("out/bench.html");
    assert!(String::from_utf8_lossy(&first).contains("first run"));
    assert_eq!(kept().len(), 1, "{:?}", kept());
    let whole: Value = serde_json::from_slice(&scene.read("out/bench.json")).unwrap();
    let one: Value = serde_json::from_slice(&scene.read(&kept()[0])).unwrap();
    assert_eq!(whole, one, "the latest is the one that was kept");

    let named = scene.run(&["bench", "baseline", "autumn", "--out", "out", "--json"]).json();
    assert_eq!(named["file"], "out/baselines/autumn.json");
    measure(&["--baseline", "autumn"]);
    assert_eq!(kept().len(), 2, "{:?}", kept());
    let text = String::from_utf8(scene.read("out/bench.md")).unwrap();
    assert!(text.contains("Against baseline autumn") && text.contains("Against the run of "), "{text}");
    assert!(text.contains("2 runs of this tier, machine and build."), "{text}");

    // Rendered again from the result alone: the same, and the earlier run has nothing before it.
    let before = scene.read("out/bench.md");
    let said = scene.run(&["bench", "report", "out/bench.json", "--baseline", "autumn", "--json"]);
    assert_eq!(said.json()["report"], "out/bench.html", "{}", said.stderr);
    assert_eq!(scene.read("out/bench.md"), before);
    let earlier = &kept()[0];
    assert_eq!(scene.run(&["bench", "report", earlier]).code, 0);
    let page = scene.read(&format!("{}/bench.html", earlier.trim_end_matches(".json")));
    assert!(String::from_utf8_lossy(&page).contains("first run"));
    assert_eq!(kept().iter().filter(|file| file.ends_with(".json")).count(), 2, "a report is no run");
}

#[test]
fn what_cannot_be_reported_is_refused() {
    let scene = Scene::new();
    assert_eq!(scene.run(&["bench", "engine", "--category", QUICK, "--out", "good"]).code, 0);
    let record = String::from_utf8(scene.read("good/bench.json")).unwrap();
    std::fs::create_dir_all(scene.path("broken/runs")).unwrap();
    scene.write("broken/runs/torn.json", r#"{"schema": 2, "subject": "engine", "bench"#);
    scene.write("broken/bench.json", &record);
    std::fs::create_dir_all(scene.path("older/runs")).unwrap();
    scene.write("older/runs/first.json", r#"{"schema": 1, "benchmarks": []}"#);
    scene.write("older/bench.json", &record);
    scene.write("old.json", r#"{"schema": 1}"#);
    scene.write("other.json", record.replace(r#""subject": "engine""#, r#""subject": "swarm""#));
    let mut told = Catalogue::default();
    told.case("no such file", &scene, &["bench", "report", "absent.json"]);
    told.case("an older layout", &scene, &["bench", "report", "old.json"]);
    told.case("a torn run among the kept", &scene, &["bench", "report", "broken/bench.json"]);
    told.case("told before anything is measured", &scene, &["bench", "engine", "--category", QUICK, "--out", "broken"]);
    told.case("no such baseline", &scene, &["bench", "report", "good/bench.json", "--baseline", "spring"]);
    told.case(
        "a baseline of something else",
        &scene,
        &["bench", "report", "good/bench.json", "--baseline", "other.json"],
    );
    told.case("a baseline without a folder", &scene, &["bench", "engine", "--category", QUICK, "--baseline", "x"]);
    told.case("a name that is a path", &scene, &["bench", "baseline", "../x", "--out", "good"]);
    told.case("nothing to name", &scene, &["bench", "baseline", "x", "--out", "empty"]);
    insta::assert_snapshot!(told.text());
    assert!(!scene.path("broken/bench.html").exists(), "nothing was measured or written");

    // A run of an older layout is left out, and the report says so.
    assert_eq!(scene.run(&["bench", "report", "older/bench.json"]).code, 0);
    let text = String::from_utf8(scene.read("older/bench.md")).unwrap();
    assert!(text.contains("1 kept run of an older layout left out"), "{text}");
}

/// One flag for all of them; where it would change nothing it is no silent word.
#[test]
fn prices_are_taken_where_there_are_costs_and_refused_elsewhere() {
    let scene = Scene::new();
    scene.write("prices.toml", "[[prices]]\nprovider = \"mine\"\nvcpu_second = \"0.1\"\n");
    scene.write("bench.json", "{}");
    let mut told = Catalogue::default();
    told.case("the engine has no costs", &scene, &["bench", "engine", "--list", "--prices", "prices.toml"]);
    told.case("the mesh has no costs", &scene, &["bench", "mesh", "--category", "mesh/5", "--prices", "prices.toml"]);
    told.case("a result keeps its own", &scene, &["bench", "report", "bench.json", "--prices", "prices.toml"]);
    insta::assert_snapshot!(told.text());
    assert_eq!(scene.files(), ["bench.json", "prices.toml"]);
}

/// Needs jsonschema and numpy: `pip install jsonschema numpy`. Without them it says so and passes, but fails if
/// STARLING_PEERS is set.
#[test]
fn jsonschema_and_numpy_agree_with_a_real_record() {
    let found = Command::new("python3").args(["-c", "import jsonschema, numpy"]).output();
    if !found.is_ok_and(|output| output.status.success()) {
        assert!(std::env::var_os("STARLING_PEERS").is_none(), "python3 has no jsonschema or numpy");
        eprintln!("skipped: python3 has no jsonschema or numpy");
        return;
    }
    let scene = Scene::new();
    let said = scene.run(&["bench", "engine", "--category", "risk_calculations/sizing", "--out", "out"]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    let check = |record: &Path| {
        let script = root().join("scripts/bench_check.py");
        let schema = root().join("docs/bench.schema.json");
        Command::new("python3").arg(script).arg(schema).arg(record).output().unwrap()
    };
    let output = check(&scene.path("out/bench.json"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // The judge judges: a percentile, a verdict or a key that is not so is found.
    let record: Value = serde_json::from_slice(&scene.read("out/bench.json")).unwrap();
    let changes: [fn(&mut Value); 3] = [
        |r| r["benchmarks"][0]["median"] = (r["benchmarks"][0]["median"].as_f64().unwrap() * 1.001).into(),
        |r| r["benchmarks"][0]["pass"] = false.into(),
        |r| r["schema"] = 1.into(),
    ];
    for (place, change) in changes.into_iter().enumerate() {
        let mut wrong = record.clone();
        change(&mut wrong);
        scene.write("wrong.json", wrong.to_string());
        assert!(!check(&scene.path("wrong.json")).status.success(), "change {place} is not found");
    }
}
