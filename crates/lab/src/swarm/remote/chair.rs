//! Who shows agents elsewhere the bars, and hears what they decide.
//!
//! Invariant: a stamp is over when every agent has said what it asked about and holds the same votes for final, and no
//! agent is shown the next before. At most [`WINDOW`] words of events are on their way to an agent, so its memory and
//! the line's are bounded whatever the data. The chair has no vote; it keeps the board, as every member does, and checks
//! every certificate against it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use starling_core::time::SECOND;
use starling_core::{Event, UnixNanos};
use starling_swarm::consensus::council::{Council, Subject};
use starling_swarm::consensus::statement::Certificate;
use starling_swarm::consensus::tally::DossierId;
use starling_swarm::cost::{MicroDollars, Spent};
use starling_swarm::id::AgentId;
use starling_swarm::transport::Traffic;

use super::words::{EVENTS_MAX, Frame, FromAgent, MESSAGE_BYTES, Then, ToAgent, WINDOW, read, write};
use crate::swarm::SwarmError;
use crate::swarm::conference::{Closing, Conference, Rewind, Verdict};
use crate::swarm::delegate::Charter;
use crate::swarm::seat::Board;
use crate::swarm::stamps::Stamps;
use crate::tearsheet::{AbsenceRecord, EquityPoint, ProcessRecord, ProcessesRecord};

/// Longest wait for the line before clocks are looked at.
const TURN: Duration = Duration::from_millis(100);
/// An agent is asked for a sign of life so often within the patience.
const ASKS: u64 = 4;
/// Between two looks at the clock no more passes than the patience divided by this. The rest nobody has listened: the
/// process was stopped, the machine slept, the clock was set.
const LOOKS: u64 = 8;
/// A stamp may take so many times the patience of one agent, which may be silent so often meanwhile.
const STAMP_PATIENCE: u64 = 10;

/// What the line tells.
#[derive(Debug)]
#[non_exhaustive]
pub enum Report {
    /// An agent is ready at its place.
    Here {
        /// Its place in the configuration.
        at: usize,
        /// Its number, never used before.
        agent: AgentId,
    },
    /// An agent is no more; another may come.
    Gone {
        /// Its place.
        at: usize,
        /// How it ended, in words.
        how: String,
        /// When that was noticed.
        noticed: UnixNanos,
    },
    /// An agent says something.
    Said {
        /// Its place.
        at: usize,
        /// What.
        message: Vec<u8>,
    },
    /// An agent died too often; none will come.
    GivenUp {
        /// Its place.
        at: usize,
        /// How the last in this place ended, or why there was none, in words.
        how: String,
    },
    /// A budget is spent.
    Spent(Spent),
    /// Somebody wants the swarm to end.
    Stop,
}

/// How far a swarm is.
#[derive(Debug, Clone, Copy)]
pub struct Progress<'a> {
    /// The last stamp decided about.
    pub stamp: UnixNanos,
    /// Stamps so far.
    pub stamps: u64,
    /// Decisions so far, those to do nothing included.
    pub decisions: u64,
    /// The session.
    pub session: u32,
    /// Nanoseconds that agents took over the last stamp.
    pub took_ns: u64,
    /// The votes of the last stamp's decisions.
    pub verdicts: &'a [Verdict],
    /// What each has sent to others, in order of the configuration.
    pub traffic: &'a [Traffic],
}

/// Whoever runs the agents, as the chair needs it.
pub trait Line {
    /// The wall's clock.
    fn now(&self) -> UnixNanos;

    /// The next thing, waited for at most so long.
    ///
    /// # Errors
    /// [`SwarmError::Line`].
    fn next(&mut self, at_most: Duration) -> Result<Option<Report>, SwarmError>;

    /// Says something to the agent at a place; nothing happens if it has just ended.
    ///
    /// # Errors
    /// [`SwarmError::Line`].
    fn say(&mut self, at: usize, message: Vec<u8>) -> Result<(), SwarmError>;

    /// An agent does not answer: it is to be ended and replaced.
    ///
    /// # Errors
    /// [`SwarmError::Line`].
    fn replace(&mut self, at: usize) -> Result<(), SwarmError>;

    /// What the agents have cost so far.
    fn spent(&self) -> MicroDollars;

    /// A stamp is over; a moment to change how agents are housed.
    ///
    /// # Errors
    /// [`SwarmError::Line`].
    fn tell(&mut self, progress: &Progress<'_>) -> Result<(), SwarmError>;

    /// What is known of the agents' processes, before they end: in order of the configuration.
    fn processes(&mut self) -> Vec<ProcessRecord>;

    /// What carries the messages between agents, for the record.
    fn transport(&self) -> &'static str;
}

/// The past, on its way to an agent that has come later.
#[derive(Debug)]
struct Lesson {
    past: Stamps,
    /// Encoded, and not said yet.
    ready: VecDeque<Vec<u8>>,
    ahead: Option<(UnixNanos, Vec<Event>)>,
    over: bool,
}

/// An agent as the chair sees it.
#[derive(Debug, Default)]
struct Place {
    agent: Option<AgentId>,
    lesson: Option<Lesson>,
    /// Words with events that it has not taken.
    unread: usize,
    /// Parts of the present stamp that it was sent.
    shown: usize,
    asked: Option<Vec<Subject>>,
    knows: BTreeMap<Subject, DossierId>,
    frames: Vec<Frame>,
    /// When it was last heard, or was gone, by [`Chair::awake`].
    heard: u64,
    asked_alive: u64,
    /// Times that one in this place was silent for too long since the last stamp.
    silences: u64,
    /// Of those before it in this place.
    sent_before: Traffic,
    sent: Traffic,
    /// The absence that it ends, by its place in the record.
    ends: Option<usize>,
    alone: Vec<EquityPoint>,
    is_done: bool,
}

/// The stamp that is conferred about.
#[derive(Debug)]
struct Present {
    stamp: UnixNanos,
    /// Words with its events.
    parts: Vec<Vec<u8>>,
    /// The board before it.
    before: Board,
    council: Council,
    began: UnixNanos,
    /// Since when nothing kept the agents from conferring, by [`Chair::awake`].
    since: u64,
    decided: BTreeMap<Subject, (Arc<Certificate>, DossierId, u64)>,
}

/// A conference of agents elsewhere.
pub struct Chair<L> {
    line: L,
    charter: Charter,
    board: Board,
    rewind: Rewind,
    places: Vec<Place>,
    session: u32,
    /// All are there and know who sits where.
    is_settled: bool,
    present: Option<Present>,
    /// How long an agent may be silent.
    patience: u64,
    /// Nanoseconds in which the chair has listened: what agents are held to.
    awake: u64,
    /// When it last looked at the clock.
    looked: UnixNanos,
    /// The last stamp that was shown.
    stamp: UnixNanos,
    stamps: u64,
    decisions: u64,
    spent: MicroDollars,
    absences: Vec<AbsenceRecord>,
}

impl<L: std::fmt::Debug> std::fmt::Debug for Chair<L> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Chair").field("line", &self.line).field("session", &self.session).finish_non_exhaustive()
    }
}

impl<L: Line> Chair<L> {
    /// Over a line whose agents are being started with the roles of `charter`; `rewind` opens the run's data anew.
    #[must_use]
    pub fn new(line: L, charter: Charter, rewind: Rewind) -> Self {
        let swarm = charter.swarm();
        let (patience, agents) = (swarm.process.patience.nanos, swarm.agents.len());
        Self {
            board: Board::new(swarm),
            places: (0..agents).map(|_| Place::default()).collect(),
            looked: line.now(),
            line,
            charter,
            rewind,
            session: 0,
            is_settled: false,
            present: None,
            patience,
            awake: 0,
            stamp: UnixNanos::EPOCH,
            stamps: 0,
            decisions: 0,
            spent: MicroDollars::default(),
            absences: Vec::new(),
        }
    }

    /// The line.
    #[must_use]
    pub const fn line(&self) -> &L {
        &self.line
    }

    /// The line, to be changed.
    pub const fn line_mut(&mut self) -> &mut L {
        &mut self.line
    }

    fn name(&self, at: usize) -> String {
        self.charter.swarm().agents[at].id.clone()
    }

    /// Takes everything that lies ready, says what there is to say, and waits for more; true once `is_over`.
    fn turn(&mut self, at_most: Duration, is_over: impl Fn(&Self) -> bool) -> Result<bool, SwarmError> {
        // What is said to one agent leaves together.
        while let Some(report) = self.line.next(Duration::ZERO)? {
            self.take(report)?;
        }
        self.push()?;
        if is_over(self) {
            return Ok(true);
        }
        if let Some(report) = self.line.next(at_most)? {
            self.take(report)?;
        }
        self.look_after()?;
        Ok(false)
    }

    fn take(&mut self, report: Report) -> Result<(), SwarmError> {
        let (now, awake) = (self.line.now(), self.awake);
        match report {
            Report::Here { at, agent } => {
                let lesson = if self.stamps == 0 && self.is_beginning() {
                    None
                } else {
                    let past = (self.rewind)()?;
                    Some(Lesson { past, ready: VecDeque::new(), ahead: None, over: false })
                };
                self.is_settled = false;
                let place = &mut self.places[at];
                if place.is_done {
                    (place.agent, place.heard) = (Some(agent), awake);
                    return Ok(());
                }
                if let Some(absence) = place.ends.map(|at| &mut self.absences[at]) {
                    absence.replaced_ns = Some(now.since(absence.noticed));
                }
                let sent_before = Traffic {
                    messages: place.sent_before.messages + place.sent.messages,
                    bytes: place.sent_before.bytes + place.sent.bytes,
                };
                let (ends, silences) = (place.ends, place.silences);
                *place = Place {
                    agent: Some(agent),
                    lesson,
                    heard: awake,
                    asked_alive: awake,
                    silences,
                    sent_before,
                    ends,
                    ..Place::default()
                };
            }
            Report::Gone { at, how, noticed } => {
                self.is_settled = false;
                let (agent, stamp) = (self.name(at), self.present.as_ref().map(|present| present.stamp));
                let place = &mut self.places[at];
                (place.agent, place.heard) = (None, awake);
                place.lesson = None;
                if !place.is_done {
                    place.ends = Some(self.absences.len());
                    let (replaced_ns, seated_ns) = (None, None);
                    self.absences.push(AbsenceRecord { agent, how, noticed, stamp, replaced_ns, seated_ns });
                }
            }
            Report::GivenUp { at, how } => return Err(SwarmError::GivenUp { agent: self.name(at), how }),
            Report::Spent(spent) => return Err(spent.into()),
            Report::Stop => return Err(SwarmError::Interrupted { stamp: self.stamp }),
            Report::Said { at, message } => {
                let words = read(&message).map_err(|error| self.not_understood(at, error.to_string()))?;
                self.places[at].heard = awake;
                for word in words {
                    self.hear(now, at, word)?;
                }
            }
        }
        Ok(())
    }

    /// Nothing has been shown to anybody yet.
    fn is_beginning(&self) -> bool {
        self.places.iter().all(|place| place.shown == 0)
    }

    fn not_understood(&self, at: usize, what: String) -> SwarmError {
        SwarmError::Language { agent: self.name(at), what }
    }

    fn hear(&mut self, now: UnixNanos, at: usize, word: FromAgent) -> Result<(), SwarmError> {
        let (session, agents) = (self.session, self.places.len());
        let present = |present: &Option<Present>| present.as_ref().map(|present| present.stamp);
        match word {
            FromAgent::Taken => self.places[at].unread = self.places[at].unread.saturating_sub(1),
            FromAgent::Asked { session: of, stamp, subjects } => {
                if of == session && present(&self.present) == Some(stamp) {
                    if let Some(subject) = subjects.iter().find(|subject| subject.stamp != stamp) {
                        return Err(self.not_understood(at, format!("{subject:?} is not about {stamp}")));
                    }
                    self.places[at].asked = Some(subjects);
                }
            }
            FromAgent::Decided { session: of, certificate } => {
                let subject = certificate.subject;
                if of == session && present(&self.present) == Some(subject.stamp) {
                    self.note(at, subject, certificate.dossier.id())?;
                    self.keep(now, at, *certificate)?;
                }
            }
            FromAgent::Knows { session: of, subject, dossier } => {
                if of == session && present(&self.present) == Some(subject.stamp) {
                    self.note(at, subject, dossier)?;
                }
            }
            FromAgent::Frames { session: of, frames } => {
                for Frame { peer, bytes } in frames {
                    let to = peer as usize;
                    if to >= agents {
                        return Err(self.not_understood(at, format!("a frame to place {to} of {agents}")));
                    }
                    if of == session {
                        let peer = u32::try_from(at).expect("a council is small");
                        self.places[to].frames.push(Frame { peer, bytes });
                    }
                }
            }
            FromAgent::Here { messages, bytes } => self.places[at].sent = Traffic { messages, bytes },
            FromAgent::Alone { points, last } => {
                self.places[at].alone.extend(points);
                self.places[at].is_done |= last;
            }
            FromAgent::Failed(why) => return Err(SwarmError::Stopped { agent: self.name(at), why }),
        }
        Ok(())
    }

    /// A member holds these votes for final.
    fn note(&mut self, at: usize, subject: Subject, dossier: DossierId) -> Result<(), SwarmError> {
        let stamp = subject.stamp;
        self.places[at].knows.insert(subject, dossier);
        let others = self.places.iter().filter_map(|place| place.knows.get(&subject));
        let kept = self.present.as_ref().and_then(|present| present.decided.get(&subject));
        if others.chain(kept.map(|(_, dossier, _)| dossier)).any(|other| *other != dossier) {
            return Err(SwarmError::Diverged { agent: self.name(at), stamp });
        }
        Ok(())
    }

    /// The first certificate about a subject is the one that counts.
    fn keep(&mut self, now: UnixNanos, at: usize, certificate: Certificate) -> Result<(), SwarmError> {
        let Some(present) = &mut self.present else { return Ok(()) };
        if present.decided.contains_key(&certificate.subject) {
            return Ok(());
        }
        if let Err(cause) = certificate.verify(&self.charter.keys, &present.council) {
            return Err(SwarmError::Forged { agent: self.name(at), cause });
        }
        let (id, latency_ns) = (certificate.dossier.id(), now.since(present.began));
        present.decided.insert(certificate.subject, (Arc::new(certificate), id, latency_ns));
        Ok(())
    }

    /// Says what may be said.
    fn push(&mut self) -> Result<(), SwarmError> {
        self.teach()?;
        let is_whole = self.places.iter().all(|place| place.agent.is_some() && place.lesson.is_none());
        if let Some(present) = self.present.as_mut().filter(|_| is_whole && !self.is_settled) {
            let (now, awake) = (self.line.now(), self.awake);
            self.session += 1;
            self.is_settled = true;
            present.since = awake;
            let seats: Vec<AgentId> = self.places.iter().filter_map(|place| place.agent).collect();
            let mut message = Vec::new();
            write(&mut message, &ToAgent::Session { number: self.session, seats, stamp: present.stamp });
            for (at, place) in self.places.iter_mut().enumerate() {
                place.asked = None;
                place.knows.clear();
                place.frames.clear();
                place.heard = awake;
                if let Some(absence) = place.ends.take().map(|at| &mut self.absences[at]) {
                    absence.seated_ns = Some(now.since(absence.noticed));
                }
                self.line.say(at, message.clone())?;
            }
        }
        if !self.is_settled {
            return Ok(());
        }
        let parts = self.present.as_ref().map_or(&[][..], |present| present.parts.as_slice());
        for (at, place) in self.places.iter_mut().enumerate() {
            while place.unread < WINDOW
                && let Some(part) = parts.get(place.shown)
            {
                place.shown += 1;
                place.unread += 1;
                self.line.say(at, part.clone())?;
            }
            while !place.frames.is_empty() {
                let mut size = 0;
                let fits = |frame: &&Frame| {
                    size += frame.bytes.len();
                    size <= MESSAGE_BYTES
                };
                let count = place.frames.iter().take_while(fits).count().max(1);
                let frames = place.frames.drain(..count).collect();
                let mut message = Vec::new();
                write(&mut message, &ToAgent::Frames { session: self.session, frames });
                self.line.say(at, message)?;
            }
        }
        Ok(())
    }

    /// Shows the past to those who have come later.
    fn teach(&mut self) -> Result<(), SwarmError> {
        let over = self.stamp.saturating_add(1);
        let until = self.present.as_ref().map_or(over, |present| present.stamp);
        let board = self.present.as_ref().map_or(&self.board, |present| &present.before);
        for (at, place) in self.places.iter_mut().enumerate() {
            let Some(lesson) = &mut place.lesson else { continue };
            while place.unread < WINDOW {
                if lesson.ready.is_empty() {
                    lesson.prepare(until).map_err(SwarmError::Feed)?;
                }
                let Some(message) = lesson.ready.pop_front() else { break };
                place.unread += 1;
                self.line.say(at, message)?;
            }
            if lesson.over && lesson.ready.is_empty() {
                place.lesson = None;
                let mut message = Vec::new();
                write(&mut message, &ToAgent::Board(Box::new(board.clone())));
                self.line.say(at, message)?;
            }
        }
        Ok(())
    }

    /// Asks the silent whether they live, and has those replaced that do not answer.
    fn look_after(&mut self) -> Result<(), SwarmError> {
        let (now, patience) = (self.line.now(), self.patience);
        self.awake += now.since(self.looked).min(patience / LOOKS);
        self.looked = now;
        let (awake, most) = (self.awake, STAMP_PATIENCE * patience);
        for (at, place) in self.places.iter_mut().enumerate() {
            let silent = awake - place.heard;
            if place.agent.is_none() {
                if silent > most && !place.is_done {
                    return Err(self.silent(silent, format!("{} does not come", self.name(at))));
                }
            } else if silent >= patience {
                place.heard = awake;
                place.silences += 1;
                if place.silences == STAMP_PATIENCE {
                    let missing =
                        format!("{} and those in its place fell silent {STAMP_PATIENCE} times", self.name(at));
                    return Err(self.silent(most, missing));
                }
                self.line.replace(at)?;
            } else if awake - place.heard.max(place.asked_alive) >= patience / ASKS {
                place.asked_alive = awake;
                let mut message = Vec::new();
                write(&mut message, &ToAgent::Ask);
                self.line.say(at, message)?;
            }
        }
        match &self.present {
            Some(present) if self.is_settled && awake - present.since > most => {
                Err(self.silent(awake - present.since, self.missing()))
            }
            _ => Ok(()),
        }
    }

    fn silent(&self, waited: u64, missing: String) -> SwarmError {
        SwarmError::Silent { stamp: self.stamp, waited_s: waited / SECOND, missing }
    }

    fn missing(&self) -> String {
        let subjects = self.subjects();
        let of = |(at, place): (usize, &Place)| {
            let name = self.name(at);
            if place.asked.is_none() {
                return Some(format!("{name} has not looked at it"));
            }
            let open = subjects.iter().filter(|subject| !place.knows.contains_key(subject)).count();
            (open > 0).then(|| format!("{name} waits for {open} of {} decisions", subjects.len()))
        };
        let missing: Vec<String> = self.places.iter().enumerate().filter_map(of).collect();
        missing.join(", ")
    }

    /// What is asked about at the present stamp, as far as that is known.
    fn subjects(&self) -> BTreeSet<Subject> {
        self.places.iter().flat_map(|place| place.asked.iter().flatten()).copied().collect()
    }

    fn is_decided(&self) -> bool {
        let Some(present) = &self.present else { return true };
        if !self.is_settled || self.places.iter().any(|place| place.asked.is_none()) {
            return false;
        }
        let all_know = |subject: &Subject| {
            present.decided.contains_key(subject) && self.places.iter().all(|place| place.knows.contains_key(subject))
        };
        self.subjects().iter().all(all_know)
    }
}

impl Lesson {
    /// Encodes the next stamps before `until`.
    fn prepare(&mut self, until: UnixNanos) -> Result<(), starling_market::feed::FeedError> {
        let mut events: Vec<Event> = Vec::new();
        while !self.over && events.len() < EVENTS_MAX {
            let next = match self.ahead.take() {
                Some(next) => Some(next),
                None => self.past.next_stamp()?,
            };
            match next {
                Some((stamp, of_stamp)) if stamp < until => events.extend(of_stamp),
                _ => self.over = true,
            }
        }
        self.ready.extend(parts(&events, Then::Past));
        Ok(())
    }
}

/// Words with events: all but the last say that there is more.
fn parts(events: &[Event], then: Then) -> Vec<Vec<u8>> {
    let chunks: Vec<&[Event]> = events.chunks(EVENTS_MAX).collect();
    let encode = |(at, events): (usize, &&[Event])| {
        let then = if at + 1 == chunks.len() { then } else { Then::More };
        let mut message = Vec::new();
        write(&mut message, &ToAgent::Events { events: events.to_vec(), then });
        message
    };
    chunks.iter().enumerate().map(encode).collect()
}

impl<L: Line> Conference for Chair<L> {
    fn on_stamp(&mut self, stamp: UnixNanos, events: &[Event]) -> Result<Vec<Verdict>, SwarmError> {
        let before = self.board.clone();
        for event in events {
            if let Event::Bar(bar) = event {
                self.board.on_bar(bar);
            }
        }
        let (began, council) = (self.line.now(), self.board.council()?);
        for place in &mut self.places {
            place.shown = 0;
            place.asked = None;
            place.knows.clear();
            place.silences = 0;
        }
        let (parts, decided) = (parts(events, Then::Now(stamp)), BTreeMap::new());
        self.stamp = stamp;
        self.present = Some(Present { stamp, parts, before, council, began, since: self.awake, decided });
        while !self.turn(TURN, Self::is_decided)? {}
        let present = self.present.take().expect("it was just decided about");
        let spent = self.line.spent();
        let cost = spent.0.saturating_sub(self.spent.0);
        let subjects = self.subjects();
        let mut verdicts = Vec::with_capacity(present.decided.len());
        for (subject, (certificate, _, latency_ns)) in present.decided {
            if !subjects.contains(&subject) {
                return Err(SwarmError::Language {
                    agent: self.name(certificate.dossier.author.0 as usize),
                    what: format!("it decided about {subject:?}, which nobody asked about"),
                });
            }
            self.board.on_decided(&certificate);
            let outcome = certificate.outcome(&present.council);
            let cost_micro_usd = if verdicts.is_empty() { u32::try_from(cost).unwrap_or(u32::MAX) } else { 0 };
            verdicts.push(Verdict { certificate, outcome, latency_ns, cost_micro_usd });
        }
        if !verdicts.is_empty() {
            self.spent = spent;
        }
        self.stamps += 1;
        self.decisions += verdicts.len() as u64;
        let traffic: Vec<Traffic> = self.places.iter().map(Place::traffic).collect();
        self.line.tell(&Progress {
            stamp,
            stamps: self.stamps,
            decisions: self.decisions,
            session: self.session,
            took_ns: self.line.now().since(began),
            verdicts: &verdicts,
            traffic: &traffic,
        })?;
        Ok(verdicts)
    }

    fn idle(&mut self, at_most: Duration) -> Result<(), SwarmError> {
        self.turn(at_most.min(TURN), |_| false)?;
        Ok(())
    }

    fn finish(&mut self) -> Result<Closing, SwarmError> {
        let mut told: Vec<Option<AgentId>> = vec![None; self.places.len()];
        loop {
            for (at, place) in self.places.iter_mut().enumerate() {
                let is_due = place.agent.is_some() && place.lesson.is_none() && !place.is_done;
                if is_due && told[at] != place.agent {
                    told[at] = place.agent;
                    place.alone.clear();
                    let mut message = Vec::new();
                    write(&mut message, &ToAgent::Finish);
                    self.line.say(at, message)?;
                }
            }
            if self.turn(TURN, |chair| chair.places.iter().all(|place| place.is_done))? {
                break;
            }
        }
        let mut agents = self.line.processes();
        for (agent, place) in agents.iter_mut().zip(&self.places) {
            let Traffic { messages, bytes } = place.traffic();
            (agent.messages, agent.bytes) = (messages, bytes);
        }
        let sum = |sum: Traffic, place: &Place| {
            let Traffic { messages, bytes } = place.traffic();
            Traffic { messages: sum.messages + messages, bytes: sum.bytes + bytes }
        };
        Ok(Closing {
            records: self.board.records().to_vec(),
            traffic: self.places.iter().fold(Traffic::default(), sum),
            alone: self.places.iter_mut().map(|place| std::mem::take(&mut place.alone)).collect(),
            processes: Some(ProcessesRecord {
                transport: self.line.transport().to_owned(),
                sessions: self.session,
                absences: std::mem::take(&mut self.absences),
                agents,
                cost_micro_usd: self.line.spent().0,
            }),
        })
    }
}

impl Place {
    /// What the agents in this place have sent; of the present one what it told last.
    fn traffic(&self) -> Traffic {
        Traffic {
            messages: self.sent_before.messages + self.sent.messages,
            bytes: self.sent_before.bytes + self.sent.bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::config::Config;
    use crate::run::Run;
    use crate::swarm::remote::outpost::Outpost;
    use crate::swarm::remote::words::Role;

    /// Agents of this thread, whose words are changed on their way.
    struct Liars {
        outposts: Vec<Outpost>,
        lie: fn(usize, &mut FromAgent),
        clock: UnixNanos,
        reports: VecDeque<Report>,
    }

    impl Line for Liars {
        fn now(&self) -> UnixNanos {
            self.clock
        }

        fn next(&mut self, at_most: Duration) -> Result<Option<Report>, SwarmError> {
            if self.reports.is_empty() && !at_most.is_zero() {
                self.clock = self.clock.saturating_add(u64::try_from(at_most.as_nanos()).unwrap());
                for (at, outpost) in self.outposts.iter_mut().enumerate() {
                    while let Some(message) = outpost.poll_message() {
                        let mut words: Vec<FromAgent> = read(&message).unwrap();
                        words.iter_mut().for_each(|word| (self.lie)(at, word));
                        let mut message = Vec::new();
                        words.iter().for_each(|word| write(&mut message, word));
                        self.reports.push_back(Report::Said { at, message });
                    }
                }
            }
            Ok(self.reports.pop_front())
        }

        fn say(&mut self, at: usize, message: Vec<u8>) -> Result<(), SwarmError> {
            self.outposts[at].on_message(self.clock, &message);
            Ok(())
        }

        fn replace(&mut self, _: usize) -> Result<(), SwarmError> {
            Ok(())
        }

        fn spent(&self) -> MicroDollars {
            MicroDollars::default()
        }

        fn tell(&mut self, _: &Progress<'_>) -> Result<(), SwarmError> {
            Ok(())
        }

        fn processes(&mut self) -> Vec<ProcessRecord> {
            Vec::new()
        }

        fn transport(&self) -> &'static str {
            "calls"
        }
    }

    /// What becomes of the demo's first bar if agents speak like this.
    fn confer(lie: fn(usize, &mut FromAgent)) -> Result<usize, SwarmError> {
        let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../starling/demo");
        let every_bar = [("swarm.confer".to_owned(), "every_bar".to_owned())];
        let text = Config::with_values(&fs::read_to_string(demo.join("demo.toml")).unwrap(), &every_bar).unwrap();
        let (_, feeds) = Run::new(text.clone(), vec![demo]).unwrap().assemble(std::io::sink()).unwrap();
        let (stamp, events) = Stamps::new(feeds).next_stamp().unwrap().unwrap();
        let charter = Charter::of_processes(&Config::read(&text).unwrap(), &[7; 32]).unwrap();
        let (keys, clock) = (charter.public(), UnixNanos::new(1));
        let outpost = |at| {
            let role = Role { config: text.clone(), at, seed: charter.seed(at).unwrap().clone(), keys: keys.clone() };
            Outpost::new(clock, &role, true).unwrap()
        };
        let here = |at| Report::Here { at, agent: AgentId(u32::try_from(at).unwrap()) };
        let (outposts, reports) = ((0..keys.len()).map(outpost).collect(), (0..keys.len()).map(here).collect());
        let line = Liars { outposts, lie, clock, reports };
        let mut chair = Chair::new(line, charter, Box::new(|| Err(SwarmError::NoProvider)));
        chair.on_stamp(stamp, &events).map(|verdicts| verdicts.len())
    }

    #[test]
    fn what_agents_say_is_believed_only_where_it_can_be() {
        assert_eq!(confer(|_, _| {}).unwrap(), 3);
        let told = |lie: fn(usize, &mut FromAgent)| confer(lie).unwrap_err().to_string();
        let forged = told(|_, word| {
            if let FromAgent::Decided { certificate, .. } = word {
                certificate.commits.clear();
            }
        });
        assert!(forged.contains("sent a decision that is not signed as it must be"), "{forged}");
        let diverged = told(|at, word| {
            if let (3 | 5, FromAgent::Knows { dossier, .. }) = (at, word) {
                dossier.0[0] ^= 1;
            }
        });
        assert!(diverged.contains("holds another decision about the bar at"), "{diverged}");
        let unasked = told(|_, word| {
            if let FromAgent::Asked { subjects, .. } = word {
                subjects.remove(0);
            }
        });
        assert!(unasked.contains("which nobody asked about"), "{unasked}");
        let another_bar = told(|_, word| {
            if let FromAgent::Asked { stamp, subjects, .. } = word {
                subjects[0].stamp = stamp.saturating_add(1);
            }
        });
        assert!(another_bar.contains("is not about"), "{another_bar}");
        let to_nobody = told(|_, word| {
            if let FromAgent::Frames { frames, .. } = word {
                frames[0].peer = 8;
            }
        });
        assert!(to_nobody.contains("a frame to place 8 of 8"), "{to_nobody}");
    }
}
