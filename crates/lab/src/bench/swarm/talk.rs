//! What agents under measurement say to each other besides deciding, working and sharing: greetings, pings, messages
//! that go round, messages at a rate, and news.
//!
//! Invariant: a reading is taken where both its ends are: a round trip by who sent it. What is offered at a rate is
//! measured from when each message should have left (Tene's "coordinated omission"): a sender that was held up does not
//! hide how long its messages waited.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use starling_core::UnixNanos;
use starling_swarm::component::{Component, Outbox, Priority};
use starling_swarm::id::AgentId;

use super::words::{Arrival, Signals};

/// A word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Word {
    /// I have an edge to you.
    Hello,
    /// So have I.
    Welcome,
    Ping(u32),
    Pong(u32),
    /// A message that goes round.
    Round {
        began: UnixNanos,
        /// Arrivals to come after this one.
        left: u32,
        load: Vec<u8>,
    },
    /// A message of an offer.
    Note {
        /// Which offer, counted from 1.
        offer: u32,
        number: u32,
        /// When it should have left.
        due: UnixNanos,
        load: Vec<u8>,
    },
    /// What came of an execution.
    News(Signals),
}

/// What an agent is told by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Told {
    Settled(Vec<AgentId>),
    Pinged(Vec<u64>),
    Passed { began: UnixNanos, ended: UnixNanos },
}

#[derive(Debug)]
struct Pinging {
    to: AgentId,
    number: u32,
    left: u32,
    sent: UnixNanos,
    took: Vec<u64>,
}

/// Messages to be sent at a rate.
#[derive(Debug)]
struct Offering {
    offer: u32,
    to: AgentId,
    due: UnixNanos,
    every: u64,
    number: u32,
    count: u32,
    bytes: u32,
}

/// What came of another's offer.
#[derive(Debug, Default)]
pub(super) struct Received {
    /// Which; those before are forgotten.
    offer: u32,
    numbers: BTreeSet<u32>,
    pub(super) arrivals: Vec<Arrival>,
    pub(super) doubled: u64,
}

/// One agent's part in it.
#[derive(Debug)]
pub(super) struct Talk {
    /// Who gets what goes round.
    next: AgentId,
    greeted: Option<(BTreeSet<AgentId>, Vec<AgentId>)>,
    pinging: Option<Pinging>,
    offering: Option<Offering>,
    pub(super) received: Received,
    /// Arrivals of what goes round.
    pub(super) passed: u64,
    pub(super) news: u64,
    pub(super) news_bytes: u64,
}

type Out<'a> = &'a mut Outbox<Word>;

impl Talk {
    pub(super) fn new(next: AgentId) -> Self {
        Self {
            next,
            greeted: None,
            pinging: None,
            offering: None,
            received: Received::default(),
            passed: 0,
            news: 0,
            news_bytes: 0,
        }
    }

    /// Greets those it has an edge to; told when all have answered, at once if there is nobody.
    pub(super) fn greet(&mut self, neighbours: &[AgentId], out: Out<'_>, events: &mut Vec<Told>) {
        for &neighbour in neighbours {
            out.send(neighbour, Priority::High, Word::Hello);
        }
        self.greeted = Some((neighbours.iter().copied().collect(), neighbours.to_vec()));
        self.settle(events);
    }

    fn settle(&mut self, events: &mut Vec<Told>) {
        if let Some((_, all)) = self.greeted.take_if(|(waiting, _)| waiting.is_empty()) {
            events.push(Told::Settled(all));
        }
    }

    pub(super) fn ping(&mut self, now: UnixNanos, to: AgentId, count: u32, out: Out<'_>) {
        self.pinging = Some(Pinging { to, number: 0, left: count, sent: now, took: Vec::new() });
        out.send(to, Priority::High, Word::Ping(0));
    }

    pub(super) fn pass(&self, now: UnixNanos, count: u32, bytes: u32, out: Out<'_>) {
        let load = vec![0; bytes as usize];
        out.send(self.next, Priority::High, Word::Round { began: now, left: count.saturating_sub(1), load });
    }

    pub(super) fn offer(&mut self, now: UnixNanos, offer: u32, (every, count, bytes): (u64, u32, u32), out: Out<'_>) {
        self.expect(offer);
        self.offering = Some(Offering { offer, to: self.next, due: now, every, number: 0, count, bytes });
        self.send_due(now, out);
    }

    pub(super) fn tell(&self, signals: Signals, out: Out<'_>) {
        out.send_all(Priority::Normal, Word::News(signals));
    }

    /// Begins to count an offer, by its own order or by the first message that comes: whichever is first.
    fn expect(&mut self, offer: u32) {
        if self.received.offer < offer {
            self.received = Received { offer, ..Received::default() };
        }
    }

    fn send_due(&mut self, now: UnixNanos, out: Out<'_>) {
        let Some(offering) = &mut self.offering else { return };
        while offering.number < offering.count && offering.due <= now {
            let Offering { offer, number, due, .. } = *offering;
            let note = Word::Note { offer, number, due, load: vec![0; offering.bytes as usize] };
            out.send(offering.to, Priority::Normal, note);
            offering.number += 1;
            offering.due = due.saturating_add(offering.every);
        }
        if offering.number == offering.count {
            self.offering = None;
        }
    }
}

impl Component for Talk {
    type Message = Word;
    type Event = Told;

    fn on_message(&mut self, now: UnixNanos, from: AgentId, word: Word, out: Out<'_>, events: &mut Vec<Told>) {
        match word {
            Word::Hello => out.send(from, Priority::High, Word::Welcome),
            Word::Welcome => {
                if let Some((waiting, _)) = &mut self.greeted {
                    waiting.remove(&from);
                }
                self.settle(events);
            }
            Word::Ping(number) => out.send(from, Priority::High, Word::Pong(number)),
            Word::Pong(number) => {
                let Some(pinging) = self.pinging.as_mut().filter(|p| (p.to, p.number) == (from, number)) else {
                    return;
                };
                pinging.took.push(now.since(pinging.sent));
                pinging.left = pinging.left.saturating_sub(1);
                if pinging.left > 0 {
                    (pinging.number, pinging.sent) = (number + 1, now);
                    out.send(from, Priority::High, Word::Ping(number + 1));
                } else if let Some(Pinging { took, .. }) = self.pinging.take() {
                    events.push(Told::Pinged(took));
                }
            }
            Word::Round { began, left: 0, .. } => {
                self.passed += 1;
                events.push(Told::Passed { began, ended: now });
            }
            Word::Round { began, left, load } => {
                self.passed += 1;
                out.send(self.next, Priority::High, Word::Round { began, left: left - 1, load });
            }
            Word::Note { offer, number, due, .. } => {
                self.expect(offer);
                let Received { offer: present, numbers, arrivals, doubled } = &mut self.received;
                if *present != offer {
                    return;
                }
                if numbers.insert(number) {
                    arrivals.push(Arrival { due, delay: now.since(due) });
                } else {
                    *doubled += 1;
                }
            }
            Word::News(signals) => {
                self.news += 1;
                self.news_bytes += news_bytes(&signals);
            }
        }
    }

    fn on_time(&mut self, now: UnixNanos, out: Out<'_>, _: &mut Vec<Told>) {
        self.send_due(now, out);
    }

    fn next_due(&self) -> UnixNanos {
        self.offering.as_ref().map_or(UnixNanos::MAX, |offer| offer.due)
    }

    fn on_members(&mut self, _: UnixNanos, _: &[AgentId], _: Out<'_>, _: &mut Vec<Told>) {}
}

/// What news say, without who says them and how they travel.
pub(super) fn news_bytes(signals: &Signals) -> u64 {
    postcard::experimental::serialized_size(signals).map_or(0, |size| size as u64)
}
