//! Faulty configurations: all faults at once, each with its line and what would be right.

use std::fs;
use std::path::{Path, PathBuf};

use crate::scene::{BARS, BARS_HEADER, Catalogue, Scene, config_of_bars};

/// Every kind of fault in one file.
const FAULTY: &str = r#"name = "trial"
sead = 7

[[venues]]
id = "SIM"
touch_fills = "no"

[[venues]]
id = "SIM"
slippage = { chance = 2.0 }

[[accounts]]
venue = "SMI"
kind = "margn"
balances = { USD = "ten" }

[[instruments]]
id = "AAA.SIM"
template = "equity"
quote = "USD"
tikc = "0.01"

[[data]]
instrument = "AAB.SIM"
path = "bars.csv"
kind = "bars"
on_crosed = "drop"

[[data]]
instrument = "AAA.SIM"
path = "bars.csv"
kind = "bars"
series = "1 day"

[[strategies]]
id = "cross"
kind = "ema_crossing"

[[strategies]]
id = "cross"
kind = "ema_cross"
instrument = "AAA.SIM"
bars = "1d last external"
fsat = 3
slow = "twenty"
size = { fixed = 1 }

[[strategies]]
id = "other"
kind = "ema_cross"
instrument = "AAA.SIM"
bars = "1d last external"
fast = 20
slow = 10
size = { fixed = 1 }
"#;

#[test]
fn every_fault_is_told_at_once_with_its_line() {
    let scene = Scene::new();
    let mut told = Catalogue::default();
    scene.write("run.toml", FAULTY);
    told.case("a fault of every kind", &scene, &["config", "check", "run.toml"]);
    scene.write("run.toml", "name = \"a\nvenues = [\n");
    told.case("not TOML", &scene, &["config", "check", "run.toml"]);
    scene.write("run.toml", "");
    told.case("nothing", &scene, &["config", "check", "run.toml"]);
    scene.write("run.toml", "name = \"a\"\nvenues = []\naccounts = 1\n[[instruments]]\n[[data]]\n");
    told.case("empty sections", &scene, &["config", "check", "run.toml"]);
    scene.write("run.toml", config_of_bars());
    told.case("none", &scene, &["config", "check", "run.toml"]);
    told.case("no file", &scene, &["config", "check", "ran.toml"]);
    told.case("a folder", &scene, &["config", "check", "."]);
    told.case("an unknown key set", &scene, &["config", "show", "run.toml", "--set", "strategies.fast=3"]);
    told.case("a wrong value set", &scene, &["backtest", "run.toml", "--set", "accounts.0.kind=loan"]);
    told.case("no element of that number", &scene, &["config", "check", "run.toml", "--set", "data.4.path=x.csv"]);
    told.case("a setting without a value", &scene, &["config", "check", "run.toml", "--set", "seed"]);
    insta::assert_snapshot!("configuration", told.text());
}

#[test]
fn a_run_is_refused_as_the_check_refuses() {
    let scene = Scene::of_bars(BARS_HEADER, &BARS);
    scene.write("run.toml", FAULTY);
    let (check, run) = (scene.run(&["config", "check", "run.toml"]), scene.run(&["backtest", "run.toml", "--json"]));
    assert_eq!((check.code, run.code, run.stdout.as_str()), (2, 2, ""));
    assert_eq!(check.stderr, run.stderr);
}

fn configurations(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            configurations(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "toml") {
            found.push(path);
        }
    }
}

#[test]
fn what_is_shown_of_every_example_means_the_same() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut examples = vec![root.join("demo/demo.toml"), root.join("demo/rules.toml")];
    configurations(&root.join("../../examples"), &mut examples);
    assert!(examples.len() > 8, "{examples:?}");
    let scene = Scene::new();
    for example in examples {
        let path = example.to_str().unwrap();
        let shown = scene.run(&["config", "show", path]);
        assert_eq!(shown.code, 0, "{path}: {}", shown.stderr);
        scene.write("shown.toml", &shown.stdout);
        let again = scene.run(&["config", "show", "shown.toml"]);
        assert_eq!(again.stdout, shown.stdout, "{path}: {}", again.stderr);
        let read = |text: &str| starling_lab::config::Config::read(text).unwrap();
        assert_eq!(read(&shown.stdout), read(&fs::read_to_string(&example).unwrap()), "{path}");
    }
}

#[test]
fn a_value_set_is_shown() {
    let scene = Scene::of_bars(BARS_HEADER, &BARS);
    let said = scene.run(&["config", "show", "run.toml", "--set", "data.path=other.csv", "--set", "seed=9", "--json"]);
    let object = said.json();
    assert_eq!((&object["seed"], &object["data"][0]["path"]), (&9.into(), &"other.csv".into()));
}
