//! A run that is broken off, saved, restored into a fresh engine and gone on with is the run that was never broken off:
//! the same state at the cut, the same state and run hash at the end. All built-in strategies of the committed
//! configurations pass through it.

#![expect(clippy::unwrap_used, reason = "a failing test")]

use std::fs;
use std::path::{Path, PathBuf};

use starling_core::Event;
use starling_lab::run::{Run, RunEngine};
use starling_market::feed::{Feed, Merge};

type Journaled = RunEngine<std::io::Sink>;

/// Pieces a run is cut into: some cuts fall between the slices of one order.
const PIECES: usize = 400;

fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The folder of the real data; none, said aloud, where it is not there.
fn data() -> Option<PathBuf> {
    let stated = std::env::var_os("STARLING_DATA").map(PathBuf::from);
    let folder = stated.clone().unwrap_or_else(|| project().join("../shared/data"));
    if folder.is_dir() {
        return Some(folder);
    }
    assert!(stated.is_none(), "STARLING_DATA is {}, which is no folder", folder.display());
    eprintln!("SKIPPED but for the demo: no real data at {}", folder.display());
    None
}

fn assemble(text: &str, search: &[PathBuf]) -> (Journaled, Vec<Event>) {
    let (engine, mut feeds) = Run::new(text, search.to_vec()).unwrap().assemble(std::io::sink()).unwrap();
    let inputs: Vec<Box<dyn Feed + '_>> = feeds.iter_mut().map(|feed| Box::new(feed) as Box<dyn Feed + '_>).collect();
    let (mut merge, mut events) = (Merge::new(inputs), Vec::new());
    while let Some(batch) = merge.next_run().unwrap() {
        events.extend_from_slice(batch);
        // A year of minutes says no more than a month of them.
        if events.len() > 60_000 {
            break;
        }
    }
    (engine, events)
}

fn fresh(text: &str, search: &[PathBuf]) -> Journaled {
    Run::new(text, search.to_vec()).unwrap().engine(std::io::sink()).unwrap()
}

fn feed(engine: &mut Journaled, events: &[Event]) {
    for event in events {
        engine.on_event(event).unwrap();
    }
}

/// Cuts the run into pieces and does each once more in a fresh engine, restored to where the piece begins: it must end
/// where the whole run stood. Gives the number of fills.
fn holds(name: &str, text: &str, search: &[PathBuf]) -> u64 {
    let (mut whole, events) = assemble(text, search);
    whole.start().unwrap();
    let mut before = whole.snapshot().unwrap();
    let mut fed = 0;
    for piece in events.chunks((events.len() / PIECES).max(1)) {
        feed(&mut whole, piece);
        let mut again = fresh(text, search);
        again.restore(&before).unwrap();
        assert_eq!(again.snapshot().unwrap(), before, "{name}: restored after {fed} of {} events", events.len());
        feed(&mut again, piece);
        fed += piece.len();
        let after = [&whole, &again].map(|engine| (engine.state_hash().unwrap(), engine.run_hash()));
        assert_eq!(after[0], after[1], "{name}: gone on to {fed} of {} events", events.len());
        before = whole.snapshot().unwrap();
        if fed == events.len() {
            let ended = [&mut whole, &mut again].map(|engine| {
                engine.stop().unwrap();
                (engine.state_hash().unwrap(), engine.run_hash())
            });
            assert_eq!(ended[0], ended[1], "{name}: at its end");
        }
    }
    assert!(fed > 0, "{name} has data");
    whole.counts().fills
}

#[test]
fn a_restored_run_goes_on_as_the_one_that_was_saved() {
    let demo = project().join("crates/starling/demo");
    let fills = holds("rules", &fs::read_to_string(demo.join("rules.toml")).unwrap(), &[demo]);
    assert!(fills > 500, "the rules trade: {fills}");
    let Some(data) = data() else { return };
    let mut runs = 0;
    for folder in ["examples/conformance", "examples/recipes"] {
        let mut files: Vec<PathBuf> =
            fs::read_dir(project().join(folder)).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        for path in files.iter().filter(|path| path.extension().is_some_and(|e| e == "toml")) {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            let search = vec![path.parent().unwrap().to_owned(), data.clone()];
            holds(&name, &fs::read_to_string(path).unwrap(), &search);
            runs += 1;
        }
    }
    assert!(runs >= 10, "{runs} configurations");
}

#[test]
fn a_damaged_or_foreign_snapshot_is_refused() {
    let demo = project().join("crates/starling/demo");
    let text = fs::read_to_string(demo.join("rules.toml")).unwrap();
    let (mut engine, events) = assemble(&text, std::slice::from_ref(&demo));
    engine.start().unwrap();
    feed(&mut engine, &events[..500]);
    let bytes = engine.snapshot().unwrap();
    for cut in [0, 1, 2, bytes.len() / 2, bytes.len() - 1] {
        let error = fresh(&text, std::slice::from_ref(&demo)).restore(&bytes[..cut]).unwrap_err().to_string();
        assert!(error.contains("the snapshot does not fit this run"), "{error}");
    }
    let other = text.replace("id = \"momentum AAPL\"", "id = \"momentum of another name\"");
    assert_ne!(other, text);
    let error = fresh(&other, std::slice::from_ref(&demo)).restore(&bytes).unwrap_err().to_string();
    assert!(error.contains("where the run has"), "{error}");
}
