//! An agent where it lives: what its chair says goes in, what it says and sends comes out.
//!
//! Invariant: it looks at a stamp only when the chair has shown it whole, once, and takes frames of the present session
//! only. Frames may take another way than the chair's words and overtake them: those of a session to come wait here,
//! those about a bar to come in its consensus, both bounded.

use std::collections::VecDeque;

use starling_core::{Event, UnixNanos};
use starling_swarm::id::AgentId;
use starling_swarm::node::Parcel;

use super::words::{Frame, FromAgent, MESSAGE_BYTES, POINTS_MAX, Role, Then, ToAgent, read, write};
use crate::config::Config;
use crate::swarm::SwarmError;
use crate::swarm::delegate::{Charter, Delegate};
use crate::swarm::seat::agent_id;

/// Frames of sessions to come that wait; above, their nodes repeat them.
const EARLY_MAX: usize = 1_024;

/// An agent elsewhere.
#[derive(Debug)]
pub struct Outpost {
    charter: Charter,
    delegate: Delegate,
    session: u32,
    seats: Vec<AgentId>,
    /// Shown, and not whole yet.
    events: Vec<Event>,
    /// The last stamp conferred about.
    seen: Option<UnixNanos>,
    early: VecDeque<(u32, AgentId, Vec<u8>)>,
    unsaid: VecDeque<FromAgent>,
    messages: u64,
    bytes: u64,
    over_chair: bool,
    done: bool,
}

impl Outpost {
    /// The agent of a role. Frames go over the chair, or are handed out by [`Outpost::poll_frame`].
    ///
    /// # Errors
    /// [`SwarmError`], if it cannot be set up.
    pub fn new(now: UnixNanos, role: &Role, over_chair: bool) -> Result<Self, SwarmError> {
        let config = Config::read(&role.config).map_err(crate::run::RunError::from)?;
        let charter = Charter::of_agent(&config, &role.keys, role.at, role.seed.clone())?;
        let delegate = Delegate::new(now, &charter, role.at)?;
        Ok(Self {
            charter,
            delegate,
            session: 0,
            seats: Vec::new(),
            events: Vec::new(),
            seen: None,
            early: VecDeque::new(),
            unsaid: VecDeque::new(),
            messages: 0,
            bytes: 0,
            over_chair,
            done: false,
        })
    }

    /// What to say to the chair where an agent could not be set up.
    #[must_use]
    pub fn failure(error: &SwarmError) -> Vec<u8> {
        let mut message = Vec::new();
        write(&mut message, &FromAgent::Failed(error.to_string()));
        message
    }

    /// The chair's words. What keeps this agent from going on is said to the chair.
    pub fn on_message(&mut self, now: UnixNanos, message: &[u8]) {
        let taken = match read(message) {
            Ok(words) => words.into_iter().try_for_each(|word| self.on_word(now, word)).map_err(|e| e.to_string()),
            Err(error) => Err(format!("the chair is not understood: {error}")),
        };
        if let Err(why) = taken {
            self.unsaid.push_back(FromAgent::Failed(why));
        }
    }

    fn on_word(&mut self, now: UnixNanos, word: ToAgent) -> Result<(), SwarmError> {
        match word {
            ToAgent::Events { events, then } => {
                self.events.extend(events);
                self.unsaid.push_back(FromAgent::Taken);
                if then != Then::More {
                    let events = std::mem::take(&mut self.events);
                    self.show(now, &events, then)?;
                }
            }
            ToAgent::Board(board) => self.delegate.inherit(*board),
            ToAgent::Session { number, seats, stamp } => {
                (self.session, self.seats) = (number, seats);
                let again = self.seen == Some(stamp);
                self.delegate.regroup(now, &self.charter, again)?;
                if again {
                    self.tell_asked(stamp);
                }
                self.hear();
                self.take_early(now);
            }
            ToAgent::Frames { session, frames } if session == self.session => {
                for Frame { peer, bytes } in frames {
                    self.delegate.on_frame(now, AgentId(peer), &bytes);
                }
                self.hear();
            }
            ToAgent::Frames { .. } => {}
            ToAgent::Ask => self.unsaid.push_back(FromAgent::Here { messages: self.messages, bytes: self.bytes }),
            ToAgent::Finish => {
                let points = self.delegate.finish()?;
                self.unsaid.push_back(FromAgent::Here { messages: self.messages, bytes: self.bytes });
                let parts = points.chunks(POINTS_MAX).map(<[_]>::to_vec);
                self.unsaid.extend(parts.map(|points| FromAgent::Alone { points, last: false }));
                self.unsaid.push_back(FromAgent::Alone { points: Vec::new(), last: true });
                self.done = true;
            }
        }
        Ok(())
    }

    fn show(&mut self, now: UnixNanos, events: &[Event], then: Then) -> Result<(), SwarmError> {
        if let Then::Now(stamp) = then {
            if let Some(seen) = self.seen.filter(|seen| *seen >= stamp) {
                return Err(SwarmError::Twice { stamp, seen });
            }
            self.delegate.on_stamp(now, stamp, events)?;
            self.seen = Some(stamp);
            self.tell_asked(stamp);
            self.hear();
            return Ok(());
        }
        for events in events.chunk_by(|one, next| one.ts() == next.ts()) {
            self.delegate.on_past(events[0].ts(), events)?;
        }
        Ok(())
    }

    fn tell_asked(&mut self, stamp: UnixNanos) {
        self.unsaid.push_back(FromAgent::Here { messages: self.messages, bytes: self.bytes });
        let subjects = self.delegate.asked().to_vec();
        self.unsaid.push_back(FromAgent::Asked { session: self.session, stamp, subjects });
    }

    /// A frame of a session that came past the chair, from the agent with that number of its provider.
    pub fn on_frame(&mut self, now: UnixNanos, session: u32, from: AgentId, frame: &[u8]) {
        if session > self.session {
            if self.early.len() < EARLY_MAX {
                self.early.push_back((session, from, frame.to_vec()));
            }
        } else if session == self.session
            && let Some(at) = self.seats.iter().position(|agent| *agent == from)
        {
            self.delegate.on_frame(now, agent_id(at), frame);
            self.hear();
        }
    }

    /// What came before its session.
    fn take_early(&mut self, now: UnixNanos) {
        for (session, from, frame) in std::mem::take(&mut self.early) {
            self.on_frame(now, session, from, &frame);
        }
    }

    /// The time that [`Outpost::next_due`] named has come.
    pub fn on_time(&mut self, now: UnixNanos) {
        self.delegate.on_time(now);
        self.hear();
    }

    /// When it wants to be woken.
    #[must_use]
    pub fn next_due(&self) -> UnixNanos {
        self.delegate.next_due()
    }

    fn hear(&mut self) {
        while let Some(certificate) = self.delegate.poll_decided() {
            let session = self.session;
            self.unsaid.push_back(if certificate.dossier.author == self.delegate.id() {
                FromAgent::Decided { session, certificate: Box::new((*certificate).clone()) }
            } else {
                FromAgent::Knows { session, subject: certificate.subject, dossier: certificate.dossier.id() }
            });
        }
    }

    /// The next frame to be sent past the chair: its session, and to whom it goes.
    pub fn poll_frame(&mut self) -> Option<(u32, Parcel)> {
        if self.over_chair {
            return None;
        }
        loop {
            let parcel = self.delegate.poll_send()?;
            let Some(&to) = self.seats.get(parcel.to.0 as usize) else { continue };
            self.count(&parcel);
            return Some((self.session, Parcel { to, ..parcel }));
        }
    }

    fn count(&mut self, parcel: &Parcel) {
        self.messages += 1;
        self.bytes += parcel.bytes.len() as u64;
    }

    /// The next message to the chair.
    pub fn poll_message(&mut self) -> Option<Vec<u8>> {
        if self.over_chair {
            let (mut frames, mut size) = (Vec::new(), 0);
            while let Some(parcel) = self.delegate.poll_send() {
                self.count(&parcel);
                size += parcel.bytes.len();
                frames.push(Frame { peer: parcel.to.0, bytes: parcel.bytes });
                if size >= MESSAGE_BYTES {
                    let frames = std::mem::take(&mut frames);
                    self.unsaid.push_back(FromAgent::Frames { session: self.session, frames });
                    size = 0;
                }
            }
            if !frames.is_empty() {
                self.unsaid.push_back(FromAgent::Frames { session: self.session, frames });
            }
        }
        let mut message = Vec::new();
        while message.len() < MESSAGE_BYTES
            && let Some(word) = self.unsaid.pop_front()
        {
            write(&mut message, &word);
        }
        (!message.is_empty()).then_some(message)
    }

    /// True once the data has ended and all has been said about it.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.done && self.unsaid.is_empty()
    }
}
