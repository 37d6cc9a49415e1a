//! A component that only counts what comes, and the rule about what must.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use starling_core::UnixNanos;
use starling_swarm::component::{Component, Outbox, Priority, To};
use starling_swarm::id::AgentId;

use crate::prng::Prng;
use crate::world::World;

/// A letter's number, unique in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Letter(pub(crate) u32);

/// Tells its agent each letter that comes, and counts them.
#[derive(Debug, Default)]
pub(crate) struct Postbox {
    pub(crate) had: usize,
}

impl Component for Postbox {
    type Message = Letter;
    type Event = (AgentId, Letter);

    fn on_message(
        &mut self,
        _: UnixNanos,
        from: AgentId,
        letter: Letter,
        _: &mut Outbox<Letter>,
        events: &mut Vec<(AgentId, Letter)>,
    ) {
        self.had += 1;
        events.push((from, letter));
    }

    fn on_time(&mut self, _: UnixNanos, _: &mut Outbox<Letter>, _: &mut Vec<(AgentId, Letter)>) {}

    fn next_due(&self) -> UnixNanos {
        UnixNanos::MAX
    }

    fn on_members(&mut self, _: UnixNanos, _: &[AgentId], _: &mut Outbox<Letter>, _: &mut Vec<(AgentId, Letter)>) {}
}

/// A letter that was sent: by whom, and to whom it was promised.
pub(crate) struct Sent {
    pub(crate) by: AgentId,
    pub(crate) to: BTreeSet<AgentId>,
}

/// Sends a letter to one or all, by a random living agent; agents that are known to be gone are not written to.
pub(crate) fn post(world: &mut World<Postbox>, prng: &mut Prng, sent: &mut Vec<Sent>) {
    let living = world.living();
    let by = living[prng.below(living.len() as u64) as usize];
    let members = world.node(by).view().members().to_vec();
    let one = members[prng.below(members.len() as u64) as usize];
    let to = if prng.percent(50) { To::All } else { To::One(one) };
    let priority = Priority::ALL[prng.below(4) as usize];
    let letter = Letter(sent.len() as u32);
    world.act(by, |_, _, out, _| match to {
        To::One(one) => out.send(one, priority, letter),
        To::All => out.send_all(priority, letter),
    });
    let to = match to {
        To::One(one) => BTreeSet::from([one]),
        To::All => members.into_iter().filter(|&member| member != by).collect(),
    };
    sent.push(Sent { by, to });
}

/// Every letter of a living writer came to each living addressee once; nobody had any letter twice, or one not meant
/// for it, or under a wrong name.
pub(crate) fn check_letters(world: &World<Postbox>, sent: &[Sent]) {
    let mut had = BTreeMap::new();
    for (at, agent, (from, letter)) in &world.events {
        let sent = &sent[letter.0 as usize];
        assert_eq!(*from, sent.by, "{letter:?} came to {agent} under a wrong name");
        let again = had.insert((*agent, *letter), *at);
        assert_eq!(again, None, "{agent} had {letter:?} twice");
    }
    let living = world.living();
    for (number, letter) in sent.iter().enumerate().filter(|(_, letter)| living.contains(&letter.by)) {
        for to in letter.to.iter().filter(|to| living.contains(to)) {
            let letter = Letter(number as u32);
            assert!(had.contains_key(&(*to, letter)), "{to} never had {letter:?} of {}", sent[number].by);
        }
    }
    for &agent in &living {
        let counters = world.node(agent).counters();
        assert_eq!((counters.abandoned, counters.refused, counters.malformed), (0, 0, 0), "{agent}");
        assert_eq!(world.node(agent).pending(), 0, "{agent}");
    }
}
