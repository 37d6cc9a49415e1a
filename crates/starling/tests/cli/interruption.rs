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

/// Quotes so many milliseconds apart.
fn long(apart: u64) -> Scene {
    let scene = Scene::new();
    let mut text = String::from("ts_ms,bid,ask\n");
    for n in 0..QUOTES {
        let (ts, cents) = (1_704_067_200_000 + n * apart, n % 90 + 10);
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
    let scene = long(10);
    let said = interrupted(&scene, &["backtest", "run.toml", "--out", "out"], "out/journal.partial");
    assert_eq!((said.code, said.stdout.as_str()), (130, ""), "{}", said.stderr);
    assert!(said.stderr.starts_with("error: interrupted after "), "{}", said.stderr);
    assert_eq!(scene.files(), ["quotes.csv", "run.toml"]);
    let said = interrupted(&scene, &["data", "import", "quotes.csv", "to/quotes.parquet"], "to/quotes.parquet.part");
    assert_eq!((said.code, said.stdout.as_str()), (130, ""), "{}", said.stderr);
    assert!(said.stderr.starts_with("error: interrupted after "), "{}", said.stderr);
    assert!(said.stderr.ends_with("; nothing was written\n"), "{}", said.stderr);
    assert_eq!(scene.files(), ["quotes.csv", "run.toml"]);
}

/// Days that were finished stay in a store, which is told, with the way on.
#[cfg(unix)]
#[test]
fn an_interrupted_import_says_what_the_store_has_of_it() {
    let scene = long(100);
    let import = ["data", "import", "quotes.csv", "store", "--instrument", "AAA.SIM"];
    let said = interrupted(&scene, &import, "store/quotes/AAA.SIM/2024-01-01.parquet");
    assert_eq!((said.code, said.stdout.as_str()), (130, ""), "{}", said.stderr);
    let days = scene.files().into_iter().filter(|name| name.starts_with("store/")).count();
    let those = if days == 1 { "1 day".to_owned() } else { format!("{days} days") };
    let told = format!("; {those} of it had been written to the store, and stay");
    assert!(said.stderr.contains(&told) && said.stderr.ends_with("with --existing merge\n"), "{}", said.stderr);
    let said = scene.run(&[&import[..], &["--existing", "merge", "--json"]].concat());
    let object = said.json();
    assert_eq!((said.code, &object["rows"]), (0, &QUOTES.into()), "{}", said.stderr);
    let written = object["written"].as_array().unwrap();
    assert_eq!(written.iter().map(|day| day["rows"].as_u64().unwrap()).sum::<u64>(), QUOTES);
    assert_eq!(written.iter().filter(|day| day["kept"] == day["rows"]).count(), days);
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
    std::fs::create_dir(scene.path("journal")).unwrap();
    told.case("of a journal that is a folder", &scene, &["backtest", "run.toml", "--journal", "journal"]);
    insta::assert_snapshot!("folders", told.text());
    assert_eq!(scene.read("taken"), b"a file where a folder should be");
}

/// Nothing but a journal is written over by one: not a configuration, nor data.
#[test]
fn a_journal_takes_the_place_of_nothing_else() {
    let scene = Scene::of_bars(BARS_HEADER, &BARS);
    for name in ["run.toml", "bars.csv"] {
        let before = scene.read(name);
        let said = scene.run(&["backtest", "run.toml", "--json", "--journal", name]);
        assert_eq!((said.code, said.stdout.as_str()), (2, ""), "{}", said.stderr);
        let told =
            format!("error: {name}: is no journal, and would be replaced by one; give another file with --journal\n");
        assert_eq!(said.stderr, told);
        assert!(scene.read(name) == before, "{name}");
    }
    scene.write("mine", "");
    for _ in 0..2 {
        let said = scene.run(&["backtest", "run.toml", "--json", "--journal", "mine"]);
        assert_eq!(said.code, 0, "{}", said.stderr);
    }
    assert!(scene.read("mine").starts_with(b"STARLJNL"));
}

/// The demo lays its configuration down to be changed.
#[test]
fn a_demo_that_was_changed_is_not_written_over() {
    let scene = Scene::new();
    let bundled = include_bytes!("../../demo/demo.toml");
    let changed = [&bundled[..], b"# mine\n"].concat();
    std::fs::create_dir_all(scene.path("out/journal")).unwrap();
    scene.write("out/demo.toml", &changed);
    let said = scene.run(&[]);
    let told =
        "error: out/demo.toml was changed: run `starling backtest out/demo.toml`, or give another folder with --out\n";
    assert_eq!((said.code, said.stderr.as_str()), (2, told));
    assert!(scene.read("out/demo.toml") == changed);
    // As it was laid down it is no obstacle; the folder in the journal's place is one.
    scene.write("out/demo.toml", bundled);
    let said = scene.run(&[]);
    assert!(said.code == 2 && said.stderr.contains("out/journal: is a folder"), "{}", said.stderr);
}
