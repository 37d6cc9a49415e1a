//! Runs that do not reach their end, and folders that cannot be written: nothing half-written is left, and what was there
//! before is as it was.

use std::fmt::Write as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::scene::{BARS, BARS_HEADER, Catalogue, Said, Scene, config_of_quotes};

/// So many quotes that no machine is through before it is interrupted.
const QUOTES: u64 = 3_000_000;
/// How long to wait for a run to begin.
const PATIENCE: Duration = Duration::from_secs(60);

fn long() -> Scene {
    let scene = Scene::new();
    let mut text = String::from("ts_ms,bid,ask\n");
    for n in 0..QUOTES {
        let (ts, cents) = (1_704_067_200_000 + n * 10, n % 90 + 10);
        writeln!(text, "{ts},10.{cents},11.{cents}").unwrap();
    }
    scene.write("quotes.csv", text);
    scene.write("run.toml", config_of_quotes("quotes.csv", ""));
    scene
}

/// Starts the command, waits for `sign` to be there, and interrupts it as Ctrl-C does.
#[cfg(unix)]
pub(crate) fn interrupted(scene: &Scene, arguments: &[&str], sign: &str) -> Said {
    let mut command = scene.command(arguments);
    let mut child: Child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let begun = Instant::now();
    while !scene.path(sign).exists() {
        assert!(begun.elapsed() < PATIENCE, "{sign} does not come");
        assert!(child.try_wait().unwrap().is_none(), "ended before {sign} was there");
        std::thread::sleep(Duration::from_millis(1));
    }
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    child.wait_with_output().unwrap().into()
}

#[cfg(unix)]
#[test]
fn an_interrupted_run_leaves_nothing_half_written() {
    let scene = long();
    let said = interrupted(&scene, &["backtest", "run.toml", "--out", "out"], "out/journal.partial");
    assert_eq!((said.code, said.stdout.as_str()), (1, ""), "{}", said.stderr);
    assert!(said.stderr.starts_with("error: interrupted after "), "{}", said.stderr);
    assert_eq!(scene.files(), ["quotes.csv", "run.toml"]);
    let said = interrupted(&scene, &["data", "import", "quotes.csv", "to/quotes.parquet"], "to/quotes.parquet.part");
    assert_eq!((said.code, said.stdout.as_str()), (1, ""), "{}", said.stderr);
    assert!(said.stderr.starts_with("error: interrupted after "), "{}", said.stderr);
    assert_eq!(scene.files(), ["quotes.csv", "run.toml"]);
}

#[test]
fn a_run_that_fails_leaves_what_was_there() {
    let scene = Scene::of_bars(BARS_HEADER, &BARS);
    assert_eq!(scene.run(&["backtest", "run.toml"]).code, 0);
    let contents = |scene: &Scene| -> Vec<(String, Vec<u8>)> {
        let files = scene.files().into_iter().filter(|name| name.starts_with("out/"));
        files.map(|name| (name.clone(), scene.read(&name))).collect()
    };
    let before = contents(&scene);
    assert!(before.iter().any(|(name, _)| name == "out/journal"));
    let mut rows = BARS;
    rows[4] = "2024-01-05,11.2,11.5,11,nan,70";
    scene.bars(BARS_HEADER, &rows);
    let said = scene.run(&["backtest", "run.toml"]);
    assert_eq!(said.code, 2, "{}", said.stderr);
    assert!(contents(&scene) == before);
}

#[test]
fn a_folder_that_cannot_be_written_is_told_before_anything_runs() {
    let mut told = Catalogue::default();
    let scene = Scene::of_bars(BARS_HEADER, &BARS);
    scene.write("taken", "a file where a folder should be");
    told.case("of a run", &scene, &["backtest", "run.toml", "--out", "taken/out"]);
    told.case("of a journal", &scene, &["backtest", "run.toml", "--out", "out", "--journal", "taken/journal"]);
    told.case("of the demo", &scene, &["demo", "--out", "taken"]);
    told.case("of an import", &scene, &["data", "import", "bars.csv", "taken/bars.parquet"]);
    told.case("of the sample", &scene, &["data", "sample", "taken"]);
    insta::assert_snapshot!("folders", told.text());
    assert_eq!(scene.read("taken"), b"a file where a folder should be");
}
