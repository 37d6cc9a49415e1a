//! The seeds of the fuzz targets and simple changes of them, through the judges that the fuzzers themselves call; and
//! that no decoder is without a target.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

#[path = "../../../../fuzz/src/lib.rs"]
#[expect(unreachable_pub, reason = "the fuzzers' binaries reach it")]
mod judges;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use judges::TARGETS;
use starling_market::wire::FEEDS;

/// Changed copies of each seed that are tried.
const CHANGES: u64 = 300;
/// Bytes of all seeds together, at most: they are looked at by every build.
const SEEDS_BYTES_MAX: u64 = 160 << 10;
/// What a module that takes bytes (or, the book, levels) is judged by; feeds stand in the table of targets.
const MODULES: [(&str, &[&str]); 8] = [
    ("core/fixed", &["fixed"]),
    ("core/journal", &["journal"]),
    ("lab/data/table", &["csv_table"]),
    ("market/book", &["book_join", "book_l2", "book_l3"]),
    ("market/csv", &["csv"]),
    ("market/dbn", &["dbn"]),
    ("market/frames", &["capture", "frames"]),
    ("market/wire", &[]),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn seeds(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = root().join("fuzz/seeds").join(target);
    let mut paths: Vec<PathBuf> = fs::read_dir(&folder)
        .unwrap_or_else(|e| panic!("{}: {e}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

/// Numbers that are the same on every machine (Steele, Lea and Flood 2014, "Fast splittable pseudorandom number
/// generators").
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }
}

/// One to four of: a bit turned over, a byte that means something put in its place or between, a piece cut out, a piece
/// repeated, the end cut off.
fn changed(seed: &[u8], random: &mut SplitMix) -> Vec<u8> {
    const MEANINGFUL: &[u8] = b"\0\xff\x7f\x80\n\r\"'\\,:;.-+0159eE[]{} nt";
    let mut bytes = seed.to_vec();
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len());
        let len = random.below(16.min(bytes.len() - at) + 1);
        let meaningful = MEANINGFUL[random.below(MEANINGFUL.len())];
        match random.below(6) {
            _ if bytes.is_empty() => bytes.push(meaningful),
            0 => bytes[at] ^= 1 << random.below(8),
            1 => bytes[at] = meaningful,
            2 => bytes.insert(at, meaningful),
            3 => drop(bytes.drain(at..at + len)),
            4 => bytes.extend_from_within(at..at + len),
            _ => bytes.truncate(at),
        }
    }
    bytes
}

#[test]
fn every_seed_and_changes_of_it_keep_the_promises() {
    for (name, _, judge) in TARGETS {
        for (path, seed) in seeds(name) {
            let mut random = SplitMix(seed.len() as u64);
            let changes = (0..CHANGES).map(|_| changed(&seed, &mut random));
            for input in std::iter::once(seed.clone()).chain(changes) {
                let judged = catch_unwind(AssertUnwindSafe(|| judge(&input)));
                assert!(judged.is_ok(), "{name}, from {}: {:?}", path.display(), input.escape_ascii().to_string());
            }
        }
    }
}

#[test]
fn every_feed_is_decoded_by_a_target() {
    let judged: BTreeSet<&str> = TARGETS.iter().flat_map(|(_, feeds, _)| feeds.iter().copied()).collect();
    let feeds: BTreeSet<&str> = FEEDS.iter().map(|feed| feed.name).collect();
    let without: Vec<&&str> = feeds.difference(&judged).collect();
    assert!(without.is_empty(), "feeds without a fuzz target: {without:?}");
    assert_eq!(judged, feeds, "targets of feeds that are none");
}

#[test]
fn every_module_that_takes_bytes_has_a_target() {
    let named: BTreeSet<&str> = TARGETS.iter().map(|(name, ..)| *name).collect();
    let modules: BTreeMap<&str, &[&str]> = MODULES.into_iter().collect();
    for (module, targets) in &modules {
        assert!(root().join(format!("crates/{}.rs", module.replacen('/', "/src/", 1))).is_file(), "{module} is gone");
        assert!(targets.iter().all(|target| named.contains(target)), "{module} is without {targets:?}");
    }
    let of_modules = modules.values().flat_map(|targets| targets.iter().copied());
    let of_feeds = TARGETS.iter().filter(|(_, feeds, _)| !feeds.is_empty()).map(|(name, ..)| *name);
    assert_eq!(named, of_modules.chain(of_feeds).collect(), "every target is of a module or of a feed");

    // What takes bytes from outside says so in its signature.
    let takes = ["(bytes: &", "(text: &", "(line: &", "read: impl Read", "(source: R", "(mut source: R", "(read: R"];
    let mut without = Vec::new();
    for floor in ["core", "market"] {
        let src = root().join("crates").join(floor).join("src");
        let mut open = vec![src.clone()];
        while let Some(path) = open.pop() {
            if path.is_dir() {
                open.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
                continue;
            }
            let place = path.strip_prefix(&src).unwrap().with_extension("");
            let module = format!("{floor}/{}", place.iter().next().unwrap().to_str().unwrap());
            let code = fs::read_to_string(&path).unwrap();
            let public = |line: &&str| line.trim_start().starts_with("pub fn");
            let found = code.lines().filter(public).find(|line| takes.iter().any(|word| line.contains(word)));
            let found =
                found.filter(|line| line.contains("[u8]") || line.contains(": R") || line.contains("impl Read"));
            if let Some(line) = found.filter(|_| !modules.contains_key(module.as_str())) {
                without.push(format!("{}: {}", path.display(), line.trim()));
            }
        }
    }
    assert!(without.is_empty(), "decoders without a fuzz target: {without:#?}");
}

#[test]
fn each_target_has_a_binary_and_seeds() {
    let named: Vec<String> = TARGETS.iter().map(|(name, ..)| (*name).to_owned()).collect();
    assert!(named.is_sorted_by(|a, b| a < b), "{named:?}");
    let fuzz = root().join("fuzz");
    let manifest: toml::Table = fs::read_to_string(fuzz.join("Cargo.toml")).unwrap().parse().unwrap();
    let bins = manifest["bin"].as_array().unwrap();
    let bins: Vec<String> = bins.iter().map(|bin| bin["name"].as_str().unwrap().to_owned()).collect();
    let stems = |folder: &str| -> BTreeSet<String> {
        let names = fs::read_dir(fuzz.join(folder)).unwrap().map(|entry| entry.unwrap().path());
        names.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
    };
    let expected: BTreeSet<String> = named.iter().cloned().collect();
    assert_eq!(bins.into_iter().collect::<BTreeSet<_>>(), expected);
    assert_eq!(stems("fuzz_targets"), expected);
    assert_eq!(stems("seeds"), expected);
    let mut bytes = 0;
    for name in &named {
        let seeds = seeds(name);
        assert!(!seeds.is_empty(), "{name} has no seeds");
        bytes += seeds.iter().map(|(_, seed)| seed.len() as u64).sum::<u64>();
    }
    assert!(bytes <= SEEDS_BYTES_MAX, "the seeds have {bytes} bytes");
}
