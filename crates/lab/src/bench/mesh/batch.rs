//! The sixth: batches of 1 to 16 tasks at once, of computing, of writing and reading, and of both in turns.
//!
//! Invariant: a task's answer is the hash of what it was to work on; nobody can know it without having done the work.

use std::fs::{self, File};
use std::io::Write as _;
use std::sync::Arc;

use starling_core::UnixNanos;
use starling_swarm::task::{Capabilities, Settings, Strategy, Task, TaskKey};

use super::crew::{Crew, Labour};
use super::{Build, Scale};
use crate::bench::file::Folder;
use crate::bench::{BenchError, Benchmark, Id, Tier};
use crate::stats::random::Xoshiro;

pub(super) const NAME: &str = "batches of 1, 2, 4, 8, 16 tasks: computing, files, both";
const SIZES: [u64; 5] = [1, 2, 4, 8, 16];
/// As many as the largest batch, so that every task has an agent of its own.
const AGENTS: usize = 16;
/// Bytes that a task computes over: some milliseconds of one core.
const COMPUTED: usize = 4 << 20;
/// Bytes that a task writes to the disk, and reads again.
const WRITTEN: usize = 256 << 10;

/// What a task does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Computing,
    Files,
    Both,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Computing, Self::Files, Self::Both];

    const fn name(self) -> &'static str {
        match self {
            Self::Computing => "computing",
            Self::Files => "files",
            Self::Both => "both in turns",
        }
    }

    /// True if the task at a place of its batch computes.
    const fn computes(self, place: u64) -> bool {
        match self {
            Self::Computing => true,
            Self::Files => false,
            Self::Both => place.is_multiple_of(2),
        }
    }
}

/// The bytes of a seed.
fn bytes(seed: u8, length: usize) -> Vec<u8> {
    let mut random = Xoshiro::new(u64::from(seed));
    let mut bytes = Vec::with_capacity(length);
    while bytes.len() < length {
        bytes.extend(random.bits().to_le_bytes());
    }
    bytes
}

/// Materials, and the right answers: of seeds 0 to 15.
pub(super) struct Materials {
    computed: Vec<Vec<u8>>,
    written: Vec<Vec<u8>>,
    folder: Folder,
}

/// The payload: seed, and 1 to compute.
fn payload(place: u64, computes: bool) -> Vec<u8> {
    vec![place as u8, u8::from(computes)]
}

/// Does a task as it should be done.
pub(super) fn labour(materials: &Materials, task: &Task) -> Result<Vec<u8>, String> {
    let [seed, computes] = task.payload[..] else { return Err("no task of this benchmark".into()) };
    if computes == 1 {
        return Ok(blake3::hash(&materials.computed[seed as usize]).as_bytes().to_vec());
    }
    let path = materials.folder.path().join(format!("{}.bin", task.key.0));
    let write = || -> std::io::Result<Vec<u8>> {
        let mut file = File::create(&path)?;
        file.write_all(&materials.written[seed as usize])?;
        // To the disk, not to the cache: it is the waiting that others may use.
        file.sync_all()?;
        let read = fs::read(&path)?;
        fs::remove_file(&path)?;
        Ok(read)
    };
    write().map(|read| blake3::hash(&read).as_bytes().to_vec()).map_err(|error| error.to_string())
}

pub(super) fn measure(tier: Tier) -> Result<Benchmark, BenchError> {
    with(tier, labour)
}

pub(super) fn with(
    tier: Tier,
    labour: fn(&Materials, &Task) -> Result<Vec<u8>, String>,
) -> Result<Benchmark, BenchError> {
    let of = |length: usize| (0..AGENTS).map(|seed| bytes(seed as u8, length)).collect::<Vec<_>>();
    let materials = Materials { computed: of(COMPUTED), written: of(WRITTEN), folder: Folder::new()? };
    let hashes = |all: &[Vec<u8>]| all.iter().map(|one| blake3::hash(one).as_bytes().to_vec()).collect::<Vec<_>>();
    let right = [hashes(&materials.written), hashes(&materials.computed)];
    let labour: Labour = Arc::new(move |task: &Task| labour(&materials, task));
    let settings = Settings { strategy: Strategy::LeastLoaded, ..Crew::settings() };
    let mut crew = Crew::found(AGENTS, settings, |_| Capabilities::ALL, labour)?;
    let (mut cases, mut series, mut rates) = (Vec::new(), Vec::new(), Vec::new());
    let (mut given, mut done, mut wrong) = (0, 0, 0);
    for kind in Kind::ALL {
        let mut points = Vec::new();
        for size in SIZES {
            let mut samples = Vec::new();
            // The first round warms up.
            for round in 0..=tier.samples() {
                let keys: Vec<TaskKey> = crew.keys(size).collect();
                let task = |(place, key): (u64, &TaskKey)| Task {
                    key: *key,
                    needs: Capabilities::NONE,
                    payload: payload(place, kind.computes(place)),
                    after: Vec::new(),
                    deadline: UnixNanos::MAX,
                    retries_max: 0,
                    work: 1,
                };
                let report = crew.run((0..).zip(&keys).map(task).collect())?;
                given += keys.len();
                done += report.done_once();
                for (place, key) in keys.iter().enumerate() {
                    let right = &right[usize::from(kind.computes(place as u64))][place];
                    wrong += usize::from(report.results.get(key) != Some(right));
                }
                if round > 0 {
                    samples.push(report.took / 1e6);
                    if (kind, size) == (Kind::Both, AGENTS as u64) {
                        rates.push(size as f64 * 1e9 / report.took);
                    }
                }
            }
            let median = super::described(kind.name(), &samples)?.median;
            points.push((size.to_string(), size as f64 * 1e3 / median));
            cases.push((format!("{size} of {}", kind.name()), samples));
        }
        series.push((kind.name(), points));
    }
    let items = (AGENTS as u64, "tasks");
    let mut build = Build::new(Id::Number(6), "parallel", NAME, items, Scale::more("tasks/s"), &rates)?
        .check("every task was done exactly once", given, done)
        .check("answers that are not the hash of what was to be worked on", 0, wrong);
    for (name, samples) in cases {
        build = build.case(name, Scale::less("ms"), &samples)?;
    }
    for (name, points) in series {
        build = build.series(name, "tasks in a batch", "tasks a second", points);
    }
    Ok(build.judge())
}
