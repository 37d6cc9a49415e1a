use std::collections::{BTreeMap, BTreeSet, VecDeque};

use proptest::prelude::*;
use proptest::strategy::Strategy as Generator;

use super::replica::Entry;
use super::strategy::{Candidate, Strategy, choose};
use super::table::State;
use super::*;
use crate::component::To;

const T0: UnixNanos = UnixNanos::new(1_000_000_000_000_000_000);

fn task(key: u64) -> Task {
    Task {
        key: TaskKey(key),
        needs: Capabilities::NONE,
        payload: vec![key as u8],
        after: Vec::new(),
        deadline: UnixNanos::MAX,
        retries_max: 3,
        work: 1,
    }
}

fn after(key: u64, before: &[u64]) -> Task {
    Task { after: before.iter().copied().map(TaskKey).collect(), ..task(key) }
}

fn admit(tasks: Vec<Task>) -> Op {
    Op::Admit { by: AgentId(0), batch: 0, tasks, open_max: 1_000 }
}

fn assign(key: u64, seen: u32, to: u32) -> Op {
    Op::Assign { key: TaskKey(key), seen, to: AgentId(to) }
}

fn settle(key: u64, token: u32, result: Result<&[u8], &str>) -> Op {
    let result = result.map(<[u8]>::to_vec).map_err(str::to_owned);
    Op::Settle { key: TaskKey(key), token, by: AgentId(1), result, again: T0 }
}

fn release(key: u64, token: u32) -> Op {
    Op::Release { key: TaskKey(key), token, again: T0 }
}

fn apply(table: &mut Table, op: Op) -> Vec<Effect> {
    let mut effects = Vec::new();
    table.apply(op, &mut effects);
    effects
}

fn dones(effects: &[Effect]) -> Vec<(u64, Outcome)> {
    let done = |effect: &Effect| match effect {
        Effect::Done { key, outcome, .. } => Some((key.0, outcome.clone())),
        _ => None,
    };
    effects.iter().filter_map(done).collect()
}

// Plans.

#[test]
fn a_cycle_is_named() {
    assert_eq!(cycle(&[after(1, &[2]), after(2, &[1, 9])]), Some(vec![TaskKey(1), TaskKey(2), TaskKey(1)]));
    let tail = [after(1, &[2]), after(2, &[3]), after(3, &[4]), after(4, &[2])];
    assert_eq!(cycle(&tail), Some(vec![TaskKey(2), TaskKey(3), TaskKey(4), TaskKey(2)]));
    assert_eq!(cycle(&[after(7, &[7])]), Some(vec![TaskKey(7), TaskKey(7)]));
    assert_eq!(cycle(&[after(1, &[2, 3]), after(2, &[3]), task(3)]), None);
    // A chain as long as a batch does not exhaust the stack.
    let chain: Vec<Task> = (0..BATCH_MAX as u64).map(|key| after(key, &[key + 1])).collect();
    assert_eq!(cycle(&chain), None);
}

#[test]
fn the_ideal_makespan_is_grahams_bound() {
    let works = [(1, 3, vec![]), (2, 2, vec![1]), (3, 4, vec![]), (4, 1, vec![])];
    let tasks: Vec<Task> =
        works.iter().map(|(key, work, before)| Task { work: *work, ..after(*key, before) }).collect();
    // 10 of work, its longest chain 3 + 2.
    let ideal = |slots| ideal_makespan(&tasks, slots);
    assert_eq!([ideal(0), ideal(1), ideal(2), ideal(3), ideal(100)], [None, Some(10), Some(5), Some(5), Some(5)]);
    assert_eq!(efficiency_bp(&tasks, 2, 7), Some(7_142));
    assert_eq!(efficiency_bp(&tasks, 2, 5), Some(10_000));
    assert_eq!((efficiency_bp(&tasks, 2, 0), efficiency_bp(&[], 2, 7)), (None, None));
    assert_eq!(ideal_makespan(&[after(1, &[1])], 1), None);
}

// Strategies.

fn facts(capabilities: u64, room: u32, errors_bp: u16, latency_ms: u64) -> Facts {
    let capabilities = Capabilities(capabilities);
    Facts { capabilities, slots: 1, room, errors_bp, latency_ns: latency_ms * MILLISECOND }
}

#[test]
fn the_score_is_its_formula() {
    let none = Capabilities::NONE;
    assert_eq!(facts(1, 10, 0, 0).score(none, 0), Some(10_000));
    // 0.40 x 1/2 + 0.25 x 0.9 + 0.20 x 1/2 + 0.15 / 4
    assert_eq!(facts(0b1111, 10, 1_000, 100).score(none, 5), Some(5_625));
    // 0.25 x 0 + 0.40 x 1 + 0.20 x 1/10 + 0.15 / 2
    assert_eq!(facts(0b11, 10, 10_000, 900).score(none, 0), Some(4_950));
    assert_eq!(facts(1, 10, 0, 0).score(none, 10), None, "full");
    assert_eq!(facts(0, 0, 0, 0).score(none, 0), None, "takes none");
    assert_eq!(facts(0b01, 10, 0, 0).score(Capabilities(0b10), 0), None, "cannot");
}

#[test]
fn each_strategy_picks_by_its_rule() {
    let candidate = |agent, capabilities, held, errors| Candidate {
        agent: AgentId(agent),
        facts: facts(capabilities, 4, errors, 10),
        held,
    };
    let workers = [
        candidate(1, 0b111, 1, 0),
        candidate(2, 0b011, 2, 0),
        candidate(3, 0b001, 3, 0),
        candidate(4, 0b111, 1, 9_000),
    ];
    let pick = |strategy, needs, last: Option<u32>| {
        choose(strategy, Capabilities(needs), &workers, last.map(AgentId)).map(|agent| agent.0)
    };
    use Strategy::{Adaptive, Consensus, LeastLoaded, RoundRobin, Specialised};
    assert_eq!([None, Some(1), Some(3), Some(4)].map(|last| pick(RoundRobin, 0, last)), [1, 2, 4, 1].map(Some));
    assert_eq!(pick(RoundRobin, 0b100, Some(1)), Some(4));
    assert_eq!([pick(LeastLoaded, 0, None), pick(LeastLoaded, 0b10, None)], [Some(1), Some(1)]);
    assert_eq!([0, 0b10, 0b100].map(|needs| pick(Specialised, needs, None)), [3, 2, 1].map(Some));
    assert_eq!(pick(Adaptive, 0, None), Some(1));
    assert_eq!(pick(Consensus, 0, None), None);
    for strategy in Strategy::ALL {
        assert_eq!(pick(strategy, 0b1000, None), None, "nobody can");
    }
    let full = workers.map(|one| Candidate { held: 4, ..one });
    for strategy in Strategy::ALL {
        assert_eq!(choose(strategy, Capabilities::NONE, &full, None), None, "nobody has room");
    }
}

#[test]
fn equal_bids_are_spread() {
    let bids: Vec<_> = (0..4).map(|agent| (AgentId(agent), Some(5_000))).collect();
    let mut wins = BTreeMap::new();
    for key in 0..400 {
        *wins.entry(table::best_bid(TaskKey(key), &bids).unwrap()).or_insert(0) += 1;
    }
    assert!(wins.len() == 4 && wins.values().all(|wins| (60..140).contains(wins)), "{wins:?}");
    let best = [(AgentId(0), None), (AgentId(1), Some(3)), (AgentId(2), Some(4))];
    assert_eq!(table::best_bid(TaskKey(1), &best), Some(AgentId(2)));
    assert_eq!(table::best_bid(TaskKey(1), &best[..1]), None);
}

// The table.

#[test]
fn the_late_result_of_a_lost_lease_counts_once_or_not_at_all() {
    let mut table = Table::default();
    apply(&mut table, admit(vec![task(1), task(2)]));
    // Nobody else has it yet: a result is a result.
    apply(&mut table, assign(1, 0, 1));
    apply(&mut table, release(1, 1));
    assert_eq!(dones(&apply(&mut table, settle(1, 1, Ok(b"a")))), [(1, Outcome::Done(b"a".to_vec()))]);
    assert_eq!(dones(&apply(&mut table, settle(1, 1, Ok(b"a")))), []);
    assert_eq!(apply(&mut table, assign(1, 1, 2)), []);
    // Somebody else has it: only the later token counts.
    apply(&mut table, assign(2, 0, 1));
    apply(&mut table, release(2, 1));
    apply(&mut table, assign(2, 1, 2));
    let late = apply(&mut table, settle(2, 1, Ok(b"late")));
    assert_eq!(late, [Effect::Answered { key: TaskKey(2), by: AgentId(1), token: 1, counted: false }]);
    assert_eq!(dones(&apply(&mut table, settle(2, 2, Ok(b"b")))), [(2, Outcome::Done(b"b".to_vec()))]);
    assert_eq!((table.open_count(), table.finished_count()), (0, 2));
}

#[test]
fn tasks_wait_for_those_before_and_die_with_them() {
    let mut table = Table::default();
    apply(&mut table, admit(vec![after(3, &[1, 2, 2]), task(1), task(2), after(4, &[3])]));
    let ready = |table: &Table| table.ready(T0).map(|open| open.task.key.0).collect::<Vec<_>>();
    assert_eq!(ready(&table), [1, 2]);
    assert_eq!(apply(&mut table, assign(3, 0, 1)), [], "blocked");
    apply(&mut table, assign(1, 0, 1));
    apply(&mut table, settle(1, 1, Ok(b"")));
    assert_eq!(ready(&table), [2]);
    apply(&mut table, assign(2, 0, 1));
    apply(&mut table, settle(2, 1, Ok(b"")));
    assert_eq!(ready(&table), [3]);
    let ends = dones(&apply(&mut table, Op::Expire(TaskKey(3))));
    let dependency = Outcome::Dead(Cause::Dependency(TaskKey(3)));
    assert_eq!(ends, [(3, Outcome::Dead(Cause::Deadline)), (4, dependency.clone())]);
    // What comes later and depends on the dead is dead at once.
    assert_eq!(dones(&apply(&mut table, admit(vec![after(5, &[3])]))), [(5, dependency)]);
}

#[test]
fn batches_come_in_whole_or_not_at_all() {
    let mut table = Table::default();
    let mut refused = |tasks| match apply(&mut table, admit(tasks)).pop() {
        Some(Effect::Refused { why, .. }) => Some(why),
        _ => None,
    };
    assert_eq!(refused(vec![task(1), task(1)]), None);
    assert_eq!(refused(vec![task(1)]), None, "the same again");
    let other = Task { payload: vec![9, 9], ..task(1) };
    assert_eq!(refused(vec![task(2), other.clone()]), Some(Refusal::KeyTaken(TaskKey(1))));
    let twins = vec![Task { key: TaskKey(2), ..other }, task(2)];
    assert_eq!(refused(twins), Some(Refusal::KeyTaken(TaskKey(2))));
    let unknown = Refusal::UnknownDependency { task: TaskKey(3), before: TaskKey(8) };
    assert_eq!(refused(vec![task(2), after(3, &[8])]), Some(unknown));
    let circle = vec![TaskKey(2), TaskKey(3), TaskKey(2)];
    assert_eq!(refused(vec![after(2, &[3]), after(3, &[2])]), Some(Refusal::Cycle(circle)));
    assert_eq!(refused((2..1_002).map(task).collect()), Some(Refusal::Full { open: 1, open_max: 1_000 }));
    assert_eq!(table.open_count(), 1);
}

#[test]
fn failures_and_losses_are_bounded() {
    let mut table = Table::default();
    apply(&mut table, admit(vec![task(1), task(2)]));
    for token in 1..=3 {
        apply(&mut table, assign(1, token - 1, 1));
        assert_eq!(dones(&apply(&mut table, settle(1, token, Err("no")))), []);
    }
    apply(&mut table, assign(1, 3, 1));
    let failed = Outcome::Dead(Cause::Failed("no".into()));
    assert_eq!(dones(&apply(&mut table, settle(1, 4, Err("no")))), [(1, failed)]);
    for token in 1..=u32::from(table::LOSSES_MAX) {
        apply(&mut table, assign(2, token - 1, 1));
        assert_eq!(dones(&apply(&mut table, release(2, token))), []);
    }
    let last = u32::from(table::LOSSES_MAX) + 1;
    apply(&mut table, assign(2, last - 1, 1));
    assert_eq!(dones(&apply(&mut table, release(2, last))), [(2, Outcome::Dead(Cause::Losses))]);
}

#[test]
fn an_award_needs_a_quorum_of_different_bidders() {
    let mut table = Table::default();
    apply(&mut table, admit(vec![task(1)]));
    let mut award = |bids: &[(u32, Option<u16>)]| {
        let bids = bids.iter().map(|(agent, bid)| (AgentId(*agent), *bid)).collect();
        let op = Op::Award { key: TaskKey(1), seen: 0, quorum: 2, bids };
        apply(&mut table, op).first().cloned()
    };
    assert_eq!(award(&[(1, Some(9))]), None);
    assert_eq!(award(&[(1, Some(9)), (1, Some(9))]), None);
    assert_eq!(award(&[(1, None), (2, None)]), None);
    let granted = Effect::Granted { key: TaskKey(1), to: AgentId(2), token: 1, from: None };
    assert_eq!(award(&[(1, None), (2, Some(1))]), Some(granted));
}

#[test]
fn old_results_fade_and_their_keys_stay() {
    let mut table = Table::default();
    let long = vec![0; PAYLOAD_MAX];
    let count = (table::FINISHED_BYTES_MAX / PAYLOAD_MAX) as u64 + 3;
    for key in 0..count {
        apply(&mut table, admit(vec![task(key)]));
        apply(&mut table, assign(key, 0, 1));
        apply(&mut table, settle(key, 1, Ok(&long)));
    }
    let outcome = |key| &table.finished(TaskKey(key)).unwrap().outcome;
    assert_eq!([outcome(0), outcome(2)], [&Outcome::Faded, &Outcome::Faded]);
    assert!(matches!(outcome(3), Outcome::Done(_)));
    assert!(table.knows(&task(0)));
    let twin = Table::decode(&table.encode()).unwrap();
    assert_eq!(twin.encode(), table.encode());
    assert!(apply(&mut table, admit(vec![task(0)])).len() == 1 && table.open_count() == 0, "it does not run again");
    assert_eq!(dones(&apply(&mut table, admit(vec![after(1_000, &[0])]))), [], "it was done");
}

#[test]
fn a_copy_by_bytes_ends_what_waits_in_the_same_order() {
    let mut table = Table::default();
    for waiting in [task(5), after(2, &[5, 5]), after(0, &[5]), after(3, &[5, 2, 5])] {
        apply(&mut table, admit(vec![waiting]));
    }
    let mut copy = Table::decode(&table.encode()).unwrap();
    let mut twin = Table::decode(&table.encode()).unwrap();
    assert_eq!(table.open(TaskKey(3)).unwrap().state, State::Blocked(2));
    let expire = || Op::Expire(TaskKey(5));
    assert_eq!(apply(&mut copy, expire()), apply(&mut table, expire()));
    assert_eq!(copy.encode(), table.encode());
    // A dependency that is named twice is waited for once, by the copy too.
    apply(&mut twin, assign(5, 0, 1));
    apply(&mut twin, settle(5, 1, Ok(b"r")));
    assert_eq!(twin.open(TaskKey(3)).unwrap().state, State::Blocked(1));
}

#[test]
fn a_key_that_comes_anew_waits_for_nothing_it_waited_for_before() {
    let mut table = Table::default();
    apply(&mut table, admit(vec![task(1), after(2, &[1])]));
    apply(&mut table, Op::Expire(TaskKey(2)));
    // Task 2 is forgotten, task 1 still open.
    let others: Vec<u64> = (10..10 + table::FINISHED_MAX as u64).collect();
    for keys in others.chunks(512) {
        apply(&mut table, admit(keys.iter().copied().map(task).collect()));
        keys.iter().for_each(|&key| drop(apply(&mut table, Op::Expire(TaskKey(key)))));
    }
    assert!(table.finished(TaskKey(2)).is_none() && table.open_count() == 1);
    apply(&mut table, admit(vec![task(3), after(2, &[3])]));
    let mut copy = Table::decode(&table.encode()).unwrap();
    for op in [assign(1, 0, 1), settle(1, 1, Ok(b""))] {
        assert_eq!(apply(&mut copy, op.clone()), apply(&mut table, op));
    }
    assert_eq!(table.open(TaskKey(2)).unwrap().state, State::Blocked(1));
    assert_eq!(copy.encode(), table.encode());
}

#[test]
fn the_words_of_old_errors_fade_and_the_dead_stay_dead() {
    let mut table = Table::default();
    let long = "e".repeat(PAYLOAD_MAX);
    for key in 0..(table::FINISHED_BYTES_MAX / PAYLOAD_MAX) as u64 + 3 {
        apply(&mut table, admit(vec![Task { retries_max: 0, ..task(key) }]));
        apply(&mut table, assign(key, 0, 1));
        apply(&mut table, settle(key, 1, Err(&long)));
    }
    let words = |key| match &table.finished(TaskKey(key)).unwrap().outcome {
        Outcome::Dead(Cause::Failed(why)) => why.len(),
        other => panic!("{other:?}"),
    };
    assert_eq!([words(0), words(2), words(3)], [0, 0, PAYLOAD_MAX]);
    let dependency = Outcome::Dead(Cause::Dependency(TaskKey(0)));
    assert_eq!(dones(&apply(&mut table, admit(vec![after(1_000, &[0])]))), [(1_000, dependency)]);
}

fn any_op() -> impl Generator<Value = Op> {
    let key = 0..8u64;
    let token = 0..4u32;
    prop_oneof![
        (key.clone(), proptest::collection::vec(0..8u64, 0..3), 0..2u8).prop_map(|(key, before, kind)| {
            let task = Task { retries_max: kind, ..after(key, &before) };
            Op::Admit { by: AgentId(0), batch: 0, tasks: vec![task], open_max: 5 }
        }),
        (key.clone(), token.clone(), 0..3u32).prop_map(|(key, seen, to)| assign(key, seen, to)),
        (key.clone(), token.clone(), any::<bool>())
            .prop_map(|(key, token, fine)| { settle(key, token, if fine { Ok(b"r") } else { Err("e") }) }),
        (key.clone(), token).prop_map(|(key, token)| release(key, token)),
        key.prop_map(|key| Op::Expire(TaskKey(key))),
    ]
}

proptest! {
    /// Whatever is written into the log, a task ends once, tokens rise, and a copy by bytes goes on alike.
    #[test]
    fn any_log_ends_each_task_at_most_once(ops in proptest::collection::vec(any_op(), 1..200), cut in 0..200usize) {
        let mut table = Table::default();
        let mut copy = None;
        let mut ended = BTreeSet::new();
        let mut tokens: BTreeMap<TaskKey, u32> = BTreeMap::new();
        for (at, op) in ops.into_iter().enumerate() {
            let effects = apply(&mut table, op.clone());
            if let Some(copy) = &mut copy {
                prop_assert_eq!(&apply(copy, op), &effects);
            }
            if at == cut {
                copy = Table::decode(&table.encode());
                prop_assert!(copy.is_some());
            }
            for effect in &effects {
                match effect {
                    Effect::Done { key, .. } => prop_assert!(ended.insert(*key), "{key} ended twice"),
                    Effect::Granted { key, token, .. } => {
                        let last = tokens.insert(*key, *token).unwrap_or(0);
                        prop_assert_eq!(*token, last + 1);
                        prop_assert!(!ended.contains(key));
                    }
                    _ => {}
                }
            }
            let ready: BTreeSet<TaskKey> = table.ready(UnixNanos::MAX).map(|open| open.task.key).collect();
            let leased = table.leases().count();
            let open: Vec<&table::Open> = (0..8).filter_map(|key| table.open(TaskKey(key))).collect();
            prop_assert_eq!(open.len(), table.open_count());
            let blocked = open.iter().filter(|open| matches!(open.state, State::Blocked(_)));
            for open in blocked.clone() {
                let waits: BTreeSet<&TaskKey> =
                    open.task.after.iter().filter(|before| table.open(**before).is_some()).collect();
                prop_assert_eq!(open.state, State::Blocked(waits.len() as u32));
            }
            prop_assert_eq!(ready.len() + leased + blocked.count(), open.len());
            prop_assert!(open.len() <= 5);
        }
        if let Some(copy) = copy {
            prop_assert_eq!(copy.encode(), table.encode());
        }
    }
}

// The log.

/// One of three keepers that follows.
fn follower() -> Replica<Op> {
    Replica::new(T0, AgentId(1), &[0, 1, 2].map(AgentId), SECOND, 4 * SECOND)
}

fn append(term: u64, (last, index): (u64, u64), count: usize, commit: u64) -> Say<Op> {
    Say::Append { term, previous: Place { term: last, index }, entries: vec![(term, Op::Open); count], commit }
}

fn part(term: u64, (last, index): (u64, u64), part: (u32, u32), byte: u8) -> Say<Op> {
    Say::Part { term, at: Place { term: last, index }, part, bytes: vec![byte] }
}

/// What a follower answers its leader.
fn answer(follower: &mut Replica<Op>, leader: u32, say: Say<Op>) -> Option<Result<u64, u64>> {
    follower.on_say(T0, AgentId(leader), say);
    follower.take_say().into_iter().find_map(|(_, say)| match say {
        Say::Appended { matched, .. } => Some(matched),
        _ => None,
    })
}

#[test]
fn a_late_table_takes_nothing_away_that_was_acknowledged() {
    let mut keeper = follower();
    assert_eq!(answer(&mut keeper, 0, append(1, (0, 0), 10, 4)), Some(Ok(10)));
    assert_eq!(answer(&mut keeper, 0, part(1, (1, 7), (0, 1), 0)), Some(Ok(7)));
    assert_eq!(keeper.take_installed(), None);
    assert_eq!(std::iter::from_fn(|| keeper.pop_committed()).count(), 7);
    assert_eq!(answer(&mut keeper, 0, append(1, (1, 10), 0, 7)), Some(Ok(10)));
}

#[test]
fn a_table_replaces_what_another_leader_wrote() {
    let mut keeper = follower();
    assert_eq!(answer(&mut keeper, 0, append(1, (0, 0), 10, 4)), Some(Ok(10)));
    assert_eq!(answer(&mut keeper, 2, part(2, (2, 7), (0, 1), 9)), Some(Ok(7)));
    assert_eq!(keeper.take_installed(), Some(vec![9]));
    assert_eq!(answer(&mut keeper, 2, append(2, (2, 10), 0, 10)), Some(Err(7)));
    assert_eq!(answer(&mut keeper, 2, append(2, (2, 7), 3, 7)), Some(Ok(10)));
}

#[test]
fn late_parts_of_an_older_table_do_not_disturb_a_newer_one() {
    let mut keeper = follower();
    let (older, newer) = ((1, 5), (1, 9));
    for say in [part(1, older, (0, 2), 1), part(1, newer, (2, 3), 22), part(1, newer, (0, 3), 20)] {
        assert_eq!(answer(&mut keeper, 0, say), None);
    }
    assert_eq!(answer(&mut keeper, 0, part(1, older, (1, 2), 2)), None);
    assert_eq!(answer(&mut keeper, 0, part(1, newer, (1, 3), 21)), Some(Ok(9)));
    assert_eq!(keeper.take_installed(), Some(vec![20, 21, 22]));
}

#[test]
fn the_next_leaders_table_may_be_an_older_one() {
    // The first leader dies in the middle; the next has the entries, but has not heard that they are committed.
    let mut keeper = follower();
    assert_eq!(answer(&mut keeper, 0, part(1, (1, 9), (0, 2), 1)), None);
    assert_eq!(answer(&mut keeper, 2, part(2, (1, 7), (0, 1), 2)), Some(Ok(7)));
    assert_eq!(keeper.take_installed(), Some(vec![2]));
}

/// A thirty-second of what a log may hold.
#[derive(Debug, Clone)]
struct Heavy;

impl Entry for Heavy {
    fn weight(&self) -> usize {
        LOG_BYTES_MAX / 32
    }

    fn keepers(&self) -> Option<&Keepers> {
        None
    }
}

#[test]
fn a_log_of_few_heavy_entries_empties() {
    let mut leader = Replica::new(T0, AgentId(0), &[AgentId(0)], SECOND, 4 * SECOND);
    leader.on_time(T0);
    for entry in 0..200 {
        assert!(leader.propose(Heavy).is_ok(), "no room for entry {entry}");
        assert!(leader.pop_committed().is_some());
    }
}

// The worker.

fn worker(slots: u32) -> Worker {
    Worker::new(&Settings { slots, ..Settings::new(Vec::new()) })
}

#[test]
fn an_attempt_that_is_here_starts_once_however_many_pass() {
    let mut worker = worker(2);
    let started = |worker: &mut Worker| worker.start(T0).iter().map(|(task, _)| task.key.0).collect::<Vec<_>>();
    let pass = |worker: &mut Worker, keys: std::ops::Range<u64>| {
        for key in keys {
            worker.take(task(key), 1);
            assert_eq!(started(worker), [key]);
            worker.end(T0, TaskKey(key), Ok(Vec::new()), T0);
            worker.forget(TaskKey(key), 1);
        }
    };
    worker.take(task(1), 1);
    assert_eq!(started(&mut worker), [1]);
    pass(&mut worker, 10..5_010);
    worker.take(task(1), 1);
    assert_eq!(worker.end(T0, TaskKey(1), Ok(Vec::new()), T0), Some(1));
    assert_eq!(started(&mut worker), [0; 0]);
    // It has ended, and the coordinator has not heard of it.
    pass(&mut worker, 10_000..15_000);
    worker.take(task(1), 1);
    assert_eq!(started(&mut worker), [0; 0]);
    worker.take(task(1), 2);
    assert_eq!(started(&mut worker), [1]);
}

#[test]
fn a_workers_facts_follow_its_attempts() {
    let mut worker = worker(1);
    let mut attempt = |key, ms: u64, result: Result<Vec<u8>, String>| {
        worker.take(task(key), 1);
        worker.start(T0);
        worker.end(T0.saturating_add(ms * MILLISECOND), TaskKey(key), result, T0);
        (worker.facts().errors_bp, worker.facts().latency_ns / MILLISECOND)
    };
    let no = || Err("no".to_owned());
    // By hand: an eighth of the new, seven of the old; the first latency counts whole.
    assert_eq!(attempt(1, 80, no()), (1_250, 80));
    assert_eq!(attempt(2, 160, no()), (2_343, 90));
    assert_eq!(attempt(3, 90, Ok(Vec::new())), (2_050, 90));
}

// An agent that keeps nothing, alone.

fn outsider(slots: u32) -> Tasks {
    let settings = Settings { slots, ..Settings::new([0, 1, 2].map(AgentId).to_vec()) };
    Tasks::new(T0, AgentId(9), settings)
}

/// What is said and told meanwhile.
fn observe(act: impl FnOnce(&mut Outbox<Message>, &mut Vec<Event>)) -> (Vec<(u32, Message)>, Vec<Event>) {
    let (mut out, mut events) = (Outbox::new(), Vec::new());
    act(&mut out, &mut events);
    let one = |to| if let To::One(agent) = to { agent.0 } else { panic!("tasks speak to one at a time") };
    (out.drain().map(|outgoing| (one(outgoing.to), outgoing.message)).collect(), events)
}

fn hear(tasks: &mut Tasks, now: UnixNanos, from: u32, message: Message) -> Vec<Event> {
    observe(|out, events| tasks.on_message(now, AgentId(from), message, out, events)).1
}

/// The batches it sends when woken: to whom, which sending, and if it takes them to be in.
fn sends(tasks: &mut Tasks, now: UnixNanos) -> Vec<(u32, u32, bool)> {
    let (said, _) = observe(|out, events| tasks.on_time(now, out, events));
    let batch = |(to, message)| match message {
        Message::Submit { sending, admitted, .. } => Some((to, sending, admitted)),
        _ => None,
    };
    said.into_iter().filter_map(batch).collect()
}

#[test]
fn a_refusal_of_an_earlier_sending_is_not_believed() {
    let mut agent = outsider(1);
    hear(&mut agent, T0, 0, Message::Lead(1));
    observe(|out, events| drop(agent.submit(T0, vec![task(1)], out, events)));
    hear(&mut agent, T0, 1, Message::Lead(2));
    assert_eq!(sends(&mut agent, T0), [(1, 2, false)]);
    let why = Refusal::Full { open: 1, open_max: 1 };
    let refused = |sending| Message::Refused { batch: 0, sending, why: why.clone() };
    assert_eq!(hear(&mut agent, T0, 0, refused(1)), []);
    assert_eq!(agent.outstanding(), 1);
    assert_eq!(hear(&mut agent, T0, 1, refused(2)), [Event::Refused(0, why.clone())]);
    assert_eq!(agent.outstanding(), 0);
}

#[test]
fn what_a_later_term_let_in_has_not_faded_for_an_earlier_one() {
    let mut agent = outsider(1);
    hear(&mut agent, T0, 0, Message::Lead(1));
    observe(|out, events| drop(agent.submit(T0, vec![task(1)], out, events)));
    assert_eq!(hear(&mut agent, T0, 1, Message::Admitted { batch: 0, term: 3 }), [Event::Admitted(0)]);
    let later = T0.saturating_add(4 * SECOND);
    assert_eq!(sends(&mut agent, later), [(0, 2, false)]);
    // Cut off as well, though it came after the first.
    hear(&mut agent, later, 2, Message::Lead(2));
    assert_eq!(sends(&mut agent, later), [(2, 3, false)]);
    hear(&mut agent, later, 1, Message::Lead(3));
    assert_eq!(sends(&mut agent, later), [(1, 4, true)]);
    hear(&mut agent, later, 2, Message::Lead(4));
    assert_eq!(sends(&mut agent, later), [(2, 5, true)]);
}

#[test]
fn who_runs_what_does_not_count_any_more_is_told() {
    let mut agent = outsider(1);
    let ran = hear(&mut agent, T0, 0, Message::Grant { task: task(1), token: 2 });
    assert_eq!(ran, [Event::Run { task: task(1), token: 2 }]);
    assert_eq!(hear(&mut agent, T0, 0, Message::Grant { task: task(2), token: 1 }), []);
    let mut revoke = |key, token| hear(&mut agent, T0, 0, Message::Revoke { key: TaskKey(key), token });
    assert_eq!(revoke(1, 1), [], "an earlier attempt");
    assert_eq!(revoke(2, 1), [], "it has not started");
    assert_eq!(revoke(1, 2), [Event::Revoked(TaskKey(1))]);
    assert_eq!(agent.load(), 1, "it must still be ended");
}

#[test]
fn who_is_cut_off_does_not_start_what_waits() {
    let mut agent = outsider(1);
    hear(&mut agent, T0, 0, Message::Lead(1));
    for key in 1..4 {
        hear(&mut agent, T0, 0, Message::Grant { task: task(key), token: 1 });
    }
    let lease = T0.saturating_add(3 * SECOND);
    sends(&mut agent, lease);
    assert_eq!(agent.load(), 3);
    sends(&mut agent, lease.saturating_add(SECOND));
    assert_eq!(agent.load(), 1);
}

#[test]
fn a_result_has_a_longest_length() {
    let mut agent = outsider(1);
    hear(&mut agent, T0, 0, Message::Lead(1));
    let mut result = |key, result: Result<Vec<u8>, String>| {
        hear(&mut agent, T0, 0, Message::Grant { task: task(key), token: 1 });
        let (said, _) = observe(|out, events| {
            assert!(agent.end(T0, TaskKey(key), result, out, events));
        });
        let sent = |(_, message)| if let Message::Result { result, .. } = message { Some(result) } else { None };
        said.into_iter().find_map(sent).expect("it is sent at once")
    };
    let longest = vec![0; PAYLOAD_MAX];
    assert_eq!(result(1, Ok(longest.clone())), Ok(longest));
    assert_eq!(result(2, Ok(vec![0; PAYLOAD_MAX + 1])), Err("a result of 65537 bytes is above 65536".into()));
    assert_eq!(result(3, Err("\u{fc}".repeat(ERROR_MAX + 1))), Err("\u{fc}".repeat(ERROR_MAX)));
}

// The coordinator, alone.

/// A coordinator with a table that has no room.
struct Office {
    settings: Settings,
    table: Table,
    chief: Chief,
}

impl Office {
    fn new() -> Self {
        let members = [0, 1].map(AgentId);
        let settings = Settings { open_max: 0, ..Settings::new(members.to_vec()) };
        let table = Table::default();
        let chief = Chief::new(T0, 1, &members, &settings, &table, &mut Outbox::new());
        Self { settings, table, chief }
    }

    /// What it writes into the log on hearing this sending of a batch.
    fn submit(&mut self, batch: u64, sending: u32) -> Option<Op> {
        let submit = Message::Submit { batch, sending, admitted: false, tasks: vec![task(1)] };
        self.chief.hear(T0, AgentId(1), submit, &self.settings, &self.table, &mut Outbox::new());
        self.chief.work(T0, &self.settings, &self.table, true, &mut Outbox::new()).pop()
    }

    /// What it says once that has been applied.
    fn applied(&mut self, op: Op) -> Option<Message> {
        self.chief.left_log(&op);
        let effects = apply(&mut self.table, op);
        let (said, _) = observe(|out, _| {
            for effect in effects {
                self.chief.announce(T0, effect, &self.table, &self.settings, out);
            }
        });
        said.into_iter().next().map(|(_, message)| message)
    }
}

#[test]
fn a_refusal_answers_all_that_was_heard_of_a_batch() {
    let mut office = Office::new();
    let op = office.submit(0, 2).expect("it goes into the log");
    office.chief.turned_away(&op);
    let op = office.submit(0, 2).expect("it found no room");
    assert_eq!([office.submit(0, 4), office.submit(0, 3)], [None, None], "on its way");
    let why = Refusal::Full { open: 0, open_max: 0 };
    assert_eq!(office.applied(op), Some(Message::Refused { batch: 0, sending: 4, why }));
    // What a predecessor wrote is no answer to what this one has not heard.
    let op = Op::Admit { by: AgentId(1), batch: 7, tasks: vec![task(1)], open_max: 0 };
    assert_eq!(office.applied(op), None);
}

#[test]
fn a_batch_that_is_in_is_answered_as_often_as_it_comes() {
    let mut office = Office::new();
    office.settings.open_max = 1;
    let op = office.submit(0, 1).expect("it goes into the log");
    let admitted = Message::Admitted { batch: 0, term: 1 };
    assert_eq!(office.applied(op), Some(admitted.clone()));
    let again = Message::Submit { batch: 0, sending: 2, admitted: true, tasks: vec![task(1)] };
    let Office { chief, settings, table } = &mut office;
    let (said, _) = observe(|out, _| chief.hear(T0, AgentId(1), again, settings, table, out));
    assert_eq!(said, [(1, admitted)]);
}

#[test]
fn a_refused_batch_stays_out_however_late_a_sending_comes() {
    let mut office = Office::new();
    let op = office.submit(0, 4).expect("it goes into the log");
    office.applied(op);
    // So many are remembered.
    for batch in 1..=chief::REFUSED_MAX as u64 {
        assert_eq!([office.submit(0, 3), office.submit(0, 4)], [None, None], "{batch}");
        let op = office.submit(batch, 1).expect("another batch");
        office.applied(op);
    }
    assert!(office.submit(0, 4).is_some());
    let op = office.submit(1_024, 2).expect("asked for again, which its submitter waits for");
    assert!(office.applied(op).is_some());
}

// Agents in a room: each word is heard once, in an order chance picks, a millisecond later at the earliest.

struct Hall {
    agents: BTreeMap<AgentId, Tasks>,
    air: VecDeque<(AgentId, AgentId, Message)>,
    now: UnixNanos,
    chance: u64,
    events: Vec<(AgentId, Event)>,
    /// Attempts under way: who, what, until when.
    at_work: Vec<(AgentId, Task, UnixNanos)>,
    /// How often each task was run to its end.
    runs: BTreeMap<TaskKey, u32>,
}

impl Hall {
    fn new(count: u32, change: impl Fn(AgentId, &mut Settings)) -> Self {
        let members: Vec<AgentId> = (0..count).map(AgentId).collect();
        let mut hall = Self {
            agents: BTreeMap::new(),
            air: VecDeque::new(),
            now: T0,
            chance: 1,
            events: Vec::new(),
            at_work: Vec::new(),
            runs: BTreeMap::new(),
        };
        for &agent in &members {
            let mut settings = Settings::new(members.clone());
            change(agent, &mut settings);
            hall.agents.insert(agent, Tasks::new(T0, agent, settings));
        }
        hall.meet();
        hall
    }

    fn act(&mut self, agent: u32, act: impl FnOnce(&mut Tasks, UnixNanos, &mut Outbox<Message>, &mut Vec<Event>)) {
        let (mut out, mut events) = (Outbox::new(), Vec::new());
        let Some(tasks) = self.agents.get_mut(&AgentId(agent)) else { return };
        act(tasks, self.now, &mut out, &mut events);
        for outgoing in out.drain() {
            let To::One(to) = outgoing.to else { panic!("tasks speak to one at a time") };
            self.air.push_back((AgentId(agent), to, outgoing.message));
        }
        for event in events {
            if let Event::Run { task, .. } = &event {
                let until = self.now.saturating_add(task.work * MILLISECOND);
                self.at_work.push((AgentId(agent), task.clone(), until));
            }
            self.events.push((AgentId(agent), event));
        }
    }

    fn meet(&mut self) {
        let members: Vec<AgentId> = self.agents.keys().copied().collect();
        for agent in &members {
            self.act(agent.0, |tasks, now, out, events| tasks.on_members(now, &members, out, events));
        }
    }

    fn kill(&mut self, agent: AgentId) {
        self.agents.remove(&agent);
        self.at_work.retain(|(worker, ..)| *worker != agent);
        self.meet();
    }

    fn run_until(&mut self, limit_ms: u64, done: impl Fn(&Self) -> bool) -> bool {
        for _ in 0..limit_ms {
            if done(self) {
                return true;
            }
            self.now = self.now.saturating_add(MILLISECOND);
            for _ in 0..self.air.len() {
                self.chance =
                    self.chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let at = (self.chance >> 33) as usize % self.air.len();
                self.air.swap(0, at);
                let (from, to, message) = self.air.pop_front().unwrap();
                self.act(to.0, |tasks, now, out, events| tasks.on_message(now, from, message, out, events));
            }
            let now = self.now;
            for (agent, task, _) in self.at_work.extract_if(.., |(_, _, until)| *until <= now).collect::<Vec<_>>() {
                *self.runs.entry(task.key).or_default() += 1;
                self.act(agent.0, |tasks, now, out, events| {
                    assert!(tasks.end(now, task.key, Ok(task.payload), out, events));
                });
            }
            for agent in self.agents.keys().copied().collect::<Vec<_>>() {
                if self.agents[&agent].next_due() <= now {
                    self.act(agent.0, |tasks, now, out, events| tasks.on_time(now, out, events));
                    assert!(self.agents[&agent].next_due() > now, "{agent} would be woken without end");
                }
            }
        }
        done(self)
    }

    fn submit(&mut self, agent: u32, tasks: Vec<Task>) {
        self.act(agent, |share, now, out, events| {
            share.submit(now, tasks, out, events).unwrap();
        });
    }

    fn outcomes(&self, agent: u32) -> BTreeMap<TaskKey, Outcome> {
        let mut outcomes = BTreeMap::new();
        for (who, event) in &self.events {
            if let (Event::Done(key, outcome), true) = (event, *who == AgentId(agent)) {
                assert_eq!(outcomes.insert(*key, outcome.clone()), None, "{key} ended twice for its submitter");
            }
        }
        outcomes
    }
}

#[test]
fn each_strategy_has_a_hundred_tasks_done_once() {
    for strategy in Strategy::ALL {
        let mut hall = Hall::new(8, |_, settings| settings.strategy = strategy);
        hall.submit(3, (0..100).map(|key| Task { work: 20, ..task(key) }).collect());
        let start = hall.now;
        assert!(hall.run_until(20_000, |hall| hall.agents[&AgentId(3)].outstanding() == 0), "{strategy:?}");
        let outcomes = hall.outcomes(3);
        assert_eq!(outcomes.len(), 100);
        assert!(outcomes.iter().all(|(key, outcome)| *outcome == Outcome::Done(vec![key.0 as u8])));
        assert!(hall.runs.values().all(|runs| *runs == 1) && hall.runs.len() == 100, "{strategy:?}: {:?}", hall.runs);
        let tasks: Vec<Task> = (0..100).map(|key| Task { work: 20, ..task(key) }).collect();
        let efficiency = efficiency_bp(&tasks, 8, hall.now.since(start) / MILLISECOND).unwrap();
        assert!(efficiency > 5_000, "{strategy:?}: {efficiency}");
        assert!(hall.run_until(2_000, |hall| {
            let first = hall.agents[&AgentId(0)].table().encode();
            hall.agents.values().all(|tasks| tasks.table().encode() == first && tasks.load() == 0)
        }));
    }
}

#[test]
fn the_coordinator_dies_and_nothing_is_lost() {
    for (kill_after_ms, strategy) in (0..60).step_by(4).zip(Strategy::ALL.into_iter().cycle()) {
        let mut hall = Hall::new(5, |_, settings| settings.strategy = strategy);
        assert!(hall.run_until(1_000, |hall| hall.agents[&AgentId(0)].is_coordinator()));
        // A binary tree: each waits for the one at half its number.
        let tree = (2..42).map(|key| Task { work: 5, ..after(key, &[key / 2]) });
        hall.submit(4, tree.chain([task(1)]).collect());
        hall.run_until(kill_after_ms, |_| false);
        hall.kill(AgentId(0));
        assert!(hall.run_until(30_000, |hall| hall.agents[&AgentId(4)].outstanding() == 0), "{kill_after_ms}");
        let outcomes = hall.outcomes(4);
        assert!(outcomes.len() == 41 && outcomes.values().all(|outcome| matches!(outcome, Outcome::Done(_))));
        let recorded = |hall: &Hall| {
            let on_2 = |(who, event): &&(AgentId, Event)| *who == AgentId(2) && matches!(event, Event::Recorded(..));
            hall.events.iter().filter(on_2).count()
        };
        assert!(hall.run_until(1_000, |hall| recorded(hall) >= 41));
        hall.run_until(1_000, |_| false);
        assert_eq!(recorded(&hall), 41);
    }
}

#[test]
fn an_idle_agent_steals_from_a_busy_one() {
    // Agent 1 alone can take tasks at first; agent 2 comes to have room when 1's queue is long.
    let mut hall = Hall::new(3, |agent, settings| {
        settings.strategy = Strategy::LeastLoaded;
        settings.room = if agent == AgentId(1) { 16 } else { 0 };
    });
    hall.submit(0, (0..12).map(|key| Task { work: 300, ..task(key) }).collect());
    assert!(hall.run_until(2_000, |hall| hall.agents[&AgentId(1)].load() >= 10));
    hall.agents.get_mut(&AgentId(2)).unwrap().worker = Worker::new(&Settings::new(Vec::new()));
    assert!(hall.run_until(10_000, |hall| hall.agents[&AgentId(0)].outstanding() == 0));
    let by = |agent| {
        hall.events.iter().filter(|(who, event)| *who == AgentId(agent) && matches!(event, Event::Run { .. })).count()
    };
    assert!(by(2) >= 4 && by(1) + by(2) == 12, "{} {}", by(1), by(2));
}

#[test]
fn refusals_reach_the_submitter() {
    let mut hall = Hall::new(3, |_, _| {});
    hall.act(1, |share, now, out, events| {
        let circle = share.submit(now, vec![after(1, &[1])], out, events);
        assert_eq!(circle, Err(Refusal::Cycle(vec![TaskKey(1), TaskKey(1)])));
        let long = Task { payload: vec![0; PAYLOAD_MAX + 1], ..task(1) };
        assert_eq!(share.submit(now, vec![long], out, events), Err(Refusal::Payload(TaskKey(1))));
        let many = share.submit(now, (0..=BATCH_MAX as u64).map(task).collect(), out, events);
        assert!(matches!(many, Err(Refusal::Batch { tasks: 4097, .. })));
    });
    hall.submit(1, vec![after(1, &[2])]);
    assert!(hall.run_until(1_000, |hall| hall.agents[&AgentId(1)].outstanding() == 0));
    let unknown = Refusal::UnknownDependency { task: TaskKey(1), before: TaskKey(2) };
    assert!(hall.events.contains(&(AgentId(1), Event::Refused(0, unknown))));
}

#[test]
fn a_deadline_ends_what_nobody_can_do() {
    let mut hall = Hall::new(3, |_, settings| settings.capabilities = Capabilities(0b1));
    let deadline = T0.saturating_add(SECOND);
    hall.submit(2, vec![Task { needs: Capabilities(0b10), deadline, ..task(1) }]);
    assert!(!hall.run_until(900, |hall| hall.agents[&AgentId(2)].outstanding() == 0));
    assert!(hall.run_until(400, |hall| hall.agents[&AgentId(2)].outstanding() == 0));
    assert_eq!(hall.outcomes(2)[&TaskKey(1)], Outcome::Dead(Cause::Deadline));
}

#[test]
fn a_keeper_far_behind_is_sent_the_table() {
    let mut hall = Hall::new(3, |_, _| {});
    assert!(hall.run_until(1_000, |hall| hall.agents[&AgentId(0)].is_coordinator()));
    let deaf = hall.agents.remove(&AgentId(2)).unwrap();
    // Two entries for each task, and more than the log keeps.
    for round in 0..12 {
        hall.submit(1, (round * 200..round * 200 + 200).map(|key| Task { work: 0, ..task(key) }).collect());
        assert!(hall.run_until(60_000, |hall| hall.agents[&AgentId(1)].outstanding() == 0));
    }
    hall.agents.insert(AgentId(2), deaf);
    let same = |hall: &Hall| hall.agents[&AgentId(2)].table().encode() == hall.agents[&AgentId(0)].table().encode();
    assert!(hall.run_until(10_000, same));
    let recorded: BTreeSet<TaskKey> = hall
        .events
        .iter()
        .filter_map(|(who, event)| match event {
            Event::Recorded(key, _) if *who == AgentId(2) => Some(*key),
            _ => None,
        })
        .collect();
    assert_eq!(recorded.len(), 2_400);
}

#[test]
fn what_nobody_can_do_does_not_stop_the_bidding() {
    let able = Capabilities(0b11);
    // Agent 1 could, but takes nothing on.
    let mut hall = Hall::new(3, |agent, settings| {
        settings.strategy = Strategy::Consensus;
        (settings.capabilities, settings.room) =
            if agent == AgentId(1) { (able, 0) } else { (Capabilities(0b1), settings.room) };
    });
    hall.submit(2, (0..6).map(|key| Task { needs: Capabilities(0b10), ..task(key) }).collect());
    assert!(hall.run_until(1_000, |hall| hall.agents[&AgentId(0)].table().open_count() == 6));
    hall.submit(2, vec![task(100)]);
    assert!(hall.run_until(5_000, |hall| hall.outcomes(2).contains_key(&TaskKey(100))));
    let settings = Settings { capabilities: able, ..Settings::new(Vec::new()) };
    hall.agents.get_mut(&AgentId(1)).unwrap().worker = Worker::new(&settings);
    assert!(hall.run_until(5_000, |hall| hall.agents[&AgentId(2)].outstanding() == 0));
}

#[test]
fn the_bidding_goes_on_without_the_only_one_who_could() {
    let mut hall = Hall::new(3, |agent, settings| {
        settings.strategy = Strategy::Consensus;
        (settings.capabilities, settings.room) =
            if agent == AgentId(1) { (Capabilities(0b11), 1) } else { (Capabilities(0b1), settings.room) };
    });
    hall.submit(2, (0..7).map(|key| Task { needs: Capabilities(0b10), work: 60_000, ..task(key) }).collect());
    assert!(hall.run_until(2_000, |hall| hall.agents[&AgentId(1)].load() == 1));
    // The other six are called for.
    hall.run_until(1_000, |_| false);
    hall.kill(AgentId(1));
    hall.submit(2, vec![task(100)]);
    assert!(hall.run_until(5_000, |hall| hall.outcomes(2).contains_key(&TaskKey(100))));
}

#[test]
fn what_is_too_long_for_a_message_stays_out_of_the_log() {
    let mut hall = Hall::new(3, |_, _| {});
    assert!(hall.run_until(1_000, |hall| hall.agents[&AgentId(0)].is_coordinator()));
    let tell = |hall: &mut Hall, from, message| {
        hall.act(0, |tasks, now, out, events| tasks.on_message(now, from, message, out, events));
    };
    let bytes = 9 * (48 + PAYLOAD_MAX);
    let long = |key, length| Task { payload: vec![0; length], ..task(key) };
    let batches = [
        ((1..10).map(|key| long(key, PAYLOAD_MAX)).collect(), Refusal::Batch { tasks: 9, bytes }),
        (vec![long(1, PAYLOAD_MAX + 1)], Refusal::Payload(TaskKey(1))),
    ];
    for (batch, (tasks, why)) in (0..).zip(batches) {
        tell(&mut hall, AgentId(2), Message::Submit { batch, sending: 1, admitted: false, tasks });
        let refused = Message::Refused { batch, sending: 1, why };
        assert!(hall.air.contains(&(AgentId(0), AgentId(2), refused)));
    }
    hall.run_until(1_000, |_| false);
    assert_eq!(
        (hall.agents[&AgentId(0)].table().open_count(), hall.agents[&AgentId(0)].table().finished_count()),
        (0, 0)
    );
    let results = [
        (1, Ok(vec![0; PAYLOAD_MAX + 1]), "a result of 65537 bytes is above 65536".to_owned()),
        (2, Err("e".repeat(1 << 20)), "e".repeat(ERROR_MAX)),
    ];
    for (key, result, why) in results {
        hall.submit(1, vec![Task { retries_max: 0, work: 60_000, ..task(key) }]);
        let begun = |hall: &Hall| {
            hall.events.iter().find_map(|(who, event)| match event {
                Event::Run { task, token } if task.key.0 == key => Some((*who, *token)),
                _ => None,
            })
        };
        assert!(hall.run_until(5_000, |hall| begun(hall).is_some()));
        let (worker, token) = begun(&hall).unwrap();
        tell(&mut hall, worker, Message::Result { key: TaskKey(key), token, result });
        assert!(hall.run_until(1_000, |hall| hall.agents[&AgentId(1)].outstanding() == 0));
        assert_eq!(hall.outcomes(1)[&TaskKey(key)], Outcome::Dead(Cause::Failed(why)));
    }
}
