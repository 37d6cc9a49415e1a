//! `starling bench mesh`: whether its figures are good is up to the machine, whether its work is done is not.

use serde_json::Value;

use crate::scene::Scene;

fn checks(benchmark: &Value) -> impl Iterator<Item = &Value> {
    benchmark["checks"].as_array().unwrap().iter()
}

#[test]
fn the_ten_and_the_processes_do_their_work() {
    let scene = Scene::new();
    let chosen = ["mesh/", "start process", "many process", "message process", "throughput process"];
    let chosen = chosen.iter().flat_map(|text| ["--category", text]);
    let words: Vec<&str> = ["bench", "mesh", "--json", "--out", "out"].into_iter().chain(chosen).collect();
    let said = scene.run(&words);
    let record = said.json();
    assert_eq!((&record["schema"], &record["subject"]), (&2.into(), &"mesh".into()));
    assert_eq!(serde_json::from_slice::<Value>(&scene.read("out/bench.json")).unwrap(), record);
    let benchmarks = record["benchmarks"].as_array().unwrap();
    let ids: Vec<String> = benchmarks.iter().map(|benchmark| benchmark["id"].to_string()).collect();
    let ten = ["5", "6", "7", "8", "9", "10"];
    let processes = ["start", "many", "message", "throughput"].map(|path| format!("\"requirements/{path} process\""));
    let expected =
        ten.iter().map(|id| (*id).to_owned()).chain(processes.into_iter().filter(|_| cfg!(target_os = "linux")));
    assert_eq!(ids, expected.collect::<Vec<_>>());
    for benchmark in benchmarks {
        assert!(checks(benchmark).count() > 0 && benchmark["n"].as_u64().unwrap() >= 5, "{benchmark}");
        let broken: Vec<&Value> = checks(benchmark).filter(|check| check["holds"] != true).collect();
        assert!(broken.is_empty(), "{}: {broken:?}", benchmark["name"]);
        eprintln!("{}: {} {}", benchmark["name"], benchmark["measured"], benchmark["unit"]);
        for case in benchmark["cases"].as_array().into_iter().flatten() {
            eprintln!("    {}: {} {}", case["name"], case["measured"], case["unit"]);
        }
    }
    let missing: Vec<&str> = record["missing"].as_array().unwrap().iter().filter_map(|m| m["suite"].as_str()).collect();
    assert!(
        [1, 2, 3, 4].iter().all(|n| missing.iter().any(|suite| suite.starts_with(&format!("mesh/{n} ")))),
        "{missing:?}"
    );
    let failing = benchmarks.iter().filter(|benchmark| benchmark["pass"] == false).count();
    assert_eq!(said.code, i32::from(failing > 0), "{}", said.stderr);
}

#[test]
fn what_there_is_is_listed_and_what_there_is_not_is_told() {
    let scene = Scene::new();
    let said = scene.run(&["bench", "mesh", "--list", "--category", "capability"]);
    let lines: Vec<&str> = said.stdout.lines().collect();
    assert!(
        lines.len() == 2 && lines[0].starts_with("mesh/7 capability: ") && lines[1].starts_with("mesh/9 "),
        "{lines:?}"
    );
    let said = scene.run(&["bench", "mesh", "--category", "telepathy"]);
    assert_eq!(said.code, 2);
    assert!(
        said.stderr.contains("no benchmark is titled `telepathy`") && said.stderr.contains("--list"),
        "{}",
        said.stderr
    );
    assert_eq!(scene.files(), Vec::<String>::new());
}
