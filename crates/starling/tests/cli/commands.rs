//! The commands about data, reports and the machine, and what all commands share: usage, JSON, pipes.

use std::fs;
use std::process::Stdio;

use serde_json::Value;

use crate::scene::{BARS, BARS_HEADER, Catalogue, Scene};

#[test]
fn wrong_usage_is_told_with_exit_code_two() {
    let scene = Scene::new();
    let mut told = Catalogue::default();
    for arguments in
        [&["bcktest"][..], &["backtest"], &["backtest", "a.toml", "--ouput", "x"], &["data", "import", "a"]]
    {
        told.case("usage", &scene, arguments);
    }
    insta::assert_snapshot!("usage", told.text());
    for group in ["data", "config"] {
        let said = scene.run(&[group]);
        assert_eq!(said.code, 2);
        assert!(said.stderr.contains("Usage: starling"), "{}", said.stderr);
    }
    assert_eq!(scene.run(&["--help"]).code, 0);
    assert_eq!(scene.run(&["--version"]).stdout, format!("starling {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_closed_pipe_is_no_fault() {
    let scene = Scene::new();
    let mut child = scene.command(&["config", "schema"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert!(output.status.success());
}

#[test]
fn nothing_is_drawn_where_nobody_watches() {
    let scene = Scene::of_bars(BARS_HEADER, &BARS);
    let said = scene.run(&["backtest", "run.toml"]);
    assert!(!said.stderr.contains(['\r', '\u{1b}']), "{:?}", said.stderr);
    assert_eq!(said.stdout, "");
}

#[test]
fn the_sample_is_inspected_checked_and_imported() {
    let scene = Scene::new();
    let mut told = Catalogue::default();
    let file = "stocks5_1d_2000_2013.csv.gz";
    told.case("a sample", &scene, &["data", "sample"]);
    told.case("what it holds", &scene, &["data", "inspect", file]);
    told.case("several instruments in one", &scene, &["data", "check", file]);
    told.case("one of them", &scene, &["data", "check", file, "--set", "where.Ticker=IBM"]);
    told.case("all of them as one", &scene, &["data", "import", file, "ibm.parquet"]);
    for to in ["ibm.parquet", "ibm.csv", "ibm.csv.gz", "ibm.csv.zst"] {
        told.case("converted", &scene, &["data", "import", file, to, "--set", "where.Ticker=IBM"]);
    }
    told.case("what came of it", &scene, &["data", "inspect", "ibm.parquet"]);
    told.case("no such file", &scene, &["data", "inspect", "stocks.csv"]);
    told.case("no such format", &scene, &["data", "import", file, "ibm.xlsx"]);
    let wrong = ["data", "import", file, "a.csv", "--set", "wher.Ticker=IBM", "--ts-unit", "ms", "--set", "skip=x"];
    told.case("fields that are not there", &scene, &wrong);
    insta::assert_snapshot!("sample", told.text());
    // The same rows by four ways.
    let digest = |name: &str| {
        let said = scene.run(&["data", "import", name, "same.csv"]);
        assert_eq!(said.code, 0, "{}", said.stderr);
        scene.read("same.csv")
    };
    let first = digest("ibm.csv");
    assert_eq!(
        first.iter().filter(|b| **b == b'\n').count(),
        3_271,
        "3,270 rows of IBM, counted by zgrep, and a header"
    );
    assert!(["ibm.parquet", "ibm.csv.gz", "ibm.csv.zst"].iter().all(|name| digest(name) == first));
}

#[test]
fn columns_are_named_by_hand() {
    let scene = Scene::new();
    scene.write("odd.txt", "10.0;x;1704067200;10.1\n10.2;y;1704067260;10.3\n");
    let said = scene.run(&["data", "check", "odd.txt"]);
    assert_eq!(said.code, 2, "{}", said.stderr);
    let arguments = ["data", "import", "odd.txt", "quotes.csv", "--kind", "quotes", "--columns", "ts=2,bid=0,ask=3"];
    let said = scene.run(&[&arguments[..], &["--set", "delimiter=;", "--timezone", "UTC", "--ts-unit", "s"]].concat());
    assert_eq!(said.code, 0, "{}", said.stderr);
    let text = String::from_utf8(scene.read("quotes.csv")).unwrap();
    assert!(text.contains("1704067200000000000,1704067200000000000,10,10.1,"), "{text}");
}

#[test]
fn a_suggested_table_runs_as_it_is() {
    let scene = Scene::of_bars(BARS_HEADER, &BARS);
    let table = scene.run(&["data", "inspect", "bars.csv"]).stdout.replace("SYMBOL.VENUE", "AAA.SIM");
    let text = fs::read_to_string(scene.path("run.toml")).unwrap();
    let (before, after) = (text.find("[[data]]").unwrap(), text.find("[[strategies]]").unwrap());
    scene.write("run.toml", format!("{}{table}\n{}", &text[..before], &text[after..]));
    let said = scene.run(&["backtest", "run.toml", "--json"]);
    assert_eq!((said.code, &said.json()["events"]), (0, &5.into()), "{}", said.stderr);
}

#[test]
fn a_report_is_written_again_the_same() {
    let scene = Scene::of_bars(BARS_HEADER, &BARS);
    assert_eq!(scene.run(&["backtest", "run.toml"]).code, 0);
    let said = scene.run(&["report", "out/report.json", "--out", "again", "--json"]);
    assert_eq!((said.code, &said.json()["report"]), (0, &"again/report.html".into()), "{}", said.stderr);
    for name in ["report.html", "report.md"] {
        let (again, first) = (scene.read(&format!("again/{name}")), scene.read(&format!("out/{name}")));
        assert!(!first.is_empty() && again == first, "{name} differs");
    }
    let mut told = Catalogue::default();
    let mut record: Value = serde_json::from_slice(&scene.read("out/report.json")).unwrap();
    record["schema"] = 999_999.into();
    scene.write("foreign.json", record.to_string());
    told.case("another schema", &scene, &["report", "foreign.json"]);
    scene.write("other.json", "{\"a\": 1}");
    told.case("another object", &scene, &["report", "other.json"]);
    told.case("no JSON", &scene, &["report", "run.toml"]);
    told.case("no file", &scene, &["report", "report.json"]);
    insta::with_settings!({ filters => [(r"reads \d+", "reads #")] }, {
        insta::assert_snapshot!("report", told.text());
    });
}

#[test]
fn the_doctor_examines_everything_and_leaves_nothing_behind() {
    let scene = Scene::new();
    let said = scene.run(&["doctor", "--json"]);
    let checks = said.json()["checks"].as_array().unwrap().clone();
    let names: Vec<&str> = checks.iter().map(|c| c["check"].as_str().unwrap()).collect();
    let all = ["build", "formats", "processor", "vectors", "memory", "clock", "date", "disk", "output", "locale"];
    assert_eq!(names, all);
    assert_eq!(said.code, 0, "{}", said.stderr);
    assert!(checks.iter().all(|c| (c["state"] == "ok") == c["remedy"].is_null()), "{checks:?}");
    scene.write("taken", "");
    let said = scene.run(&["doctor", "--out", "taken/out"]);
    assert_eq!((said.code, said.stdout.as_str()), (1, ""), "{}", said.stderr);
    assert!(said.stderr.contains("fail  output"), "{}", said.stderr);
    assert_eq!(scene.files(), ["taken"]);
}
