//! An agent's process: this program, started by a provider.
//!
//! Invariant: it confines itself before anything else, holds nothing that it was not told over its socket, and ends with
//! its provider.

use std::process::ExitCode;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use starling_connect::clock::now;
use starling_connect::provider::local::inside::{Inside, Told};
use starling_lab::swarm::remote::outpost::Outpost;
use starling_lab::swarm::remote::words::Role;

use crate::terminal::{Failure, complain};

/// The argument by which a provider starts it. No command: nobody else can.
pub(crate) const ARGUMENT: &str = "agent-of-a-provider";
/// Longest wait for the next thing to do.
const TURN: Duration = Duration::from_secs(1);

/// What an agent's process is told.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Posting {
    /// The agent.
    pub(crate) role: Role,
    /// Where all processes listen, in order of the agents, if they talk to each other by themselves.
    pub(crate) endpoints: Option<Vec<String>>,
    /// The swarm's name there.
    pub(crate) swarm: String,
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
    let posting: Posting = postcard::from_bytes(&inside.assignment().role)
        .map_err(|error| Failure::run(format!("the provider is of another release: {error}")))?;
    match &posting.endpoints {
        None => over_the_chair(&inside, &posting),
        Some(endpoints) => past_the_chair(&inside, &posting, endpoints),
    }
}

/// The agent of a posting, ready; who cannot be set up says why and waits for the end.
fn outpost(inside: &Inside, posting: &Posting) -> Option<Outpost> {
    match Outpost::new(now(), &posting.role, posting.endpoints.is_none()) {
        Ok(outpost) => Some(outpost),
        Err(error) => {
            inside.say(Outpost::failure(&error));
            while !matches!(inside.next(TURN), Some(Told::Stop)) {}
            None
        }
    }
}

fn over_the_chair(inside: &Inside, posting: &Posting) -> Result<(), Failure> {
    let Some(mut outpost) = outpost(inside, posting) else { return Ok(()) };
    inside.ready(inside.assignment().agent);
    loop {
        while let Some(message) = outpost.poll_message() {
            inside.say(message);
        }
        let due = Duration::from_nanos(outpost.next_due().since(now()));
        let mut told = inside.next(due.min(TURN));
        while let Some(word) = told {
            match word {
                Told::Words(words) => outpost.on_message(now(), &words),
                Told::Stop => return Ok(()),
                _ => {}
            }
            told = inside.told().try_recv().ok();
        }
        if now() >= outpost.next_due() {
            outpost.on_time(now());
        }
    }
}

#[cfg(not(feature = "mesh"))]
fn past_the_chair(_: &Inside, _: &Posting, _: &[String]) -> Result<(), Failure> {
    Err(Failure::usage("this build has no Zenoh: build with --features mesh"))
}

#[cfg(feature = "mesh")]
fn past_the_chair(inside: &Inside, posting: &Posting, endpoints: &[String]) -> Result<(), Failure> {
    use starling_connect::mesh::{Config, Mesh, ProcessId};
    use starling_swarm::transport::{SendError, Transport as _};

    let Some(mut outpost) = outpost(inside, posting) else { return Ok(()) };
    let (me, at) = (inside.assignment().agent, posting.role.at);
    let config = Config {
        listen: endpoints.get(at).cloned().into_iter().collect(),
        // Of each pair the later connects, to where the earlier, or who replaces it, listens.
        connect: endpoints[..at.min(endpoints.len())].to_vec(),
        ..Config::new(&posting.swarm, ProcessId(me.0))
    };
    let mut mesh = Mesh::open(config).map_err(Failure::run)?;
    mesh.host(me);
    let waker = mesh.waker();
    inside.on_told(move || waker.wake());
    inside.ready(me);
    loop {
        while let Some((session, mut parcel)) = outpost.poll_frame() {
            let mut bytes = session.to_le_bytes().to_vec();
            bytes.append(&mut parcel.bytes);
            parcel.bytes = bytes;
            match mesh.send(me, parcel) {
                // Its node repeats what does not arrive.
                Ok(()) | Err(SendError::Closed(_)) | Err(_) => {}
            }
        }
        while let Some(message) = outpost.poll_message() {
            inside.say(message);
        }
        let begun = now();
        mesh.on_time(begun);
        let turn = begun.saturating_add(u64::try_from(TURN.as_nanos()).unwrap_or(u64::MAX));
        mesh.wait(begun, outpost.next_due().min(mesh.next_due()).min(turn));
        let at = now();
        mesh.drain(|_, from, frame| {
            if let Some((session, frame)) = frame.split_first_chunk() {
                outpost.on_frame(at, u32::from_le_bytes(*session), from, frame);
            }
        });
        while let Ok(told) = inside.told().try_recv() {
            match told {
                Told::Words(words) => outpost.on_message(now(), &words),
                Told::Stop => return Ok(()),
                _ => {}
            }
        }
        if now() >= outpost.next_due() {
            outpost.on_time(now());
        }
    }
}
