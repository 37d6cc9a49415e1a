//! An agent's process: this program, started by a provider.
//!
//! Invariant: it confines itself before anything else, holds nothing that it was not told over its socket, and ends with
//! its provider.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use starling_connect::clock::now;
use starling_connect::provider::local::inside::{Inside, Told};
use starling_core::UnixNanos;
use starling_lab::swarm::delegate::Seed;
use starling_lab::swarm::remote::outpost::Outpost;
use starling_lab::swarm::remote::words::Role;
use starling_swarm::id::AgentId;
use starling_swarm::identity::PublicKey;

use crate::terminal::{Failure, complain};

/// The argument by which a provider starts it. No command: nobody else can.
pub(crate) const ARGUMENT: &str = "agent-of-a-provider";
/// Longest wait for the next thing to do.
const TURN: Duration = Duration::from_secs(1);

/// What a process is for.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Duty {
    /// Its agents confer.
    Confer(Posting),
    /// Its agent is measured, with this role.
    Measured(Vec<u8>),
}

/// What a process is told: all that its agents are.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Posting {
    /// The text of the run's configuration.
    pub(super) config: String,
    /// Everybody's public key, in order of their places.
    pub(super) keys: Vec<PublicKey>,
    /// The places of its agents, and their secrets.
    pub(super) places: Vec<(usize, Seed)>,
    /// Its own place among the processes.
    pub(super) slot: usize,
    /// Where all processes listen, if they talk to each other by themselves.
    pub(super) endpoints: Option<Vec<String>>,
    /// The swarm's name there.
    pub(super) swarm: String,
}

/// The number of an agent in this life: never used before, as its process' is not.
pub(super) fn seat_number(process: AgentId, index: usize) -> AgentId {
    AgentId(process.0 << 8 | u32::try_from(index).expect("no more than a process holds"))
}

/// A message, and the place it is for or from.
pub(super) fn address(words: &[u8]) -> Option<(usize, &[u8])> {
    let (at, message) = words.split_first_chunk()?;
    Some((usize::try_from(u32::from_le_bytes(*at)).ok()?, message))
}

/// All agents of a process.
struct Household<'a> {
    inside: &'a Inside,
    outposts: BTreeMap<usize, Outpost>,
}

impl<'a> Household<'a> {
    /// Sets all agents up; none if one could not be, which the chair has been told.
    fn found(inside: &'a Inside, posting: &Posting) -> Option<Self> {
        let mut household = Self { inside, outposts: BTreeMap::new() };
        for (at, seed) in &posting.places {
            let (config, keys) = (posting.config.clone(), posting.keys.clone());
            let role = Role { config, at: *at, seed: seed.clone(), keys };
            match Outpost::new(now(), &role, posting.endpoints.is_none()) {
                Ok(outpost) => drop(household.outposts.insert(*at, outpost)),
                Err(error) => {
                    household.say(*at, &Outpost::failure(&error));
                    while !matches!(inside.next(TURN), Some(Told::Stop)) {}
                    return None;
                }
            }
        }
        Some(household)
    }

    fn say(&self, at: usize, message: &[u8]) {
        let at = u32::try_from(at).expect("a council is small");
        self.inside.say([&at.to_le_bytes(), message].concat());
    }

    /// Says all that there is to say to the chair.
    fn speak(&mut self) {
        for (at, outpost) in &mut self.outposts {
            while let Some(message) = outpost.poll_message() {
                let at = u32::try_from(*at).expect("a council is small");
                self.inside.say([&at.to_le_bytes(), message.as_slice()].concat());
            }
        }
    }

    /// True if the process is to end.
    fn hear(&mut self, told: Told) -> bool {
        match told {
            Told::Words(words) => {
                if let Some((at, message)) = address(&words)
                    && let Some(outpost) = self.outposts.get_mut(&at)
                {
                    outpost.on_message(now(), message);
                }
                false
            }
            Told::Stop => true,
            _ => false,
        }
    }

    fn next_due(&self) -> UnixNanos {
        self.outposts.values().map(Outpost::next_due).min().unwrap_or(UnixNanos::MAX)
    }

    fn keep_time(&mut self) {
        let now = now();
        self.outposts.values_mut().filter(|outpost| outpost.next_due() <= now).for_each(|outpost| outpost.on_time(now));
    }
}

/// Lives an agent's life.
pub(crate) fn run() -> ExitCode {
    match live() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            complain(&failure);
            ExitCode::from(failure.code)
        }
    }
}

fn live() -> Result<(), Failure> {
    let inside = Inside::enter().map_err(Failure::usage)?;
    let duty: Duty = postcard::from_bytes(&inside.assignment().role)
        .map_err(|error| Failure::run(format!("the provider is of another release: {error}")))?;
    let posting = match duty {
        Duty::Confer(posting) => posting,
        Duty::Measured(role) => {
            super::house::live(&inside, &role);
            return Ok(());
        }
    };
    match &posting.endpoints {
        None => over_the_chair(&inside, &posting),
        Some(endpoints) => past_the_chair(&inside, &posting, endpoints),
    }
}

fn over_the_chair(inside: &Inside, posting: &Posting) -> Result<(), Failure> {
    let Some(mut household) = Household::found(inside, posting) else { return Ok(()) };
    inside.ready(inside.assignment().agent);
    loop {
        household.speak();
        let due = Duration::from_nanos(household.next_due().since(now()));
        let mut told = inside.next(due.min(TURN));
        while let Some(word) = told {
            if household.hear(word) {
                return Ok(());
            }
            told = inside.told().try_recv().ok();
        }
        household.keep_time();
    }
}

#[cfg(not(feature = "mesh"))]
fn past_the_chair(_: &Inside, _: &Posting, _: &[String]) -> Result<(), Failure> {
    Err(Failure::usage("this build has no Zenoh: build with --features mesh"))
}

#[cfg(feature = "mesh")]
fn past_the_chair(inside: &Inside, posting: &Posting, endpoints: &[String]) -> Result<(), Failure> {
    use starling_connect::mesh::{Config, Mesh, ProcessId};
    use starling_swarm::transport::Transport as _;

    let Some(mut household) = Household::found(inside, posting) else { return Ok(()) };
    let (me, slot) = (inside.assignment().agent, posting.slot.min(endpoints.len()));
    let config = Config {
        listen: endpoints.get(slot).cloned().into_iter().collect(),
        // Of each pair the later connects, to where the earlier, or who replaces it, listens.
        connect: endpoints[..slot].to_vec(),
        ..Config::new(&posting.swarm, ProcessId(me.0))
    };
    let mut mesh = Mesh::open(config).map_err(Failure::run)?;
    let places: Vec<usize> = household.outposts.keys().copied().collect();
    (0..places.len()).for_each(|index| mesh.host(seat_number(me, index)));
    let waker = mesh.waker();
    inside.on_told(move || waker.wake());
    inside.ready(me);
    loop {
        for (index, outpost) in household.outposts.values_mut().enumerate() {
            while let Some((session, mut parcel)) = outpost.poll_frame() {
                parcel.bytes = [&session.to_le_bytes(), parcel.bytes.as_slice()].concat();
                // Its node repeats what does not arrive.
                let _ = mesh.send(seat_number(me, index), parcel);
            }
        }
        household.speak();
        let begun = now();
        mesh.on_time(begun);
        let turn = begun.saturating_add(u64::try_from(TURN.as_nanos()).unwrap_or(u64::MAX));
        if !mesh.has_mail() {
            mesh.wait(begun, household.next_due().min(mesh.next_due()).min(turn));
        }
        let at = now();
        mesh.drain(|to, from, frame| {
            let outpost = places.get((to.0 & 0xff) as usize).and_then(|place| household.outposts.get_mut(place));
            if let (Some(outpost), Some((session, frame))) = (outpost, frame.split_first_chunk()) {
                outpost.on_frame(at, u32::from_le_bytes(*session), from, frame);
            }
        });
        while let Ok(told) = inside.told().try_recv() {
            if household.hear(told) {
                return Ok(());
            }
        }
        household.keep_time();
    }
}
