use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;
use crate::component::To;

const T0: UnixNanos = UnixNanos::new(1_000_000_000_000_000_000);

/// Agents whose messages are delivered in an order that chance picks, between those on the same side.
struct Hall {
    agents: BTreeMap<AgentId, State>,
    air: VecDeque<(AgentId, AgentId, Message)>,
    now: UnixNanos,
    chance: u64,
    sides: BTreeMap<AgentId, u32>,
    messages: usize,
}

impl Hall {
    fn new(count: u32, settings: Settings) -> Self {
        let agents = (0..count).map(|agent| (AgentId(agent), State::new(T0, AgentId(agent), settings))).collect();
        let mut hall = Self { agents, air: VecDeque::new(), now: T0, chance: 7, sides: BTreeMap::new(), messages: 0 };
        hall.meet();
        hall
    }

    fn side(&self, agent: AgentId) -> u32 {
        self.sides.get(&agent).copied().unwrap_or(0)
    }

    fn act(&mut self, agent: AgentId, act: impl FnOnce(&mut State, UnixNanos, &mut Outbox<Message>, &mut Vec<Event>)) {
        let (mut out, mut events) = (Outbox::new(), Vec::new());
        let Some(state) = self.agents.get_mut(&agent) else { return };
        act(state, self.now, &mut out, &mut events);
        for outgoing in out.drain() {
            let to = match outgoing.to {
                To::One(to) => vec![to],
                To::All => self.agents.keys().copied().filter(|&to| to != agent).collect(),
            };
            self.messages += to.len();
            for to in to {
                if self.side(to) != self.side(agent) {
                    continue;
                }
                self.air.push_back((agent, to, outgoing.message.clone()));
            }
        }
    }

    fn meet(&mut self) {
        for &agent in self.agents.keys().copied().collect::<Vec<_>>().iter() {
            let together = |other: &&AgentId| self.side(**other) == self.side(agent);
            let members: Vec<AgentId> = self.agents.keys().filter(together).copied().collect();
            self.act(agent, |state, now, out, events| state.on_members(now, &members, out, events));
        }
    }

    fn set(&mut self, agent: u32, key: &[u8], value: &[u8]) -> u64 {
        let now = self.now;
        self.agents.get_mut(&AgentId(agent)).unwrap().set(now, key, value.to_vec()).unwrap()
    }

    fn remove(&mut self, agent: u32, key: &[u8]) {
        let now = self.now;
        self.agents.get_mut(&AgentId(agent)).unwrap().remove(now, key);
    }

    fn run(&mut self, ms: u64) {
        for _ in 0..ms {
            self.now = self.now.saturating_add(MILLISECOND);
            for _ in 0..self.air.len() {
                self.chance =
                    self.chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let at = (self.chance >> 33) as usize % self.air.len();
                self.air.swap(0, at);
                let (from, to, message) = self.air.pop_front().unwrap();
                self.act(to, |state, now, out, events| state.on_message(now, from, message, out, events));
            }
            for agent in self.agents.keys().copied().collect::<Vec<_>>() {
                if self.agents[&agent].next_due() <= self.now {
                    self.act(agent, |state, now, out, events| state.on_time(now, out, events));
                    assert!(self.agents[&agent].next_due() > self.now, "{agent} would be woken without end");
                }
            }
        }
    }

    fn agree(&self) -> bool {
        let mut states = self.agents.values();
        let Some(first) = states.next() else { return true };
        states.all(|state| {
            let same: bool = state.iter().eq(first.iter());
            assert!(!same || state.hash() == first.hash(), "equal maps, unequal hashes");
            same && state.versions() == first.versions()
        })
    }

    fn get(&self, agent: u32, key: &[u8]) -> Option<&[u8]> {
        self.agents[&AgentId(agent)].get(key)
    }
}

#[test]
fn ten_kilobytes_reach_six_agents_and_are_acknowledged() {
    let mut hall = Hall::new(6, Settings::default());
    hall.run(20);
    hall.messages = 0;
    let mut last = 0;
    for key in 0..10u8 {
        last = hall.set(2, &[key], &[key; 1_000]);
    }
    assert!(!hall.agents[&AgentId(2)].is_acknowledged(last));
    hall.run(5);
    assert!(hall.agree() && hall.agents[&AgentId(2)].is_acknowledged(last));
    assert_eq!(hall.agents[&AgentId(5)].bytes(), 10_010);
    // One delta to each, and its acknowledgement.
    assert_eq!(hall.messages, 5 + 5);
}

#[test]
fn the_last_writer_stays_whatever_comes_first() {
    let mut hall = Hall::new(4, Settings::default());
    for agent in 0..4 {
        hall.set(agent, b"k", &[agent as u8]);
    }
    hall.run(50);
    assert!(hall.agree());
    assert_eq!(hall.get(0, b"k"), Some(&[3u8][..]), "equal versions: the highest number");
    hall.set(1, b"k", b"later");
    hall.run(50);
    assert!(hall.agree() && hall.get(3, b"k") == Some(b"later"));
}

#[test]
fn a_healed_partition_converges_and_removals_hold() {
    let mut hall = Hall::new(5, Settings::default());
    for key in 0..50u8 {
        hall.set(0, &[key], b"first");
    }
    hall.run(50);
    hall.sides = [(AgentId(3), 1), (AgentId(4), 1)].into();
    hall.meet();
    for key in 0..20u8 {
        hall.remove(1, &[key]);
        hall.set(4, &[key + 10], b"other side");
    }
    hall.run(20_000);
    assert!(!hall.agree());
    assert_eq!(hall.agents[&AgentId(1)].tombstones(), 20, "agents 3 and 4 do not have them");
    hall.sides.clear();
    hall.meet();
    hall.run(2_000);
    assert!(hall.agree());
    assert_eq!(hall.get(4, &[5]), None);
    // Removed and written at once: of equal versions the higher number's stays.
    assert_eq!((hall.get(1, &[15]).is_some(), hall.get(1, &[25])), (false, Some(&b"other side"[..])));
    hall.run(30_000);
    assert!(hall.agents.values().all(|state| state.tombstones() == 0 && state.repairs() == 0));
    assert!(hall.agree());
}

#[test]
fn who_stays_away_is_forgotten_by_a_majority_only() {
    for (away, kept) in [(vec![4], 0), (vec![2, 3, 4], 1)] {
        let mut hall = Hall::new(5, Settings { forget: 60 * SECOND, ..Settings::default() });
        hall.set(0, b"k", b"v");
        hall.run(50);
        hall.sides = away.into_iter().map(|agent| (AgentId(agent), 1)).collect();
        hall.meet();
        hall.remove(0, b"k");
        hall.run(50_000);
        assert_eq!(hall.agents[&AgentId(0)].tombstones(), 1);
        hall.run(40_000);
        assert_eq!(hall.agents[&AgentId(0)].tombstones(), kept);
    }
}

/// Two agents, of whom one says goodbye: half of the known is no majority, and yet nobody waits for it.
#[test]
fn who_is_gone_for_good_is_not_waited_for() {
    for gone in [false, true] {
        let mut hall = Hall::new(2, Settings { forget: 10 * SECOND, ..Settings::default() });
        hall.set(0, b"k", b"v");
        hall.run(50);
        hall.sides = [(AgentId(1), 1)].into();
        hall.meet();
        if gone {
            hall.act(AgentId(0), |state, now, out, events| state.on_gone(now, AgentId(1), out, events));
        }
        hall.remove(0, b"k");
        hall.run(30_000);
        assert_eq!(hall.agents[&AgentId(0)].tombstones(), usize::from(!gone));
    }
}

/// A state that is driven by hand, and what it said.
fn said(out: &mut Outbox<Message>) -> Vec<Message> {
    out.drain().map(|outgoing| outgoing.message).collect()
}

fn met(agent: u32, members: &[u32]) -> State {
    let mut state = State::new(T0, AgentId(agent), Settings::default());
    let members: Vec<AgentId> = members.iter().copied().map(AgentId).collect();
    state.on_members(T0, &members, &mut Outbox::new(), &mut Vec::new());
    state
}

fn hear(state: &mut State, from: u32, messages: &[Message]) -> Vec<Message> {
    let (mut out, mut events) = (Outbox::new(), Vec::new());
    for message in messages {
        state.on_message(T0, AgentId(from), message.clone(), &mut out, &mut events);
    }
    said(&mut out)
}

/// Agent 1 has swept a removal when 9 comes and learns from it alone; what 9 writes is above the removal, which 2 still has.
#[test]
fn who_learns_of_a_removal_by_its_effect_alone_writes_above_it() {
    let (mut one, mut two) = (met(1, &[1, 2]), met(2, &[1, 2]));
    let mut out = Outbox::new();
    for remove in [false, true] {
        if remove {
            one.remove(T0, b"k").unwrap()
        } else {
            one.set(T0, b"k", vec![1]).unwrap()
        };
        one.tell(&mut out);
        let answers = hear(&mut two, 1, &said(&mut out));
        hear(&mut one, 2, &answers);
    }
    one.sweep(T0);
    assert_eq!((one.tombstones(), two.tombstones()), (0, 1));
    let mut nine = met(9, &[1, 2, 9]);
    one.send_since(AgentId(9), &Versions::default(), false, &mut out);
    hear(&mut nine, 1, &said(&mut out));
    assert_eq!(nine.versions(), one.versions());
    nine.set(T0, b"k", vec![9]).unwrap();
    nine.tell(&mut out);
    let told = said(&mut out);
    for (number, other) in [(1, &mut one), (2, &mut two)] {
        hear(other, 9, &told);
        assert_eq!(other.get(b"k"), Some(&[9][..]), "at {number}");
    }
    assert!(one.hash() == two.hash() && two.hash() == nine.hash());
}

/// Until this agent has all that another had when it took a removal, a write that the removal beats may still come.
#[test]
fn a_removal_is_kept_until_all_that_it_beats_has_come() {
    let mut one = met(1, &[1, 2, 3]);
    let (mut two, mut three) = (met(2, &[1, 2, 3]), met(3, &[1, 2, 3]));
    let mut out = Outbox::new();
    one.set(T0, b"k", vec![1]).unwrap();
    one.remove(T0, b"k").unwrap();
    one.tell(&mut out);
    let told = said(&mut out);
    // Three writes before it hears of the removal: an older write.
    three.set(T0, b"k", vec![3]).unwrap();
    three.tell(&mut out);
    let late = said(&mut out);
    let [second, third] = [hear(&mut two, 1, &told), hear(&mut three, 1, &told)];
    hear(&mut one, 2, &second);
    hear(&mut one, 3, &third);
    one.sweep(T0);
    assert_eq!(one.tombstones(), 1, "three wrote something that is not here");
    hear(&mut one, 3, &late);
    assert_eq!(one.get(b"k"), None);
    one.sweep(T0);
    assert_eq!(one.tombstones(), 0);
}

#[test]
fn what_comes_in_is_bounded() {
    let mut state = met(0, &[0, 1]);
    let stamp = |sequence| Stamp { version: sequence, origin: AgentId(1), sequence };
    let entry = |sequence| Entry { stamp: stamp(sequence), value: Some(vec![1]) };
    let delta = |number, part, since: u64, upto: u64, entries| {
        let (since, upto) = (Versions::one(AgentId(1), since), Versions::one(AgentId(1), upto));
        Message::Delta { number, part, since, upto, clock: 9, entries, all: false }
    };
    // Deltas that never end.
    let begun: Vec<Message> = (1..=20).map(|number| delta(number, (0, 2), 0, 1, vec![])).collect();
    assert_eq!(hear(&mut state, 1, &begun), []);
    let coming: Vec<u64> = state.peers[&AgentId(1)].coming.keys().copied().collect();
    assert_eq!(coming, (21 - COMING_MAX as u64..=20).collect::<Vec<_>>(), "the oldest are let go");
    // Parts that are none complete nothing.
    for part in [(7, 2), (0, PARTS_MAX + 1)] {
        assert_eq!(hear(&mut state, 1, &[delta(30, (0, 2), 0, 1, vec![]), delta(30, part, 0, 1, vec![])]), []);
    }
    assert!(state.versions().is_empty());
    // Keys and values that nobody may write.
    let long = vec![
        (vec![0; KEY_MAX + 1], entry(1)),
        (vec![0], Entry { stamp: stamp(1), value: Some(vec![0; VALUE_MAX + 1]) }),
        (vec![1], entry(1)),
    ];
    assert_eq!(hear(&mut state, 1, &[delta(40, (0, 1), 0, 1, long)]).len(), 1, "acknowledged");
    assert_eq!(state.iter().map(|(key, _)| key.to_vec()).collect::<Vec<_>>(), [vec![1]]);
    // One question for all that does not follow, and another after a while.
    let gaps = [delta(41, (0, 1), 5, 6, vec![]), delta(42, (0, 1), 6, 7, vec![])];
    assert_eq!(hear(&mut state, 1, &gaps), [Message::Pull(Versions::one(AgentId(1), 1))]);
    let later = T0.saturating_add(Settings::default().repeat);
    let mut out = Outbox::new();
    state.on_message(later, AgentId(1), gaps[0].clone(), &mut out, &mut Vec::new());
    assert_eq!(said(&mut out).len(), 1);
}

#[test]
fn a_newcomer_gets_all_in_parts() {
    let mut hall = Hall::new(3, Settings::default());
    for key in 0..20u8 {
        hall.set(0, &[key], &vec![key; VALUE_MAX]);
        hall.set(1, &[100 + key], &vec![key; 9_000]);
    }
    hall.run(100);
    let since = Versions::default();
    let mut out = Outbox::new();
    hall.agents.get_mut(&AgentId(2)).unwrap().send_since(AgentId(9), &since, false, &mut out);
    assert_eq!(out.len(), 8, "three long values in a part, and 20 short ones");
    hall.agents.insert(AgentId(9), State::new(hall.now, AgentId(9), Settings::default()));
    hall.meet();
    hall.run(20);
    assert!(hall.agree());
}

#[test]
fn a_difference_under_equal_vectors_is_seen_and_mended() {
    let mut hall = Hall::new(3, Settings::default());
    hall.set(0, b"a", b"1");
    hall.run(50);
    // What the invariant excludes, done by force.
    let stamp = Stamp { version: 9, origin: AgentId(7), sequence: 1 };
    hall.agents.get_mut(&AgentId(1)).unwrap().put(b"b".to_vec(), Entry { stamp, value: Some(b"2".to_vec()) });
    assert!(!hall.agree());
    hall.run(11_000);
    assert!(hall.agree() && hall.get(2, b"b") == Some(b"2"));
    assert!(hall.agents.values().any(|state| state.repairs() > 0));
}

#[test]
fn bounds_refuse_and_change_nothing() {
    let settings = Settings { entries_max: 2, bytes_max: 20, ..Settings::default() };
    let mut state = State::new(T0, AgentId(0), settings);
    assert_eq!(state.set(T0, &[0; KEY_MAX + 1], vec![]), Err(Refused::Key(257)));
    assert_eq!(state.set(T0, b"k", vec![0; VALUE_MAX + 1]), Err(Refused::Value(65_537)));
    assert_eq!(state.set(T0, b"a", vec![0; 9]), Ok(1));
    assert_eq!(state.set(T0, b"b", vec![0; 10]), Err(Refused::Bytes { bytes: 21, bytes_max: 20 }));
    assert_eq!(state.set(T0, b"b", vec![0; 9]), Ok(2));
    assert_eq!(state.set(T0, b"c", vec![]), Err(Refused::Entries { entries: 2, entries_max: 2 }));
    assert_eq!(state.set(T0, b"a", vec![1; 9]), Ok(3), "its own room");
    assert_eq!((state.remove(T0, b"c"), state.remove(T0, b"a"), state.remove(T0, b"a")), (None, Some(4), None));
    assert_eq!((state.bytes(), state.versions().of(AgentId(0))), (11, 4));
}

#[test]
fn a_delta_on_what_is_not_here_claims_nothing() {
    let (mut writer, mut reader) =
        (State::new(T0, AgentId(1), Settings::default()), State::new(T0, AgentId(2), Settings::default()));
    let members = [AgentId(1), AgentId(2)];
    let (mut out, mut events) = (Outbox::new(), Vec::new());
    writer.on_members(T0, &members, &mut out, &mut events);
    reader.on_members(T0, &members, &mut out, &mut events);
    let mut told = Vec::new();
    for key in [b"a", b"b"] {
        writer.set(T0, key, vec![0]).unwrap();
        writer.tell(&mut out);
        told.push(out.drain().next().unwrap().message);
    }
    reader.on_message(T0, AgentId(1), told.pop().unwrap(), &mut out, &mut events);
    assert_eq!((reader.versions().of(AgentId(1)), reader.get(b"b")), (0, None));
    let pulls: Vec<Message> = out.drain().map(|outgoing| outgoing.message).collect();
    assert_eq!(pulls, [Message::Pull(Versions::default())]);
    reader.on_message(T0, AgentId(1), told.pop().unwrap(), &mut out, &mut events);
    assert_eq!((reader.versions().of(AgentId(1)), reader.get(b"a")), (1, Some(&[0u8][..])));
}

#[test]
fn lies_about_own_writes_are_not_believed() {
    let mut state = State::new(T0, AgentId(0), Settings::default());
    let stamp = Stamp { version: u64::MAX, origin: AgentId(0), sequence: u64::MAX };
    let message = |all| Message::Delta {
        number: 1,
        part: (0, 1),
        since: Versions::default(),
        upto: Versions::one(AgentId(0), u64::MAX),
        clock: 0,
        entries: vec![(b"k".to_vec(), Entry { stamp, value: Some(vec![1]) })],
        all,
    };
    state.on_message(T0, AgentId(1), message(false), &mut Outbox::new(), &mut Vec::new());
    state.on_message(T0, AgentId(1), message(true), &mut Outbox::new(), &mut Vec::new());
    assert_eq!(state.get(b"k"), None);
    assert_eq!(state.set(T0, b"k", vec![2]), Ok(1));
}

#[derive(Debug, Clone)]
enum Deed {
    Set(u32, u8, u8),
    Remove(u32, u8),
    Divide(u32),
    Heal,
    Wait(u64),
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        4 => (0..5u32, 0..6u8, any::<u8>()).prop_map(|(agent, key, value)| Deed::Set(agent, key, value)),
        3 => (0..5u32, 0..6u8).prop_map(|(agent, key)| Deed::Remove(agent, key)),
        1 => (0..32u32).prop_map(Deed::Divide),
        1 => Just(Deed::Heal),
        3 => (0..12_000u64).prop_map(Deed::Wait),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// Writes, removals, partitions of any kind: afterwards all are equal, without the last resort.
    #[test]
    fn all_converge(deeds in proptest::collection::vec(deed(), 1..40), chance: u64) {
        let mut hall = Hall::new(5, Settings { interval: SECOND, ..Settings::default() });
        hall.chance = chance;
        for deed in deeds {
            match deed {
                Deed::Set(agent, key, value) => { hall.set(agent, &[key], &[value]); }
                Deed::Remove(agent, key) => hall.remove(agent, &[key]),
                Deed::Divide(sides) => {
                    hall.sides = (0..5).map(|agent| (AgentId(agent), sides >> agent & 1)).collect();
                    hall.meet();
                }
                Deed::Heal => { hall.sides.clear(); hall.meet(); }
                Deed::Wait(ms) => hall.run(ms),
            }
        }
        hall.sides.clear();
        hall.meet();
        hall.run(15_000);
        prop_assert!(hall.agree());
        for state in hall.agents.values() {
            prop_assert_eq!((state.tombstones(), state.repairs()), (0, 0));
            prop_assert_eq!(state.bytes(), state.iter().map(|(key, value)| key.len() + value.len()).sum::<usize>());
        }
    }

    /// Vectors merge in any order, and twice, into the same.
    #[test]
    fn vectors_are_a_semilattice(counts in proptest::collection::vec((0..4u32, 0..5u64), 0..12)) {
        let ones: Vec<Versions> = counts.iter().map(|(agent, count)| Versions::one(AgentId(*agent), *count)).collect();
        let (mut there, mut back) = (Versions::default(), Versions::default());
        ones.iter().for_each(|one| there.merge(one));
        ones.iter().rev().chain(&ones).for_each(|one| back.merge(one));
        prop_assert_eq!(&there, &back);
        prop_assert!(ones.iter().all(|one| there.cover(one)));
    }
}
