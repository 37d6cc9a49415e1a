//! Data on its way in and out: captures to frames, tables to a store, a store to every format, and back.

use std::fs;

use crate::scene::{BARS, BARS_HEADER, Catalogue, Scene};

const CAPTURE: &str = "wss://stream.example/ws <-> 1723161253.5\n\
    wss://stream.example/ws <- 1723161253.6: {\"method\":\"SUBSCRIBE\"}\n\
    1723161254.25: {\"u\":1}\n\
    1723161254.125: {\"u\":2}\n\
    1723161299.5: {\"u\":2}\n";

#[test]
fn a_capture_becomes_frames_that_are_checked_and_mended() {
    let scene = Scene::new();
    scene.write("BINANCE.ws.0", CAPTURE);
    scene.write("BINANCE.0", "https://api.example/info -> 1723161253.25: {}\nconfiguration: {}\n");
    let said = scene.run(&["data", "import", "BINANCE.ws.0", "--with", "BINANCE.0", "out/x.frames", "--json"]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    assert_eq!((&said.json()["frames"], &said.json()["sources"][1]["unstamped"]), (&6.into(), &1.into()));
    let again = scene.run(&["data", "import", "BINANCE.0", "out/x.frames"]);
    assert_eq!(again.code, 2);
    assert!(again.stderr.contains("is there already"), "{}", again.stderr);

    let said = scene.run(&["data", "inspect", "out/x.frames", "--json"]);
    let object = said.json();
    assert_eq!(object["session"]["venue"], "BINANCE");
    let ws = &object["connections"]["0"];
    assert_eq!((&ws["frames"]["received"], &ws["disorder"], &ws["duplicates"]), (&3.into(), &1.into(), &1.into()));
    assert_eq!((&ws["silences"], &ws["silence_ns_max"]), (&1.into(), &45_375_000_000_u64.into()));
    let said = scene.run(&["data", "check", "out/x.frames"]);
    assert_eq!(said.code, 0);
    for word in ["disorder", "block 0 frame 4", "silence", "longest pause of connection 0: 45375.0 ms"] {
        assert!(said.stderr.contains(word), "{word}: {}", said.stderr);
    }
    assert_eq!(scene.run(&["data", "check", "out/x.frames", "--silence", "46s"]).code, 0);
    let said = scene.run(&["data", "check", "out/x.frames", "--silence", "45s"]);
    assert_eq!(said.code, 1, "the pause is 45.375 s long");
    assert!(said.stderr.contains("fail    connection 0  silence"), "{}", said.stderr);

    let mut bytes = scene.read("out/x.frames");
    bytes.extend(b"FBLK and then the power went");
    scene.write("y.frames.part", bytes);
    let torn = scene.run(&["data", "check", "y.frames.part"]);
    assert_eq!(torn.code, 1);
    assert!(torn.stderr.contains("starling data recover y.frames.part"), "{}", torn.stderr);
    let said = scene.run(&["data", "recover", "y.frames.part", "--json"]);
    assert_eq!((&said.json()["path"], &said.json()["cut_bytes"]), (&"y.frames".into(), &28.into()));
    assert_eq!(scene.read("y.frames"), scene.read("out/x.frames"));
    let wrong = scene.run(&["data", "import", "y.frames", "z.csv"]);
    assert_eq!(wrong.code, 2, "frames are decoded first: {}", wrong.stderr);
}

#[test]
fn a_store_is_filled_once_and_written_out_in_every_format() {
    let scene = Scene::of_bars(BARS_HEADER, &BARS);
    let import = ["data", "import", "bars.csv", "store", "--instrument", "AAA.SIM"];
    let unnamed = scene.run(&["data", "import", "bars.csv", "store"]);
    assert_eq!(unnamed.code, 2);
    assert!(unnamed.stderr.contains("--instrument"), "{}", unnamed.stderr);
    let said = scene.run(&import);
    assert_eq!(said.code, 0, "{}", said.stderr);
    assert!(said.stderr.contains("5 rows, 5 day files"), "{}", said.stderr);
    let refused = scene.run(&import);
    assert_eq!(refused.code, 2);
    assert!(refused.stderr.contains("--existing merge"), "{}", refused.stderr);
    let path = "store/bars-1d/AAA.SIM/2024-01-03.parquet";
    let before = scene.read(path);
    let merged = scene.run(&[&import[..], &["--existing", "merge", "--json"]].concat());
    assert_eq!(merged.json()["written"][1]["kept"], 1);
    assert_eq!(scene.read(path), before, "importing twice changes nothing");
    let said = scene.run(&["data", "inspect", "store", "--json"]);
    let found = &said.json()["store"][0];
    assert_eq!((&found["kind"], &found["days"], &found["last"]), (&"bars-1d".into(), &5.into(), &"2024-01-06".into()));

    for name in ["a.csv", "a.csv.zst", "a.parquet", "a.arrow", "a.dbn", "a.dbn.zst"] {
        let said = scene.run(&["data", "export", "store", name]);
        assert_eq!(said.code, 0, "{name}: {}", said.stderr);
        let back = format!("back-{name}.csv");
        // DBN stamps bars at their open, which its inspection knows.
        let said = scene.run(&["data", "import", name, &back, "--json"]);
        assert_eq!(said.code, 0, "{name}: {}", said.stderr);
        assert_eq!(fs::read(scene.path(&back)).unwrap(), fs::read(scene.path("a.csv")).unwrap(), "{name}");
        assert_eq!(scene.run(&["data", "check", name]).code, 0, "{name}");
    }
    let part = ["data", "export", "store", "part.csv", "--from", "2024-01-03", "--until", "2024-01-05T00:00:00Z"];
    assert_eq!(scene.run(&[&part[..], &["--json"]].concat()).json()["rows"], 2);
    let wrong = scene.run(&["data", "export", "store", "x.csv", "--kind", "quotes"]);
    assert_eq!(wrong.code, 2);
    assert!(wrong.stderr.contains("it has bars-1d"), "{}", wrong.stderr);
    let wrong = scene.run(&["data", "export", "store", "x.xml"]);
    assert!(wrong.code == 2 && wrong.stderr.contains("is no name to write to"), "{}", wrong.stderr);
    assert_eq!(scene.run(&["data", "inspect", "out"]).code, 2, "no such folder");
    let left: Vec<String> = scene.files().into_iter().filter(|f| f.ends_with(".part")).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn what_cannot_be_exported_is_told() {
    let scene = Scene::of_bars(BARS_HEADER, &BARS);
    assert_eq!(scene.run(&["data", "import", "bars.csv", "store", "--instrument", "AAA.SIM"]).code, 0);
    let mut told = Catalogue::default();
    told.case("a name that says no format", &scene, &["data", "export", "store", "out.txt"]);
    told.case("the same of an import", &scene, &["data", "import", "bars.csv", "out.txt"]);
    told.case("no store", &scene, &["data", "export", "stor", "x.csv"]);
    told.case("a range without rows", &scene, &["data", "export", "store", "x.csv", "--from", "2024-02-01"]);
    insta::assert_snapshot!("export", told.text());
    assert!(!scene.path("out.txt").exists() && !scene.path("x.csv").exists());
}

/// Quotes of every second from midnight on, a hundred before and after a minute of silence in which the price jumps by a
/// hundred of its usual steps; and one quote two days later.
fn quotes() -> String {
    let mut text = "ts,bid,ask,bid_size,ask_size\n".to_owned();
    let row = |second: u64, cents: u64| {
        let (ts, bid, ask) = (1_704_153_600 + second, 10_000 + cents, 10_002 + cents);
        format!("{ts},{}.{:02},{}.{:02},1,1\n", bid / 100, bid % 100, ask / 100, ask % 100)
    };
    text.extend((0..100).map(|n| row(n, n % 2)));
    text.extend((100..200).map(|n| row(60 + n, 100 + n % 2)));
    text + &row(2 * 86_400, 100)
}

#[test]
fn a_store_is_checked_against_thresholds() {
    let scene = Scene::new();
    scene.write("quotes.csv", quotes());
    let import = ["data", "import", "quotes.csv", "store", "--instrument", "AAA.SIM", "--ts-unit", "s"];
    assert_eq!(scene.run(&import).code, 0);
    let check = |more: &[&str]| scene.run(&[&["data", "check", "store"], more].concat());
    let said = check(&[]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    for words in ["quotes AAA.SIM: 201 rows in 2 days", "note    outlier", "note    missing_day", "2024-01-03"] {
        assert!(said.stderr.contains(words), "{words}: {}", said.stderr);
    }
    let said = check(&["--json"]).json();
    let counts = |said: &serde_json::Value| {
        let found = said["parts"][0]["findings"].as_array().unwrap().iter();
        found.map(|f| (f["fault"].as_str().unwrap().to_owned(), f["count"].as_u64().unwrap())).collect::<Vec<_>>()
    };
    assert_eq!(said["clean"], true);
    let named = |name: &str| (name.to_owned(), 1);
    assert_eq!(counts(&said), [named("gap"), named("outlier"), named("missing_day")], "only the days apart are a gap");

    // The jump is 100 steps of one cent in 100: some 67 robust standard deviations.
    assert_eq!(check(&["--outlier-sigma", "70"]).code, 0);
    let said = check(&["--outlier-sigma", "60", "--json"]);
    assert_eq!((said.code, &said.json()["clean"]), (1, &false.into()));
    let outlier = &said.json()["parts"][0]["findings"][1];
    assert_eq!((&outlier["effect"], &outlier["at"][0]), (&"fail".into(), &1_704_153_760_000_000_000_u64.into()));
    assert!(said.stderr.contains("1 of 1 parts have faults"), "{}", said.stderr);

    let said = check(&["--silence", "60s"]);
    assert_eq!(said.code, 1);
    assert!(said.stderr.contains("fail    gap") && said.stderr.contains("2024-01-02T00:02:40Z"), "{}", said.stderr);
    let said = check(&["--silence", "60s", "--json"]).json();
    assert_eq!(said["parts"][0]["findings"][0]["count"], 2);
    assert_eq!(check(&["--silence", "48h"]).code, 0);
    for wrong in [["--silence", "0s"], ["--silence", "60"], ["--outlier-sigma", "-1"], ["--outlier-sigma", "NaN"]] {
        assert_eq!(check(&wrong).code, 2, "{wrong:?}");
    }
    // What a file does not hold, no check finds well.
    scene.write("store/quotes/AAA.SIM/2024-01-03.parquet", "no Parquet");
    let said = check(&[]);
    assert_eq!(said.code, 2, "{}", said.stderr);
    assert!(said.stderr.contains("2024-01-03.parquet"), "{}", said.stderr);
}
