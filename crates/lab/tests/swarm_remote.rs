//! A chair and its outposts, all in one thread over a line that kills: whoever dies when, the decisions are those of a
//! swarm in one process.

#![expect(clippy::unwrap_used, reason = "a failing test")]

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use starling_core::time::{DAY, SECOND};
use starling_core::{Event, Qty, Quote, UnixNanos};
use starling_lab::config::Config;
use starling_lab::run::Run;
use starling_lab::swarm::SwarmError;
use starling_lab::swarm::conference::{Closing, Conference, Verdict};
use starling_lab::swarm::delegate::Charter;
use starling_lab::swarm::hall::Hall;
use starling_lab::swarm::remote::chair::{Chair, Line, Progress, Report};
use starling_lab::swarm::remote::outpost::Outpost;
use starling_lab::swarm::remote::words::{EVENTS_MAX, Role, WINDOW};
use starling_lab::swarm::stamps::Stamps;
use starling_lab::tearsheet::ProcessRecord;
use starling_market::feed::{Feed, FeedError, Merge};
use starling_swarm::consensus::ballot::Choice;
use starling_swarm::consensus::council::Subject;
use starling_swarm::consensus::tally::Outcome;
use starling_swarm::cost::MicroDollars;
use starling_swarm::id::AgentId;

/// More waits than any conference here takes.
const WAITS_MAX: u64 = 1_000_000;

/// Simulations with words that are late by chance; `SWARM_SEEDS` for more.
fn seeds() -> u64 {
    std::env::var("SWARM_SEEDS").map_or(12, |seeds| seeds.parse().unwrap())
}

fn demo() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../starling/demo")
}

fn text(values: &[(&str, &str)]) -> String {
    let text = fs::read_to_string(demo().join("demo.toml")).unwrap();
    let values: Vec<_> = values.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    Config::with_values(&text, &values).unwrap()
}

/// The demo's market data, its first `count` events.
fn events(count: usize) -> Vec<Event> {
    let (_, mut feeds) = Run::new(text(&[]), vec![demo()]).unwrap().assemble(std::io::sink()).unwrap();
    let mut merge = Merge::new(feeds.iter_mut().map(|feed| Box::new(feed) as Box<dyn Feed + '_>).collect());
    let mut events = Vec::new();
    while let Some(run) = merge.next_run().unwrap() {
        events.extend_from_slice(run);
        if events.len() >= count {
            break;
        }
    }
    events.truncate(count);
    events
}

/// A feed that owns its events.
struct Owned(VecDeque<Event>);

impl Feed for Owned {
    fn fill(&mut self, out: &mut Vec<Event>) -> Result<(), FeedError> {
        out.extend(self.0.drain(..self.0.len().min(1_000)));
        Ok(())
    }
}

/// xorshift64*, for where and when.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % n
    }
}

/// What goes wrong with an agent.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fate {
    /// It dies.
    Death,
    /// It says nothing any more.
    Silence,
    /// Nor do those that come after it.
    Muteness,
    /// It dies, and nobody comes after it.
    Loss,
}

/// Agents of this thread; some fall.
struct Barracks {
    roles: Vec<Role>,
    agents: Vec<Option<(AgentId, Outpost)>>,
    silent: Vec<bool>,
    mute: Vec<bool>,
    clock: UnixNanos,
    /// At which wait the clock leaps, and by how many nanoseconds.
    leap: Option<(u64, i64)>,
    reports: VecDeque<Report>,
    /// At which message to an agent it falls, and how; the last first.
    fates: Vec<(u64, usize, Fate)>,
    /// When who is replaced, counted in waits.
    recruits: Vec<(u64, usize)>,
    waits: u64,
    said: u64,
    numbers: u32,
    /// Frames go past the chair, but between places below and above a boundary not while waits are in the range.
    cuts: Option<Vec<(std::ops::Range<u64>, usize)>>,
    lost: u64,
    /// What the chair says, and what agents say, takes a while, by chance: some hear later than others.
    late: Option<Dice>,
    mail: Vec<VecDeque<Vec<u8>>>,
}

impl Barracks {
    fn new(
        charter: &Charter,
        text: &str,
        mut fates: Vec<(u64, usize, Fate)>,
        cuts: Option<Vec<(std::ops::Range<u64>, usize)>>,
    ) -> Self {
        let keys = charter.public();
        let role =
            |at| Role { config: text.to_owned(), at, seed: charter.seed(at).unwrap().clone(), keys: keys.clone() };
        let roles: Vec<Role> = (0..keys.len()).map(role).collect();
        fates.sort_by_key(|(at, ..)| std::cmp::Reverse(*at));
        let mut barracks = Self {
            agents: roles.iter().map(|_| None).collect(),
            silent: vec![false; roles.len()],
            mute: vec![false; roles.len()],
            roles,
            clock: UnixNanos::new(1),
            leap: None,
            reports: VecDeque::new(),
            fates,
            recruits: Vec::new(),
            waits: 0,
            said: 0,
            numbers: 0,
            cuts,
            lost: 0,
            late: None,
            mail: vec![VecDeque::new(); keys.len()],
        };
        (0..barracks.roles.len()).for_each(|at| barracks.recruit(at));
        barracks
    }

    /// Whether something arrives at this wait.
    fn arrives(&mut self) -> bool {
        self.late.as_mut().is_none_or(|dice| dice.below(3) == 0)
    }

    /// Hands the chair's words over, as far as they have arrived.
    fn deliver(&mut self) {
        for at in 0..self.mail.len() {
            while !self.mail[at].is_empty() && self.arrives() {
                if let Some((message, (_, outpost))) = self.mail[at].pop_front().zip(self.agents[at].as_mut()) {
                    outpost.on_message(self.clock, &message);
                }
            }
        }
    }

    fn recruit(&mut self, at: usize) {
        let agent = AgentId(self.numbers);
        self.numbers += 1;
        self.silent[at] = self.mute[at];
        self.agents[at] = Some((agent, Outpost::new(self.clock, &self.roles[at], self.cuts.is_none()).unwrap()));
        self.reports.push_back(Report::Here { at, agent });
    }

    /// Carries frames from agent to agent, where the links between them are not cut.
    fn carry(&mut self) {
        let mut frames = Vec::new();
        for (from, agent) in self.agents.iter_mut().enumerate() {
            let Some((number, outpost)) = agent else { continue };
            while let Some((session, parcel)) = outpost.poll_frame() {
                frames.push((from, *number, session, parcel));
            }
        }
        for (from, number, session, parcel) in frames {
            let to = self.agents.iter().position(|agent| agent.as_ref().is_some_and(|(other, _)| *other == parcel.to));
            let is_cut = |to: usize| {
                let apart = |boundary: usize| (from < boundary) != (to < boundary);
                self.cuts.iter().flatten().any(|(when, boundary)| when.contains(&self.waits) && apart(*boundary))
            };
            match to.filter(|to| !is_cut(*to)).and_then(|to| self.agents[to].as_mut()) {
                Some((_, outpost)) => outpost.on_frame(self.clock, session, number, &parcel.bytes),
                None => self.lost += 1,
            }
        }
    }

    fn fall(&mut self, at: usize, how: &str) {
        self.mail[at].clear();
        if self.agents[at].take().is_some() {
            // What it said and nobody has heard yet is lost in part: sockets are read before a death is told, but what
            // it had not written is gone.
            self.reports.push_back(Report::Gone { at, how: how.to_owned(), noticed: self.clock });
            self.recruits.push((self.waits + 1 + self.said % 7, at));
        }
    }
}

impl Line for Barracks {
    fn now(&self) -> UnixNanos {
        self.clock
    }

    fn next(&mut self, at_most: Duration) -> Result<Option<Report>, SwarmError> {
        if let Some(report) = self.reports.pop_front() {
            return Ok(Some(report));
        }
        if at_most.is_zero() {
            return Ok(None);
        }
        self.waits += 1;
        assert!(self.waits < WAITS_MAX, "the chair waits for ever");
        self.clock = self.clock.saturating_add(1_000);
        if let Some((_, by)) = self.leap.take_if(|(when, _)| *when <= self.waits) {
            self.clock = UnixNanos::new(self.clock.get().checked_add_signed(by).unwrap());
        }
        let (waits, recruits) = (self.waits, std::mem::take(&mut self.recruits));
        for (when, at) in recruits {
            if when <= waits { self.recruit(at) } else { self.recruits.push((when, at)) }
        }
        self.deliver();
        self.carry();
        for at in 0..self.agents.len() {
            if self.silent[at] || !self.arrives() {
                continue;
            }
            while let Some(message) = self.agents[at].as_mut().and_then(|(_, outpost)| outpost.poll_message()) {
                self.reports.push_back(Report::Said { at, message });
            }
        }
        if self.reports.is_empty() && self.mail.iter().all(VecDeque::is_empty) {
            // Nobody has anything to say before the next deadline.
            let end = self.clock.saturating_add(u64::try_from(at_most.as_nanos()).unwrap());
            let due = self.agents.iter().flatten().map(|(_, outpost)| outpost.next_due()).min();
            self.clock = due.unwrap_or(end).max(self.clock).min(end);
            for (_, outpost) in self.agents.iter_mut().flatten().filter(|(_, o)| o.next_due() <= self.clock) {
                outpost.on_time(self.clock);
            }
        }
        Ok(self.reports.pop_front())
    }

    fn say(&mut self, at: usize, message: Vec<u8>) -> Result<(), SwarmError> {
        self.said += 1;
        if self.late.is_some() {
            // Who is no more hears nothing, and nor does who comes after.
            self.mail[at].extend(self.agents[at].is_some().then_some(message));
        } else if let Some((_, outpost)) = self.agents[at].as_mut().filter(|_| !self.silent[at]) {
            outpost.on_message(self.clock, &message);
        }
        while let Some((_, at, fate)) = self.fates.pop_if(|(when, ..)| *when <= self.said) {
            match fate {
                Fate::Death => self.fall(at, "signal 9"),
                Fate::Silence => self.silent[at] = true,
                Fate::Muteness => (self.silent[at], self.mute[at]) = (true, true),
                Fate::Loss => {
                    self.fall(at, "signal 9");
                    self.recruits.retain(|(_, lost)| *lost != at);
                }
            }
        }
        Ok(())
    }

    fn replace(&mut self, at: usize) -> Result<(), SwarmError> {
        self.fall(at, "silence");
        Ok(())
    }

    fn spent(&self) -> MicroDollars {
        MicroDollars(self.waits)
    }

    fn tell(&mut self, progress: &Progress<'_>) -> Result<(), SwarmError> {
        assert!(progress.traffic.len() == self.roles.len() && progress.session > 0);
        Ok(())
    }

    fn processes(&mut self) -> Vec<ProcessRecord> {
        self.roles.iter().map(|_| ProcessRecord::default()).collect()
    }

    fn transport(&self) -> &'static str {
        "calls"
    }
}

/// A decision without who signed it.
type Told = (Subject, Outcome, Vec<(AgentId, Choice)>);

fn told(verdicts: &[Verdict]) -> Vec<Told> {
    let votes = |verdict: &Verdict| {
        verdict.certificate.dossier.ballots.iter().map(|ballot| (ballot.agent, ballot.choice)).collect()
    };
    let mut told: Vec<Told> = verdicts.iter().map(|v| (v.certificate.subject, v.outcome, votes(v))).collect();
    told.sort_by_key(|(subject, ..)| *subject);
    told
}

fn confer(conference: &mut dyn Conference, events: &[Event]) -> Result<(Vec<Told>, Closing), SwarmError> {
    let mut all = Vec::new();
    for stamp in events.chunk_by(|a, b| a.ts() == b.ts()) {
        all.extend(told(&conference.on_stamp(stamp[0].ts(), stamp)?));
    }
    Ok((all, conference.finish()?))
}

fn chair(text: &str, events: &[Event], fates: Vec<(u64, usize, Fate)>) -> Chair<Barracks> {
    let config = Config::read(text).unwrap();
    let charter = Charter::of_processes(&config, &[7; 32]).unwrap();
    let barracks = Barracks::new(&charter, text, fates, None);
    chair_over(barracks, charter, events)
}

fn chair_over(barracks: Barracks, charter: Charter, events: &[Event]) -> Chair<Barracks> {
    let events: VecDeque<Event> = events.iter().copied().collect();
    Chair::new(barracks, charter, Box::new(move || Ok(Stamps::new([Owned(events.clone())]))))
}

fn in_process(text: &str, events: &[Event]) -> (Vec<Told>, Closing) {
    let mut hall = Hall::open(&Charter::in_process(&Config::read(text).unwrap()).unwrap()).unwrap();
    confer(&mut hall, events).unwrap()
}

#[test]
fn agents_elsewhere_decide_as_agents_here() {
    let events = events(900);
    let every_bar = [("swarm.confer", "every_bar"), ("swarm.topology", "hierarchical")];
    for (values, events) in [(&[][..], &events[..]), (&every_bar[..], &events[..150])] {
        let text = text(values);
        let (here, closing) = in_process(&text, events);
        let (elsewhere, told) = confer(&mut chair(&text, events, Vec::new()), events).unwrap();
        assert!(here.len() > 100, "{}", here.len());
        assert_eq!(elsewhere, here);
        assert_eq!((told.records, told.alone), (closing.records, closing.alone));
        let processes = told.processes.unwrap();
        assert_eq!((processes.sessions, processes.absences.len()), (1, 0));
        assert!(told.traffic.messages > 0 && processes.agents.iter().all(|agent| agent.messages > 0));
    }
}

#[test]
fn whoever_dies_when_the_decisions_are_the_same() {
    let (text, events) = (text(&[]), events(420));
    let (here, closing) = in_process(&text, &events);
    assert!(here.len() > 20, "{}", here.len());
    // How many messages an undisturbed conference takes: deaths are spread over them.
    let mut undisturbed = chair(&text, &events, Vec::new());
    confer(&mut undisturbed, &events).unwrap();
    let messages = undisturbed.line().said;
    let mut absences = 0;
    for seed in 1..=12 {
        let mut dice = Dice(seed);
        let deaths = 1 + dice.below(6);
        let fates = (0..deaths).map(|_| (dice.below(messages), dice.below(8) as usize, Fate::Death)).collect();
        let (told, end) = confer(&mut chair(&text, &events, fates), &events).unwrap();
        assert_eq!(told, here, "seed {seed}");
        assert_eq!((end.records, end.alone), (closing.records.clone(), closing.alone.clone()), "seed {seed}");
        let processes = end.processes.unwrap();
        absences += processes.absences.len();
        for absence in &processes.absences {
            assert!(absence.replaced_ns.is_some() || absence.stamp.is_none(), "seed {seed}: {absence:?}");
        }
    }
    assert!(absences > 20, "{absences}");
}

#[test]
fn who_says_nothing_any_more_is_replaced() {
    let (text, events) = (text(&[("swarm.process.patience", "5s")]), events(240));
    let (here, _) = in_process(&text, &events);
    let fates = vec![(500, 2, Fate::Silence), (900, 0, Fate::Silence)];
    let (told, end) = confer(&mut chair(&text, &events, fates), &events).unwrap();
    assert_eq!(told, here);
    let absences = end.processes.unwrap().absences;
    assert_eq!(absences.iter().map(|absence| absence.how.as_str()).collect::<Vec<_>>(), ["silence", "silence"]);
}

/// The name of the agent at a place.
fn name(text: &str, at: usize) -> String {
    Config::read(text).unwrap().swarm.unwrap().agents[at].id.clone()
}

#[test]
fn who_falls_silent_again_and_again_ends_the_swarm() {
    let (text, events) = (text(&[("swarm.process.patience", "5s")]), events(240));
    let mut chair = chair(&text, &events, vec![(500, 2, Fate::Muteness)]);
    let error = confer(&mut chair, &events).unwrap_err();
    assert!(matches!(error, SwarmError::Silent { waited_s: 50, .. }), "{error}");
    let told = format!("{} and those in its place fell silent 10 times; raise", name(&text, 2));
    assert!(error.to_string().contains(&told), "{error}");
}

#[test]
fn a_place_to_which_nobody_comes_ends_the_swarm() {
    let (text, events) = (text(&[("swarm.process.patience", "5s")]), events(240));
    let mut chair = chair(&text, &events, vec![(500, 2, Fate::Loss)]);
    let error = confer(&mut chair, &events).unwrap_err().to_string();
    assert!(error.contains(&format!("within 50 s: {} does not come", name(&text, 2))), "{error}");
}

/// The run's process is stopped for a while, or the machine sleeps.
#[test]
fn a_chair_that_was_not_there_holds_nobody_for_silent() {
    let (text, events) = (text(&[("swarm.process.patience", "5s")]), events(240));
    let (here, _) = in_process(&text, &events);
    let mut undisturbed = chair(&text, &events, Vec::new());
    confer(&mut undisturbed, &events).unwrap();
    let waits = undisturbed.line().waits;
    for tenth in 1..10 {
        let mut chair = chair(&text, &events, Vec::new());
        chair.line_mut().leap = Some((waits * tenth / 10, 20 * 5 * SECOND as i64));
        let (told, end) = confer(&mut chair, &events).unwrap();
        assert_eq!(told, here, "after {tenth} tenths");
        assert_eq!(end.processes.unwrap().absences.len(), 0, "after {tenth} tenths");
    }
}

#[test]
fn silence_is_noticed_although_the_clock_was_set_back() {
    let (text, events) = (text(&[("swarm.process.patience", "5s")]), events(240));
    let (here, _) = in_process(&text, &events);
    let charter = Charter::of_processes(&Config::read(&text).unwrap(), &[7; 32]).unwrap();
    let mut barracks = Barracks::new(&charter, &text, vec![(500, 2, Fate::Silence)], None);
    (barracks.clock, barracks.leap) = (UnixNanos::new(1_001 * DAY), Some((20, -1_000 * DAY as i64)));
    let (told, end) = confer(&mut chair_over(barracks, charter, &events), &events).unwrap();
    assert_eq!(told, here);
    assert_eq!(end.processes.unwrap().absences[0].how, "silence");
}

/// Between two bars the chair listens, too: who dies then is replaced, and has seen the past, before the next bar.
#[test]
fn who_dies_between_two_bars_is_replaced_before_the_next() {
    let (text, events) = (text(&[("swarm.process.patience", "5s")]), events(240));
    let (here, closing) = in_process(&text, &events);
    let mut chair = chair(&text, &events, Vec::new());
    let mut all = Vec::new();
    for (index, stamp) in events.chunk_by(|a, b| a.ts() == b.ts()).enumerate() {
        all.extend(told(&chair.on_stamp(stamp[0].ts(), stamp).unwrap()));
        if index % 9 == 4 {
            let at = index % 8;
            chair.line_mut().fall(at, "signal 9");
            let replaced = chair.line().numbers;
            (0..100).for_each(|_| chair.idle(Duration::from_millis(20)).unwrap());
            assert!(chair.line().numbers > replaced && chair.line().agents[at].is_some(), "at {index}");
        }
    }
    let end = chair.finish().unwrap();
    assert_eq!(all, here);
    assert_eq!((end.records, end.alone), (closing.records, closing.alone));
    let absences = end.processes.unwrap().absences;
    assert!(absences.len() > 3, "{}", absences.len());
    assert!(absences.iter().all(|absence| absence.stamp.is_none() && absence.seated_ns.is_some()), "{absences:?}");
}

#[test]
fn links_that_are_cut_and_heal_change_no_decision() {
    let (text, events) = (text(&[]), events(420));
    let (here, closing) = in_process(&text, &events);
    let config = Config::read(&text).unwrap();
    let mut lost = 0;
    for seed in 1..=6 {
        let mut dice = Dice(seed);
        let charter = Charter::of_processes(&config, &[7; 32]).unwrap();
        let mut cut = || {
            let from = dice.below(2_000);
            (from..from + 5 + dice.below(60), 1 + dice.below(7) as usize)
        };
        let cuts = (0..5).map(|_| cut()).collect();
        // In half of the runs an agent dies meanwhile.
        let fates = if seed % 2 == 0 { vec![(400, 4, Fate::Death)] } else { Vec::new() };
        let barracks = Barracks::new(&charter, &text, fates, Some(cuts));
        let mut chair = chair_over(barracks, charter, &events);
        let (told, end) = confer(&mut chair, &events).unwrap();
        assert_eq!(told, here, "seed {seed}");
        assert_eq!(end.records, closing.records, "seed {seed}");
        lost += chair.line().lost;
    }
    assert!(lost > 100, "{lost} frames met a link that was cut");
}

/// Links past the chair are quicker than its words, by any number of words, while agents die: a vote about a bar comes to
/// an agent that has not seen the bar, and whose council for it is not known yet.
#[test]
fn frames_that_overtake_the_chairs_words_change_no_decision() {
    let (text, events) = (text(&[]), events(420));
    let (here, closing) = in_process(&text, &events);
    let config = Config::read(&text).unwrap();
    for seed in 1..=seeds() {
        let mut dice = Dice(seed);
        let charter = Charter::of_processes(&config, &[7; 32]).unwrap();
        let fates = (0..seed % 4).map(|_| (dice.below(2_000), dice.below(8) as usize, Fate::Death)).collect();
        let mut barracks = Barracks::new(&charter, &text, fates, Some(Vec::new()));
        barracks.late = Some(dice);
        let (told, end) = confer(&mut chair_over(barracks, charter, &events), &events).unwrap();
        assert_eq!(told, here, "seed {seed}");
        assert_eq!((end.records, end.alone), (closing.records.clone(), closing.alone.clone()), "seed {seed}");
    }
}

/// A bar that comes with more quotes than are on their way to an agent at once: who has taken them all votes, over the
/// chair, before others have been shown the bar.
#[test]
fn votes_about_a_stamp_too_long_for_one_window_wait() {
    let text = text(&[("swarm.confer", "every_bar")]);
    let mut long = Vec::new();
    let bars = events(120);
    for stamp in bars.chunk_by(|a, b| a.ts() == b.ts()) {
        if long.len() < 12 * (WINDOW + 1) * EVENTS_MAX && stamp[0].ts() > bars[60].ts() {
            let Event::Bar(bar) = stamp[0] else { panic!("the demo's data are bars") };
            let (instrument, ts_event, ts_recv) = (bar.instrument, bar.ts_event, bar.ts_recv);
            let (bid, ask, size) = (bar.close, bar.close, Qty::from_int(1));
            let quote = Quote { instrument, ts_event, ts_recv, bid, ask, bid_size: size, ask_size: size };
            long.extend(std::iter::repeat_n(Event::Quote(quote), (WINDOW + 1) * EVENTS_MAX));
        }
        long.extend_from_slice(stamp);
    }
    let (here, _) = in_process(&text, &long);
    for seed in 1..=3 {
        let mut chair = chair(&text, &long, Vec::new());
        chair.line_mut().late = Some(Dice(seed));
        let (told, _) = confer(&mut chair, &long).unwrap();
        assert_eq!(told, here, "seed {seed}");
    }
}

#[test]
fn an_agent_that_is_shown_a_bar_again_stops() {
    let (text, events) = (text(&[]), events(12));
    let mut chair = chair(&text, &events, Vec::new());
    let stamp: Vec<Event> = events.iter().copied().take_while(|event| event.ts() == events[0].ts()).collect();
    chair.on_stamp(stamp[0].ts(), &stamp).unwrap();
    let error = chair.on_stamp(stamp[0].ts(), &stamp).unwrap_err().to_string();
    assert!(error.contains("shown the bar at") && error.contains("mixes up its children"), "{error}");
}

#[test]
fn nonsense_is_refused_by_name() {
    let (text, events) = (text(&[]), events(6));
    let mut chair = chair(&text, &events, Vec::new());
    chair.line_mut().reports.push_back(Report::Said { at: 3, message: vec![0xff; 9] });
    let error = confer(&mut chair, &events).unwrap_err().to_string();
    assert!(error.starts_with(&format!("agent `{}` says what nobody understands", name(&text, 3))), "{error}");
}

#[test]
fn an_agent_that_died_too_often_ends_the_swarm() {
    let (text, events) = (text(&[]), events(6));
    let mut chair = chair(&text, &events, Vec::new());
    chair.line_mut().reports.push_back(Report::GivenUp { at: 1, how: "signal 11".into() });
    let error = confer(&mut chair, &events).unwrap_err().to_string();
    assert!(error.contains("swarm.process.deaths_max") && error.contains("signal 11"), "{error}");
}
