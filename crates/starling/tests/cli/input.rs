//! Faulty market data, file by file: each message names file, line and the way out.

use crate::scene::{BARS, BARS_HEADER, Catalogue, Said, Scene, config_of_bars, config_of_quotes};

/// The sound bars with one row replaced.
fn with(at: usize, row: &str) -> Scene {
    let mut rows = BARS;
    rows[at] = row;
    Scene::of_bars(BARS_HEADER, &rows)
}

const BACKTEST: [&str; 2] = ["backtest", "run.toml"];

#[test]
fn a_faulty_bar_file_is_refused_with_its_line() {
    let mut told = Catalogue::default();
    let mut case = |about: &str, scene: Scene| told.case(about, &scene, &BACKTEST);
    case("a column is missing", Scene::of_bars("date,open,high,low,volume", &["2024-01-01,10,11,9,100"]));
    case("a stamp goes back", with(3, "2024-01-02,11.9,12,11,11.2,80"));
    case("a bar stands twice", Scene::of_bars(BARS_HEADER, &[BARS[0], BARS[1], BARS[1], BARS[2]]));
    case("a price is NaN", with(2, "2024-01-03,10.7,12,10.6,NaN,90"));
    case("a price is empty", with(2, "2024-01-03,10.7,12,,11.9,90"));
    case("a price is a word", with(2, "2024-01-03,10.7,12,10.6,twelve,90"));
    case("a volume is negative", with(2, "2024-01-03,10.7,12,10.6,11.9,-90"));
    case("a price is zero", with(2, "2024-01-03,10.7,12,0,11.9,90"));
    case("a high is under the close", with(2, "2024-01-03,10.7,11,10.6,11.9,90"));
    case("a price has too many decimals", with(2, "2024-01-03,10.7,12,10.6,11.90000000001,90"));
    case("a price is too large", with(2, "2024-01-03,10.7,99999999999,10.6,11.9,90"));
    case("a stamp is a word", with(2, "yesterday,10.7,12,10.6,11.9,90"));
    case("a stamp is no date of the calendar", with(2, "2024-02-30,10.7,12,10.6,11.9,90"));
    case("the last row is cut off", with(4, "2024-01-05,11.2,11"));
    case("a quote is never closed", with(2, "2024-01-03,\"10.7,12,10.6,11.9,90"));
    case("there is a header and no row", Scene::of_bars(BARS_HEADER, &[]));
    let scene = Scene::of_bars(BARS_HEADER, &BARS);
    scene.write("bars.csv", "");
    case("the file is empty", scene);
    let scene = Scene::of_bars(BARS_HEADER, &BARS);
    scene.write("bars.csv", b"date,open,high,low,close,volume\n2024-01-01,10,11,9,\xFF,100\n");
    case("the file is not text", scene);
    let scene = Scene::new();
    scene.write("run.toml", config_of_bars());
    case("the file is not there", scene);
    let scene = Scene::new();
    scene.write("run.toml", config_of_bars());
    std::fs::create_dir(scene.path("bars.csv")).unwrap();
    case("a folder is there", scene);
    insta::assert_snapshot!("bars", told.text());
}

#[test]
fn nothing_is_made_for_a_run_whose_data_is_not_there() {
    let scene = Scene::new();
    scene.write("run.toml", config_of_bars());
    let said = scene.run(&BACKTEST);
    assert!(said.code == 2 && said.stderr.starts_with("error: run.toml:18: `data[0].path`: "), "{}", said.stderr);
    assert!(!scene.path("out").exists());
    // What a setting named stands on no line.
    let said = scene.run(&["data", "check", "run.toml", "--set", "path=none.csv"]);
    assert!(said.code == 2 && said.stderr.starts_with("error: `none.csv` is not there"), "{}", said.stderr);
}

/// Files that are not what their names say: what they should be, and a way out that there is.
#[test]
fn files_that_are_something_else_are_told_apart() {
    let scene = Scene::new();
    let mut told = Catalogue::default();
    for name in ["x.parquet", "x.arrow", "x.frames", "x.csv"] {
        scene.write(name, "abc");
        told.case("three bytes", &scene, &["data", "inspect", name]);
        told.case("the same, checked", &scene, &["data", "check", name]);
    }
    told.case("no recording", &scene, &["data", "import", "x.frames", "store"]);
    insta::assert_snapshot!("others", told.text());
}

#[test]
fn a_truncated_archive_is_refused() {
    let whole = include_bytes!("../../demo/stocks5_1d_2000_2013.csv.gz");
    let config = config_of_bars().replace("\"bars.csv\"", "\"bars.csv.gz\"\nwhere = { Ticker = \"AAPL\" }");
    let mut told = Catalogue::default();
    let cut: [(&str, Vec<u8>); 3] = [
        ("half of it is missing", whole[..whole.len() / 2].to_vec()),
        ("its checksum is missing", whole[..whole.len() - 8].to_vec()),
        ("it is no gzip at all", BARS.join("\n").into_bytes()),
    ];
    for (about, bytes) in cut {
        let scene = Scene::new();
        scene.write("run.toml", &config);
        scene.write("bars.csv.gz", bytes);
        told.case(about, &scene, &BACKTEST);
        told.case("the same, checked", &scene, &["data", "check", "run.toml"]);
    }
    let scene = Scene::new();
    scene.write("run.toml", config.replace("bars.csv.gz", "bars.parquet").replace("where", "#"));
    scene.write("bars.parquet", b"PAR1 is how it begins, and no more");
    told.case("a Parquet file is cut off", &scene, &BACKTEST);
    insta::assert_snapshot!("archives", told.text());
}

/// Three quotes a day over two days, the fourth crossed.
const QUOTES: &str = "ts,bid,ask\n\
    2024-01-01T10:00:00Z,10.00,10.01\n2024-01-01T11:00:00Z,10.01,10.02\n2024-01-01T12:00:00Z,10.02,10.03\n\
    2024-01-02T10:00:00Z,10.05,10.04\n2024-01-02T11:00:00Z,10.03,10.04\n2024-01-03T12:00:00Z,10.04,10.05\n";

fn crossed(policy: &str) -> (Scene, Said) {
    let scene = Scene::new();
    scene.write("quotes.csv", QUOTES);
    scene.write("run.toml", config_of_quotes("quotes.csv", policy));
    let said = scene.run(&["backtest", "run.toml", "--json"]);
    (scene, said)
}

#[test]
fn a_crossed_quote_does_what_its_policy_says() {
    let (_, refused) = crossed("");
    assert_eq!((refused.code, refused.stdout.as_str()), (2, ""));
    insta::assert_snapshot!(refused.stderr.trim_end(), @r#"error: quotes.csv:5: bid 10.05 is over ask 10.04; fix the row or set on_crossed = "drop" or "accept""#);
    let (_, dropped) = crossed("on_crossed = \"drop\"");
    let (_, accepted) = crossed("on_crossed = \"accept\"");
    assert_eq!((dropped.code, accepted.code), (0, 0), "{} {}", dropped.stderr, accepted.stderr);
    assert_eq!((&dropped.json()["events"], &accepted.json()["events"]), (&5.into(), &6.into()));
    assert_eq!(dropped.json()["data"][0]["dropped"]["dropped crossed"], 1);
}

#[test]
fn a_check_counts_all_and_names_the_first_of_each() {
    let mut told = Catalogue::default();
    let rows = [
        BARS[0],
        BARS[1],
        BARS[1],
        "2024-01-03,10.7,12,10.6,nan,90",
        "2024-01-02,11.9,12,11,11.2,-1",
        "2024-01-05,11.2,11.3,11,11.4,70",
        "2024-02-05,11.2,11.5,11,11.4,0",
    ];
    let faulty = Scene::of_bars(BARS_HEADER, &rows);
    told.case("a file with one of each", &faulty, &["data", "check", "bars.csv"]);
    told.case("as the run would take it", &faulty, &["data", "check", "run.toml"]);
    let lenient = "kind = \"bars\"\non_duplicate = \"drop\"\non_nan = \"drop\"\non_unsorted = \"drop\"\n\
        on_negative = \"accept\"\non_ohlc = \"accept\"";
    faulty.write("run.toml", config_of_bars().replace("kind = \"bars\"", lenient));
    told.case("with policies for each", &faulty, &["data", "check", "run.toml"]);
    told.case("without any", &Scene::of_bars(BARS_HEADER, &BARS), &["data", "check", "bars.csv"]);
    let scene = Scene::of_bars(BARS_HEADER, &BARS);
    let second = "\n[[data]]\ninstrument = \"AAA.SIM\"\nkind = \"quotes\"\npath = \"none.csv\"\n";
    scene.write("run.toml", config_of_bars() + second);
    told.case("one of two tables cannot be read", &scene, &["data", "check", "run.toml"]);
    insta::assert_snapshot!("check", told.text());
    let said = faulty.run(&["data", "check", "bars.csv", "--json"]);
    let object = said.json();
    assert_eq!((said.code, &object["clean"]), (1, &false.into()));
    let faults = object["tables"][0]["faults"].as_array().unwrap();
    let of = |name: &str| faults.iter().find(|f| f["fault"] == name).map(|f| f["count"].as_u64().unwrap());
    // Counted by hand from the rows above.
    let counts = ["unsorted", "duplicate", "nan", "negative", "ohlc", "zero_volume", "crossed"].map(of);
    assert_eq!(counts, [Some(1), Some(1), Some(1), Some(1), Some(1), Some(1), None], "{object:#}");
}
