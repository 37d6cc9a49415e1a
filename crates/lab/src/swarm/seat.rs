//! A member of the council: from what its brain wants to a vote, and from decisions to the weight of every voice.
//!
//! Invariant: a vote is a function of the bars up to its stamp, and the weights at a stamp are a function of the bars up
//! to it and of the certificates before it. All members see the same of both, so all hold the same council, in one
//! process or in many.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};
use starling_core::fixed::Price;
use starling_core::{Bar, Event, InstrumentId, Side, UnixNanos};
use starling_engine::EngineError;
use starling_swarm::agent::{TrackRecord, UNIT};
use starling_swarm::consensus::ballot::{Action, Choice};
use starling_swarm::consensus::council::{BadCouncil, Council, Member, Mode, Subject};
use starling_swarm::consensus::statement::Certificate;
use starling_swarm::id::AgentId;

use super::brain::Brain;
use crate::config::{Config, SwarmConfig};
use crate::run::RunError;

/// Stamps whose opinions are kept, for calls that come late.
pub const OPINIONS_KEPT: usize = 16;

/// Which way an agent wants to stand in an instrument, and how sure it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opinion {
    /// Long, short, or not at all.
    pub side: Option<Side>,
    /// Its share of right calls of that kind so far, in basis points: `(right + 1) / (calls + 2)`.
    pub confidence_bps: u16,
}

/// Right calls among all, of one side.
#[derive(Debug, Clone, Copy, Default)]
struct Calls {
    right: u64,
    all: u64,
}

impl Calls {
    fn confidence_bps(self) -> u16 {
        u16::try_from((self.right + 1) * u64::from(UNIT) / (self.all + 2)).expect("a share of one")
    }
}

/// How an agent has done by the bars: what all members know of each other.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Board {
    members: Vec<Member>,
    mode: Mode,
    threshold: u16,
    records: Vec<TrackRecord>,
    /// By instrument and member: its last vote, if that was one.
    standing: BTreeMap<u32, Vec<Option<Action>>>,
    /// The last close, by instrument.
    closes: BTreeMap<u32, Price>,
}

impl Board {
    /// Of agents without a past.
    #[must_use]
    pub fn new(config: &SwarmConfig) -> Self {
        let member = |(at, agent): (usize, &crate::config::AgentConfig)| Member {
            agent: agent_id(at),
            weight: if agent.role.has_veto() { 0 } else { TrackRecord::default().weight() },
            veto: agent.role.has_veto(),
        };
        let members: Vec<Member> = config.agents.iter().enumerate().map(member).collect();
        Self {
            records: vec![TrackRecord::default(); members.len()],
            standing: BTreeMap::new(),
            closes: BTreeMap::new(),
            mode: config.consensus.mode(),
            threshold: config.threshold_bps(),
            members,
        }
    }

    /// The council of now.
    ///
    /// # Errors
    /// [`BadCouncil`]: the configuration allows more agents than a council has seats.
    pub fn council(&self) -> Result<Council, BadCouncil> {
        Council::new(self.mode, self.members.iter().copied())?.with_threshold(self.threshold)
    }

    /// The record of each agent.
    #[must_use]
    pub fn records(&self) -> &[TrackRecord] {
        &self.records
    }

    /// A bar judges the votes before it; true if a weight changed.
    pub fn on_bar(&mut self, bar: &Bar) -> bool {
        let Some(before) = self.closes.insert(bar.instrument.0, bar.close) else { return false };
        let mut changed = false;
        let standing = self.standing.get(&bar.instrument.0);
        for (at, action) in standing.into_iter().flatten().enumerate() {
            let Some(action) = action else { continue };
            let (side, target) = match action {
                Action::Buy => (Some(Side::Buy), 10_000),
                Action::Sell => (Some(Side::Sell), -10_000),
                Action::Hold => (None, 0),
            };
            self.records[at].judge(side, target, before, bar.close);
            let member = &mut self.members[at];
            let weight = self.records[at].weight();
            changed |= !member.veto && member.weight != weight;
            if !member.veto {
                member.weight = weight;
            }
        }
        changed
    }

    /// A decision tells how everybody stands.
    pub fn on_decided(&mut self, certificate: &Certificate) {
        let nobody = || vec![None; self.members.len()];
        let standing = self.standing.entry(certificate.subject.instrument).or_insert_with(nobody);
        for ballot in &certificate.dossier.ballots {
            standing[ballot.agent.0 as usize] = match ballot.choice {
                Choice::Act { action, .. } => Some(action),
                Choice::Abstain | Choice::Veto => None,
            };
        }
    }
}

/// The number of the agent at a place of the configuration.
#[must_use]
pub fn agent_id(at: usize) -> AgentId {
    AgentId(u32::try_from(at).expect("a council is small"))
}

/// The question of all votes: which way to stand. Buy is long, sell is short, hold is not at all.
#[must_use]
pub fn action_of(side: Option<Side>) -> Action {
    match side {
        Some(Side::Buy) => Action::Buy,
        Some(Side::Sell) => Action::Sell,
        None => Action::Hold,
    }
}

/// [`action_of`], back.
#[must_use]
pub fn side_of(action: Action) -> Option<Side> {
    match action {
        Action::Buy => Some(Side::Buy),
        Action::Sell => Some(Side::Sell),
        Action::Hold => None,
    }
}

/// What a decision is about.
#[must_use]
pub fn subject(stamp: UnixNanos, instrument: InstrumentId) -> Subject {
    Subject { stamp, instrument: instrument.0, question: 0 }
}

/// A member at work.
#[derive(Debug)]
pub struct Seat {
    brain: Brain,
    veto: bool,
    /// The instruments its strategies trade; of others it has no opinion.
    covers: Vec<InstrumentId>,
    /// What it thought after each of the last stamps, the oldest first.
    opinions: VecDeque<(UnixNanos, Vec<(InstrumentId, Opinion)>)>,
    /// What it thought after the last bar of each instrument, and that bar's close; they are few.
    held: Vec<(InstrumentId, Opinion, Price)>,
    /// By side: long, short, not at all.
    calls: [Calls; 3],
}

impl Seat {
    /// The seat of the agent at a place of the configuration.
    ///
    /// # Errors
    /// [`RunError`], if its strategies cannot be set up.
    pub fn new(config: &Config, swarm: &SwarmConfig, at: usize) -> Result<Self, RunError> {
        let agent = &swarm.agents[at];
        let brain = Brain::new(config, agent)?;
        let named = |name: &String| brain.world().instrument_by_name(name).expect("the configuration is checked");
        // A strategy of several instruments names them wherever its parameters do.
        let covers = if agent.instruments.is_empty() {
            let world = brain.world();
            let text = serde_json::to_string(&agent.strategy).expect("plain data");
            let named = |id: &InstrumentId| text.contains(&format!("\"{}\"", world.name(*id)));
            (0..world.instruments().len()).map(InstrumentId::from).filter(named).collect()
        } else {
            agent.instruments.iter().map(named).collect()
        };
        Ok(Self {
            brain,
            covers,
            veto: agent.role.has_veto(),
            opinions: VecDeque::new(),
            held: Vec::new(),
            calls: [Calls::default(); 3],
        })
    }

    /// Its brain.
    #[must_use]
    pub fn brain(&self) -> &Brain {
        &self.brain
    }

    /// All events of a stamp; the instruments with a bar among them about which it thinks otherwise than before.
    ///
    /// # Errors
    /// [`EngineError`], of its strategies.
    pub fn on_stamp(&mut self, stamp: UnixNanos, events: &[Event]) -> Result<Vec<InstrumentId>, EngineError> {
        for event in events {
            self.brain.on_event(event)?;
        }
        self.brain.complete_stamp()?;
        let mut changed = Vec::new();
        let mut now: Vec<(InstrumentId, Opinion)> = Vec::new();
        for event in events {
            let Event::Bar(bar) = event else { continue };
            if !self.covers.contains(&bar.instrument) || now.iter().any(|(seen, _)| *seen == bar.instrument) {
                continue;
            }
            let place = self.held.iter().position(|(instrument, ..)| *instrument == bar.instrument);
            let before = place.map(|place| self.held.swap_remove(place));
            if let Some((_, opinion, close)) = &before {
                let calls = &mut self.calls[action_of(opinion.side) as usize];
                let moved = bar.close.cmp(close);
                calls.all += u64::from(moved.is_ne());
                // Who stays out is right if the price falls, as who is short: the choice was between that and being long.
                let right = if opinion.side == Some(Side::Buy) { moved.is_gt() } else { moved.is_lt() };
                calls.right += u64::from(right);
            }
            let position = self.brain.position(bar.instrument);
            let side = match position.units().signum() {
                1 => Some(Side::Buy),
                -1 => Some(Side::Sell),
                _ => None,
            };
            let opinion = Opinion { side, confidence_bps: self.calls[action_of(side) as usize].confidence_bps() };
            self.held.push((bar.instrument, opinion, bar.close));
            if before.map(|(_, opinion, _)| opinion.side) != Some(side) {
                changed.push(bar.instrument);
            }
            now.push((bar.instrument, opinion));
        }
        if self.opinions.len() == OPINIONS_KEPT {
            self.opinions.pop_front();
        }
        self.opinions.push_back((stamp, now));
        Ok(changed)
    }

    /// Nobody will ask about stamps before the last any more: forgets what it thought then, and what only a stamp under way
    /// needs.
    pub fn rest(&mut self) {
        let before = self.opinions.len().saturating_sub(1);
        self.opinions.drain(..before);
        self.opinions.shrink_to_fit();
        self.brain.shrink_to_fit();
    }

    /// The oldest stamp that it could still vote on.
    #[must_use]
    pub fn oldest(&self) -> UnixNanos {
        self.opinions.front().map_or(UnixNanos::EPOCH, |(stamp, _)| *stamp)
    }

    /// The last stamp that it has seen; the epoch before the first.
    #[must_use]
    pub fn last(&self) -> UnixNanos {
        self.opinions.back().map_or(UnixNanos::EPOCH, |(stamp, _)| *stamp)
    }

    /// Its vote about an instrument at a stamp it has seen.
    #[must_use]
    pub fn choice(&self, subject: Subject) -> Choice {
        let opinions = self.opinions.iter().find(|(stamp, _)| *stamp == subject.stamp);
        let mut opinions = opinions.into_iter().flat_map(|(_, opinions)| opinions);
        match opinions.find(|(instrument, _)| instrument.0 == subject.instrument).map(|(_, opinion)| *opinion) {
            Some(opinion) if self.veto && opinion.side.is_some() => Choice::Veto,
            Some(opinion) if !self.veto => {
                Choice::Act { action: action_of(opinion.side), confidence: opinion.confidence_bps }
            }
            _ => Choice::Abstain,
        }
    }

    /// Ends its run; its equity day by day, had it traded alone.
    ///
    /// # Errors
    /// [`EngineError`].
    pub fn finish(&mut self) -> Result<Vec<crate::tearsheet::EquityPoint>, EngineError> {
        self.brain.finish()
    }
}
