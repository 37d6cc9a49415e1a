//! Each of the eighteen, broken on purpose: the figure or the verdict changes.
//!
//! Agents and providers are broken from outside, by decorators; where a sleep is put in, the figure holds it. What is
//! asserted never depends on how fast this machine is.

#![expect(clippy::unwrap_used, reason = "a failing test")]
#![cfg(target_os = "linux")]

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use starling_core::UnixNanos;
use starling_core::time::DAY;
use starling_swarm::consensus::ballot::Choice;
use starling_swarm::cost::Resources;
use starling_swarm::id::AgentId;
use starling_swarm::message::{Class, decode};
use starling_swarm::node::Parcel;
use starling_swarm::task::Outcome;
use starling_swarm::topology::Shape;

use starling_lab::bench::swarm::{
    Agent, Answer, Charter, Clock, Conduct, DEFINITIONS, Material, Order, Own, Plan, Provider, Quarters, Remains,
    Report, Role, Subject, Threads, Traffic, Usage, measure,
};
use starling_lab::bench::{BenchError, Benchmark, Case, Tier, price};

type OnRole = Arc<dyn Fn(&Own, &mut Charter) + Send + Sync>;
type OnOrder = Arc<dyn Fn(&Charter, Order) -> Order + Send + Sync>;

/// What is broken, and at whom.
#[derive(Clone)]
struct Fault {
    at: Vec<u32>,
    /// Looked at before the agent is made.
    role: OnRole,
    order: OnOrder,
    answer: Arc<dyn Fn(Answer) -> Vec<Answer> + Send + Sync>,
    /// Frames that it sends: false drops one.
    frame: Arc<dyn Fn(&Parcel) -> bool + Send + Sync>,
    clock: Arc<dyn Fn(UnixNanos) -> UnixNanos + Send + Sync>,
    /// Bytes it holds for nothing.
    hoard: usize,
}

impl Fault {
    /// None yet, at an agent.
    fn at(at: u32) -> Self {
        Self {
            at: vec![at],
            role: Arc::new(|_, _| {}),
            order: Arc::new(|_, order| order),
            answer: Arc::new(|answer| vec![answer]),
            frame: Arc::new(|_| true),
            clock: Arc::new(|now| now),
            hoard: 0,
        }
    }

    fn provider(self) -> Threads {
        Threads::of(Arc::new(move |role: &[u8], clock: Clock| {
            let (own, mut charter) = Role::decode(role).unwrap();
            if !self.at.contains(&own.at) {
                return Box::new(Agent::new(role, clock));
            }
            (self.role)(&own, &mut charter);
            let lie = Arc::clone(&self.clock);
            let clock: Clock = Arc::new(move || lie(clock()));
            let broken = Role { own, charter: charter.encode() };
            let inner = Agent::new(&broken.encode(), clock);
            // Memory counts once it is written.
            let _hoard = vec![1; self.hoard];
            Box::new(Broken { inner, charter, fault: self.clone(), answers: Vec::new(), _hoard })
        }))
    }
}

struct Broken {
    inner: Agent,
    charter: Charter,
    fault: Fault,
    answers: Vec<Answer>,
    _hoard: Vec<u8>,
}

impl Subject for Broken {
    fn on_order(&mut self, order: Order) {
        self.inner.on_order((self.fault.order)(&self.charter, order));
    }
    fn on_frame(&mut self, from: AgentId, frame: &[u8]) {
        self.inner.on_frame(from, frame);
    }
    fn on_time(&mut self) {
        self.inner.on_time();
    }
    fn next_due(&self) -> UnixNanos {
        self.inner.next_due()
    }
    fn poll_frame(&mut self) -> Option<Parcel> {
        loop {
            let parcel = self.inner.poll_frame()?;
            if (self.fault.frame)(&parcel) {
                return Some(parcel);
            }
        }
    }
    fn put_back(&mut self, parcel: Parcel) {
        self.inner.put_back(parcel);
    }
    fn poll_answer(&mut self) -> Option<Answer> {
        if self.answers.is_empty() {
            let answer = self.inner.poll_answer()?;
            self.answers = (self.fault.answer)(answer);
        }
        (!self.answers.is_empty()).then(|| self.answers.remove(0))
    }
}

fn plan() -> Plan {
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../starling/demo");
    let text = std::fs::read_to_string(demo.join("demo.toml")).unwrap();
    Plan {
        tier: Tier::Fast,
        runs: 1,
        material: Material::load(&text, vec![demo]).unwrap(),
        prices: price::built_in(),
        resources: Resources::default(),
        secret: [7; 32],
        patience: Duration::from_secs(60),
        stop: Arc::new(AtomicBool::new(false)),
    }
}

fn run(number: u32, provider: &mut dyn Provider, plan: &Plan) -> Benchmark {
    // Threads of two tests in one process would be each other's remains.
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let definition = DEFINITIONS.iter().find(|definition| definition.number == number).unwrap();
    measure(definition, provider, plan).unwrap()
}

/// Of a benchmark with this fault: the claims that do not hold.
fn wrong(benchmark: &Benchmark) -> Vec<&str> {
    benchmark.checks.iter().filter(|check| !check.holds).map(|check| check.claim.as_str()).collect()
}

#[track_caller]
fn fails(benchmark: &Benchmark, claim: &str) {
    assert_eq!(benchmark.pass, Some(false), "{:?}", benchmark.checks);
    assert!(wrong(benchmark).iter().any(|wrong| wrong.contains(claim)), "{:?}", benchmark.checks);
}

fn named<'a>(benchmark: &'a Benchmark, name: &str) -> &'a Case {
    benchmark.cases.iter().find(|case| case.name.contains(name)).unwrap()
}

const NAP: Duration = Duration::from_millis(300);

/// A provider that has no room.
struct Shut;

impl Provider for Shut {
    fn name(&self) -> &'static str {
        "in-process"
    }
    fn shares_memory(&self) -> bool {
        true
    }
    fn open(&mut self, _: u32, _: Shape, _: usize) -> Result<Box<dyn Quarters>, BenchError> {
        Err(BenchError::Input("there is no room".to_owned()))
    }
    fn remains(&mut self) -> Result<Remains, BenchError> {
        Ok(Remains::default())
    }
}

/// Under another name it would be new in every history, and what it was before would be gone.
#[test]
fn a_benchmark_that_fails_keeps_its_name() {
    let plan = plan();
    for definition in &DEFINITIONS {
        let failed = run(definition.number, &mut Shut, &plan);
        fails(&failed, "carried out");
        let parameters = failed.name.strip_prefix(definition.name).and_then(|rest| rest.strip_prefix(": "));
        assert!(parameters.is_some_and(|parameters| !parameters.is_empty()), "{}", failed.name);
    }
    let done = run(1, &mut Threads::default(), &plan);
    assert_eq!((run(1, &mut Shut, &plan).key(), done.samples.n > 0), (done.key(), true));
}

/// What a provider that passes everything else on does not do.
#[derive(Clone, Copy, PartialEq)]
enum Lapse {
    /// It ends no swarm, and starts nobody at the place 19.
    End,
    /// It kills nobody.
    Kill,
    /// Its agents share no memory, and have none.
    Weigh,
    /// None.
    Nothing,
}

/// What a conductor had of a provider.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Deed {
    Opened,
    /// The executions of an agent were heard of.
    Executed,
    Ending,
    Ended,
}

type Diary = Arc<Mutex<Vec<(Deed, Instant)>>>;

/// A provider with a lapse.
struct Lax(Threads, Lapse, Diary);

struct Left(Option<Box<dyn Quarters>>, Lapse, Diary);

impl Lax {
    fn new(lapse: Lapse) -> Self {
        Self(Threads::default(), lapse, Diary::default())
    }

    /// When something was done last.
    fn last(&self, deed: Deed) -> Instant {
        self.2.lock().unwrap().iter().rfind(|(done, _)| *done == deed).unwrap().1
    }
}

fn note(diary: &Diary, deed: Deed) {
    diary.lock().unwrap().push((deed, Instant::now()));
}

impl Provider for Lax {
    fn name(&self) -> &'static str {
        self.0.name()
    }
    fn shares_memory(&self) -> bool {
        self.1 != Lapse::Weigh
    }
    fn open(&mut self, seats: u32, shape: Shape, spares: usize) -> Result<Box<dyn Quarters>, BenchError> {
        note(&self.2, Deed::Opened);
        Ok(Box::new(Left(Some(self.0.open(seats, shape, spares)?), self.1, Arc::clone(&self.2))))
    }
    fn remains(&mut self) -> Result<Remains, BenchError> {
        self.0.remains()
    }
}

impl Quarters for Left {
    fn warm(&mut self, at_most: Duration) -> Result<(), BenchError> {
        self.0.as_mut().unwrap().warm(at_most)
    }
    fn start(&mut self, role: &Role) -> Result<(), BenchError> {
        if self.1 == Lapse::End && role.own.at == 19 { Ok(()) } else { self.0.as_mut().unwrap().start(role) }
    }
    fn say(&mut self, at: u32, order: &Order) -> Result<(), BenchError> {
        self.0.as_mut().unwrap().say(at, order)
    }
    fn hear(&mut self, at_most: Duration) -> Result<Option<Report>, BenchError> {
        let report = self.0.as_mut().unwrap().hear(at_most)?;
        if let Some(Report::Said { answer: Answer::Executed { .. }, .. }) = report {
            note(&self.2, Deed::Executed);
        }
        Ok(report)
    }
    fn kill(&mut self, at: u32) -> Result<(), BenchError> {
        if self.1 == Lapse::Kill { Ok(()) } else { self.0.as_mut().unwrap().kill(at) }
    }
    fn usage(&mut self) -> Result<Vec<Usage>, BenchError> {
        let usage = self.0.as_mut().unwrap().usage()?;
        let weighed = |usage: Usage| if self.1 == Lapse::Weigh { Usage { memory: 0, ..usage } } else { usage };
        Ok(usage.into_iter().map(weighed).collect())
    }
    fn traffic(&mut self) -> Result<Traffic, BenchError> {
        self.0.as_mut().unwrap().traffic()
    }
    fn destroy(mut self: Box<Self>) -> Result<(), BenchError> {
        note(&self.2, Deed::Ending);
        match self.1 {
            Lapse::End => std::mem::forget(self.0.take()),
            _ => self.0.take().unwrap().destroy()?,
        }
        note(&self.2, Deed::Ended);
        Ok(())
    }
}

#[test]
fn threads_left_behind_fail_1() {
    let plan = Plan { patience: Duration::from_secs(2), ..plan() };
    let found = run(1, &mut Lax::new(Lapse::End), &plan);
    fails(&found, "nothing is left");
    let left = found.checks.iter().find(|check| !check.holds).unwrap();
    assert!(left.found.contains("thread "), "{left:?}");
}

#[test]
fn an_agent_that_sleeps_at_its_start_is_in_2() {
    let fault = Fault { role: Arc::new(|_, _| std::thread::sleep(NAP)), ..Fault::at(3) };
    let found = run(2, &mut fault.provider(), &plan());
    assert!(found.samples.max >= 300.0 && named(&found, "warm").samples.max >= 300.0, "{found:?}");
    assert!(wrong(&found).is_empty(), "{:?}", found.checks);
}

#[test]
fn agents_that_start_one_after_the_other_whatever_they_are_told_are_in_3() {
    static DOOR: Mutex<()> = Mutex::new(());
    let provider = || {
        Threads::of(Arc::new(|role: &[u8], clock: Clock| {
            let _door = DOOR.lock().unwrap();
            std::thread::sleep(NAP / 3);
            Box::new(Agent::new(role, clock))
        }))
    };
    let found = run(3, &mut provider(), &plan());
    assert!(named(&found, "at once").samples.min >= 500.0, "{:?}", found.cases);
}

#[test]
fn an_execution_that_takes_longer_among_ten_is_in_4() {
    let nap = |charter: &Charter, order: Order| {
        if charter.agents == 10 && matches!(order, Order::Execute { .. }) {
            std::thread::sleep(NAP);
        }
        order
    };
    let fault = Fault { order: Arc::new(nap), ..Fault::at(9) };
    let found = run(4, &mut fault.provider(), &plan());
    assert!(named(&found, "of 10").samples.min >= 30.0, "{:?}", found.cases);
    assert!(wrong(&found).is_empty(), "{:?}", found.checks);
}

/// What the conductor does to check what was done takes about as long as doing it.
#[test]
fn the_conductor_s_checks_are_not_in_4() {
    let mut provider = Lax::new(Lapse::Nothing);
    let found = run(4, &mut provider, &plan());
    let executed = provider.last(Deed::Executed);
    let total = named(&found, "of 10").samples.raw[0] / 1e3 * 10.0;
    let more = total - executed.duration_since(provider.last(Deed::Opened)).as_secs_f64();
    let checked = provider.last(Deed::Ending).duration_since(executed).as_secs_f64();
    assert!(more < checked / 2.0, "{more} s of {checked} s");
}

#[test]
fn one_agent_fewer_fails_5() {
    let plan = Plan { patience: Duration::from_secs(5), ..plan() };
    let found = run(5, &mut Lax::new(Lapse::End), &plan);
    fails(&found, "carried out");
    assert_eq!((found.measured, found.samples.n), (None, 0));
}

#[test]
fn agents_without_memory_fail_5_and_none_is_told_where_they_share_it() {
    let memory = |found: &Benchmark| found.series.iter().any(|series| series.name.contains("memory"));
    let apart = run(5, &mut Lax::new(Lapse::Weigh), &plan());
    fails(&apart, "hold their bars");
    assert!(memory(&apart) && !memory(&run(5, &mut Threads::default(), &plan())));
}

#[test]
fn another_decision_in_one_topology_fails_6() {
    let turn = |charter: &Charter, order: Order| match order {
        Order::Vote { stamp, .. } if charter.shape == Shape::Ring => {
            Order::Vote { stamp, conduct: Conduct::Honest(Choice::Abstain) }
        }
        other => other,
    };
    let fault = Fault { order: Arc::new(turn), ..Fault::at(2) };
    fails(&run(6, &mut fault.provider(), &plan()), "the same is decided in every topology");
}

#[test]
fn a_strategy_that_skips_bars_fails_7() {
    let skip = |_: &Own, charter: &mut Charter| {
        let mut count = 0;
        charter.events.retain(|_| {
            count += 1;
            count % 50 != 0
        });
    };
    let found = run(7, &mut Fault { role: Arc::new(skip), ..Fault::at(1) }.provider(), &plan());
    fails(&found, "seen all bars");
    fails(&found, "equity at the end");
}

#[test]
fn a_task_done_twice_fails_8() {
    let twice = |answer: Answer| match answer {
        ran @ Answer::Ran { .. } => vec![ran.clone(), ran],
        other => vec![other],
    };
    let found = run(8, &mut Fault { answer: Arc::new(twice), ..Fault::at(0) }.provider(), &plan());
    fails(&found, "exactly once where nobody died");
    assert!(!wrong(&found).contains(&"every task ended exactly once"), "the table counts one end each");
}

#[test]
fn a_death_that_costs_nobody_its_work_fails_8() {
    const CLAIM: &str = "who died was in the midst of a task";
    fails(&run(8, &mut Lax::new(Lapse::Kill), &plan()), CLAIM);
    let found = run(8, &mut Threads::default(), &plan());
    let check = found.checks.iter().find(|check| check.claim.contains(CLAIM)).unwrap();
    assert!(check.holds, "{check:?}");
}

/// The ideal is one for all strategies, so whoever does more tasks a second is more efficient, and by as much.
#[test]
fn efficiency_in_8_is_proportional_to_tasks_a_second() {
    let found = run(8, &mut Threads::default(), &plan());
    let points = |name: &str| -> Vec<f64> {
        let series = found.series.iter().find(|series| series.name == name).unwrap();
        series.points.iter().map(|point| point.y).collect()
    };
    let (rates, efficiencies) = (points("tasks a second"), points("efficiency"));
    for (rate, efficiency) in rates.iter().zip(&efficiencies) {
        let times = rate / rates[0];
        // Both are rounded down to 1/10,000.
        assert!((efficiency - efficiencies[0] * times).abs() <= 1.001e-4 * (1.0 + times), "{rates:?} {efficiencies:?}");
    }
}

#[test]
fn tasks_done_sooner_than_the_cores_can_fail_8() {
    let submitted: Arc<Mutex<Vec<u64>>> = Arc::default();
    let keys = Arc::clone(&submitted);
    let listen = move |_: &Charter, order: Order| {
        if let Order::Submit(tasks) = &order {
            keys.lock().unwrap().extend(tasks.iter().map(|task| task.key.0));
        }
        order
    };
    // All is told to be done when the first word of any of it comes.
    let boast = move |answer: Answer| {
        let done = |key| Answer::Done { key, outcome: Outcome::Done(Vec::new()) };
        let mut answers: Vec<Answer> = submitted.lock().unwrap().drain(..).map(done).collect();
        answers.extend(Some(answer).filter(|answer| !matches!(answer, Answer::Done { .. })));
        answers
    };
    let fault = Fault { order: Arc::new(listen), answer: Arc::new(boast), ..Fault::at(0) };
    fails(&run(8, &mut fault.provider(), &plan()), "less time than the cores need");
}

#[test]
fn a_clock_that_runs_at_half_speed_fails_9() {
    static BASE: std::sync::OnceLock<UnixNanos> = std::sync::OnceLock::new();
    let slow = |now: UnixNanos| {
        let base = *BASE.get_or_init(|| now);
        base.saturating_add(now.since(base) / 2)
    };
    fails(&run(9, &mut Fault { clock: Arc::new(slow), ..Fault::at(4) }.provider(), &plan()), "clocks ran");
}

/// Votes as others cast them, where not all are waited for.
fn voting(at: Vec<u32>, conduct: Conduct) -> Fault {
    let turn = move |charter: &Charter, order: Order| match order {
        Order::Vote { stamp, .. } if charter.patience < DAY => Order::Vote { stamp, conduct },
        other => other,
    };
    Fault { at, order: Arc::new(turn), ..Fault::at(0) }
}

#[test]
fn another_vote_beside_a_silent_or_a_lying_agent_fails_9() {
    let fault = voting(vec![3], Conduct::Honest(Choice::Abstain));
    fails(&run(9, &mut fault.provider(), &plan()), "those that were cast");
}

#[test]
fn certificates_without_a_quorum_of_honest_votes_fail_9() {
    fails(&run(9, &mut voting(vec![2, 3], Conduct::Silent).provider(), &plan()), "honest votes of a quorum");
}

#[test]
fn a_message_dropped_is_in_10() {
    // An answer to a ping. It leaves again when nobody has said for 200 ms that it came; half of that is in the figure.
    let dropped = AtomicBool::new(false);
    let drop_one = move |parcel: &Parcel| {
        let (header, _) = decode(&parcel.bytes).unwrap();
        (header.class, header.sequence) != (Class::Once, 300) || dropped.swap(true, Ordering::SeqCst)
    };
    let fault = Fault { frame: Arc::new(drop_one), ..Fault::at(1) };
    let found = run(10, &mut fault.provider(), &plan());
    assert!(found.samples.max >= 100.0, "{:?}", found.samples.max);
    assert!(wrong(&found).is_empty(), "{:?}", found.checks);
}

#[test]
fn another_state_fails_11() {
    let flip = |answer: Answer| match answer {
        Answer::State(mut report) => {
            report.hash.0[0] ^= 1;
            vec![Answer::State(report)]
        }
        other => vec![other],
    };
    fails(&run(11, &mut Fault { answer: Arc::new(flip), ..Fault::at(5) }.provider(), &plan()), "hashes");
}

#[test]
fn a_message_that_never_left_fails_12() {
    let fewer = |_: &Charter, order: Order| match order {
        Order::Offer { offer, every, count, bytes } => Order::Offer { offer, every, count: count - 1, bytes },
        other => other,
    };
    let plan = Plan { patience: Duration::from_secs(2), ..plan() };
    fails(&run(12, &mut Fault { order: Arc::new(fewer), ..Fault::at(2) }.provider(), &plan), "counted by its receiver");
}

/// 3 ms each where one is due each 2 ms: the thousandth is a second late. With a break after each fifth of them it would be
/// a fifth of that.
#[test]
fn a_sender_that_falls_behind_does_so_for_all_the_time_of_12() {
    let newest = AtomicU64::new(0);
    let slow = move |parcel: &Parcel| {
        let (header, _) = decode(&parcel.bytes).unwrap();
        // What it repeats costs it nothing.
        if header.class == Class::Once && newest.fetch_max(header.sequence, Ordering::SeqCst) < header.sequence {
            std::thread::sleep(Duration::from_millis(3));
        }
        true
    };
    let fault = Fault { frame: Arc::new(slow), ..Fault::at(2) };
    let found = run(12, &mut fault.provider(), &Plan { runs: 5, ..plan() });
    let delays = found.series.iter().find(|series| series.name.contains("delay")).unwrap();
    let p99 = delays.points.iter().find(|point| point.x == "p99").unwrap().y;
    assert!(p99 >= 900.0, "{:?}", delays.points);
    assert!(wrong(&found).is_empty(), "{:?}", found.checks);
}

#[test]
fn an_agent_that_hoards_memory_fails_13() {
    let found = run(13, &mut Fault { hoard: 80 << 20, ..Fault::at(0) }.provider(), &plan());
    assert_eq!((found.pass, found.requirement), (Some(false), Some(50.0)));
    assert!(found.measured.unwrap() >= 80.0, "{:?}", found.samples.raw);
}

#[test]
fn work_that_is_not_done_fails_14() {
    let fewer = |_: &Charter, order: Order| match order {
        Order::Execute { executions, first, pace, tell } => {
            Order::Execute { executions: executions - 1, first, pace, tell }
        }
        other => other,
    };
    fails(
        &run(14, &mut Fault { order: Arc::new(fewer), ..Fault::at(1) }.provider(), &plan()),
        "as often as it was told",
    );
}

#[test]
fn an_agent_that_tells_nobody_fails_15() {
    let mute = |_: &Charter, order: Order| match order {
        Order::Execute { executions, first, pace, .. } => Order::Execute { executions, first, pace, tell: false },
        other => other,
    };
    let plan = Plan { patience: Duration::from_secs(2), ..plan() };
    fails(&run(15, &mut Fault { order: Arc::new(mute), ..Fault::at(4) }.provider(), &plan), "heard of by every other");
}

fn sleepy(agents: u32, nap: Duration) -> Fault {
    let order = move |charter: &Charter, order: Order| {
        if charter.agents == agents && matches!(order, Order::Execute { .. }) {
            std::thread::sleep(nap);
        }
        order
    };
    Fault { order: Arc::new(order), ..Fault::at(1) }
}

#[test]
fn a_sleep_is_paid_for_in_16() {
    let found = run(16, &mut sleepy(5, NAP).provider(), &plan());
    // Two CPUs and half a GiB of each of five agents, as long as the one slept; at 14 and 4.5 millionths a second.
    let dearest = &found.costs[0];
    assert!(dearest.vcpu_seconds >= 5.0 * 2.0 * 0.3 && dearest.gib_seconds >= 5.0 * 0.5 * 0.3, "{dearest:?}");
    assert!(dearest.micro_dollars >= 45, "{dearest:?}");
    assert!(found.measured.unwrap() >= 45.0 / 500.0, "{:?}", found.measured);
    let free = Plan { prices: vec![starling_swarm::cost::PriceTable::local()], ..plan() };
    fails(&run(16, &mut Threads::default(), &free), "a table names a price");
}

#[test]
fn the_conductor_s_checks_are_not_paid_for_in_16() {
    let mut provider = Lax::new(Lapse::Nothing);
    run(16, &mut provider, &plan());
    let after = provider.last(Deed::Ended).elapsed();
    let before = provider.last(Deed::Ending).duration_since(provider.last(Deed::Executed));
    assert!(before < after, "{before:?} and {after:?}");
}

#[test]
fn resources_four_times_as_large_fail_17() {
    let plan = Plan { resources: Resources { vcpu_milli: 8_000, memory_mib: 2_048 }, ..plan() };
    let found = run(17, &mut Threads::default(), &plan);
    // 8 x (8 x 0.000014 + 2 x 0.0000045) x 3,600 = 3.4848 dollars an hour.
    assert_eq!(found.pass, Some(false));
    assert!((found.measured.unwrap() / 3.4848 - 1.0).abs() < 0.01, "{:?}", found.measured);
    assert!(wrong(&found).is_empty(), "{:?}", found.checks);
}

#[test]
fn a_sleep_among_fifteen_is_paid_for_in_18() {
    let found = run(18, &mut sleepy(15, Duration::from_secs(2)).provider(), &plan());
    // 15 agents for 2 s at 30.25 millionths a second, over 750 executions.
    assert!(named(&found, "15 agents").samples.min >= 15.0 * 2.0 * 30.25 / 750.0, "{:?}", found.cases);
}
