//! The house's rules as tests: arrows point down, sans-I/O crates stay so, and what a reader would stop at is absent.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Crates from the ground up: each may use those before it only.
const FLOORS: [&str; 8] = ["core", "market", "engine", "sim", "swarm", "connect", "lab", "starling"];
/// Crates that see no clock, file, socket or random source.
const SANS_IO: [&str; 5] = ["core", "market", "engine", "sim", "swarm"];
/// Packages that would bring one in.
const WORLDLY: [&str; 12] = [
    "tokio",
    "mio",
    "socket2",
    "async-std",
    "smol",
    "getrandom",
    "rand",
    "chrono",
    "time",
    "reqwest",
    "ureq",
    "memmap2",
];
/// Direct dependencies a crate may have, workspace members not counted.
const BUDGET: [(&str, usize); 2] = [("core", 5), ("engine", 10)];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn dependencies(floor: &str) -> BTreeSet<String> {
    let manifest = fs::read_to_string(root().join("crates").join(floor).join("Cargo.toml")).unwrap();
    let manifest: toml::Table = manifest.parse().unwrap();
    manifest["dependencies"].as_table().unwrap().keys().cloned().collect()
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

fn is_test(path: &Path) -> bool {
    path.components().any(|c| matches!(c.as_os_str().to_str(), Some("tests" | "tests.rs" | "laws.rs" | "golden.rs")))
}

/// The code of a file without its tests, comments and documentation.
fn code(path: &Path) -> String {
    if is_test(path) {
        return String::new();
    }
    let text = fs::read_to_string(path).unwrap();
    let text = text.split("\n#[cfg(test)]\nmod ").next().unwrap_or_default();
    let bare = |line: &&str| !line.trim_start().starts_with("//");
    text.lines().filter(bare).collect::<Vec<_>>().join("\n")
}

#[test]
fn arrows_point_down() {
    for (at, floor) in FLOORS.iter().enumerate() {
        for dependency in dependencies(floor) {
            if let Some(name) = dependency.strip_prefix("starling-") {
                let below = FLOORS.iter().position(|f| *f == name).expect("a crate of the house");
                assert!(below < at, "{floor} must not use {name}");
            }
        }
    }
}

#[test]
fn sans_io_crates_reach_nothing_worldly() {
    let lock: toml::Table = fs::read_to_string(root().join("Cargo.lock")).unwrap().parse().unwrap();
    let mut uses: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for package in lock["package"].as_array().unwrap() {
        let needs = package.get("dependencies").and_then(toml::Value::as_array).into_iter().flatten();
        let needs = needs.filter_map(|d| d.as_str()?.split(' ').next());
        uses.entry(package["name"].as_str().unwrap()).or_default().extend(needs);
    }
    for floor in SANS_IO {
        let direct = dependencies(floor);
        let mut open: Vec<&str> = direct.iter().map(String::as_str).filter(|d| !d.starts_with("starling-")).collect();
        // `cc` only runs while building.
        let mut reached: BTreeSet<&str> = BTreeSet::from(["cc"]);
        while let Some(name) = open.pop() {
            if reached.insert(name) {
                open.extend(uses.get(name).into_iter().flatten());
            }
        }
        for worldly in WORLDLY {
            assert!(!reached.contains(worldly), "{floor} reaches {worldly}");
        }
    }
}

#[test]
fn sans_io_crates_name_no_clock_file_socket_or_random_map() {
    let words = ["Instant::now", "SystemTime", "std::fs", "std::net", "std::env", "std::thread"];
    for floor in SANS_IO {
        for path in sources(&root().join("crates").join(floor).join("src")) {
            let code = code(&path);
            for word in words {
                assert!(!code.contains(word), "{}: {word} in a crate without I/O", path.display());
            }
            // A map with a fixed hasher is as good as any other; only its one definition may name the type.
            let maps = code.lines().filter(|l| l.contains("HashMap") || l.contains("HashSet"));
            let random: Vec<&str> =
                maps.filter(|l| !l.starts_with("use ") && !l.contains("BuildHasherDefault")).collect();
            assert!(random.is_empty(), "{}: a map in random order: {random:?}", path.display());
        }
    }
}

#[test]
fn dependencies_stay_within_their_budget() {
    for (floor, budget) in BUDGET {
        let own: Vec<String> = dependencies(floor).into_iter().filter(|d| !d.starts_with("starling-")).collect();
        assert!(own.len() <= budget, "{floor} has {} direct dependencies: {own:?}", own.len());
    }
}

#[test]
fn nothing_stands_in_for_work() {
    let words = ["todo!(", "unimplemented!(", "dbg!(", "#[allow(", "thread::sleep", "unsafe {", "unsafe fn"];
    for floor in FLOORS {
        for path in sources(&root().join("crates").join(floor).join("src")) {
            let code = code(&path);
            // The one file whose work is to map another into memory.
            let maps = path.ends_with("data/mapped/map.rs");
            for word in words.iter().filter(|word| !(maps && **word == "unsafe {")) {
                assert!(!code.contains(word), "{}: {word}", path.display());
            }
            let text = fs::read_to_string(&path).unwrap();
            assert!(is_test(&path) || text.starts_with("//!"), "{}: a file opens with what it is", path.display());
        }
    }
}
