//! Tasks under fire: whatever dies, the coordinator above all, each task ends once, as all keepers say.
//!
//! 1,000 seeds a topology unless `SWARM_SEEDS` says more: a run takes some 25 ms.

use std::collections::{BTreeMap, BTreeSet};

use starling_core::UnixNanos;
use starling_core::time::{MILLISECOND, SECOND};
use starling_swarm::id::AgentId;
use starling_swarm::task::{Capabilities, Cause, Event, Outcome, Settings, Strategy, Task, TaskKey, Tasks};
use starling_swarm::topology::Shape;

use crate::prng::Prng;
use crate::sweep::{seeds, sweep};
use crate::world::{Fault, Plan, World};

/// Tasks that come in during the storm.
const BATCHES: u64 = 5;
const PER_BATCH: u64 = 8;

/// Runs what components say to run, and keeps account.
struct Labour {
    prng: Prng,
    /// Events of the world that have been seen.
    seen: usize,
    /// Attempts under way: when they end.
    under_way: Vec<(UnixNanos, AgentId, TaskKey, u32)>,
    /// Attempts that came to a good end. Their results name them.
    finished: BTreeSet<(TaskKey, Vec<u8>)>,
    /// Attempts begun.
    begun: BTreeSet<(AgentId, TaskKey, u32)>,
}

/// What an attempt results in: a name that no other attempt has.
fn result(agent: AgentId, token: u32) -> Vec<u8> {
    [agent.0.to_le_bytes(), token.to_le_bytes()].concat()
}

impl Labour {
    fn new(seed: u64) -> Self {
        let (seen, under_way) = (0, Vec::new());
        Self { prng: Prng::new(seed ^ 0x1ab0), seen, under_way, finished: BTreeSet::new(), begun: BTreeSet::new() }
    }

    /// Lets the world and its workers go on.
    fn run(&mut self, world: &mut World<Tasks>, nanos: u64, done: impl Fn(&World<Tasks>) -> bool) -> bool {
        let end = world.now().saturating_add(nanos);
        while world.now() < end {
            if done(world) {
                return true;
            }
            world.run_for(10 * MILLISECOND);
            for (_, agent, event) in &world.events[self.seen..] {
                if let Event::Run { task, token } = event {
                    let once = self.begun.insert((*agent, task.key, *token));
                    assert!(once, "{agent} began attempt {token} at {} twice", task.key);
                    let takes = self.prng.between(1, 2 * task.work) * MILLISECOND;
                    self.under_way.push((world.now().saturating_add(takes), *agent, task.key, *token));
                }
            }
            self.seen = world.events.len();
            let now = world.now();
            let ended: Vec<_> = self.under_way.extract_if(.., |(at, ..)| *at <= now).collect();
            for (_, agent, key, token) in ended {
                let result = if self.prng.percent(10) { Err("chance".to_owned()) } else { Ok(result(agent, token)) };
                let fine = result.clone().ok();
                // A worker that died or was excluded takes its attempts along.
                let told = world.act(agent, |tasks, now, out, events| tasks.end(now, key, result, out, events));
                if let (Some(true), Some(fine)) = (told, fine) {
                    self.finished.insert((key, fine));
                }
            }
        }
        done(world)
    }
}

/// Of up to five keepers, at most a minority dies or leaves.
fn plan(seed: u64, shape: Shape) -> (Plan, Vec<AgentId>) {
    let mut plan = Plan::draw(seed, shape);
    let keepers: Vec<AgentId> = (0..plan.members.min(5)).map(AgentId).collect();
    // One of the minority is kept for the coordinator's death.
    let mut may_go = (keepers.len() - 1) / 2 - usize::from(seed.is_multiple_of(2));
    plan.faults.retain(|(_, fault)| match fault {
        Fault::Crash(agent) | Fault::Leave(agent) if keepers.contains(agent) => {
            let goes = may_go > 0;
            may_go = may_go.saturating_sub(1);
            goes
        }
        _ => true,
    });
    (plan, keepers)
}

fn settings(seed: u64, agent: AgentId, keepers: &[AgentId]) -> Settings {
    Settings {
        strategy: Strategy::ALL[(seed % 5) as usize],
        heartbeat: 200 * MILLISECOND,
        election: 800 * MILLISECOND,
        lease: 1_500 * MILLISECOND,
        repeat: 500 * MILLISECOND,
        bidding: 300 * MILLISECOND,
        backoff: 20 * MILLISECOND,
        // Each lacks one ability; needs are one ability or none.
        capabilities: Capabilities(0b111 & !(1 << (agent.0 % 3))),
        slots: 1 + agent.0 % 2,
        room: 6,
        ..Settings::new(keepers.to_vec())
    }
}

/// A batch with dependencies within and on the one before.
fn batch(prng: &mut Prng, number: u64, before: &[TaskKey]) -> Vec<Task> {
    let mut tasks: Vec<Task> = Vec::new();
    for at in 0..PER_BATCH {
        let key = TaskKey(number * PER_BATCH + at);
        let mut after: Vec<TaskKey> = tasks.iter().map(|task| task.key).filter(|_| prng.percent(15)).collect();
        after.extend(before.iter().copied().filter(|_| prng.percent(5)));
        tasks.push(Task {
            key,
            needs: Capabilities([0, 0b001, 0b010, 0b100][prng.below(4) as usize]),
            payload: key.0.to_le_bytes().to_vec(),
            after,
            deadline: UnixNanos::MAX,
            retries_max: 4,
            work: prng.between(1, 60),
        });
    }
    tasks
}

/// Two seconds of faults in which batches come in and, every other time, the coordinator dies; then calm.
fn storm(seed: u64, shape: Shape) {
    let (plan, keepers) = plan(seed, shape);
    let mut world = {
        let keepers = keepers.clone();
        World::new(plan, move |agent, _| {
            Tasks::new(UnixNanos::new(1_000_000_000_000_000_000), agent, settings(seed, agent, &keepers))
        })
    };
    let (mut prng, mut labour) = (Prng::new(seed ^ 0x7a5c), Labour::new(seed));
    // Who submitted which tasks.
    let mut submitted: Vec<(AgentId, Vec<Task>)> = Vec::new();
    let mut kill_at = seed.is_multiple_of(2).then(|| 1 + prng.below(BATCHES));
    for number in 0..BATCHES {
        labour.run(&mut world, 400 * MILLISECOND, |_| false);
        let living = world.living();
        let by = living[prng.below(living.len() as u64) as usize];
        // Tasks may depend only on what its submitter knows to be in: on its own earlier ones.
        let admitted = |tasks: &Vec<Task>| {
            let first = tasks[0].key;
            world.component(by).table().open(first).or(None).is_some()
                || world.component(by).table().finished(first).is_some()
        };
        let before: Vec<TaskKey> = submitted
            .iter()
            .filter(|(who, tasks)| *who == by && admitted(tasks))
            .flat_map(|(_, tasks)| tasks.iter().map(|task| task.key))
            .collect();
        let tasks = batch(&mut prng, number, &before);
        let copy = tasks.clone();
        world.act(by, |share, now, out, events| share.submit(now, copy, out, events)).expect("alive").expect("room");
        submitted.push((by, tasks));
        if kill_at.is_some_and(|at| at <= number)
            && let Some(chief) = world.living().into_iter().find(|&agent| world.component(agent).is_coordinator())
        {
            kill_at = None;
            world.inflict(Fault::Crash(chief));
        }
    }
    world.calm();
    assert!(world.settle(10 * SECOND).is_some(), "views never agree");
    let done = labour.run(&mut world, 60 * SECOND, |world| {
        world.living().iter().all(|&agent| world.component(agent).outstanding() == 0)
    });
    let report = |world: &World<Tasks>| {
        let one = |agent: AgentId| {
            let tasks = world.component(agent);
            format!(
                "{agent}: {} outstanding, {} open, leader {:?}, coordinates {}, load {}",
                tasks.outstanding(),
                tasks.table().open_count(),
                tasks.coordinator(),
                tasks.is_coordinator(),
                tasks.load()
            )
        };
        world.living().into_iter().map(one).collect::<Vec<_>>()
    };
    assert!(done, "not done: {:#?}", report(&world));
    // Tasks of the dead go on; keepers come to say the same.
    let equal = labour.run(&mut world, 60 * SECOND, |world| {
        let living = world.living();
        let mut tables =
            living.iter().filter(|agent| keepers.contains(agent)).map(|&agent| world.component(agent).table());
        let first = tables.next().expect("a majority lives");
        let bytes = first.encode();
        first.open_count() == 0 && tables.all(|table| table.encode() == bytes)
    });
    assert!(equal, "keepers differ, or tasks stay open: {:#?}", report(&world));
    judge(&world, &labour, &keepers, &submitted);
}

/// All keepers that began die one after the other, the coordinator every other time, on links at their worst, while tasks
/// come in; each is replaced once it is gone for good.
fn attrition(seed: u64, shape: Shape) {
    let mut plan = Plan::quiet(seed, shape);
    plan.members = 9 + (seed % 6) as u32;
    let first: Vec<AgentId> = (0..[3, 4, 5][(seed % 3) as usize]).map(AgentId).collect();
    let mut world = {
        let first = first.clone();
        World::new(plan, move |agent, _| {
            Tasks::new(UnixNanos::new(1_000_000_000_000_000_000), agent, settings(seed, agent, &first))
        })
    };
    let (mut prng, mut labour) = (Prng::new(seed ^ 0xa771), Labour::new(seed));
    let mut submitted: Vec<(AgentId, Vec<Task>)> = Vec::new();
    let chief =
        |world: &World<Tasks>| world.living().into_iter().find(|&agent| world.component(agent).is_coordinator());
    let mut left = first.clone();
    for number in 0..=first.len() as u64 {
        assert!(labour.run(&mut world, 30 * SECOND, |world| chief(world).is_some()), "nobody coordinates");
        let living = world.living();
        // Who submits hears of the ends only if it lives.
        let by = *living.last().expect("some live");
        let tasks = batch(&mut prng, number, &[]);
        let copy = tasks.clone();
        world.act(by, |share, now, out, events| share.submit(now, copy, out, events)).expect("alive").expect("room");
        submitted.push((by, tasks));
        let patience = prng.between(1, 300) * MILLISECOND;
        labour.run(&mut world, patience, |_| false);
        if left.is_empty() {
            break;
        }
        let leads = chief(&world).and_then(|agent| left.iter().position(|one| *one == agent));
        let at = leads.filter(|_| prng.percent(50)).unwrap_or_else(|| prng.below(left.len() as u64) as usize);
        let dead = left.swap_remove(at);
        world.inflict(Fault::Crash(dead));
        // Committed, not only written: until then the death of one more is that of a majority.
        let replaced = labour.run(&mut world, 90 * SECOND, |world| {
            let keepers = chief(world).and_then(|agent| world.component(agent).table().keepers());
            keepers.is_some_and(|now| now.agents.len() == first.len() && !now.agents.contains(&dead))
        });
        assert!(replaced, "{dead} is not replaced: {:?}", chief(&world).map(|a| world.component(a).keepers().to_vec()));
    }
    world.calm();
    assert!(world.settle(30 * SECOND).is_some(), "views never agree");
    let done = labour.run(&mut world, 60 * SECOND, |world| {
        let Some(chief) = chief(world) else { return false };
        let table = world.component(chief).table().encode();
        world.component(chief).table().open_count() == 0
            && world.living().iter().all(|&agent| world.component(agent).outstanding() == 0)
            && world.component(chief).keepers().iter().all(|&agent| world.component(agent).table().encode() == table)
    });
    assert!(done, "tasks stay open, or keepers differ");
    let keepers = world.component(chief(&world).expect("just asked")).keepers().to_vec();
    assert!(keepers.len() == first.len() && keepers.iter().all(|keeper| !first.contains(keeper)), "{keepers:?}");
    judge(&world, &labour, &keepers, &submitted);
}

fn judge(world: &World<Tasks>, labour: &Labour, keepers: &[AgentId], submitted: &[(AgentId, Vec<Task>)]) {
    let mut recorded: BTreeMap<TaskKey, &Outcome> = BTreeMap::new();
    let mut by_keeper: BTreeMap<AgentId, Vec<TaskKey>> = BTreeMap::new();
    for (_, agent, event) in &world.events {
        if let Event::Recorded(key, outcome) = event {
            let known = recorded.entry(*key).or_insert(outcome);
            assert_eq!(*known, outcome, "{agent} says something else about {key}");
            let keys = by_keeper.entry(*agent).or_default();
            assert!(!keys.contains(key), "{key} ended twice at {agent}");
            keys.push(*key);
        }
    }
    let keys: BTreeSet<TaskKey> = recorded.keys().copied().collect();
    for keeper in world.living().iter().filter(|agent| keepers.contains(agent)) {
        let own: BTreeSet<TaskKey> = by_keeper.get(keeper).into_iter().flatten().copied().collect();
        assert_eq!(own, keys, "{keeper} lacks some");
    }
    let tasks: BTreeMap<TaskKey, &Task> =
        submitted.iter().flat_map(|(_, tasks)| tasks).map(|task| (task.key, task)).collect();
    for (key, outcome) in &recorded {
        match outcome {
            Outcome::Done(bytes) => assert!(labour.finished.contains(&(*key, bytes.clone())), "{key}: nobody did that"),
            Outcome::Dead(Cause::Failed(_)) => {
                let tries = labour.begun.iter().filter(|(_, begun, _)| begun == key).count();
                assert!(tries > usize::from(tasks[key].retries_max), "{key} was given up after {tries}");
            }
            Outcome::Dead(Cause::Dependency(before)) => {
                assert!(matches!(recorded[before], Outcome::Dead(_)) && tasks[key].after.contains(before));
            }
            other => panic!("{key}: {other:?}"),
        }
        // In the order of their dependencies, in the order of any one keeper.
        for keys in by_keeper.values() {
            let place = |key: &TaskKey| keys.iter().position(|other| other == key);
            if let (Outcome::Done(_), Some(own)) = (outcome, place(key)) {
                assert!(tasks[key].after.iter().all(|before| place(before).is_some_and(|before| before < own)));
            }
        }
    }
    // Submitters heard of each of theirs once, and what the keepers say.
    for (by, tasks) in submitted {
        let heard: Vec<(TaskKey, &Outcome)> = world
            .events
            .iter()
            .filter_map(|(_, agent, event)| match event {
                Event::Done(key, outcome) if agent == by && tasks.iter().any(|task| task.key == *key) => {
                    Some((*key, outcome))
                }
                Event::Refused(_, why) => panic!("{agent}: {why}"),
                _ => None,
            })
            .collect();
        assert!(heard.iter().all(|(key, outcome)| recorded[key] == *outcome));
        let once: BTreeSet<TaskKey> = heard.iter().map(|(key, _)| *key).collect();
        assert_eq!(once.len(), heard.len(), "{by} heard of an end twice");
        if world.living().contains(by) {
            assert_eq!(once.len(), tasks.len(), "{by} did not hear of all of its tasks");
        }
    }
}

#[test]
fn keepers_die_one_after_another() {
    sweep("keepers_die_one_after_another", seeds(200), |seed| attrition(seed, Shape::ALL[(seed % 4) as usize]));
}

#[test]
fn tasks_mesh() {
    sweep("tasks_mesh", seeds(1_000), |seed| storm(seed, Shape::Mesh));
}

#[test]
fn tasks_hierarchical() {
    sweep("tasks_hierarchical", seeds(1_000), |seed| storm(seed, Shape::Hierarchical));
}

#[test]
fn tasks_ring() {
    sweep("tasks_ring", seeds(1_000), |seed| storm(seed, Shape::Ring));
}

#[test]
fn tasks_star() {
    sweep("tasks_star", seeds(1_000), |seed| storm(seed, Shape::Star));
}
