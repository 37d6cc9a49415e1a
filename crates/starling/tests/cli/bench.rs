//! Measuring and comparing: what a gate relies on.

use serde_json::Value;

use crate::scene::Scene;

/// A benchmark that takes no time to prepare.
const QUICK: &str = "risk_calculations/sizing/Kelly(0.55, 1.5, 1.0)";

fn only(found: &Value) -> &Value {
    let list = found["comparisons"].as_array().unwrap();
    assert_eq!(list.len(), 1, "{found}");
    &list[0]
}

#[test]
fn two_results_are_told_and_judge_nothing() {
    let scene = Scene::new();
    assert_eq!(scene.run(&["bench", "engine", "--category", QUICK, "--out", "old"]).code, 0);
    let record = scene.read("old/bench.json");
    // The samples are kept as they came, and the median is theirs.
    let mut value: Value = serde_json::from_slice(&record).unwrap();
    let mut raw: Vec<f64> =
        value["benchmarks"][0]["raw"].as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect();
    assert_eq!(raw.len() as u64, value["benchmarks"][0]["n"].as_u64().unwrap());
    raw.sort_by(f64::total_cmp);
    let median = (raw[(raw.len() - 1) / 2] + raw[raw.len() / 2]) / 2.0;
    assert!((value["benchmarks"][0]["median"].as_f64().unwrap() / median - 1.0).abs() < 1e-12);

    // Twice as slow.
    for x in value["benchmarks"][0]["raw"].as_array_mut().unwrap() {
        *x = Value::from(x.as_f64().unwrap() * 2.0);
    }
    scene.write("new.json", value.to_string());
    let said = scene.run(&["bench", "compare", "old/bench.json", "new.json", "--json"]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    assert!(said.stderr.contains("judge nothing"), "{}", said.stderr);
    let found = said.json();
    let one = only(&found);
    assert_eq!((&found["method"], &one["verdict"]), (&"recorded".into(), &"worse".into()));
    assert!((one["ratio"].as_f64().unwrap() - 2.0).abs() < 1e-9);
    let same = scene.run(&["bench", "compare", "old/bench.json", "old/bench.json", "--json"]).json();
    assert_eq!((only(&same)["verdict"].as_str(), only(&same)["ratio"].as_f64()), (Some("same"), Some(1.0)));
}

#[test]
fn two_programs_are_measured_in_turn() {
    let scene = Scene::new();
    let program = env!("CARGO_BIN_EXE_starling");
    let said = scene.run(&["bench", "compare", program, program, "--category", QUICK, "--pairs", "5", "--json"]);
    // Whether a program is slower than itself is up to the noise of this machine.
    let found = said.json();
    let one = only(&found);
    assert_eq!((&found["method"], &one["n"]), (&"paired".into(), &5.into()));
    let ratio = one["ratio"].as_f64().unwrap();
    let [low, high] = [0, 1].map(|i| one["ratio_ci95"][i].as_f64().unwrap());
    assert!(low <= ratio && ratio <= high && low > 0.0);
    assert_eq!(said.code == 1, one["verdict"] == "worse");
}

#[test]
fn instructions_repeat() {
    if std::process::Command::new("valgrind").arg("--version").output().is_err() {
        eprintln!("skipped: no valgrind");
        return;
    }
    let scene = Scene::new();
    let program = env!("CARGO_BIN_EXE_starling");
    let said = scene.run(&["bench", "compare", program, program, "--category", QUICK, "--instructions", "--json"]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    let found = said.json();
    let one = only(&found);
    assert_eq!((&found["method"], &one["verdict"]), (&"instructions".into(), &"same".into()));
    assert!(one["before"].as_f64().unwrap() > 0.0);
    assert!((one["ratio"].as_f64().unwrap() - 1.0).abs() < 0.01, "{one}");
}

/// The whole path is one run at a pace: executed so many times, its rows would be no work at all.
#[test]
fn executions_of_nothing_are_refused() {
    let said = Scene::new().run(&["bench", "engine", "--category", "path/stage/order", "--executions", "1"]);
    assert_eq!((said.code, said.stdout.as_str()), (2, ""), "{}", said.stderr);
    assert!(said.stderr.contains("--executions 1: nothing that is named `path/stage/order`"), "{}", said.stderr);
}

/// No valgrind is needed to find that nothing is left to count.
#[test]
fn instructions_of_the_whole_path_are_not_counted() {
    let program = env!("CARGO_BIN_EXE_starling");
    let arguments = ["bench", "compare", program, program, "--category", "path/stage", "--instructions"];
    let said = Scene::new().run(&arguments);
    assert_eq!(said.code, 2, "{}", said.stderr);
    assert!(said.stderr.contains("no benchmark of both sides"), "{}", said.stderr);
}

#[test]
fn what_cannot_be_compared_is_refused() {
    let scene = Scene::new();
    scene.write("not.json", "{}");
    let program = env!("CARGO_BIN_EXE_starling");
    for (arguments, word) in [
        (&["bench", "compare", "absent", "absent"][..], "cannot be read"),
        (&["bench", "compare", "not.json", "not.json"], "neither a program nor a result"),
        (&["bench", "compare", program, program, "--tolerance", "0"], "--tolerance"),
        (&["bench", "compare", program, program, "--pairs", "2"], "5..=1000"),
    ] {
        let said = scene.run(arguments);
        assert_eq!(said.code, 2, "{}", said.stderr);
        assert!(said.stderr.contains(word), "{}", said.stderr);
    }
}
