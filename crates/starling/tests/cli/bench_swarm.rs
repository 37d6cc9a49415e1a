//! The eighteen benchmarks of swarms from the command line. Figures are this machine's business; that all are there, and
//! that every check holds, is not.

#![cfg(target_os = "linux")]

use serde_json::{Value, json};

use crate::interruption::interrupted;
use crate::scene::{Said, Scene};

/// The numbers of a record's benchmarks, all of whose checks hold.
#[track_caller]
fn sound(said: &Said, provider: &str) -> Vec<u64> {
    let record = said.json();
    assert_eq!((&record["schema"], &record["subject"]), (&2.into(), &"swarm".into()));
    let missing = record["missing"].as_array().unwrap();
    assert_eq!(missing.iter().map(|m| &m["suite"]).collect::<Vec<_>>(), ["swarm/e2b"]);
    let mut numbers = Vec::new();
    for benchmark in record["benchmarks"].as_array().unwrap() {
        let name = &benchmark["name"];
        assert_eq!(benchmark["provider"], provider, "{name}");
        let checks = benchmark["checks"].as_array().unwrap();
        let broken: Vec<&Value> = checks.iter().filter(|check| check["holds"] != true).collect();
        assert!(broken.is_empty() && checks.len() >= 4, "{name}: {broken:?}");
        assert!(benchmark["measured"].as_f64().is_some(), "{name}: {benchmark}");
        assert!(benchmark["n"].as_u64() >= Some(5) && benchmark["requirement"].as_f64().is_some(), "{name}");
        numbers.push(benchmark["id"].as_u64().unwrap());
    }
    // Whether a figure meets its bound is up to the load of this machine.
    let failing = record["benchmarks"].as_array().unwrap().iter().filter(|b| b["pass"] != true).count();
    assert_eq!(said.code, i32::from(failing > 0), "{}", said.stderr);
    numbers
}

#[test]
fn all_eighteen_in_threads() {
    let scene = Scene::new();
    let said = scene.run(&["bench", "swarm", "--provider", "in-process", "--out", "out", "--json"]);
    assert_eq!(sound(&said, "in-process"), (1..=18).collect::<Vec<_>>());
    let record = said.json();
    let of = |number: usize| &record["benchmarks"][number - 1];
    let cases = |number: usize| -> Vec<&str> {
        of(number)["cases"].as_array().unwrap().iter().map(|case| case["name"].as_str().unwrap()).collect()
    };
    assert_eq!(cases(8).len(), 6, "five strategies and a death");
    assert!(cases(9).contains(&"one agent silent") && cases(9).contains(&"one agent lies, Byzantine mode"));
    assert_eq!(of(17)["costs"].as_array().unwrap().len(), 8, "four topologies by two price tables");
    assert!(!scene.files().iter().any(|file| file.contains("partial")), "{:?}", scene.files());
    assert_eq!(serde_json::from_slice::<Value>(&scene.read("out/bench.json")).unwrap(), record);
}

#[test]
fn some_in_processes() {
    let scene = Scene::new();
    let arguments = ["bench", "swarm", "--provider", "process", "--json"];
    let chosen = ["--category", "1", "--category", "9", "--category", "15"];
    let said = scene.run(&[&arguments[..], &chosen].concat());
    assert_eq!(sound(&said, "process"), [1, 9, 15]);
    assert!(scene.files().is_empty(), "{:?}", scene.files());
}

#[test]
fn an_interrupted_measurement_goes_on() {
    let scene = Scene::new();
    let arguments = ["bench", "swarm", "--provider", "in-process", "--category", "creation", "--out", "out", "--json"];
    let said = interrupted(&scene, &arguments, "out/partial.jsonl");
    assert_eq!((said.code, said.stdout.as_str()), (130, ""), "{}", said.stderr);
    assert!(said.stderr.contains("the same command goes on"), "{}", said.stderr);
    assert_eq!(scene.files(), ["out/partial.jsonl"]);
    // One of the three alone is another command: it is not answered from what is kept, and leaves it.
    let kept = scene.read("out/partial.jsonl");
    let alone = ["bench", "swarm", "--provider", "in-process", "--category", "1", "--out", "out", "--json"];
    let said = scene.run(&alone);
    assert!(said.stderr.contains("stays for the command") && !said.stderr.contains("going on: "), "{}", said.stderr);
    assert_eq!(sound(&said, "in-process"), [1]);
    assert_eq!(scene.read("out/partial.jsonl"), kept);
    // As if it had been begun long ago, on a busy machine: the record says so.
    let text = String::from_utf8(kept).unwrap();
    let mut lines: Vec<&str> = text.lines().collect();
    let circumstances = r#"{"date":"2026-01-02 03:04:05 UTC","load":[9000.0,9001.0],"seconds":1000000.0}"#;
    lines[1] = circumstances;
    scene.write("out/partial.jsonl", lines.join("\n"));
    let said = scene.run(&arguments);
    assert!(said.stderr.contains("going on: "), "{}", said.stderr);
    assert_eq!(sound(&said, "in-process"), [1, 2, 3]);
    let record = said.json();
    assert_eq!((&record["date"], &record["load"]), (&"2026-01-02 03:04:05 UTC".into(), &json!([9000.0, 9001.0])));
    assert!(record["seconds"].as_f64() > Some(1e6), "{}", record["seconds"]);
    assert!(!scene.files().iter().any(|file| file.contains("partial")), "{:?}", scene.files());
}

#[test]
fn what_is_not_there_is_told() {
    let scene = Scene::new();
    let listed = scene.run(&["bench", "swarm", "--list"]);
    assert_eq!((listed.code, listed.stdout.lines().count()), (0, 18), "{}", listed.stderr);
    for (arguments, word) in [
        (&["bench", "swarm", "--category", "speed"][..], "categories are creation"),
        (&["bench", "swarm", "--category", "19"], "numbers 1 to 18"),
        (&["bench", "swarm", "--prices", "absent.toml"], "cannot be read"),
    ] {
        let said = scene.run(arguments);
        assert_eq!(said.code, 2, "{}", said.stderr);
        assert!(said.stderr.contains(word), "{}", said.stderr);
    }
}
