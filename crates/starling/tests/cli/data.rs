//! Data on its way in and out: captures to frames, tables to a store, a store to every format, and back.

use std::fs;

use crate::scene::{BARS, BARS_HEADER, Scene};

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
