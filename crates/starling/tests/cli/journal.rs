//! Damaged journals and changed data: replay names the record, or the file.

use starling_core::journal::Reader;

use crate::scene::{BARS, BARS_HEADER, Catalogue, Scene};

/// A run that has been, its journal in `out/journal`.
fn ran() -> Scene {
    let scene = Scene::of_bars(BARS_HEADER, &BARS);
    let said = scene.run(&["backtest", "run.toml", "--json", "--out", "out"]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    scene
}

const REPLAY: [&str; 2] = ["replay", "out/journal"];

#[test]
fn a_journal_is_replayed_to_the_byte() {
    let scene = ran();
    let said = scene.run(&["replay", "out/journal", "--json"]);
    assert_eq!((said.code, &said.json()["verified"]), (0, &true.into()), "{}", said.stderr);
    let checked = scene.run(&["replay", "out/journal", "--check-only", "--json"]);
    assert_eq!((checked.code, &checked.json()["records"]), (0, &said.json()["records"]));
    let told = scene.run(&["replay", "out/journal", "--check-only"]);
    assert_eq!((told.code, told.stdout.as_str()), (0, ""), "data is told where it is asked for");
    let records = checked.json()["records"].to_string();
    let digest = checked.json()["digest"].as_str().unwrap().to_owned();
    assert_eq!(told.stderr, format!("out/journal: intact: {records} records, digest {digest}\n"));
}

#[test]
fn a_flipped_bit_is_found_wherever_it_is_and_its_record_named() {
    let scene = ran();
    let journal = scene.read("out/journal");
    // Where each record ends, and its number.
    let mut ends = Vec::new();
    let mut reader = Reader::new(&journal[..]).unwrap();
    while let Some(record) = reader.next() {
        let seq = record.unwrap().seq;
        ends.push((reader.position().offset(), seq));
    }
    let begin = 200.min(journal.len());
    for at in (begin..journal.len()).step_by(journal.len() / 24) {
        let mut damaged = journal.clone();
        damaged[at] ^= 1 << (at % 8);
        scene.write("out/journal", &damaged);
        let said = scene.run(&REPLAY);
        assert_eq!((said.code, said.stdout.as_str()), (2, ""), "byte {at}: {}", said.stderr);
        let (_, seq) = *ends.iter().find(|(end, _)| *end > at as u64).unwrap();
        assert!(said.stderr.starts_with("error: out/journal: "), "byte {at}: {}", said.stderr);
        // Damage in the very last record cannot be told from a torn write: its place is named, not its number.
        let named = said.stderr.contains(&format!("record {seq} ")) || said.stderr.contains("torn tail at byte");
        assert!(named, "byte {at}, record {seq}: {}", said.stderr);
    }
}

#[test]
fn a_journal_cut_short_is_told_from_a_whole_one() {
    let scene = ran();
    let journal = scene.read("out/journal");
    for len in [journal.len() - 1, journal.len() / 2, 40, 7, 0] {
        scene.write("out/journal", &journal[..len]);
        let said = scene.run(&REPLAY);
        assert_eq!((said.code, said.stdout.as_str()), (2, ""), "{len} bytes: {}", said.stderr);
        assert!(said.stderr.starts_with("error: out/journal: "), "{len} bytes: {}", said.stderr);
        assert_eq!(said.stderr.lines().count(), 1, "{len} bytes: {}", said.stderr);
    }
}

/// Digests and numbers of a journal change with what engines write; the words do not.
fn without_numbers(text: &str) -> String {
    let word = |word: &str| {
        let bare = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
        let hex = bare.len() >= 16 && bare.bytes().all(|b| b.is_ascii_hexdigit());
        let number = !bare.is_empty() && bare.bytes().all(|b| b.is_ascii_digit());
        if hex || number { word.replace(bare, "#") } else { word.to_owned() }
    };
    let line = |line: &str| match line.split_once(' ') {
        Some(("[exit", _)) => line.to_owned(),
        _ => line.split(' ').map(word).collect::<Vec<_>>().join(" "),
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn what_cannot_be_replayed_is_explained() {
    let mut told = Catalogue::default();
    let scene = ran();
    let journal = scene.read("out/journal");
    let mut damaged = journal.clone();
    damaged[journal.len() / 2] ^= 4;
    scene.write("out/journal", &damaged);
    told.case("a flipped bit", &scene, &REPLAY);
    told.case("the same, only checked", &scene, &["replay", "out/journal", "--check-only"]);
    scene.write("out/journal", &journal[..journal.len() - 9]);
    told.case("its end is missing", &scene, &REPLAY);
    scene.write("out/journal", &journal[..journal.len() / 2]);
    told.case("half of it is missing", &scene, &REPLAY);
    scene.write("out/journal", "");
    told.case("it is empty", &scene, &REPLAY);
    told.case("it is another file", &scene, &["replay", "run.toml"]);
    told.case("it is not there", &scene, &["replay", "journal"]);
    scene.write("out/journal", &journal);
    let mut rows = BARS;
    rows[4] = "2024-01-05,11.2,11.5,11,11.3,70";
    scene.bars(BARS_HEADER, &rows);
    told.case("its data has changed", &scene, &REPLAY);
    std::fs::remove_file(scene.path("bars.csv")).unwrap();
    told.case("its data is gone", &scene, &REPLAY);
    insta::assert_snapshot!("journal", without_numbers(told.text()));
}
