//! What an agent knows about who belongs to the swarm, such that any two rosters merge.
//!
//! Invariant: rosters are a join-semilattice. A member's standing only rises, a merge takes the higher of each, so
//! rosters that saw the same news in any order, doubled or not, are equal. The epoch is the sum of all heights: it rises
//! with each change but that of who has seen what, and equal rosters have equal epochs.
//!
//! Invariant: of two parts of a divided swarm, each with one roster that calls alive only who is in it, one at most has
//! the majority. Rosters that differ could each make one, so a newcomer or a removal is *open* at first. Each member
//! notes in its roster that it has *seen* exactly these members and removals; once a majority has, they are *settled*.
//! While some are open elsewhere others may be settled that lie between, so a majority has to be one under every choice
//! of the open changes: the removed count against it, newcomers as well until they are there or have seen it.
//!
//! Why that is enough. Call base what a roster holds as settled. (1) Where each of two rosters knows the other's base,
//! both bases together are a choice under both, so their majorities share a member. (2) What a member has seen only
//! grows, so what two majorities with a common member have seen exactly contains one another. (3) By (1) and (2), from
//! one settled set to the next, all settled sets and the rosters of parts with a majority are a chain; so (1) holds for
//! any two of them, and disjoint parts have no common member. Who says goodbye votes no more, and its last word holds
//! all it ever saw, so a goodbye is settled at once.

use serde::{Deserialize, Serialize};

use crate::id::AgentId;
use crate::message::PAYLOAD_MAX;
use crate::topology::Shape;

/// Members, gone ones included, that a roster may have, so that the largest still fits into a frame. Numbers of the gone
/// stay (8 bytes each), so that old news cannot bring them back; once as many agents have ever been, nobody is taken in.
pub const ROSTER_MAX: usize = 104_000;
/// Bytes of a member as it is written: two varints of 32 bits.
const ENTRY_MAX: usize = 10;
const _: () = assert!(ENTRY_MAX * ROSTER_MAX + ENTRY_MAX <= PAYLOAD_MAX, "the largest roster fits into a frame");

/// How a member stands: a count, even while it lives, odd while it is held for dead, the highest once it is gone; whether
/// its coming or going is open; and, while anything is, whether it has seen that.
///
/// A neighbour that hears nothing raises an even count by one; the agent itself, when it hears of that, raises the odd
/// one by one; the leader, after long silence, or the agent itself on leaving, takes the highest, which no news exceeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Standing(u32);

/// The bits below the count.
const OPEN: u32 = 1;
const SEEN: u32 = 2;
const COUNT: u32 = 2;

impl Standing {
    /// One of those who started together.
    pub const FOUNDER: Self = Self(0);
    /// Just joined.
    pub const NEW: Self = Self(OPEN);
    /// Removed, for ever, by a leader whose word is not yet settled.
    pub const REMOVED: Self = Self(Self::GONE.0 | OPEN);
    /// Left or removed, for ever: who comes back, comes back under a new number.
    pub const GONE: Self = Self(u32::MAX << COUNT);

    /// How often it was held for dead or objected.
    #[must_use]
    pub const fn count(self) -> u32 {
        self.0 >> COUNT
    }

    /// Lives.
    #[must_use]
    pub const fn is_alive(self) -> bool {
        self.count().is_multiple_of(2)
    }

    /// Left or removed.
    #[must_use]
    pub const fn is_gone(self) -> bool {
        self.count() == Self::GONE.count()
    }

    /// Held for dead, and may yet object.
    #[must_use]
    pub const fn is_down(self) -> bool {
        !self.is_alive() && !self.is_gone()
    }

    /// Its coming or its removal is not settled.
    #[must_use]
    pub const fn is_open(self) -> bool {
        self.0 & OPEN != 0
    }

    const fn has_seen(self) -> bool {
        self.0 & SEEN != 0 && !self.is_gone()
    }

    /// The next standing: down after alive, alive after down. After 2^29 deaths comes [`Standing::REMOVED`].
    #[must_use]
    pub const fn next(self) -> Self {
        if self.is_gone() {
            self
        } else if self.count() + 1 == Self::GONE.count() {
            Self::REMOVED
        } else {
            Self(self.0 + (1 << COUNT))
        }
    }

    /// The lowest that is as high as both: the higher count, settled if one is. What `self` has seen stays.
    const fn join(self, other: Self) -> Self {
        match (self.is_gone(), other.is_gone()) {
            (true, false) => self,
            (false, true) => Self(other.0 & !SEEN),
            _ => {
                let count = if self.count() > other.count() { self.count() } else { other.count() };
                Self(count << COUNT | self.0 & SEEN | self.0 & other.0 & OPEN)
            }
        }
    }

    const fn height(self) -> u64 {
        self.count() as u64 + !self.is_open() as u64 + 1
    }
}

/// Who belongs to the swarm, and its shape.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Roster {
    /// How often the shape was changed, and into what; the higher pair wins.
    shape: (u32, Shape),
    /// In order of the numbers, each once.
    standings: Vec<(AgentId, Standing)>,
}

/// Why bytes are no roster.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadRoster {
    /// Does not parse, or bytes are left over.
    #[error("{0} bytes of a roster do not parse: the sender is broken")]
    Bytes(usize),
    /// More than [`ROSTER_MAX`] members.
    #[error("a roster of {0} members is above {ROSTER_MAX}: found a larger swarm in parts")]
    TooLong(usize),
    /// Members out of order or named twice.
    #[error("a roster names {0} after a higher or the same number")]
    Order(AgentId),
}

impl Roster {
    /// Founders under a shape. Order and repetitions do not matter.
    ///
    /// # Panics
    /// If they are more than [`ROSTER_MAX`].
    #[must_use]
    pub fn new(shape: Shape, members: impl IntoIterator<Item = AgentId>) -> Self {
        let mut standings: Vec<_> = members.into_iter().map(|agent| (agent, Standing::FOUNDER)).collect();
        standings.sort_unstable_by_key(|(agent, _)| *agent);
        standings.dedup();
        assert!(standings.len() <= ROSTER_MAX, "{}", BadRoster::TooLong(standings.len()));
        Self { shape: (0, shape), standings }
    }

    /// The shape.
    #[must_use]
    pub const fn shape(&self) -> Shape {
        self.shape.1
    }

    /// Everybody ever known, in order of the numbers.
    #[must_use]
    pub fn standings(&self) -> &[(AgentId, Standing)] {
        &self.standings
    }

    /// How `agent` stands; None if never heard of.
    #[must_use]
    pub fn standing(&self, agent: AgentId) -> Option<Standing> {
        let at = self.standings.binary_search_by_key(&agent, |(known, _)| *known).ok()?;
        Some(self.standings[at].1)
    }

    /// True once nobody can be taken in any more.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.standings.len() >= ROSTER_MAX
    }

    /// Raises the standing of `agent`, or takes it up, unless the roster is full; true if that was news.
    pub fn raise(&mut self, agent: AgentId, standing: Standing) -> bool {
        match self.standings.binary_search_by_key(&agent, |(known, _)| *known) {
            Ok(at) => {
                let old = self.standings[at].1;
                let new = old.join(standing);
                self.standings[at].1 = new;
                if old.is_gone() != new.is_gone() {
                    self.forget();
                }
                new != old
            }
            Err(_) if self.is_full() => false,
            Err(at) => {
                self.standings.insert(at, (agent, standing));
                self.forget();
                true
            }
        }
    }

    fn is_open(&self) -> bool {
        self.standings.iter().any(|(_, standing)| standing.is_open())
    }

    /// Nobody has seen the present changes.
    fn forget(&mut self) {
        self.standings.iter_mut().for_each(|(_, standing)| standing.0 &= !SEEN);
    }

    /// Notes that `me` has seen what is open, and settles it if now a majority has.
    pub fn acknowledge(&mut self, me: AgentId) {
        if !self.is_open() {
            return;
        }
        if let Ok(at) = self.standings.binary_search_by_key(&me, |(known, _)| *known) {
            self.standings[at].1.0 |= SEEN;
        }
        if self.is_majority(Standing::has_seen) {
            self.standings.iter_mut().for_each(|(_, standing)| standing.0 &= !(OPEN | SEEN));
        }
    }

    /// Takes another shape, above all known changes.
    pub fn reshape(&mut self, shape: Shape) {
        self.shape = (self.shape.0.saturating_add(1), shape);
    }

    /// Takes all news of the other; true if there was any.
    ///
    /// # Errors
    /// [`BadRoster::TooLong`] if both together are above [`ROSTER_MAX`]; then nothing was taken.
    pub fn merge(&mut self, other: &Self) -> Result<bool, BadRoster> {
        let mut known = 0;
        let mut strangers = Vec::new();
        let mut raised = Vec::new();
        // Who of the two knows of a member or a removal that the other does not.
        let (mut ahead, mut behind) = (false, false);
        for &(agent, standing) in &other.standings {
            while self.standings.get(known).is_some_and(|(mine, _)| *mine < agent) {
                known += 1;
                ahead = true;
            }
            match self.standings.get(known) {
                Some(&(mine, old)) if mine == agent => {
                    let new = old.join(standing);
                    if new != old {
                        raised.push((known, new));
                    }
                    ahead |= old.is_gone() && !standing.is_gone();
                    behind |= standing.is_gone() && !old.is_gone();
                    known += 1;
                }
                _ => strangers.push((agent, standing)),
            }
        }
        ahead |= known < self.standings.len();
        behind |= !strangers.is_empty();
        let together = self.standings.len() + strangers.len();
        if together > ROSTER_MAX {
            return Err(BadRoster::TooLong(together));
        }
        let mut news = other.shape > self.shape || !raised.is_empty() || !strangers.is_empty();
        self.shape = self.shape.max(other.shape);
        for (at, standing) in raised {
            self.standings[at].1 = standing;
        }
        if !strangers.is_empty() {
            // Two runs in order: a stable sort merges them.
            self.standings.extend(strangers);
            self.standings.sort_by_key(|(agent, _)| *agent);
        }
        if behind || !self.is_open() {
            self.forget();
        }
        if !ahead && self.is_open() {
            // Both now have the same members.
            for ((_, mine), (_, theirs)) in self.standings.iter_mut().zip(&other.standings) {
                news |= theirs.has_seen() && !mine.has_seen();
                mine.0 |= theirs.0 & SEEN;
            }
        }
        Ok(news)
    }

    /// The living, in order of their numbers.
    pub fn living(&self) -> impl Iterator<Item = AgentId> + '_ {
        self.standings.iter().filter(|(_, standing)| standing.is_alive()).map(|(agent, _)| *agent)
    }

    /// The sum of all heights.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        u64::from(self.shape.0) + self.standings.iter().map(|(_, standing)| standing.height()).sum::<u64>()
    }

    /// True if the living are more than half of those not gone; of two halves, the one with the smallest number counts.
    /// Members whose coming or going is open count so that no two parts of a divided swarm have it (see the head of this
    /// file).
    #[must_use]
    pub fn has_majority(&self) -> bool {
        self.is_majority(Standing::is_alive)
    }

    /// True if those for whom `votes` is true are a majority under every choice of what is open: with each newcomer who
    /// votes or without it, and with everybody else who may still be a member.
    fn is_majority(&self, votes: impl Fn(Standing) -> bool) -> bool {
        let (mut all, mut those, mut first) = (0_usize, 0_usize, None);
        for &(_, standing) in &self.standings {
            let for_it = votes(standing);
            let is_out = if for_it { standing.is_open() } else { standing.is_gone() && !standing.is_open() };
            if !is_out {
                all += 1;
                those += usize::from(for_it);
                first = first.or(Some(for_it));
            }
        }
        // Nobody is left to count where all but newcomers said goodbye: then it is theirs, if all of them vote.
        2 * those > all || (2 * those == all && first != Some(false))
    }

    /// A number that equal rosters share and others hardly do (FNV-1a, 64 bits).
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        let mut eat = |word: u32| {
            for byte in word.to_le_bytes() {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
            }
        };
        eat(self.shape.0);
        eat(self.shape.1 as u32);
        for (agent, standing) in &self.standings {
            eat(agent.0);
            eat(standing.0);
        }
        hash
    }

    /// As bytes (postcard).
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        postcard::to_allocvec(self).expect("a roster is plain data")
    }

    /// From bytes.
    ///
    /// # Errors
    /// [`BadRoster`], for any bytes that are none.
    pub fn decode(bytes: &[u8]) -> Result<Self, BadRoster> {
        let (roster, rest) = postcard::take_from_bytes::<Self>(bytes).map_err(|_| BadRoster::Bytes(bytes.len()))?;
        if !rest.is_empty() {
            return Err(BadRoster::Bytes(rest.len()));
        }
        if roster.standings.len() > ROSTER_MAX {
            return Err(BadRoster::TooLong(roster.standings.len()));
        }
        match roster.standings.windows(2).find(|pair| pair[0].0 >= pair[1].0) {
            Some(pair) => Err(BadRoster::Order(pair[1].0)),
            None => Ok(roster),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_roster() -> impl Strategy<Value = Roster> {
        let standing = prop_oneof![(0_u32..20).prop_map(Standing), Just(Standing::REMOVED), Just(Standing::GONE)];
        let shape = (0_u32..3, prop::sample::select(Shape::ALL.to_vec()));
        (shape, prop::collection::btree_map((0_u32..12).prop_map(AgentId), standing, 0..12)).prop_map(
            |(shape, standings)| {
                let mut roster = Roster { shape, standings: standings.into_iter().collect() };
                if !roster.is_open() {
                    roster.forget();
                }
                roster
            },
        )
    }

    fn merged(a: &Roster, b: &Roster) -> Roster {
        let mut out = a.clone();
        let news = out.merge(b).unwrap();
        assert_eq!(news, out != *a);
        out
    }

    proptest! {
        #[test]
        fn merging_is_commutative_associative_and_idempotent(
            a in any_roster(), b in any_roster(), c in any_roster()
        ) {
            prop_assert_eq!(merged(&a, &b), merged(&b, &a));
            prop_assert_eq!(merged(&merged(&a, &b), &c), merged(&a, &merged(&b, &c)));
            prop_assert_eq!(merged(&a, &a), a);
        }

        #[test]
        fn each_change_raises_the_epoch(a in any_roster(), b in any_roster()) {
            let both = merged(&a, &b);
            prop_assert_eq!(both == a, both.fingerprint() == a.fingerprint());
            prop_assert!(both.epoch() >= a.epoch());
            let (mut told, mut before) = (both.clone(), a.clone());
            told.forget();
            before.forget();
            let quiet = told.standings == before.standings && both.shape.0 == a.shape.0;
            prop_assert!(both == a || both.epoch() > a.epoch() || quiet);
        }

        #[test]
        fn decoding_undoes_encoding_and_any_bytes_are_taken_or_refused(
            a in any_roster(), bytes in prop::collection::vec(any::<u8>(), 0..60)
        ) {
            prop_assert_eq!(Roster::decode(&a.encode()), Ok(a));
            if let Ok(roster) = Roster::decode(&bytes) {
                prop_assert!(roster.standings.is_sorted_by_key(|(agent, _)| *agent));
            }
        }

        #[test]
        fn two_parts_of_a_swarm_never_both_have_the_majority(n in 1_u32..20, cut in any::<u32>()) {
            let whole = Roster::new(Shape::Mesh, (0..n).map(AgentId));
            let part = |mine: bool| {
                let mut part = whole.clone();
                for i in 0..n {
                    if (cut >> i & 1 == 1) != mine {
                        part.raise(AgentId(i), Standing::FOUNDER.next());
                    }
                }
                part.has_majority()
            };
            prop_assert!(part(true) != part(false));
        }
    }

    proptest! {
        // One history in some hundred comes to two majorities where what is open counts like the rest.
        #![proptest_config(ProptestConfig { cases: 16 * ProptestConfig::default().cases, ..ProptestConfig::default() })]

        #[test]
        fn whatever_happened_one_part_at_most_has_the_majority(
            founders in 1_u32..8, steps in prop::collection::vec(any_step(), 0..80), cut in any_cut()
        ) {
            let mut swarm = Swarm::found(founders);
            for step in &steps {
                swarm.take(step);
            }
            swarm.take(&Step::Cut(cut));
            let with_majority = (0..4).filter(|&side| swarm.side_has_majority(side)).count();
            prop_assert!(with_majority <= 1);
        }
    }

    /// What may befall agents; who are places among the living.
    #[derive(Debug, Clone)]
    enum Step {
        /// Two bits for each number: on which side of a cut it is.
        Cut(u64),
        /// The first tells the second its roster.
        Tell(usize, usize),
        /// One is asked to take in a newcomer.
        Join(usize, u32),
        /// The first takes the second for dead, whether it is or not.
        Blame(usize, usize),
        /// The first removes all it takes for dead.
        Remove(usize),
        /// The first leaves, and only the second hears its goodbye.
        Leave(usize, usize),
        Crash(usize),
    }

    /// Two sides, or four.
    fn any_cut() -> impl Strategy<Value = u64> {
        (any::<u64>(), any::<bool>()).prop_map(|(cut, two)| if two { cut & 0x5555_5555_5555_5555 } else { cut })
    }

    fn any_step() -> impl Strategy<Value = Step> {
        let one = || 0_usize..32;
        prop_oneof![
            2 => any_cut().prop_map(Step::Cut),
            20 => (one(), one()).prop_map(|(a, b)| Step::Tell(a, b)),
            4 => (one(), 0_u32..32).prop_map(|(a, number)| Step::Join(a, number)),
            4 => (one(), one()).prop_map(|(a, b)| Step::Blame(a, b)),
            2 => one().prop_map(Step::Remove),
            1 => (one(), one()).prop_map(|(a, b)| Step::Leave(a, b)),
            1 => one().prop_map(Step::Crash),
        ]
    }

    /// The rosters of the living.
    struct Swarm {
        rosters: Vec<(AgentId, Roster)>,
        /// Numbers that were given.
        known: u64,
        cut: u64,
    }

    impl Swarm {
        fn found(founders: u32) -> Self {
            // Not the lowest, so that newcomers may be lower.
            let numbers: Vec<AgentId> = (8..8 + founders).map(AgentId).collect();
            let known = numbers.iter().map(|agent| 1 << agent.0).sum();
            let roster = Roster::new(Shape::Mesh, numbers.iter().copied());
            Self { rosters: numbers.into_iter().map(|agent| (agent, roster.clone())).collect(), known, cut: 0 }
        }

        fn side(&self, agent: AgentId) -> u64 {
            self.cut >> (2 * agent.0) & 3
        }

        /// `to` hears a roster and follows it.
        fn hear(&mut self, to: usize, news: &Roster) {
            let (me, mine) = &mut self.rosters[to];
            mine.merge(news).unwrap();
            let standing = mine.standing(*me).expect("knows itself");
            if standing.is_gone() {
                self.rosters.remove(to);
                return;
            }
            if standing.is_down() {
                mine.raise(*me, standing.next());
            }
            mine.acknowledge(*me);
        }

        fn take(&mut self, step: &Step) {
            let living = self.rosters.len();
            if living == 0 {
                return;
            }
            match *step {
                Step::Cut(cut) => self.cut = cut,
                Step::Tell(from, to) => {
                    let ((from, news), to) = (self.rosters[from % living].clone(), to % living);
                    if self.side(from) == self.side(self.rosters[to].0) {
                        self.hear(to, &news);
                    }
                }
                Step::Join(at, number) => {
                    let (host, roster) = &mut self.rosters[at % living];
                    let (host, new) = (*host, AgentId(number));
                    if self.known >> number & 1 == 0 && roster.has_majority() {
                        self.known |= 1 << number;
                        roster.raise(new, Standing::NEW);
                        roster.acknowledge(host);
                        let mut theirs = roster.clone();
                        // On another side, it asked before the cut and never hears the answer.
                        if self.side(host) == self.side(new) {
                            theirs.acknowledge(new);
                            self.rosters.push((new, theirs));
                        }
                    }
                }
                Step::Blame(by, whom) => {
                    let (whom, by) = (self.rosters[whom % living].0, by % living);
                    let (me, roster) = &mut self.rosters[by];
                    if let Some(standing) = roster.standing(whom).filter(|s| s.is_alive() && whom != *me) {
                        roster.raise(whom, standing.next());
                    }
                }
                Step::Remove(by) => {
                    let (me, roster) = &mut self.rosters[by % living];
                    if roster.has_majority() {
                        let down = roster.standings.iter().filter(|(_, standing)| standing.is_down());
                        for agent in down.map(|(agent, _)| *agent).collect::<Vec<_>>() {
                            roster.raise(agent, Standing::REMOVED);
                        }
                        roster.acknowledge(*me);
                    }
                }
                Step::Leave(who, to) => {
                    let (leaver, mut last) = self.rosters.remove(who % living);
                    last.raise(leaver, Standing::GONE);
                    if living > 1 && self.side(leaver) == self.side(self.rosters[to % (living - 1)].0) {
                        self.hear(to % (living - 1), &last);
                    }
                }
                Step::Crash(who) => {
                    self.rosters.remove(who % living);
                }
            }
        }

        /// After all on a side have noticed who is not there, and have told each other all they know.
        fn side_has_majority(&self, side: u64) -> bool {
            let there = |(agent, _): &&(AgentId, Roster)| self.side(*agent) == side;
            let rosters: Vec<_> = self.rosters.iter().filter(there).cloned().collect();
            let mut part = Self { rosters, known: self.known, cut: 0 };
            loop {
                let before = part.rosters.clone();
                for at in (0..part.rosters.len()).rev() {
                    for (_, news) in &before {
                        // Who hears of its removal is there no more.
                        if at < part.rosters.len() {
                            part.hear(at, news);
                        }
                    }
                }
                let there: Vec<AgentId> = part.rosters.iter().map(|(agent, _)| *agent).collect();
                for (_, roster) in &mut part.rosters {
                    for (agent, standing) in roster.standings.clone() {
                        if standing.is_alive() && !there.contains(&agent) {
                            roster.raise(agent, standing.next());
                        }
                    }
                }
                if part.rosters == before {
                    break;
                }
            }
            let Some((_, roster)) = part.rosters.first() else { return false };
            assert!(part.rosters.iter().all(|(_, other)| other == roster));
            assert!(!roster.has_majority() || !roster.is_open(), "where a majority is, it settles what is open");
            roster.has_majority()
        }
    }

    #[test]
    fn the_gone_never_come_back() {
        let mut roster = Roster::new(Shape::Ring, [AgentId(1), AgentId(2)]);
        assert!(roster.raise(AgentId(2), Standing::GONE));
        assert!(!roster.raise(AgentId(2), Standing(4_000_000_000)));
        assert!(!roster.raise(AgentId(2), Standing::REMOVED));
        assert_eq!(roster.living().collect::<Vec<_>>(), [AgentId(1)]);
        assert!(roster.has_majority());
        assert_eq!(Standing::GONE.next(), Standing::GONE);
        let last = Standing((Standing::GONE.count() - 1) << COUNT);
        assert!(last.is_alive() && last.next() == Standing::REMOVED);
    }

    #[test]
    fn members_out_of_order_are_refused() {
        let twice = Roster { shape: (0, Shape::Mesh), standings: vec![(AgentId(1), Standing::FOUNDER); 2] };
        assert_eq!(Roster::decode(&twice.encode()), Err(BadRoster::Order(AgentId(1))));
        let long: Vec<_> = (0..=ROSTER_MAX as u32).map(|i| (AgentId(i), Standing::FOUNDER)).collect();
        let long = Roster { shape: (0, Shape::Mesh), standings: long };
        assert_eq!(Roster::decode(&long.encode()), Err(BadRoster::TooLong(ROSTER_MAX + 1)));
    }

    #[test]
    fn the_largest_roster_fits_into_a_frame_and_takes_nobody_in() {
        let standings = |from: u32| (from..).take(ROSTER_MAX).map(|i| (AgentId(i), Standing::GONE)).collect();
        let mut full = Roster { shape: (u32::MAX, Shape::Star), standings: standings(u32::MAX - ROSTER_MAX as u32) };
        let bytes = full.encode();
        assert_eq!(bytes.len(), 6 + 3 + ENTRY_MAX * ROSTER_MAX);
        assert!(bytes.len() <= PAYLOAD_MAX && Roster::decode(&bytes).as_ref() == Ok(&full));
        let before = full.clone();
        assert!(!full.raise(AgentId(1), Standing::NEW));
        let other = Roster::new(Shape::Mesh, [AgentId(1)]);
        assert_eq!(full.merge(&other), Err(BadRoster::TooLong(ROSTER_MAX + 1)));
        assert_eq!(full, before);
        // Made up by a liar: no more memory than the limit, and no work beyond a walk along both.
        let lies = Roster { shape: (9, Shape::Ring), standings: standings(0) };
        assert_eq!(full.merge(&lies), Err(BadRoster::TooLong(2 * ROSTER_MAX)));
    }
}
