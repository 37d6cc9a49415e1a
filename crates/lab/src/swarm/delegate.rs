//! A delegate: a seat, its board, and its node among the others.
//!
//! Invariant: it debates a stamp only after it has seen it, whatever others say meanwhile, and looks at the next only when
//! its host says so: hosts wait until the decisions of a stamp are made. It does no I/O; frames go in and out by its host.
//!
//! What it thinks is in its seat and board and outlives its node: where a member was lost and replaced, all found the
//! swarm anew ([`Delegate::regroup`]) and vote again as they voted.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use starling_core::time::{DAY, HOUR, MILLISECOND, SECOND};
use starling_core::{Event, InstrumentId, UnixNanos};
use starling_swarm::consensus::council::Subject;
use starling_swarm::consensus::statement::Certificate;
use starling_swarm::consensus::tally::Outcome;
use starling_swarm::consensus::{self, Consensus, Trust};
use starling_swarm::id::AgentId;
use starling_swarm::identity::{Identity, IdentityError, KeyBook, PublicKey};
use starling_swarm::membership::{Founding, Timing};
use starling_swarm::node::{self, Node, Parcel};

use super::SwarmError;
use super::seat::{Board, Seat, agent_id, subject};
use crate::config::{ConferConfig, Config, SwarmConfig};

/// The secret that an agent's key is made of.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seed(pub [u8; 32]);

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed([redacted])")
    }
}

/// What all delegates of a swarm are told alike, and the secrets of those that are here.
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
    seeds: BTreeMap<usize, Seed>,
}

impl Charter {
    /// For agents of one process: nobody dies there, and nobody lies. Their keys are a function of the configuration, so
    /// that certificates are.
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
        let seed = |at: usize| {
            let told = (at, &swarm.agents[at].id, &swarm.agents[at].strategy);
            let told = serde_json::to_vec(&told).expect("plain data");
            Seed(blake3::derive_key("starling swarm agent of a backtest", &told))
        };
        let seeds: BTreeMap<usize, Seed> = (0..swarm.agents.len()).map(|at| (at, seed(at))).collect();
        let keys = seeds.iter().map(|(at, seed)| Identity::new(agent_id(*at), &seed.0).public()).collect::<Vec<_>>();
        Self::new(config, node, timing, Trust::Transport, &keys, seeds)
    }

    /// For agents in processes of their own, on the wall's clock; every signature is checked. Their keys are made of
    /// `secret`, 32 random bytes; each is to be told its own seed only.
    ///
    /// Votes are waited for until all are there, for a day if need be: who dies is replaced and votes as it would have
    /// voted, so decisions do not depend on who died when. Deaths are told by who runs the processes, at once; so nobody
    /// is held for dead for being silent, as an agent on the far side of a cut link is.
    ///
    /// # Errors
    /// [`IdentityError`], of a key.
    pub fn of_processes(config: &Config, secret: &[u8; 32]) -> Result<Self, IdentityError> {
        let agents = config.swarm.as_ref().map_or(0, |swarm| swarm.agents.len());
        let seed = |at: usize| {
            let told = [secret.as_slice(), &(at as u64).to_le_bytes()].concat();
            Seed(blake3::derive_key("starling swarm agent in a process of its own", &told))
        };
        let seeds: BTreeMap<usize, Seed> = (0..agents).map(|at| (at, seed(at))).collect();
        let keys = seeds.iter().map(|(at, seed)| Identity::new(agent_id(*at), &seed.0).public()).collect::<Vec<_>>();
        let mut charter = Self::of_agent(config, &keys, 0, Seed([0; 32]))?;
        charter.seeds = seeds;
        Ok(charter)
    }

    /// The same, as the agent at a place is told it: everybody's public key and its own seed.
    ///
    /// # Errors
    /// [`IdentityError`], of a key.
    pub fn of_agent(config: &Config, keys: &[PublicKey], at: usize, seed: Seed) -> Result<Self, IdentityError> {
        let timing = Timing { interval: HOUR, ..Timing::local() };
        let (hop_retry, journey_retry) = (200 * MILLISECOND, SECOND);
        let node = node::Config { timing, hop_retry, journey_retry, ..node::Config::default() };
        let timing = consensus::Timing { patience: DAY, round: HOUR };
        Self::new(config, node, timing, Trust::Nobody, keys, BTreeMap::from([(at, seed)]))
    }

    fn new(
        config: &Config,
        node: node::Config,
        timing: consensus::Timing,
        trust: Trust,
        public: &[PublicKey],
        seeds: BTreeMap<usize, Seed>,
    ) -> Result<Self, IdentityError> {
        let swarm = config.swarm.as_ref().expect("a swarm is configured");
        let founding = Founding::new(swarm.topology.shape(), (0..swarm.agents.len()).map(agent_id));
        let mut keys = KeyBook::new();
        for (at, key) in public.iter().enumerate() {
            keys.insert(agent_id(at), key)?;
        }
        Ok(Self { config: config.clone(), keys: Arc::new(keys), founding, node, timing, trust, seeds })
    }

    /// The `[swarm]` of its configuration.
    #[must_use]
    pub fn swarm(&self) -> &SwarmConfig {
        self.config.swarm.as_ref().expect("checked when it was made")
    }

    /// The secret of the agent at a place; none if it is not here.
    #[must_use]
    pub fn seed(&self, at: usize) -> Option<&Seed> {
        self.seeds.get(&at)
    }

    /// The public keys of those whose secrets are here, in order of their places.
    #[must_use]
    pub fn public(&self) -> Vec<PublicKey> {
        self.seeds.iter().map(|(at, seed)| Identity::new(agent_id(*at), &seed.0).public()).collect()
    }

    /// The identity of an agent whose secret is here.
    fn identity(&self, at: usize) -> Identity {
        Identity::new(agent_id(at), &self.seeds.get(&at).expect("a delegate is made where its secret is").0)
    }
}

/// A member at work.
#[derive(Debug)]
pub struct Delegate {
    at: usize,
    seat: Seat,
    /// Shared among members of one process while they know the same.
    board: Arc<Board>,
    node: Node<Consensus>,
    confer: ConferConfig,
    /// What it called votes about at the last stamp.
    asked: Vec<Subject>,
    decided: VecDeque<Arc<Certificate>>,
    /// Subjects it knows of that are not decided.
    open: BTreeSet<Subject>,
}

impl Delegate {
    /// The delegate at a place of the configuration.
    ///
    /// # Errors
    /// [`SwarmError`], if its strategies or the council cannot be set up.
    ///
    /// # Panics
    /// If the charter has not its secret.
    pub fn new(now: UnixNanos, charter: &Charter, at: usize) -> Result<Self, SwarmError> {
        let swarm = charter.swarm();
        let seat = Seat::new(&charter.config, swarm, at)?;
        let board = Arc::new(Board::new(swarm));
        let node = found(now, charter, at, &seat, &board)?;
        Ok(Self {
            at,
            seat,
            board,
            node,
            confer: swarm.confer,
            asked: Vec::new(),
            decided: VecDeque::new(),
            open: BTreeSet::new(),
        })
    }

    /// Begins anew among the members of `charter`, with what it knows and without what was said. With `again`, it calls
    /// the votes of the last stamp once more.
    ///
    /// # Errors
    /// [`SwarmError`], if the council cannot be set up.
    pub fn regroup(&mut self, now: UnixNanos, charter: &Charter, again: bool) -> Result<(), SwarmError> {
        self.node = found(now, charter, self.at, &self.seat, &self.board)?;
        self.open.clear();
        self.decided.clear();
        if again {
            for subject in self.asked.clone() {
                self.vote(now, subject);
            }
            self.hear(now);
        }
        Ok(())
    }

    /// All events of a stamp that was conferred about before this delegate was there. What became of it, its board is
    /// told by [`Delegate::inherit`].
    ///
    /// # Errors
    /// [`SwarmError`], of its strategies.
    pub fn on_past(&mut self, stamp: UnixNanos, events: &[Event]) -> Result<(), SwarmError> {
        self.seat.on_stamp(stamp, events)?;
        Ok(())
    }

    /// What all members know of each other, from one of them.
    pub fn inherit(&mut self, board: Board) {
        self.board = Arc::new(board);
    }

    /// All members have decided all there was, and nothing is under way: forgets what it would need if a call came late,
    /// holds once with another member what both know alike, and gives back what messages took. No decision changes.
    pub fn rest(&mut self, now: UnixNanos, beside: Option<&Self>) {
        self.seat.rest();
        let last = self.seat.last();
        self.node.act(now, |consensus, _, _, _| consensus.forget_before(last));
        if let Some(other) = beside {
            if *self.board == *other.board {
                self.board = Arc::clone(&other.board);
            }
            self.node.act(now, |consensus, _, _, _| consensus.share(other.node.component()));
        }
        self.node.shrink_to_fit();
        self.decided.shrink_to_fit();
        if self.open.is_empty() {
            self.open = BTreeSet::new();
        }
    }

    /// What it called votes about at the last stamp.
    #[must_use]
    pub fn asked(&self) -> &[Subject] {
        &self.asked
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
                reweighed |= Arc::make_mut(&mut self.board).on_bar(bar);
                bars.push(bar.instrument);
            }
        }
        if reweighed {
            let council = self.board.council()?;
            self.node.act(now, |consensus, _, _, _| consensus.adopt(stamp, council))?;
        }
        let mut asked = self.seat.on_stamp(stamp, events)?;
        let oldest = self.seat.oldest();
        self.node.act(now, |consensus, now, out, events| {
            consensus.forget_before(oldest);
            consensus.know_until(now, stamp, out, events);
        });
        if self.confer == ConferConfig::EveryBar {
            asked = bars;
        }
        asked.sort_unstable();
        asked.dedup();
        self.asked = asked.into_iter().map(|instrument| subject(stamp, instrument)).collect();
        for subject in self.asked.clone() {
            self.vote(now, subject);
        }
        self.hear(now);
        Ok(())
    }

    fn vote(&mut self, now: UnixNanos, subject: Subject) {
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
                    Arc::make_mut(&mut self.board).on_decided(&certificate);
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

/// The node of a member that founds the swarm with the others. Calls for votes about stamps that it has not seen wait
/// until it has, since the council of a stamp is a function of its bars.
fn found(
    now: UnixNanos,
    charter: &Charter,
    at: usize,
    seat: &Seat,
    board: &Board,
) -> Result<Node<Consensus>, SwarmError> {
    let (identity, keys) = (charter.identity(at), Arc::clone(&charter.keys));
    let consensus = Consensus::new(identity, keys, board.council()?, charter.timing, charter.trust);
    let mut node = Node::found(now, agent_id(at), consensus, charter.node, &charter.founding);
    node.act(now, |consensus, now, out, events| consensus.know_until(now, seat.last(), out, events));
    Ok(node)
}
