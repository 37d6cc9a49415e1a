//! Two components that live as one, so that a node can run any number of protocols: a pair is a component, and may hold
//! another pair.
//!
//! Invariant: each half hears what the other agents' same half says, and every tick and change of members, the first half
//! first; neither hears the other's words. A message costs one byte more than by itself.

use serde::{Deserialize, Serialize};
use starling_core::UnixNanos;

use crate::component::{Component, Outbox};
use crate::id::AgentId;

/// A word of one of two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Either<A, B> {
    /// Of the first half.
    First(A),
    /// Of the second half.
    Second(B),
}

/// Two components as one.
#[derive(Debug, Clone, Default)]
pub struct Pair<A, B> {
    /// One protocol.
    pub first: A,
    /// Another, or a pair of others.
    pub second: B,
}

type Message<A, B> = Either<<A as Component>::Message, <B as Component>::Message>;
type Event<A, B> = Either<<A as Component>::Event, <B as Component>::Event>;

impl<A: Component, B: Component> Pair<A, B> {
    /// Lets the agent speak to the first half.
    pub fn act_first<R>(
        &mut self,
        out: &mut Outbox<Message<A, B>>,
        events: &mut Vec<Event<A, B>>,
        act: impl FnOnce(&mut A, &mut Outbox<A::Message>, &mut Vec<A::Event>) -> R,
    ) -> R {
        let (mut said, mut told) = (Outbox::new(), Vec::new());
        let answer = act(&mut self.first, &mut said, &mut told);
        out.absorb(said, Either::First);
        events.extend(told.into_iter().map(Either::First));
        answer
    }

    /// Lets the agent speak to the second half.
    pub fn act_second<R>(
        &mut self,
        out: &mut Outbox<Message<A, B>>,
        events: &mut Vec<Event<A, B>>,
        act: impl FnOnce(&mut B, &mut Outbox<B::Message>, &mut Vec<B::Event>) -> R,
    ) -> R {
        let (mut said, mut told) = (Outbox::new(), Vec::new());
        let answer = act(&mut self.second, &mut said, &mut told);
        out.absorb(said, Either::Second);
        events.extend(told.into_iter().map(Either::Second));
        answer
    }
}

impl<A: Component, B: Component> Component for Pair<A, B> {
    type Message = Message<A, B>;
    type Event = Event<A, B>;

    fn on_message(
        &mut self,
        now: UnixNanos,
        from: AgentId,
        message: Self::Message,
        out: &mut Outbox<Self::Message>,
        events: &mut Vec<Self::Event>,
    ) {
        match message {
            Either::First(message) => {
                self.act_first(out, events, |first, out, events| first.on_message(now, from, message, out, events));
            }
            Either::Second(message) => {
                self.act_second(out, events, |second, out, events| second.on_message(now, from, message, out, events));
            }
        }
    }

    fn on_time(&mut self, now: UnixNanos, out: &mut Outbox<Self::Message>, events: &mut Vec<Self::Event>) {
        self.act_first(out, events, |first, out, events| first.on_time(now, out, events));
        self.act_second(out, events, |second, out, events| second.on_time(now, out, events));
    }

    fn next_due(&self) -> UnixNanos {
        self.first.next_due().min(self.second.next_due())
    }

    fn on_members(
        &mut self,
        now: UnixNanos,
        members: &[AgentId],
        out: &mut Outbox<Self::Message>,
        events: &mut Vec<Self::Event>,
    ) {
        self.act_first(out, events, |first, out, events| first.on_members(now, members, out, events));
        self.act_second(out, events, |second, out, events| second.on_members(now, members, out, events));
    }

    fn on_gone(
        &mut self,
        now: UnixNanos,
        agent: AgentId,
        out: &mut Outbox<Self::Message>,
        events: &mut Vec<Self::Event>,
    ) {
        self.act_first(out, events, |first, out, events| first.on_gone(now, agent, out, events));
        self.act_second(out, events, |second, out, events| second.on_gone(now, agent, out, events));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::component::{Outgoing, Priority, To};

    /// Answers each word with the next, until 3; wakes once, at its due time.
    #[derive(Debug)]
    struct Counter {
        due: u64,
        members: usize,
        gone: Vec<AgentId>,
    }

    impl Component for Counter {
        type Message = u32;
        type Event = u32;

        fn on_message(&mut self, _: UnixNanos, from: AgentId, word: u32, out: &mut Outbox<u32>, events: &mut Vec<u32>) {
            events.push(word);
            if word < 3 {
                out.send(from, Priority::High, word + 1);
            }
        }

        fn on_time(&mut self, now: UnixNanos, out: &mut Outbox<u32>, _: &mut Vec<u32>) {
            if now >= self.next_due() {
                self.due = u64::MAX;
                out.send_all(Priority::Bulk, 0);
            }
        }

        fn next_due(&self) -> UnixNanos {
            UnixNanos::new(self.due)
        }

        fn on_members(&mut self, _: UnixNanos, members: &[AgentId], _: &mut Outbox<u32>, _: &mut Vec<u32>) {
            self.members = members.len();
        }

        fn on_gone(&mut self, _: UnixNanos, agent: AgentId, _: &mut Outbox<u32>, _: &mut Vec<u32>) {
            self.gone.push(agent);
        }
    }

    fn counter(due: u64) -> Counter {
        Counter { due, members: 0, gone: Vec::new() }
    }

    #[test]
    fn each_half_hears_its_own_and_answers_as_itself() {
        let mut pair = Pair { first: counter(9), second: Pair { first: counter(5), second: counter(7) } };
        let (mut out, mut events) = (Outbox::new(), Vec::new());
        let word = Either::Second(Either::First(2));
        pair.on_message(UnixNanos::new(1), AgentId(4), word, &mut out, &mut events);
        assert_eq!(events, [word]);
        let answer = Either::Second(Either::First(3));
        let to = To::One(AgentId(4));
        assert_eq!(out.drain().collect::<Vec<_>>(), [Outgoing { to, priority: Priority::High, message: answer }]);
        // Two bytes say whose word it is, one is the word.
        assert_eq!(postcard::to_allocvec(&answer).unwrap(), [1, 0, 3]);

        assert_eq!(pair.next_due(), UnixNanos::new(5));
        pair.on_time(UnixNanos::new(7), &mut out, &mut events);
        let said: Vec<_> = out.drain().map(|outgoing| outgoing.message).collect();
        assert_eq!(said, [Either::Second(Either::First(0)), Either::Second(Either::Second(0))]);
        assert_eq!(pair.next_due(), UnixNanos::new(9));

        pair.on_members(UnixNanos::new(8), &[AgentId(0), AgentId(1)], &mut out, &mut events);
        assert_eq!([pair.first.members, pair.second.first.members, pair.second.second.members], [2; 3]);
        pair.on_gone(UnixNanos::new(9), AgentId(1), &mut out, &mut events);
        assert_eq!([&pair.first.gone, &pair.second.first.gone, &pair.second.second.gone], [&[AgentId(1)]; 3]);
        assert_eq!((out.len(), events.len()), (0, 1));
    }
}
