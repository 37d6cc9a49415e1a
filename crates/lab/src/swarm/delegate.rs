//! A delegate: a seat, its board, and its node among the others.
//!
//! Invariant: it votes on a stamp only after it has seen it, and looks at the next only when its host says so: hosts wait
//! until the decisions of a stamp are made. It does no I/O; frames go in and out by its host.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use starling_core::time::{HOUR, SECOND};
use starling_core::{Event, InstrumentId, UnixNanos};
use starling_swarm::consensus::council::Subject;
use starling_swarm::consensus::statement::Certificate;
use starling_swarm::consensus::tally::Outcome;
use starling_swarm::consensus::{self, Consensus, Trust};
use starling_swarm::id::AgentId;
use starling_swarm::identity::{Identity, IdentityError, KeyBook};
use starling_swarm::membership::{Founding, Timing};
use starling_swarm::node::{self, Node, Parcel};

use super::SwarmError;
use super::seat::{Board, Seat, agent_id, subject};
use crate::config::{ConferConfig, Config, SwarmConfig};

/// What all delegates of a swarm are told alike.
#[derive(Debug, Clone)]
pub struct Charter {
    /// The run.
    pub config: Config,
    /// Everybody's key.
    pub keys: Arc<KeyBook>,
    /// Who founds the swarm, and its topology.
    pub founding: Founding,
    /// Heartbeats and repetitions.
    pub node: node::Config,
    /// How long votes are waited for.
    pub timing: consensus::Timing,
    /// Whose word is taken.
    pub trust: Trust,
}

impl Charter {
    /// For agents of one process: nobody dies there, and nobody lies.
    ///
    /// # Errors
    /// [`IdentityError`], of a key.
    ///
    /// # Panics
    /// If the configuration has no `[swarm]`.
    pub fn in_process(config: &Config) -> Result<Self, IdentityError> {
        let swarm = config.swarm.as_ref().expect("a swarm is configured");
        let timing = Timing { interval: HOUR, ..Timing::default() };
        let node =
            node::Config { timing, hop_retry: 10 * SECOND, journey_retry: 60 * SECOND, ..node::Config::default() };
        let timing = consensus::Timing { patience: SECOND + 2 * swarm.think.nanos, round: SECOND };
        Self::new(config, node, timing, Trust::Transport)
    }

    fn new(
        config: &Config,
        node: node::Config,
        timing: consensus::Timing,
        trust: Trust,
    ) -> Result<Self, IdentityError> {
        let swarm = config.swarm.as_ref().expect("a swarm is configured");
        let members = 0..swarm.agents.len();
        let founding = Founding::new(swarm.topology.shape(), members.clone().map(agent_id));
        let mut keys = KeyBook::new();
        for at in members {
            keys.insert(agent_id(at), &identity(swarm, at).public())?;
        }
        Ok(Self { config: config.clone(), keys: Arc::new(keys), founding, node, timing, trust })
    }

    /// The `[swarm]` of its configuration.
    #[must_use]
    pub fn swarm(&self) -> &SwarmConfig {
        self.config.swarm.as_ref().expect("checked when it was made")
    }
}

/// The identity of an agent in a run over recorded data: a function of the configuration, so that certificates are.
fn identity(swarm: &SwarmConfig, at: usize) -> Identity {
    let told = (at, &swarm.agents[at].id, &swarm.agents[at].strategy);
    let seed =
        blake3::derive_key("starling swarm agent of a backtest", &serde_json::to_vec(&told).expect("plain data"));
    Identity::new(agent_id(at), &seed)
}

/// A member at work.
#[derive(Debug)]
pub struct Delegate {
    seat: Seat,
    board: Board,
    node: Node<Consensus>,
    confer: ConferConfig,
    /// Votes asked for about stamps that it has not seen.
    early: BTreeSet<Subject>,
    decided: VecDeque<Arc<Certificate>>,
    /// Subjects it knows of that are not decided.
    open: BTreeSet<Subject>,
}

impl Delegate {
    /// The delegate at a place of the configuration.
    ///
    /// # Errors
    /// [`SwarmError`], if its strategies or the council cannot be set up.
    pub fn new(now: UnixNanos, charter: &Charter, at: usize) -> Result<Self, SwarmError> {
        let swarm = charter.swarm();
        let seat = Seat::new(&charter.config, swarm, at)?;
        let board = Board::new(swarm);
        let consensus = Consensus::new(
            identity(swarm, at),
            Arc::clone(&charter.keys),
            board.council()?,
            charter.timing,
            charter.trust,
        );
        let node = Node::found(now, agent_id(at), consensus, charter.node, &charter.founding);
        Ok(Self {
            seat,
            board,
            node,
            confer: swarm.confer,
            early: BTreeSet::new(),
            decided: VecDeque::new(),
            open: BTreeSet::new(),
        })
    }

    /// Its number.
    #[must_use]
    pub fn id(&self) -> AgentId {
        self.node.me()
    }

    /// Its seat.
    #[must_use]
    pub fn seat(&self) -> &Seat {
        &self.seat
    }

    /// What all members know of each other.
    #[must_use]
    pub fn board(&self) -> &Board {
        &self.board
    }

    /// Its node.
    #[must_use]
    pub fn node(&self) -> &Node<Consensus> {
        &self.node
    }

    /// All events of a stamp, in order: it thinks, and votes on what it thinks otherwise about than before.
    ///
    /// # Errors
    /// [`SwarmError`], of its strategies.
    pub fn on_stamp(&mut self, now: UnixNanos, stamp: UnixNanos, events: &[Event]) -> Result<(), SwarmError> {
        let mut bars: Vec<InstrumentId> = Vec::new();
        let mut reweighed = false;
        for event in events {
            if let Event::Bar(bar) = event {
                reweighed |= self.board.on_bar(bar);
                bars.push(bar.instrument);
            }
        }
        if reweighed {
            let council = self.board.council()?;
            self.node.act(now, |consensus, _, _, _| consensus.adopt(stamp, council))?;
        }
        let mut asked = self.seat.on_stamp(stamp, events)?;
        let oldest = self.seat.oldest();
        self.node.act(now, |consensus, _, _, _| consensus.forget_before(oldest));
        if self.confer == ConferConfig::EveryBar {
            asked = bars;
        }
        asked.sort_unstable();
        asked.dedup();
        for instrument in asked {
            self.vote(now, subject(stamp, instrument));
        }
        for called in std::mem::take(&mut self.early) {
            self.vote(now, called);
        }
        self.hear(now);
        Ok(())
    }

    fn vote(&mut self, now: UnixNanos, subject: Subject) {
        if !self.seat.has_seen(subject.stamp) {
            self.early.insert(subject);
            return;
        }
        let choice = self.seat.choice(subject);
        // A vote that is refused was given, or is not needed any more.
        let voted = self.node.act(now, |consensus, now, out, events| consensus.vote(now, subject, choice, out, events));
        if voted.is_ok() {
            self.open.insert(subject);
        }
        self.hear(now);
    }

    /// A frame from a neighbour.
    pub fn on_frame(&mut self, now: UnixNanos, from: AgentId, bytes: &[u8]) {
        self.node.on_frame(now, from, bytes);
        self.hear(now);
    }

    /// The time that [`Delegate::next_due`] named has come.
    pub fn on_time(&mut self, now: UnixNanos) {
        self.node.on_time(now);
        self.hear(now);
    }

    /// When it wants to be woken.
    #[must_use]
    pub fn next_due(&self) -> UnixNanos {
        self.node.next_due()
    }

    /// The next frame to be sent.
    pub fn poll_send(&mut self) -> Option<Parcel> {
        self.node.poll_send()
    }

    /// Takes a frame back that could not be sent.
    pub fn put_back(&mut self, parcel: Parcel) {
        self.node.put_back(parcel);
    }

    /// The next decision that it learnt of.
    pub fn poll_decided(&mut self) -> Option<Arc<Certificate>> {
        self.decided.pop_front()
    }

    /// What a certificate decides; none if it is older than the councils kept.
    #[must_use]
    pub fn outcome(&self, certificate: &Certificate) -> Option<Outcome> {
        Some(certificate.outcome(self.node.component().council(certificate.subject)?))
    }

    /// True while decisions are under way that it knows of.
    #[must_use]
    pub fn is_conferring(&self) -> bool {
        !self.open.is_empty()
    }

    fn hear(&mut self, now: UnixNanos) {
        while let Some(event) = self.node.poll_event() {
            match event {
                node::Event::Component(consensus::Event::Called { subject, .. }) => {
                    self.open.insert(subject);
                    self.vote(now, subject);
                }
                node::Event::Component(consensus::Event::Decided(certificate)) => {
                    self.open.remove(&certificate.subject);
                    self.board.on_decided(&certificate);
                    self.decided.push_back(certificate);
                }
                _ => {}
            }
        }
    }

    /// Ends its strategies' run; what they would have earned alone, day by day.
    ///
    /// # Errors
    /// [`SwarmError`].
    pub fn finish(&mut self) -> Result<Vec<crate::tearsheet::EquityPoint>, SwarmError> {
        Ok(self.seat.finish()?)
    }
}
