//! What an agent knows about who belongs to the swarm, such that any two rosters merge.
//!
//! Invariant: rosters are a join-semilattice. A member's standing only rises, a merge takes the higher of each, so
//! rosters that saw the same news in any order, doubled or not, are equal. The epoch is the sum of all heights: it rises
//! with each change, and equal rosters have equal epochs.

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

/// How a member stands: an even number while it lives, odd while it is held for dead, the highest once it is gone.
///
/// A neighbour that hears nothing raises an even number by one; the agent itself, when it hears of that, raises the odd
/// one by one; the leader, after long silence, or the agent itself on leaving, takes the highest, which no news exceeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Standing(u32);

impl Standing {
    /// Just joined.
    pub const NEW: Self = Self(0);
    /// Left or removed, for ever: who comes back, comes back under a new number.
    pub const GONE: Self = Self(u32::MAX);

    /// Lives.
    #[must_use]
    pub const fn is_alive(self) -> bool {
        self.0.is_multiple_of(2)
    }

    /// Left or removed.
    #[must_use]
    pub const fn is_gone(self) -> bool {
        self.0 == u32::MAX
    }

    /// Held for dead, and may yet object.
    #[must_use]
    pub const fn is_down(self) -> bool {
        !self.is_alive() && !self.is_gone()
    }

    /// The next standing: down after alive, alive after down. After 2^31 deaths comes GONE.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    const fn height(self) -> u64 {
        self.0 as u64 + 1
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
    /// New members under a shape. Order and repetitions do not matter.
    ///
    /// # Panics
    /// If they are more than [`ROSTER_MAX`].
    #[must_use]
    pub fn new(shape: Shape, members: impl IntoIterator<Item = AgentId>) -> Self {
        let mut standings: Vec<_> = members.into_iter().map(|agent| (agent, Standing::NEW)).collect();
        standings.sort_unstable();
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
            Ok(at) if self.standings[at].1 >= standing => false,
            Ok(at) => {
                self.standings[at].1 = standing;
                true
            }
            Err(_) if self.is_full() => false,
            Err(at) => {
                self.standings.insert(at, (agent, standing));
                true
            }
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
        for &(agent, standing) in &other.standings {
            while self.standings.get(known).is_some_and(|(mine, _)| *mine < agent) {
                known += 1;
            }
            match self.standings.get(known) {
                Some((mine, old)) if *mine == agent => {
                    if standing > *old {
                        raised.push((known, standing));
                    }
                }
                _ => strangers.push((agent, standing)),
            }
        }
        let together = self.standings.len() + strangers.len();
        if together > ROSTER_MAX {
            return Err(BadRoster::TooLong(together));
        }
        let news = other.shape > self.shape || !raised.is_empty() || !strangers.is_empty();
        self.shape = self.shape.max(other.shape);
        for (at, standing) in raised {
            self.standings[at].1 = standing;
        }
        if !strangers.is_empty() {
            // Two runs in order: a stable sort merges them.
            self.standings.extend(strangers);
            self.standings.sort();
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
    /// No two parts of a divided swarm have it under one roster.
    #[must_use]
    pub fn has_majority(&self) -> bool {
        let present = self.standings.iter().filter(|(_, standing)| !standing.is_gone());
        let (mut all, mut living, mut first) = (0_usize, 0_usize, None);
        for (_, standing) in present {
            all += 1;
            living += usize::from(standing.is_alive());
            first = first.or(Some(standing.is_alive()));
        }
        2 * living > all || (2 * living == all && first == Some(true))
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
        let standing = prop_oneof![(0_u32..5).prop_map(Standing), Just(Standing::GONE)];
        let shape = (0_u32..3, prop::sample::select(Shape::ALL.to_vec()));
        (shape, prop::collection::btree_map((0_u32..12).prop_map(AgentId), standing, 0..12))
            .prop_map(|(shape, standings)| Roster { shape, standings: standings.into_iter().collect() })
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
            let shape_only = both.standings == a.standings && both.shape.0 == a.shape.0;
            prop_assert!(both == a || both.epoch() > a.epoch() || shape_only);
        }

        #[test]
        fn decoding_undoes_encoding_and_any_bytes_are_taken_or_refused(
            a in any_roster(), bytes in prop::collection::vec(any::<u8>(), 0..60)
        ) {
            prop_assert_eq!(Roster::decode(&a.encode()), Ok(a));
            if let Ok(roster) = Roster::decode(&bytes) {
                prop_assert!(roster.standings.is_sorted());
            }
        }

        #[test]
        fn two_parts_of_a_swarm_never_both_have_the_majority(n in 1_u32..20, cut in any::<u32>()) {
            let whole = Roster::new(Shape::Mesh, (0..n).map(AgentId));
            let part = |mine: bool| {
                let mut part = whole.clone();
                for i in 0..n {
                    if (cut >> i & 1 == 1) != mine {
                        part.raise(AgentId(i), Standing::NEW.next());
                    }
                }
                part.has_majority()
            };
            prop_assert!(part(true) != part(false));
        }
    }

    #[test]
    fn the_gone_never_come_back() {
        let mut roster = Roster::new(Shape::Ring, [AgentId(1), AgentId(2)]);
        assert!(roster.raise(AgentId(2), Standing::GONE));
        assert!(!roster.raise(AgentId(2), Standing(4_000_000_000)));
        assert_eq!(roster.living().collect::<Vec<_>>(), [AgentId(1)]);
        assert!(roster.has_majority());
        assert_eq!(Standing::GONE.next(), Standing::GONE);
        assert_eq!(Standing(u32::MAX - 1).next(), Standing::GONE);
    }

    #[test]
    fn members_out_of_order_are_refused() {
        let twice = Roster { shape: (0, Shape::Mesh), standings: vec![(AgentId(1), Standing::NEW); 2] };
        assert_eq!(Roster::decode(&twice.encode()), Err(BadRoster::Order(AgentId(1))));
        let long: Vec<_> = (0..=ROSTER_MAX as u32).map(|i| (AgentId(i), Standing::NEW)).collect();
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
